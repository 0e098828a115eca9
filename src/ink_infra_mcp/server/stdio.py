"""Serves one client over stdin and stdout, and lets running operations end after the client has gone."""

import contextlib
import logging
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server

log = logging.getLogger(__name__)


async def serve_stdio(
    server: "Server[Any]", *, at_start: Callable[[], Awaitable[None]], at_end: Callable[[], Awaitable[None]]
) -> None:
    """Serve until the client closes its side, however it does, then run `at_end`.

    `at_start` runs beside it and can never keep it from answering. What anything prints goes to stderr, to the end.
    """
    async with anyio.create_task_group() as background:
        with contextlib.ExitStack() as until_the_end:
            try:
                async with stdio_server() as (reads, writes):
                    # the SDK diverts the descriptor while it serves; what lies in a buffer would come out afterwards
                    until_the_end.enter_context(contextlib.redirect_stdout(sys.stderr))
                    background.start_soon(_quietly, at_start)
                    await server.run(reads, writes, server.create_initialization_options())
            except* OSError as gone:
                log.info("the client went away while something was said to it: %s", gone.exceptions[0])
            await at_end()
        background.cancel_scope.cancel()


async def _quietly(work: Callable[[], Awaitable[None]]) -> None:
    try:
        await work()
    except Exception:
        log.exception("start-up work failed; the server goes on without it")
