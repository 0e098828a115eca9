"""The whole product over a pretend world, in one process: what tests of guard, tools and server work with."""

import asyncio
import ssl
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import anyio
from mcp import Client
from mcp.client import ClientRequestContext
from mcp.client.session import ElicitationFnT
from mcp.types import CallToolResult, ElicitRequestParams, ElicitResult, TextContent

from ink_infra_mcp.app import App, Places, Wiring, WrapHandler
from ink_infra_mcp.cli.opening import sandbox_fleet
from ink_infra_mcp.core.effects import Clock
from ink_infra_mcp.core.fleet import Fleet
from ink_infra_mcp.core.isolation import Isolation
from ink_infra_mcp.core.policy import Policy
from ink_infra_mcp.core.redact import Redactor
from ink_infra_mcp.guard.refusals import Refusals
from ink_infra_mcp.sandbox.running import Endpoints, Sandbox, open_world, tokens
from ink_infra_mcp.sandbox.state import WorldState
from ink_infra_mcp.sandbox.world import World
from ink_infra_mcp.server.build import ServerSettings, build_server
from ink_infra_mcp.server.catalogue import narrowed
from ink_infra_mcp.server.contracts import load
from ink_infra_mcp.server.prompts import instructions
from ink_infra_mcp.settings.loading import FLEET_FILE, Settings
from ink_infra_mcp.settings.policy_files import (
    load_baseline,
    load_dns,
    load_images,
    load_isolation,
    load_policy,
    load_ports,
    load_secrecy,
)
from ink_infra_mcp.settings.secrets import Secrets
from ink_infra_mcp.settings.system import new_id
from tests.clock import FakeClock
from tests.state.made import place_store

SPEED = 100.0
CLOSED_WITHIN_S = 60.0
PRINCIPAL = "local:tester"
STORE = "state.sqlite3"
Era = Literal["auto", "legacy"]
ERAS: tuple[Era, Era] = ("auto", "legacy")
"""Protocol 2026-07-28, and 2025-11-25."""


class ScaledClock:
    """Real time that runs as fast as the pretend world: waiting 3 seconds takes 30 milliseconds of ours."""

    def __init__(self, speed: float = SPEED) -> None:
        self._speed = speed

    def now(self) -> datetime:
        """Return the present instant; what is stored stays comparable between processes."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return scaled seconds."""
        return time.monotonic() * self._speed

    async def sleep(self, seconds: float) -> None:
        """Wait for scaled seconds."""
        await asyncio.sleep(seconds / self._speed)


@dataclass(slots=True)
class Person:
    """Answers what the server asks: `answers` in order, the last one again and again; `asked` keeps the questions."""

    answers: list[ElicitResult]
    asked: list[str] = field(default_factory=list[str])

    async def __call__(self, context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:
        """Return the next answer."""
        self.asked.append(params.message)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def says_yes(typed: str = "") -> Person:
    """Return a person who accepts everything, typing `typed` where a name is asked for."""
    return Person([ElicitResult(action="accept", content={"name": typed} if typed else {})])


def says(action: Literal["decline", "cancel"]) -> Person:
    """Return a person who never accepts."""
    return Person([ElicitResult(action=action)])


@dataclass(slots=True)
class Ink:
    """An opened product over a world. `world.change()` scripts faults and drift; `journal` lists accepted writes."""

    app: App
    world: World
    ends: Endpoints

    @property
    def state(self) -> WorldState:
        """Return the world as it is now."""
        return self.world.read()

    @property
    def journal(self) -> list[str]:
        """Return every write that an emulator accepted, and every unknown request."""
        return self.state.journal

    @asynccontextmanager
    async def client(
        self, person: ElicitationFnT | None = None, *, era: Era = "auto", read_only: bool = False, toolsets: str = ""
    ) -> AsyncGenerator[Client]:
        """Give an MCP client in memory; without a person it declares no elicitation."""

        async def opened() -> App:
            return self.app

        names = frozenset(name for name in toolsets.split(",") if name)
        server = build_server(
            ServerSettings(
                catalogue=narrowed(load(), toolsets=names, read_only=read_only),
                open=opened,
                principal=PRINCIPAL,
                instructions=instructions(),
                note=Refusals(self.app.store, ScaledClock()).note,
            )
        )
        async with Client(server, mode=era, elicitation_callback=person) as client:
            yield client


def text(result: CallToolResult) -> str:
    """Return a result's text."""
    return "\n".join(block.text for block in result.content if isinstance(block, TextContent))


def data(result: CallToolResult) -> dict[str, Any]:
    """Return a result's structured content."""
    return dict(result.structured_content or {})


@asynccontextmanager
async def ink(
    folder: Path,
    *,
    change_world: Callable[[WorldState], None] | None = None,
    change_fleet: Callable[[Fleet], Fleet] | None = None,
    policy: Policy | None = None,
    isolation: Isolation | None = None,
    policies: Path | None = None,
    app_secrets: dict[str, str] | None = None,
    unset: frozenset[str] = frozenset(),
    wrap_handler: WrapHandler | None = None,
    read_only: bool = False,
    state_url: str = "",
    speed: float = SPEED,
    clock: FakeClock | None = None,
) -> AsyncGenerator[Ink]:
    """Give the product over the world in `folder` (a new one, or the one that is there), with time `speed` times as
    fast, or time that passes only while the product waits by `clock`. `change_world` is applied before anything is
    opened. `policies` is the operator's own folder of port policy, `unset` names secrets of ours that are nowhere.
    """
    if clock is None:
        world = open_world(folder / "world.db", speed=speed)
    else:
        world = open_world(folder / "world.db", real_now=lambda: clock.now().timestamp())
    if change_world is not None:
        with world.change() as state:
            change_world(state)
    with Sandbox(world) as sandbox:
        ends = sandbox.start()
        wiring = wired(
            folder,
            world,
            ends,
            change_fleet=change_fleet,
            policy=policy,
            isolation=isolation,
            policies=policies,
            app_secrets=app_secrets,
            unset=unset,
            wrap_handler=wrap_handler,
            read_only=read_only,
            state_url=state_url,
            clock=clock or ScaledClock(speed),
        )
        if not state_url:
            place_store(wiring.settings.state_dir / STORE)
        app = App(wiring)
        try:
            yield Ink(app=app, world=world, ends=ends)
        finally:
            # a test that ran out of time leaves no engine open: every test after it in this process would fail, too
            with anyio.move_on_after(CLOSED_WITHIN_S, shield=True):
                await app.aclose()


def wired(
    folder: Path,
    world: World,
    ends: Endpoints,
    *,
    change_fleet: Callable[[Fleet], Fleet] | None = None,
    policy: Policy | None = None,
    isolation: Isolation | None = None,
    policies: Path | None = None,
    app_secrets: dict[str, str] | None = None,
    unset: frozenset[str] = frozenset(),
    wrap_handler: WrapHandler | None = None,
    read_only: bool = False,
    state_url: str = "",
    clock: Clock | None = None,
) -> Wiring:
    """Return what an App over running emulators is made of."""
    addresses = {name: host.address for name, host in world.read().hosts.items()}
    state_dir = folder / "state"
    keys, file = dict(ends.host_keys), state_dir / FLEET_FILE
    fleet = sandbox_fleet(ends.coolify_url, addresses, keys, file, place_key=ends.place_key)
    redact = Redactor()
    values = {**tokens(), "ssh_key": ends.login_key}
    environ = {f"INK_{name.upper()}": value for name, value in values.items() if name not in unset}
    environ |= {f"INK_APP_SECRET_{name}": value for name, value in (app_secrets or {}).items()}
    state_dir.mkdir(mode=0o700, exist_ok=True)
    settings = Settings(
        fleet=change_fleet(fleet) if change_fleet else fleet,
        config_path=folder / "fleet.toml",
        state_url=state_url or f"sqlite:///{state_dir / STORE}",
        state_dir=state_dir,
        read_only=read_only,
        sandbox=True,
    )
    return Wiring(
        settings=settings,
        policy=policy or load_policy(None),
        isolation=isolation or load_isolation(None),
        ports=lambda: load_ports(policies),
        baseline=lambda: load_baseline(policies),
        secrecy=load_secrecy(policies),
        dns=load_dns(policies),
        images=load_images(policies),
        secrets=Secrets(environ, redact=redact),
        redact=redact,
        clock=clock or ScaledClock(),
        new_id=new_id,
        places=places(ends),
        wrap_handler=wrap_handler,
    )


def places(ends: Endpoints) -> Places:
    """Return where the emulators answer, as the product wants it said."""
    return Places(
        hetzner_cloud=ends.hetzner_url,
        hetzner_robot=ends.robot_url,
        github=ends.github_url,
        cloudflare=ends.cloudflare_url,
        connect_to=ends.connect_to,
        nameservers=(ends.nameserver,),
        trust=ssl.create_default_context(cadata=ends.authority_pem),
    )
