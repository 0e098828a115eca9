"""Opens SSH connections: to the pinned server or to none, with one attempt to log in."""

from base64 import b64encode
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import anyio
import asyncssh

from ink_infra_mcp.core.errors import HostError, HostKeyChanged, HostLoginRefused
from ink_infra_mcp.core.fleet import Host
from ink_infra_mcp.core.secret import Secret
from ink_infra_mcp.ssh import failures
from ink_infra_mcp.ssh.guests import GuestHost
from ink_infra_mcp.ssh.ways import Connection, Way, way_to

KEEPALIVE_S = 15
_FINGERPRINT = "SHA256:"

_CIPHERS = "^aes256-gcm@openssh.com,aes128-gcm@openssh.com"
"""Before asyncssh's others, of which ChaCha20 is the first: that takes it five times as long for a short message."""

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


@dataclass(frozen=True, slots=True)
class _Pins:
    """What a server's host key has to be: one of these keys, or of a key with one of these fingerprints."""

    keys: tuple[asyncssh.SSHKey, ...]
    prints: tuple[str, ...]

    def tries(self) -> list[list[str]]:
        """Return which kinds of key to ask for, connection by connection.

        Those of pinned keys come first, the others after them, so that a server with another kind is named too. Of a
        fingerprint nobody knows the kind, and a server shows one key a connection: each kind is asked for by itself.
        """
        if self.prints:
            return [[alg for alg in _HOST_KEY_ALGS if alg.startswith(kind)] for kind in ("ssh-", "ecdsa-", "rsa-")]
        ours = {alg.decode() for key in self.keys for alg in key.sig_algorithms}
        return [sorted(_HOST_KEY_ALGS, key=lambda alg: alg not in ours)]

    def named(self) -> tuple[str, ...]:
        """Return the fingerprints of all."""
        return (*(key.get_fingerprint() for key in self.keys), *self.prints)


class _Doorman(asyncssh.SSHClient):
    """Trusts a key only by a pinned fingerprint, and remembers which one the server showed."""

    def __init__(self, prints: Sequence[str]) -> None:
        self._prints = prints
        self.offered: asyncssh.SSHKey | None = None

    def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        self.offered = key
        return key.get_fingerprint() in self._prints


class _Asker(_Doorman):
    """Comes without any key or password, and notes which ways to give a password the server offers."""

    def __init__(self, prints: Sequence[str], asked: set[str]) -> None:
        super().__init__(prints)
        self._asked = asked

    def password_auth_requested(self) -> None:
        self._asked.add("password")

    def kbdint_auth_requested(self) -> None:
        self._asked.add("keyboard-interactive")


async def connect(route: Route, login: Secret | None, *, place: AbstractAsyncContextManager[object]) -> Connection:
    """Return an open connection to the server, logged in with `login` or, if None, with the keys of the ssh-agent.

    A guest that takes none of these is given its password, where it has one. `place` is taken once the server has
    greeted, and given back when we are in or not: a server that is silent needs none. The limit holds for the greeting,
    and again for what follows.

    Raises:
        HostKeyChanged: it shows another key than the pinned one; we did not log in.
        HostLoginRefused: it does not accept the key for that user.
        HostUnreachable: no connection within the limit, or the server hung up.
        HostError: no host key is pinned, or what is pinned is not a key.
        ConfigError: there is no usable login key.
    """
    pins = _pinned(route.host)
    async with _login_keys(login) as keys:
        credentials: dict[str, Any] = {"client_keys": keys, "preferred_auth": "publickey"}
        if isinstance(route.host, GuestHost) and route.host.password is not None:
            credentials["password"] = route.host.password.reveal()
            credentials["preferred_auth"] = "publickey,password,keyboard-interactive"
        return await _first_good(route, pins, place, _Doorman, credentials)


async def password_ways(route: Route, *, place: AbstractAsyncContextManager[object]) -> tuple[str, ...]:
    """Return by which ways the server would take a password for this user; none is given, and nobody is let in.

    Raises:
        HostKeyChanged, HostUnreachable, HostError: as for `connect`.
    """
    asked: set[str] = set()
    credentials = {"client_keys": None, "password": None, "preferred_auth": "password,keyboard-interactive"}
    try:
        connection = await _first_good(
            route, _pinned(route.host), place, lambda prints: _Asker(prints, asked), credentials
        )
    except HostLoginRefused:
        return tuple(sorted(asked))
    connection.abort()
    raise HostError(
        f"{route.host.name} lets {route.host.ssh_user} in without a key or a password.",
        host=route.host.name,
        next="Look at its sshd_config and its PAM settings from its console at once.",
    )


async def _first_good(
    route: Route,
    pins: _Pins,
    place: AbstractAsyncContextManager[object],
    client: Callable[[Sequence[str]], _Doorman],
    credentials: dict[str, Any],
) -> Connection:
    """Connect, asking for one kind of host key after another until it shows one that is pinned."""
    tries = pins.tries()
    refusal: HostError | None = None
    for algs in tries:
        doorman, greeted = client(pins.prints), False
        try:
            async with way_to(route.address, route.port, through=route.through, limit_s=route.limit_s) as way, place:
                greeted = True
                return await _log_in(way, route, algs, pins=pins, doorman=doorman, credentials=credentials)
        except (OSError, asyncssh.Error) as error:
            found = _refusal(route, error, pins, offered=doorman.offered)
            # a server that has no such key may hang up before it says so
            if len(tries) == 1 or not greeted or isinstance(found, HostLoginRefused):
                raise found from error
            # of several answers the one that names a key says most
            refusal = found if refusal is None or isinstance(found, HostKeyChanged) else refusal
    raise refusal or AssertionError("unreachable")


async def _log_in(
    way: Way, route: Route, algs: list[str], *, pins: _Pins, doorman: _Doorman, credentials: dict[str, Any]
) -> Connection:
    return await asyncssh.connect(
        route.address,
        route.port,
        tunnel=way,
        config=None,
        client_factory=lambda: doorman,
        known_hosts=(list(pins.keys), [], []),
        server_host_key_algs=algs,
        encryption_algs=_CIPHERS,
        username=route.host.ssh_user,
        agent_path=None,
        x509_trusted_certs=None,
        gss_host=None,
        connect_timeout=route.limit_s,
        keepalive_interval=KEEPALIVE_S,
        keepalive_count_max=3,
        **credentials,
    )


async def public_keys(login: Secret | None) -> tuple[str, ...]:
    """Return the public parts of the keys that `connect` would log in with, as OpenSSH public key lines.

    Raises:
        ConfigError: there is no usable login key.
    """
    async with _login_keys(login) as pairs:
        return tuple(_public_line(pair.public_data) for pair in pairs)


def _public_line(data: bytes) -> str:
    """A public key on the wire begins with its kind, behind its length (RFC 4253, 6.6)."""
    kind = data[4 : 4 + int.from_bytes(data[:4], "big")].decode("ascii")
    return f"{kind} {b64encode(data).decode('ascii')}"


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
        raise failures.no_connection(name, f"{name} port {port}", failures.reason(error, limit_s)) from error
    if key is None:
        raise failures.no_connection(name, f"{name} port {port}", "it shows no host key")
    return key.export_public_key("openssh").decode().strip()


def _pinned(host: Host) -> _Pins:
    lines = [line.strip() for line in host.host_key.splitlines() if line.strip()]
    prints = tuple(line for line in lines if line.startswith(_FINGERPRINT))
    try:
        keys = tuple(asyncssh.import_public_key(line) for line in lines if line not in prints)
    except asyncssh.KeyImportError as error:
        raise failures.bad_pin(host, str(error)) from error
    if not lines:
        raise failures.not_pinned(host)
    return _Pins(keys, prints)


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
        yield await _agent_keys(agent)


async def _agent_keys(agent: asyncssh.SSHAgentClient) -> Sequence[asyncssh.SSHKeyPair]:
    try:
        keys = await agent.get_keys()
    except (OSError, ValueError) as error:
        raise failures.no_login_key(f"none is stored, and the ssh-agent does not give its own ({error})") from error
    if not keys:
        raise failures.no_login_key("none is stored, and the ssh-agent holds none")
    return keys


def _own_key(login: Secret) -> Sequence[asyncssh.SSHKeyPair]:
    try:
        return asyncssh.load_keypairs([asyncssh.import_private_key(login.reveal())])
    except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError) as error:
        raise failures.no_login_key(f"the one from {login.source} cannot be read ({error})") from error


def _refusal(route: Route, error: Exception, pins: _Pins, *, offered: asyncssh.SSHKey | None) -> HostError:
    if isinstance(error, asyncssh.HostKeyNotVerifiable):
        shown = offered.get_fingerprint() if offered else "of an unknown kind"
        return failures.key_changed(route.host, pinned=pins.named(), offered=shown)
    if isinstance(error, asyncssh.PermissionDenied) or "authentication failures" in str(error):
        return failures.login_refused(route.host)
    return failures.no_connection(route.host.name, failures.where(route.host), failures.reason(error, route.limit_s))
