"""Lets those who ask for the same at the same time share one answer, so that a crowd costs what one costs."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Sharing(Generic[T]):
    """Reads a thing by its key for all who wait for it: one reading at a time, and at most one that is about to begin.

    Nobody gets an answer of a reading that had begun before they asked: what changed until then is in it.
    """

    def __init__(self) -> None:
        self._going: dict[str, asyncio.Task[T]] = {}
        self._coming: dict[str, asyncio.Task[T]] = {}

    async def get(self, key: str, read: Callable[[], Awaitable[T]]) -> T:
        """Return what `read` gives, or raise what it raises; one that nobody waits for any more goes on to its end."""
        coming = self._coming.get(key)
        # one that was cancelled before it began, as at the end of a loop, is nobody's answer
        if coming is None or coming.done():
            coming = asyncio.get_running_loop().create_task(self._read(key, read, self._going.get(key)))
            coming.add_done_callback(_heard)
            self._coming[key] = coming
        return await asyncio.shield(coming)

    async def _read(self, key: str, read: Callable[[], Awaitable[T]], before: asyncio.Task[T] | None) -> T:
        if before is not None:
            await asyncio.wait([before])
        self._going[key] = self._coming.pop(key)
        try:
            return await read()
        finally:
            del self._going[key]


def _heard(reading: asyncio.Task[T]) -> None:
    """Whoever waited has what it raised; asyncio would call it lost where they had all gone."""
    if not reading.cancelled():
        reading.exception()
