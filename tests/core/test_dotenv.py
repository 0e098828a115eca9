"""Values of variables: what is accepted arrives in a container to the last character, and the rest says why not."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ink_infra_mcp.core.dotenv import arrived, misread, unfit
from ink_infra_mcp.sandbox.coolify import dotenv
from ink_infra_mcp.sandbox.state_coolify import EnvVar

TRICKY = st.text(st.sampled_from("'\"\\$#{}[]:,= \n\t\rabA0é`%"), max_size=12)
DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers() | TRICKY,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TRICKY, inner, max_size=3),
    max_leaves=6,
).map(lambda document: json.dumps([document]))
VALUES = TRICKY | st.text(max_size=20) | DOCUMENTS
NEIGHBOURS = ("BEFORE=1", "AFTER=2")


def through_compose(value: str, *, literal: bool, multiline: bool = False) -> str | None:
    """Return what arrives beside two other variables, read by the pretend Compose, or None when the file is broken."""
    row = EnvVar(id=1, uuid="u", key="KEY", value=value, is_literal=literal, is_multiline=multiline)
    before, after = NEIGHBOURS
    try:
        found = dotenv.read([before, dotenv.line(row), after])
    except dotenv.Unreadable:
        return None
    return found["KEY"] if found.keys() == {"BEFORE", "KEY", "AFTER"} and found["AFTER"] == "2" else None


@given(VALUES)
@example('{"a":"it\'s"}')
@example("[1]")
@example("")
@example("p$ss}w{rd$")
@example("-----BEGIN-----\nabc\n-----END-----")
def test_what_is_accepted_arrives_exactly(value: str) -> None:
    """A value without a reason against it is, sent as literal or as multi-line, what the app finds."""
    if unfit(value):
        return
    assert arrived(value, literal=True) == value
    assert through_compose(value, literal=True) == value
    assert through_compose(value, literal=False, multiline=True) == value


@given(VALUES, st.booleans())
def test_where_an_arrival_is_foretold_that_is_what_arrives(value: str, literal: bool) -> None:
    """Whatever the flags, a foretold text is what Compose reads; where nothing is foretold anything may happen."""
    foretold = arrived(value, literal=literal)
    assert foretold is None or through_compose(value, literal=literal) == foretold


@pytest.mark.parametrize(
    ("value", "plain", "literal"),
    [
        ("p$ss", None, "p$ss"),
        ("$$", None, "$$"),
        ("a # b", "a", "a # b"),
        ('say "x"', 'say \\"x\\"', 'say "x"'),
        ("C:\\dir", "C:\\\\dir", "C:\\dir"),
        ("it's", "it\\'s", None),
        ("one\ntwo", None, "one\ntwo"),
        ('{"a": [1, "b"]}', '{"a": [1, "b"]}', '{"a": [1, "b"]}'),
        ("`x` 100%", "`x` 100%", "`x` 100%"),
        ("", "", ""),
        (" out ", "out", "out"),
        ("ends\\", "ends\\\\", None),
    ],
)
def test_the_table_that_was_seen_on_a_real_one_holds(value: str, plain: str | None, literal: str | None) -> None:
    """What a real Coolify 4.3.11 did with each kind of value is what is foretold for it."""
    assert (arrived(value, literal=False), arrived(value, literal=True)) == (plain, literal)


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("it's", "single quote"),
        ("ends\\", "backslash at its end"),
        ("ends\\\\", "backslash at its end"),
        (" x", "both ends"),
        ("x\u200b", "both ends"),
        ("x\n", "both ends"),
        ('{"price":"$5"}', "JSON"),
        ('{\n"a":1}', "JSON"),
        ('{"a": "b #c"}', "JSON"),
        ('["$", ' + "1" * 5000 + "]", "JSON"),
        ('[TRUE, "$"]', "JSON"),
        ("[" * 600 + '"$"' + "]" * 600, "JSON"),
        ("{{team.TOKEN}}", "shared variable"),
        ("a\0b", "NUL"),
        ("\ud800", "Unicode"),
    ],
)
def test_what_no_flags_carry_has_its_reason(value: str, why: str) -> None:
    """Each kind of value that would be changed or break the app says what is wrong with it, and never holds it."""
    assert why in unfit(value)
    assert len(value) < 3 or value not in unfit(value)


@pytest.mark.parametrize(
    "value", ["{{ name }} pays $5", "{a $b}", "[section] $x", "a\\b", "\\x", "#x", "=", '"', "é", "x"]
)
def test_what_only_looks_dangerous_is_accepted(value: str) -> None:
    """Templates, dollar signs, double quotes, hashes and backslashes inside are no trouble in a literal value."""
    assert unfit(value) == ""


def test_flags_that_change_a_value_are_told_from_those_that_do_not() -> None:
    """A row that Coolify made itself is right for plain words and wrong for others; a line break wants multi-line."""
    assert not misread("hello", literal=False, multiline=False)
    assert misread("p$ss", literal=False, multiline=False)
    assert not misread("p$ss", literal=True, multiline=False)
    assert misread("a\nb", literal=True, multiline=False)
    assert not misread("a\nb", literal=False, multiline=True)
