"""Runs one command over an open SSH connection, once, and stops it when its time is up or nobody waits for it."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Protocol

import anyio
import asyncssh
from asyncssh.constants import EXTENDED_DATA_STDERR

from ink_infra_mcp.ssh.command import PID_MARK, CommandResult, HostCommand, kill_group
from ink_infra_mcp.ssh.failures import reason

OUTPUT_CAP_BYTES = 2**20
STOP_GRACE_S = 1.0
"""How long a command may tidy up after SIGTERM before SIGKILL."""

_GROUP = re.compile(PID_MARK + rb"(\d{1,10})\n")


class NotSent(Exception):
    """The connection was dead before the command left; nothing ran."""


class NoSession(Exception):
    """The server is alive but ran nothing: it has too many sessions open (`full`), or runs no commands for us."""

    def __init__(self, why: str, *, full: bool) -> None:
        super().__init__(why)
        self.full = full


class Cut(Exception):
    """The connection broke after the command had left; it may have run."""


class OutOfTime(Exception):
    """The command did not end within its limit; `said` holds its words until then, `stopped` whether it is gone."""

    def __init__(self, said: CommandResult, *, stopped: bool) -> None:
        super().__init__("time limit")
        self.said = said
        self.stopped = stopped


class _Channel(Protocol):
    """What we use of asyncssh's channel, which is not fully typed."""

    def write(self, data: bytes) -> None: ...
    def write_eof(self) -> None: ...
    def close(self) -> None: ...
    def get_returncode(self) -> int | None: ...


class Sessions(Protocol):
    """What we use of an open connection to start a command; asyncssh's own is not fully typed."""

    def create_session(
        self, session_factory: "Callable[[], _Talk]", command: str, *, encoding: None
    ) -> Awaitable[object]:
        """Open a session and start `command` in it."""
        ...

    def is_closed(self) -> bool:
        """Return whether the connection is known to be gone."""
        ...


async def exchange(
    connection: Sessions, command: HostCommand, *, open_s: float, begun: Callable[[], None]
) -> CommandResult:
    """Run `command` once over an open connection and return what it said; `begun` is called when the server has it.

    Raises:
        NotSent, NoSession: it did not start.
        Cut: the connection broke, and it may have run.
        OutOfTime: it did not end in time; its process group was sent SIGTERM, then SIGKILL.
    """
    talk = _Talk()
    channel = await _open(connection, command.remote_line, talk, open_s=open_s)
    begun()
    try:
        with suppress(BrokenPipeError):
            channel.write(command.stdin_bytes())
        channel.write_eof()
        with anyio.move_on_after(command.timeout_s):
            await talk.ended.wait()
            return _result(channel, talk)
    except anyio.get_cancelled_exc_class():
        with anyio.CancelScope(shield=True):
            await _stop(connection, talk)
        raise
    said = talk.said(exit_status=-1)
    await _stop(connection, talk)
    raise OutOfTime(said, stopped=talk.ended.is_set())


class _Talk(asyncssh.SSHClientSession[bytes]):
    """One command's session: gathers what it says, up to the cap, and knows when it ended and why."""

    def __init__(self) -> None:
        self.channel: _Channel | None = None
        self.group: int | None = None
        self.named = asyncio.Event()
        self.ended = asyncio.Event()
        self.lost: Exception | None = None
        self._out = bytearray()
        self._err = bytearray()
        self._truncated = False

    def connection_made(self, chan: asyncssh.SSHClientChannel[bytes]) -> None:
        self.channel = chan

    def data_received(self, data: bytes, datatype: asyncssh.DataType) -> None:
        if datatype == EXTENDED_DATA_STDERR:
            self._err += data
            self._read_group()
            self._truncated |= len(self._err) > OUTPUT_CAP_BYTES
            del self._err[:-OUTPUT_CAP_BYTES]
        else:
            room = OUTPUT_CAP_BYTES - len(self._out)
            self._truncated |= len(data) > room
            self._out += data[:room]

    def _read_group(self) -> None:
        """Take the line that names the process group out of standard error; a login shell may have spoken before it."""
        if self.group is None and (found := _GROUP.search(self._err)):
            self.group = int(found[1])
            self.named.set()
            del self._err[found.start() : found.end()]

    def eof_received(self) -> bool:
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = exc
        self.named.set()
        self.ended.set()

    def said(self, *, exit_status: int) -> CommandResult:
        return CommandResult(
            exit_status=exit_status,
            stdout=self._out.decode(errors="replace"),
            stderr=self._err.decode(errors="replace"),
            truncated=self._truncated,
        )


async def _open(sessions: Sessions, line: str, talk: _Talk, *, open_s: float) -> _Channel:
    """Open a session and start `line` in it.

    A caller that goes away is made to wait: a channel given up half open would stay open on the server and count
    against its MaxSessions.
    """
    try:
        with anyio.CancelScope(shield=True), anyio.fail_after(open_s):
            await sessions.create_session(lambda: talk, line, encoding=None)
    except TimeoutError as error:
        if talk.channel is None:
            raise NotSent(reason(error, open_s)) from error
        talk.channel.close()
        raise Cut(reason(error, open_s)) from error
    except (OSError, asyncssh.Error) as error:
        raise _not_open(sessions, talk, reason(error, open_s)) from error
    if talk.channel is None:
        raise NotSent("no session came up")
    return talk.channel


def _not_open(sessions: Sessions, talk: _Talk, why: str) -> Exception:
    if not sessions.is_closed():
        return NoSession(why, full=talk.channel is None)
    return Cut(why) if talk.channel else NotSent(why)


def _result(channel: _Channel, talk: _Talk) -> CommandResult:
    code = channel.get_returncode()
    if code is None:
        raise Cut(reason(talk.lost, 0) if talk.lost else "the server closed it without an exit status")
    return talk.said(exit_status=code if code >= 0 else 128 - code)


async def _stop(sessions: Sessions, talk: _Talk) -> None:
    """End the command with all that it started; a connection that broke meanwhile leaves it to the server.

    A command that has only just begun gets a moment to say which process group it is.
    """
    with anyio.move_on_after(STOP_GRACE_S):
        await talk.named.wait()
    for name in ("TERM", "KILL"):
        if talk.ended.is_set() or talk.group is None:
            break
        with suppress(NotSent, NoSession, Cut), anyio.move_on_after(STOP_GRACE_S):
            await _open(sessions, kill_group(talk.group, signal=name).line, _Talk(), open_s=STOP_GRACE_S)
            await talk.ended.wait()
    if talk.channel is not None:
        talk.channel.close()
