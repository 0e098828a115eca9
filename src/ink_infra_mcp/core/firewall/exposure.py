"""What is really reachable of a host: provider and host path and listener, for each port and class of sources."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import reduce
from typing import Generic, NamedTuple

from ink_infra_mcp.core.firewall.addresses import V4, V6, A, Addresses, Family, family_of, union
from ink_infra_mcp.core.firewall.answer import Unreadable
from ink_infra_mcp.core.firewall.conditions import Question
from ink_infra_mcp.core.firewall.destinations import Destinations
from ink_infra_mcp.core.firewall.docker import Containers
from ink_infra_mcp.core.firewall.gates import Gate, Gates, judged
from ink_infra_mcp.core.firewall.grid import Cells, Door, Grid, grid
from ink_infra_mcp.core.firewall.interfaces import Interfaces
from ink_infra_mcp.core.firewall.listening import Listeners
from ink_infra_mcp.core.firewall.netfilter import HOST, Arrival, Way, crossing, way
from ink_infra_mcp.core.firewall.rules import Tables, opened_ports
from ink_infra_mcp.core.firewall.sockets import Sockets
from ink_infra_mcp.core.firewall.spans import Spans
from ink_infra_mcp.core.firewall.walk import Evidence, Judgement

Port = Door
PROVIDER = "provider"
MAX_EVIDENCE = 3
MAX_SPANS = 100
"""Of more sources than that the first ones are shown: beside a long list of bans it would be hundreds of thousands."""
FEW = 256
"""Where at most one in so many of a class is kept out, its port is open with exceptions: some addresses are banned."""
_PROTOCOLS = frozenset({"tcp", "udp"})


def _spans(text: str) -> Spans:
    return (V4 if family_of(text) is Family.V4 else V6).parse(text).spans


class State(StrEnum):
    """How reachable a port is for a class of sources; `unknown` is never to be taken for closed."""

    OPEN = "open"
    PARTLY = "partly open"
    CLOSED = "closed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class WayIn:
    """A way to the host: the addresses that it is called by and the interface they lie on; `gated` by the provider.

    `also` are further addresses and networks that the host answers for on that interface; whether anybody has a way
    there, the network alone knows, so that nobody is to try them from anywhere.
    """

    name: str
    addresses: tuple[str, ...]
    interface: str | None = None
    gated: bool = True
    also: tuple[str, ...] = ()

    def has(self, text: str) -> bool:
        """Return whether the host answers for an address on this way."""
        return text in self.addresses or any(
            family_of(each) is family_of(text) and _spans(each)[0][0] <= _spans(text)[0][0] <= _spans(each)[0][1]
            for each in self.also
        )

    def only(self, text: str) -> "WayIn":
        """Return the same way with one address alone."""
        return replace(self, addresses=(text,), also=())


@dataclass(frozen=True, slots=True)
class SourceClass:
    """A class of sources, such as the internet, an admin or the Factory, and the way by which they come."""

    name: str
    v4: V4
    v6: V6
    way: str


@dataclass(frozen=True, slots=True)
class HostFacts:
    """All that is known of a host. What could not be read is Unreadable, and makes what it decides unknown."""

    name: str
    provider: Gates | Unreadable
    v4: Tables[V4] | Unreadable
    v6: Tables[V6] | Unreadable
    interfaces: Interfaces | Unreadable
    sockets: Sockets | Unreadable
    containers: Containers | Unreadable
    ways: tuple[WayIn, ...]


class Exposure(NamedTuple):
    """How reachable one port is for one class over one family.

    `decided_by` is the first layer in the packet's way that denies or leaves it unknown, or that admits it last.
    `few_denied` says of a partly open port that it is open but for a few, such as addresses that are banned now.
    `admitted` and `unknown` are the first of those sources.
    `depth` is how many layers each would deny all that is denied here; `deniers` are layers that alone deny all of
    it.
    """

    host: str
    family: Family
    protocol: str
    port: int
    source_class: str
    state: State
    decided_by: str
    depth: int
    deniers: tuple[str, ...]
    evidence: tuple[str, ...]
    admitted: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    few_denied: bool = False


@dataclass(frozen=True, slots=True)
class _Side(Generic[A]):
    """A host seen over one family, with what is the same for all its ports worked out once."""

    facts: HostFacts
    kind: type[A]
    gate: Gate[A] | Unreadable
    filters: Way[A] | Unreadable
    classes: dict[str, list[tuple[str, A]]]

    def called(self, way_in: WayIn) -> list[int]:
        """Return the addresses of the family that the host is called by on a way, each kind that is told apart once."""
        named = [spans[0][0] for spans in self._spans(way_in.addresses)]
        also = self.kind.of_spans(span for spans in self._spans(way_in.also) for span in spans)
        return [*named, *self.destinations.others(also.spans, named)] if also else named

    def _spans(self, texts: Iterable[str]) -> Iterator[Spans]:
        return (self.kind.parse(text).spans for text in texts if family_of(text) is self.kind.FAMILY)

    @property
    def destinations(self) -> Destinations:
        """Return which addresses of the host are told apart: by its rules, and by what listens on one of them alone."""
        by_host = frozenset[Spans]() if isinstance(self.filters, Unreadable) else self.filters.destinations
        sockets = self.facts.sockets.found if isinstance(self.facts.sockets, Sockets) else ()
        family = self.kind.FAMILY
        bound = {((s.address, s.address),) for s in sockets if s.family is family and s.address is not None}
        return Destinations(by_host | bound)

    def told_apart(self, classes: Iterable[tuple[str, A]]) -> frozenset[A]:
        """Return the sources that anything here tells from others."""
        by_gate = () if isinstance(self.gate, Unreadable) else self.gate.told_apart()
        by_host = frozenset[A]() if isinstance(self.filters, Unreadable) else self.filters.told_apart
        return by_host | {*by_gate, *(sources for _, sources in classes)}


def exposures(facts: HostFacts, classes: Sequence[SourceClass], ports: Iterable[Port]) -> tuple[Exposure, ...]:
    """Return how reachable each port is for each class, over each family that its way has an address of."""
    wanted = tuple(dict.fromkeys(ports))
    return (*_over(_four(facts, classes), wanted), *_over(_six(facts, classes), wanted))


def ports_that_matter(facts: HostFacts, policy: Iterable[Port] = ()) -> tuple[Port, ...]:
    """Return the ports of policy, those that something listens on or is published on, and those that rules open.

    Of a range that a rule opens, its first port stands for all; the ports within it that somebody listens on are there
    by themselves.
    """
    found = {*policy, *_waited_on(facts), *_opened(facts.v4), *_opened(facts.v6)}
    return tuple(sorted((protocol, port) for protocol, port in found if protocol in _PROTOCOLS and port))


def _waited_on(facts: HostFacts) -> Iterator[Port]:
    sockets = facts.sockets.found if isinstance(facts.sockets, Sockets) else ()
    published = facts.containers.published if isinstance(facts.containers, Containers) else ()
    by_loopback = _lets_in_to_loopback(facts.interfaces)
    yield from ((socket.protocol, socket.port) for socket in sockets if by_loopback or not socket.loopback)
    yield from ((port.protocol, port.host_port) for port in published)


def _lets_in_to_loopback(interfaces: Interfaces | Unreadable) -> bool:
    return (
        isinstance(interfaces, Interfaces)
        and not isinstance(interfaces.localnet, Unreadable)
        and bool(interfaces.localnet)
    )


def _opened(tables: Tables[A] | Unreadable) -> Iterator[Port]:
    for protocol, asked in () if isinstance(tables, Unreadable) else opened_ports(tables):
        yield from ((protocol or "tcp", first) for first, _ in asked.ports.spans)


def _four(facts: HostFacts, classes: Sequence[SourceClass]) -> _Side[V4]:
    gate = facts.provider if isinstance(facts.provider, Unreadable) else facts.provider.v4
    filters = facts.v4 if isinstance(facts.v4, Unreadable) else way(facts.v4)
    return _Side(facts, V4, gate, filters, _by_way([(c.way, c.name, c.v4) for c in classes]))


def _six(facts: HostFacts, classes: Sequence[SourceClass]) -> _Side[V6]:
    gate = facts.provider if isinstance(facts.provider, Unreadable) else facts.provider.v6
    filters = facts.v6 if isinstance(facts.v6, Unreadable) else way(facts.v6)
    return _Side(facts, V6, gate, filters, _by_way([(c.way, c.name, c.v6) for c in classes]))


def _by_way(named: Iterable[tuple[str, str, A]]) -> dict[str, list[tuple[str, A]]]:
    found: dict[str, list[tuple[str, A]]] = {}
    for way_name, name, sources in named:
        if sources:
            found.setdefault(way_name, []).append((name, sources))
    return found


def _over(side: _Side[A], doors: tuple[Door, ...]) -> Iterator[Exposure]:
    for way_in in side.facts.ways:
        called = side.called(way_in)
        classes = side.classes.get(way_in.name)
        if classes and called:
            everybody = union((sources for _, sources in classes), side.kind())
            cells = grid(everybody, side.told_apart(classes), doors)
            asked = [Question(None, address, way_in.interface) for address in called]
            sums = [_summed(_layers(side, way_in, question, cells)) for question in asked]
            yield from _told(side, classes, cells=cells, sums=sums)


def _layers(side: _Side[A], way_in: WayIn, question: Question, cells: Grid[A]) -> tuple[Judgement, ...]:
    """Return what each layer alone does with everybody who comes this way, in the packet's order."""
    provider = (_at_gate(side.gate, question, cells),) if way_in.gated else ()
    host, arrivals = _at_host(side, question, cells)
    facts = side.facts
    listeners = Listeners(question, cells, facts.sockets, facts.containers, facts.interfaces)
    return (*provider, host, listeners.judged(arrivals))


def _at_gate(gate: Gate[A] | Unreadable, question: Question, cells: Grid[A]) -> Judgement:
    if isinstance(gate, Unreadable):
        return _unknown(PROVIDER, cells.whole, gate.reason)
    return judged(gate, question, cells)


def _at_host(side: _Side[A], question: Question, cells: Grid[A]) -> tuple[Judgement, tuple[Arrival, ...]]:
    anywhere = (Arrival(cells.whole, question.destination), Arrival(cells.whole, question.destination, vague=True))
    if isinstance(side.filters, Unreadable):
        return _unknown(HOST, cells.whole, side.filters.reason), anywhere
    if isinstance(side.facts.interfaces, Unreadable):
        return _unknown(HOST, cells.whole, side.facts.interfaces.reason), anywhere
    if before := side.facts.interfaces.before_rules(question.interface):
        return _unknown(HOST, cells.whole, before), anywhere
    found = crossing(side.filters, question, cells, side.facts.interfaces)
    return found.judgement, found.arrivals


def _unknown(layer: str, whole: Cells, reason: str) -> Judgement:
    return Judgement(layer, whole, whole, doubts=(Evidence(whole, f"{layer}: {reason}"),))


@dataclass(frozen=True, slots=True)
class _Sum:
    """What all layers together do, called by one address. `by_at_least[n]` is denied by n layers, or more, by each."""

    admitted: Cells
    denied: Cells
    layers: tuple[Judgement, ...]
    by_at_least: tuple[Cells, ...]
    by_layer: tuple[tuple[str, Cells], ...]

    def depth(self, denied: Cells) -> int:
        """Return how many layers at least deny every one of some denied cells; 0 where there are none."""
        depth = len(self.by_at_least) - 1 if denied else 0
        while denied & ~self.by_at_least[depth]:
            depth -= 1
        return depth

    def deniers(self, denied: Cells) -> tuple[str, ...]:
        """Return the layers that deny all of some denied cells by themselves."""
        if not denied:
            return ()
        return tuple([name for name, cells in self.by_layer if not denied & ~cells])


def _summed(layers: tuple[Judgement, ...]) -> _Sum:
    admitted = layers[0].admitted
    by_at_least = [-1]
    for layer in layers:
        admitted &= layer.admitted
        denied = layer.denied
        both = [before & denied for before in by_at_least]
        by_at_least = [-1, *(one | more for one, more in zip([*by_at_least[1:], 0], both, strict=True))]
    by_layer = tuple((layer.layer, layer.denied) for layer in layers)
    return _Sum(admitted, by_at_least[1], layers, tuple(by_at_least), by_layer)


def _told(
    side: _Side[A], classes: Iterable[tuple[str, A]], *, cells: Grid[A], sums: Sequence[_Sum]
) -> Iterator[Exposure]:
    """Yield the most that is reachable of each class at each port by any of the addresses."""
    whole = _most(sums)
    host, family = side.facts.name, side.kind.FAMILY
    for name, sources in classes:
        column = cells.of(sources)
        for door, row in cells.rows.items():
            here = column & row
            state = _state(here, whole.admitted, whole.denied)
            shown = _that_shows(state, here, sums)
            decided_by, evidence = _decided(shown, here, state)
            kept_out = whole.denied & here
            unclear = here & ~(whole.admitted | whole.denied)
            yield Exposure(
                host,
                family,
                *door,
                name,
                state,
                decided_by,
                whole.depth(kept_out),
                shown.deniers(kept_out),
                evidence,
                _first_of(cells.sources(whole.admitted & here, door)) if state is State.PARTLY else (),
                _first_of(cells.sources(unclear, door)) if unclear and unclear != here else (),
                state is State.PARTLY and not unclear and _is_few(cells.sources(kept_out, door), sources),
            )


def _first_of(sources: Addresses) -> tuple[str, ...]:
    return type(sources)(sources.spans[:MAX_SPANS]).cidrs()


def _is_few(some: Addresses, of_all: Addresses) -> bool:
    return _count(some) * FEW <= _count(of_all)


def _count(sources: Addresses) -> int:
    return sum(last - first + 1 for first, last in sources.spans)


def _most(sums: Sequence[_Sum]) -> _Sum:
    """Return what is reachable by any of several addresses, and denied by so many layers for all of them."""
    return reduce(_or_by, sums)


def _or_by(one: _Sum, other: _Sum) -> _Sum:
    depths = tuple(here & there for here, there in zip(one.by_at_least, other.by_at_least, strict=True))
    return _Sum(one.admitted | other.admitted, one.denied & other.denied, one.layers, depths, one.by_layer)


def _that_shows(state: State, here: Cells, sums: Sequence[_Sum]) -> _Sum:
    if len(sums) == 1:
        return sums[0]
    return next((each for each in sums if _state(here, each.admitted, each.denied) is state), sums[0])


def _state(here: Cells, admitted: Cells, denied: Cells) -> State:
    if not here & ~denied:
        return State.CLOSED
    if not here & ~admitted:
        return State.OPEN
    return State.PARTLY if here & admitted else State.UNKNOWN


def _decided(found: _Sum, here: Cells, state: State) -> tuple[str, tuple[str, ...]]:
    """Return the layer that decides, and what it says of the cells that it decides on."""
    if state is State.OPEN:
        return found.layers[-1].layer, _admitting(found.layers, here)
    if state is State.UNKNOWN or not here & found.denied:
        layer = next(layer for layer in found.layers if layer.unknown & here)
        return layer.layer, _says(layer.doubts, layer.unknown & here)
    at, denied = next((at, cells & here) for at, (_, cells) in enumerate(found.by_layer) if cells & here)
    return found.layers[at].layer, _says(found.layers[at].stops, denied)


def _admitting(layers: Iterable[Judgement], here: Cells) -> tuple[str, ...]:
    return tuple([says for layer in layers for says in _says(layer.passes, here)[-1:]])


def _says(evidence: Sequence[Evidence], cells: Cells) -> tuple[str, ...]:
    told = [says for concerned, says in evidence if concerned & cells]
    return tuple(told) if len(told) < 2 else tuple(dict.fromkeys(told))[:MAX_EVIDENCE]
