"""Starts an SSH server on loopback for every server of the pretend world, with keys that the world keeps."""

import asyncio
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from functools import partial

import asyncssh

from ink_infra_mcp.sandbox.hosts.login import Address, HostLogin, Street
from ink_infra_mcp.sandbox.key_pairs import new_key_pair
from ink_infra_mcp.sandbox.state_hosts import HostState
from ink_infra_mcp.sandbox.world import World

LOOPBACK = "127.0.0.1"
SSH_PORT = 22


@dataclass(frozen=True, slots=True)
class Door:
    """Where a pretend server really listens, and the host key that it shows as an OpenSSH public key line."""

    host: str
    port: int
    host_public_key: str


class SshHosts:
    """The running servers. Close it in the event loop that made it."""

    def __init__(self, world: World, login_private_key: str) -> None:
        self.login_private_key = login_private_key
        self._street = Street(world)
        self._doors: dict[str, Door] = {}
        self._servers: list[asyncssh.SSHAcceptor] = []

    async def __aenter__(self) -> "SshHosts":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    @property
    def doors(self) -> Mapping[str, Door]:
        """The servers by name."""
        return self._doors

    @property
    def connect_to(self) -> Mapping[Address, Address]:
        """From the address and port that a server has in the world to those where it really listens."""
        return self._street.listens_at

    @property
    def logins(self) -> list[str]:
        """Each login that was accepted or refused, as `<server> <user> accepted`, in order."""
        return self._street.logins

    def serve(self, hosts: Mapping[str, HostState] | Set[str]) -> bool:
        """Return whether exactly these are served, each with the host key that it has now (where keys are given)."""
        keys = {name: host.host_public_key for name, host in hosts.items()} if isinstance(hosts, Mapping) else {}
        return set(hosts) == set(self._doors) and all(self._doors[n].host_public_key == key for n, key in keys.items())

    async def follow(self) -> None:
        """Start servers for those that came into the world since; `doors` and `connect_to` grow in place."""
        with self._street.world.change() as state:
            _give_keys(state.hosts)
            # copies: the world goes on while doors open
            hosts = {name: host.model_copy(deep=True) for name, host in state.hosts.items()}
        self._forget(hosts)
        for name, host in hosts.items():
            if name not in self._doors:
                await self._open(name, host)

    def _forget(self, hosts: Mapping[str, HostState]) -> None:
        """A server that is gone answers no more; one that comes after it, or was made anew, has a door of its own."""
        for name, door in [*self._doors.items()]:
            if name not in hosts or hosts[name].host_public_key != door.host_public_key:
                del self._doors[name]

    async def aclose(self) -> None:
        """Stop listening, cut all connections, and stop all commands."""
        for server in self._servers:
            server.close()
            await server.wait_closed()
        connections = list(self._street.connections)
        for connection in connections:
            connection.abort()
        for connection in connections:
            await connection.wait_closed()
        if self._street.tasks:
            await asyncio.wait(self._street.tasks)

    async def _open(self, name: str, host: HostState) -> None:
        server = await asyncssh.create_server(
            partial(HostLogin, self._street, name),
            LOOPBACK,
            0,
            config=None,
            server_host_keys=[asyncssh.import_private_key(host.host_private_key)],
            encoding=None,
            allow_pty=False,
            line_editor=False,
            agent_forwarding=False,
            login_timeout=30,
        )
        self._servers.append(server)
        self._street.acceptors[name] = server
        self._doors[name] = Door(LOOPBACK, server.get_port(), host.host_public_key)
        self._street.listens_at[host.address, SSH_PORT] = (LOOPBACK, server.get_port())


async def serve_hosts(world: World) -> SshHosts:
    """Start the servers of the world and return them. Keys are made once and kept in the world.

    What a server is asked is answered from the world as it is then; a server that comes later needs `follow`.
    """
    with world.change() as state:
        login = _give_keys(state.hosts)
    servers = SshHosts(world, login)
    await servers.follow()
    return servers


def _give_keys(hosts: Mapping[str, HostState]) -> str:
    """Give each server a host key of its own, and all of them the same login key, where they have none; return it."""
    private, public = _login_key(hosts.values())
    for host in hosts.values():
        if not host.host_private_key:
            host.host_private_key, host.host_public_key = new_key_pair()
        if not host.login_private_key and host.logins.keys is None:
            host.login_private_key, host.login_public_key = private, public
    return private


def _login_key(hosts: Iterable[HostState]) -> tuple[str, str]:
    known = [(host.login_private_key, host.login_public_key) for host in hosts if host.login_private_key]
    return known[0] if known else new_key_pair()
