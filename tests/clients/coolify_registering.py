"""A Coolify with a third machine that it does not know yet, and the steps that register it, run as one plan."""

from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import anyio

from ink_infra_mcp.app import App
from ink_infra_mcp.clients.coolify.errors import classify_coolify
from ink_infra_mcp.clients.coolify.reads import READS
from ink_infra_mcp.clients.coolify.registering import Present, Registration, WantedServer, registration, what_is_there
from ink_infra_mcp.clients.coolify.steps import CoolifySteps
from ink_infra_mcp.clients.http import Http, HttpSettings
from ink_infra_mcp.core.fingerprint import Pinning
from ink_infra_mcp.core.plan import Plan, Step, Undo
from ink_infra_mcp.core.redact import Redactor
from ink_infra_mcp.core.secret import Secret
from ink_infra_mcp.core.step import Handler
from ink_infra_mcp.hosts.docker.proxy import proxy_on
from ink_infra_mcp.hosts.factory.steps import FactorySteps
from ink_infra_mcp.sandbox.seed import TOKEN
from ink_infra_mcp.sandbox.state import Fault, WorldState
from ink_infra_mcp.sandbox.state_coolify import Server
from ink_infra_mcp.sandbox.state_hosts import HostState
from ink_infra_mcp.settings.system import new_key_pair
from tests.clients.steps import Steps
from tests.clock import FakeClock
from tests.ink import Ink, ink

NAME, ADDRESS, KEY_NAME = "muscle-3", "192.0.2.13", "ink muscle-3"
WILDCARD = "https://s3.example.com"
OLD, NEW = "4.0.0-beta.463", "4.3.10"
VERSIONS = (OLD, "4.1.0", "4.2.0", NEW)
WANTED = WantedServer(
    name=NAME,
    address=ADDRESS,
    key_name=KEY_NAME,
    factory="factory",
    wildcard_domain="s3.example.com",
    concurrent_builds=3,
    cleanup_threshold=70,
)


@dataclass(slots=True)
class Site:
    """The product over that world, and one operation's way of running steps."""

    ink: Ink
    clock: FakeClock
    handlers: dict[str, Handler]
    operation: str = "op-register"
    steps: Steps = field(init=False)

    def __post_init__(self) -> None:
        self.steps = Steps(self.handlers, self.clock, operation=self.operation)

    @property
    def state(self) -> WorldState:
        """Return the world as it is now."""
        return self.ink.state

    @property
    def server(self) -> Server:
        """Return the new server's row in Coolify."""
        (found,) = [server for server in self.state.coolify.servers if server.name == NAME]
        return found

    async def present(self, wanted: WantedServer = WANTED) -> Present:
        """Return what Coolify and the server itself tell."""
        return await what_is_there(self.ink.app.look.coolify, wanted, await proxy_on(self.ink.app.hosts, NAME))

    async def planned(self, wanted: WantedServer = WANTED) -> Registration:
        """Return the steps for what is there now."""
        return registration(wanted, await self.present(wanted), "m3_")

    async def run(self, steps: Iterable[Step]) -> None:
        """Run steps as the engine does: in order, each with the results of those before."""
        for step in steps:
            await self.one(step)

    async def one(self, step: Step) -> None:
        """Run a step."""
        with anyio.fail_after(180):
            await self.steps.run(step.kind, step.params, step.id)

    async def undo(self, steps: Iterable[Step]) -> None:
        """Run the undo of each step that has one, the last first."""
        for undo in [step.undo for step in reversed([*steps]) if step.undo]:
            await self.back(undo)

    async def back(self, undo: Undo) -> None:
        """Run an undo."""
        with anyio.fail_after(180):
            await self.steps.run(undo.kind, undo.params, "undo")

    def admit(self) -> None:
        """Let in whoever has a key that Coolify holds under our name, as the step between the groups does."""
        with self.ink.world.change() as state:
            state.hosts[NAME].authorized_keys = [key.public_key for key in state.coolify.keys if key.name == KEY_NAME]

    def trouble(self, match: str, kind: str = "drop_after", *, system: str = "coolify") -> None:
        """Let one request that matches go wrong."""
        with self.ink.world.change() as state:
            state.faults.append(Fault(system=system, match=match, kind=kind))

    def change(self, alter: Callable[[WorldState], object]) -> None:
        """Alter the world."""
        with self.ink.world.change() as state:
            alter(state)

    async def registered(self, wanted: WantedServer = WANTED) -> tuple[Step, ...]:
        """Plan and run everything; return the steps."""
        plan = await self.planned(wanted)
        await self.run(plan.key)
        self.admit()
        await self.run((*plan.register, *plan.use, *plan.wildcard))
        return plan.steps


@asynccontextmanager
async def site(
    folder: Path, *, version: str = NEW, change: Callable[[WorldState], object] | None = None
) -> AsyncGenerator[Site]:
    """Give the site over a fresh world, with time that passes only while somebody waits."""
    clock = FakeClock()

    def changed(state: WorldState) -> None:
        state.coolify.version = version
        state.hosts[NAME] = HostState(name=NAME, address=ADDRESS, role="muscle", authorized_keys=[])
        if change is not None:
            change(state)

    async with ink(folder, change_world=changed, clock=clock) as opened:
        http = door(opened, clock)
        try:
            yield Site(opened, clock, _handlers(opened.app, http))
        finally:
            await http.aclose()


def door(opened: Ink, clock: FakeClock) -> Http:
    """Return a door to the pretend Coolify."""
    settings = HttpSettings(
        service="Coolify", base_url=f"{opened.ends.coolify_url}/api/v1/", reads=READS, token=Secret(TOKEN)
    )
    return Http(settings, clock=clock, redact=Redactor(), classify=classify_coolify, jitter=lambda: 0.0)


def _handlers(app: App, http: Http) -> dict[str, Handler]:
    coolify = CoolifySteps(
        http,
        need_secret=Secret,
        new_password=lambda: Secret("unused"),
        redact=Redactor(),
        pinning=Pinning(Secret("token")),
        new_key_pair=new_key_pair,
        see_proxy=partial(proxy_on, app.hosts),
    )
    return {**coolify.handlers(), **FactorySteps(app.hosts).handlers()}


def plan_of(steps: tuple[Step, ...]) -> Plan:
    """Return the steps as a plan, which checks that they fit together."""
    return Plan(tool="test", title="register", target=NAME, locks=(NAME,), steps=steps, reason="nothing is left to do")
