"""Differences between two sets of rules, as few changes as do it, in an order that opens before it closes."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from ink_infra_mcp.core.firewall.addresses import split
from ink_infra_mcp.core.firewall.cloud import CloudRule
from ink_infra_mcp.core.firewall.ports import Ports
from ink_infra_mcp.core.firewall.robot import RobotFirewall, RobotRule
from ink_infra_mcp.core.plan import Frozen

T = TypeVar("T")
_Kept = Literal["keep", "insert", "remove"]


@dataclass(frozen=True, slots=True)
class Change(Generic[T]):
    """One rule that comes in or goes, at a place (from 0) in the list as the changes before it have left it."""

    kind: Literal["insert", "remove"]
    at: int
    rule: T


def ordered_diff(current: Sequence[T], target: Sequence[T], opens: Callable[[T], bool]) -> tuple[Change[T], ...]:
    """Return the fewest insertions and removals that turn one first-match list into the other.

    What opens comes first (rules that allow go in, rules that deny go out), what closes last, so that nothing that
    both lists let through is ever shut on the way.
    """
    merged = _aligned(current, target)
    present = [kept != "insert" for kept, _ in merged]
    found: list[Change[T]] = []
    for place in sorted(range(len(merged)), key=lambda place: _turn(merged[place], opens)):
        kept, rule = merged[place]
        if kept != "keep":
            found.append(Change(kept, sum(present[:place]), rule))
            present[place] = kept == "insert"
    return tuple(found)


def _turn(entry: tuple[_Kept, T], opens: Callable[[T], bool]) -> int:
    kept, rule = entry
    order = {("insert", True): 0, ("remove", False): 1, ("insert", False): 2, ("remove", True): 3}
    return order.get((kept, opens(rule)), 4)


def _aligned(current: Sequence[T], target: Sequence[T]) -> list[tuple[_Kept, T]]:
    """Merge two lists along their longest common subsequence."""
    longest = _common(current, target)
    merged: list[tuple[_Kept, T]] = []
    left = right = 0
    while left < len(current) and right < len(target):
        if current[left] == target[right]:
            merged.append(("keep", current[left]))
            left, right = left + 1, right + 1
        elif longest[left + 1][right] >= longest[left][right + 1]:
            merged.append(("remove", current[left]))
            left += 1
        else:
            merged.append(("insert", target[right]))
            right += 1
    return [*merged, *_all_of("remove", current[left:]), *_all_of("insert", target[right:])]


def _all_of(kept: _Kept, rules: Iterable[T]) -> Iterator[tuple[_Kept, T]]:
    return ((kept, rule) for rule in rules)


def _common(current: Sequence[T], target: Sequence[T]) -> list[list[int]]:
    """Return how long the longest common subsequence is from each pair of places on."""
    longest = [[0] * (len(target) + 1) for _ in range(len(current) + 1)]
    for left in range(len(current) - 1, -1, -1):
        for right in range(len(target) - 1, -1, -1):
            same = current[left] == target[right]
            longest[left][right] = (
                longest[left + 1][right + 1] + 1 if same else max(longest[left + 1][right], longest[left][right + 1])
            )
    return longest


class CloudDiff(Frozen):
    """What changes in a Cloud firewall; `whole` is what set_rules takes, which replaces every rule at once."""

    added: tuple[CloudRule, ...] = ()
    removed: tuple[CloudRule, ...] = ()
    whole: tuple[CloudRule, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.added or self.removed)


def canonical(rules: Iterable[CloudRule]) -> tuple[CloudRule, ...]:
    """Return the rules without repetition, each spelled in one way, in one order: theirs has no meaning."""
    once = {_place(rule): rule for rule in map(_spelled, rules)}
    return tuple(once[place] for place in sorted(once))


def _place(rule: CloudRule) -> tuple[str, str, str, tuple[str, ...], str]:
    return rule.direction, rule.protocol, rule.port or "", rule.remote, rule.description


def _spelled(rule: CloudRule) -> CloudRule:
    four, six = split(rule.remote)
    port = str(Ports.parse(rule.port)).replace("any", "1-65535") if rule.port else None
    return rule.model_copy(update={"port": port, "remote": (*four.cidrs(), *six.cidrs())})


def cloud_diff(current: Iterable[CloudRule], target: Iterable[CloudRule]) -> CloudDiff:
    """Return what changes; rules that say the same in other words are no change."""
    before, after = canonical(current), canonical(target)
    return CloudDiff(
        added=tuple(rule for rule in after if rule not in before),
        removed=tuple(rule for rule in before if rule not in after),
        whole=after,
    )


@dataclass(frozen=True, slots=True)
class RobotDiff:
    """What changes in a Robot firewall; `whole` is what a POST takes, which replaces both directions at once."""

    options: tuple[str, ...]
    input: tuple[Change[RobotRule], ...]
    output: tuple[Change[RobotRule], ...]
    whole: RobotFirewall

    def __bool__(self) -> bool:
        return bool(self.options or self.input or self.output)


def robot_diff(current: RobotFirewall, target: RobotFirewall) -> RobotDiff:
    """Return what changes: options in words, and rules in their order."""
    names = ("status", "filter_ipv6", "whitelist_hos", "port")
    before, after = current.model_dump(), target.model_dump()
    return RobotDiff(
        options=tuple(f"{name}: {before[name]} -> {after[name]}" for name in names if before[name] != after[name]),
        input=ordered_diff(current.input, target.input, _accepts),
        output=ordered_diff(current.output, target.output, _accepts),
        whole=target,
    )


def _accepts(rule: RobotRule) -> bool:
    return rule.action == "accept"
