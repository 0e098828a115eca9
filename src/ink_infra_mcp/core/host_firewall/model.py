"""What a server's own firewall lets in, as frozen data that nothing hostile fits into."""

import re
from collections.abc import Iterable
from ipaddress import ip_address
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from ink_infra_mcp.core.firewall.addresses import V4, V6, Family, family_of, split
from ink_infra_mcp.core.firewall.ports import Ports
from ink_infra_mcp.core.fleet import network
from ink_infra_mcp.core.plan import Frozen

Manager = Literal["nftables", "ufw", "firewalld"]
"""Who keeps the rules for what is meant for the host itself; what is forwarded is always ours to keep."""
SSH = 22
_WORDS = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ,.:;/()_+-]{0,59}")
_INTERFACE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,14}")


def _ports(value: str) -> str:
    found = Ports.parse(value)
    if 0 in found or not found:
        raise ValueError("port 0 is no port")
    return str(found)


def _sources(values: tuple[str, ...]) -> tuple[str, ...]:
    v4, v6 = split(values)
    return (*v4.cidrs(), *v6.cidrs())


def _plain(value: str) -> str:
    if not _WORDS.fullmatch(value):
        raise ValueError("use at most 60 letters, digits, spaces and , . : ; / ( ) _ + -")
    return value


def is_interface(name: str) -> bool:
    """Return whether a link's name can stand in a rule: the kernel takes nearly any."""
    return _INTERFACE.fullmatch(name) is not None


def _interface(value: str) -> str:
    if not is_interface(value):
        raise ValueError("use the name of a network interface")
    return value


def _sorted(values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted(set(values)))


Interfaces = Annotated[
    tuple[Annotated[str, AfterValidator(_interface)], ...], AfterValidator(_sorted), Field(max_length=64)
]
Networks = Annotated[
    tuple[Annotated[str, AfterValidator(network)], ...],
    AfterValidator(_sources),
    Field(min_length=1, max_length=500),
]


class HostRule(Frozen):
    """Ports that some networks may open connections to. `ports` is such as `22`, `80,443`, `8000-8100` or `any`."""

    protocol: Literal["tcp", "udp"]
    ports: Annotated[str, AfterValidator(_ports)]
    sources: Networks
    why: Annotated[str, AfterValidator(_plain)]

    def networks(self) -> tuple[V4, V6]:
        """Return the sources by family."""
        return split(self.sources)


class HostFirewall(Frozen):
    """All that may be opened from `outside`; the rest that comes in by these interfaces is dropped.

    What comes from inside passes, and so does what it may reach: by lo, by an interface of `inside`, and by those that
    the kernel calls a bridge or a veth, which programs make anew all the time, unless `outside` has them. What comes in
    by any other interface counts as from outside. A port is the one that the packet was sent to, before Docker rewrites
    it.
    """

    manager: Manager = "nftables"
    rules: Annotated[tuple[HostRule, ...], Field(min_length=1, max_length=200)]
    outside: Interfaces = ()
    inside: Interfaces = ()
    bridged: Interfaces = ()
    """Bridges of `outside`: what their own ports send each other is no way to the server, though it may be filtered."""
    behind: Interfaces = ()
    """Where ufw keeps the rules: all networks inside the server, which keep what ufw lets them reach now."""
    ufw_ipv6: bool = True
    """Whether ufw takes rules for IPv6; where it does not (IPV6=no), it drops all of it (seen with 0.36)."""
    no_metadata: bool = False
    """Whether containers are kept from the metadata service of the provider (169.254.169.254)."""


class WayIn(Frozen):
    """A way in that must stay open, whatever the rules say: `name` is what a refusal calls it."""

    name: Annotated[str, AfterValidator(_plain)]
    networks: Networks
    port: Annotated[int, Field(ge=1, le=65535)] = SSH


def admitted(firewall: HostFirewall, protocol: str, port: int) -> tuple[V4, V6]:
    """Return from where a connection to a port may be opened, by family."""
    v4, v6 = V4(), V6()
    for rule in firewall.rules:
        if rule.protocol == protocol and port in Ports.parse(rule.ports):
            more_v4, more_v6 = rule.networks()
            v4, v6 = v4 | more_v4, v6 | more_v6
    return v4, v6


def shut_out(firewall: HostFirewall, ways: Iterable[WayIn]) -> tuple[str, ...]:
    """Return in words which ways in the firewall would close, wholly or in part; empty when it closes none."""
    return tuple(words for way in ways for words in _lost(firewall, way))


def way_of_connection(ssh_connection: str) -> WayIn:
    """Return the way in that a session came by, from the server's SSH_CONNECTION.

    Raises:
        ValueError: it is not `client port server port`.
    """
    words = ssh_connection.split()
    if len(words) != 4 or not words[3].isdigit():
        raise ValueError(f"{ssh_connection[:80]!r} names no connection")
    client = ip_address(words[0].partition("%")[0])
    mapped = getattr(client, "ipv4_mapped", None)
    return WayIn(name="this very session", networks=(str(mapped or client),), port=int(words[3]))


def _lost(firewall: HostFirewall, way: WayIn) -> Iterable[str]:
    open_v4, open_v6 = admitted(firewall, "tcp", way.port)
    wanted_v4, wanted_v6 = split(way.networks)
    lost = (*(wanted_v4 - open_v4).cidrs(), *(wanted_v6 - open_v6).cidrs())
    if lost:
        shown = ", ".join(lost[:3]) + (f" and {len(lost) - 3} more" if len(lost) > 3 else "")
        yield f"{way.name} ({shown} to tcp/{way.port})"


def is_world(text: str) -> bool:
    """Return whether a network is all of its family."""
    return text.endswith("/0")


def is_v4(text: str) -> bool:
    """Return whether a network is of IPv4."""
    return family_of(text) is Family.V4
