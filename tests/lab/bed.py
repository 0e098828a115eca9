"""The lab as a test sees it: its servers as the product's fleet has them, clean when asked for, dirty when used up."""

from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass, field
from functools import partial

import anyio.to_thread

from ink_infra_mcp.core.fleet import Host
from ink_infra_mcp.core.redact import Redactor
from ink_infra_mcp.core.secret import Secret
from ink_infra_mcp.hosts.readings import READINGS
from ink_infra_mcp.settings.system import SystemClock
from ink_infra_mcp.ssh.command import HostCommand
from ink_infra_mcp.ssh.pool import HostPool
from tests.lab.ground.commands import until
from tests.lab.ground.hosts import Server
from tests.lab.ground.lab import Lab
from tests.lab.ground.places import Met

DIRTY: set[str] = set()
"""Servers that a test of this run has changed, or one of another run may have."""


@dataclass
class Bed:
    """What one test does with the lab; its pools take `reads` for commands that only read."""

    lab: Lab
    reads: Container[HostCommand] = READINGS
    _struck: set[str] = field(default_factory=set[str])
    _filtered: set[str] = field(default_factory=set[str])

    def clean(self, name: str) -> Server:
        """Return a server in the state of its first boot; the test promises to leave it so."""
        server = self.lab.server(name)
        if name in DIRTY or server.init is None:
            server.reset()
            DIRTY.discard(name)
        return server

    def fresh(self, name: str = "muscle-2") -> Server:
        """Return a server in the state of its first boot, to be used up: whoever wants it next gets a new one."""
        server = self.clean(name)
        DIRTY.add(name)
        return server

    def link(self, name: str, fault: str) -> None:
        """Give a server's cable a fault until the end of the test."""
        self._struck.add(name)
        self.lab.link(name, fault)

    def provider(self, name: str, inbound: Sequence[str], *, outbound: Sequence[str] | None = None) -> None:
        """Put a provider's firewall in front of a server until the end of the test."""
        self._filtered.add(name)
        self.lab.provider_filter(name, inbound, outbound)

    def connect(self, place: str, address: str, port: int, *, limit_s: float = 1.0) -> Met:
        """Return what a TCP connection meets, from `admin`, `outside` or a server's name."""
        return self.lab.connect(place, address, port, limit_s=limit_s)

    def tidy(self) -> None:
        """Take away what the test has put between the servers."""
        for name in self._struck:
            self.lab.link(name, "clear")
        for name in self._filtered:
            self.lab.provider_open(name)

    def host(self, name: str, **changes: object) -> Host:
        """Return a server as fleet.toml would have it, with its key pinned."""
        return host_of(self.lab.server(name)).model_copy(update=changes)

    def pool(self, *hosts: Host, key: str | None = None, connect_timeout_s: float = 5.0, fan_out: int = 32) -> HostPool:
        """Return the product's own way to these servers, or to the Factory and both Muscles; the clock is real."""
        known = hosts or tuple(host_of(self.lab.server(name)) for name in ("factory", "muscle-1", "muscle-2"))
        login = Secret(key or self.lab.login_key, source="the lab")
        return HostPool(
            {host.name: host for host in known},
            login=lambda: login,
            clock=SystemClock(),
            redact=Redactor(),
            reads=self.reads,
            connect_timeout_s=connect_timeout_s,
            fan_out=fan_out,
        )


def host_of(server: Server) -> Host:
    """Return a server as fleet.toml would have it."""
    return Host(
        name=server.name,
        address=server.machine.ipv4,
        host_key=server.host_key,
        private_address=None if server.machine.light else server.machine.private_ipv4,
    )


async def meanwhile(action: Callable[[], object]) -> None:
    """Do something to the lab while the event loop goes on."""
    await anyio.to_thread.run_sync(action)


async def eventually(look: Callable[[], bool], *, what: str, limit_s: float = 60.0) -> None:
    """Wait, while the event loop goes on, until `look` is true.

    Raises:
        LabError: it was not within the limit; the message is `what`.
    """
    await anyio.to_thread.run_sync(partial(until, look, what=what, limit_s=limit_s))
