"""At which public addresses a server is reached."""

from collections.abc import Sequence

from pydantic import JsonValue

from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.clients.hetzner_cloud import Server
from ink_infra_mcp.clients.outside import seems_public
from ink_infra_mcp.core.dns.names import host_address
from ink_infra_mcp.core.dns.records import type_of
from ink_infra_mcp.core.errors import InputError, UnknownName
from ink_infra_mcp.core.fleet import Host
from ink_infra_mcp.core.plan import Frozen, JsonObject
from ink_infra_mcp.core.untrusted import clean_name

Value = str | JsonObject
"""An address, or what stands for one that an earlier step will return (`core.step.result_of`)."""


class Addresses(Frozen):
    """The addresses of one server that records shall lead to; None: it has none of that kind."""

    ipv4: Value | None = None
    ipv6: Value | None = None

    def of(self, type: str) -> Value | None:
        """Return the address for records of that type."""
        return self.ipv4 if type == "A" else self.ipv6

    @property
    def known(self) -> frozenset[str]:
        """Return those that are addresses already."""
        return frozenset(value for value in (self.ipv4, self.ipv6) if isinstance(value, str))

    def told(self) -> str:
        """Return them as a person reads them."""
        return ", ".join(told(value) for value in (self.ipv4, self.ipv6) if value is not None)


def told(value: Value) -> str:
    """Return an address as a person reads it."""
    return value if isinstance(value, str) else f"what {value['step']} returns"


def addresses(*given: JsonValue) -> Addresses:
    """Return the addresses of one server, at most one of each kind; of an IPv6 network the host's own.

    Raises:
        InputError: one is no address of the public internet, or there are two of a kind, or none.
    """
    found: dict[str, str] = {}
    for text in given:
        address = _public(str(text))
        if found.setdefault(type_of(address), address) != address:
            raise InputError(f"{found[type_of(address)]} and {address} are of one kind.", next="Give one of each.")
    if not found:
        raise InputError("No address was given.", next="Give the server's public address.")
    return Addresses(ipv4=found.get("A"), ipv6=found.get("AAAA"))


async def addresses_of(look: Look, name: str) -> Addresses:
    """Return the public addresses of a server of the fleet: those that Hetzner Cloud says, or the one in fleet.toml.

    Raises:
        UnknownName: the fleet has no such server. InputError: it has no public address that we know.
    """
    hosts = {host.name: host for host in look.fleet.hosts}
    if name not in hosts:
        raise UnknownName(f"No server is called {clean_name(name)!r}.", next=f"Use one of: {', '.join(hosts)}.")
    host = hosts[name]
    server = await _in_the_cloud(look, host)
    if server is not None and (server.ipv4 or server.ipv6):
        return Addresses(ipv4=server.ipv4, ipv6=server.ipv6)
    return addresses(host.address)


async def fleet_addresses(look: Look) -> dict[str, Addresses]:
    """Return the public addresses of every Muscle that has one that we know, by its name."""
    servers = await look.hetzner.servers() if look.hetzner is not None else ()
    found = ((muscle, _of_cloud(servers, muscle)) for muscle in look.fleet.muscles)
    return {muscle.name: of for muscle, server in found if (of := _either(muscle, server)) is not None}


def _either(host: Host, server: Server | None) -> Addresses | None:
    if server is not None and (server.ipv4 or server.ipv6):
        return Addresses(ipv4=server.ipv4, ipv6=server.ipv6)
    try:
        return addresses(host.address)
    except InputError:
        return None


async def _in_the_cloud(look: Look, host: Host) -> Server | None:
    if host.provider != "hetzner_cloud" or look.hetzner is None:
        return None
    return _of_cloud(await look.hetzner.servers(), host)


def _of_cloud(servers: Sequence[Server], host: Host) -> Server | None:
    """Return the Cloud server that a host of the fleet is, by its id where fleet.toml has it, else by its address."""
    if host.provider != "hetzner_cloud":
        return None
    if host.provider_id:
        return next((s for s in servers if host.provider_id in {str(s.id), s.name}), None)
    return next((s for s in servers if host.address in {s.ipv4, s.ipv6}), None)


def _public(text: str) -> str:
    try:
        address = host_address(text)
    except ValueError:
        raise InputError(f"{text!r} is no address.", next="Give an IPv4 or IPv6 address.") from None
    if not seems_public(address):
        raise InputError(f"{address} is no address of the public internet.", next="Give the server's public address.")
    return address
