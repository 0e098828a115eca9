"""YAML as Symfony reads and writes it: the table was made by running symfony/yaml 7.0.3."""

import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ink_infra_mcp.core.compose.arriving import lost_in_coolify
from ink_infra_mcp.core.compose.reading import read_compose
from ink_infra_mcp.core.compose.writing import written
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.sandbox.coolify.php import Php, array, key_of
from ink_infra_mcp.sandbox.coolify.symfony_read import BadYaml, parse
from ink_infra_mcp.sandbox.coolify.symfony_write import dump


@pytest.mark.parametrize(
    ("written", "read"),
    [
        *[(word, word) for word in ("yes", "NO", "on", "off", "y", "22:22", "53:53", "0660", "007", "=", "<<", "5m")],
        *[(word, None) for word in ("null", "Null", "~", "")],
        *[("true", True), ("FALSE", False), ("10", 10), ("-5", -5), ("+5", 5.0), ("1_000", 1000), ("0x1F", 31)],
        *[("1.10", 1.1), ("1e3", 1000.0), ("1234e56", 1234e56), (".5", 0.5), ("0o022", 18), ("2024-01-01", 1704067200)],
        ("99999999999999999999", "99999999999999999999"),
        ("2024-01-01T10:00:00Z", 1704103200),
        ("!!str yes", "yes"),
        ("a #b", "a"),
    ],
)
def test_a_word_without_quotes_means_what_symfony_takes_it_for(written: str, read: Php) -> None:
    """Neither the booleans nor the base-60 numbers of YAML 1.1 are known; dates become seconds."""
    assert parse(f"k: {written}\n") == array({"k": read})


@pytest.mark.parametrize(
    ("value", "written"),
    [
        *[(word, f"'{word}'") for word in ("yes", "NO", "1234e56", "22:22", "1.10", "0660", "2024-01-01", "null", "~")],
        *[(word, f"'{word}'") for word in (" x", "x: y", "#a", "x y", "nginx:1", "${X}", "", "<<", "1_000", "0x1F")],
        *[(word, word) for word in ("x", "0o022", "0b11", ".inf", "$x", "a=b", "/data", "12-12-12", "\\")],
        *[("it's", '"it\'s"'), ("a\nb\n", '"a\\nb\\n"'), ("a\tb", '"a\\tb"'), ([], "{  }"), (1.0, "1.0")],
        *[(5, "5"), (1234e56, "1.234E+59"), (1e14, "1.0E+14"), (True, "true"), (None, "null")],
    ],
)
def test_a_value_is_written_as_symfony_writes_it(value: Php, written: str) -> None:
    """Quotes stand where Symfony wants them, which is not everywhere that Go needs them: 0o022 goes out plain."""
    assert dump({"k": value}) == f"k: {written}\n"


def test_maps_lists_and_blocks_have_symfonys_shape() -> None:
    """Two spaces, a dash alone above a map, empty lists as maps, blocks only where they are asked for."""
    value: Php = {"a": [{"b": 1}, [2]], "c": {"on": []}, "d": "x\ny"}
    shape = "a:\n  -\n    b: 1\n  -\n    - 2\nc:\n  'on': {  }\nd: "
    assert dump(value) == shape + '"x\\ny"\n'
    assert dump(value, literal=True) == shape + "|-\n  x\n  y"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("s:\n  '<<': {file: /x}\n", {"s": {"file": "/x"}}),
        ("a: &x {b: 1}\nc:\n  <<: *x\n  b: 2\n", {"a": {"b": 1}, "c": {"b": 2}}),
        ("c:\n  <<: {a: 1}\n  a: 2\n  a: 3\n", {"c": {"a": 3}}),
        ("a: {'123': x, '0': y}\n", {"a": {123: "x", 0: "y"}}),
        ("a: {'0': x}\n", {"a": ["x"]}),
        ("a: {}\nb: []\n", {"a": [], "b": []}),
        ("a:\na: 1\n", {"a": 1}),
        ("a: 1\t\n", {"a": 1}),
    ],
)
def test_merges_keys_and_empty_maps_are_those_of_php(text: str, value: Php) -> None:
    """A quoted << merges, a number in quotes is a number as a key, and {} is []."""
    assert parse(text) == value


@pytest.mark.parametrize(
    "text",
    [
        *("a: 1\na: 2\n", "a: !reset []\n", "true: 1\n", "1.5: a\n", "a: *b\n", "a: 1\n---\nb: 1\n", "\ta: 1\n"),
        *("a: x: y\n", "a: {b}\n", "<<: 5\n", "a: @b\n", "a: 2024-13-45\n", "[a]: 1\n", "a: &x [*x]\n"),
    ],
)
def test_what_symfony_throws_at_is_refused(text: str) -> None:
    """Duplicate keys, tags, keys that are no text, unknown aliases, several documents."""
    with pytest.raises(BadYaml):
        parse(text)


_TEXTS = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")) | st.sampled_from("\n\t \r"), max_size=12
)
_WORDS = st.sampled_from(
    ["yes", "~", "null", "1e3", "0660", "22:22", "<", "- a", "a: b", "'", '"', "#", "|", "2024-01-01"]
)
_LEAVES = st.none() | st.booleans() | st.integers(-(2**40), 2**40) | _TEXTS | _WORDS
_KEYS = st.text(string.ascii_letters + "-_. :#'", min_size=1, max_size=6).filter(lambda key: key != "<<")


UNSEEN = ("\x7f", "\x85", "\xa0", "\u2028", "\u2029", "\ufeff", "\ufffe", "\uffff")
"""Signs that PyYAML, which reads here in Symfony's place, takes otherwise."""


def _arrays(inner: st.SearchStrategy[Php]) -> st.SearchStrategy[Php]:
    maps = st.dictionaries(_KEYS.map(key_of), inner, max_size=4)
    return st.lists(inner, max_size=4) | maps.map(lambda pairs: array(dict(pairs)))


@given(st.recursive(_LEAVES, _arrays, max_leaves=12), st.booleans())
@settings(deadline=None)
def test_what_is_written_is_read_back_equal(value: Php, literal: bool) -> None:
    """Whatever a compose file may hold; signs that PyYAML does not let through are left out."""
    if not any(sign in str(value) for sign in UNSEEN) and "\r" not in str(value):
        assert parse(dump({"k": value}, literal=literal)) == {"k": value}


@given(st.text(max_size=12) | st.text(alphabet="ab01 .:-#'\"\\{}[]|>&*!%@`$,?=~\t\n", max_size=8))
@settings(deadline=None)
def test_a_text_of_which_no_loss_is_told_passes_every_reader_and_writer(text: str) -> None:
    """We write it, Symfony reads it and writes it anew, we read that: 1,500 such texts came through Coolify's own PHP
    and Docker Compose 2.26 alike."""
    document: JsonObject = {"services": {"web": {"image": "a:1", "environment": {"A": text}}}}
    if "\r" in text or any(sign in text for sign in UNSEEN) or lost_in_coolify(document):
        return
    assert read_compose(dump(parse(written(document)))) == document
