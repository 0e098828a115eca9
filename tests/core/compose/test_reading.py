"""Compose files are read as Docker Compose reads them; what another reader would take otherwise is refused."""

import math
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from ink_infra_mcp.core.compose.reading import read_compose
from ink_infra_mcp.core.compose.scalars import go_text, resolved
from ink_infra_mcp.core.compose.sizes import count, processors, size_bytes
from ink_infra_mcp.core.errors import InputError

SEEN = {
    **{"yes": "yes", "NO": "NO", "on": "on", "off": "off", "true": "true", "FALSE": "false", "=": "=", "~": ""},
    **{"22:22": "22:22", "53:53": "53:53", "23:30": "23:30", "0660": "432", "0o22": "18", "08": "8", "1_000": "1000"},
    **{"1.10": "1.1", "1.0": "1", ".5": "0.5", "1.": "1", "1e5": "100000", "1e6": "1e+06", "12345e6": "1.2345e+10"},
    **{
        "1234e56": "1.234e+59",
        "123456789.123": "1.23456789123e+08",
        "0.00001": "1e-05",
        "-0.0": "-0",
        "1e400": "1e400",
    },
    **{
        "0x1F": "31",
        "-0x1F": "-31",
        "0b11": "3",
        "0o9": "0o9",
        "0o+1": "1",
        "0o-7": "-7",
        "0b-1": "-1",
        "0b-2": "0b-2",
        "-0o+1": "-0o+1",
        "0xg": "0xg",
        "_1": "_1",
        "1_": "1",
        "+5": "5",
    },
    **{"9223372036854775808": "9223372036854775808", "18446744073709551616": "1.8446744073709552e+19"},
    **{"+9223372036854775808": "9.223372036854776e+18", "-9223372036854775809": "-9.223372036854776e+18"},
    **{"2024-01-01": "2024-01-01 00:00:00 +0000 UTC", "2024-02-30": "2024-02-30"},
    **{"2024-01-01T10:00:00.5Z": "2024-01-01 10:00:00.5 +0000 UTC", "2024-01-01T10:00": "2024-01-01T10:00"},
    **{"2024-01-01T10:00:00+02:00": "2024-01-01 10:00:00 +0200 +0200", "2024-01-01t1:2:3z": "2024-01-01t1:2:3z"},
}
"""Plain scalars of an `environment`, and what Docker Compose 2.26.1 made of them."""


@pytest.mark.parametrize("text", SEEN)
def test_a_plain_scalar_is_what_docker_compose_takes_it_for(text: str) -> None:
    """As seen with `docker compose config`: YAML 1.2 as go-yaml reads it, in the text that Go makes."""
    assert go_text(resolved(text)) == SEEN[text]


@pytest.mark.parametrize("text", [".inf", "-.Inf", ".nan"])
def test_what_no_text_can_hold_is_refused(text: str) -> None:
    """Docker Compose itself breaks at such a number."""
    with pytest.raises(InputError, match="is no number that a compose file can hold"):
        read_compose(f"a: {text}")


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_keeps_its_value_in_the_text_that_go_makes(value: float) -> None:
    """No digit is lost."""
    assert math.isclose(float(go_text(value)), value, rel_tol=0, abs_tol=0)


@given(st.text())
def test_no_text_breaks_the_reader(text: str) -> None:
    """Rubbish is refused with a sentence."""
    with suppress(InputError):
        assert isinstance(read_compose(text), dict)


REFUSED = {
    "a: 1\na: 2": "has the key 'a' twice, in lines 1 and 2",
    "a: {b: 1, b: 1}": "has the key 'b' twice",
    "'<<': {a: 1}": "has a key << in quotes, which is text to Docker and a merge to Coolify",
    'x: {"<<": {privileged: true}}': "has a key << in quotes",
    "x: {!!str <<: {a: 1}}": "has a key << in quotes",
    "a: &a {b: 1}\nc: {<<: *a, <<: *a}": "a second << in one mapping",
    "a: {<<: 5}": "merges something that is no mapping",
    "ports: !reset []": "has the tag !reset",
    "a: !override {b: 1}": "has the tag !override",
    "a: !php/object x": "has the tag !php/object",
    "a: !!binary aGk=": "has the tag",
    "a: !!int x": "x is no int",
    "123: a": "has a key that is no text",
    "true: a": "has a key that is no text",
    "? [a]\n: b": "has a key that is no text",
    "a: *b": r"\*b names nothing that is known there",
    "a: &a [*a]": r"\*a names nothing that is known there",
    "a: b\n---\nc: d": "holds several documents",
    "": "is empty",
    "- a": "has no services",
    "a: [": "is not YAML in line",
    "a: " + "[" * 99 + "]" * 99: "is nested too deeply",
    "\ud800: a": "half a character",
}


@pytest.mark.parametrize("text", REFUSED, ids=range(len(REFUSED)))
def test_what_two_readers_take_differently_is_refused_with_its_reason(text: str) -> None:
    """Duplicate keys, merges in disguise, tags, keys that are no text, aliases to nothing."""
    with pytest.raises(InputError, match=REFUSED[text]):
        read_compose(text)


def test_merges_and_aliases_are_written_out_before_anything_is_judged() -> None:
    """A key of its own counts before a merged one, and of several merged mappings the first."""
    text = "x: &x {a: 1, b: 1}\ny: &y {b: 2, c: 2}\nz: {<<: [*x, *y], a: 0}\nl: &l [1]\nm: [*l, *l]"
    assert read_compose(text) == {
        "x": {"a": 1, "b": 1},
        "y": {"b": 2, "c": 2},
        "z": {"a": 0, "b": 1, "c": 2},
        "l": [1],
        "m": [[1], [1]],
    }


def test_aliases_that_explode_are_refused_at_once() -> None:
    """Ten to the sixth values from ten short lines."""
    lines = ["a0: &a0 [x,x,x,x,x,x,x,x,x,x]"]
    lines += [f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 7)]
    with pytest.raises(InputError, match="grows too large"):
        read_compose("\n".join(lines))


def test_quotes_tabs_and_tags_of_yaml_itself_are_read() -> None:
    """A tab after a value, a lone equals sign, `!!str yes`: libyaml and go-yaml read them."""
    assert read_compose("a: [A=1\t]\nb: =\nc: !!str 012\nd: '1e3'\ne: \"yes\"\nf: ! 5") == {
        "a": ["A=1"],
        "b": "=",
        "c": "012",
        "d": "1e3",
        "e": "yes",
        "f": "5",
    }


@pytest.mark.parametrize(
    ("size", "expected"),
    [("64GiB", 64 * 2**30), ("1T", 2**40), ("32 g", 32 * 2**30), ("1.5gb", 3 * 2**29), ("512m", 2**29), (1024, 1024),
     ("100b", 100), ("1kib", 1024), ("0", None), ("-1m", None), ("1i", None), ("1ib", None), ("1 gb ", None),
     (True, None), (1.5, None), ("", None), ("\u0661m", None)],
)  # fmt: skip
def test_sizes_are_docker_s_own(size: JsonValue, expected: int | None) -> None:
    """Units of go-units, in powers of 1024; none and less are no limit."""
    assert size_bytes(size) == expected


def test_counts_and_processors_are_above_nothing() -> None:
    """0, less, switches and words are no limit."""
    assert [count(value) for value in (1, "7", 0, -1, True, "x", 1.5)] == [1, 7, None, None, None, None, None]
    assert [processors(value) for value in (1, "0.5", 0.25, 0, "-1", True, "x", "1e3")] == [
        1.0, 0.5, 0.25, None, None, None, None, None,
    ]  # fmt: skip
