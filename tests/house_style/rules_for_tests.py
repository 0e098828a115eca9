"""The rules for tests: what a test must say, and what it must not do."""

import ast
from collections.abc import Iterator
from pathlib import Path

NOT_OURS = frozenset({"node_modules", ".installed"})
"""Folders into which tests install the programs of others."""


def offences(text: str, path: str) -> list[str]:
    """Return a sentence for each rule that a test file's text breaks, in the order of its lines."""
    tree = ast.parse(text)
    found = [*_silent_tests(tree), *_sleeps(tree), *_mocks(tree), *_unreasoned_skips(tree)]
    return [f"{path}:{line} {what}" for line, what in sorted(found)]


def offences_below(root: Path) -> list[str]:
    """Return the offences of every Python file below `root`."""
    files = sorted(file for file in root.rglob("*.py") if not NOT_OURS & {*file.parts})
    return [
        offence
        for file in files
        for offence in offences(file.read_text(encoding="utf-8"), file.relative_to(root).as_posix())
    ]


def _silent_tests(tree: ast.Module) -> Iterator[tuple[int, str]]:
    functions = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    for function in functions:
        if function.name.startswith("test_") and ast.get_docstring(function) is None:
            yield function.lineno, f"{function.name} does not state its promise"


def _sleeps(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id="time"), attr="sleep")):
                yield node.lineno, "sleeps instead of waiting for what it wants"
            case ast.ImportFrom(module="time", names=names) if any(name.name == "sleep" for name in names):
                yield node.lineno, "imports sleep"
            case _:
                pass


def _mocks(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        match node:
            case (
                ast.ImportFrom(module="unittest" | "unittest.mock" | "mock")
                | ast.Import(names=[ast.alias(name="unittest.mock" | "mock")])
            ):
                yield node.lineno, "mocks"
            case _:
                pass


def _unreasoned_skips(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Attribute) or ast.unparse(node) not in {"pytest.mark.skip", "pytest.mark.xfail"}:
            continue
        call = next((c for c in ast.walk(tree) if isinstance(c, ast.Call) and c.func is node), None)
        if call is None or not (call.args or any(word.arg == "reason" for word in call.keywords)):
            yield node.lineno, "is skipped without a reason"
