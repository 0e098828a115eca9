"""Runs a called tool: strict arguments, queries straight, mutations through the guard with a person in between."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import anyio
from mcp import MCPError, types
from pydantic import BaseModel, ValidationError

from ink_infra_mcp.core.arguments import taken
from ink_infra_mcp.core.errors import InkError, InputError
from ink_infra_mcp.core.operation import Outcome
from ink_infra_mcp.core.receipt import Receipt
from ink_infra_mcp.guard.caller import Asked, Caller, Progress, Reply
from ink_infra_mcp.server import answers, asking, task_shapes
from ink_infra_mcp.server.asking import Context
from ink_infra_mcp.server.backend import AnyMutation, Backend, Open
from ink_infra_mcp.server.catalogue import Catalogue
from ink_infra_mcp.server.noting import Noting

log = logging.getLogger(__name__)
Result = types.CallToolResult | types.InputRequiredResult | dict[str, Any]
"""What a call comes to; an object is the handle of a task, which the SDK has no type for."""
ResultT = TypeVar("ResultT")
MAX_PROGRESS = 300


class _BadArguments(Exception):
    """The arguments of a call do not fit its tool."""

    def __init__(self, found: ValidationError, model: type[BaseModel]) -> None:
        super().__init__("bad arguments")
        self.found = found
        self.known = tuple(model.model_fields)


@dataclass(frozen=True, slots=True)
class Call:
    """A mutation that somebody called."""

    tool: AnyMutation
    args: BaseModel
    caller: Caller


@dataclass(frozen=True, slots=True)
class Binding:
    """Answers tools/call. `principal` is who the `connection` acts for; `ask_s` bounds a question asked in mid-call."""

    catalogue: Catalogue
    open: Open
    principal: str
    connection: str
    noting: Noting
    ask_s: float = 3600.0

    async def call(self, ctx: Context, params: types.CallToolRequestParams) -> Result:
        """Return the result of a call; nothing that happens in it reaches the client as a protocol error."""
        return await self.answered(params.name, lambda backend: self._known(ctx, params, backend))

    async def answered(
        self, name: str, work: Callable[[Backend], Awaitable[ResultT]]
    ) -> ResultT | types.CallToolResult:
        """Return what `work` makes of a call of the tool of that name, or the result that says why it made nothing."""
        backend: Backend | None = None
        try:
            if name not in self.catalogue.contracts:
                await self.noting.unknown(name)
                return _unknown(name, self.catalogue)
            backend = await self.open()
            return await work(backend)
        except _BadArguments as error:
            await self.noting.arguments(name, error.found)
            return answers.of_bad_arguments(error.found, backend, known=error.known)
        except InkError as error:
            if isinstance(error, InputError) and backend is not None and name in backend.mutations:
                await self.noting.refused(name)
            return answers.of_error(error, backend)
        except Exception as error:
            log.exception("tool %s broke", name)
            return answers.of_crash(error)

    def change_of(self, ctx: Context, params: types.CallToolRequestParams, backend: Backend) -> Call:
        """Return the change that a call asks for; raises what `answered` makes a result of."""
        tool = backend.mutations[params.name]
        caller = Caller(
            principal=self.principal, channel="elicitation", can_ask=asking.can_ask(ctx), connection=self.connection
        )
        return Call(tool, _arguments(tool.args, params), caller)

    async def _known(self, ctx: Context, params: types.CallToolRequestParams, backend: Backend) -> Result:
        query = backend.queries.get(params.name)
        if query is not None:
            args = _arguments(query.args, params)
            return answers.of_report(query, await query.observe(args, backend.look), backend)
        return await self._change(ctx, params, self.change_of(ctx, params, backend), backend)

    async def _change(self, ctx: Context, params: types.CallToolRequestParams, call: Call, backend: Backend) -> Result:
        reply = asking.answered(params)
        if reply is None:
            said = await backend.change(call.tool, call.args, call.caller)
        else:
            said = await backend.reply(call.tool, call.args, reply, call.caller)
        if isinstance(said, Asked) and reply is None:
            if asking.is_modern(ctx):
                return asking.question(said)
            said = await self.ask_and_change(ctx, said, call, backend)
        receipt = said if isinstance(said, Receipt) else asked_twice(said)
        if asking.takes_tasks(ctx) and (handle := await self._handle(receipt, backend)) is not None:
            return handle
        return answers.of_receipt(await self._followed(ctx, receipt, call.args, backend), backend)

    async def _handle(self, receipt: Receipt, backend: Backend) -> dict[str, Any] | None:
        """Return the task of an operation that has begun, for a client that takes one in the place of a result."""
        if receipt.outcome is not Outcome.RUNNING or receipt.operation_id is None:
            return None
        held = await backend.records.held(receipt.operation_id, principal=self.principal)
        if held is None:
            return None
        task = task_shapes.standing(receipt.operation_id, held, backend, modern=True)
        return {"resultType": "task", **task.modern(), "status": "working"}

    async def ask_and_change(
        self, ctx: Context, asked: Asked, call: Call, backend: Backend, *, about: Mapping[str, Any] | None = None
    ) -> Receipt | Asked:
        """Ask the person through a client of the handshake, and go on with the answer; `about` binds it to a task."""
        try:
            answer = await asking.ask_now(ctx, asked, timeout_s=self.ask_s, about=about)
        except anyio.get_cancelled_exc_class():
            await backend.leave(asked.approval.id, call.caller)
            raise
        except MCPError as error:
            if error.error.code == types.CONNECTION_CLOSED:
                await backend.leave(asked.approval.id, call.caller)
                return _left(asked)
            log.warning("the client could not ask its person: %s", error)
            return await backend.change(call.tool, call.args, replace(call.caller, can_ask=False))
        return await backend.reply(call.tool, call.args, Reply(asked.approval.id, answer), call.caller)

    async def _followed(self, ctx: Context, receipt: Receipt, args: BaseModel, backend: Backend) -> Receipt:
        if receipt.outcome is not Outcome.RUNNING or receipt.operation_id is None:
            return receipt
        wait_s = float(getattr(args, "wait_s", 45))
        return await backend.follow(receipt.operation_id, wait_s, progress(ctx, backend))


def _arguments(model: type[BaseModel], params: types.CallToolRequestParams) -> BaseModel:
    try:
        return model.model_validate(taken(model, params.arguments or {}))
    except ValidationError as error:
        raise _BadArguments(error, model) from error


def progress(ctx: Context, backend: Backend) -> Progress:
    """Return what tells the client of this request how far an operation is, in few words, redacted."""

    async def tell(done: float, total: float, message: str | None) -> None:
        words = None if message is None else answers.safe(message, backend, limit=MAX_PROGRESS)
        await ctx.session.report_progress(done, total, words)

    return tell


def asked_twice(asked: Asked) -> Receipt:
    """Return the receipt of a yes to a plan that is another one by now."""
    return Receipt(
        outcome=Outcome.PLAN_DRIFTED,
        message="The plan changed while the question was open. Nothing was changed; call again.",
        approval_id=asked.approval.id,
        plan=asked.text,
        plan_digest=asked.approval.plan_digest,
    )


def _left(asked: Asked) -> Receipt:
    """Return the receipt of a question whose client has gone; it is for nobody, and no fault of ours."""
    message = "The client went away before its person answered. Nothing was changed."
    return Receipt(outcome=Outcome.NOT_APPROVED, message=message, approval_id=asked.approval.id)


def _unknown(name: str, catalogue: Catalogue) -> types.CallToolResult:
    known = ", ".join(sorted(catalogue.contracts))
    text = f"[unknown_name] There is no tool {name[:80]!r} here. Nothing was done. Known: {known}."
    return types.CallToolResult(content=[types.TextContent(text=text)], is_error=True)
