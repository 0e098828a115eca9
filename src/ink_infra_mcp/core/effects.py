"""What the core needs from outside, as protocols: time, ids. Effects are injected through these."""

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

NewId = Callable[[str], str]
"""Makes a fresh unguessable id with the given prefix, such as `op` -> `op-7k2mq9xw4t`."""


class Clock(Protocol):
    """Time that a test can hold in its hand."""

    def now(self) -> datetime:
        """Return the present instant, aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never go backwards."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait for that many seconds of this clock."""
        ...
