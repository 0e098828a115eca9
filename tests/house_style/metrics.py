"""Measures Python source: what it counts is said beside each number, so that a bar can be argued with."""

import ast
import io
import re
import tokenize
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

Function = ast.FunctionDef | ast.AsyncFunctionDef

PRAGMA = re.compile(r"#\s*(noqa|type:\s*ignore|pragma:|fmt:|pyright:|mypy:|pylint:|ruff:|isort:)")
LAYOUT = frozenset({tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER})


@dataclass(frozen=True)
class FunctionShape:
    """One function. `lines` are code lines: signature and nested functions in; docstring, comments, blanks out.

    `complexity` follows radon's rule: one, plus each branch, loop, handler, assertion, boolean term,
    comprehension loop and filter, loop `else` and match case (a bare `case _` is free).
    """

    where: str
    lines: int
    complexity: int
    typed: bool
    public: bool
    documented: bool


@dataclass(frozen=True)
class ModuleShape:
    """One file. `lines` are all its lines, `code_lines` those with a token that is no comment and no docstring."""

    path: str
    lines: int
    code_lines: int
    documented: bool
    functions: tuple[FunctionShape, ...]
    pragmas: tuple[int, ...]
    broad_excepts: tuple[int, ...]
    prints: tuple[int, ...]


def measure(text: str, path: str) -> ModuleShape:
    """Measure one file's text; `path` is only what it is called.

    Raises:
        SyntaxError: the text is not Python.
    """
    tree = ast.parse(text)
    comments, code = _lines_by_kind(text, tree)
    return ModuleShape(
        path=path,
        lines=len(text.splitlines()),
        code_lines=len(code),
        documented=ast.get_docstring(tree) is not None,
        functions=tuple(_functions(tree, code, path)),
        pragmas=tuple(line for line, comment in comments if PRAGMA.match(comment)),
        broad_excepts=_lines_where(tree, _is_broad_except),
        prints=_lines_where(tree, _is_print),
    )


def measure_tree(root: Path) -> list[ModuleShape]:
    """Measure every Python file below `root`, in the order of their paths."""
    files = sorted(root.rglob("*.py"))
    return [measure(file.read_text(encoding="utf-8"), file.relative_to(root).as_posix()) for file in files]


def at_share(values: list[int], share: float) -> int:
    """Return the value below which `share` of the sorted values lie; 0 of none."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))] if values else 0


def _lines_by_kind(text: str, tree: ast.Module) -> tuple[list[tuple[int, str]], set[int]]:
    comments: list[tuple[int, str]] = []
    code: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            comments.append((token.start[0], token.string))
        elif token.type not in LAYOUT:
            code.update(range(token.start[0], token.end[0] + 1))
    return comments, code - _docstring_lines(tree)


def _docstring_lines(tree: ast.Module) -> set[int]:
    """Return the lines of docstrings, those under attributes included."""
    return {
        line
        for statement in ast.walk(tree)
        if isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
        for line in range(statement.lineno, (statement.end_lineno or statement.lineno) + 1)
    }


def _functions(
    node: ast.AST, code: set[int], where: str, *, public: bool = True, method: bool = False
) -> Iterator[FunctionShape]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef):
            visible = public and not child.name.startswith("_")
            yield from _functions(child, code, f"{where}:{child.name}", public=visible, method=True)
        elif isinstance(child, Function):
            if not _is_stub(child):
                yield _shape(child, code, where, public=public, method=method)
            yield from _functions(child, code, f"{where}:{child.name}", public=False)
        else:
            yield from _functions(child, code, where, public=public, method=method)


def _shape(function: Function, code: set[int], where: str, *, public: bool, method: bool) -> FunctionShape:
    last = function.end_lineno or function.lineno
    return FunctionShape(
        where=f"{where}:{function.name} (line {function.lineno})",
        lines=sum(line in code for line in range(function.lineno, last + 1)),
        complexity=_complexity(function),
        typed=_is_typed(function, method=method),
        public=public and not function.name.startswith("_"),
        documented=ast.get_docstring(function) is not None,
    )


def _complexity(function: Function) -> int:
    score, waiting = 1, list(ast.iter_child_nodes(function))
    while waiting:
        node = waiting.pop()
        if isinstance(node, Function | ast.ClassDef):
            continue
        score += _branches(node)
        waiting.extend(ast.iter_child_nodes(node))
    return score


def _branches(node: ast.AST) -> int:
    match node:
        case ast.If() | ast.IfExp() | ast.Assert() | ast.ExceptHandler():
            return 1
        case ast.For() | ast.AsyncFor() | ast.While():
            return 1 + bool(node.orelse)
        case ast.BoolOp():
            return len(node.values) - 1
        case ast.comprehension():
            return 1 + len(node.ifs)
        case ast.match_case(pattern=ast.MatchAs(pattern=None), guard=None):
            return 0
        case ast.match_case():
            return 1
        case _:
            return 0


def _is_stub(function: Function) -> bool:
    """Return whether only types are promised here: an overload, or a body of nothing but `...`."""
    if any("overload" in ast.unparse(decorator) for decorator in function.decorator_list):
        return True
    constants = [s.value.value for s in function.body if isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant)]
    return len(constants) == len(function.body) and ... in constants


def _is_typed(function: Function, *, method: bool) -> bool:
    given = function.args
    named = [*given.posonlyargs, *given.args]
    static = any(isinstance(d, ast.Name) and d.id == "staticmethod" for d in function.decorator_list)
    others = [*given.kwonlyargs, *(extra for extra in (given.vararg, given.kwarg) if extra)]
    checked = [*(named[1:] if method and not static else named), *others]
    return function.returns is not None and all(argument.annotation for argument in checked)


def _lines_where(tree: ast.Module, wanted: Callable[[ast.AST], bool]) -> tuple[int, ...]:
    return tuple(sorted(getattr(node, "lineno", 0) for node in ast.walk(tree) if wanted(node)))


def _is_broad_except(node: ast.AST) -> bool:
    """Return whether a handler may swallow every error; one that ends by raising again swallows none."""
    match node:
        case ast.ExceptHandler(body=[*_, ast.Raise(exc=None)]):
            return False
        case ast.ExceptHandler(type=None) | ast.ExceptHandler(type=ast.Name(id="Exception" | "BaseException")):
            return True
        case _:
            return False


def _is_print(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
