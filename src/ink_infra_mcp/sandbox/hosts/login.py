"""The door of one pretend server: who may come in, how many sessions, and the way through it to its neighbours."""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import cast

import asyncssh
from asyncssh.constants import OPEN_CONNECT_FAILED

from ink_infra_mcp.sandbox.hosts.shell import ShellSession
from ink_infra_mcp.sandbox.hosts.ways import CLIENT, SSH_PORT, lets_in
from ink_infra_mcp.sandbox.state import Fault, WorldState, take_fault
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


class HostLogin(asyncssh.SSHServer):
    """One connection to a server, which accepts one user with one key."""

    def __init__(self, street: Street, host: str) -> None:
        self._street = street
        self._world = street.world
        self._host = host
        self._sessions: list[ShellSession] = []
        self._refuse = False
        self._wanted = ""

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        """Hang up at once when the server is down, or its firewall does not let the pretend people in."""
        self._connection = conn
        self._street.connections.add(conn)
        with self._world.change() as state:
            host = state.hosts[self._host]
            host.firewall.settle(self._world.now(state))
        if not host.up or not lets_in(host, CLIENT, SSH_PORT):
            conn.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self._street.connections.discard(self._connection)

    def begin_auth(self, username: str) -> bool:
        """Ask for a key, always; trouble that was scripted for the login strikes here."""
        with self._world.change() as state:
            fault = _login_fault(state, f"{self._host} login {username}")
            self._wanted = state.hosts[self._host].login_public_key
        self._refuse = fault is not None or username != USER
        return True

    def public_key_auth_supported(self) -> bool:
        """Accept keys and nothing else."""
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        """Accept the key of the world, and write down every other one."""
        good = not self._refuse and key == asyncssh.import_public_key(self._wanted)
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
        session = ShellSession(self._world, self._host, hang_up=self._connection.abort, tasks=self._street.tasks)
        self._sessions.append(session)
        return session

    def connection_requested(
        self, dest_host: str, dest_port: int, orig_host: str, orig_port: int
    ) -> Awaitable[asyncssh.SSHTCPSession[bytes]]:
        """Lead through to another server of the world, and nowhere else."""
        at = self._street.listens_at.get((dest_host, dest_port))
        if at is None:
            raise asyncssh.ChannelOpenError(OPEN_CONNECT_FAILED, "Connection refused")
        forwarder = self._connection.forward_connection(*at)
        return cast(Awaitable[asyncssh.SSHTCPSession[bytes]], forwarder)


def _login_fault(state: WorldState, what: str) -> Fault | None:
    """Take a scripted refusal of logins; the other kinds of trouble wait for a command."""
    refusals = state.model_copy(update={"faults": [fault for fault in state.faults if fault.kind == "refuse"]})
    return take_fault(refusals, "ssh", what)
