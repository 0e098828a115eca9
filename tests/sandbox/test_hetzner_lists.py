"""Label selectors, sorting and paging of the Cloud emulator, as pure functions."""

import json
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ink_infra_mcp.sandbox.hetzner.call import ApiError, Call
from ink_infra_mcp.sandbox.hetzner.labels import check_labels, selector
from ink_infra_mcp.sandbox.hetzner.listing import listing
from tests.sandbox.pretend import BEGAN, seed

LABELS = {"role": "muscle", "pool": "a", "empty": ""}


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("role==muscle", True),
        ("role=muscle", True),
        ("role==factory", False),
        ("role!=factory", True),
        ("absent!=x", True),
        ("role", True),
        ("absent", False),
        ("!absent", True),
        ("!role", False),
        ("empty==", True),
        ("role in (factory, muscle)", True),
        ("role in (factory)", False),
        ("absent notin (a,b)", True),
        ("pool notin (a,b)", False),
        ("role==muscle,pool in (a,b),!absent", True),
        ("role==muscle,pool in (b,c)", False),
        ("", True),
    ],
)
def test_a_selector_holds_as_documented(text: str, holds: bool) -> None:
    """Each form of the grammar, alone and joined by commas, selects what the documentation says."""
    assert selector(text)(LABELS) is holds


@pytest.mark.parametrize("text", ["role==a b", "role in a", "=x", "a,,(b"])
def test_a_broken_selector_is_refused(text: str) -> None:
    """Bad syntax is invalid input, never an empty list."""
    with pytest.raises(ApiError) as refused:
        selector(text)
    assert refused.value.code == "invalid_input"


@pytest.mark.parametrize(
    "labels", [{"": "x"}, {"a b": "x"}, {"k": "v" * 64}, {"k" * 64: "v"}, {"-k": "v"}, {"hetzner.cloud/a": "b"}]
)
def test_a_malformed_label_is_refused(labels: dict[str, str]) -> None:
    """Keys and values keep to the documented alphabet and lengths, and to the unreserved prefixes."""
    with pytest.raises(ApiError):
        check_labels(labels)


def test_good_labels_pass() -> None:
    """A prefix, an empty value and the longest lengths are fine."""
    check_labels({"example.com/name": "v" * 63, "k" * 63: "", "ink-operation": "op-7k2mq9xw4t"})


def _ids(query: dict[str, Sequence[str]], count: int) -> tuple[list[int], dict[str, int | None]]:
    call = Call(state=seed(BEGAN), now=BEGAN, query=query)
    body = listing(call, "items", [{"id": n, "name": f"n{n % 3}"} for n in range(count)]).body
    shown = json.loads(json.dumps(body))
    return [item["id"] for item in shown["items"]], shown["meta"]["pagination"]


@given(count=st.integers(0, 120), per_page=st.integers(1, 80))
def test_the_pages_together_are_the_whole_list(count: int, per_page: int) -> None:
    """Following next_page from the first page meets each item once, in order, and then ends."""
    seen: list[int] = []
    page: int | None = 1
    while page is not None:
        ids, paging = _ids({"page": [str(page)], "per_page": [str(per_page)]}, count)
        assert len(ids) <= min(per_page, 50)
        assert paging["total_entries"] == count
        seen += ids
        page = paging["next_page"]
    assert seen == list(range(count))


def test_a_list_is_sorted_by_each_field_asked_for() -> None:
    """The first `sort` counts most; :desc turns one around."""
    assert _ids({"sort": ["name:desc", "id:asc"]}, 6)[0] == [2, 5, 1, 4, 0, 3]


@pytest.mark.parametrize("query", [{"page": ["0"]}, {"per_page": ["x"]}, {"sort": ["size"]}, {"sort": ["id:up"]}])
def test_bad_paging_is_refused(query: dict[str, Sequence[str]]) -> None:
    """A page below 1, a word for a number and an unknown order are invalid input."""
    with pytest.raises(ApiError) as refused:
        _ids(query, 3)
    assert refused.value.status == 422
