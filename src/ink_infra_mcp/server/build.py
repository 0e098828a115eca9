"""Builds the MCP server: one set of handlers for every protocol revision and transport."""

import logging
import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

from mcp import MCPError, types
from mcp.server.caching import CacheHint
from mcp.server.context import CallNext, HandlerResult
from mcp.server.lowlevel import Server
from mcp.server.request_state import RequestStateBoundary, RequestStateSecurity
from pydantic import ValidationError

from ink_infra_mcp import __version__
from ink_infra_mcp.guard.caller import Note, Refusal
from ink_infra_mcp.server.asking import Context, readable_answers
from ink_infra_mcp.server.backend import Open
from ink_infra_mcp.server.binding import Binding, Result
from ink_infra_mcp.server.catalogue import HANDSHAKE, Catalogue
from ink_infra_mcp.server.completing import Completing
from ink_infra_mcp.server.icons import server_icon
from ink_infra_mcp.server.noting import Noting
from ink_infra_mcp.server.prompts import MAX_INSTRUCTIONS, Prompts
from ink_infra_mcp.server.reading import Reading
from ink_infra_mcp.server.skills import Skills
from ink_infra_mcp.server.tasks import Tasks
from ink_infra_mcp.server.watching import LOOK_EVERY_S, Watching

NAME = "ink-infra-mcp"
_HOUR_MS = 3_600_000
log = logging.getLogger(__name__)


async def _only_logged(_: Refusal) -> None:
    """Write no audit line, for a server that has no audit."""


class Extra(Protocol):
    """More tools, resources and prompts beside ours, tried first: the conformance suite's fixtures come in here."""

    def register(self, server: "Server[Any]") -> None:
        """Replace handlers of the built server by ones that fall back to what is there."""
        ...


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """What a server is built from. `state_keys` seal requestState; replicas share them.

    `connection` names what a yes of this server's client is bound to, as no other process or connection is ever named.
    `note` has refused calls written into the audit. Operations are looked at every `look_every_s` seconds for those who
    subscribed.
    """

    catalogue: Catalogue
    open: Open
    principal: str
    instructions: str
    approval_ttl_s: float = 3600.0
    state_keys: tuple[bytes, ...] = ()
    connection: str = field(default_factory=lambda: f"cn-{secrets.token_hex(8)}")
    note: Note = _only_logged
    look_every_s: float = LOOK_EVERY_S


def build_server(settings: ServerSettings, extra: Extra | None = None) -> "Server[Any]":
    """Return the server. Nothing is connected to and no tool is imported until the first call.

    Raises:
        ValueError: the instructions are longer than clients read (2,048 characters).
    """
    if len(settings.instructions) > MAX_INSTRUCTIONS:
        raise ValueError(f"the instructions have {len(settings.instructions)} characters; clients cut at 2,048")
    catalogue = settings.catalogue
    noting = Noting(note=settings.note, catalogue=catalogue, principal=settings.principal)
    binding = Binding(
        catalogue=catalogue,
        open=settings.open,
        principal=settings.principal,
        connection=settings.connection,
        noting=noting,
        ask_s=settings.approval_ttl_s,
    )
    prompts = Prompts()
    skills = Skills(prompts)
    reading = Reading(catalogue=catalogue, open=settings.open, skills=skills)
    watching = Watching(catalogue=catalogue, open=settings.open, look_every_s=settings.look_every_s)
    tasks = Tasks(catalogue=catalogue, open=settings.open, principal=settings.principal, binding=binding)

    async def list_tools(ctx: Context, _: types.PaginatedRequestParams | None) -> types.ListToolsResult:
        return types.ListToolsResult(tools=catalogue.tools(ctx.protocol_version))

    async def call_tool(ctx: Context, params: types.CallToolRequestParams) -> Result:
        as_task = params.task is not None and ctx.protocol_version == HANDSHAKE
        return await (tasks.call(ctx, params) if as_task else binding.call(ctx, params))

    @asynccontextmanager
    async def life(_: "Server[Any]") -> AsyncGenerator[dict[str, Any]]:
        async with watching.life(), tasks.life():
            yield {}

    async def readable(ctx: Context, call_next: CallNext) -> HandlerResult:
        # what others registered asks questions of its own
        ours = (ctx.params or {}).get("name") in catalogue.contracts
        return await (readable_answers(ctx, call_next) if ours else call_next(ctx))

    server: Server[Any] = Server(
        NAME,
        version=__version__,
        title="Ink infrastructure",
        icons=[server_icon()],
        instructions=settings.instructions,
        cache_hints={"tools/list": CacheHint(ttl_ms=_HOUR_MS, scope="private")},
        get_tool_input_schema=catalogue.input_schema,
        on_list_tools=list_tools,
        on_list_resources=reading.list,
        on_list_resource_templates=reading.templates,
        on_read_resource=reading.read,
        on_list_prompts=prompts.list,
        on_get_prompt=prompts.get,
        on_completion=Completing(catalogue=catalogue, open=settings.open).complete,
        on_subscriptions_listen=watching.listen,
        on_subscribe_resource=watching.subscribe,
        on_unsubscribe_resource=watching.unsubscribe,
        lifespan=life,
    )
    skills.register(server)
    boundary = RequestStateBoundary(_security(settings), default_audience=NAME)
    server.middleware.extend((_contained, noting.watch, boundary, readable, tasks.watch))
    server.add_request_handler("tools/call", types.CallToolRequestParams, call_tool)
    tasks.register(server)
    if extra is not None:
        extra.register(server)
    return server


async def _contained(ctx: Context, call_next: CallNext) -> HandlerResult:
    """Keep the text of an unexpected fault in the log: the SDK shows it to clients of the older protocols."""
    try:
        return await call_next(ctx)
    except (MCPError, ValidationError):
        raise
    except Exception as error:
        log.exception("%s broke", ctx.method)
        words = f"ink-infra-mcp broke with {type(error).__name__}; the server's log on stderr has the details."
        raise MCPError(code=types.INTERNAL_ERROR, message=words) from error


def _security(settings: ServerSettings) -> RequestStateSecurity:
    if settings.state_keys:
        return RequestStateSecurity(keys=list(settings.state_keys), ttl=settings.approval_ttl_s)
    return RequestStateSecurity.ephemeral(ttl=settings.approval_ttl_s)
