"""Agent frameworks show their models all that our tools say of their arguments: nothing is refused, nothing is lost."""

import json
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.contract.catalog import NAMES, contracts
from tests.converters.convert import CONVERTERS
from tests.environments import environment

FOLDER = Path(__file__).resolve().parent
SERVE = [sys.executable, "-m", "ink_infra_mcp", "serve", "--sandbox"]
PATIENCE_S = 360
Schema = dict[str, Any]
Fact = tuple[str, str, object]

pytestmark = [pytest.mark.timeout(900), pytest.mark.clients, pytest.mark.xdist_group("converters")]


@cache
def converted() -> dict[str, dict[str, Schema]]:
    """Return what each converter made of each tool, as it came over the wire."""
    python = environment(FOLDER) / "bin" / "python"
    words = [python, FOLDER / "convert.py", *SERVE]
    done = subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def facts(schema: Schema, at: str = "") -> Iterator[Fact]:
    """Yield what a schema says of each argument: its type and choices, its words, and whether it is needed."""
    yield at, "type", "text" if "enum" in schema else str(schema.get("type")).lower()
    yield from ((at, "choice", choice) for choice in schema.get("enum", ()))
    yield from ((at, "word", word) for word in schema.get("description", "").split())
    yield from ((at, "needed", name) for name in schema.get("required", ()))
    if "items" in schema:
        yield from facts(schema["items"], f"{at}[]")
    for name, part in schema.get("properties", {}).items():
        yield at, "argument", name
        yield from facts(part, f"{at}.{name}")


def lost(ours: Schema, theirs: Schema) -> set[Fact]:
    """Return what a schema of ours says and a converted one does not."""
    return set(facts(ours)) - set(facts(theirs))


@pytest.mark.parametrize("converter", CONVERTERS)
def test_a_converter_keeps_all_that_every_tool_says(converter: str) -> None:
    """Each argument of each tool is there with its type, its words, its choices and whether it is needed."""
    made = converted()[converter]
    assert [*made] == [*NAMES]
    assert {name: tool["error"] for name, tool in made.items() if "error" in tool} == {}
    assert {name: tool["description"] for name, tool in made.items()} == {
        n: contracts()[n]["description"] for n in NAMES
    }
    gone = {name: lost(contracts()[name]["inputSchema"], tool["schema"]) for name, tool in made.items()}
    assert {name: facts for name, facts in gone.items() if facts} == {}


WHOLE: Schema = {
    "type": "object",
    "properties": {
        "kind": {"type": "string", "enum": ["a", "b"], "description": "one of two"},
        "many": {"type": "array", "items": {"type": "object", "properties": {"n": {"type": "integer"}}}},
    },
    "required": ["kind"],
}


@pytest.mark.parametrize(
    ("kind", "many", "required", "fact"),
    [
        (
            {"type": "string", "enum": ["a"], "description": "one of two"},
            WHOLE["properties"]["many"],
            ["kind"],
            (".kind", "choice", "b"),
        ),
        (
            {"type": "string", "enum": ["a", "b"], "description": "of two"},
            WHOLE["properties"]["many"],
            ["kind"],
            (".kind", "word", "one"),
        ),
        (WHOLE["properties"]["kind"], WHOLE["properties"]["many"], [], ("", "needed", "kind")),
        (WHOLE["properties"]["kind"], {"type": "string"}, ["kind"], (".many", "type", "array")),
        (
            WHOLE["properties"]["kind"],
            {"type": "array", "items": {"type": "object"}},
            ["kind"],
            (".many[]", "argument", "n"),
        ),
    ],
)
def test_a_loss_is_seen(kind: Schema, many: Schema, required: list[str], fact: Fact) -> None:
    """A choice, a word, a need, a type or an argument that is gone is found, at any depth."""
    theirs: Schema = {"type": "OBJECT", "properties": {"kind": kind, "many": many}, "required": required}
    assert fact in lost(WHOLE, theirs)
    assert lost(WHOLE, WHOLE) == set()
