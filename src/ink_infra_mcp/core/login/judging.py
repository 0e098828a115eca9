"""Judges what sshd does against the policy: what differs, what shall be written, and what stands in the way."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ink_infra_mcp.core.login.policy import ListRule, MostRule, SshdPolicy, WordRule
from ink_infra_mcp.core.login.sshd import Directive, SshdSeen
from ink_infra_mcp.core.plan import Change

UNKNOWN = "not said"


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a server's sshd lacks. `wanted` has each setting of the policy, as it is or as it shall be.

    `changes` are those that differ. `refusals` say what a person has to settle first: with one of them nothing is
    planned, and nothing here says that all is well. `first_line` tells that our file would not be read in time among
    the drop-ins, so that the first line of sshd_config has to name it.
    """

    host: str
    wanted: Mapping[str, str]
    changes: tuple[Change, ...]
    refusals: tuple[str, ...]
    first_line: bool

    @property
    def is_good(self) -> bool:
        """Return whether nothing differs and nothing is unknown."""
        return not self.changes and not self.refusals


def judge(seen: SshdSeen, policy: SshdPolicy) -> Judgement:
    """Return what differs from the policy on a server, and what would stop a change of it."""
    wanted: dict[str, str] = {}
    changes: list[Change] = []
    refusals = [*_obstacles(seen), *_loose_matches(seen, policy)]
    for keyword in policy.keywords:
        now = _said(seen.says, keyword)
        value = _wanted(seen, policy, keyword, now)
        if value is None:
            refusals.append(f"sshd does not say what {keyword} is, or knows none of the algorithms that are allowed")
            continue
        wanted[keyword] = value
        for_us = _said(seen.says_us, keyword)
        if not _admits(policy, keyword, now):
            changes.append(Change(name=keyword, before=now or UNKNOWN, after=value))
        elif not _admits(policy, keyword, for_us):
            refusals.append(f"for our own login sshd says {keyword} {for_us or UNKNOWN}: a Match block sets it")
    return Judgement(
        host=seen.host,
        wanted=wanted,
        changes=tuple(changes),
        refusals=tuple(refusals),
        first_line=seen.first_line or not seen.ours_would_win(policy.keywords),
    )


def complies(policy: SshdPolicy, keyword: str, value: str) -> bool:
    """Return whether a value of a setting, as sshd says it, is as strict as the policy."""
    return _admits(policy, keyword, value)


def _said(says: Mapping[str, tuple[str, ...]], keyword: str) -> str:
    """Return the one value that sshd says, empty where it says none or several."""
    values = says.get(keyword.lower(), ())
    return values[0] if len(values) == 1 else ""


def _admits(policy: SshdPolicy, keyword: str, value: str) -> bool:
    match _rule(policy, keyword):
        case WordRule() as rule:
            return rule.admits(value.lower())
        case MostRule(at_most=most):
            return 0 < (_number(value) or 0) <= most
        case ListRule(value=allowed):
            return bool(value) and set(value.split(",")) <= set(allowed)


def _rule(policy: SshdPolicy, keyword: str) -> WordRule | MostRule | ListRule:
    rules: dict[str, WordRule | MostRule | ListRule] = {**policy.words, **policy.limits, **policy.algorithms}
    return rules[keyword]


def _number(value: str) -> int | None:
    """Return a number, also a time as a file may have it (`2m`); sshd itself says seconds."""
    units = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
    digits, unit = (value[:-1], value[-1:].lower()) if value[-1:].isalpha() else (value, "s")
    return int(digits) * units[unit] if digits.isascii() and digits.isdecimal() and unit in units else None


def _wanted(seen: SshdSeen, policy: SshdPolicy, keyword: str, now: str) -> str | None:
    """Return what is to be written: what is there, where it is as strict; None where nothing can be."""
    if not now:
        return None
    match _rule(policy, keyword):
        case WordRule() as rule:
            return now.lower() if now.lower() in rule.good else rule.value
        case MostRule(at_most=most):
            return now if _admits(policy, keyword, now) else str(most)
        case ListRule(value=allowed):
            known = seen.knows.get(keyword.lower(), ())
            fit = ",".join(name for name in allowed if name in known)
            return now if _admits(policy, keyword, now) else fit or None


def _obstacles(seen: SshdSeen) -> Iterator[str]:
    if not seen.says or not seen.says_us:
        yield "sshd does not say what its settings are (`sshd -T`)"
    for file in seen.unread:
        yield f"{file}, which sshd reads, could not be read"
    for words in seen.own_options:
        yield f"sshd was started as `{words.strip()[:200]}`, and what is set there wins over every file"


def _loose_matches(seen: SshdSeen, policy: SshdPolicy) -> Iterator[str]:
    """Yield each setting under a Match that is looser than the policy: whom it holds for cannot be foreseen."""
    names = {keyword.lower(): keyword for keyword in policy.keywords}
    for one in seen.directives:
        keyword = names.get(one.keyword)
        if one.match and keyword and not _admits_in_file(policy, keyword, one):
            yield f"{one.place} says {keyword} {one.value[:80]}, which wins over a setting for everybody"


def _admits_in_file(policy: SshdPolicy, keyword: str, one: Directive) -> bool:
    """A list in a file may add to or take from what it stands on (`+`, `-`, `^`): that is not followed."""
    value = one.value.split("#")[0].strip().strip('"')
    return " " not in value and value[:1] not in ("+", "-", "^") and _admits(policy, keyword, value)
