"""The policy of sshd: what its settings may be, and what an operator's overlay may make of it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, TypeVar

from pydantic import Field

from ink_infra_mcp.core.plan import Frozen
from ink_infra_mcp.core.policy import Loosened, Rule, UnknownEntry, admitted

Keyword = Annotated[str, Field(pattern=r"^[A-Z][A-Za-z0-9]{2,40}$")]
Word = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,40}$")]
Algorithm = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.@-]{0,60}$")]


class WordRule(Rule):
    """A setting that is a word; `said` is how sshd says it, `good` what is as strict."""

    value: Word
    said: Word | None = None
    good: tuple[Word, ...] = ()

    def admits(self, word: str) -> bool:
        """Return whether a word that sshd says is as strict as the rule."""
        return word in (self.value, self.said, *self.good)


class MostRule(Rule):
    """A setting that is a number above 0 and at most this one."""

    at_most: Annotated[int, Field(ge=1, le=100_000)]


class ListRule(Rule):
    """A setting that is a list of algorithms, of which no other one is allowed."""

    value: Annotated[tuple[Algorithm, ...], Field(min_length=1)]


class SshdRules(Frozen):
    """sshd.toml as it is written: the packaged baseline has all, an overlay only what it changes."""

    words: dict[Keyword, WordRule] = {}
    limits: dict[Keyword, MostRule] = {}
    algorithms: dict[Keyword, ListRule] = {}


class SshdPolicy(SshdRules):
    """The rules in force; `overrides` lists, in words, what the overlay loosens."""

    overrides: tuple[str, ...] = ()

    @property
    def keywords(self) -> tuple[str, ...]:
        """Return the settings that have a rule, in the order in which they are written."""
        return (*self.words, *self.limits, *self.algorithms)


def baseline(rules: SshdRules) -> SshdPolicy:
    """Return the rules of the packaged file alone.

    Raises:
        ValueError: one of the three kinds of rules is missing.
    """
    if not (rules.words and rules.limits and rules.algorithms):
        raise ValueError("words, limits and algorithms are needed")
    return SshdPolicy(words=rules.words, limits=rules.limits, algorithms=rules.algorithms)


def tighten(base: SshdPolicy, overlay: SshdRules) -> SshdPolicy:
    """Return `base` with the overlay's rules in place of its own.

    Raises:
        Loosens: a rule is looser and carries no `override`.
        UnknownEntry: the baseline has no such rule.
    """
    _refuse_unknown("words", base.words, overlay.words)
    _refuse_unknown("limits", base.limits, overlay.limits)
    _refuse_unknown("algorithms", base.algorithms, overlay.algorithms)
    overrides = admitted([*_looser_words(base, overlay), *_looser_limits(base, overlay), *_looser_lists(base, overlay)])
    words = {name: _with_said(base.words[name], rule) for name, rule in overlay.words.items()}
    return SshdPolicy(
        words={**base.words, **words},
        limits={**base.limits, **overlay.limits},
        algorithms={**base.algorithms, **overlay.algorithms},
        overrides=(*base.overrides, *overrides),
    )


_Rule = TypeVar("_Rule", bound=Rule)


def _refuse_unknown(part: str, base: Mapping[str, _Rule], overlay: Mapping[str, _Rule]) -> None:
    for name in overlay:
        if name not in base:
            raise UnknownEntry((part, name), tuple(base))


def _with_said(base: WordRule, rule: WordRule) -> WordRule:
    return rule.model_copy(update={"said": base.said}) if rule.value == base.value and not rule.said else rule


def _looser_words(base: SshdPolicy, overlay: SshdRules) -> Iterator[Loosened]:
    for name, rule in overlay.words.items():
        allowed = [word for word in (rule.value, rule.said, *rule.good) if word and not base.words[name].admits(word)]
        if allowed:
            yield _loosened("words", name, base.words[name].value, allowed, rule)


def _looser_limits(base: SshdPolicy, overlay: SshdRules) -> Iterator[Loosened]:
    for name, rule in overlay.limits.items():
        if rule.at_most > base.limits[name].at_most:
            yield _loosened("limits", name, str(base.limits[name].at_most), [str(rule.at_most)], rule)


def _looser_lists(base: SshdPolicy, overlay: SshdRules) -> Iterator[Loosened]:
    for name, rule in overlay.algorithms.items():
        more = [value for value in rule.value if value not in base.algorithms[name].value]
        if more:
            yield _loosened("algorithms", name, "not allowed", more, rule)


def _loosened(part: str, name: str, was: str, now: Sequence[str], rule: Rule) -> Loosened:
    return Loosened(path=(part, name), was=was, now=", ".join(now), override=rule.override)
