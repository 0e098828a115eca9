"""Walks cells of doors and sources through rules and says which pass, which are stopped, and of which it cannot tell.

Where a rule asks something opaque, its part goes both ways. So `passed` and `stopped` are those that may pass and those
that may be stopped; what is in both is unknown, and where all ways agree nothing is. Where a rule does something that
cannot be placed (it may change the packet, hand it to a program, send it elsewhere), its part leaves the walk: nothing
behind it tells what becomes of it, so that it is `lost`, and unknown to the end.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Generic, NamedTuple

from ink_infra_mcp.core.firewall.addresses import A
from ink_infra_mcp.core.firewall.conditions import Condition, Protocol, Question, ToPort
from ink_infra_mcp.core.firewall.grid import Cells, Grid
from ink_infra_mcp.core.firewall.marked import Carried
from ink_infra_mcp.core.firewall.marks import Marked
from ink_infra_mcp.core.firewall.rules import Base, Rule, Table, Verdict

_COMING_BACK = frozenset({Verdict.JUMP, Verdict.CONTINUE})
MAX_DEPTH = 64
"""Jumps within jumps that are followed; the kernel allows 16 (NFT_JUMP_STACK_SIZE), and refuses loops."""


class Evidence(NamedTuple):
    """A rule, or the reason there is none, with the layer that says it, and the cells that it decides on."""

    cells: Cells
    says: str


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a layer does with some cells: which may pass, which may be stopped, and which rules say so."""

    layer: str
    passed: Cells
    stopped: Cells
    passes: tuple[Evidence, ...] = ()
    stops: tuple[Evidence, ...] = ()
    doubts: tuple[Evidence, ...] = ()

    @property
    def admitted(self) -> Cells:
        """Return what passes whatever the opaque parts say."""
        return self.passed & ~self.stopped

    @property
    def denied(self) -> Cells:
        """Return what is stopped whatever the opaque parts say."""
        return self.stopped & ~self.passed

    @property
    def unknown(self) -> Cells:
        """Return of what it cannot be told."""
        return self.passed & self.stopped


@dataclass(slots=True)
class Walk(Generic[A]):
    """One walk of a question through chains: what it has met so far."""

    question: Question
    grid: Grid[A]
    passes: list[Evidence] = field(default_factory=list[Evidence])
    stops: list[Evidence] = field(default_factory=list[Evidence])
    doubts: list[Evidence] = field(default_factory=list[Evidence])
    rewrites: list[tuple[Cells, Rule[A]]] = field(default_factory=list[tuple[Cells, Rule[A]]])
    lost: Cells = 0
    """What no rule behind can tell anything of."""
    untracked: Cells = 0
    """What a rule may have taken out of connection tracking; `left_tracked` is what it may have left in it."""
    left_tracked: Cells = 0
    carried: Carried | None = None
    """The marks of the cells, None where they are not followed: then a test of one is opaque."""
    benign: bool = False
    """Whether an opaque part was met that an ordinary packet would meet in a known way."""

    def base(self, table: Table[A], base: Base, cells: Cells) -> Cells:
        """Send the cells through one base chain; return those that may go on as they are to the next one.

        Those whose destination is rewritten are in `rewrites` and not among them.
        """
        if not cells:
            return 0
        before = len(self.passes)
        left = self._chain(table, base.chain, cells, depth=0)
        went_on = union(self.passes[before:])
        if not left:
            return went_on
        policy = Evidence(left, f"{table.name}: {base.chain}: policy {base.policy.value}")
        if base.policy is Verdict.ACCEPT:
            self.passes.append(policy)
            return went_on | left
        self.stops.append(policy)
        return went_on

    def _chain(self, table: Table[A], name: str, here: Cells, *, depth: int) -> Cells:
        """Return the cells that come back from a chain, undecided."""
        if depth > MAX_DEPTH:
            self._lose(table, here, f"chain {name} is nested too deep to be followed")
            return 0
        back = looked_up = 0
        lookup = 0
        for rule in table.chains[name]:
            if rule.lookup != lookup:
                # those that an entry of a map has let go on meet no other entry of it, and what stands behind it again
                here, looked_up, lookup = here | looked_up, 0, rule.lookup
            covered, sure = self._covered(rule, here)
            if not covered:
                continue
            went_on, returned = self._step(table, rule, here, covered=covered, sure=sure, depth=depth)
            back |= returned
            if lookup and rule.verdict in _COMING_BACK:
                looked_up |= went_on & covered
                went_on &= ~covered if sure else here
            here = went_on
            if not here and not looked_up:
                break
        return back | here | looked_up

    def _covered(self, rule: Rule[A], here: Cells) -> tuple[Cells, bool]:
        """Return the cells that a rule may match, and whether it surely does."""
        sure = True
        for condition in rule.conditions:
            here, told = self._meeting(condition, here)
            if not here:
                return 0, True
            sure = sure and told
        return (here if rule.sources is None else here & self.grid.of(rule.sources)), sure

    def _meeting(self, condition: Condition, here: Cells) -> tuple[Cells, bool]:
        """Return the cells that may meet a condition, and whether they surely do."""
        if isinstance(condition, ToPort | Protocol):
            there = here & self._at_door(condition)
            if isinstance(condition, ToPort) and condition.original:
                # what was asked for at first is known to connection tracking alone
                return (0 if self.question.tracked is False else there), self.question.tracked is True
            return there, True
        if isinstance(condition, Marked) and self.carried is not None:
            may, may_not = self.carried.meeting(condition, tracked=self.question.tracked)
            return here & may, not here & may & may_not
        met = condition.met(self.question)
        return (0 if met is False else here), met is True

    def _at_door(self, condition: ToPort | Protocol) -> Cells:
        if isinstance(condition, Protocol):
            protocol = self.question.protocol
            if protocol is None:
                return self.grid.speaking(condition.wanted)
            return self.grid.whole if condition.wanted.any_of((protocol,)) else 0
        port = None if condition.original else self.question.port
        if port is None:
            return self.grid.at(condition.ports)
        return self.grid.whole if port in condition.ports else 0

    def _step(
        self, table: Table[A], rule: Rule[A], here: Cells, *, covered: Cells, sure: bool, depth: int
    ) -> tuple[Cells, Cells]:
        """Return what goes on to the next rule, and what returns from this chain."""
        if not sure and rule.verdict is not Verdict.CONTINUE:
            self._doubt(table, rule, covered)
        if rule.marks and self.carried is not None:
            self.carried.set(rule.marks, covered, sure=sure, tracked=self.question.tracked)
        stay = here & ~covered if sure else here
        match rule.verdict:
            case Verdict.CONTINUE:
                return here, 0
            case Verdict.RETURN:
                return stay, covered
            case Verdict.JUMP:
                return stay | self._chain(table, rule.target, covered, depth=depth + 1), 0
            case Verdict.GOTO:
                return stay, self._chain(table, rule.target, covered, depth=depth + 1)
            case _:
                return self._decide(table, rule, here, covered=covered, stay=stay), 0

    def _decide(self, table: Table[A], rule: Rule[A], here: Cells, *, covered: Cells, stay: Cells) -> Cells:
        evidence = Evidence(covered, f"{table.name}: {rule.origin}")
        match rule.verdict:
            case Verdict.ACCEPT:
                self.passes.append(evidence)
            case Verdict.DNAT:
                self.rewrites.append((covered, rule))
            case Verdict.UNTRACK:
                self.untracked |= covered
                self.left_tracked |= 0 if stay != here else covered
                return here
            case Verdict.UNKNOWN:
                self._lose(table, covered, rule.origin)
                return here & ~covered
            case _:
                self.stops.append(evidence)
        return stay

    def _doubt(self, table: Table[A], rule: Rule[A], covered: Cells) -> None:
        self.benign = self.benign or known(rule.conditions, ordinary(self.question))
        self.doubts.append(Evidence(covered, f"{table.name}: {rule.origin}"))
        if self.carried is not None:
            self.carried.doubtful |= covered

    def _lose(self, table: Table[A], covered: Cells, says: str) -> None:
        self.lost |= covered
        self.doubts.append(Evidence(covered, f"{table.name}: {says}"))


def known(conditions: Iterable[Condition], question: Question) -> bool:
    """Return whether it can be told if a packet meets the conditions."""
    met = [condition.met(question) for condition in conditions if not isinstance(condition, ToPort | Protocol)]
    return False in met or None not in met


def union(evidence: Iterable[Evidence]) -> Cells:
    """Return the cells of all the evidence."""
    cells = 0
    for piece in evidence:
        cells |= piece.cells
    return cells


def ordinary(question: Question) -> Question:
    """Return the question about a packet that finds no rate used up."""
    return replace(question, ordinary=True)
