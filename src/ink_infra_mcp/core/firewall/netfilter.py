"""The packet's way through a Linux host: what drops it, what rewrites its destination, and where it arrives.

All base chains of a hook count, by priority, whoever made them (iptables-nft, iptables-legacy, nft): what one accepts
another may still drop, and a drop is final. Translation has one place in the way, whatever the priority of a nat chain,
and only the first translation of a connection counts. Which of several chains of one priority comes first is decided by
the order in which they were made, which nobody tells: every order counts. Source: the kernel's nf_hook_slow,
nf_hook_entries_grow and nf_nat_inet_fn; each tried with real connects.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, reduce
from itertools import groupby
from operator import attrgetter
from typing import Generic, NamedTuple

from ink_infra_mcp.core.firewall.addresses import A, Addresses
from ink_infra_mcp.core.firewall.conditions import SYN_ACK, OneOf, Question
from ink_infra_mcp.core.firewall.destinations import destinations_named
from ink_infra_mcp.core.firewall.grid import Cells, Grid, grid
from ink_infra_mcp.core.firewall.interfaces import Interfaces
from ink_infra_mcp.core.firewall.marked import Carried
from ink_infra_mcp.core.firewall.ports import Ports
from ink_infra_mcp.core.firewall.replies import turned
from ink_infra_mcp.core.firewall.routes import Delivery
from ink_infra_mcp.core.firewall.rules import (
    DSTNAT,
    Base,
    Hook,
    Rule,
    Table,
    Tables,
    Translation,
    Verdict,
    Work,
    sources_named,
)
from ink_infra_mcp.core.firewall.spans import Spans
from ink_infra_mcp.core.firewall.walk import Evidence, Judgement, Walk, ordinary, union

HOST = "host"
"""What results call the layer of the host's own packet filters."""
_CONNTRACK = -200
"""Where connection tracking begins (NF_IP_PRI_CONNTRACK)."""
_TCP = OneOf(("tcp",))


class Hung(NamedTuple, Generic[A]):
    """A base chain with its table; `loses` says that it holds something that cannot be placed."""

    table: Table[A]
    base: Base
    loses: bool

    @property
    def marks(self) -> bool:
        """Return whether its table sets marks."""
        return any(rule.marks for rules in self.table.chains.values() for rule in rules)


Chains = tuple[Hung[A], ...]


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
    """A host's packet filters of one family, in the order in which a packet meets them.

    `raw` come before connection tracking, `edge` at its place, `tracked` between it and translation, `beside` at the
    place of the translation: at one place either may be first. `answering` and `returning` are what answers of the
    host and of others behind it pass. `told_apart` are the sources that the rules name, `destinations` the
    addresses that they tell apart. `helped`: some rule has connection tracking expect further connections.
    """

    ingress: Chains[A]
    raw: Chains[A]
    edge: Chains[A]
    tracked: Chains[A]
    translating: Chains[A]
    beside: Chains[A]
    late: Chains[A]
    inbound: Chains[A]
    onward: Chains[A]
    answering: Chains[A]
    returning: Chains[A]
    told_apart: frozenset[A]
    destinations: frozenset[Spans]
    helped: bool = False


def way(tables: Tables[A]) -> Way[A]:
    """Put the base chains of all tables in the packet's order: hook by hook, and by priority within a hook."""
    before = _hung(tables, "prerouting", "filter")
    translating = _hung(tables, "prerouting", "nat")
    answering, returning = turned(tables, "output"), turned(tables, "forward")
    return Way(
        ingress=_hung(tables, "ingress", "filter"),
        raw=_between(before, None, _CONNTRACK - 1),
        edge=_between(before, _CONNTRACK - 1, _CONNTRACK),
        tracked=_between(before, _CONNTRACK, DSTNAT - 1),
        translating=translating,
        beside=_between(before, DSTNAT - 1, DSTNAT),
        late=_between(before, DSTNAT, None),
        inbound=_hung(tables, "input", "filter"),
        onward=(*_hung(tables, "forward", "filter"), *_hung(tables, "postrouting", "filter")),
        answering=_hung(answering, "input", "filter"),
        returning=_hung(returning, "input", "filter"),
        told_apart=sources_named(tables) | sources_named(answering) | sources_named(returning),
        destinations=destinations_named((*tables, *answering, *returning)),
        helped=any(rule.helps for table in tables for rules in table.chains.values() for rule in rules),
    )


def passage(filters: Way[A], question: Question, sources: A, interfaces: Interfaces) -> Passage:
    """Walk some sources to the one port that the question names through the host; an empty set of cells is nobody."""
    door = (question.protocol or "tcp", question.port or 0)
    return crossing(filters, question, grid(sources, filters.told_apart, (door,)), interfaces)


def crossing(filters: Way[A], question: Question, cells: Grid[A], interfaces: Interfaces) -> Passage:
    """Walk all cells through the host; what would pass as an ordinary packet counts as passing."""
    found = _Crossing(filters, question, cells, interfaces, cells.whole)
    passage = found.passage()
    if not found.benign or not passage.judgement.unknown:
        return passage
    usual = _Crossing(filters, ordinary(question), cells, interfaces, passage.judgement.unknown).passage()
    settled = replace(passage.judgement, stopped=passage.judgement.stopped & ~usual.judgement.admitted)
    return replace(passage, judgement=settled)


def _hung(tables: Tables[A], hook: Hook, work: Work) -> Chains[A]:
    found = [
        Hung(table, base, _loses(table))
        for table in tables
        for base in table.bases
        if base.hook == hook and base.work == work
    ]
    return tuple(sorted(found, key=lambda hung: hung.base.priority))


def _loses(table: Table[A]) -> bool:
    return any(rule.verdict is Verdict.UNKNOWN for rules in table.chains.values() for rule in rules)


def _between(hung: Chains[A], above: int | None, last: int | None) -> Chains[A]:
    """Return the chains whose priority is greater than one and not greater than the other."""
    return tuple(
        each
        for each in hung
        if (above is None or each.base.priority > above) and (last is None or each.base.priority <= last)
    )


class _Crossing(Generic[A]):
    """One walk of some cells through the host, along every way that they may take."""

    def __init__(
        self, filters: Way[A], question: Question, cells: Grid[A], interfaces: Interfaces, whole: Cells
    ) -> None:
        self._filters = filters
        self._question = replace(question, expected=True) if filters.helped else question
        self._cells = cells
        self._interfaces = interfaces
        self._whole = whole
        self._walks: list[Walk[A]] = []
        self._carried = Carried.fresh(cells.whole)

    @property
    def benign(self) -> bool:
        """Return whether an opaque part was met that an ordinary packet would meet in a known way."""
        return any(walk.benign for walk in self._walks)

    def passage(self) -> Passage:
        """Walk them; return what may pass, what may be stopped, and where each may arrive."""
        # before connection tracking a packet has no state, and is not exempt from having one either
        first, raw, edge = (self._walk(replace(self._question, tracked=None), self._carried) for _ in range(3))
        here = self._through(first, self._filters.ingress, self._whole)
        here = self._through(raw, self._filters.raw, here)
        here = self._through(edge, self._filters.edge, here)
        arrivals: list[Arrival] = []
        passed = 0
        for those, tracked in self._by_tracking(first, raw, edge):
            if those:
                passed |= self._beyond(those, here & those, arrivals, tracked=tracked)
        return self._told(passed, arrivals)

    def _walk(self, question: Question, carried: Carried | None) -> Walk[A]:
        walk = Walk(question, self._cells, carried=carried)
        self._walks.append(walk)
        return walk

    def _by_tracking(self, first: Walk[A], raw: Walk[A], edge: Walk[A]) -> Iterator[tuple[Cells, bool | None]]:
        """Yield which cells are tracked, which are not, and of which that is not told."""
        unsure = first.untracked | edge.untracked | raw.left_tracked | union((*first.doubts, *raw.doubts))
        untracked = first.untracked | raw.untracked | edge.untracked
        yield self._whole & ~untracked, True
        yield self._whole & untracked & ~unsure, False
        yield self._whole & untracked & unsure, None

    def _beyond(self, those: Cells, here: Cells, arrivals: list[Arrival], *, tracked: bool | None) -> Cells:
        """Add where the cells arrive, whatever stopped them before; return what of those still here may get there."""
        walk = self._walk(replace(self._question, tracked=tracked), self._carried)
        here = self._through(walk, self._filters.tracked, here)
        if any(hung.marks for hung in (*self._filters.beside, *self._filters.translating)):
            self._carried.forget()
        beside = [(hung, walk.base(hung.table, hung.base, here)) for hung in self._filters.beside]
        passed = 0
        for arrival in self._arrivals(those, here, tracked=tracked):
            arrivals.append(arrival)
            passed |= self._delivered(arrival, here & arrival.cells, beside, tracked=tracked)
        return passed

    def _told(self, passed: Cells, arrivals: list[Arrival]) -> Passage:
        walks = self._walks
        lost = union(Evidence(walk.lost, "") for walk in walks)
        if lost:
            arrivals.append(Arrival(lost, self._question.destination, vague=True))
        judgement = Judgement(
            layer=HOST,
            passed=passed | lost,
            stopped=union(evidence for walk in walks for evidence in walk.stops) | lost,
            passes=_pieces(walks, attrgetter("passes")),
            stops=_pieces(walks, attrgetter("stops")),
            doubts=_pieces(walks, attrgetter("doubts")),
        )
        return Passage(judgement, tuple(arrivals))

    def _through(self, walk: Walk[A], hung: Chains[A], cells: Cells) -> Cells:
        """Return what may go on behind some chains; what one of them loses, it may lose before another of its place."""
        for _, together in groupby(hung, key=lambda each: (each.base.hook, each.base.priority)):
            here, chains = cells, list(together)
            if walk.carried is not None and len(chains) > 1 and any(hung.marks for hung in chains):
                # whichever comes first may be the one that sets what the other asks for
                walk.carried.forget()
            for table, base, loses in chains:
                there = self._is_met(base)
                if there is not False and here:
                    went_on = walk.base(table, base, here if loses else cells)
                    cells &= went_on if there else cells | went_on
        return cells

    def _is_met(self, base: Base) -> bool | None:
        """Return whether packets meet a chain that hangs at devices; below a bridge or a VLAN they may.

        nft does not always say which devices those are (1.0.6 on Linux 6.18 leaves `dev` out).
        """
        if not base.devices:
            return None if base.hook == "ingress" else True
        wanted = OneOf(base.devices)
        if (met := wanted.holds(self._question.interface)) is not False:
            return met
        return None if wanted.any_of(self._interfaces.under(self._question.interface)) else False

    def _arrivals(self, those: Cells, still_here: Cells, *, tracked: bool | None) -> list[Arrival]:
        """Return where cells arrive, those that no translation takes last; a drop in a nat chain is in the walk."""
        walk = self._walk(replace(self._question, tracked=tracked), self._carried)
        here = those
        for _, together in groupby(self._filters.translating, key=lambda each: each.base.priority):
            # what is not tracked meets no nat chain; of several of one priority each may be the first
            untaken = [walk.base(table, base, here) for table, base, _ in together] if tracked is not False else []
            here = reduce(int.__and__, untaken, here) if tracked else here
        found = [arrival for covered, rule in walk.rewrites for arrival in self._rewritten(walk, covered, rule)]
        if walk.lost:
            found.append(Arrival(walk.lost, walk.question.destination, vague=True))
            walk.lost &= still_here
        if here:
            found.append(Arrival(here, walk.question.destination, local=walk.question.local))
        return found

    def _rewritten(self, walk: Walk[A], covered: Cells, rule: Rule[A]) -> Iterator[Arrival]:
        """Yield where a translation sends cells; those that it sends where they go anyway count as not moved."""
        new, asked = rule.translation, walk.question
        address = self._address(new)
        if new is None or address is None:
            yield Arrival(covered, asked.destination, vague=True)
            return
        unmoved = covered & _going_there(walk, address, new.port)
        if unmoved:
            yield Arrival(unmoved, asked.destination, local=asked.local)
        if moved := covered & ~unmoved:
            yield from self._moved(walk, moved, address, new.port)

    def _address(self, new: Translation | None) -> int | None:
        """Return the address that a translation leads to, or None where that is not told."""
        if new is None or new.vague:
            return None
        if new.redirected:
            return self._interfaces.redirected(self._question.interface, self._cells.nobody.FAMILY)
        return self._question.destination if new.address is None else new.address

    def _moved(self, walk: Walk[A], cells: Cells, address: int, port: int | None) -> Iterator[Arrival]:
        if address == self._question.destination:
            delivery = Delivery.HERE if self._question.local else Delivery.ONWARD
        else:
            delivery = self._interfaces.delivery(address, self._cells.nobody.FAMILY, self._question.interface)
        if delivery is Delivery.NOWHERE:
            to = _text(self._cells.nobody, address)
            walk.stops.append(
                Evidence(cells, f"{HOST}: it is sent on to {to}, where the kernel lets nobody from outside")
            )
            return
        vague = delivery is Delivery.UNTOLD
        yield Arrival(cells, address, port, local=delivery is Delivery.HERE, moved=True, vague=vague)

    def _delivered(
        self, arrival: Arrival, here: Cells, beside: Sequence[tuple[Hung[A], Cells]], *, tracked: bool | None
    ) -> Cells:
        """Return what of an arrival may get through the chains behind the translation, and get its answers."""
        walk = self._walk(self._arrived(arrival, tracked=tracked), self._carried.copy())
        if arrival.vague:
            reason = Evidence(here, f"{HOST}: the destination is rewritten in a way that the rules do not tell")
            walk.doubts.append(reason)
            walk.stops.append(reason)
            return here
        for hung, before in beside:
            here &= before | (walk.base(hung.table, hung.base, here) if arrival.moved else 0)
        here = self._through(walk, self._filters.late, here)
        here = self._through(walk, self._filters.inbound if arrival.local else self._filters.onward, here)
        return self._answered(walk.question, here, local=arrival.local)

    def _arrived(self, arrival: Arrival, *, tracked: bool | None) -> Question:
        question = self._question
        if not arrival.moved:
            return replace(question, tracked=tracked)
        onward = question.leaving or self._interfaces.towards(arrival.address, self._cells.nobody.FAMILY)
        return replace(
            question,
            destination=arrival.address,
            leaving=None if arrival.local else onward,
            local=arrival.local,
            translated=True,
            tracked=tracked,
            port=arrival.port,
            asked_destination=question.destination,
        )

    def _answered(self, question: Question, here: Cells, *, local: bool) -> Cells:
        """Return what of some cells may get an answer; what sends without waiting for one needs none."""
        hung = self._filters.answering if local else self._filters.returning
        waiting = here & self._cells.speaking(_TCP) if hung else 0
        if not waiting:
            return here
        answer = replace(
            question,
            interface="" if local else question.leaving,
            leaving=None,
            local=False,
            # whether an answer is tracked, where its question was not, is said by other rules
            tracked=question.tracked or None,
            flags=SYN_ACK,
        )
        same = waiting & self._answered_there
        back = self._through(self._walk(replace(answer, leaving=self._question.interface), None), hung, same)
        other = self._through(self._walk(answer, None), hung, waiting & ~same)
        return (here & ~waiting) | back | other

    @cached_property
    def _answered_there(self) -> Cells:
        """Return the cells of those whose answers leave by the interface that they came in by."""
        interface = self._question.interface
        return self._cells.of_kinds(lambda kind: self._interfaces.answers_by(interface, kind) is not None)


def _pieces(walks: Iterable[Walk[A]], of: Callable[[Walk[A]], list[Evidence]]) -> tuple[Evidence, ...]:
    return tuple(piece for walk in walks for piece in of(walk))


def _going_there(walk: Walk[A], address: int, port: int | None) -> Cells:
    """Return the cells that go to an address and port by themselves."""
    if address != walk.question.destination:
        return 0
    return walk.grid.whole if port is None else walk.grid.at(Ports.one(port))


def _text(nobody: Addresses, address: int) -> str:
    return type(nobody)(((address, address),)).first()
