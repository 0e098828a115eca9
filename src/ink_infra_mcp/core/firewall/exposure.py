"""What is really reachable of a host: provider and host path and listener, for each port and class of sources."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import combinations
from typing import Generic

from ink_infra_mcp.core.firewall.addresses import V4, V6, A, Family
from ink_infra_mcp.core.firewall.answer import Unreadable
from ink_infra_mcp.core.firewall.conditions import Question
from ink_infra_mcp.core.firewall.docker import Containers
from ink_infra_mcp.core.firewall.gates import Gate, Gates, judged
from ink_infra_mcp.core.firewall.interfaces import Interfaces
from ink_infra_mcp.core.firewall.listening import heard
from ink_infra_mcp.core.firewall.netfilter import HOST, Arrival, Way, passage, way
from ink_infra_mcp.core.firewall.rules import Tables, named_ports
from ink_infra_mcp.core.firewall.sockets import Sockets
from ink_infra_mcp.core.firewall.walk import Evidence, Judgement, union

Port = tuple[str, int]
"""A protocol, `tcp` or `udp`, and a port of it."""
PROVIDER = "provider"
MAX_EVIDENCE = 3


class State(StrEnum):
    """How reachable a port is for a class of sources; `unknown` is never to be taken for closed."""

    OPEN = "open"
    PARTLY = "partly open"
    CLOSED = "closed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class WayIn:
    """A way to the host: the addresses that it is called by and the interface they lie on; `gated` by the provider."""

    name: str
    addresses: tuple[str, ...]
    interface: str | None = None
    gated: bool = True


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


@dataclass(frozen=True, slots=True)
class Exposure:
    """How reachable one port is for one class over one family.

    `decided_by` is the first layer in the packet's way that denies or leaves it unknown, or that admits it last.
    `depth` is how many layers each would deny all that is denied here; `deniers` are layers that alone deny all of it.
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


@dataclass(slots=True)
class _Side(Generic[A]):
    """A host seen over one family, with what is the same for all its ports worked out once."""

    facts: HostFacts
    kind: type[A]
    gate: Gate[A] | Unreadable
    filters: Way[A] | Unreadable
    classes: dict[str, list[tuple[str, A]]]
    sources: dict[str, A] = field(default_factory=dict[str, A])

    def __post_init__(self) -> None:
        nobody = self.kind()
        self.sources = {name: union([each for _, each in known], nobody) for name, known in self.classes.items()}


def exposures(facts: HostFacts, classes: Sequence[SourceClass], ports: Iterable[Port]) -> tuple[Exposure, ...]:
    """Return how reachable each port is for each class, over each family that its way has an address of."""
    wanted = tuple(ports)
    return (*_over(_four(facts, classes), wanted), *_over(_six(facts, classes), wanted))


def ports_that_matter(facts: HostFacts, policy: Iterable[Port] = ()) -> tuple[Port, ...]:
    """Return the ports of policy, those that something listens on or is published on, and those that rules name.

    Of a range that rules name, its first port stands for all; the ports within it that somebody listens on are there
    by themselves.
    """
    found = set(policy)
    if isinstance(facts.sockets, Sockets):
        found |= {(socket.protocol, socket.port) for socket in facts.sockets.found if not socket.loopback}
    if isinstance(facts.containers, Containers):
        found |= {(port.protocol, port.host_port) for port in facts.containers.published}
    if not isinstance(facts.v4, Unreadable):
        found |= set(_named(facts.v4))
    if not isinstance(facts.v6, Unreadable):
        found |= set(_named(facts.v6))
    return tuple(sorted(port for port in found if port[0] in {"tcp", "udp"} and port[1]))


def _named(tables: Tables[A]) -> Iterator[Port]:
    for protocol, asked in named_ports(tables):
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


def _over(side: _Side[A], ports: Iterable[Port]) -> Iterator[Exposure]:
    for way_in in side.facts.ways:
        called = [_number(side.kind, text) for text in way_in.addresses if (":" in text) is (side.kind is V6)]
        if way_in.name not in side.classes or not called:
            continue
        for protocol, port in ports:
            question: Question[A] = Question(protocol, port, called[0], way_in.interface, original_port=port)
            layers = [_layers(side, way_in, replace(question, destination=n, original_destination=n)) for n in called]
            for name, sources in side.classes[way_in.name]:
                yield _exposure(side, question, name, sources, layers=layers)


def _number(kind: type[A], text: str) -> int:
    return kind.parse(text).spans[0][0]


def _layers(side: _Side[A], way_in: WayIn, question: Question[A]) -> tuple[Judgement[A], ...]:
    """Return what each layer alone does with everybody who comes this way, in the packet's order."""
    everybody = side.sources[way_in.name]
    provider = (_at_gate(side.gate, question, everybody),) if way_in.gated else ()
    host, arrivals = _at_host(side, question, everybody)
    listener = heard(question, arrivals, everybody, sockets=side.facts.sockets, containers=side.facts.containers)
    return (*provider, host, listener)


def _at_gate(gate: Gate[A] | Unreadable, question: Question[A], everybody: A) -> Judgement[A]:
    if isinstance(gate, Unreadable):
        return _unknown(PROVIDER, everybody, gate.reason)
    return judged(gate, question, everybody)


def _at_host(side: _Side[A], question: Question[A], everybody: A) -> tuple[Judgement[A], tuple[Arrival[A], ...]]:
    here = Arrival(everybody, question.destination, question.port)
    unread = next((known for known in (side.filters, side.facts.interfaces) if isinstance(known, Unreadable)), None)
    if isinstance(side.filters, Unreadable) or isinstance(side.facts.interfaces, Unreadable):
        reason = unread.reason if unread else ""
        return _unknown(HOST, everybody, reason), (here, replace(here, vague=True))
    found = passage(side.filters, question, everybody, side.facts.interfaces)
    return found.judgement, found.arrivals


def _unknown(layer: str, everybody: A, reason: str) -> Judgement[A]:
    return Judgement(layer, everybody, everybody, doubts=(Evidence(everybody, layer, reason),))


@dataclass(frozen=True, slots=True)
class _Sum(Generic[A]):
    """What all layers together do with one class, called by one address."""

    admitted: A
    denied: A
    layers: tuple[Judgement[A], ...]


def _summed(layers: tuple[Judgement[A], ...], sources: A) -> _Sum[A]:
    admitted, denied = sources, sources - sources
    for layer in layers:
        admitted = admitted & layer.admitted
        denied = denied | (layer.denied & sources)
    return _Sum(admitted, denied, layers)


def _exposure(
    side: _Side[A], question: Question[A], name: str, sources: A, *, layers: Sequence[tuple[Judgement[A], ...]]
) -> Exposure:
    """Return the most that is reachable of a class by any of the addresses."""
    sums = [_summed(each, sources) for each in layers]
    admitted = union([each.admitted for each in sums], sources - sources)
    denied = sources
    for each in sums:
        denied = denied & each.denied
    state = _state(sources, admitted, denied)
    shown = next((each for each in sums if _state(sources, each.admitted, each.denied) is state), sums[0])
    decided_by, evidence = _told(shown, sources, state)
    unknown = sources - admitted - denied
    return Exposure(
        host=side.facts.name,
        family=side.kind.FAMILY,
        protocol=question.protocol,
        port=question.port,
        source_class=name,
        state=state,
        decided_by=decided_by,
        depth=min(_depth(each.layers, denied) for each in sums),
        deniers=tuple(layer.layer for layer in shown.layers if denied and denied <= layer.denied),
        evidence=evidence,
        admitted=admitted.cidrs() if state is State.PARTLY else (),
        unknown=unknown.cidrs() if unknown and unknown != sources else (),
    )


def _state(sources: A, admitted: A, denied: A) -> State:
    if denied == sources:
        return State.CLOSED
    if admitted == sources:
        return State.OPEN
    return State.PARTLY if admitted else State.UNKNOWN


def _depth(layers: Sequence[Judgement[A]], denied: A) -> int:
    """Return how many layers at least deny every one of the denied sources; 0 where nobody is denied."""
    if not denied:
        return 0
    nobody = denied - denied
    for depth in range(len(layers), 1, -1):
        by_that_many = [_all_deny(chosen, denied) for chosen in combinations(layers, depth)]
        if denied <= union(by_that_many, nobody):
            return depth
    return 1


def _all_deny(layers: Iterable[Judgement[A]], denied: A) -> A:
    for layer in layers:
        denied = denied & layer.denied
    return denied


def _told(found: _Sum[A], sources: A, state: State) -> tuple[str, tuple[str, ...]]:
    """Return the layer that decides, and what it says of the sources that it decides on."""
    for layer in found.layers:
        if state is State.OPEN:
            continue
        denied = layer.denied & sources
        if denied and state is not State.UNKNOWN:
            return layer.layer, _says(layer.stops, denied)
        doubtful = layer.unknown & sources
        if doubtful and state is State.UNKNOWN:
            return layer.layer, _says(layer.doubts, doubtful)
    last = found.layers[-1]
    said = [text for layer in found.layers for text in _says(layer.passes, found.admitted)[-1:]]
    return last.layer, tuple(said)


def _says(evidence: Sequence[Evidence[A]], sources: A) -> tuple[str, ...]:
    told = (f"{piece.layer}: {piece.says}" for piece in evidence if piece.sources & sources)
    return tuple(dict.fromkeys(told))[:MAX_EVIDENCE]
