"""docs/safety.md promises only what a test shows: every test that it names exists."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "safety.md"
NAMED = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")


def names() -> list[tuple[str, str]]:
    """Return (file, test) for every test that the page names; an empty test stands for the whole file."""
    return NAMED.findall(PAGE.read_text(encoding="utf-8"))


def missing(root: Path, named: list[tuple[str, str]]) -> list[str]:
    """Return the named tests that are not there."""
    lost: list[str] = []
    for file, test in named:
        path = root / file
        tree = ast.parse(path.read_text(encoding="utf-8")) if path.is_file() else ast.Module([], [])
        tests = [n.name for n in tree.body if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
        if not any(name.startswith("test_") if not test else name == test for name in tests):
            lost.append(f"{file}::{test}")
    return lost


def test_every_guarantee_has_its_test() -> None:
    """No row of the page points to a test that does not exist, and no table row is without one."""
    rows = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    promises = [row for row in rows if not row.startswith(("| guarantee", "| barrier", "| ---"))]
    silent = [row for row in promises if not NAMED.search(row) and "the tests above" not in row]

    assert missing(ROOT, names()) == []
    assert silent == []


@pytest.mark.parametrize("named", [("tests/test_safety.py", "test_not_there"), ("tests/not_there.py", "")])
def test_a_test_that_is_not_there_is_missed(named: tuple[str, str]) -> None:
    """The check can fail: an unknown file or test is found."""
    assert missing(ROOT, [named]) == [f"{named[0]}::{named[1]}"]
