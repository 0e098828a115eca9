"""Keeps one live SSH connection for each server, and remembers which servers refused our login."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import anyio

from ink_infra_mcp.core.effects import Clock
from ink_infra_mcp.core.errors import ConfigError, HostError, HostLoginRefused
from ink_infra_mcp.core.fleet import Host
from ink_infra_mcp.core.secret import Secret
from ink_infra_mcp.ssh import failures, wire

Login = Callable[[], Secret | None]
Where = Mapping[tuple[str, int], tuple[str, int]]

SESSIONS_PER_HOST = 4
"""Commands at once over one connection. OpenSSH's default is MaxSessions 10, but it frees a session later than the
client sees it end: with 5 at once nothing was refused in 200 rounds, with 6 the first one was (measured, 10.0p2)."""
REFUSAL_KEPT_S = 60.0
CLOSE_S = 2.0


@dataclass(eq=False, slots=True)
class Link:
    """One open connection, how many commands use it now, and since when none does."""

    host: Host
    connection: wire.Connection
    through: "Link | None"
    sessions: anyio.Semaphore = field(default_factory=lambda: anyio.Semaphore(SESSIONS_PER_HOST))
    users: int = 0
    idle_since: float = 0.0

    @property
    def alive(self) -> bool:
        """Return whether the connection and those it goes through are open, as far as this side knows."""
        return not self.connection.is_closed() and (self.through is None or self.through.alive)


@dataclass(slots=True)
class _Attempts:
    """What became of the attempts to connect to one server, so that those who waited share the answer."""

    lock: anyio.Lock = field(default_factory=anyio.Lock)
    number: int = 0
    failure: HostError | None = None


@dataclass(frozen=True, slots=True)
class _Refused:
    at: float
    login: Secret | None
    host: Host


class Links:
    """Hands out connections: an open one if there is one, else a new one; closes those idle for `keep_s` seconds.

    Callers that wait for the same server share one attempt, also when it fails. At most `at_once` logins go on at the
    same time, each with a server that has greeted; any number of greetings is waited for, as that costs nothing.
    """

    def __init__(
        self,
        hosts: Mapping[str, Host],
        *,
        login: Login,
        clock: Clock,
        connect_to: Where,
        limit_s: float,
        keep_s: float,
        at_once: int,
    ) -> None:
        self._hosts = hosts
        self._login = login
        self._clock = clock
        self._connect_to = connect_to
        self._limit_s = limit_s
        self._keep_s = keep_s
        self._places = anyio.CapacityLimiter(at_once)
        self._open: dict[str, Link] = {}
        self._attempts: defaultdict[str, _Attempts] = defaultdict(_Attempts)
        self._refused: dict[str, _Refused] = {}
        self._closing: set[wire.Connection] = set()
        self._timer: asyncio.TimerHandle | None = None

    async def acquire(self, host: Host) -> Link:
        """Return a connection to `host` and count the caller as its user, who gives it back with `release`.

        Raises:
            HostError: there is none; the subclass says why.
            ConfigError: there is no login key, or bastions lead in a circle.
        """
        link = await self._get(host, seen=())
        link.users += 1
        return link

    async def try_new(self, host: Host) -> None:
        """Log in to `host` over a connection of its own and take leave again.

        Raises:
            HostError: it does not let us in; the subclass says why.
            ConfigError: there is no login key, or bastions lead in a circle.
        """
        async with self._attempts[host.name].lock:
            connection, through = await self._dial(host, seen=(host.name,))
        connection.close()
        with anyio.move_on_after(CLOSE_S):
            await connection.wait_closed()
        connection.abort()
        if through:
            self.release(through)

    async def password_ways(self, host: Host) -> tuple[str, ...]:
        """Return by which ways `host` would take a password, over a connection of its own that logs nobody in.

        Raises:
            HostError: it does not answer, or not as the pinned server; the subclass says why.
        """
        through = await self._bastion(host, seen=(host.name,))
        try:
            return await wire.password_ways(self._route(host, through), place=self._places)
        finally:
            if through:
                self.release(through)

    def release(self, link: Link) -> None:
        """Give `link` back; it stays open for the next user."""
        link.users -= 1
        link.idle_since = self._clock.monotonic()
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._keep_s, self._close_idle)

    def drop(self, link: Link) -> None:
        """Forget `link`, which turned out to be dead."""
        self._forget(link)
        link.connection.abort()

    async def aclose(self) -> None:
        """Take leave of every server, those behind a bastion first; one that does not answer is left after 2 s."""
        if self._timer is not None:
            self._timer.cancel()
        for link in self._farthest_first():
            self._close(link)
        for connection in tuple(self._closing):
            with anyio.move_on_after(CLOSE_S):
                await connection.wait_closed()
            connection.abort()
        self._closing.clear()

    async def _get(self, host: Host, *, seen: tuple[str, ...]) -> Link:
        if host.name in seen:
            raise ConfigError(
                f"The bastions of {seen[0]} lead in a circle: {' -> '.join((*seen, host.name))}.",
                next="Mend `bastion` in fleet.toml.",
            )
        attempts = self._attempts[host.name]
        before = attempts.number
        async with attempts.lock:
            if link := self._usable(host):
                return link
            if attempts.number > before and attempts.failure:
                raise attempts.failure
            attempts.number += 1
            attempts.failure = None
            try:
                return await self._connect(host, seen=(*seen, host.name))
            except HostError as error:
                attempts.failure = error
                raise

    def _usable(self, host: Host) -> Link | None:
        link = self._open.get(host.name)
        if link is None:
            return None
        if link.alive and link.host == host and not self._is_idle(link):
            return link
        self._close(link)
        return None

    async def _connect(self, host: Host, *, seen: tuple[str, ...]) -> Link:
        connection, through = await self._dial(host, seen=seen)
        link = Link(host, connection, through, idle_since=self._clock.monotonic())
        self._open[host.name] = link
        return link

    async def _dial(self, host: Host, *, seen: tuple[str, ...]) -> tuple[wire.Connection, Link | None]:
        """Return a new connection, and the link to its bastion, of which it is a user now."""
        login = self._login()
        self._spare(host, login)
        through = await self._bastion(host, seen=seen)
        try:
            return await wire.connect(self._route(host, through), login, place=self._places), through
        except BaseException as error:
            if isinstance(error, HostLoginRefused):
                self._refused[host.name] = _Refused(self._clock.monotonic(), login, host)
            if through:
                self.release(through)
            raise

    def _route(self, host: Host, through: Link | None) -> wire.Route:
        address, port = host.ssh_address, host.ssh_port
        if through:
            return wire.Route(host, address, port, through.connection, self._limit_s)
        address, port = self._connect_to.get((address, port), (address, port))
        return wire.Route(host, address, port, None, self._limit_s)

    async def _bastion(self, host: Host, *, seen: tuple[str, ...]) -> Link | None:
        if host.bastion is None:
            return None
        bastion = self._hosts.get(host.bastion)
        if bastion is None:
            raise ConfigError(
                f"The bastion {host.bastion!r} of {host.name} is not in fleet.toml.", next="Add it under [[bastions]]."
            )
        through = await self._get(bastion, seen=seen)
        through.users += 1
        return through

    def _spare(self, host: Host, login: Secret | None) -> None:
        """Do not ask again with the same key and user so soon: servers lock out who keeps on asking."""
        refused = self._refused.get(host.name)
        if refused is None:
            return
        ago_s = self._clock.monotonic() - refused.at
        if ago_s < REFUSAL_KEPT_S and (refused.login, refused.host) == (login, host):
            raise failures.login_refused_lately(host, ago_s=ago_s, wait_s=REFUSAL_KEPT_S - ago_s)
        del self._refused[host.name]

    def forget_refusal(self, host: Host) -> None:
        """Ask a server again that refused our login: its keys are other ones now."""
        self._refused.pop(host.name, None)

    def _close_idle(self) -> None:
        self._timer = None
        for link in self._farthest_first():
            if self._is_idle(link):
                self._close(link)
        if self._open:
            self._timer = asyncio.get_running_loop().call_later(self._keep_s, self._close_idle)

    def _is_idle(self, link: Link) -> bool:
        return link.users == 0 and self._clock.monotonic() - link.idle_since >= self._keep_s

    def _farthest_first(self) -> list[Link]:
        return sorted(self._open.values(), key=_depth, reverse=True)

    def _close(self, link: Link) -> None:
        self._forget(link)
        link.connection.close()
        self._closing = {old for old in self._closing if not old.is_closed()} | {link.connection}

    def _forget(self, link: Link) -> None:
        if self._open.get(link.host.name) is link:
            del self._open[link.host.name]
        through, link.through = link.through, None
        if through:
            self.release(through)


def _depth(link: Link) -> int:
    return 0 if link.through is None else 1 + _depth(link.through)
