"""The shape of the code stays within its bars, and each bar can be missed: one seeded fault, one missed bar."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydantic import JsonValue

from tests.house_style import rules_for_tests
from tests.house_style.bars import BARS, Bar, Modules
from tests.house_style.metrics import measure, measure_tree

pytestmark = pytest.mark.xdist_group("the whole source")
"""One process measures it once for all of them."""

ROOT = Path(__file__).resolve().parent.parent
SELF_APPROVAL = frozenset(
    {"approval", "approve", "approved", "confirm", "confirmed", "force_approval", "skip_approval"}
)

SMALL = '"""Holds numbers."""\n'


def function(name: str, *, lines: int = 3, body: str = "    x += 1") -> str:
    """Return the text of a documented, typed function of `lines` code lines."""
    rest = "\n".join([body] * (lines - 2))
    return f'\ndef {name}(x: int) -> int:\n    """Count."""\n{rest}\n    return x\n'


def many(count: int, *, lines: int = 3) -> str:
    """Return a module of `count` alike functions."""
    return SMALL + "".join(function(f"f{number}", lines=lines) for number in range(count))


@dataclass(frozen=True)
class Fault:
    """A small tree that misses exactly one bar: the texts of its files by path."""

    bar: str
    files: dict[str, str]


FAULTS = (
    Fault("the median function is short", {"a.py": many(3, lines=9)}),
    Fault("nine functions of ten are short", {"a.py": many(9) + function("long", lines=26)}),
    Fault("no function is long", {"a.py": many(19), "b.py": SMALL + function("longest", lines=61)}),
    Fault("the median file is short", {"a.py": SMALL + "A = 1\n" * 150}),
    Fault("no file is long", {"a.py": SMALL + "A = 1\n" * 400, "b.py": SMALL, "c.py": SMALL}),
    Fault("no tool is long", {"tools/a.py": SMALL + "A = 1\n" * 250, "b.py": SMALL, "c.py": SMALL}),
    Fault("nine functions of ten are simple", {"a.py": many(9) + function("f", lines=7, body="    assert x")}),
    Fault("no function is complex", {"a.py": many(19) + function("f", lines=14, body="    assert x")}),
    Fault("every function is typed", {"a.py": SMALL + 'def f(x) -> int:\n    """Count."""\n    return 1\n'}),
    Fault("public functions are documented", {"a.py": SMALL + "def f() -> int:\n    return 1\n"}),
    Fault("every module says what it owns", {"a.py": "A = 1\n"}),
    Fault("pragmas are rare", {"a.py": SMALL + "A = 1  # no" + "qa: E501\n"}),
    Fault("errors are not caught wholesale", {"a.py": SMALL + "try:\n    A = 1\nexcept Exception:\n    A = 2\n"}),
    Fault("only the command line prints", {"server/a.py": SMALL + "print(1)\n"}),
)

BAD_TESTS = {
    "def test_a() -> None:\n    assert 1\n": ["t.py:1 test_a does not state its promise"],
    "import time\ntime.sleep(1)\n": ["t.py:2 sleeps instead of waiting for what it wants"],
    "from time import sleep\n": ["t.py:1 imports sleep"],
    "from unittest.mock import Mock\n": ["t.py:1 mocks"],
    "import unittest.mock\n": ["t.py:1 mocks"],
    "import pytest\npytestmark = pytest.mark.skip\n": ["t.py:2 is skipped without a reason"],
    "import pytest\npytestmark = pytest.mark.xfail()\n": ["t.py:2 is skipped without a reason"],
    "import pytest\npytestmark = pytest.mark.skip(reason='no Docker')\n": [],
}


@pytest.fixture(scope="module")
def product() -> Modules:
    """Return the measured source of the product."""
    return measure_tree(ROOT / "src" / "ink_infra_mcp")


@pytest.mark.parametrize("bar", BARS, ids=lambda bar: bar.name)
def test_the_product_is_within_the_bar(bar: Bar, product: Modules) -> None:
    """The whole source of the product passes every bar of the house style."""
    assert bar.offences(product) == []


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.bar)
def test_a_seeded_fault_misses_exactly_its_bar(fault: Fault) -> None:
    """Each bar notices a tree that falls short of it, and stays silent about the faults of the others."""
    tree = [measure(text, path) for path, text in fault.files.items()]
    assert [bar.name for bar in BARS if bar.offences(tree)] == [fault.bar]


def test_every_bar_has_a_seeded_fault() -> None:
    """No bar stands without a proof that it can be missed."""
    assert {fault.bar for fault in FAULTS} == {bar.name for bar in BARS}


def test_broad_excepts_and_prints_are_allowed_only_at_the_edge() -> None:
    """The server and the entry point catch everything, others only to raise it again; the command line prints."""
    catch = "try:\n    A = 1\nexcept Exception:\n    A = 2\n"
    edge = {"server/a.py": catch, "cli/a.py": "print(1)\n", "guard/a.py": f"{catch}    raise\n"}
    tree = [measure(SMALL + text, path) for path, text in edge.items()]
    assert [bar.name for bar in BARS if bar.offences(tree)] == []


def test_complexity_counts_every_kind_of_branch() -> None:
    """The measured complexity is the number of independent ways through a function."""
    text = (
        "def f(x):\n    if x and x > 1 or x < 0:\n        pass\n    for y in [z for z in x if z]:\n        pass\n"
        "    else:\n        pass\n    try:\n        pass\n    except ValueError:\n        pass\n"
        "    match x:\n        case 1:\n            pass\n        case _:\n            pass\n    return 1 if x else 2\n"
    )
    assert [shape.complexity for shape in measure(text, "a.py").functions] == [11]


def test_tests_keep_the_rules_for_tests() -> None:
    """Every test states its promise; none sleeps, mocks or is skipped without a reason."""
    assert rules_for_tests.offences_below(ROOT / "tests") == []


@pytest.mark.parametrize("text", BAD_TESTS, ids=lambda text: text.splitlines()[-1])
def test_a_bad_test_is_named(text: str) -> None:
    """Each rule for tests notices a file that breaks it, at the line that does."""
    assert rules_for_tests.offences(text, "t.py") == BAD_TESTS[text]


def argument_names(schema: JsonValue) -> Iterator[str]:
    """Yield the name of every property that a JSON schema declares, at any depth."""
    if isinstance(schema, list):
        for part in schema:
            yield from argument_names(part)
    if isinstance(schema, dict):
        properties = schema.get("properties")
        if isinstance(properties, dict):
            yield from properties
        for part in schema.values():
            yield from argument_names(part)


def test_no_argument_of_a_tool_can_approve() -> None:
    """Approval comes from a person, so no tool has an argument by which a model could claim it."""
    contracts = {path: json.loads(path.read_text(encoding="utf-8")) for path in ROOT.glob("tools/*/contract.json")}
    inputs = {path.parent.name: contract.get("inputSchema") for path, contract in contracts.items()}
    assert {
        tool: found for tool, schema in inputs.items() if (found := SELF_APPROVAL & set(argument_names(schema)))
    } == {}


def test_an_argument_that_approves_is_found_at_any_depth() -> None:
    """The search for such an argument looks into nested and shared parts of a schema."""
    schema: JsonValue = {
        "properties": {"a": {"anyOf": [{"properties": {"confirm": {}}}]}},
        "$defs": {"B": {"properties": {"c": {}}}},
    }
    assert set(argument_names(schema)) == {"a", "confirm", "c"}
