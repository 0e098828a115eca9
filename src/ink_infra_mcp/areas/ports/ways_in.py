"""From where and on which addresses a server is reached: its ways in, and the classes of sources that use them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ink_infra_mcp.core.firewall.addresses import V4, V6, A, split
from ink_infra_mcp.core.firewall.answer import Unreadable
from ink_infra_mcp.core.firewall.exposure import SourceClass, WayIn
from ink_infra_mcp.core.firewall.interfaces import Interfaces, OwnAddress
from ink_infra_mcp.core.fleet import Fleet, Host
from ink_infra_mcp.hosts.firewall.network_facts import NetworkFacts

PUBLIC, PRIVATE = "public", "private"
DOCKER = ("docker", "br-")
"""How Docker's bridges begin: docker0, and br-<id> for each network that is made."""
_INSIDE = ("lo", *DOCKER, "veth")
"""How interfaces begin whose traffic comes from the server itself."""
_LINK_LOCAL = (V4.parse("169.254.0.0/16"), V6.parse("fe80::/10"))
_NOT_INTERNET = V4.of(
    (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16"),
        *("172.16.0.0/12", "192.168.0.0/16", "224.0.0.0/3"),
    )
)
"""IPv4 that no router of the internet sends on (RFC 6890); documentation networks count as internet here."""
_INTERNET6 = V6.parse("2000::/3")


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The addresses that the fleet knows of itself, by family: each server's own, admins' and private networks."""

    own: Mapping[str, tuple[V4, V6]]
    admin: tuple[V4, V6]
    private: tuple[V4, V6]


def neighbours_of(fleet: Fleet, facts: Mapping[str, NetworkFacts]) -> Neighbours:
    """Return what is known of the fleet's addresses: those of fleet.toml, and those that servers say they have."""
    private = split(fleet.access.private)
    own = {host.name: _own(host, facts.get(host.name)) for host in fleet.hosts}
    admin = split(fleet.access.admin)
    for bastion in fleet.bastions:
        admin = _both(admin, own[bastion.name])
    return Neighbours(own=own, admin=admin, private=private)


def is_of_internet(address: str) -> bool:
    """Return whether the internet routes an address at all."""
    v4, v6 = split([address])
    return bool(v4 - _NOT_INTERNET) or bool(v6 & _INTERNET6)


def _own(host: Host, facts: NetworkFacts | None) -> tuple[V4, V6]:
    texts = [text for text in (host.address, host.private_address) if text and _is_address(text)]
    if facts is not None and isinstance(facts.interfaces, Interfaces):
        texts += [own.text for own in _outside(facts.interfaces)]
    return split(texts)


def _is_address(text: str) -> bool:
    return ":" in text or text.replace(".", "").isdigit()


def _both(one: tuple[V4, V6], other: tuple[V4, V6]) -> tuple[V4, V6]:
    return one[0] | other[0], one[1] | other[1]


def _outside(interfaces: Interfaces) -> list[OwnAddress]:
    """Return the addresses that others than the server itself can have a way to."""
    return [
        own
        for own in interfaces.addresses
        if not own.interface.startswith(_INSIDE) and not any(own.number in each for each in _local(own))
    ]


def _local(own: OwnAddress) -> Iterable[V4 | V6]:
    return (each for each in _LINK_LOCAL if each.FAMILY is own.family)


def ways_of(host: Host, facts: NetworkFacts, neighbours: Neighbours) -> tuple[WayIn, ...]:
    """Return the ways into a server: one for each interface, private where its address is in a private network.

    A Robot firewall stands in both kinds of way (a vSwitch passes it, two sources of 2026); a Cloud firewall only in
    the public one. Where no interface has the public address (a NAT in front), it leads to the one that our own
    connection came to.
    """
    gated = host.provider == "hetzner_robot"
    if isinstance(facts.interfaces, Unreadable):
        found = _by_name(host)
    else:
        found = _by_interface(host, facts.interfaces, neighbours)
        held = {text for texts in found.values() for text in texts}
        if host.address not in held and _is_address(host.address):
            behind = facts.interfaces.holding(facts.came_to) or ""
            found.setdefault((PUBLIC, behind), []).append(host.address)
    return tuple(
        WayIn(name, tuple(texts), interface or None, gated=name == PUBLIC or gated)
        for (name, interface), texts in found.items()
    )


def _by_name(host: Host) -> dict[tuple[str, str], list[str]]:
    """Return what fleet.toml alone says, where the interfaces could not be read."""
    private = {(PRIVATE, ""): [host.private_address]} if host.private_address else {}
    return {(PUBLIC, ""): [host.address], **private}


def _by_interface(host: Host, interfaces: Interfaces, neighbours: Neighbours) -> dict[tuple[str, str], list[str]]:
    found: dict[tuple[str, str], list[str]] = {}
    for own in _outside(interfaces):
        private = own.text == host.private_address or _is_private(own, neighbours)
        found.setdefault((PRIVATE if private else PUBLIC, own.interface), []).append(own.text)
    return found


def _is_private(own: OwnAddress, neighbours: Neighbours) -> bool:
    return any(own.number in each for each in neighbours.private if each.FAMILY is own.family)


def classes_of(host: Host, fleet: Fleet, neighbours: Neighbours) -> tuple[SourceClass, ...]:
    """Return the classes of sources of a server, each by the way it comes: internet, admin, factory and fleet."""
    factory = neighbours.own[fleet.factory.name] if host.name != fleet.factory.name else (V4(), V6())
    others = (V4(), V6())
    for name, addresses in neighbours.own.items():
        others = others if name in (host.name, fleet.factory.name) else _both(others, addresses)
    others = _both(others, neighbours.private)
    named = {"admin": neighbours.admin, "factory": factory, "fleet": others}
    by_way = [_class(name, sets, taken, neighbours) for name, sets, taken in _ranked(named)]
    internet = SourceClass("internet", _rest4(named), _rest6(named), PUBLIC)
    return (internet, *(known for pair in by_way for known in pair if known.v4 or known.v6))


def factory_way(fleet: Fleet, host: Host) -> str:
    """Return by which way the Factory comes to a server: the private network, where fleet.toml has both in it."""
    return PRIVATE if fleet.factory.private_address and host.private_address else PUBLIC


def _ranked(named: Mapping[str, tuple[V4, V6]]) -> Iterable[tuple[str, tuple[V4, V6], tuple[V4, V6]]]:
    """Yield each class with the addresses that an earlier one has already: the Factory is no mere neighbour."""
    taken = (V4(), V6())
    for name in ("factory", "admin", "fleet"):
        yield name, named[name], taken
        taken = _both(taken, named[name])


def _class(
    name: str, sets: tuple[V4, V6], taken: tuple[V4, V6], neighbours: Neighbours
) -> tuple[SourceClass, SourceClass]:
    four, six = sets[0] - taken[0], sets[1] - taken[1]
    inner = (four & neighbours.private[0], six & neighbours.private[1])
    return (
        SourceClass(name, four - inner[0], six - inner[1], PUBLIC),
        SourceClass(name, inner[0], inner[1], PRIVATE),
    )


def _rest4(named: Mapping[str, tuple[V4, V6]]) -> V4:
    return ~_NOT_INTERNET - _joined([each[0] for each in named.values()], V4())


def _rest6(named: Mapping[str, tuple[V4, V6]]) -> V6:
    return _INTERNET6 - _joined([each[1] for each in named.values()], V6())


def _joined(sets: Iterable[A], nobody: A) -> A:
    for each in sets:
        nobody = nobody | each
    return nobody
