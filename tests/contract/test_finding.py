"""Hosts that show a model the names of tools first find the right one by what people say; four are shown at once."""

import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from ink_infra_mcp.server.answers import MAX_DATA
from ink_infra_mcp.server.contracts import LONGEST
from tests.contract.catalog import NAMES, contracts
from tests.contract.searching import Index

PHRASINGS = Path(__file__).with_name("phrasings.toml")
ENTRIES = {"get_fleet", "list_apps", "deploy_app", "get_operation"}
LONG = "anthropic/maxResultSizeChars"
MAX_HINT = 150
SEEN, ASIDE = 0.95, 0.8
"""How many phrasings must have their tool first: those that hints were written for, and those that they were not."""
ASIDE_THREE = 0.9


@cache
def phrasings(part: str) -> dict[str, list[str]]:
    """Return a part of the phrasings, by tool."""
    return tomllib.loads(PHRASINGS.read_text(encoding="utf-8"))[part]


@cache
def index() -> Index:
    """Return the tools, to be searched."""
    return Index(contracts().values())


def missed(part: str, *, among: int) -> Iterator[str]:
    """Yield each phrasing whose tool is not among the first few, with those that are."""
    for tool, said in phrasings(part).items():
        for words in said:
            if tool not in (first := index().ranked(words)[:among]):
                yield f"{words!r}: {tool} is not among {first}"


def count(part: str) -> int:
    """Return how many phrasings a part has."""
    return sum(map(len, phrasings(part).values()))


@pytest.mark.parametrize("name", NAMES)
def test_a_tool_has_the_words_that_people_say(name: str) -> None:
    """Every tool can be found by words of people, few enough to be read with all others."""
    hint = contracts()[name]["_meta"]["anthropic/searchHint"]
    assert hint, f'{name} has no hint: add `hint: ClassVar[str] = "..."` to it, with words that people say for it'
    assert len(hint) <= MAX_HINT


@pytest.mark.parametrize("name", NAMES)
def test_a_tool_is_looked_for_by_what_people_say(name: str) -> None:
    """No tool is left out of this test."""
    enough = len(phrasings("seen").get(name, ())) >= 3 and len(phrasings("aside").get(name, ())) >= 1
    assert enough, f"{name} needs 3 phrasings in `seen` and 1 in `aside` of {PHRASINGS.name}, written before its hint"


def test_the_right_tool_is_found_by_what_people_say() -> None:
    """Of a hundred and more phrasings nineteen in twenty have their tool first, and all among the first three."""
    assert [*missed("seen", among=3)] == []
    assert len(wrong := [*missed("seen", among=1)]) <= (1 - SEEN) * count("seen"), wrong


def test_words_that_no_hint_was_written_for_find_it_too() -> None:
    """Hints are no list of these phrasings: of fifty others four in five have their tool first."""
    assert count("aside") >= 50
    assert count("seen") + count("aside") >= 150
    assert len(wrong := [*missed("aside", among=1)]) <= (1 - ASIDE) * count("aside"), wrong
    assert len(wrong := [*missed("aside", among=3)]) <= (1 - ASIDE_THREE) * count("aside"), wrong


@pytest.mark.parametrize("question", phrasings("questions")["asked"])
def test_a_question_does_not_lead_to_a_change(question: str) -> None:
    """Who only asks is led to a tool that only reads, or to none."""
    first = index().ranked(question)[:1]
    assert [name for name in first if not contracts()[name]["annotations"]["readOnlyHint"]] == []


def test_a_word_that_no_tool_has_finds_none() -> None:
    """The search ranks by what was said, and by nothing else: the figures above are no accident of order."""
    assert index().ranked("quidditch") == []
    assert index().ranked("firewall") == index().ranked("the firewalls") != []
    assert {*index().ranked("firewall")} < {*NAMES}


def test_four_tools_are_shown_from_the_start() -> None:
    """A model sees the ways in without a search, and pays for no other."""
    shown = {name for name, contract in contracts().items() if contract["_meta"].get("anthropic/alwaysLoad")}
    assert shown == ENTRIES


def test_an_answer_that_may_be_long_is_told_of() -> None:
    """A host that was told takes the longest answer whole; no tool says another length."""
    told = {name: contract["_meta"][LONG] for name, contract in contracts().items() if LONG in contract["_meta"]}
    assert {"get_app_logs", "get_audit", "check_fleet"} <= told.keys()
    assert {*told.values()} == {LONGEST} == {MAX_DATA}
