"""The packet's way through a Linux host: what drops it, what rewrites its destination, and where it arrives.

All base chains of a hook count, by priority, whoever made them (iptables-nft, iptables-legacy, nft): what one accepts
another may still drop, and a drop is final. Only the first translation of a connection counts. Source: the kernel's
nf_hook_slow and nf_nat_inet_fn.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import Generic

from ink_infra_mcp.core.firewall.addresses import A
from ink_infra_mcp.core.firewall.conditions import OneOf, Question
from ink_infra_mcp.core.firewall.grid import Cells, Grid, grid
from ink_infra_mcp.core.firewall.interfaces import Interfaces
from ink_infra_mcp.core.firewall.ports import Ports
from ink_infra_mcp.core.firewall.rules import DSTNAT, Base, Hook, Rule, Table, Tables, Work, sources_named
from ink_infra_mcp.core.firewall.walk import Evidence, Judgement, Walk, ordinary, union

HOST = "host"
"""What results call the layer of the host's own packet filters."""
Hung = tuple[tuple[Table[A], Base], ...]


@dataclass(frozen=True, slots=True)
class Arrival:
    """Where packets are delivered: to this host, or on to `address`. `port` None is the one that they asked for.

    `vague` is one of which the rules do not tell where it goes.
    """

    cells: Cells
    address: int
    port: int | None = None
    local: bool = True
    moved: bool = False
    vague: bool = False


@dataclass(frozen=True, slots=True)
class Passage:
    """What the host's filters do with the cells, and where those that they let through arrive."""

    judgement: Judgement
    arrivals: tuple[Arrival, ...]


@dataclass(frozen=True, slots=True)
class Way(Generic[A]):
    """A host's packet filters of one family, in the order in which a packet meets them; `told_apart` are the sources
    that their rules name.
    """

    early: Hung[A]
    translating: Hung[A]
    late: Hung[A]
    inbound: Hung[A]
    onward: Hung[A]
    told_apart: frozenset[A]


def way(tables: Tables[A]) -> Way[A]:
    """Put the base chains of all tables in the packet's order: hook by hook, and by priority within a hook."""
    before = _hung(tables, "prerouting", "filter")
    early = sum(base.priority < DSTNAT for _, base in before)
    return Way(
        early=(*_hung(tables, "ingress", "filter"), *before[:early]),
        translating=_hung(tables, "prerouting", "nat"),
        late=before[early:],
        inbound=_hung(tables, "input", "filter"),
        onward=_hung(tables, "forward", "filter"),
        told_apart=sources_named(tables),
    )


def passage(filters: Way[A], question: Question, sources: A, interfaces: Interfaces) -> Passage:
    """Walk some sources to the one port that the question names through the host; an empty set of cells is nobody."""
    door = (question.protocol or "tcp", question.port or 0)
    return crossing(filters, question, grid(sources, filters.told_apart, (door,)), interfaces)


def crossing(filters: Way[A], question: Question, cells: Grid[A], interfaces: Interfaces) -> Passage:
    """Walk all cells through the host; what would pass as an ordinary packet counts as passing."""
    found, benign = _passage(filters, question, cells, interfaces, cells.whole)
    if not benign or not found.judgement.unknown:
        return found
    usual, _ = _passage(filters, ordinary(question), cells, interfaces, found.judgement.unknown)
    settled = replace(found.judgement, stopped=found.judgement.stopped & ~usual.judgement.admitted)
    return replace(found, judgement=settled)


def _hung(tables: Tables[A], hook: Hook, work: Work) -> Hung[A]:
    found = [(table, base) for table in tables for base in table.bases if base.hook == hook and base.work == work]
    return tuple(sorted(found, key=lambda hung: hung[1].priority))


def _passage(
    filters: Way[A], question: Question, cells: Grid[A], interfaces: Interfaces, whole: Cells
) -> tuple[Passage, bool]:
    early = Walk(question, cells)
    survivors = _through(early, filters.early, whole)
    walks = [early]
    arrivals: list[Arrival] = []
    passed = 0
    for those, tracked in ((whole & ~early.untracked, True), (early.untracked, False)):
        translating = Walk(question, cells)
        arrived = _arrivals(translating, filters, those, interfaces=interfaces, tracked=tracked)
        walks.append(translating)
        for arrival in arrived:
            walk = Walk(_arrived(question, arrival, interfaces, cells=cells, tracked=tracked), cells)
            passed |= _delivered(walk, filters, arrival, survivors)
            walks.append(walk)
        arrivals += arrived
    judgement = Judgement(
        layer=HOST,
        passed=passed,
        stopped=union(evidence for walk in walks for evidence in walk.stops),
        passes=_pieces(walks, attrgetter("passes")),
        stops=_pieces(walks, attrgetter("stops")),
        doubts=_pieces(walks, attrgetter("doubts")),
    )
    return Passage(judgement, tuple(arrivals)), any(walk.benign for walk in walks)


def _pieces(walks: Iterable[Walk[A]], of: Callable[[Walk[A]], list[Evidence]]) -> tuple[Evidence, ...]:
    return tuple(piece for walk in walks for piece in of(walk))


def _through(walk: Walk[A], hung: Hung[A], cells: Cells) -> Cells:
    for table, base in hung:
        there = OneOf(base.devices).holds(walk.question.interface) if base.devices else True
        if there is not False and cells:
            went_on = walk.base(table, base, cells)
            cells = went_on if there else cells | went_on
    return cells


def _arrivals(walk: Walk[A], filters: Way[A], cells: Cells, *, interfaces: Interfaces, tracked: bool) -> list[Arrival]:
    """Return where the cells arrive, those that no translation takes last; a drop in a nat chain is in the walk."""
    here = cells
    for table, base in filters.translating:
        untaken = walk.base(table, base, here)
        here = untaken if tracked else here
    found = [arrival for covered, rule in walk.rewrites for arrival in _rewritten(walk, covered, rule, interfaces)]
    whole = Arrival(here, walk.question.destination, local=walk.question.local)
    return [*found, whole] if here else found


def _rewritten(walk: Walk[A], covered: Cells, rule: Rule[A], interfaces: Interfaces) -> Iterator[Arrival]:
    """Yield where a translation sends cells; those that it sends where they go anyway count as not moved."""
    new, asked = rule.translation, walk.question
    if new is None or new.vague:
        yield Arrival(covered, asked.destination, vague=True)
        return
    address = asked.destination if new.address is None else new.address
    unmoved = covered & _going_there(walk, address, new.port)
    if unmoved:
        yield Arrival(unmoved, asked.destination, local=asked.local)
    if moved := covered & ~unmoved:
        local = new.address is None or interfaces.has(address, walk.grid.nobody.FAMILY)
        yield Arrival(moved, address, new.port, local=local, moved=True)


def _going_there(walk: Walk[A], address: int, port: int | None) -> Cells:
    """Return the cells that go to an address and port by themselves."""
    if address != walk.question.destination:
        return 0
    return walk.grid.whole if port is None else walk.grid.at(Ports.one(port))


def _arrived(
    question: Question, arrival: Arrival, interfaces: Interfaces, *, cells: Grid[A], tracked: bool
) -> Question:
    if tracked and not arrival.moved:
        return question
    return Question(
        protocol=question.protocol,
        destination=arrival.address,
        interface=question.interface,
        leaving=None if arrival.local else question.leaving or interfaces.towards(arrival.address, cells.nobody.FAMILY),
        local=arrival.local,
        translated=arrival.moved,
        tracked=tracked,
        port=arrival.port,
        asked_destination=question.destination,
        flags=question.flags,
        ordinary=question.ordinary,
    )


def _delivered(walk: Walk[A], filters: Way[A], arrival: Arrival, survivors: Cells) -> Cells:
    """Return what of an arrival may get through the chains behind the translation."""
    here = arrival.cells & survivors
    if arrival.vague:
        reason = Evidence(here, f"{HOST}: the destination is rewritten in a way that the rules do not tell")
        walk.doubts.append(reason)
        walk.stops.append(reason)
        return here
    here = _through(walk, filters.late, here)
    return _through(walk, filters.inbound if arrival.local else filters.onward, here)
