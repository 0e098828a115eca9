"""Servers to try the pool on: a pretend one and a real OpenSSH, behind one handle; and small odd ones."""

from collections.abc import AsyncGenerator, Callable, Container
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import anyio

from ink_infra_mcp.core.fleet import Host
from ink_infra_mcp.core.permit import Permit
from ink_infra_mcp.core.redact import Redactor
from ink_infra_mcp.core.secret import Secret
from ink_infra_mcp.sandbox.hosts import SshHosts, serve_hosts
from ink_infra_mcp.sandbox.state import WorldState
from ink_infra_mcp.sandbox.state_coolify import CoolifyState
from ink_infra_mcp.sandbox.state_github import seed_github
from ink_infra_mcp.sandbox.state_hetzner import seed_hetzner
from ink_infra_mcp.sandbox.state_hosts import HostState
from ink_infra_mcp.sandbox.world import World
from ink_infra_mcp.ssh.command import HostCommand
from ink_infra_mcp.ssh.links import Login, Where
from ink_infra_mcp.ssh.pool import HostPool
from tests.clock import FakeClock
from tests.permits import permit_here
from tests.ssh.openssh import USER, OpenSsh, openssh

NAME = "muscle-1"
ADDRESS = "192.0.2.11"
PERMIT_ID = "op-1"


def world_of(folder: Path, *hosts: HostState) -> World:
    """Return a fresh world in which only servers exist."""
    known = {host.name: host for host in hosts or (HostState(name=NAME, address=ADDRESS, role="muscle"),)}

    def seed(now: float) -> WorldState:
        return WorldState(
            began=now, coolify=CoolifyState(), hetzner=seed_hetzner(now), github=seed_github(now), hosts=known
        )

    return World(folder / "world.sqlite", seed=seed, settle=lambda state, now: None, real_now=lambda: 1_800_000_000.0)


def permit() -> Permit:
    """Return a live permit, as the guard gives one to an approved plan."""
    return permit_here(PERMIT_ID, "hosts.test")


class AtTheirWord:
    """The commands that say of themselves that they only read: for tests of the way to a server, not of its gate."""

    def __contains__(self, command: object) -> bool:
        return isinstance(command, HostCommand) and not command.changes


def pool_of(
    *hosts: Host,
    key: str | Login,
    connect_to: Where,
    clock: FakeClock | None = None,
    redact: Redactor | None = None,
    reads: Container[HostCommand] = AtTheirWord(),
    connect_timeout_s: float = 5.0,
    keep_s: float = 300.0,
    fan_out: int = 32,
) -> HostPool:
    """Return a pool that logs in with `key`, or with what it gives."""
    login: Login = (lambda: Secret(key, source="a test")) if isinstance(key, str) else key
    return HostPool(
        {host.name: host for host in hosts},
        login=login,
        clock=clock or FakeClock(),
        redact=redact or Redactor(),
        reads=reads,
        connect_to=connect_to,
        connect_timeout_s=connect_timeout_s,
        keep_s=keep_s,
        fan_out=fan_out,
    )


def look(*words: str, timeout_s: float = 10, stdin: bytes | Secret | None = None) -> HostCommand:
    """Return a command that changes nothing."""
    return HostCommand(words, changes=False, timeout_s=timeout_s, stdin=stdin)


def script(text: str, *arguments: str, timeout_s: float = 10, changes: bool = False) -> HostCommand:
    """Return a command that runs a small script."""
    return HostCommand(("sh", "-c", text, "sh", *arguments), changes=changes, timeout_s=timeout_s)


class Far(Protocol):
    """A server to try things on."""

    @property
    def host(self) -> Host:
        """The server as the fleet knows it, with the right key pinned."""
        ...

    @property
    def key(self) -> str:
        """The private key that is let in."""
        ...

    @property
    def connect_to(self) -> Where:
        """Where it really listens."""
        ...

    def logins(self) -> int:
        """Return how many logins were accepted."""
        ...

    def refusals(self) -> int:
        """Return how many times a login was refused."""
        ...


@dataclass(frozen=True)
class PretendServer:
    """A server of the sandbox."""

    world: World
    ssh: SshHosts

    @property
    def host(self) -> Host:
        """The server as the fleet knows it."""
        return Host(name=NAME, address=ADDRESS, host_key=self.ssh.doors[NAME].host_public_key)

    @property
    def key(self) -> str:
        """The key of the world."""
        return self.ssh.login_private_key

    @property
    def connect_to(self) -> Where:
        """Where it really listens."""
        return self.ssh.connect_to

    def logins(self) -> int:
        """Return how many logins were accepted."""
        return sum(line.endswith("accepted") for line in self.ssh.logins)

    def refusals(self) -> int:
        """Return how many logins were refused."""
        return sum(line.endswith("refused") for line in self.ssh.logins)


@dataclass(frozen=True)
class RealServer:
    """An OpenSSH server on loopback."""

    sshd: OpenSsh
    connect_to: Where = field(default_factory=dict[tuple[str, int], tuple[str, int]])

    @property
    def host(self) -> Host:
        """The server as the fleet knows it."""
        return Host(name=NAME, address="127.0.0.1", ssh_port=self.sshd.port, ssh_user=USER, host_key=self.sshd.host_key)

    @property
    def key(self) -> str:
        """The authorized key."""
        return self.sshd.login_key

    def logins(self) -> int:
        """Return how many logins were accepted."""
        return self.sshd.count("Accepted publickey")

    def refusals(self) -> int:
        """Return how many times a key was refused; an unknown user is not even asked for one."""
        return max(self.sshd.count("Failed publickey"), self.sshd.count(r"Invalid user \S+ from"))


async def eventually(count: Callable[[], int], wanted: int) -> None:
    """Wait until `count` gives `wanted`: a real server writes its log a moment after it has acted."""
    while count() != wanted:  # noqa: ASYNC110 - a log in another thread has no event
        await anyio.sleep(0.01)


@asynccontextmanager
async def far(kind: str, folder: Path) -> AsyncGenerator[Far]:
    """Run a server of that kind: `sandbox` or `openssh`."""
    async with AsyncExitStack() as stack:
        if kind == "sandbox":
            world = world_of(folder)
            yield PretendServer(world, await stack.enter_async_context(await serve_hosts(world)))
            return
        yield RealServer(stack.enter_context(openssh(folder)))
