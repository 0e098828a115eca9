"""A host's interfaces, from `ip -j -d address show`: its addresses, what is plugged into what, and what it delivers."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from ink_infra_mcp.core.firewall.addresses import V4, V6, Addresses, Family
from ink_infra_mcp.core.firewall.answer import Answer, Unreadable, failed
from ink_infra_mcp.core.firewall.routes import Delivery, Routes

_KIND = {Family.V4: V4, Family.V6: V6}
_LOOPBACK = {Family.V4: V4.parse("127.0.0.0/8"), Family.V6: V6.parse("::1")}
_NEAR = {Family.V4: V4.parse("169.254.0.0/16"), Family.V6: V6.parse("fe80::/10")}
_NOT_ASKED = Unreadable("nobody asked for the routes")
_INNER = frozenset({"loopback", "dummy", "ifb", "veth"})
"""Kinds of links that lead to what is on the host itself, unless a default route says otherwise."""
_PLUGS = frozenset({"veth", "tun"})
"""Kinds of ports of a bridge that containers and virtual machines are plugged in by."""


class _Address(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    family: str
    local: str
    prefixlen: int
    tentative: bool = False
    dadfailed: bool = False


class _Info(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    info_kind: str = ""


class _Link(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    ifname: str
    link_type: str = ""
    link: str | None = None
    master: str = ""
    linkinfo: _Info = _Info()
    addr_info: tuple[_Address, ...] = ()


_LINKS: TypeAdapter[tuple[_Link, ...]] = TypeAdapter(Annotated[tuple[_Link, ...], Field(min_length=1)])


@dataclass(frozen=True, slots=True)
class Link:
    """An interface. `kind` is the kernel's word for it (bridge, veth, vlan ...), empty for a card.

    `below` is the one that it lies on, `master` the bridge or bond that it is a port of.
    """

    name: str
    kind: str = ""
    below: str = ""
    master: str = ""


@dataclass(frozen=True, slots=True)
class OwnAddress:
    """One address of the host, the number of it, and the network that lies behind its interface.

    `settled` is whether it is in use: an IPv6 address is not, while nobody knows if it is another's, too.
    """

    interface: str
    family: Family
    text: str
    number: int
    network: V4 | V6
    prefix: int
    settled: bool = True

    @property
    def near(self) -> bool:
        """Return whether it is for neighbours on the same wire alone, or for the host itself."""
        return self.number in _NEAR[self.family] or self.number in _LOOPBACK[self.family]


@dataclass(frozen=True, slots=True)
class Interfaces:
    """What a host says of its own addresses, in the kernel's order, of its links, and of its routes.

    `localnet` are the interfaces on which packets for 127.0.0.0/8 are not dropped, `shaped` those on which something
    that is no packet filter decides of packets before any rule does: filters of tc, programs of XDP. `cards` are those
    with hardware behind them.
    """

    addresses: tuple[OwnAddress, ...] = ()
    links: tuple[Link, ...] = ()
    routes: Routes | Unreadable = field(default=_NOT_ASKED)
    localnet: frozenset[str] | Unreadable = field(default=_NOT_ASKED)
    shaped: frozenset[str] | Unreadable = frozenset()
    cards: frozenset[str] | Unreadable = frozenset()

    def has(self, number: int, family: Family) -> bool:
        """Return whether an address is one that an interface of the host has."""
        return any(own.number == number and own.family is family for own in self.addresses)

    def delivery(self, number: int, family: Family, interface: str | None) -> Delivery:
        """Return what becomes of a packet that came in by an interface, and whose destination is this address now.

        Routes decide, not addresses: a whole network can be the host's own. 127.0.0.0/8 is dropped, unless it is let
        in; ::1 always is (ip_route_input_slow and ip6_rcv of Linux; tried with real connects).
        """
        if number in _LOOPBACK[family]:
            return self._on_loopback(family, interface)
        if self.has(number, family):
            return Delivery.HERE
        if isinstance(self.routes, Unreadable):
            return Delivery.UNTOLD
        is_own = self.routes.delivers(number, family)
        return {True: Delivery.HERE, False: Delivery.ONWARD, None: Delivery.UNTOLD}[is_own]

    def _on_loopback(self, family: Family, interface: str | None) -> Delivery:
        if family is Family.V6:
            return Delivery.NOWHERE
        if isinstance(self.localnet, Unreadable) or (interface is None and self.localnet):
            return Delivery.UNTOLD
        return Delivery.HERE if interface in self.localnet else Delivery.NOWHERE

    def lets_in_to_loopback(self, interface: str) -> bool:
        """Return whether packets for 127.0.0.0/8 are known to be let in on an interface."""
        return not isinstance(self.localnet, Unreadable) and interface in self.localnet

    def towards(self, number: int, family: Family) -> str | None:
        """Return the interface that leads to an address, or None where that is not told."""
        if isinstance(self.routes, Routes) and self.routes.found:
            return self.routes.towards(number, family)
        behind = [own for own in self.addresses if own.family is family and number in own.network]
        return max(behind, key=lambda own: own.prefix).interface if behind else None

    def answers_by(self, interface: str | None, sources: Addresses) -> str | None:
        """Return the interface by which answers leave to those who came in by one, or None where that is not told.

        It is the same one where the routes to them lead there; networks on the host itself are not among them.
        """
        if interface is None or isinstance(self.routes, Unreadable):
            return None
        leading = self.routes.leading(sources.spans, sources.FAMILY)
        return interface if interface in leading and leading - self.inner() <= {interface} else None

    def redirected(self, interface: str | None, family: Family) -> int | None:
        """Return the address that a redirection on an interface leads to, or None where that is not told.

        It is the first that the interface has, whatever address was asked for (nf_nat_redirect_ipv4 and _ipv6).
        """
        there = [own for own in self.on(interface) if own.family is family]
        if family is Family.V6:
            there = [own for own in there if not own.near]
        return there[0].number if there and all(own.settled for own in there) else None

    def on(self, interface: str | None) -> tuple[OwnAddress, ...]:
        """Return the addresses that an interface has, in the kernel's order."""
        return tuple(own for own in self.addresses if own.interface == interface)

    def holding(self, text: str) -> str | None:
        """Return the interface that has an address, as it is printed, or None."""
        return next((own.interface for own in self.addresses if own.text == text), None)

    def of_kind(self, *kinds: str) -> frozenset[str]:
        """Return the interfaces of some kinds."""
        return frozenset(link.name for link in self.links if link.kind in kinds)

    def under(self, interface: str | None) -> frozenset[str]:
        """Return the interfaces through which packets come that an interface then has: ports, and what it lies on."""
        found: set[str] = set()
        waiting = {interface} - {None}
        while waiting:
            name = waiting.pop()
            more = {link.name for link in self.links if link.master == name}
            more |= {link.below for link in self.links if link.name == name and link.below}
            waiting |= more - found
            found |= more
        return frozenset(found - {interface or ""})

    def inner(self) -> frozenset[str]:
        """Return the interfaces that lead to nothing but what is on the host itself, by what they are.

        A bridge that a card is plugged into is none of them, and none that a default route leads to, whatever it is.
        """
        uplinks = self.routes.uplinks() if isinstance(self.routes, Routes) else frozenset[str]()
        found = {link.name for link in self.links if link.kind in _INNER or self._is_inner_bridge(link)}
        return frozenset(found - uplinks)

    def _is_inner_bridge(self, link: Link) -> bool:
        plugged = (port.kind for port in self.links if port.master == link.name)
        return link.kind == "bridge" and all(kind in _PLUGS for kind in plugged)

    def is_in_vrf(self, interface: str) -> bool:
        """Return whether rules may see another interface than the one that packets came in by: that of its VRF."""
        vrfs = self.of_kind("vrf")
        return any(link.name == interface and link.master in vrfs for link in self.links)

    def before_rules(self, interface: str | None) -> str:
        """Return why the rules alone do not tell what becomes of what comes in by an interface; empty where they do."""
        if isinstance(self.shaped, Unreadable):
            return self.shaped.reason
        there = self.shaped if interface is None else self.shaped & {interface, *self.under(interface)}
        return f"on {', '.join(sorted(there))} tc or XDP decides of packets before any rule" if there else ""

    def own_networks(self, family: Family) -> Iterator[V4 | V6]:
        """Yield what the host answers for beside the addresses of its interfaces: whole networks, by its routes."""
        if isinstance(self.routes, Unreadable):
            return
        held = {own.number for own in self.addresses}
        for network in self.routes.own(family):
            ((first, last),) = network.spans
            single = first == last and first in held
            if not single and first not in _NEAR[family] and first not in _LOOPBACK[family]:
                yield network


def read_interfaces(answer: Answer) -> Interfaces | Unreadable:
    """Read what `ip -j addr` said (iproute2); text that is damaged or has no interface is unreadable."""
    if bad := failed(answer, "ip -j addr"):
        return bad
    try:
        links = _LINKS.validate_json(answer.text)
        addresses = tuple(_own(link, address) for link in links for address in link.addr_info)
    except ValueError:
        return Unreadable("what ip -j addr said is not its JSON")
    return Interfaces(addresses, tuple(map(_link, links)))


def _link(link: _Link) -> Link:
    kind = "loopback" if link.link_type == "loopback" else link.linkinfo.info_kind
    return Link(link.ifname, kind, link.link or "", link.master)


def _own(link: _Link, address: _Address) -> OwnAddress:
    family = Family.V4 if address.family == "inet" else Family.V6
    kind = _KIND[family]
    return OwnAddress(
        interface=link.ifname,
        family=family,
        text=address.local,
        number=kind.parse(address.local).spans[0][0],
        network=kind.parse(f"{address.local}/{address.prefixlen}"),
        prefix=address.prefixlen,
        settled=not (address.tentative or address.dadfailed),
    )
