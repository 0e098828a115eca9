"""Tasks: the operations of the state store as MCP's clients hold them, in the extension and in protocol 2025-11-25.

An operation is durable and goes on by itself, so its task is: any process on the same store answers for it, to the
principal that began it. What a person has to approve is asked before there is an operation: by the multi round trips of
2026-07-28 before a task is made, and in the `input_required` task of 2025-11-25.
"""

import json
import logging
import math
import secrets
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import anyio
from anyio.abc import TaskGroup
from mcp import MCPError, types
from mcp.server.context import CallNext, HandlerResult
from mcp.server.lowlevel import Server
from pydantic import ValidationError

from ink_infra_mcp.core.errors import InkError
from ink_infra_mcp.core.operation import Outcome
from ink_infra_mcp.core.receipt import Receipt
from ink_infra_mcp.guard.caller import Asked, Caller
from ink_infra_mcp.server import answers, asking, task_shapes
from ink_infra_mcp.server.asking import TASKS, Context
from ink_infra_mcp.server.backend import Backend, Open
from ink_infra_mcp.server.binding import Binding, Call, asked_twice, progress
from ink_infra_mcp.server.catalogue import HANDSHAKE, Catalogue
from ink_infra_mcp.server.early import Earlies, Early
from ink_infra_mcp.server.task_shapes import TERMINAL, Standing
from ink_infra_mcp.state.records import Held, Place

log = logging.getLogger(__name__)
PAGE = 50
MAX_HANDLE = 100
"""Characters of a task's id, and of a cursor; ours have fewer than fifty."""
CANCEL = "cancel_operation"
CANCEL_WAIT_S = 10.0
"""How long a request to stop an operation is waited for; it is one write into the store."""
_RUNS = "The operation {id} runs and goes on by itself. Where its result is wanted later: get_operation {id}."


class UpdateParams(types.RequestParams):
    """What tasks/update brings: answers to questions of the task."""

    task_id: str
    input_responses: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Tasks:
    """Answers tasks/*, of one principal. `now` gives Unix seconds; `new_id` names a task that is no operation."""

    catalogue: Catalogue
    open: Open
    principal: str
    binding: Binding
    now: Callable[[], float] = time.time
    new_id: Callable[[], str] = field(default=lambda: f"tk-{secrets.token_hex(12)}")
    _early: Earlies = field(init=False)
    _group: TaskGroup = field(init=False)
    _told: set[str] = field(default_factory=set[str])

    def __post_init__(self) -> None:
        """Begin without tasks that are no operations."""
        object.__setattr__(self, "_early", Earlies(now=self.now, new_id=self.new_id))

    @asynccontextmanager
    async def life(self) -> AsyncGenerator[None]:
        """Have people asked for as long as the server serves; its end takes open questions back."""
        async with anyio.create_task_group() as group:
            object.__setattr__(self, "_group", group)
            try:
                yield
            finally:
                group.cancel_scope.cancel()

    def register(self, server: "Server[Any]") -> None:
        """Have a server offer tasks, unless it shows nothing that changes anything."""
        if not self.catalogue.changing:
            return
        server.extensions[TASKS] = {}
        server.add_request_handler("tasks/get", types.GetTaskRequestParams, self.get)
        server.add_request_handler("tasks/result", types.GetTaskPayloadRequestParams, self.result)
        server.add_request_handler("tasks/list", types.PaginatedRequestParams, self.list)
        server.add_request_handler("tasks/update", UpdateParams, self.update)
        if self._can_cancel:
            server.add_request_handler("tasks/cancel", types.CancelTaskRequestParams, self.cancel)

    async def watch(self, ctx: Context, call_next: CallNext) -> HandlerResult:
        """Word for protocol 2025-11-25 what the SDK has no place for: the handle of a task, and that there are tasks.

        It is a middleware, and takes what the SDK has checked.
        """
        result = await call_next(ctx)
        if ctx.method == "tools/call" and ctx.protocol_version == HANDSHAKE:
            return task_shapes.unwrapped(result) or result
        if ctx.method == "initialize" and isinstance(result, dict) and self.catalogue.changing:
            return self._declared(result)
        return result

    async def call(self, ctx: Context, params: types.CallToolRequestParams) -> types.CallToolResult:
        """Begin a call that protocol 2025-11-25 names a task; whatever comes of it, the answer is its handle.

        Raises:
            MCPError: the tool changes nothing, and answers at once.
        """
        if params.name not in self.catalogue.changing:
            raise MCPError(code=types.METHOD_NOT_FOUND, message=f"{params.name[:80]} cannot be called as a task.")
        result = await self.binding.answered(params.name, lambda backend: self._begun(ctx, params, backend))
        if task_shapes.is_created(result):
            self._tell_later(ctx, task_shapes.handle_of(result))
            return result
        early = self._early.ended(result)
        return task_shapes.created(early.standing(), early.standing().message)

    async def get(self, ctx: Context, params: types.GetTaskRequestParams) -> dict[str, Any]:
        """Return where a task stands; the extension has its result in it, once there is one.

        The question of a task of 2025-11-25 is sent from now on: its official client waits for that, and polls.

        Raises:
            MCPError: it is nobody's, or another principal's, or the client did not declare the extension.
        """
        modern = _era(ctx, "tasks/get")
        early = self._early.get(params.task_id)
        if early is not None and not early.operation_id:
            self._see_to_it(ctx, early)
            return _shaped(early.standing(), modern=modern)
        backend, held = await self._held(params.task_id)
        task = _shaped(task_shapes.standing(params.task_id, held, backend, modern=modern), modern=modern)
        if modern and held.operation.receipt is not None and task["status"] == "completed":
            result = answers.of_receipt(held.operation.receipt, backend)
            task["result"] = task_shapes.worded(result, ctx.protocol_version)
        return task

    async def result(self, ctx: Context, params: types.GetTaskPayloadRequestParams) -> dict[str, Any]:
        """Return a task's result when it has ended, however long that takes.

        Raises:
            MCPError: it is nobody's, or another principal's.
        """
        _need_handshake(ctx)
        early = self._early.get(params.task_id)
        if early is not None and early.waits:
            self._see_to_it(ctx, early)
            await early.settled.wait()
        ended = early is not None and not early.operation_id
        result = early.result if early is not None and ended else None
        if result is None:
            result = await self._followed(ctx, params.task_id)
        whole = task_shapes.worded(result, ctx.protocol_version)
        return {**whole, "_meta": {**whole.get("_meta", {}), **task_shapes.related(params.task_id)}}

    async def list(self, ctx: Context, params: types.PaginatedRequestParams) -> dict[str, Any]:
        """Return the principal's tasks, newest first: what is no operation yet or never was, then every operation.

        Raises:
            MCPError: the cursor is not one of ours.
        """
        _need_handshake(ctx)
        after = _place(params.cursor)
        backend = await self._opened()
        try:
            found = await backend.records.held_by(self.principal, after=after, limit=PAGE + 1)
        except InkError as error:
            raise answers.fault(error, backend) from error
        early = () if after else (early.standing() for early in self._early.all())
        shown = (task_shapes.standing(held.operation.id, held, backend, modern=False) for held in found[:PAGE])
        more = {"nextCursor": _cursor(found[PAGE - 1])} if len(found) > PAGE else {}
        return {"tasks": [task.handshake() for task in (*early, *shown)], **more}

    async def update(self, ctx: Context, params: UpdateParams) -> dict[str, Any]:
        """Take answers to a task's questions: there are none, since all is asked before a task is made.

        Raises:
            MCPError: it is nobody's, or another principal's, or the client did not declare the extension.
        """
        if not _era(ctx, "tasks/update"):
            raise _no_such("tasks/update")
        await self._held(params.task_id)
        return {}

    async def cancel(self, ctx: Context, params: types.CancelTaskRequestParams) -> dict[str, Any]:
        """Stop an operation before its next step, as cancel_operation does: where that takes a person's yes, as here.

        Raises:
            MCPError: it is nobody's or another principal's, has ended, or a person has to approve that first.
        """
        modern = _era(ctx, "tasks/cancel")
        early = self._early.get(params.task_id)
        if early is not None and not early.operation_id:
            await self._give_up(early)
            if not early.operation_id:
                return early.standing().handshake()
        backend, held = await self._held(params.task_id)
        before = task_shapes.standing(params.task_id, held, backend, modern=modern)
        if before.status in TERMINAL:
            if modern:
                return {}
            raise _ended(before)
        receipt = await self._stopped(ctx, held, backend, params.task_id)
        if receipt.outcome not in (Outcome.APPLIED, Outcome.ALREADY_SO):
            words = answers.safe(answers.receipt_text(receipt), backend)
            raise MCPError(code=types.INVALID_REQUEST, message=words)
        backend, held = await self._held(params.task_id)
        after = task_shapes.standing(params.task_id, held, backend, modern=modern)
        return {} if modern else after.handshake()

    @property
    def _can_cancel(self) -> bool:
        """What stops operations is hidden here where it is hidden as a tool."""
        return CANCEL in self.catalogue.contracts

    def _declared(self, result: dict[str, Any]) -> dict[str, Any]:
        if result.get("protocolVersion") != HANDSHAKE:
            return result
        can: dict[str, Any] = {"list": {}, **({"cancel": {}} if self._can_cancel else {})}
        offered: dict[str, Any] = {**can, "requests": {"tools": {"call": {}}}}
        return {**result, "capabilities": {**result["capabilities"], "tasks": offered}}

    async def _begun(self, ctx: Context, params: types.CallToolRequestParams, backend: Backend) -> types.CallToolResult:
        call = self.binding.change_of(ctx, params, backend)
        said = await backend.change(call.tool, call.args, call.caller)
        if isinstance(said, Asked):
            early = self._early.asked(call, said)
            return task_shapes.created(early.standing(), early.standing().message)
        held = await backend.records.held(said.operation_id or "", principal=self.principal)
        if said.outcome is not Outcome.RUNNING or held is None:
            return answers.of_receipt(said, backend)
        task = task_shapes.standing(held.operation.id, held, backend, modern=False)
        return task_shapes.created(task, _RUNS.format(id=held.operation.id))

    def _tell_later(self, ctx: Context, task_id: str) -> None:
        """Have the client told of the task's end, once, however many calls it has come of."""
        if task_id not in self._told:
            self._told.add(task_id)
            self._group.start_soon(self._tell, ctx, task_id)

    async def _tell(self, ctx: Context, task_id: str) -> None:
        """Tell it in a notification, which a client may pass over: the same stands in tasks/get."""
        try:
            task = await self._at_its_end(task_id)
            params = types.TaskStatusNotificationParams.model_validate(task.handshake())
            # the SDK sends it as any other, and does not list it among those that it sends
            told = cast(types.ServerNotification, types.TaskStatusNotification(params=params))
            await ctx.session.send_notification(told)
        except (InkError, MCPError) as error:
            log.warning("the end of the task %s is not told: %s", task_id, error)
        finally:
            self._told.discard(task_id)

    async def _at_its_end(self, task_id: str) -> Standing:
        early = self._early.get(task_id)
        if early is not None and early.waits:
            await early.settled.wait()
        if early is not None and not early.operation_id:
            return early.standing()
        backend, held = await self._held(task_id)
        await backend.follow(held.operation.id, math.inf, None)
        backend, held = await self._held(task_id)
        return task_shapes.standing(task_id, held, backend, modern=False)

    def _see_to_it(self, ctx: Context, early: Early) -> None:
        """Have the person asked, once it is certain that the client knows the task that the question is about."""
        if early.asking is None and early.call is not None and early.asked is not None:
            early.asking = anyio.CancelScope()
            self._group.start_soon(self._ask, ctx, early, early.call, early.asked, early.asking)

    async def _ask(self, ctx: Context, early: Early, call: Call, asked: Asked, scope: anyio.CancelScope) -> None:
        async def answered(backend: Backend) -> types.CallToolResult | None:
            said = await self.binding.ask_and_change(ctx, asked, call, backend, about=task_shapes.related(early.id))
            receipt = said if isinstance(said, Receipt) else asked_twice(said)
            if receipt.outcome is not Outcome.RUNNING or receipt.operation_id is None:
                return answers.of_receipt(receipt, backend)
            self._early.become(early, receipt.operation_id)
            return None

        with scope:
            result = await self.binding.answered(call.tool.name, answered)
            if result is not None:
                self._early.settle(early, result)
        if early.waits:
            self._early.give_up(early)

    async def _give_up(self, early: Early) -> None:
        """Take the question back; a yes that was faster has begun its operation by then, and counts."""
        if early.call is None or not early.waits:
            raise _ended(early.standing())
        if early.asking is not None:
            early.asking.cancel()
            await early.settled.wait()
            return
        await (await self._opened()).leave(early.id, early.call.caller)
        self._early.give_up(early)

    async def _stopped(self, ctx: Context, held: Held, backend: Backend, task_id: str) -> Receipt:
        tool = backend.mutations[CANCEL]
        args = tool.args.model_validate({"operation": held.operation.id, "wait_s": 0})
        can_ask = asking.can_ask(ctx) and not asking.is_modern(ctx)
        caller = Caller(self.principal, "elicitation", can_ask, self.binding.connection)
        try:
            said = await backend.change(tool, args, caller)
            if isinstance(said, Asked):
                call, about = Call(tool, args, caller), task_shapes.related(task_id)
                said = await self.binding.ask_and_change(ctx, said, call, backend, about=about)
            receipt = said if isinstance(said, Receipt) else asked_twice(said)
            if receipt.outcome is Outcome.RUNNING and receipt.operation_id is not None:
                return await backend.follow(receipt.operation_id, CANCEL_WAIT_S, None)
        except InkError as error:
            raise answers.fault(error, backend) from error
        return receipt

    async def _followed(self, ctx: Context, task_id: str) -> types.CallToolResult:
        backend, held = await self._held(task_id)
        try:
            receipt = await backend.follow(held.operation.id, math.inf, progress(ctx, backend))
        except InkError as error:
            raise answers.fault(error, backend) from error
        return answers.of_receipt(receipt, backend)

    async def _held(self, task_id: str) -> tuple[Backend, Held]:
        """Return the operation of a task; one of somebody else is answered for as one that is not there."""
        early = self._early.get(task_id)
        backend = await self._opened()
        try:
            handle = early.operation_id if early else task_id
            found = await backend.records.held(handle, principal=self.principal) if _is_handle(handle) else None
        except InkError as error:
            raise answers.fault(error, backend) from error
        if found is None:
            raise MCPError(code=types.INVALID_PARAMS, message="Task not found")
        return backend, found

    async def _opened(self) -> Backend:
        try:
            return await self.open()
        except InkError as error:
            raise answers.fault(error, None) from error


def _era(ctx: Context, method: str) -> bool:
    """Return whether the request speaks of the extension; raises MCPError where it may speak of no task."""
    if not asking.is_modern(ctx):
        if ctx.protocol_version != HANDSHAKE:
            raise _no_such(method)
        return False
    if not asking.takes_tasks(ctx):
        raise MCPError(
            code=types.MISSING_REQUIRED_CLIENT_CAPABILITY,
            message="Missing required client capability",
            data={"requiredCapabilities": {"extensions": {TASKS: {}}}},
        )
    return True


def _need_handshake(ctx: Context) -> None:
    if ctx.protocol_version != HANDSHAKE:
        raise _no_such(ctx.method)


def _no_such(method: str) -> MCPError:
    return MCPError(code=types.METHOD_NOT_FOUND, message="Method not found", data=method)


def _shaped(task: Standing, *, modern: bool) -> dict[str, Any]:
    return task.modern() if modern else task.handshake()


def _ended(task: Standing) -> MCPError:
    return MCPError(code=types.INVALID_PARAMS, message=f"The task has ended already: it is {task.status}.")


def _is_handle(value: object) -> bool:
    """Say whether it may be one of ours: a database may refuse other texts, which is no fault of the store."""
    return isinstance(value, str) and len(value) <= MAX_HANDLE and value.isascii() and value.isprintable()


def _cursor(held: Held) -> str:
    return json.dumps([held.operation.created_at, held.operation.id])


def _place(cursor: str | None) -> Place | None:
    if cursor is None:
        return None
    try:
        # a longer one may be so deep that its reader breaks
        created_at, id_ = json.loads(cursor[:MAX_HANDLE])
        if not _is_handle(id_):
            raise ValueError("no id")
        return Place(created_at=created_at, id=id_)
    except (ValueError, TypeError, ValidationError) as error:
        raise MCPError(code=types.INVALID_PARAMS, message="The cursor is none that was given here.") from error
