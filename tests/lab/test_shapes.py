"""Two answers have the same shape exactly when a reader has to treat them alike."""

import pytest

from ink_infra_mcp.core.errors import CommandFailed, HostUnreachable
from tests.lab.shapes import Shape, apart, shape


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (None, None),
        (True, True),
        (0, "zero"),
        (7, "number"),
        (0.0, "float"),
        ("exited", "exited"),
        ("armed", "armed"),
        ("firewalld", "firewalld"),
        ("DROP", "DROP"),
        ("", "empty"),
        ("x", "text"),
        ([1, None], ["number", None]),
        ({"a": {"b": []}}, {"a": {"b": []}}),
        ("sh: 1: exec: nosuch: not found", "no such command"),
        ("bash: line 1: nosuch: command not found", "no such command"),
    ],
)
def test_values_become_kinds(value: object, wanted: Shape) -> None:
    """Null, nothing, zero and something are four different things, and so are their containers."""
    assert shape(value) == wanted


def test_failures_keep_our_words_and_the_class_of_the_servers() -> None:
    """Addresses and the wording of a shell may differ; the promise about what was done may not."""
    failed = CommandFailed(
        "x.", host="a", done="Nothing.", next="Look.", exit_status=127, untrusted_output="b: not found"
    )
    assert shape(failed) == {
        "kind": "CommandFailed",
        "failed": "x.",
        "done": "Nothing.",
        "next": "Look.",
        "status": "127",
        "said": "no such command",
    }
    here, there = (
        HostUnreachable(f"a does not answer at {place}.", host="a", done="Nothing.", next="Look.")
        for place in ("192.0.2.1 port 22: silence", "198.51.100.2 port 2022: hung up")
    )
    assert shape(here) == shape(there)


def test_where_two_shapes_differ_is_told_by_the_way_there() -> None:
    """What only one of them has is told, too; equal ones differ nowhere."""
    found: Shape = {"a": {"b": ["x"], "c": None}, "d": True}
    wanted: Shape = {"a": {"b": ["y"], "c": None}, "e": "text"}
    assert apart(found, found) == {}
    assert apart(found, wanted) == {"/a/b": (["x"], ["y"]), "/d": (True, "nothing"), "/e": ("nothing", "text")}
