"""Answers as MCP results: a short text for a person, structured content for a program, bounded, fenced, redacted."""

import difflib
import json
import secrets
from collections.abc import Callable, Iterable, Sequence
from enum import Enum
from functools import partial
from typing import Any, TypeVar, cast

from mcp import MCPError, types
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from ink_infra_mcp.core.errors import InkError
from ink_infra_mcp.core.operation import Outcome
from ink_infra_mcp.core.receipt import Problem, Receipt
from ink_infra_mcp.core.untrusted import clean, fence, without_unseen, written_out
from ink_infra_mcp.core.words import of_fault
from ink_infra_mcp.server.backend import AnyQuery, Backend

MAX_TEXT = 40_000
MAX_FIELD = 20_000
MAX_DATA = 100_000
MAX_NAME = 100
_NOT_DONE = {
    Outcome.FAILED,
    Outcome.UNDONE,
    Outcome.APPLIED_UNVERIFIED,
    Outcome.APPLIED_IN_PART,
    Outcome.REFUSED_BY_POLICY,
    Outcome.PLAN_DRIFTED,
    Outcome.LOCKED,
}
UNTRUSTED = "untrusted_"
"""How fields begin that hold texts of others: logs, pages, answers of vendors."""
Reader = Callable[[str], str]
AnyReport = TypeVar("AnyReport", bound=BaseModel)
SANDBOX = "[sandbox: a pretend world, nothing real was touched]"


def of_report(query: AnyQuery, report: BaseModel, backend: Backend) -> types.CallToolResult:
    """Return the result of a query; one that is too large for any client becomes an error that says so."""
    shown = screened(report, backend)
    data = _json(shown)
    size = len(json.dumps(data, ensure_ascii=False))
    if size > MAX_DATA:
        return _error(
            f"[too_large] {query.name} found {size} characters; an answer holds {MAX_DATA}. Nothing was changed. "
            "Ask for less: a smaller limit, or one thing by its name.",
            backend,
        )
    return types.CallToolResult(content=[_text(query.render(shown), backend)], structured_content=data)


def of_receipt(receipt: Receipt, backend: Backend) -> types.CallToolResult:
    """Return the result of a mutation; an outcome that is not what was asked for is marked as an error.

    Its plan is the text that a person approves: it is the same here, to the last character.
    """
    shown = screened(receipt, backend).model_copy(update={"plan": receipt.plan})
    return types.CallToolResult(
        content=[_text(receipt_text(shown), backend)],
        structured_content=_json(shown),
        is_error=is_error(receipt),
    )


def is_error(receipt: Receipt) -> bool:
    """Return whether what was asked for was not done, or is not known to be."""
    return receipt.outcome in _NOT_DONE


def fault(error: InkError, backend: Backend | None) -> MCPError:
    """Return an error as the answer to a request that is no call of a tool."""
    words = of_error(error, backend).content
    text = "".join(part.text for part in words if isinstance(part, types.TextContent))
    return MCPError(code=types.INTERNAL_ERROR, message=text)


def screened(report: AnyReport, backend: Backend) -> AnyReport:
    """Return a report with every value in it as it may be shown, before anything is laid out.

    Each text is one line, but for the fields `untrusted_*` that hold texts of others; what cannot be seen is written
    out, secrets are masked, and each is bounded. A list of lines is masked as the one text that it is.
    """
    values = {name: _shown(getattr(report, name), backend, name) for name in type(report).model_fields}
    return report.model_copy(update=values)


def data_of(report: BaseModel, backend: Backend) -> dict[str, Any]:
    """Return a report as JSON: what equals its default left out, every text as `screened` has it."""
    return _json(screened(report, backend))


def of_error(error: InkError, backend: Backend | None) -> types.CallToolResult:
    """Return an error that the model can act on: what failed, what was done, what to do next."""
    return _error(f"[{error.code}] {error}", backend)


def of_bad_arguments(
    error: ValidationError, backend: Backend | None, *, known: Iterable[str] = ()
) -> types.CallToolResult:
    """Return what is wrong with the arguments, by name and without repeating their values; `known` are those it has."""
    names = [*known]
    found = error.errors(include_url=False, include_input=False)
    lines = [f"{_path(item['loc'])}: {of_fault(item)}{_meant(item, names)}" for item in found]
    return _error(f"[invalid_input] Nothing was done. {'; '.join(lines[:10])}", backend)


def of_crash(error: Exception) -> types.CallToolResult:
    """Return the little that may be said of an unexpected fault; the log has the rest."""
    return _error(
        f"[bug] ink-infra-mcp broke with {type(error).__name__}. It is not known whether anything was changed: "
        "see list_operations and get_audit. The server's log on stderr has the details.",
        None,
    )


def safe(text: str, backend: Backend, *, limit: int = MAX_TEXT) -> str:
    """Return a text as it may leave the process: cleaned, redacted, and cut at `limit` characters."""
    return _bounded(_masked(text, backend, partial(clean, limit=None)), limit)


def receipt_text(receipt: Receipt) -> str:
    """Return a receipt as lines that a person reads."""
    lines = [f"  [{step.state}] {step.summary}" for step in receipt.steps]
    lines += [f"  {check.status}: {check.name} ({check.evidence})" for check in receipt.checks]
    lines += [f"{name}: {_brief(value)}" for name, value in receipt.result.items()]
    return "\n".join([*_head(receipt), *lines, *_problem_lines(receipt.problem)])


def _head(receipt: Receipt) -> list[str]:
    lines = [f"{receipt.outcome.replace('_', ' ')}: {receipt.message}"]
    if receipt.operation_id:
        lines.append(f"operation: {receipt.operation_id}")
    if receipt.plan:
        lines += ["", receipt.plan]
    return lines


def _problem_lines(problem: Problem | None) -> list[str]:
    lines: list[str] = []
    if problem and problem.probable_cause:
        lines.append(f"Probable cause: {problem.probable_cause}")
    if problem and problem.untrusted_log:
        log = "\n".join(problem.untrusted_log)
        lines.append(fence(clean(log), nonce=secrets.token_hex(8), label="build log"))
    return lines


def _brief(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _meant(fault: ErrorDetails, known: Sequence[str]) -> str:
    where = _path(fault["loc"])
    close = difflib.get_close_matches(where[:MAX_NAME], known, n=1) if fault["type"] == "extra_forbidden" else []
    return f"; did you mean `{close[0]}`?" if close else ""


def _path(loc: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in loc) or "arguments"


def _error(text: str, backend: Backend | None) -> types.CallToolResult:
    shown = safe(text, backend) if backend else clean(text, limit=MAX_TEXT)
    return types.CallToolResult(content=[types.TextContent(text=shown)], is_error=True)


def _text(text: str, backend: Backend) -> types.TextContent:
    marked = f"{SANDBOX}\n{text}" if backend.sandbox else text
    return types.TextContent(text=marked if len(marked) <= MAX_TEXT else f"{marked[: MAX_TEXT - 1]}…")


def _json(shown: BaseModel) -> dict[str, Any]:
    return shown.model_dump(mode="json", exclude_defaults=True)


def _shown(value: Any, backend: Backend, name: str) -> Any:
    if isinstance(value, Enum):
        return cast(object, value)
    if isinstance(value, str):
        return _bounded(_masked(value, backend, _reader(name)), MAX_FIELD)
    if isinstance(value, BaseModel):
        return screened(value, backend)
    if isinstance(value, dict):
        pairs = cast(dict[str, Any], value).items()
        return {_shown(key, backend, ""): _shown(part, backend, name) for key, part in pairs}
    if isinstance(value, tuple):
        return tuple(_parts(cast(tuple[Any, ...], value), backend, name))
    return _parts(cast(list[Any], value), backend, name) if isinstance(value, list) else value


def _parts(parts: Sequence[Any], backend: Backend, name: str) -> list[Any]:
    if all(isinstance(part, str) and not isinstance(part, Enum) for part in parts):
        return _lines(parts, backend, _reader(name))
    return [_shown(part, backend, name) for part in parts]


def _reader(name: str) -> Reader:
    return partial(clean, limit=None) if name.startswith(UNTRUSTED) else written_out


def _masked(text: str, backend: Backend, read: Reader) -> str:
    """A secret is known also where somebody has strewn in what cannot be seen: then that is dropped."""
    bare = without_unseen(text)
    found = backend.redact(bare)
    return read(found) if found != bare != text else backend.redact(read(backend.redact(text)))


def _lines(lines: Sequence[str], backend: Backend, read: Reader) -> list[str]:
    """A secret of several lines is known only where they stand together."""
    found = [_masked(line, backend, read) for line in lines]
    masked = backend.redact("\n".join(found)).split("\n")
    return [_bounded(line, MAX_FIELD) for line in (masked if len(masked) == len(found) else found)]


def _bounded(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
