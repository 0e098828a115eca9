"""Reads the expressions of one nft rule, one after the other as the kernel does, into rules of the model."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Generic

from pydantic import JsonValue

from ink_infra_mcp.core.firewall.addresses import A
from ink_infra_mcp.core.firewall.conditions import Condition, Opaque
from ink_infra_mcp.core.firewall.marks import Marked, SetMark
from ink_infra_mcp.core.firewall.nft_match import MAX_ALTERNATIVES, Known, matched
from ink_infra_mcp.core.firewall.nft_target import PASSING, marks_set, may_break, opaque_statement, outcomes
from ink_infra_mcp.core.firewall.outcomes import UNKNOWN, Asks, Outcome, Part, narrowed, rules_for
from ink_infra_mcp.core.firewall.queues import UNTOLD, Queues
from ink_infra_mcp.core.firewall.rules import Rule, Verdict
from ink_infra_mcp.core.plan import JsonObject

_LIMITING = frozenset({"limit", "ct count", "quota", "set", "meter", "map"})
_GOING_ON = frozenset({Verdict.CONTINUE, Verdict.UNTRACK})
"""After these the next expression of a rule still counts."""
_LAST = frozenset({"dnat", "redirect", "vmap"})
"""What is not met by these goes on behind the rule (NFT_BREAK)."""
_TRANSPARENT = frozenset({"comment"})
"""Matches of xtables that every packet meets."""


@dataclass(frozen=True, slots=True)
class Extensions:
    """What the matches and the target of xtables in a rule say, which nft shows by their names alone.

    `outcome` is that of its target, None where it has none.
    """

    asks: Asks = ()
    outcome: Outcome | None = None


@dataclass(slots=True)
class _Reading(Generic[A]):
    """A rule as far as it is read: whom it is about by now, in one of several ways."""

    kind: type[A]
    named: Known
    queues: Queues
    origin: str
    extensions: Extensions | None
    parts: list[Part[A]] = field(default_factory=lambda: list[Part[A]]([(None, ())]))
    ended: bool = False

    def take(self, what: str, body: JsonValue) -> Iterator[Rule[A]]:
        """Yield the rules that an expression makes, and narrow down whom the next one is about."""
        if what == "match" and isinstance(body, dict):
            self._narrow(matched(body, self.kind, self.named))
        elif what == "xt":
            yield from self._xt(body)
        elif what == "mangle":
            yield from self._mangled(body)
        elif (found := outcomes(what, body, self.kind, self.named, self.queues)) is not None:
            read = self.decided(found)
            yield from read if what != "vmap" else (replace(one, lookup=1) for one in read)
            self.ended = self.ended or what in _LAST
        elif what not in PASSING and what not in _LIMITING:
            yield from self.decided((UNKNOWN,))
        elif (asked := opaque_statement(what, body)) is not None:
            self._narrow(((asked,),))

    def decided(self, found: Iterable[Outcome]) -> Iterator[Rule[A]]:
        """Yield what becomes of those whom the rule is about by now."""
        found = tuple(found)
        for part in self.parts:
            for one in found:
                yield from rules_for(part, one, self.kind, self.origin)
        self.ended = any(one.verdict not in _GOING_ON for one in found)

    def _narrow(self, alternatives: Sequence[Asks]) -> None:
        if len(self.parts) * len(alternatives) > MAX_ALTERNATIVES:
            alternatives = ((Opaque("one of very many things at once"),),)
        self.parts = [narrowed(part, asks, self.kind) for part in self.parts for asks in alternatives]

    def _xt(self, body: JsonValue) -> Iterator[Rule[A]]:
        """Take what xtables asks or does; nft of before 1.0.6 does not even tell a match from a target."""
        told = self.extensions
        match body:
            case {"type": "match", "name": str(name)}:
                if told is not None:
                    self._narrow((told.asks,))
                elif name not in _TRANSPARENT:
                    self._narrow(((Opaque(f"-m {name}"),),))
            case {"type": "target"} if told is not None and told.outcome is not None:
                yield from self._extended(told, told.outcome)
            case None if told is not None:
                yield from self._extended(told, told.outcome or Outcome(Verdict.CONTINUE))
            case _:
                yield from self.decided((UNKNOWN,))

    def _extended(self, told: Extensions, outcome: Outcome) -> Iterator[Rule[A]]:
        self._narrow((told.asks,))
        yield from self.decided((outcome,))

    def _mangled(self, body: JsonValue) -> Iterator[Rule[A]]:
        found = marks_set(body)
        if may_break(body):
            self._narrow(((Opaque("what a map holds"),),))
        if found is None:
            yield from self.decided((UNKNOWN,))
        elif found:
            yield from self._set(found)

    def _set(self, marks: tuple[SetMark, ...]) -> Iterator[Rule[A]]:
        """Yield the setting of marks as a rule of its own; what was asked of a mark is not asked anew behind it."""
        yield from self.decided((Outcome(Verdict.CONTINUE, marks=marks),))
        self.parts = [(sources, tuple(map(_forgotten, asked))) for sources, asked in self.parts]


def _forgotten(asked: Condition) -> Condition:
    return Opaque(asked.what) if isinstance(asked, Marked) else asked


def read_rules(
    expressions: Sequence[JsonObject],
    kind: type[A],
    named: Known,
    origin: str,
    *,
    queues: Queues = UNTOLD,
    extensions: Extensions | None = None,
) -> tuple[Rule[A], ...]:
    """Return what the expressions of a rule say; `named` are the sets and maps of its table.

    `extensions` are what the xtables in it say, None where that is not known. What nobody can tell is a rule with the
    verdict `unknown`; what a rule says behind it is not read.
    """
    reading = _Reading(kind, named, queues, origin, extensions)
    read: list[Rule[A]] = []
    try:
        for what, body in _in_order(expressions):
            read.extend(reading.take(what, body))
            if reading.ended:
                break
    except (ValueError, KeyError, TypeError):
        read.extend(reading.decided((UNKNOWN,)))
    return tuple(read) or tuple(reading.decided((Outcome(Verdict.CONTINUE),)))


def _in_order(expressions: Sequence[JsonObject]) -> Iterator[tuple[str, JsonValue]]:
    """Yield the expressions; of those of xtables that have no name, the last one alone does what the rule does."""
    flat = [each for expression in expressions for each in expression.items()]
    nameless = [at for at, each in enumerate(flat) if each == ("xt", None)]
    for at, each in enumerate(flat):
        yield ("xt", {"type": "match", "name": ""}) if at in nameless[:-1] else each
