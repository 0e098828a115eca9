"""Runs commands on servers: behind the write gate, over kept connections, each one at most once."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Container, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager
from types import MappingProxyType
from typing import TYPE_CHECKING

from ink_infra_mcp.core.effects import Clock
from ink_infra_mcp.core.errors import HostUnreachable, UnknownName
from ink_infra_mcp.core.fleet import Host
from ink_infra_mcp.core.permit import Permit, refuse_without_permit
from ink_infra_mcp.core.redact import Redactor
from ink_infra_mcp.core.untrusted import clean_name
from ink_infra_mcp.ssh import failures
from ink_infra_mcp.ssh.command import CommandResult, HostCommand
from ink_infra_mcp.ssh.guests import Guest, GuestHost, Known, present
from ink_infra_mcp.ssh.places import Places

if TYPE_CHECKING:
    from ink_infra_mcp.ssh.files import Files
    from ink_infra_mcp.ssh.links import Link, Links, Login, Where
    from ink_infra_mcp.ssh.piping import Piped

SESSION_TRIES = 6
SESSION_PAUSE_S = 0.05


class HostPool:
    """The way to the servers of the fleet: one kept connection each, several commands at once over it.

    At most `fan_out` commands run at the same time over all servers, and as many logins. A server that is silent holds
    up nobody else: it takes no place before it has greeted, and lends that of its command until it answers.

    `reads` is the closed list of commands that only read: all others need a permit, whatever they say of themselves.
    `login` gives the private key (OpenSSH or PEM text), or None to use the ssh-agent. `connect_to` dials another
    address in place of a server's own, by (address, port). `connect_timeout_s` is how long a server may take to greet,
    and then again to let us in. A connection that nobody used for `keep_s` seconds is closed. Times are seconds.
    """

    def __init__(
        self,
        hosts: Mapping[str, Host],
        *,
        login: "Login",
        clock: Clock,
        redact: Redactor,
        reads: Container[HostCommand] = (),
        connect_to: "Where" = MappingProxyType({}),
        connect_timeout_s: float = 10.0,
        fan_out: int = 32,
        keep_s: float = 300.0,
    ) -> None:
        self.hosts: Mapping[str, Host] = Known(hosts)
        self.redact = redact
        self._reads = reads
        self._login = login
        self._clock = clock
        self._connect_to = connect_to
        self._connect_timeout_s = connect_timeout_s
        self._keep_s = keep_s
        self._fan_out = fan_out
        self._places = Places(fan_out)
        self._made: Links | None = None

    async def __aenter__(self) -> "HostPool":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close all connections."""
        if self._made is not None:
            await self._made.aclose()

    async def run(
        self, host_name: str, command: HostCommand, *, permit: Permit | None = None, check: bool = False
    ) -> CommandResult:
        """Run `command` on a server at most once and return what it said; with `check`, a status other than 0 raises.

        A kept connection that turns out dead before the command was sent is replaced once; a command that may have
        started is never sent again, and a refused login is not tried again for a minute.

        Raises:
            UnknownName: the fleet has no such server.
            WriteRefused: the command is no listed reading, and there is no live permit; no connection was made.
            HostUnreachable: no connection, or it broke; `done` says whether the command may have run.
            HostKeyChanged, HostLoginRefused: nothing was sent.
            CommandFailed: it did not end in time and was stopped, or (with `check`) it failed.
            HostError: the server's key is not pinned.
            ConfigError: there is no usable login key, or the bastions are wrong.
        """
        host = self._host(host_name)
        acts = self._gate(command, host, permit)
        said = await self._run(host, command, permit)
        if check and said.exit_status != 0:
            raise failures.command_failed(host, command, said, acts=acts, redact=self.redact)
        return said

    async def pipe(
        self,
        source: tuple[str, HostCommand],
        target: tuple[str, HostCommand],
        *,
        permit: Permit,
        limit_bytes: int,
        told: Callable[[int], None],
    ) -> "Piped":
        """Lead what a command writes on one server into a command on another, through here, in bounded memory.

        Both run at most once. `told` hears how many bytes went over. What arrived when this raises is not whole.

        Raises:
            UnknownName, WriteRefused, ConfigError: as for `run`; nothing was sent.
            HostError: a server cannot be reached, or its connection broke.
            HostUnreachable: the stream broke, or nothing moved for three minutes.
            CommandFailed: more than `limit_bytes` came.
        """
        from ink_infra_mcp.ssh import piping

        hosts = [self._host(name) for name, _ in (source, target)]
        links = self._links()
        taken: list[Link] = []
        try:
            for host, (_, command) in zip(hosts, (source, target), strict=True):
                taken.append(await links.acquire(host))
                self._gate(command, host, permit)
            async with taken[0].sessions, taken[1].sessions:
                return await piping.pipe(
                    (taken[0].connection, source[1]),
                    (taken[1].connection, target[1]),
                    limit_bytes=limit_bytes,
                    told=told,
                )
        except piping.Broken as error:
            raise failures.stream_broke(*(h.name for h in hosts), at=error.side, why=str(error)) from error
        except piping.TooMuch as error:
            raise failures.too_much(*(h.name for h in hosts), limit_bytes=limit_bytes) from error
        finally:
            for link in taken:
                links.release(link)

    async def pour(
        self,
        source: tuple[str, HostCommand],
        into: Callable[[bytes], Awaitable[None]],
        *,
        permit: Permit,
        limit_bytes: int,
    ) -> CommandResult:
        """Run a command at most once, hand on what it writes piece by piece, and return what it said beside that.

        Raises:
            UnknownName, WriteRefused, ConfigError: as for `run`; nothing was sent.
            HostError: the server cannot be reached. HostUnreachable: the stream broke, or nothing came for three
            minutes. CommandFailed: more than `limit_bytes` came.
        """
        from ink_infra_mcp.ssh import piping

        host, command = self._host(source[0]), source[1]
        link = await self._links().acquire(host)
        try:
            self._gate(command, host, permit)
            async with link.sessions:
                return await piping.pour(link.connection, command, into, limit_bytes=limit_bytes)
        except piping.Broken as error:
            raise failures.stream_broke(host.name, "here", at=error.side, why=str(error)) from error
        except piping.TooMuch as error:
            raise failures.too_much(host.name, "a copy", limit_bytes=limit_bytes) from error
        finally:
            self._links().release(link)

    @asynccontextmanager
    async def files(self, place: Host, *, permit: Permit | None = None) -> AsyncGenerator["Files"]:
        """Give the files of a place that is reached by SFTP alone, and is no server of the fleet.

        Without a permit they can only be read.

        Raises:
            HostError: the place cannot be reached, is not the pinned one, or does not let us in.
            ConfigError: there is no usable login key.
        """
        from ink_infra_mcp.ssh import files

        links = self._links()
        link = await links.acquire(place)
        try:
            async with link.sessions, files.opened(place, link.connection, permit) as found:
                yield found
        except HostUnreachable:
            links.drop(link)
            raise
        finally:
            links.release(link)

    async def try_new_connection(self, host_name: str) -> None:
        """Log in once more over a connection of its own, whatever is kept: it proves that the server lets new ones in.

        What is kept stays as it is, and a refusal counts as one for the kept connections too.

        Raises:
            UnknownName: the fleet has no such server.
            HostError: it does not let us in; the subclass says why.
            ConfigError: there is no usable login key, or the bastions are wrong.
        """
        await self._links().try_new(self._host(host_name))

    def forget_refusal(self, host_name: str) -> None:
        """Ask a server again that refused our login within the last minute: a key of ours was let in there since.

        Raises:
            UnknownName: there is no such server.
        """
        self._links().forget_refusal(self._host(host_name))

    async def password_ways(self, host_name: str) -> tuple[str, ...]:
        """Return by which ways (`password`, `keyboard-interactive`) a server would take a password for its user.

        It is asked over a connection of its own, which gives none and logs nobody in: what sshd does is told, whatever
        its files say.

        Raises:
            UnknownName: there is no such server.
            HostError: it does not answer, or not as the pinned server; the subclass says why.
        """
        return await self._links().password_ways(self._host(host_name))

    @contextmanager
    def knowing(self, *guests: Guest) -> Generator["HostPool"]:
        """Know these servers too within the block, in this task and those that it starts, and trust them as they say.

        A guest comes before a server of the fleet with its name. Nothing of it is stored.
        """
        with present(*guests):
            yield self

    @contextmanager
    def by_key(self, host_name: str) -> Generator["HostPool"]:
        """Log in to this server with our key alone within the block, also where it is a guest that has a password.

        Raises:
            UnknownName: there is no such server.
        """
        host = self._host(host_name)
        with present(*((host.guest().by_key(),) if isinstance(host, GuestHost) else ())):
            yield self

    async def own_public_keys(self) -> tuple[str, ...]:
        """Return the public parts of what we log in with, as OpenSSH public key lines without a comment.

        Raises:
            ConfigError: there is no usable login key.
        """
        from ink_infra_mcp.ssh import wire

        return await wire.public_keys(self._login())

    async def scan_host_key(self, address: str, port: int = 22) -> str:
        """Return the host key that a server shows, as an OpenSSH public key line, without logging in.

        It proves nothing by itself: a person compares it with the provider's or the console's before it is pinned.

        Raises:
            HostUnreachable: no SSH server answered.
        """
        from ink_infra_mcp.ssh import wire

        dial, dial_port = self._connect_to.get((address, port), (address, port))
        return await wire.offered_key(dial, dial_port, name=address, limit_s=self._connect_timeout_s)

    def presentable(self, text: str, *, limit: int, mask: Callable[[str], str] = str) -> str:
        """Return the last `limit` characters of a server's words, cleaned and without secrets.

        `mask` masks those that only the caller knows; it is the first, since what looks like a secret may be a part
        of one.
        """
        return failures.tail(text, limit=limit, redact=lambda words: self.redact(mask(words)))

    def _host(self, name: str) -> Host:
        host = self.hosts.get(name)
        if host is None:
            raise UnknownName(
                f"No server is called {clean_name(name)!r}.",
                next=f"Use one of: {', '.join(sorted(self.hosts)) or 'none yet'}.",
            )
        return host

    def _gate(self, command: HostCommand, host: Host, permit: Permit | None) -> bool:
        """Let a listed reading pass, and all else with a live permit; return whether it may change something."""
        acts = self._acts(command)
        if acts:
            refuse_without_permit(permit, f"run {command.words[0]!r} on {host.name}")
        return acts

    def _acts(self, command: HostCommand) -> bool:
        return command.changes or command not in self._reads

    def _links(self) -> "Links":
        """SSH is imported with the first connection: a server that never needs it does not pay for it."""
        from ink_infra_mcp.ssh.links import Links

        if self._made is None:
            self._made = Links(
                self.hosts,
                login=self._login,
                clock=self._clock,
                connect_to=self._connect_to,
                limit_s=self._connect_timeout_s,
                keep_s=self._keep_s,
                at_once=self._fan_out,
            )
        return self._made

    async def _run(self, host: Host, command: HostCommand, permit: Permit | None) -> CommandResult:
        from ink_infra_mcp.ssh import exchange

        try:
            return await self._once(host, command, permit)
        except exchange.NotSent:
            pass
        try:
            return await self._once(host, command, permit)
        except exchange.NotSent as error:
            raise failures.no_connection(host.name, failures.where(host), str(error)) from error

    async def _once(self, host: Host, command: HostCommand, permit: Permit | None) -> CommandResult:
        from ink_infra_mcp.ssh import exchange

        links = self._links()
        link = await links.acquire(host)
        try:
            async with link.sessions, self._places.taken() as begun:
                self._gate(command, host, permit)
                return await self._exchange(link, command, begun)
        except exchange.NotSent:
            links.drop(link)
            raise
        except exchange.Cut as error:
            why = str(error)
            raise failures.connection_lost(host, command, why, acts=self._acts(command), redact=self.redact) from error
        except exchange.OutOfTime as error:
            raise failures.timed_out(
                host, command, error.said, acts=self._acts(command), stopped=error.stopped, redact=self.redact
            ) from error
        finally:
            links.release(link)

    async def _exchange(self, link: "Link", command: HostCommand, begun: Callable[[], None]) -> CommandResult:
        """Run the command; where the server has too many sessions open, nothing ran, so wait a little and ask again."""
        from ink_infra_mcp.ssh import exchange

        for attempt in range(SESSION_TRIES):
            try:
                return await exchange.exchange(link.connection, command, open_s=self._connect_timeout_s, begun=begun)
            except exchange.NoSession as error:
                if not error.full or attempt == SESSION_TRIES - 1:
                    raise failures.no_session(link.host, str(error)) from error
                await self._clock.sleep(SESSION_PAUSE_S * 2**attempt)
        raise AssertionError("unreachable")
