"""The rim of SSH: opens a connection to a pinned server and exchanges one command over it; nothing here repeats."""

import asyncio
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Protocol

import anyio
import asyncssh
from asyncssh.constants import EXTENDED_DATA_STDERR

from ink_infra_mcp.core.errors import HostError
from ink_infra_mcp.core.fleet import Host
from ink_infra_mcp.core.secret import Secret
from ink_infra_mcp.hosts import failures
from ink_infra_mcp.hosts.command import PID_MARK, CommandResult, HostCommand, kill_group

Connection = asyncssh.SSHClientConnection
OUTPUT_CAP_BYTES = 2**20
KEEPALIVE_S = 15
STOP_GRACE_S = 1.0
"""How long a command may tidy up after SIGTERM before SIGKILL."""

_GROUP = re.compile(rb"^" + PID_MARK + rb"(\d{1,10})\n", re.MULTILINE)
_HOST_KEY_ALGS = (
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "rsa-sha2-512",
    "rsa-sha2-256",
)


@dataclass(frozen=True, slots=True)
class Route:
    """How to reach a server: the address and port to dial, the open connection to dial through, and the limit."""

    host: Host
    address: str
    port: int
    through: Connection | None
    limit_s: float


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


class _Doorman(asyncssh.SSHClient):
    """Trusts no key by itself, and remembers which one the server showed."""

    offered: asyncssh.SSHKey | None = None

    def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        self.offered = key
        return False


async def connect(route: Route, login: Secret | None) -> Connection:
    """Return an open connection to the server, logged in with `login` or, if None, with the keys of the ssh-agent.

    Raises:
        HostKeyChanged: it shows another key than the pinned one; we did not log in.
        HostLoginRefused: it does not accept the key for that user.
        HostUnreachable: no connection within the limit, or the server hung up.
        HostError: no host key is pinned, or what is pinned is not a key.
        ConfigError: there is no usable login key.
    """
    pinned = _pinned(route.host)
    doorman = _Doorman()
    async with _login_keys(login) as keys:
        try:
            return await asyncssh.connect(
                route.address,
                route.port,
                tunnel=route.through or (),
                config=None,
                client_factory=lambda: doorman,
                known_hosts=(list(pinned), [], []),
                server_host_key_algs=_preferred_algs(pinned),
                username=route.host.ssh_user,
                client_keys=keys,
                agent_path=None,
                preferred_auth="publickey",
                x509_trusted_certs=None,
                gss_host=None,
                connect_timeout=route.limit_s,
                keepalive_interval=KEEPALIVE_S,
                keepalive_count_max=3,
            )
        except (OSError, asyncssh.Error) as error:
            raise _refusal(route, error, offered=doorman.offered) from error


async def offered_key(address: str, port: int, *, name: str, limit_s: float) -> str:
    """Return the host key that the server called `name` shows, as an OpenSSH public key line, without logging in.

    Raises:
        HostUnreachable: no SSH server answered within the limit.
    """
    try:
        with anyio.fail_after(limit_s):
            key = await asyncssh.get_server_host_key(
                address, port, config=None, server_host_key_algs=list(_HOST_KEY_ALGS)
            )
    except (OSError, asyncssh.Error) as error:
        raise failures.no_connection(name, f"{name} port {port}", _words(error, limit_s)) from error
    if key is None:
        raise failures.no_connection(name, f"{name} port {port}", "it shows no host key")
    return key.export_public_key("openssh").decode().strip()


async def exchange(connection: Sessions, command: HostCommand, *, open_s: float) -> CommandResult:
    """Run `command` once over an open connection and return what it said.

    Raises:
        NotSent, NoSession: it did not start.
        Cut: the connection broke, and it may have run.
        OutOfTime: it did not end in time; its process group was sent SIGTERM, then SIGKILL.
    """
    talk = _Talk()
    channel = await _open(connection, command.remote_line, talk, open_s=open_s)
    try:
        with suppress(BrokenPipeError):
            channel.write(command.stdin_bytes())
        channel.write_eof()
        with anyio.move_on_after(command.timeout_s):
            await talk.ended.wait()
            return _result(channel, talk)
    except anyio.get_cancelled_exc_class():
        with anyio.CancelScope(shield=True):
            await _stop(connection, talk, open_s=open_s)
        raise
    said = talk.said(exit_status=-1)
    await _stop(connection, talk, open_s=open_s)
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
        raise (Cut if talk.channel else NotSent)(f"no answer within {open_s:g} s") from error
    except (OSError, asyncssh.Error) as error:
        raise _not_open(sessions, talk, _words(error, open_s)) from error
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
        raise Cut(_words(talk.lost, 0) if talk.lost else "the server closed it without an exit status")
    return talk.said(exit_status=code if code >= 0 else 128 - code)


async def _stop(sessions: Sessions, talk: _Talk, *, open_s: float) -> None:
    """End the command with all that it started; a connection that broke meanwhile leaves it to the server.

    A command that has only just begun gets a moment to say which process group it is.
    """
    with anyio.move_on_after(STOP_GRACE_S):
        await talk.named.wait()
    for name in ("TERM", "KILL"):
        if talk.ended.is_set() or talk.group is None:
            break
        with suppress(NotSent, NoSession, Cut), anyio.move_on_after(STOP_GRACE_S):
            await _open(sessions, kill_group(talk.group, signal=name).line, _Talk(), open_s=open_s)
            await talk.ended.wait()
    if talk.channel is not None:
        talk.channel.close()


def _pinned(host: Host) -> tuple[asyncssh.SSHKey, ...]:
    lines = [line for line in host.host_key.splitlines() if line.strip()]
    if not lines:
        raise failures.not_pinned(host)
    try:
        return tuple(asyncssh.import_public_key(line) for line in lines)
    except asyncssh.KeyImportError as error:
        raise failures.bad_pin(host, str(error)) from error


def _preferred_algs(pinned: tuple[asyncssh.SSHKey, ...]) -> list[str]:
    """The pinned kinds come first, the others after them, so that a server with another kind of key is named too."""
    ours = {alg.decode() for key in pinned for alg in key.sig_algorithms}
    return sorted(_HOST_KEY_ALGS, key=lambda alg: alg not in ours)


@asynccontextmanager
async def _login_keys(login: Secret | None) -> AsyncGenerator[Sequence[asyncssh.SSHKeyPair]]:
    """Give the keys to log in with; those of an agent work only while the agent's connection is open."""
    if login is not None:
        yield _own_key(login)
        return
    try:
        agent = await asyncssh.connect_agent()
    except (OSError, asyncssh.Error) as error:
        raise failures.no_login_key("none is stored, and no ssh-agent answers at SSH_AUTH_SOCK") from error
    async with agent:
        keys = await agent.get_keys()
        if not keys:
            raise failures.no_login_key("none is stored, and the ssh-agent holds none")
        yield keys


def _own_key(login: Secret) -> Sequence[asyncssh.SSHKeyPair]:
    try:
        return asyncssh.load_keypairs([asyncssh.import_private_key(login.reveal())])
    except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError) as error:
        raise failures.no_login_key(f"the one from {login.source} cannot be read ({error})") from error


def _refusal(route: Route, error: Exception, *, offered: asyncssh.SSHKey | None) -> HostError:
    if isinstance(error, asyncssh.HostKeyNotVerifiable):
        return failures.key_changed(
            route.host,
            pinned=tuple(key.get_fingerprint() for key in _pinned(route.host)),
            offered=offered.get_fingerprint() if offered else "of an unknown kind",
        )
    if isinstance(error, asyncssh.PermissionDenied) or "authentication failures" in str(error):
        return failures.login_refused(route.host)
    return failures.no_connection(route.host.name, failures.where(route.host), _words(error, route.limit_s))


def _words(error: Exception, limit_s: float) -> str:
    """Return the error as words; a bare time-out has none of its own."""
    if isinstance(error, TimeoutError):
        return f"no answer within {limit_s:g} s"
    return str(error) or type(error).__name__
