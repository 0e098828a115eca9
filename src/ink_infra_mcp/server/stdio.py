"""Serves one client over stdin and stdout, and lets running operations end after the client has gone."""

import logging
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server

log = logging.getLogger(__name__)


async def serve_stdio(
    server: "Server[Any]", *, at_start: Callable[[], Awaitable[None]], at_end: Callable[[], Awaitable[None]]
) -> None:
    """Serve until the client closes its side. `at_start` runs beside it and can never keep it from answering."""
    async with anyio.create_task_group() as background:
        background.start_soon(_quietly, at_start)
        async with stdio_server() as (reads, writes):
            await server.run(reads, writes, server.create_initialization_options())
        await at_end()
        background.cancel_scope.cancel()


async def _quietly(work: Callable[[], Awaitable[None]]) -> None:
    try:
        await work()
    except Exception:
        log.exception("start-up work failed; the server goes on without it")
