"""A host's routes, from `ip -j -4 route show table all` and its like for IPv6: what it takes, what it sends on."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum

from pydantic import BaseModel, ConfigDict, TypeAdapter

from ink_infra_mcp.core.firewall.addresses import V4, V6, Family
from ink_infra_mcp.core.firewall.answer import Answer, Unreadable, failed
from ink_infra_mcp.core.firewall.spans import Spans, complement, intersection

_KIND = {Family.V4: V4, Family.V6: V6}
_LOCAL, _MAIN, _DEFAULT = "local", "main", "default"
_ORDER = (_LOCAL, _MAIN, _DEFAULT)
"""The tables that every packet is looked up in, in this order; others are asked where a rule of routing says so."""
_DELIVERED = frozenset({"local", "anycast"})
_WIDE = 3
"""Bits that the prefix of such a route has at most."""


class Delivery(Enum):
    """What the kernel does with a packet for an address: it is its own, it is another's, it is dropped, or not told."""

    HERE = "here"
    ONWARD = "onward"
    NOWHERE = "nowhere"
    UNTOLD = "untold"


class _Hop(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    dev: str = ""


class _Said(_Hop):
    dst: str
    type: str = "unicast"
    table: str = _MAIN
    nexthops: tuple[_Hop, ...] = ()


_ROUTES: TypeAdapter[tuple[_Said, ...]] = TypeAdapter(tuple[_Said, ...])


@dataclass(frozen=True, slots=True)
class Route:
    """One route: the network that it is for, the devices that lead there (none where it is dropped), and its table."""

    family: Family
    network: V4 | V6
    devices: tuple[str, ...]
    table: str = _MAIN
    delivered: bool = False

    @property
    def size(self) -> int:
        """Return how many addresses it is for; the smallest network that holds an address decides."""
        ((first, last),) = self.network.spans
        return last - first + 1

    @property
    def is_wide(self) -> bool:
        """Return whether it is for so many addresses that it stands for a default route (2000::/3 is the internet)."""
        return self.size >= 1 << (self.network.BITS - _WIDE)


@dataclass(frozen=True, slots=True)
class Routes:
    """All routes of a host, of both families and all its tables."""

    found: tuple[Route, ...] = ()

    def delivers(self, number: int, family: Family) -> bool | None:
        """Return whether an address is the host's own by its routes; None where another table may say otherwise."""
        best = self._best(number, family)
        is_local = best is not None and best.delivered
        if is_local and best is not None and best.table == _LOCAL:
            return True
        others = {route.delivered for route in self._covering(number, family) if route.table not in _ORDER}
        return None if not others <= {is_local} else is_local

    def towards(self, number: int, family: Family) -> str | None:
        """Return the one device that leads to an address; None where there is none, or which of several is not told."""
        best = self._best(number, family)
        if best is None or len(best.devices) != 1:
            return None
        others = {route.devices for route in self._covering(number, family) if route.table not in _ORDER}
        return best.devices[0] if others <= {best.devices} else None

    def leading(self, spans: Spans, family: Family) -> frozenset[str]:
        """Return every device that leads to some of the addresses, in whatever table."""
        found: set[str] = set()
        for table in (_MAIN, _DEFAULT):
            found.update(self._leading(spans, [route for route in self._of(family) if route.table == table]))
        others = (route for route in self._of(family) if route.table not in _ORDER)
        met = (route for route in others if intersection(spans, route.network.spans))
        return frozenset(found | {device for route in met for device in route.devices})

    def _of(self, family: Family) -> Iterator[Route]:
        return (route for route in self.found if route.family is family)

    def _leading(self, spans: Spans, routes: list[Route]) -> Iterator[str]:
        """Yield the devices of those routes that decide for some of the addresses: the smallest networks first."""
        for route in sorted(routes, key=lambda route: route.size):
            if intersection(spans, route.network.spans):
                yield from route.devices
                spans = intersection(spans, complement(route.network.spans, route.network.LIMIT))

    def uplinks(self, family: Family | None = None) -> frozenset[str]:
        """Return the devices that default routes lead to, in whatever table; tunnels put halves of one beside it."""
        defaults = (
            route for route in self.found if family in {None, route.family} and route.is_wide and not route.delivered
        )
        return frozenset(device for route in defaults for device in route.devices)

    def own(self, family: Family) -> Iterator[V4 | V6]:
        """Yield the networks that are delivered to the host, also those that rules of routing may lead to.

        A default route of another table is none: it serves a transparent proxy, and makes no address the host's own.
        """
        yield from (
            route.network
            for route in self.found
            if route.delivered and route.family is family and (route.table in _ORDER or not route.network.is_all)
        )

    def _covering(self, number: int, family: Family) -> list[Route]:
        return [route for route in self.found if route.family is family and number in route.network]

    def _best(self, number: int, family: Family) -> Route | None:
        covering = self._covering(number, family)
        for table in _ORDER:
            if there := [route for route in covering if route.table == table]:
                return min(there, key=lambda route: route.size)
        return None


def read_routes(answers: Iterable[tuple[Family, Answer]]) -> Routes | Unreadable:
    """Read what `ip -j -4 route show table all` and `ip -j -6 ...` said; a text that is damaged is unreadable."""
    found: list[Route] = []
    for family, answer in answers:
        if bad := failed(answer, "ip -j route"):
            return bad
        try:
            found += [_route(said, family) for said in _ROUTES.validate_json(answer.text.strip() or "[]")]
        except ValueError:
            return Unreadable("what ip -j route said is not its JSON")
    return Routes(tuple(found))


def _route(said: _Said, family: Family) -> Route:
    kind = _KIND[family]
    devices = tuple(dict.fromkeys(hop.dev for hop in (said, *said.nexthops) if hop.dev))
    return Route(
        family=family,
        network=kind.all() if said.dst == "default" else kind.parse(said.dst),
        devices=devices if said.type in {"unicast", *_DELIVERED} else (),
        table=said.table,
        delivered=said.type in _DELIVERED,
    )


def read_localnet(answer: Answer) -> frozenset[str] | Unreadable:
    """Read the files `route_localnet` as `grep -r` prints them; return the devices on which 127.0.0.0/8 is routed.

    Where it is on for `all`, it is on for every device (the kernel's IN_DEV_ORCONF).
    """
    if bad := failed(answer, "grep"):
        return bad
    lines = [line.rpartition(":") for line in answer.text.splitlines() if line.strip()]
    if not lines or any(value not in {"0", "1"} for _, _, value in lines):
        return Unreadable("what the files route_localnet hold is neither 0 nor 1")
    names = {path.split("/")[-2]: value == "1" for path, _, value in lines if path.count("/") > 1}
    if names.get("all", True):
        return frozenset(names)
    return frozenset(name for name, is_on in names.items() if is_on)
