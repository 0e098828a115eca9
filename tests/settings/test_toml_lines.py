"""The scanner that tells on which line of a TOML text a key stands."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ink_infra_mcp.settings.toml_lines import KeyPath, TomlLines

TEXT = '''\
# a comment with [brackets] and key = "value"
title = "one"
"quoted key" . 'literal' = 1   # dotted and quoted

[server]
hosts = [
  "a",   # first
  { name = "b", port = 1 },
  [
    1,
    2,
  ],
]
text = """
[not.a.table]
key = "no"\\"""
"""
after = \'\'\'
x = 1\'\'\'
dotted.inner.deep = 2024-01-01 10:00:00
point = { x = 1, y.z = "},]" }

[[muscles]]
name = "s1"

[muscles.extra]
key = 1

[[muscles]]
name = "s2"
[[muscles.disks]]
size = 1
[[muscles.disks]]
size = 2
'''


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("title",), 2),
        (("quoted key",), 3),
        (("quoted key", "literal"), 3),
        (("server",), 5),
        (("server", "hosts"), 6),
        (("server", "hosts", 0), 7),
        (("server", "hosts", 1), 8),
        (("server", "hosts", 1, "port"), 8),
        (("server", "hosts", 2, 1), 11),
        (("server", "text"), 14),
        (("server", "after"), 18),
        (("server", "dotted", "inner", "deep"), 20),
        (("server", "point", "y", "z"), 21),
        (("muscles",), 23),
        (("muscles", 0), 23),
        (("muscles", 0, "name"), 24),
        (("muscles", 0, "extra", "key"), 27),
        (("muscles", 1), 29),
        (("muscles", 1, "name"), 30),
        (("muscles", 1, "disks", 0, "size"), 32),
        (("muscles", 1, "disks", 1), 33),
        (("muscles", 1, "disks", 1, "size"), 34),
        (("muscles", 1, "missing"), 29),
        (("missing", "deep"), 1),
        ((), 1),
    ],
)
def test_every_key_has_its_line(path: KeyPath, line: int) -> None:
    """Tables, lists of tables, dotted, quoted and inline keys are found; a missing key is at the table around it."""
    assert TomlLines(TEXT).line_of(path) == line


KEYS = st.sampled_from(["a", "b", "key-1", "quoted key", "dot.ted", 'qu"ote', "é"])
SCALARS = st.sampled_from(
    ['"text"', "'lit # ]'", '"esc \\" }"', "1", "-1.5e3", "true", "2024-01-01 10:00:00", '"""\nmulti\n"""', "'''x''''"]
)


def quoted(key: str) -> str:
    """Return a key as TOML writes it."""
    return key if key.isascii() and key.replace("-", "").isalnum() else '"' + key.replace('"', '\\"') + '"'


def inline(entries: dict[str, str]) -> str:
    """Return an inline table."""
    return "{" + ", ".join(f"{quoted(key)} = {value}" for key, value in entries.items()) + "}"


ONE_LINE = SCALARS.filter(lambda text: "\n" not in text)
LISTS = st.lists(SCALARS, max_size=3).map(lambda items: "[ # list\n" + ",\n".join([*items, ""]) + "]")
VALUES = SCALARS | LISTS | st.dictionaries(KEYS, ONE_LINE, max_size=3).map(inline)
TABLES = st.lists(st.tuples(st.sampled_from(["t", "[l]"]), st.dictionaries(KEYS, VALUES, max_size=4)), max_size=4)


@given(TABLES, st.sampled_from(["\n", "\n\n# note = [\n"]))
def test_keys_of_any_text_are_found_where_they_are_written(tables: list[tuple[str, dict[str, str]]], gap: str) -> None:
    """For texts of tables, lists and values of every form, a key is found on the line that it was written on."""
    lines: list[str] = []
    expected: dict[KeyPath, int] = {}
    index = -1
    for number, (form, entries) in enumerate(tables):
        index += form == "[l]"
        path: KeyPath = ("l", index) if form == "[l]" else (f"t{number}",)
        lines += ["[[l]]" if form == "[l]" else f"[t{number}]"]
        for key, value in entries.items():
            expected[(*path, key)] = len(lines) + 1
            lines += f"{quoted(key)} = {value}{gap}".split("\n")
    text = "\n".join(lines)
    tomllib.loads(text)
    found = TomlLines(text)
    assert {path: found.line_of(path) for path in expected} == expected
