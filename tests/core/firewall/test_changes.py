"""Differences: empty between equals, exact, minimal, opening before they close; and what vendors would refuse."""

from collections.abc import Iterable
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ink_infra_mcp.core.firewall.addresses import V4, Family
from ink_infra_mcp.core.firewall.changes import (
    Change,
    CloudDiff,
    RobotDiff,
    canonical,
    cloud_diff,
    ordered_diff,
    robot_diff,
)
from ink_infra_mcp.core.firewall.cloud import CloudFirewall, CloudRule
from ink_infra_mcp.core.firewall.limits import over_cloud_limits, over_robot_limits, over_server_limits
from ink_infra_mcp.core.firewall.robot import RobotFirewall, RobotRule
from ink_infra_mcp.core.firewall.ufw import UfwRule, UfwStatus, ufw_table
from tests.core.firewall.asking import at_host

T = TypeVar("T")
ufw_rules = st.builds(
    UfwRule,
    family=st.just(Family.V4),
    action=st.sampled_from(("allow", "deny", "limit", "reject")),
    protocol=st.just("tcp"),
    ports=st.sampled_from(("22", "80", "any")),
    to=st.just("0.0.0.0/0"),
    source=st.sampled_from(("0.0.0.0/0", "10.0.0.0/31", "10.0.0.2", "10.0.0.0/30")),
)
lists = st.lists(ufw_rules, max_size=6)
CLOSED = UfwStatus(active=True, incoming="deny", outgoing="allow", routed="deny")


def applied(changes: Iterable[Change[T]], current: Iterable[T]) -> tuple[T, ...]:
    """Return the list that the changes, one after the other, make of another.

    Raises:
        ValueError: a change does not fit the list: it is not the one that the difference was made from.
    """
    rules = list(current)
    for change in changes:
        _apply(change, rules)
    return tuple(rules)


def _apply(change: Change[T], rules: list[T]) -> None:
    there = rules[change.at : change.at + 1]
    if change.kind == "insert" and change.at <= len(rules):
        rules.insert(change.at, change.rule)
    elif change.kind == "remove" and there == [change.rule]:
        del rules[change.at]
    else:
        raise ValueError(f"rule {change.at + 1} of the list is not the one to {change.kind}")


def cloud_applied(diff: CloudDiff, current: Iterable[CloudRule]) -> tuple[CloudRule, ...]:
    """Return the rules that a difference makes of others."""
    return canonical([*(rule for rule in canonical(current) if rule not in diff.removed), *diff.added])


def robot_applied(diff: RobotDiff, current: RobotFirewall) -> RobotFirewall:
    """Return the firewall that a difference makes of another."""
    rules = {"input": applied(diff.input, current.input), "output": applied(diff.output, current.output)}
    return diff.whole.model_copy(update=rules)


def diff(current: list[UfwRule], target: list[UfwRule]) -> tuple[Change[UfwRule], ...]:
    """Return the changes to an ordered list, in the order in which they are made."""
    return ordered_diff(current, target, lambda rule: rule.opens)


def let_in(rules: list[UfwRule] | tuple[UfwRule, ...]) -> V4:
    """Return whom ufw's rules let in to tcp 22, of 10.0.0.0/30."""
    return at_host((ufw_table(V4, rules, CLOSED),), V4.parse("10.0.0.0/30"), 22)[0]


@given(lists, lists)
def test_a_difference_reaches_its_target_and_is_empty_between_equals(
    current: list[UfwRule], target: list[UfwRule]
) -> None:
    """Applied to what it was made from it gives the target; it never touches a rule that both lists keep in order."""
    changes = diff(current, target)
    assert applied(changes, current) == tuple(target)
    assert diff(current, current) == ()
    kept = len(current) - sum(change.kind == "remove" for change in changes)
    assert kept + sum(change.kind == "insert" for change in changes) == len(target)
    assert len(changes) <= len(current) + len(target) - 2 * common_ends(current, target)


def common_ends(current: list[UfwRule], target: list[UfwRule]) -> int:
    """Return how many rules at the beginning are the same: they, at least, need no change."""
    same = [one == other for one, other in zip(current, target, strict=False)]
    return same.index(False) if False in same else len(same)


@given(lists, lists)
def test_nothing_that_stays_open_is_shut_on_the_way(current: list[UfwRule], target: list[UfwRule]) -> None:
    """After every single change, whom both the old and the new list let in is let in."""
    always = let_in(current) & let_in(target)
    changes = diff(current, target)
    for done in range(len(changes) + 1):
        assert always <= let_in(applied(changes[:done], current))


@given(lists, lists)
def test_what_opens_comes_before_what_closes(current: list[UfwRule], target: list[UfwRule]) -> None:
    """Rules that allow go in and rules that deny go out first; then the reverse."""
    opens = [(change.kind == "insert") is change.rule.opens for change in diff(current, target)]
    assert opens == sorted(opens, reverse=True)


def test_the_fewest_changes_are_made() -> None:
    """One rule between two others is one insertion at its place, and not a list written anew."""
    rules = [
        UfwRule(family=Family.V4, action="allow", protocol="tcp", ports=port, to="0.0.0.0/0", source="0.0.0.0/0")
        for port in ("22", "80", "443")
    ]
    changes = diff([rules[0], rules[2]], rules)
    assert [(change.kind, change.at, change.rule.ports) for change in changes] == [("insert", 1, "80")]
    with pytest.raises(ValueError, match="rule 2 of the list"):
        applied(diff(rules, [rules[0], rules[2]]), [rules[0], rules[2]])


cloud_rules = st.builds(
    CloudRule,
    direction=st.sampled_from(("in", "out")),
    protocol=st.just("tcp"),
    port=st.sampled_from(("22", "80-90", "1-65535")),
    remote=st.lists(st.sampled_from(("0.0.0.0/0", "::/0", "192.0.2.0/24", "192.0.2.1/32")), max_size=3).map(tuple),
)


@given(st.lists(cloud_rules, max_size=5), st.lists(cloud_rules, max_size=5))
def test_a_cloud_difference_reaches_its_target(current: list[CloudRule], target: list[CloudRule]) -> None:
    """The whole is what set_rules takes; order and repetition are no difference."""
    diff = cloud_diff(current, target)
    assert cloud_applied(diff, current) == canonical(target) == diff.whole
    assert not cloud_diff(current, [*reversed(current), *current])
    assert bool(diff) is (canonical(current) != canonical(target))


def test_the_same_rule_in_other_words_is_no_change() -> None:
    """Addresses with and without /32, one network and its two halves, and `any` for all ports say the same."""
    one = CloudRule(direction="in", protocol="tcp", port="1-65535", remote=("192.0.2.1", "198.51.100.0/24"))
    halves = ("198.51.100.128/25", "198.51.100.0/25", "192.0.2.1/32")
    other = CloudRule(direction="in", protocol="tcp", port="any", remote=halves)
    assert not cloud_diff([one], [other])


robot_rules = st.builds(
    RobotRule,
    name=st.sampled_from(("a", "b")),
    dst_port=st.sampled_from((None, "22", "80-443")),
    action=st.sampled_from(("accept", "discard")),
)
robots = st.builds(
    RobotFirewall,
    server_number=st.just(1),
    status=st.sampled_from(("active", "disabled")),
    filter_ipv6=st.booleans(),
    input=st.lists(robot_rules, max_size=5).map(tuple),
    output=st.lists(robot_rules, max_size=3).map(tuple),
)


@given(robots, robots)
def test_a_robot_difference_reaches_its_target(current: RobotFirewall, target: RobotFirewall) -> None:
    """Options and both directions, in their order; nothing between equals."""
    diff = robot_diff(current, target)
    assert robot_applied(diff, current) == target == diff.whole
    assert not robot_diff(target, target)
    assert bool(diff) is (current != target)


def test_cloud_limits_are_checked_before_anything_is_sent() -> None:
    """50 rules, 100 CIDRs, 500 effective ones, 5 firewalls, ports where they belong, no host bits."""

    def rule(count: int, port: str | None = "22", protocol: str = "tcp") -> CloudRule:
        remote = tuple(f"192.0.2.{at % 256}/32" for at in range(count))
        return CloudRule.model_validate({"direction": "in", "protocol": protocol, "port": port, "remote": remote})

    assert over_cloud_limits([rule(10)] * 50) == ()
    assert over_cloud_limits([rule(1)] * 51) == ("51 rules, 50 are allowed",)
    assert over_cloud_limits([rule(11)] * 46) == ("506 rules once each is counted by its CIDRs, 500 are allowed",)
    assert over_cloud_limits([rule(101)]) == ("in tcp 22: 101 CIDRs, 100 are allowed",)
    assert over_cloud_limits([rule(0), rule(1, None), rule(1, "22", "icmp")]) == (
        "in tcp 22: no CIDR, so it would match nobody",
        "in tcp: a port is needed",
        "in icmp 22: has no ports",
    )
    wrong = [CloudRule(direction="in", protocol="tcp", port="22", remote=("192.0.2.1/24", "2001:db8::1/32"))]
    assert over_cloud_limits(wrong) == (
        "in tcp 22: 192.0.2.1/24 has bits set in its host part",
        "in tcp 22: 2001:db8::1/32 has bits set in its host part",
    )
    assert over_server_limits([CloudFirewall(id=at, name="x") for at in range(6)]) == ("6 firewalls, 5 are allowed",)


def test_a_robot_firewall_that_would_cut_the_server_off_is_refused() -> None:
    """No output, too many rules, and rules that the Webservice refuses are named; a sound one passes."""
    out = RobotRule(name="out", action="accept")
    sound = RobotFirewall(server_number=1, status="active", input=(out,), output=(out,))
    assert over_robot_limits(sound) == ()
    mute = "no output rule accepts anything: the server could not even answer"
    for output in ((), (RobotRule(name="none", action="discard"),)):
        assert over_robot_limits(sound.model_copy(update={"output": output})) == (mute,)
    assert over_robot_limits(sound.model_copy(update={"input": (out,) * 11})) == ("11 input rules, 10 are allowed",)
    odd = RobotRule(name="ssh!", src_ip="192.0.2.1", protocol="udp", tcp_flags="ack", action="accept")
    assert over_robot_limits(sound.model_copy(update={"input": (odd,)})) == (
        "input rule 1: only an ipv4 rule can name addresses",
        "input rule 1: a protocol needs an ip_version",
        "input rule 1: flags need the protocol tcp",
        "input rule 1: the name may have letters, digits, spaces and . - + _ @ only",
    )
