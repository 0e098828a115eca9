"""What differs between two compose files is told value by value, and nothing that differs is left out."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ink_infra_mcp.core.compose.difference import Difference, differences
from ink_infra_mcp.core.errors import InputError

KEYS = st.text("ab", min_size=1, max_size=2)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.text("ab", max_size=2),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=6,
)
FILES = st.dictionaries(st.sampled_from(["services", "volumes", "x-a"]), VALUES, max_size=3)


def test_values_are_told_by_path_and_comments_are_no_difference() -> None:
    """Added, taken away and changed; a list in another order is told whole."""
    before = "services:\n  a:\n    image: one  # old\n    ports: [1, 2]\n  b: {}\n"
    after = "services:\n  a: {image: two, ports: [2, 1], init: true}\n"
    found = differences(before, after)
    assert found == (
        Difference(path=("services", "a", "image"), before="one", after="two"),
        Difference(path=("services", "a", "init"), before=None, after=True),
        Difference(path=("services", "a", "ports"), before=[1, 2], after=[2, 1]),
        Difference(path=("services", "b"), before={}, after=None),
    )
    assert [each.name for each in found] == ["a.image", "a.init", "a.ports", "b"]
    assert differences(before, before.replace("# old", "# new")) == ()


@pytest.mark.parametrize(("before", "after"), [("1", "true"), ("1", "1.0"), ("1", "'1'"), ("[0]", "[false]")])
def test_what_python_takes_for_equal_and_compose_does_not_differs(before: str, after: str) -> None:
    """Also inside of lists."""
    assert [each.path for each in differences(f"a: {before}\n", f"a: {after}\n")] == [("a",)]


def test_of_two_lists_that_is_told_which_the_other_lacks() -> None:
    """A long list with one more entry is no long text."""
    (found,) = differences("a: [1, 2, 3]\n", "a: [1, 4, 3]\n")
    assert (found.before, found.after) == ([2], [4])
    (found,) = differences("a: [1]\n", "a: [1, 1]\n")
    assert (found.before, found.after) == ([1], [1, 1])


def test_a_key_without_a_value_is_not_the_same_as_none() -> None:
    """Compose hands a variable without a value on from its own environment."""
    assert [each.path for each in differences("a: {b: }\n", "a: {}\n")] == [("a", "b")]


@given(FILES, FILES)
def test_nothing_differs_only_where_both_are_the_same(before: dict[str, object], after: dict[str, object]) -> None:
    """Whatever is in them."""
    one, other = json.dumps(before, sort_keys=True), json.dumps(after, sort_keys=True)
    assert (differences(one, other) == ()) is (one == other)


def test_a_text_that_two_readers_may_take_differently_is_not_compared() -> None:
    """A key that stands twice."""
    with pytest.raises(InputError):
        differences("a: 1\na: 2\n", "a: 1\n")
