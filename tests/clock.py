"""A clock that a test holds in its hand: waiting takes no time, and everything that was waited for is on record."""

from datetime import UTC, datetime, timedelta

import anyio.lowlevel

BEGIN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


class FakeClock:
    """Time that moves only when somebody sleeps or the test calls `advance`."""

    def __init__(self, begin: datetime = BEGIN) -> None:
        self._begin = begin
        self._passed_s = 0.0
        self.slept: list[float] = []

    def now(self) -> datetime:
        """Return the present instant, aware, in UTC."""
        return self._begin + timedelta(seconds=self._passed_s)

    def monotonic(self) -> float:
        """Return the seconds since the test began."""
        return self._passed_s

    async def sleep(self, seconds: float) -> None:
        """Let that many seconds pass at once, giving other tasks a turn."""
        self.slept.append(seconds)
        self.advance(seconds)
        await anyio.lowlevel.checkpoint()

    def advance(self, seconds: float) -> None:
        """Let time pass.

        Raises:
            ValueError: time does not run backwards.
        """
        if seconds < 0:
            raise ValueError("time does not run backwards")
        self._passed_s += seconds
