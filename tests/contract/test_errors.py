"""Every error that the product raises tells three things: what failed, what was done, and what to do next."""

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest

import ink_infra_mcp
from ink_infra_mcp.core import errors

PACKAGE = Path(ink_infra_mcp.__file__).parent
ERRORS = {
    name: kind for name, kind in vars(errors).items() if inspect.isclass(kind) and issubclass(kind, errors.InkError)
}


def without_next(text: str) -> Iterator[int]:
    """Yield the line of each error that is made without words for what to do next; `**more` counts as having some."""
    for node in ast.walk(ast.parse(text)):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ERRORS):
            continue
        given = {word.arg: word.value for word in node.keywords}
        if None not in given and ("next" not in given or ast.unparse(given["next"]) in {"''", '""'}):
            yield node.lineno


def test_every_error_says_what_to_do_next() -> None:
    """No error of ours leaves its reader without a next step."""
    files = [path for path in PACKAGE.rglob("*.py") if "sandbox" not in path.parts]
    found = {str(path.relative_to(PACKAGE)): [*without_next(path.read_text(encoding="utf-8"))] for path in files}
    assert {path: lines for path, lines in found.items() if lines} == {}


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("raise InputError('It failed.')", [1]),
        ("raise InputError('It failed.', next='')", [1]),
        ("\nraise NotFound('It failed.', service='Coolify')", [2]),
        ("raise InputError('It failed.', next='Do it.')", []),
        ("raise InputError('It failed.', **more)", []),
        ("raise ValueError('It failed.')", []),
    ],
)
def test_an_error_without_a_next_step_is_found(text: str, lines: list[int]) -> None:
    """The search notices an error without a next step, or with an empty one, and no other."""
    assert [*without_next(text)] == lines


def test_every_error_has_a_code_of_its_own() -> None:
    """A program can tell every kind of error apart by its code, and each kind says what it is."""
    codes = [kind.code for kind in ERRORS.values()]
    assert len(set(codes)) == len(codes)
    assert all(inspect.getdoc(kind) for kind in ERRORS.values())


def test_the_words_of_an_error_stand_in_order() -> None:
    """An error reads as one text: what failed, then what was done, then what to do."""
    error = errors.UnknownName("There is no app.", next="See list_apps.")
    assert str(error) == "There is no app. Nothing was changed. See list_apps."
    assert str(errors.InkError("It failed.", done="")) == "It failed."
