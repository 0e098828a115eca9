"""Opens SSH connections: to the pinned server or to none, with one attempt to log in."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

import anyio
import asyncssh

from ink_infra_mcp.core.errors import HostError
from ink_infra_mcp.core.fleet import Host
from ink_infra_mcp.core.secret import Secret
from ink_infra_mcp.ssh import failures
from ink_infra_mcp.ssh.ways import Connection, Way, way_to

KEEPALIVE_S = 15

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


class _Doorman(asyncssh.SSHClient):
    """Trusts no key by itself, and remembers which one the server showed."""

    offered: asyncssh.SSHKey | None = None

    def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        self.offered = key
        return False


async def connect(route: Route, login: Secret | None, *, place: AbstractAsyncContextManager[object]) -> Connection:
    """Return an open connection to the server, logged in with `login` or, if None, with the keys of the ssh-agent.

    `place` is taken once the server has greeted, and given back when we are in or not: a server that is silent needs
    none. The limit holds for the greeting, and again for what follows.

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
            async with way_to(route.address, route.port, through=route.through, limit_s=route.limit_s) as way, place:
                return await _log_in(way, route, pinned=pinned, keys=keys, doorman=doorman)
        except (OSError, asyncssh.Error) as error:
            raise _refusal(route, error, offered=doorman.offered) from error


async def _log_in(
    way: Way,
    route: Route,
    *,
    pinned: Sequence[asyncssh.SSHKey],
    keys: Sequence[asyncssh.SSHKeyPair],
    doorman: _Doorman,
) -> Connection:
    return await asyncssh.connect(
        route.address,
        route.port,
        tunnel=way,
        config=None,
        client_factory=lambda: doorman,
        known_hosts=(list(pinned), [], []),
        server_host_key_algs=_preferred_algs(pinned),
        encryption_algs=_CIPHERS,
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


def _pinned(host: Host) -> tuple[asyncssh.SSHKey, ...]:
    try:
        keys = tuple(asyncssh.import_public_key(line) for line in host.host_key.splitlines() if line.strip())
    except asyncssh.KeyImportError as error:
        raise failures.bad_pin(host, str(error)) from error
    if not keys:
        raise failures.not_pinned(host)
    return keys


def _preferred_algs(pinned: Sequence[asyncssh.SSHKey]) -> list[str]:
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


def _refusal(route: Route, error: Exception, *, offered: asyncssh.SSHKey | None) -> HostError:
    if isinstance(error, asyncssh.HostKeyNotVerifiable):
        return failures.key_changed(
            route.host,
            pinned=tuple(key.get_fingerprint() for key in _pinned(route.host)),
            offered=offered.get_fingerprint() if offered else "of an unknown kind",
        )
    if isinstance(error, asyncssh.PermissionDenied) or "authentication failures" in str(error):
        return failures.login_refused(route.host)
    return failures.no_connection(route.host.name, failures.where(route.host), failures.reason(error, route.limit_s))
