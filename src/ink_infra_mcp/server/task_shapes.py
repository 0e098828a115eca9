"""Tasks as both protocol eras word them: where one stands, in the extension of 2026-07-28 and in 2025-11-25 itself."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, cast

from mcp import types
from mcp.types.methods import serialize_server_result

from ink_infra_mcp.core.operation import Outcome
from ink_infra_mcp.server import answers
from ink_infra_mcp.server.backend import Backend
from ink_infra_mcp.state.records import Held, Operation

POLL_MS = 1000
RELATED = "io.modelcontextprotocol/related-task"
AT_ONCE = "io.modelcontextprotocol/model-immediate-response"
MAX_STATUS = 300
_CREATED = "ink-infra/created-task"
Status = Literal["working", "input_required", "completed", "failed", "cancelled"]
TERMINAL: frozenset[Status] = frozenset(("completed", "failed", "cancelled"))


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a task stands; times are Unix seconds."""

    id: str
    status: Status
    message: str
    created_at: float
    updated_at: float

    def modern(self) -> dict[str, Any]:
        """Return it as the extension words a task; it is kept for ever, so that no time is given."""
        return {**self._common(), "ttlMs": None, "pollIntervalMs": POLL_MS}

    def handshake(self) -> dict[str, Any]:
        """Return it as protocol 2025-11-25 words a task."""
        return {**self._common(), "ttl": None, "pollInterval": POLL_MS}

    def _common(self) -> dict[str, Any]:
        return {
            "taskId": self.id,
            "status": self.status,
            "statusMessage": self.message,
            "createdAt": _iso(self.created_at),
            "lastUpdatedAt": _iso(self.updated_at),
        }


def standing(handle: str, held: Held, backend: Backend, *, modern: bool) -> Standing:
    """Return where the task of an operation stands, under the id that its caller was given.

    The older protocol calls a task cancelled from the request on, and failed where its result is an error; the
    extension says what became of it.
    """
    operation = held.operation
    return Standing(
        id=handle,
        status=_modern(operation) if modern else _handshake(operation),
        message=answers.safe(_words(operation), backend, limit=MAX_STATUS),
        created_at=operation.created_at,
        updated_at=max(held.updated_at, operation.ended_at or 0.0),
    )


def ended_as(result: types.CallToolResult) -> Status:
    """Return what protocol 2025-11-25 calls a task with that result."""
    return "failed" if result.is_error else "completed"


def worded(result: types.CallToolResult, version: str) -> dict[str, Any]:
    """Return a tool's result as a plain call of that protocol version would have been given it."""
    whole = result.model_dump(by_alias=True, mode="json", exclude_none=True)
    return serialize_server_result("tools/call", version, whole)


def related(task_id: str) -> dict[str, Any]:
    """Return what binds a message of protocol 2025-11-25 to its task."""
    return {RELATED: {"taskId": task_id}}


def created(task: Standing, words: str) -> types.CallToolResult:
    """Return a result that `unwrapped` makes the handle of protocol 2025-11-25 of, once the SDK has let it pass.

    The SDK has no other shape than a tool's own result for a call of that protocol.
    """
    begun = {**task.handshake(), "status": "working"}
    handle = {"task": begun, "_meta": {AT_ONCE: words}}
    return types.CallToolResult.model_validate({"content": [], "_meta": {_CREATED: json.dumps(handle)}})


def is_created(result: object) -> bool:
    """Return whether a result is one of `created`."""
    return isinstance(result, types.CallToolResult) and _CREATED in (result.meta or {})


def handle_of(result: types.CallToolResult) -> str:
    """Return the id of the task in one of `created`."""
    return str(json.loads((result.meta or {})[_CREATED])["task"]["taskId"])


def unwrapped(result: Any) -> dict[str, Any] | None:
    """Return the handle in a result as the SDK words it, None where it holds none."""
    if not isinstance(result, dict):
        return None
    meta: Any = cast(dict[str, Any], result).get("_meta")
    text = cast(dict[str, Any], meta).get(_CREATED) if isinstance(meta, dict) else None
    return json.loads(text) if isinstance(text, str) else None


def _modern(operation: Operation) -> Status:
    if operation.receipt is None:
        return "working"
    return "cancelled" if operation.receipt.outcome is Outcome.CANCELLED else "completed"


def _handshake(operation: Operation) -> Status:
    if operation.cancel_requested:
        return "cancelled"
    status = _modern(operation)
    return "failed" if status == "completed" and _is_error(operation) else status


def _is_error(operation: Operation) -> bool:
    return operation.receipt is not None and answers.is_error(operation.receipt)


def _words(operation: Operation) -> str:
    if operation.receipt is not None:
        return f"{operation.id}: {operation.receipt.message}"
    stops = " It stops before its next step." if operation.cancel_requested else ""
    return f"{operation.id}: {operation.now_at or 'starting'}.{stops}"


def _iso(unix_s: float) -> str:
    return datetime.fromtimestamp(unix_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
