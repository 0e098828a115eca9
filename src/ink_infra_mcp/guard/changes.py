"""Wakes those who follow an operation in this process when something about it changed."""

import asyncio
import contextlib


class Changes:
    """A doorbell: `ring` wakes everybody who is in `wait`."""

    def __init__(self) -> None:
        self._bell = asyncio.Event()

    def ring(self) -> None:
        """Wake all waiters. Call it on the event loop's thread."""
        bell, self._bell = self._bell, asyncio.Event()
        bell.set()

    async def wait(self, timeout_s: float) -> None:
        """Return at the next ring, or after `timeout_s` seconds."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._bell.wait(), timeout_s)
