"""A provider's firewall in front of a host: which of some sources it lets through to a port."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import reduce
from typing import Generic, Literal

from ink_infra_mcp.core.firewall.addresses import V4, V6, A
from ink_infra_mcp.core.firewall.conditions import SYN_ACK, Question
from ink_infra_mcp.core.firewall.grid import Cells, Grid
from ink_infra_mcp.core.firewall.rules import Table
from ink_infra_mcp.core.firewall.walk import Evidence, Judgement, Walk, ordinary, union

Layer = Literal["cloud firewall", "robot firewall", "provider"]


@dataclass(frozen=True, slots=True)
class Gate(Generic[A]):
    """A provider's firewall for one family.

    `alternatives` are the sets of rules that may be in force, more than one while a change is under way; none at all is
    an open gate. `replies` are the rules that answers must pass where the gate keeps no state, with the far side as
    their source.
    """

    layer: Layer
    alternatives: tuple[Table[A], ...] = ()
    replies: Table[A] | None = None
    opened_by: str = "no firewall"

    def told_apart(self) -> Iterator[A]:
        """Yield the sources that its rules name."""
        for table in (*self.alternatives, *([self.replies] if self.replies else [])):
            for rules in table.chains.values():
                yield from (rule.sources for rule in rules if rule.sources is not None)


@dataclass(frozen=True, slots=True)
class Gates:
    """The provider's firewall of a host, family by family; `notes` say what a reader should know of it."""

    v4: Gate[V4]
    v6: Gate[V6]
    notes: tuple[str, ...] = ()


def judged(gate: Gate[A], question: Question, grid: Grid[A]) -> Judgement:
    """Return which of the cells the gate lets through, and on whose word."""
    if not gate.alternatives:
        return Judgement(gate.layer, grid.whole, 0, passes=(Evidence(grid.whole, f"{gate.layer}: {gate.opened_by}"),))
    inward = reduce(_either, [_through(gate.layer, table, question, grid, grid.whole) for table in gate.alternatives])
    if gate.replies is None:
        return inward
    outward = _through(gate.layer, gate.replies, replace(question, flags=SYN_ACK), grid, inward.passed)
    return _both(inward, outward)


def _through(layer: str, table: Table[A], question: Question, grid: Grid[A], cells: Cells) -> Judgement:
    found, benign = _once(layer, table, question, grid, cells)
    if not benign or not found.unknown:
        return found
    usual, _ = _once(layer, table, ordinary(question), grid, found.unknown)
    return replace(found, stopped=found.stopped & ~usual.admitted)


def _once(layer: str, table: Table[A], question: Question, grid: Grid[A], cells: Cells) -> tuple[Judgement, bool]:
    walk = Walk(question, grid)
    for base in table.bases:
        cells = walk.base(table, base, cells)
    cells |= walk.lost
    judgement = Judgement(
        layer, cells, union(walk.stops) | walk.lost, tuple(walk.passes), tuple(walk.stops), tuple(walk.doubts)
    )
    return judgement, walk.benign


def _either(one: Judgement, other: Judgement) -> Judgement:
    """Return what may happen where it is not known which of two is in force."""
    return _joined(one, other, one.passed | other.passed)


def _both(one: Judgement, other: Judgement) -> Judgement:
    """Return what happens to those who must pass one and then the other."""
    return _joined(one, other, one.passed & other.passed)


def _joined(one: Judgement, other: Judgement, passed: Cells) -> Judgement:
    return Judgement(
        one.layer,
        passed,
        one.stopped | other.stopped,
        (*one.passes, *other.passes),
        (*one.stops, *other.stops),
        (*one.doubts, *other.doubts),
    )
