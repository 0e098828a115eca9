"""Walks a set of sources through rules and says who passes, who is stopped, and of whom it cannot tell.

Where a rule asks something opaque, its part goes both ways. So `passed` and `stopped` are those who may pass and
who may be stopped; who is in both is unknown, and where all ways agree nobody is.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import Generic

from ink_infra_mcp.core.firewall.addresses import A
from ink_infra_mcp.core.firewall.conditions import Condition, Question
from ink_infra_mcp.core.firewall.rules import Base, Rule, Table, Verdict

MAX_DEPTH = 64
"""Jumps within jumps that are followed; the kernel allows 16 (NFT_JUMP_STACK_SIZE), and refuses loops."""


@dataclass(frozen=True, slots=True)
class Evidence(Generic[A]):
    """A rule, or the reason there is none, and the sources that it decides on."""

    sources: A
    layer: str
    says: str


@dataclass(frozen=True, slots=True)
class Judgement(Generic[A]):
    """What a layer does with a set of sources: who may pass, who may be stopped, and which rules say so."""

    layer: str
    passed: A
    stopped: A
    passes: tuple[Evidence[A], ...] = ()
    stops: tuple[Evidence[A], ...] = ()
    doubts: tuple[Evidence[A], ...] = ()

    @property
    def admitted(self) -> A:
        """Return who passes whatever the opaque parts say."""
        return self.passed - self.stopped

    @property
    def denied(self) -> A:
        """Return who is stopped whatever the opaque parts say."""
        return self.stopped - self.passed

    @property
    def unknown(self) -> A:
        """Return of whom it cannot be told."""
        return self.passed & self.stopped


@dataclass(slots=True)
class Walk(Generic[A]):
    """One walk of a question through chains: what it has met so far."""

    question: Question[A]
    nobody: A
    passes: list[Evidence[A]] = field(default_factory=list[Evidence[A]])
    stops: list[Evidence[A]] = field(default_factory=list[Evidence[A]])
    doubts: list[Evidence[A]] = field(default_factory=list[Evidence[A]])
    rewrites: list[tuple[A, Rule[A]]] = field(default_factory=list[tuple[A, Rule[A]]])
    untracked: bool = False
    benign: bool = False
    """Whether an opaque part was met that an ordinary packet would meet in a known way."""

    def base(self, table: Table[A], base: Base, sources: A) -> A:
        """Send the sources through one base chain; return those who may go on to the next one."""
        before = len(self.passes)
        left = self._chain(table, base.chain, sources, depth=0)
        went_on = union([piece.sources for piece in self.passes[before:]], self.nobody)
        policy = f"{table.name} {base.chain}: policy {base.policy}"
        if not left:
            return went_on
        if base.policy is Verdict.ACCEPT:
            self.passes.append(Evidence(left, table.name, policy))
            return went_on | left
        self.stops.append(Evidence(left, table.name, policy))
        return went_on

    def _chain(self, table: Table[A], name: str, here: A, *, depth: int) -> A:
        """Return the sources that come back from a chain, undecided."""
        if depth > MAX_DEPTH:
            self._unclear(table, here, f"chain {name} is nested too deep to be followed")
            return here
        back = self.nobody
        for rule in table.chains[name]:
            met = meets(rule.conditions, self.question)
            if met is False:
                continue
            covered = here if rule.sources is None else here & rule.sources
            if not covered:
                continue
            here, returned = self._step(table, rule, here, covered=covered, sure=met is True, depth=depth)
            back = back | returned
            if not here:
                break
        return back | here

    def _step(self, table: Table[A], rule: Rule[A], here: A, *, covered: A, sure: bool, depth: int) -> tuple[A, A]:
        """Return who goes on to the next rule, and who returns from this chain."""
        if not sure and rule.verdict is not Verdict.CONTINUE:
            self._doubt(table, rule, covered)
        stay = here - covered if sure else here
        match rule.verdict:
            case Verdict.CONTINUE:
                return here, self.nobody
            case Verdict.RETURN:
                return stay, covered
            case Verdict.JUMP:
                return stay | self._chain(table, rule.target, covered, depth=depth + 1), self.nobody
            case Verdict.GOTO:
                return stay, self._chain(table, rule.target, covered, depth=depth + 1)
            case _:
                return self._decide(table, rule, here, covered=covered, stay=stay), self.nobody

    def _decide(self, table: Table[A], rule: Rule[A], here: A, *, covered: A, stay: A) -> A:
        evidence = Evidence(covered, table.name, rule.origin)
        match rule.verdict:
            case Verdict.ACCEPT:
                self.passes.append(evidence)
            case Verdict.DNAT:
                self.rewrites.append((covered, rule))
                self.passes.append(evidence)
            case Verdict.UNTRACK:
                self.untracked = True
                return here
            case Verdict.UNKNOWN:
                self._unclear(table, covered, rule.origin)
                return here
            case _:
                self.stops.append(evidence)
        return stay

    def _doubt(self, table: Table[A], rule: Rule[A], covered: A) -> None:
        self.benign = self.benign or meets(rule.conditions, ordinary(self.question)) is not None
        self.doubts.append(Evidence(covered, table.name, rule.origin))

    def _unclear(self, table: Table[A], covered: A, says: str) -> None:
        evidence = Evidence(covered, table.name, says)
        self.doubts.append(evidence)
        self.passes.append(evidence)
        self.stops.append(evidence)


def meets(conditions: Sequence[Condition], question: Question[A]) -> bool | None:
    """Return whether a packet meets all the conditions; None where it depends on an opaque one."""
    sure: bool | None = True
    for condition in conditions:
        met = condition.met(question)
        if met is False:
            return False
        if met is None:
            sure = None
    return sure


def union(sets: Sequence[A], nobody: A) -> A:
    """Return everybody who is in one of the sets."""
    return reduce(lambda one, other: one | other, sets, nobody)


def ordinary(question: Question[A]) -> Question[A]:
    """Return the question about a packet that finds no rate used up."""
    return replace(question, ordinary=True)
