"""Record sets: when two are the same, what may be left of a change, and what is taken away."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ink_infra_mcp.core.dns.records import Record, RecordSet, as_param, from_param, is_on_the_way, mark, same

VALUES = st.sets(st.sampled_from([f"192.0.2.{number}" for number in range(1, 6)]), min_size=1)
TTL = st.sampled_from([None, 60, 300])
OP = "op-1"


def made(values: set[str], ttl: int | None, *, comment: str = "") -> RecordSet:
    """Return a set."""
    records = tuple(Record(value=value, comment=comment) for value in sorted(values))
    return RecordSet(name="a.example.com", type="A", ttl=ttl, records=records)


SETS = st.none() | st.builds(made, VALUES, TTL)


@given(SETS)
def test_a_set_survives_the_way_into_a_plan_and_back(found: RecordSet | None) -> None:
    """A step's parameters hold all of it."""
    assert from_param(as_param(found), {}) == found


@given(SETS, SETS)
def test_the_order_of_records_and_their_comments_say_nothing(one: RecordSet | None, other: RecordSet | None) -> None:
    """Two sets are the same when they answer alike."""
    assert same(one, other) == same(other, one)
    if one is not None:
        turned = one.model_copy(update={"records": one.records[::-1]})
        assert same(one, turned.model_copy(update={"records": tuple(Record(value=r.value) for r in turned.records)}))


@given(VALUES, TTL, VALUES, TTL)
def test_every_state_of_a_run_that_died_is_on_the_way(
    before: set[str], ttl: int | None, after: set[str], new_ttl: int | None
) -> None:
    """Added first, with the mark; then taken away; the TTL last: from each of these states a later run goes on."""
    start = made(before, ttl)
    end = made(after, new_ttl).marked_beside(start, OP)
    fresh = tuple(r for r in end.records if r.value not in before)
    added = start.model_copy(update={"records": (*start.records, *fresh)})
    removed = end.model_copy(update={"ttl": ttl})
    for now in (start, added, removed, end):
        assert is_on_the_way(now, start, end, OP)
        assert is_on_the_way(now, end, start, OP)


@given(SETS, SETS, VALUES, TTL)
def test_a_value_of_somebody_else_is_never_on_the_way(
    start: RecordSet | None, end: RecordSet | None, held: set[str], ttl: int | None
) -> None:
    """Whatever else stands there: a value that was in no plan stops the step."""
    values = {*held, "203.0.113.77"}
    records = tuple(Record(value=value, comment=mark(OP, value)) for value in sorted(values))
    now = RecordSet(name="a.example.com", type="A", ttl=ttl, records=records)
    assert not is_on_the_way(now, start, end, OP)


@given(VALUES, VALUES, TTL)
def test_a_mix_without_our_mark_is_somebody_else_s(before: set[str], after: set[str], ttl: int | None) -> None:
    """The same values, put there by another hand, are not taken for our own half-done work."""
    now = made(before | after, ttl)
    if now.values not in (frozenset(before), frozenset(after)):
        assert not is_on_the_way(now, made(before, ttl), made(after, ttl), OP)


@given(VALUES, VALUES, TTL)
def test_only_what_is_named_is_taken_away(held: set[str], gone: set[str], ttl: int | None) -> None:
    """Values of others stay with their comments; a set without values is none."""
    found = made(held, ttl, comment="somebody's")
    left = found.without(gone)
    assert (left.values if left else frozenset()) == frozenset(held - gone)
    assert left is None or all(record.comment == "somebody's" for record in left.records)


def test_one_address_has_many_spellings() -> None:
    """A vendor may give back another spelling than it was given."""
    long = RecordSet(name="a.example.com", type="AAAA", records=(Record(value="2001:0DB8:0::0001"),))
    short = RecordSet(name="a.example.com", type="AAAA", records=(Record(value="2001:db8::1"),))
    assert same(long, short)


@pytest.mark.parametrize(
    ("comment", "ours"),
    [
        ("ink-operation=op-aaaaaaaaaa 192.0.2.11", True),
        ("ink-operation=op-aaaaaaaaaa 192.0.2.12", False),
        ("ink-operation=op-aaaaaaaaaa", False),
        ("ink-operation=op-aaaaaaaaaa 192.0.2.11, and mine", False),
        ("see ink-operation=op-aaaaaaaaaa 192.0.2.11", False),
        ("ink-operation= 192.0.2.11", False),
        ("op-aaaaaaaaaa 192.0.2.11", False),
        ("192.0.2.11", False),
        ("", False),
    ],
)
def test_a_value_is_ours_only_with_the_mark_of_that_very_value(comment: str, ours: bool) -> None:
    """A vendor keeps the comment when somebody writes another value over ours: that one is theirs."""
    found = made({"192.0.2.11"}, 60, comment=comment)
    assert found.ours == (found.values if ours else frozenset())


@given(SETS, SETS)
def test_what_a_run_adds_is_ours_and_what_was_there_is_not(start: RecordSet | None, end: RecordSet | None) -> None:
    """Whatever others wrote before stays theirs, in all that we make of the set."""
    if end is not None:
        before = start.values if start is not None else frozenset[str]()
        assert end.marked_beside(start, "op-1").ours == end.values - before
