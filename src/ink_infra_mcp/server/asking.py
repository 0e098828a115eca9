"""Asks a person through the client, in both protocol eras, and reads the answer."""

from typing import Any

import anyio
from mcp import types
from mcp.server.context import ServerRequestContext
from mcp.types.version import MODERN_PROTOCOL_VERSIONS

from ink_infra_mcp.guard.caller import Answer, Asked

KEY = "approval"
TYPED = "name"
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


def question(asked: Asked) -> types.InputRequiredResult:
    """Return the question as a result (protocol 2026-07-28); the sealed state names the approval."""
    request = types.ElicitRequest(params=_form(asked))
    return types.InputRequiredResult(input_requests={KEY: request}, request_state=asked.approval.id)


def answered(params: types.CallToolRequestParams) -> tuple[str, Answer] | None:
    """Return the approval id and the answer that a retried call brings, or None on a first call."""
    reply = (params.input_responses or {}).get(KEY)
    if params.request_state is None or not isinstance(reply, types.ElicitResult):
        return None
    return params.request_state, _answer(reply)


async def ask_now(ctx: Context, asked: Asked, *, timeout_s: float) -> Answer:
    """Return the person's answer to a question sent in mid-call (protocols before 2026-07-28).

    No answer within `timeout_s` counts as cancelled.
    """
    form = _form(asked)
    with anyio.move_on_after(timeout_s):
        reply = await ctx.session.elicit_form(form.message, form.requested_schema, related_request_id=ctx.request_id)
        return _answer(reply)
    return Answer(action="cancel")


def _form(asked: Asked) -> types.ElicitRequestFormParams:
    return types.ElicitRequestFormParams(message=_message(asked), requested_schema=_schema(asked))


def _message(asked: Asked) -> str:
    return asked.text if asked.approval.phrase else f"{asked.text}\n\nApprove this plan?"


def _schema(asked: Asked) -> dict[str, Any]:
    # empty for a plain yes: clients turn an untouched checkbox into a refusal
    if not asked.approval.phrase:
        return {"type": "object", "properties": {}}
    field = {"type": "string", "title": "Name of the target", "description": "What the last line of the plan says"}
    return {"type": "object", "properties": {TYPED: field}, "required": [TYPED]}


def _answer(reply: types.ElicitResult) -> Answer:
    typed = (reply.content or {}).get(TYPED, "")
    return Answer(action=reply.action, typed=typed if isinstance(typed, str) else "")
