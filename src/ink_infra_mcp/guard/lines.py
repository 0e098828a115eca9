"""Writes down what a running step says, line after line, without keeping the event loop waiting for the disk."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

from ink_infra_mcp.core.step import Say

Write = Callable[[str], Awaitable[None]]


@asynccontextmanager
async def lines(write: Write) -> AsyncGenerator[Say]:
    """Give what a step says its lines with; when the block ends, however it ends, all of them are written.

    Lines are written in the order in which they were said. Whatever `write` raises ends the step: it is raised to who
    says the next line, or else when the block ends.
    """
    said = _Lines(write)
    try:
        yield said.say
    finally:
        await said.written()


class _Lines:
    def __init__(self, write: Write) -> None:
        self._write = write
        self._waiting: deque[str] = deque()
        self._writer: asyncio.Task[None] | None = None

    def say(self, words: str) -> None:
        if self._writer is not None and self._writer.done():
            self._writer.result()
            self._writer = None
        self._waiting.append(words)
        if self._writer is None:
            self._writer = asyncio.create_task(self._write_all())

    async def written(self) -> None:
        if self._writer is not None:
            await self._writer

    async def _write_all(self) -> None:
        while self._waiting:
            await self._write(self._waiting.popleft())
