"""Counts how many commands run at once, and lends the place of one whose server is silent to another."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import anyio

QUIET_S = 2.0
"""A server that has not taken a command for so long is silent; one under heavy load takes tenths of a second."""


@dataclass(slots=True)
class _Loan:
    """The place of one command, and whether another has it meanwhile."""

    limiter: anyio.CapacityLimiter
    lent: bool = False

    def begin(self) -> None:
        self.lent = True
        self.limiter.total_tokens += 1

    def end(self) -> None:
        if self.lent:
            self.lent = False
            self.limiter.total_tokens -= 1


class Places:
    """`number` places for commands; who finds none waits for one."""

    def __init__(self, number: int, *, quiet_s: float = QUIET_S) -> None:
        self._limiter = anyio.CapacityLimiter(number)
        self._quiet_s = quiet_s

    @asynccontextmanager
    async def taken(self) -> AsyncGenerator[Callable[[], None]]:
        """Take a place, and give what the caller calls as soon as the server has answered.

        If it is silent for `quiet_s` seconds, another may begin in its place. One that answers after all counts
        again, and nobody else begins until there are fewer than `number`.
        """
        async with self._limiter:
            loan = _Loan(self._limiter)
            timer = asyncio.get_running_loop().call_later(self._quiet_s, loan.begin)

            def answered() -> None:
                timer.cancel()
                loan.end()

            try:
                yield answered
            finally:
                answered()
