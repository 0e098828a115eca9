"""Which links of a server lead outside and which inside, by its routes, its addresses and what its links are.

No name of a link counts: a bridge is one because the kernel says so, whatever it is called.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ink_infra_mcp.core.firewall.addresses import V4, V6, Family
from ink_infra_mcp.core.firewall.answer import Unreadable
from ink_infra_mcp.core.firewall.interfaces import Interfaces, Link, OwnAddress
from ink_infra_mcp.core.firewall.spans import intersection

BRIDGE = "bridge"
OF_CONTAINERS = (BRIDGE, "veth")
"""Kinds of links that lead to what runs on the server itself; programs make new ones of them at any time."""
_OWN_PEERS = frozenset({"wireguard", "tun"})
"""Kinds of tunnels whose other ends the server itself has let in, whatever addresses they have."""
_ON_TOP = frozenset({"vlan", "macvlan", "macvtap", "ipvlan", "ipvtap"})
"""Kinds that lie on the wire of the link below them; a tunnel's packets only travel over it."""
_OF_WIRES = frozenset({"", "bond", "team", BRIDGE, *_ON_TOP})
"""Kinds of cards, and of what may be made of cards: none is a tunnel."""
_LOOPBACK = "loopback"
_NOWHERE = (_LOOPBACK, "dummy", "ifb")
"""Kinds of links that lead to nobody."""
_NOT_INTERNET = V4.of(
    (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16"),
        *("172.16.0.0/12", "192.168.0.0/16", "224.0.0.0/3"),
    )
)
"""IPv4 that no router of the internet sends on (RFC 6890); documentation networks count as internet here."""
INTERNET4, INTERNET6 = ~_NOT_INTERNET, V6.parse("2000::/3")
INTERNET: Mapping[Family, V4 | V6] = {Family.V4: INTERNET4, Family.V6: INTERNET6}


@dataclass(frozen=True, slots=True)
class Inner:
    """A network inside a server: the link that leads to it, the server's own addresses there, and what lies behind.

    `routed` is whether the internet routes one of these addresses.
    """

    name: str
    kind: str
    addresses: tuple[str, ...]
    networks: tuple[str, ...]
    routed: bool = False

    def __str__(self) -> str:
        return f"{self.name} ({', '.join(self.networks) or 'no addresses'})"


@dataclass(frozen=True, slots=True)
class Known:
    """What the fleet knows of the networks that a server stands in, as fleet.toml has them.

    `held` are addresses by which the server itself is called, `others` those of other servers, `private` the networks
    that they share.
    """

    held: frozenset[str] = frozenset()
    others: tuple[V4, V6] = (V4(), V6())
    private: tuple[V4, V6] = (V4(), V6())

    def has(self, own: OwnAddress) -> bool:
        """Return whether an address of a server lies in one of these networks for sure.

        A shared network is one that its link has all of, or that gives each server a single address (as Hetzner Cloud's
        do): one that only lies within it, such as a bridge of guests in 10.0.0.0/8, may be the server's own.
        """
        return own.text in self.held or any(
            _near(own, others) or _shared(own, private)
            for others, private in zip(self.others, self.private, strict=True)
            if others.FAMILY is own.family
        )

    def may_have(self, own: OwnAddress) -> bool:
        """Return whether an address of a server lies in one of these networks, or within one."""
        return self.has(own) or any(own.number in each for each in self.private if each.FAMILY is own.family)


def _near(own: OwnAddress, others: V4 | V6) -> bool:
    return bool(intersection(others.spans, own.network.spans))


def _shared(own: OwnAddress, private: V4 | V6) -> bool:
    (here,) = own.network.spans
    single = own.prefix == own.network.BITS
    return any(
        (here[0] <= first and last <= here[1]) or (single and first <= own.number <= last)
        for first, last in private.spans
    )


def is_of_internet(own: OwnAddress) -> bool:
    """Return whether the internet routes an address at all."""
    return own.number in INTERNET[own.family]


def called_by(interfaces: Interfaces, known: Known) -> frozenset[str]:
    """Return the links that others are known to come in by.

    Those that default routes lead to, and those with an address of the fleet's networks or of the internet's, unless
    they are bridges of what runs on the server itself, or lead to whom it has let into a tunnel (a tunnel within a
    large shared network may be its own). Where the routes are not known, it is every link with an address.
    """
    if isinstance(interfaces.routes, Unreadable):
        return _every(interfaces)
    inner = interfaces.inner()
    wires, peers = interfaces.of_kind(*_OF_WIRES) - inner, interfaces.of_kind(*_OWN_PEERS)
    # the end of a cable that is in no bridge is a card, where whoever has it there runs in a container itself
    loose = {link.name for link in interfaces.links if link.kind == "veth" and not link.master}
    called = {
        own.interface
        for own in interfaces.addresses
        if known.has(own)
        or (own.interface in wires and known.may_have(own))
        or (own.interface not in (inner - loose) | peers and is_of_internet(own))
    }
    return frozenset({*interfaces.routes.uplinks(), *called} - interfaces.of_kind(*_NOWHERE))


def perhaps_called_by(interfaces: Interfaces, known: Known) -> frozenset[str]:
    """Return the links that may be ways in too: ends of cables and tunnels within a network that servers share, and
    every link with an address where no way in is known.
    """
    if not called_by(interfaces, known):
        return _every(interfaces)
    no_ends = interfaces.of_kind(BRIDGE, *_NOWHERE)
    return frozenset(
        own.interface for own in interfaces.addresses if own.interface not in no_ends and known.may_have(own)
    )


def _every(interfaces: Interfaces) -> frozenset[str]:
    return frozenset(own.interface for own in interfaces.addresses if not own.near) - interfaces.of_kind(*_NOWHERE)


def outside(interfaces: Interfaces, known: Known) -> tuple[str, ...]:
    """Return the links that lead outside, in order: those that others come in by, those with hardware behind them, and
    what shares a wire with one of these, as its bridge or on top of it.
    """
    cards = frozenset[str]() if isinstance(interfaces.cards, Unreadable) else interfaces.cards
    found = {*called_by(interfaces, known), *cards}
    while more := {link.name for link in interfaces.links if _shares(link, interfaces, found)} - found:
        found |= more
    return tuple(sorted(found - interfaces.of_kind(_LOOPBACK)))


def _shares(link: Link, interfaces: Interfaces, found: set[str]) -> bool:
    ports = {port.name for port in interfaces.links if port.master == link.name}
    return bool(ports & found) or (link.kind in _ON_TOP and link.below in found)


def inner_networks(interfaces: Interfaces, outside: Iterable[str]) -> tuple[Inner, ...]:
    """Return the networks that only what runs on the server is in, or whom it has let into a tunnel of its own."""
    others = {*outside, *interfaces.of_kind(*_NOWHERE)}
    return tuple(
        _inner(link, interfaces)
        for link in sorted(interfaces.links, key=lambda link: link.name)
        if link.name not in others and not link.master
    )


def _inner(link: Link, interfaces: Interfaces) -> Inner:
    own = [each for each in interfaces.on(link.name) if not each.near]
    networks = dict.fromkeys(cidr for each in own for cidr in each.network.cidrs())
    texts, routed = tuple(each.text for each in own), any(map(is_of_internet, own))
    return Inner(link.name, link.kind, texts, tuple(networks), routed=routed)
