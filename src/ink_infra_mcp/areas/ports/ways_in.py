"""From where and on which addresses a server is reached: its ways in, and the classes of sources that use them.

What lies outside is said by routes and addresses, never by the name of an interface. And the kernel answers on every
interface for every address of the server: one that lies on the loopback (a floating IP), on a bridge or on a veth is
called by the ways in as well.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from ink_infra_mcp.core.firewall.addresses import V4, V6, A, Family, split
from ink_infra_mcp.core.firewall.answer import Unreadable
from ink_infra_mcp.core.firewall.exposure import SourceClass, WayIn
from ink_infra_mcp.core.firewall.interfaces import Interfaces, OwnAddress
from ink_infra_mcp.core.firewall.outside import (
    INTERNET,
    INTERNET4,
    INTERNET6,
    Known,
    called_by,
    is_of_internet,
    perhaps_called_by,
)
from ink_infra_mcp.core.firewall.routes import Routes
from ink_infra_mcp.core.firewall.spans import intersection
from ink_infra_mcp.core.fleet import Fleet, Host, Muscle
from ink_infra_mcp.hosts.firewall.network_facts import NetworkFacts

PUBLIC, PRIVATE = "public", "private"
OUTSIDE = {"admin": "admin-outside", "factory": "factory-outside"}
"""What those are called who come to a private server by the public way; policy has no rule of SSH for them."""
_LOOPBACK = ("127.0.0.0/8",)


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The addresses that the fleet knows of itself, by family: each server's own, admins' and private networks.

    `known` is what fleet.toml alone says of the networks that each server stands in.
    """

    own: Mapping[str, tuple[V4, V6]]
    admin: tuple[V4, V6]
    private: tuple[V4, V6]
    known: Mapping[str, Known]


def neighbours_of(fleet: Fleet, facts: Mapping[str, NetworkFacts]) -> Neighbours:
    """Return what is known of the fleet's addresses: those of fleet.toml, and those that servers say they have."""
    known = {host.name: known_of(fleet, host, facts.get(host.name)) for host in fleet.hosts}
    own = {host.name: _own(host, facts.get(host.name), known[host.name]) for host in fleet.hosts}
    admin = split(fleet.access.admin)
    for bastion in fleet.bastions:
        admin = _both(admin, own[bastion.name])
    return Neighbours(own=own, admin=admin, private=split(fleet.access.private), known=known)


def known_of(fleet: Fleet, host: Host, facts: NetworkFacts | None) -> Known:
    """Return what fleet.toml says of the networks that a server stands in; addresses that others report do not count.

    Where no interface has the server's address (a NAT in front, or a name), it is called by the one that our own
    connection came to.
    """
    others = (address for each in fleet.hosts if each.name != host.name for address in _named(each))
    held = {*_named(host)}
    if facts is not None and isinstance(facts.interfaces, Interfaces) and not facts.interfaces.holding(host.address):
        held.add(facts.came_to)
    return Known(held=frozenset(held - {""}), others=split(others), private=split(fleet.access.private))


def _named(host: Host) -> list[str]:
    return [text for text in (host.address, host.private_address) if text and _is_address(text)]


def _own(host: Host, facts: NetworkFacts | None, known: Known) -> tuple[V4, V6]:
    texts = _named(host)
    if facts is not None and isinstance(facts.interfaces, Interfaces):
        called = _called(facts.interfaces, known)
        reached = (own for own in facts.interfaces.addresses if not own.near)
        texts += [own.text for own in reached if own.interface in called or is_of_internet(own)]
    return split(texts)


def _is_address(text: str) -> bool:
    return ":" in text or text.replace(".", "").isdigit()


def _both(one: tuple[V4, V6], other: tuple[V4, V6]) -> tuple[V4, V6]:
    return one[0] | other[0], one[1] | other[1]


def _called(interfaces: Interfaces, known: Known) -> frozenset[str]:
    """Return the interfaces that others come in by, or may: what may be a way in is asked about, too."""
    return called_by(interfaces, known) | perhaps_called_by(interfaces, known)


def ways_of(host: Host, facts: NetworkFacts, neighbours: Neighbours) -> tuple[WayIn, ...]:
    """Return the ways into a server: one for each interface, private where its address is in a private network.

    A Robot firewall stands in both kinds of way (a vSwitch passes it, two sources of 2026); a Cloud firewall only in
    the public one. Where no interface has the public address (a NAT in front), it leads to the one that our own
    connection came to.
    """
    gated = host.provider == "hetzner_robot"
    interfaces = facts.interfaces
    if isinstance(interfaces, Unreadable):
        found, also = _by_name(host), dict[tuple[str, str], tuple[str, ...]]()
    else:
        found = _by_interface(host, facts, interfaces, neighbours)
        also = {way: _answered_too(way, texts, interfaces) for way, texts in found.items()}
    known = isinstance(interfaces, Interfaces) and isinstance(interfaces.routes, Routes)
    return tuple(
        WayIn(
            name,
            tuple(texts),
            # without routes nobody can tell by which interface packets come
            interface if known and interface and not _renamed(interface, interfaces) else None,
            gated=name == PUBLIC or gated,
            also=also.get((name, interface), ()),
        )
        for (name, interface), texts in found.items()
    )


def _renamed(interface: str, interfaces: Interfaces | Unreadable) -> bool:
    return isinstance(interfaces, Interfaces) and interfaces.is_in_vrf(interface)


def _by_name(host: Host) -> dict[tuple[str, str], list[str]]:
    """Return what fleet.toml alone says, where the interfaces could not be read."""
    private = {(PRIVATE, ""): [host.private_address]} if host.private_address else {}
    return {(PUBLIC, ""): [host.address], **private}


def _by_interface(
    host: Host, facts: NetworkFacts, interfaces: Interfaces, neighbours: Neighbours
) -> dict[tuple[str, str], list[str]]:
    outside = _called(interfaces, neighbours.known[host.name])
    found: dict[tuple[str, str], list[str]] = {}
    for own in (own for own in interfaces.addresses if own.interface in outside and not own.near):
        found.setdefault((_name_of(own, host, neighbours), own.interface), []).append(own.text)
    for name in sorted(outside - {interface for _, interface in found}):
        found[PUBLIC, name] = []
    held = {text for texts in found.values() for text in texts}
    if host.address not in held and _is_address(host.address):
        for way in _called_by_name(facts, interfaces, outside):
            found.setdefault(way, []).append(host.address)
    return found


def _name_of(own: OwnAddress, host: Host, neighbours: Neighbours) -> str:
    is_private = own.text == host.private_address or _is_private(own, neighbours.private)
    return PRIVATE if is_private else PUBLIC


def _called_by_name(facts: NetworkFacts, interfaces: Interfaces, outside: frozenset[str]) -> Iterable[tuple[str, str]]:
    """Yield the ways by which the public address is called where no outer interface has it: the loopback, or a NAT."""
    behind = interfaces.holding(facts.came_to)
    uplinks = interfaces.routes.uplinks() if isinstance(interfaces.routes, Routes) else frozenset[str]()
    if behind in outside:
        yield PUBLIC, behind or ""
    else:
        yield from ((PUBLIC, name) for name in sorted(uplinks) or [""])


def _answered_too(way: tuple[str, str], texts: list[str], interfaces: Interfaces) -> tuple[str, ...]:
    """Return what else the server answers for on a way: addresses of other interfaces, and networks, by its routes.

    Whoever is on the same wire can send to any of them. Routers of the internet send on what is the internet's; but
    where the way itself has an address that is not (behind a NAT, say), who sends what is not known.
    """
    name, interface = way
    all_of_them = name == PRIVATE or _has_other_addresses(interfaces.on(interface))
    held = [own for own in interfaces.addresses if not own.near and own.text not in texts]
    networks = [*interfaces.own_networks(Family.V4), *interfaces.own_networks(Family.V6)]
    if not all_of_them:
        held, networks = [*filter(is_of_internet, held)], [*filter(_meets_internet, networks)]
    loopback = _LOOPBACK if all_of_them and interfaces.lets_in_to_loopback(interface) else ()
    cidrs = (cidr for network in networks for cidr in network.cidrs())
    return tuple(dict.fromkeys((*(own.text for own in held), *cidrs, *loopback)))


def _has_other_addresses(held: Iterable[OwnAddress]) -> bool:
    return not all(is_of_internet(own) or own.near for own in held)


def _meets_internet(network: V4 | V6) -> bool:
    return bool(intersection(network.spans, INTERNET[network.FAMILY].spans))


def _is_private(own: OwnAddress, private: tuple[V4, V6]) -> bool:
    return any(own.number in each for each in private if each.FAMILY is own.family)


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
    known = (each for pair in by_way for each in pair if each.v4 or each.v6)
    return (internet, *(map(_outside, known) if is_private(host) else known))


def is_private(host: Host) -> bool:
    """Return whether a server takes SSH over the private network only."""
    return isinstance(host, Muscle) and host.access == "private"


def _outside(known: SourceClass) -> SourceClass:
    """Of a private server, whoever comes by the public way is of another class than over the private network."""
    renamed = known.way == PUBLIC and known.name in OUTSIDE
    return replace(known, name=OUTSIDE[known.name]) if renamed else known


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
    return INTERNET4 - _joined([each[0] for each in named.values()], V4())


def _rest6(named: Mapping[str, tuple[V4, V6]]) -> V6:
    return INTERNET6 - _joined([each[1] for each in named.values()], V6())


def _joined(sets: Iterable[A], nobody: A) -> A:
    for each in sets:
        nobody = nobody | each
    return nobody
