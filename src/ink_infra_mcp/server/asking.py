"""Asks a person through the client, in both protocol eras, and reads the answer."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

import anyio
from mcp import types
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.shared.message import ServerMessageMetadata
from mcp.types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import ValidationError

from ink_infra_mcp.guard.caller import Answer, Asked, Reply

TASKS = "io.modelcontextprotocol/tasks"
KEY = "approval"
TYPED = "name"
_RESPONSES = "inputResponses"
_STATE = "requestState"
_UNREADABLE = "unreadable"
_NO: dict[str, Any] = {"action": "cancel", "content": {_UNREADABLE: True}}
"""What stands in the place of an answer that is none: the SDK would refuse it before anybody could take it for a no."""
Context = ServerRequestContext[Any, Any]


def can_ask(ctx: Context) -> bool:
    """Return whether this client declared form elicitation and can be reached on this request.

    An `elicitation` capability without modes means form (specification of 2025-06-18).
    """
    capabilities = ctx.session.client_capabilities
    asked = capabilities.elicitation if capabilities else None
    if asked is None or (asked.form is None and asked.url is not None):
        return False
    return is_modern(ctx) or ctx.session.can_send_request


def is_modern(ctx: Context) -> bool:
    """Return whether the request speaks the stateless protocol, where questions travel in results."""
    return ctx.protocol_version in MODERN_PROTOCOL_VERSIONS


def takes_tasks(ctx: Context) -> bool:
    """Return whether this request declares the extension that has tasks (protocol 2026-07-28, SEP-2663)."""
    capabilities = ctx.session.client_capabilities
    return is_modern(ctx) and capabilities is not None and TASKS in (capabilities.extensions or {})


def question(asked: Asked) -> types.InputRequiredResult:
    """Return the question as a result (protocol 2026-07-28); the sealed state names the approval."""
    request = types.ElicitRequest(params=_form(asked))
    return types.InputRequiredResult(input_requests={KEY: request}, request_state=asked.approval.id)


def answered(params: types.CallToolRequestParams) -> Reply | None:
    """Return the answer that a retried call brings, and to which approval; None on a first call."""
    reply = (params.input_responses or {}).get(KEY)
    if params.request_state is None or not isinstance(reply, types.ElicitResult):
        return None
    return Reply(params.request_state, _answer(reply))


async def readable_answers(ctx: Context, call_next: CallNext) -> HandlerResult:
    """Let an answer in a retried call that is none arrive as a no, not as a fault of the request (middleware).

    It stands inside what unseals the state. A retry that brings no answer at all is asked again.
    """
    params = ctx.params
    if ctx.method != "tools/call" or not params or params.get(_STATE) is None or params.get(_RESPONSES) is None:
        return await call_next(ctx)
    return await call_next(replace(ctx, params={**params, _RESPONSES: _readable(params[_RESPONSES])}))


async def ask_now(ctx: Context, asked: Asked, *, timeout_s: float, about: Mapping[str, Any] | None = None) -> Answer:
    """Return the person's answer to a question sent in mid-call (protocols before 2026-07-28).

    No answer within `timeout_s` counts as cancelled, and one that is none as a no. `about` binds it to a task.
    """
    form = _form(asked).model_copy(update={"meta": dict(about) if about else None})
    with anyio.move_on_after(timeout_s):
        try:
            reply = await ctx.session.send_request(
                types.ElicitRequest(params=form),
                types.ElicitResult,
                # the question of a task outlives the request by which the client showed that it knows the task
                metadata=None if about else ServerMessageMetadata(related_request_id=ctx.request_id),
            )
        except ValidationError:
            return Answer(action="unreadable")
        return _answer(reply)
    return Answer(action="cancel")


def _form(asked: Asked) -> types.ElicitRequestFormParams:
    return types.ElicitRequestFormParams(message=_message(asked), requested_schema=_schema(asked))


def _message(asked: Asked) -> str:
    noted = f"{asked.note}\n\n{asked.text}" if asked.note else asked.text
    return noted if asked.approval.phrase else f"{noted}\n\nApprove this plan?"


def _schema(asked: Asked) -> dict[str, Any]:
    # empty for a plain yes: clients turn an untouched checkbox into a refusal
    if not asked.approval.phrase:
        return {"type": "object", "properties": {}}
    field = {"type": "string", "title": "Name of the target", "description": "What the last line of the plan says"}
    return {"type": "object", "properties": {TYPED: field}, "required": [TYPED]}


def _answer(reply: types.ElicitResult) -> Answer:
    """A yes has nothing in it but the name: an answer with more is to another question."""
    content = reply.content or {}
    typed = content.get(TYPED, "")
    if reply.action != "accept":
        return Answer(action="unreadable" if _UNREADABLE in content else reply.action)
    if set(content) - {TYPED} or not isinstance(typed, str):
        return Answer(action="unreadable")
    return Answer(action="accept", typed=typed)


def _readable(responses: object) -> dict[str, Any]:
    if not isinstance(responses, Mapping):
        return {KEY: _NO}
    given = cast(Mapping[str, object], responses)
    if KEY not in given:
        return {}
    try:
        found = types.ElicitResult.model_validate(given[KEY], by_name=False)
    except ValidationError:
        return {KEY: _NO}
    return {KEY: found.model_dump(by_alias=True, mode="json", include={"action", "content"}, exclude_none=True)}
