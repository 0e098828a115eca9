"""TCP connects from this machine: whether a port answers, and how it does not."""

import asyncio
import errno
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Literal

import anyio

Answer = Literal["open", "refused", "silent", "unreachable"]
"""What came back: a connection; a refusal (nobody listens, or a firewall rejects); nothing in time; a network on the
way, or this machine's own, that says there is no way."""
Endpoint = tuple[str, int]

_BROKEN_OFF = frozenset({errno.ECONNRESET, errno.EPIPE})
"""What is told of a connection that was there, and that its other end broke off at once (tcp_reset of Linux)."""


KNOCK_S = 3.0
"""How long a connect that nobody answers is waited for."""


class Knock:
    """Knocks at ports. `connect_to` dials elsewhere in place of an (address, port), as for SSH and the HTTP probe.

    At most `at_once` connects run at the same time; nothing is ever sent over a connection. A `confined` one dials
    nowhere else than `connect_to` says: in a pretend world no packet leaves for an address that is only an example.
    """

    def __init__(
        self,
        connect_to: Mapping[Endpoint, Endpoint] = MappingProxyType({}),
        *,
        confined: bool = False,
        at_once: int = 64,
        timeout_s: float = KNOCK_S,
    ) -> None:
        self._connect_to = connect_to
        self._confined = confined
        self._places = anyio.CapacityLimiter(at_once)
        self._timeout_s = timeout_s

    def may_try(self, endpoint: Endpoint) -> bool:
        """Return whether a connect to that (address, port) would be made at all."""
        return not self._confined or endpoint in self._connect_to

    async def all(self, endpoints: Iterable[Endpoint]) -> dict[Endpoint, Answer]:
        """Return what each (address, port) answers within the time limit."""
        found: dict[Endpoint, Answer] = {}

        async def one(endpoint: Endpoint) -> None:
            if not self.may_try(endpoint):
                found[endpoint] = "unreachable"
                return
            async with self._places:
                found[endpoint] = await self._one(self._connect_to.get(endpoint, endpoint))

        wanted = tuple(dict.fromkeys(endpoints))
        async with anyio.create_task_group() as group:
            for endpoint in wanted:
                group.start_soon(one, endpoint)
        return {endpoint: found[endpoint] for endpoint in wanted}

    async def _one(self, endpoint: Endpoint) -> Answer:
        try:
            async with asyncio.timeout(self._timeout_s):
                _, writer = await asyncio.open_connection(*endpoint)
        except TimeoutError:
            return "silent"
        except OSError as error:
            if error.errno in _BROKEN_OFF:
                return "open"
            return "refused" if error.errno == errno.ECONNREFUSED else "unreachable"
        writer.transport.abort()
        return "open"
