"""A pretend server that nobody knows yet, and the steps of its first login, run one by one."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import anyio

from ink_infra_mcp.core.plan import JsonObject, Step, Undo
from ink_infra_mcp.core.secret import Secret
from ink_infra_mcp.core.step import StepCall
from ink_infra_mcp.hosts.machine.booting import BootSteps
from ink_infra_mcp.hosts.machine.login_steps import LoginSteps
from ink_infra_mcp.hosts.machine.newcomers import Newcomers
from ink_infra_mcp.hosts.readings import READINGS
from ink_infra_mcp.sandbox.hosts import SshHosts, serve_hosts
from ink_infra_mcp.sandbox.state_hosts import HostState
from ink_infra_mcp.sandbox.state_logins import Logins
from ink_infra_mcp.sandbox.world import World
from ink_infra_mcp.ssh.pool import HostPool
from tests.clock import FakeClock
from tests.permits import permit_here
from tests.ssh.servers import pool_of, world_of

LIMIT_S = 60
NAME, ADDRESS = "muscle-9", "192.0.2.19"
PASSWORD = "a-password-of-the-world"


@dataclass
class Ground:
    """The world, its one server, and what the steps have returned."""

    world: World
    ssh: SshHosts
    pool: HostPool
    clock: FakeClock
    results: dict[str, JsonObject] = field(default_factory=dict[str, JsonObject])
    said: list[str] = field(default_factory=list[str])

    def newcomer(self, **changes: object) -> JsonObject:
        """Return the parameter that describes the server."""
        about = {"name": NAME, "address": ADDRESS, "host_key": self.ssh.doors[NAME].host_public_key}
        return {**about, **changes}  # pyright: ignore[reportReturnType] - texts

    async def run(self, step: Step | Undo, *, id_: str = "undo", operation: str = "op-1") -> JsonObject:
        """Run a step, and keep its result for those that follow."""
        id_ = step.id if isinstance(step, Step) else id_
        permit = permit_here(operation, step.kind)
        call = StepCall(
            operation, id_, step.kind, step.target, step.params, self.results, permit, self.clock, self.said.append
        )
        makers = (BootSteps(self.pool), LoginSteps(self.pool))
        handlers = {kind: handler for maker in makers for kind, handler in maker.handlers().items()}
        newcomers = Newcomers(self.pool, lambda name: Secret(PASSWORD, source=name))
        with anyio.fail_after(LIMIT_S):
            self.results[id_] = await newcomers.wrap(handlers)[step.kind](call)
        return self.results[id_]

    @property
    def logins(self) -> Logins:
        """Who may log in to the server and how, as the world has it now."""
        return self.world.read().hosts[NAME].logins


@asynccontextmanager
async def ground_of(folder: Path, logins: Logins) -> AsyncGenerator[Ground]:
    """Run the server; the pool knows no name."""
    world, clock = world_of(folder, HostState(name=NAME, address=ADDRESS, role="muscle", logins=logins)), FakeClock()
    async with (
        await serve_hosts(world) as ssh,
        pool_of(key=ssh.login_private_key, reads=READINGS, connect_to=ssh.connect_to, clock=clock) as pool,
    ):
        yield Ground(world, ssh, pool, clock)
