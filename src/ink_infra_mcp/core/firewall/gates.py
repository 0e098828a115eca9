"""A provider's firewall in front of a host: which of some sources it lets through to a port."""

from dataclasses import dataclass, replace
from functools import reduce
from typing import Generic, Literal

from ink_infra_mcp.core.firewall.addresses import V4, V6, A
from ink_infra_mcp.core.firewall.conditions import SYN_ACK, Question
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


@dataclass(frozen=True, slots=True)
class Gates:
    """The provider's firewall of a host, family by family; `notes` say what a reader should know of it."""

    v4: Gate[V4]
    v6: Gate[V6]
    notes: tuple[str, ...] = ()


def judged(gate: Gate[A], question: Question[A], sources: A) -> Judgement[A]:
    """Return which of the sources the gate lets through, and on whose word."""
    nobody = sources - sources
    if not gate.alternatives:
        return Judgement(gate.layer, sources, nobody, passes=(Evidence(sources, gate.layer, gate.opened_by),))
    ways = [_through(gate.layer, table, question, sources) for table in gate.alternatives]
    inward = reduce(_either, ways)
    if gate.replies is None or question.protocol not in {"tcp", "udp"}:
        return inward
    flags = SYN_ACK if question.protocol == "tcp" else frozenset[str]()
    outward = _through(gate.layer, gate.replies, replace(question, flags=flags), inward.passed)
    return _both(inward, outward)


def _through(layer: str, table: Table[A], question: Question[A], sources: A) -> Judgement[A]:
    found = _once(layer, table, question, sources)
    if not found[1] or not found[0].unknown:
        return found[0]
    usual, _ = _once(layer, table, ordinary(question), sources)
    return replace(found[0], stopped=found[0].stopped - usual.admitted)


def _once(layer: str, table: Table[A], question: Question[A], sources: A) -> tuple[Judgement[A], bool]:
    nobody = sources - sources
    walk = Walk(question, nobody)
    passed = sources
    for base in table.bases:
        passed = walk.base(table, base, passed)
    stopped = union([piece.sources for piece in walk.stops], nobody)
    judgement = Judgement(layer, passed, stopped, tuple(walk.passes), tuple(walk.stops), tuple(walk.doubts))
    return judgement, walk.benign


def _either(one: Judgement[A], other: Judgement[A]) -> Judgement[A]:
    """Return what may happen where it is not known which of two is in force."""
    return _joined(one, other, union((one.passed, other.passed), one.passed))


def _both(one: Judgement[A], other: Judgement[A]) -> Judgement[A]:
    """Return what happens to those who must pass one and then the other."""
    return _joined(one, other, one.passed & other.passed)


def _joined(one: Judgement[A], other: Judgement[A], passed: A) -> Judgement[A]:
    stopped = union((one.stopped, other.stopped), one.stopped)
    return Judgement(
        one.layer,
        passed,
        stopped,
        (*one.passes, *other.passes),
        (*one.stops, *other.stops),
        (*one.doubts, *other.doubts),
    )
