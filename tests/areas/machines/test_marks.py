"""The mark of an answer: what is new since, told without anything being kept here."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ink_infra_mcp.areas.machines.marks import MOST, Since, mark_of, since
from ink_infra_mcp.core.errors import InputError

IDS = st.lists(st.text(min_size=1, max_size=40), unique=True, max_size=120)


@given(IDS, IDS)
def test_what_is_new_is_told_and_what_stood_is_not(before: list[str], now: list[str]) -> None:
    """Nothing that stood is called new; what is gone is counted; hardly anything new is taken for old."""
    told = since(mark_of(before), now)
    assert told.new <= set(now) - set(before)
    assert len(set(now) - set(before) - told.new) <= 1
    assert told.gone <= len(set(before) - set(now))


def test_the_same_findings_have_the_same_mark_in_whatever_order() -> None:
    """An answer that is as before has the mark that it had, and nothing is new."""
    assert mark_of(["a@x", "b@y"]) == mark_of(["b@y", "a@x"])
    assert since(mark_of(["a@x", "b@y"]), ["a@x", "b@y"]) == Since(frozenset(), 0)
    assert since(mark_of([]), ["a@x"]) == Since(frozenset({"a@x"}), 0)


def test_the_mark_of_a_hundred_servers_stays_short() -> None:
    """Four findings for each of a hundred servers take less than a thousand characters; more count as new."""
    ids = [f"security_updates@muscle-{number}" for number in range(MOST + 50)]
    assert len(mark_of(ids)) < 1000
    assert since(mark_of(ids), ids).new == set(ids[MOST:])


@given(st.text(max_size=60))
def test_what_is_no_mark_is_refused(text: str) -> None:
    """A text that no answer gave is an error in words, never an answer that says that nothing is new."""
    if text in {mark_of([])}:
        return
    try:
        told = since(text, ["a@x"])
    except InputError:
        return
    assert told.new == {"a@x"}


@pytest.mark.parametrize("cut", [1, 3, 8])
def test_a_mark_that_lost_its_end_is_refused(cut: int) -> None:
    """Half a mark would call old findings new, and new ones old."""
    with pytest.raises(InputError, match="not the mark"):
        since(mark_of([f"x@{number}" for number in range(40)])[:-cut], [])
