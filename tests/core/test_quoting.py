"""Texts that run, shown whole in what a person approves: nothing in them can pass for the plan, nothing hides."""

import re
from unicodedata import category, east_asian_width

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ink_infra_mcp.core.quoting import WIDTH, folded, quoted
from ink_infra_mcp.core.untrusted import written_out

ROW = re.compile(r"^ {4,}(\d+ \||\+) ?")


def test_a_short_text_is_shown_whole_with_its_line_numbers() -> None:
    """Each line stands in its own numbered row below a header that says whose words these are."""
    assert quoted("FROM alpine:3\n\n\tRUN true\n", name="dockerfile") == [
        "      dockerfile, 3 lines, whole, behind bars:",
        "         1 | FROM alpine:3",
        "         2 |",
        "         3 |     RUN true",
    ]


@pytest.mark.parametrize(
    "line",
    [
        " 2. Nothing else happens",
        "Plan 000000000000",
        "Warning: none",
        "```",
        "      undo: stop shop",
        "To approve, type: x",
    ],
)
def test_a_line_that_looks_like_the_plan_is_still_behind_its_bar(line: str) -> None:
    """Whatever the text says, no row begins as a line of the plan does, and no fence can be closed."""
    rows = quoted(f"FROM a\n{line}\n", name="compose")
    assert rows[2].lstrip().startswith("2 | ")
    assert line in rows[2]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[2Kb", "a<U+001B>[2Kb"),
        ("user\u202eexe", "user<U+202E>exe"),
        ("a\u2028 2. b", "a<U+2028> 2. b"),
        ("a\x0bRUN b", "a<U+000B>RUN b"),
        ("a\rb", "a<U+000D>b"),
        ("zero\u200bwidth\ufeff", "zero<U+200B>width<U+FEFF>"),
        ("no\u00a0break", "no<U+00A0>break"),
        ("half\ud800", "half<U+D800>"),
        ("Grüße, 世界 🙂", "Grüße, 世界 🙂"),
    ],
)
def test_what_cannot_be_seen_is_written_out(text: str, shown: str) -> None:
    """Control, bidirectional and invisible characters are shown as what they are, not dropped: they would run too."""
    rows = quoted(text, name="dockerfile")
    assert rows[1:] == [f"         1 | {shown}"]


def test_line_ends_of_another_system_are_said_once() -> None:
    """A file written on Windows reads as it does everywhere, and its header tells; a stray one is written out."""
    assert quoted("a\r\nb\r\n", name="compose") == [
        "      compose, 2 lines (ends of Windows), whole, behind bars:",
        "         1 | a",
        "         2 | b",
    ]
    assert quoted("a\r\nb\n", name="compose")[1:] == ["         1 | a<U+000D>", "         2 | b"]


def columns(row: str) -> int:
    """Return how many columns a terminal gives to a row."""
    return sum(2 if east_asian_width(c) in "WF" else 1 for c in row)


@given(st.text(st.characters() | st.sampled_from(" \n\t\r`|世"), max_size=2000))
def test_no_text_makes_a_row_without_its_bar_or_one_that_a_terminal_would_break(text: str) -> None:
    """Every row has its bar, fits a terminal of 80 columns, and holds nothing that could steer it."""
    rows = quoted(text, name="dockerfile")
    assert all(ROW.match(row) for row in rows[1:])
    assert all(columns(row) <= WIDTH and row.isprintable() for row in rows[1:])


@given(st.text(st.characters(categories=["L", "Nd"]) | st.sampled_from("  |:"), max_size=600))
def test_nothing_of_a_text_that_fits_is_lost(text: str) -> None:
    """What stands behind the bars, put together again, is the text."""
    rows = quoted(text, name="dockerfile")
    assert "".join(ROW.sub("", row) for row in rows[1:]) == written_out(text)


def test_no_row_begins_with_a_mark_that_belongs_to_the_row_before() -> None:
    """A combining mark would stand on the bar, where nobody sees what it changes."""
    for length in range(50, 75):
        rows = quoted("x" * length + "e\u0301" * 40, name="dockerfile")
        assert [row for row in rows[1:] if category(ROW.sub("", row)[0]) == "Mn"] == []


def test_a_long_line_of_the_plan_is_folded_where_words_end() -> None:
    """No line of a plan is left to the screen to break: what follows stands behind a mark of its own."""
    names = ", ".join(f"VARIABLE_{number}" for number in range(20))
    rows = folded(f" 1. Variables of shop: add {names}")
    assert all(len(row) <= WIDTH for row in rows)
    assert all(row.startswith("      ... ") for row in rows[1:])
    assert " ".join(row.removeprefix("      ... ") for row in rows) == f" 1. Variables of shop: add {names}"


def test_spaces_cannot_push_words_into_a_line_of_their_own() -> None:
    """A text that is padded to the width of a screen makes no row that looks like the plan's."""
    rows = folded(" 1. Stop shop" + " " * 67 + " 2. Nothing else happens" + " " * 200 + "Warning: none")
    assert rows == [" 1. Stop shop", "      ... 2. Nothing else happens", "      ... Warning: none"]
