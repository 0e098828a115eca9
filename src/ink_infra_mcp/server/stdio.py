"""Serves one client over stdin and stdout, until the client goes away or a signal ends the process."""

import contextlib
import io
import logging
import os
import signal
import sys
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream
from mcp import types
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp.shared.message import SessionMessage

from ink_infra_mcp.server.ahead import Begun
from ink_infra_mcp.server.ending_input import EndableInput, endable_input
from ink_infra_mcp.server.incoming import Lines, hand_on
from ink_infra_mcp.server.owing import Owing, watched

log = logging.getLogger(__name__)
GRACE_S = 5.0
"""Seconds that closing may take after a signal; the process ends then, whatever still keeps it."""
_STDOUT = 1
_ANEW = Begun()
Work = Callable[[], Awaitable[None]]
Messages = MemoryObjectReceiveStream[SessionMessage | Exception]


@dataclass(frozen=True, slots=True)
class Life:
    """What is done beside serving. `at_start` runs beside it and can never keep it from answering.

    `at_end` follows when the client has gone, and a signal breaks it off; `close` follows whatever ended it.
    """

    at_start: Work
    at_end: Work
    close: Work


@dataclass(frozen=True, slots=True)
class Coming:
    """What comes from the client, and the requests among it that are answered."""

    stdin: EndableInput
    said: frozenset[int | str]


async def serve_stdio(server: "Server[Any]", life: Life, begun: Begun = _ANEW) -> int:
    """Serve until the client closes its side, however it does, or SIGINT or SIGTERM comes; return that signal, or 0.

    What a session has `begun` with is read first, and what was answered of it is not answered again. A signal ends it
    at once: what runs is left where it is. What anything prints goes to stderr, to the end.
    """
    serving = anyio.CancelScope()
    with endable_input(begun.first) as stdin, contextlib.ExitStack() as until_the_end:
        ended = _Ended(serving, stdin)
        async with anyio.create_task_group() as beside:
            beside.start_soon(ended.by_signal)
            with serving:
                await _serve(server, life, Coming(stdin, begun.said), until_the_end)
                await life.at_end()
            await life.close()
            beside.cancel_scope.cancel()
    return ended.signal


async def _serve(server: "Server[Any]", life: Life, coming: Coming, until_the_end: contextlib.ExitStack) -> None:
    async with anyio.create_task_group() as background:
        try:
            async with _streams(coming) as (reads, writes):
                # the SDK diverts the descriptor while it serves; what lies in a buffer would come out afterwards
                until_the_end.enter_context(contextlib.redirect_stdout(sys.stderr))
                background.start_soon(_quietly, life.at_start)
                await server.run(reads, writes, server.create_initialization_options())
        except* OSError as gone:
            log.info("the client went away while something was said to it: %s", gone.exceptions[0])
        background.cancel_scope.cancel()


@contextlib.asynccontextmanager
async def _streams(coming: Coming) -> AsyncGenerator[tuple[Messages, Any]]:
    """Give the client's messages and the way to it. The SDK writes; it does not read, since it answers no bad line."""
    nothing = anyio.wrap_file(io.StringIO())
    with watched(_STDOUT) as is_gone:
        owing = Owing(is_gone)
        async with stdio_server(stdin=nothing) as (unread, writes):
            await unread.aclose()
            to_server, reads = anyio.create_memory_object_stream[SessionMessage | Exception](0)
            says, unsaid = anyio.create_memory_object_stream[SessionMessage](0)
            async with anyio.create_task_group() as both:
                both.start_soon(hand_on, Lines(coming.stdin.stream), to_server, writes, owing)
                both.start_soon(_hand_back, unsaid, writes, set(coming.said), owing)
                yield reads, says


async def _hand_back(
    unsaid: MemoryObjectReceiveStream[SessionMessage], to: Any, said: set[int | str], owing: Owing
) -> None:
    """Say what the server says, but for the first answer to each of the requests in `said`."""
    async with unsaid, to:
        # a client that has gone: the server finds it out as it would without us, by its own next word
        with contextlib.suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
            async for message in unsaid:
                about = message.message
                if isinstance(about, types.JSONRPCResponse | types.JSONRPCError) and about.id in said:
                    said.discard(about.id)
                else:
                    await to.send(message)
                owing.went(about)


class _Ended:
    """Waits for the first signal; a second one finds its usual effect."""

    def __init__(self, serving: anyio.CancelScope, stdin: EndableInput) -> None:
        self.signal = 0
        self._serving = serving
        self._stdin = stdin

    async def by_signal(self) -> None:
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            async for number in signals:
                self.signal = number
                break
        self._end_in_time()
        self._stdin.end()
        self._serving.cancel()

    def _end_in_time(self) -> None:
        last = threading.Timer(GRACE_S, os._exit, [128 + self.signal])
        last.daemon = True
        last.start()


async def _quietly(work: Work) -> None:
    try:
        await work()
    except Exception:
        log.exception("start-up work failed; the server goes on without it")
