"""Which networks lie outside a server and which inside it, by its routes, its addresses and what its links are.

No name of a link counts: a bridge is one because the kernel says so, whatever it is called.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from ink_infra_mcp.core.firewall.addresses import V4, V6
from ink_infra_mcp.core.firewall.answer import Answer, Unreadable
from ink_infra_mcp.core.firewall.interfaces import OwnAddress, read_interfaces
from ink_infra_mcp.core.firewall.spans import intersection

BRIDGE = "bridge"
OF_CONTAINERS = (BRIDGE, "veth")
"""Kinds of links that lead to what runs on the server itself; programs make new ones of them at any time."""
_ON_TOP = frozenset({"vlan", "macvlan", "macvtap", "ipvlan", "ipvtap"})
"""Kinds that lie on the wire of the link below them; a tunnel's packets only travel over it."""
_LOOPBACK = "loopback"
_NOTHING_BEHIND = frozenset({"dummy", "ifb"})
_NEAR = (V4.parse("169.254.0.0/16"), V6.parse("fe80::/10"))


class _Info(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    info_kind: str = ""


class _Link(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    ifname: str
    link: str | None = None
    master: str = ""
    link_type: str = ""
    linkinfo: _Info = _Info()


class _Hop(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    dev: str = ""


class _Route(_Hop):
    type: str = "unicast"
    nexthops: tuple[_Hop, ...] = ()


_LINKS: TypeAdapter[tuple[_Link, ...]] = TypeAdapter(Annotated[tuple[_Link, ...], Field(min_length=1)])
_ROUTES: TypeAdapter[tuple[_Route, ...]] = TypeAdapter(tuple[_Route, ...])


@dataclass(frozen=True, slots=True)
class Link:
    """A link of a server. `below` is the link whose wire it lies on, `master` the bridge or bond that it is a port of.

    `kind` is the kernel's word (bridge, veth, wireguard, vlan ...), empty for a card. `wired` says that hardware is
    behind it.
    """

    name: str
    kind: str = ""
    below: str = ""
    master: str = ""
    wired: bool = False


@dataclass(frozen=True, slots=True)
class Inner:
    """A network inside a server: the link that leads to it, the server's own addresses there, and what lies behind."""

    name: str
    kind: str
    addresses: tuple[str, ...]
    networks: tuple[str, ...]

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
        """Return whether an address of a server lies in one of these networks.

        A shared network is one that its link has all of, or that gives each server a single address (as Hetzner Cloud's
        do): one that only lies within it, such as a bridge of guests in 10.0.0.0/8, is the server's own.
        """
        return own.text in self.held or any(
            _near(own, others) or _shared(own, private)
            for others, private in zip(self.others, self.private, strict=True)
            if others.FAMILY is own.family
        )


def _near(own: OwnAddress, others: V4 | V6) -> bool:
    return bool(intersection(others.spans, own.network.spans))


def _shared(own: OwnAddress, private: V4 | V6) -> bool:
    (here,) = own.network.spans
    single = own.prefix == own.network.BITS
    return any(
        (here[0] <= first and last <= here[1]) or (single and first <= own.number <= last)
        for first, last in private.spans
    )


@dataclass(frozen=True, slots=True)
class Networks:
    """A server's links and addresses. `uplinks` are those that a default route leads to, in whatever routing table."""

    links: tuple[Link, ...] = ()
    addresses: tuple[OwnAddress, ...] = ()
    uplinks: frozenset[str] = frozenset()

    def outside(self, known: Known) -> tuple[str, ...]:
        """Return the links that others come in by, in order.

        Those that default routes lead to, those with an address in the fleet's networks, those with hardware behind
        them, and what shares a wire with one of them: as its port, its bridge, or on top of it.
        """
        fleet = {own.interface for own in self.addresses if known.has(own)}
        found = {*self.uplinks, *fleet, *(link.name for link in self.links if link.wired)}
        while more := {link.name for link in self.links if self._shares(link, found)} - found:
            found |= more
        return tuple(sorted(found - self._loops()))

    def inner(self, outside: Iterable[str]) -> tuple[Inner, ...]:
        """Return the networks that only what runs on the server is in, or whom it has let into a tunnel of its own."""
        others = {*outside, *self._loops()}
        return tuple(
            self._inner(link)
            for link in sorted(self.links, key=lambda link: link.name)
            if link.name not in others and not link.master and link.kind not in _NOTHING_BEHIND
        )

    def bridges(self) -> frozenset[str]:
        """Return the names of the bridges."""
        return frozenset(link.name for link in self.links if link.kind == BRIDGE)

    def _shares(self, link: Link, outside: set[str]) -> bool:
        ports = {port.name for port in self.links if port.master == link.name}
        return bool(ports & outside) or (link.kind in _ON_TOP and link.below in outside)

    def _loops(self) -> set[str]:
        return {link.name for link in self.links if link.kind == _LOOPBACK}

    def _inner(self, link: Link) -> Inner:
        own = [each for each in self.addresses if each.interface == link.name and not _is_link_local(each)]
        networks = dict.fromkeys(cidr for each in own for cidr in each.network.cidrs())
        return Inner(link.name, link.kind, tuple(each.text for each in own), tuple(networks))


def _is_link_local(own: OwnAddress) -> bool:
    return any(own.number in each for each in _NEAR if each.FAMILY is own.family)


def read_networks(links: str, routes: Iterable[str], wired: Iterable[str]) -> Networks:
    """Read `ip -j -d address show`, the default routes as `ip -j route show` says them, and the names of real cards.

    Raises:
        ValueError: one of them is not what iproute2 says.
    """
    interfaces = read_interfaces(Answer(links))
    if isinstance(interfaces, Unreadable):
        raise ValueError(interfaces.reason)
    cards = frozenset(wired)
    said = [route for text in routes for route in _ROUTES.validate_json(text)]
    leading = {hop.dev for route in said if route.type == "unicast" for hop in (route, *route.nexthops)}
    return Networks(
        links=tuple(_link(each, cards) for each in _LINKS.validate_json(links)),
        addresses=interfaces.addresses,
        uplinks=frozenset(leading - {""}),
    )


def _link(said: _Link, cards: frozenset[str]) -> Link:
    kind = _LOOPBACK if said.link_type == _LOOPBACK else said.linkinfo.info_kind
    return Link(said.ifname, kind, said.link or "", said.master, wired=said.ifname in cards)
