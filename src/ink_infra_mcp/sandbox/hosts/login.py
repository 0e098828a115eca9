"""The door of one pretend server: who may come in, how many sessions, and the way through it to its neighbours."""

import asyncio
import socket
from collections.abc import Awaitable
from dataclasses import dataclass, field
from functools import partial
from typing import cast

import asyncssh
from asyncssh.constants import OPEN_CONNECT_FAILED
from asyncssh.forward import SSHForwarder

from ink_infra_mcp.sandbox.hosts.logins import is_password, takes_password
from ink_infra_mcp.sandbox.hosts.logins import lets_in as lets_in_with
from ink_infra_mcp.sandbox.hosts.reboot import settle_boot
from ink_infra_mcp.sandbox.hosts.shell import ShellSession
from ink_infra_mcp.sandbox.hosts.vlan import settle_vlan
from ink_infra_mcp.sandbox.hosts.ways import SSH_PORT, Came, from_outside, lets_in, through
from ink_infra_mcp.sandbox.state import Fault, WorldState, take_fault
from ink_infra_mcp.sandbox.state_logins import Logins
from ink_infra_mcp.sandbox.world import World

MAX_SESSIONS = 10
"""OpenSSH's default."""
USER = "root"


Address = tuple[str, int]


@dataclass(slots=True)
class Street:
    """What all servers share: the world, where each one listens, and what is going on now.

    `logins` has a line for each login that was accepted or refused.
    """

    world: World
    listens_at: dict[Address, Address] = field(default_factory=dict[Address, Address])
    logins: list[str] = field(default_factory=list[str])
    connections: set[asyncssh.SSHServerConnection] = field(default_factory=set[asyncssh.SSHServerConnection])
    tasks: set["asyncio.Task[None]"] = field(default_factory=set["asyncio.Task[None]"])
    through: dict[Address, Came] = field(default_factory=dict[Address, Came])
    """Of connections that one server leads to another: by the end that this one sees, how they come in the world."""
    acceptors: dict[str, asyncssh.SSHAcceptor] = field(default_factory=dict[str, asyncssh.SSHAcceptor])

    def shows(self, host: str, private_key: str) -> None:
        """Let a server show a host key from the next connection on."""
        self.acceptors[host].update(server_host_keys=[asyncssh.import_private_key(private_key)])


class HostLogin(asyncssh.SSHServer):
    """One connection to a server, which accepts one user, by key or as its settings of sshd say."""

    def __init__(self, street: Street, host: str) -> None:
        self._street = street
        self._world = street.world
        self._host = host
        self._sessions: list[ShellSession] = []
        self._refuse = False
        self._wanted = ""
        self._logins = Logins()
        self._came = Came("", "")

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        """Hang up at once when the server is down, or its firewall does not let the pretend people in."""
        self._connection = conn
        self._street.connections.add(conn)
        led = self._street.through.pop(tuple(conn.get_extra_info("peername")[:2]), None)
        with self._world.change() as state:
            host = state.hosts.get(self._host)
            if host is not None:
                host.firewall.settle(self._world.now(state))
                settle_boot(host, self._world.now(state))
                settle_vlan(host, self._world.now(state))
                self._came = led or from_outside(host)
            let_in = host is not None and host.up and lets_in(host, self._came, SSH_PORT)
        if not let_in:
            conn.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self._street.connections.discard(self._connection)

    def begin_auth(self, username: str) -> bool:
        """Ask for a key, always; trouble that was scripted for the login strikes here."""
        with self._world.change() as state:
            fault = _login_fault(state, f"{self._host} login {username}")
            if host := state.hosts.get(self._host):
                host.logins.settle(self._world.now(state))
                self._wanted, self._logins = host.login_public_key, host.logins.model_copy(deep=True)
        self._refuse = fault is not None or username != USER
        return True

    def public_key_auth_supported(self) -> bool:
        """Accept keys."""
        return True

    def password_auth_supported(self) -> bool:
        """Take a password where sshd's settings say so."""
        return takes_password(self._logins)

    def kbdint_auth_supported(self) -> bool:
        """Offer no other way to give a password."""
        return False

    def validate_password(self, username: str, password: str) -> bool:
        """Accept root's password, and write down every other one."""
        good = not self._refuse and is_password(self._logins, password)
        if not good:
            self._street.logins.append(f"{self._host} {username} refused")
        return good

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        """Accept the key of the world, and write down every other one."""
        shown = key.export_public_key("openssh").decode()
        good = not self._refuse and lets_in_with(self._logins, shown, world_key=self._wanted)
        if not good:
            self._street.logins.append(f"{self._host} {username} refused")
        return good

    def auth_completed(self) -> None:
        """Write the login down."""
        self._street.logins.append(f"{self._host} {self._connection.get_extra_info('username')} accepted")

    def session_requested(self) -> ShellSession:
        """Open a session, at most ten at once."""
        self._sessions = [session for session in self._sessions if not session.ended]
        if len(self._sessions) >= MAX_SESSIONS:
            raise asyncssh.ChannelOpenError(OPEN_CONNECT_FAILED, "open failed")
        session = ShellSession(
            self._world,
            self._host,
            came=self._came,
            hang_up=self._connection.abort,
            shows=partial(self._street.shows, self._host),
            tasks=self._street.tasks,
        )
        self._sessions.append(session)
        return session

    def connection_requested(
        self, dest_host: str, dest_port: int, orig_host: str, orig_port: int
    ) -> Awaitable[asyncssh.SSHTCPSession[bytes]]:
        """Lead through to another server of the world, and nowhere else."""
        target, came = through(self._world.read(), self._host, dest_host)
        at = self._street.listens_at.get((target.address, dest_port)) if target else None
        if at is None or not came.source:
            raise asyncssh.ChannelOpenError(OPEN_CONNECT_FAILED, "Connection refused")
        return cast(Awaitable[asyncssh.SSHTCPSession[bytes]], self._lead(at, came))

    async def _lead(self, at: Address, came: Came) -> SSHForwarder:
        """Connect to where a server listens, which is told first from where that comes in the world."""
        loop, door = asyncio.get_running_loop(), socket.socket()
        door.bind(("127.0.0.1", 0))
        door.setblocking(False)
        self._street.through[door.getsockname()] = came
        await loop.sock_connect(door, at)
        _, forwarder = await loop.create_connection(SSHForwarder, sock=door)
        return SSHForwarder(forwarder)


def _login_fault(state: WorldState, what: str) -> Fault | None:
    """Take a scripted refusal of logins; the other kinds of trouble wait for a command."""
    refusals = state.model_copy(update={"faults": [fault for fault in state.faults if fault.kind == "refuse"]})
    return take_fault(refusals, "ssh", what)
