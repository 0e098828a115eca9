"""The composition root: settings -> secrets -> clients -> guard -> engine. The only place that wires."""

import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from ink_infra_mcp.clients import github, hetzner_cloud
from ink_infra_mcp.clients.coolify.errors import classify_coolify
from ink_infra_mcp.clients.coolify.look import CoolifyLook
from ink_infra_mcp.clients.coolify.steps import CoolifySteps
from ink_infra_mcp.clients.github import GithubLook
from ink_infra_mcp.clients.hetzner_cloud import HetznerCloudLook
from ink_infra_mcp.clients.http import Http, HttpSettings
from ink_infra_mcp.clients.probe import Probe
from ink_infra_mcp.clients.resolver import Resolver
from ink_infra_mcp.core.isolation import Isolation
from ink_infra_mcp.core.operation import Mutation, Query
from ink_infra_mcp.core.policy import Policy
from ink_infra_mcp.core.ports import Clock, NewId
from ink_infra_mcp.core.receipt import Receipt
from ink_infra_mcp.core.redact import Redactor
from ink_infra_mcp.core.secret import Secret
from ink_infra_mcp.core.step import Handler
from ink_infra_mcp.guard.approval import Approvals
from ink_infra_mcp.guard.caller import Answer, Asked, Caller, Progress
from ink_infra_mcp.guard.changes import Changes
from ink_infra_mcp.guard.following import Operations
from ink_infra_mcp.guard.locking import Locks
from ink_infra_mcp.guard.program import GuardedProgram
from ink_infra_mcp.guard.runner import Guard
from ink_infra_mcp.guard.steps import OperationSteps
from ink_infra_mcp.hosts.pool import HostPool
from ink_infra_mcp.hosts.steps import HostSteps
from ink_infra_mcp.settings import Settings
from ink_infra_mcp.settings.secrets import Secrets
from ink_infra_mcp.state.owners import FileOwners, Owners, PostgresOwners
from ink_infra_mcp.state.store import Store
from ink_infra_mcp.tools import ALL
from ink_infra_mcp.tools.look import Look

HETZNER_CLOUD = "https://api.hetzner.cloud/v1"
GITHUB = "https://api.github.com"

AnyQuery = Query[Any, Any, Any]
AnyMutation = Mutation[Any, Any, Any]
Endpoint = tuple[str, int]
WrapHandler = Callable[[str, Handler], Handler]


@dataclass(frozen=True, slots=True)
class Places:
    """Where the outside world is: the real one by default, a sandbox's sockets in the sandbox.

    `connect_to` dials another (address, port) in place of a server's own, for SSH and probes alike.
    """

    hetzner_cloud: str = HETZNER_CLOUD
    github: str = GITHUB
    connect_to: Mapping[tuple[str, int], tuple[str, int]] = field(
        default_factory=dict[tuple[str, int], tuple[str, int]]
    )
    nameservers: tuple[tuple[str, int], ...] | None = None
    trust: ssl.SSLContext | None = None


@dataclass(frozen=True, slots=True)
class Wiring:
    """What an App is made of that a test may want to hold in its hand."""

    settings: Settings
    policy: Policy
    isolation: Isolation
    secrets: Secrets
    redact: Redactor
    clock: Clock
    new_id: NewId
    places: Places = field(default_factory=Places)
    wrap_handler: WrapHandler | None = None


class App:
    """The opened application: every tool, the guard in front of those that change, and what they work on."""

    def __init__(self, wiring: Wiring) -> None:
        self._wiring = wiring
        settings = wiring.settings
        self.settings = settings
        self.sandbox = settings.sandbox
        self.changes = Changes()
        self.store = Store(settings.state_url)
        self.owners = _owners(settings, wiring.new_id("ex"))
        self._https: list[Http] = []
        self.hosts = _hosts(wiring)
        self._coolify_http = self._http(_coolify_settings(wiring), classify_coolify)
        self.look = self._look()
        tools = [tool() for tool in ALL]
        self.queries: Mapping[str, AnyQuery] = {t.name: t for t in tools if isinstance(t, Query)}
        self.mutations: Mapping[str, AnyMutation] = {t.name: t for t in tools if isinstance(t, Mutation)}
        self.engine = LazyEngine(settings.state_url, self.owners.executor, self._program())
        self.operations = Operations(
            store=self.store, engine=self.engine, owners=self.owners, clock=wiring.clock, changes=self.changes
        )
        self.approvals = Approvals(
            store=self.store,
            clock=wiring.clock,
            new_id=wiring.new_id,
            ttl_s=settings.fleet.approvals.ttl_minutes * 60.0,
        )
        self.guard = self._guard()

    async def change(self, tool: AnyMutation, args: BaseModel, caller: Caller) -> Receipt | Asked:
        """Run the guard's sequence up to the begin of the operation."""
        return await self.guard.call(tool, args, caller)

    async def answer(self, approval_id: str, answer: Answer, caller: Caller) -> Receipt | None:
        """Take a person's answer that came through a client; None means yes."""
        return await self.guard.answer(approval_id, answer, caller)

    async def follow(self, operation_id: str, wait_s: float, progress: Progress | None) -> Receipt:
        """Wait for an operation, up to `wait_s` seconds."""
        return await self.operations.follow(operation_id, wait_s=wait_s, progress=progress)

    def redact(self, text: str) -> str:
        """Return the text without secrets."""
        return self._wiring.redact(text)

    async def take_over_orphans(self) -> tuple[str, ...]:
        """Go on with what a dead process left; a read-only server leaves it to others."""
        return () if self.settings.read_only else await self.operations.take_over_orphans()

    async def drain(self) -> None:
        """Wait until no operation of this process runs any more: a client that goes away cancels nothing."""
        while self.engine.is_open and await self.operations.own_running():
            await self.changes.wait(1.0)

    async def aclose(self) -> None:
        """Stop the engine where it is and close every connection."""
        await self.engine.close()
        await self.hosts.aclose()
        for http in self._https:
            await http.aclose()
        self.owners.close()
        self.store.close()

    def _http(self, http_settings: HttpSettings, classify: Any = None) -> Http:
        wiring = self._wiring
        http = Http(http_settings, clock=wiring.clock, redact=wiring.redact, classify=classify)
        self._https.append(http)
        return http

    def _look(self) -> Look:
        wiring, places = self._wiring, self._wiring.places
        hetzner = wiring.secrets.get("hetzner_cloud_token")
        return Look(
            fleet=self.settings.fleet,
            coolify=CoolifyLook(self._coolify_http),
            hosts=self.hosts,
            github=GithubLook(self._http(_github_settings(wiring), github.classify)),
            hetzner=HetznerCloudLook(self._http(_hetzner_settings(wiring, hetzner), hetzner_cloud.classify))
            if hetzner
            else None,
            probe=Probe(places.connect_to, places.trust),
            resolver=Resolver(places.nameservers),
            isolation=wiring.isolation,
            has_secret=lambda name: wiring.secrets.get(name) is not None,
            store=self.store,
            clock=wiring.clock,
        )

    def _handlers(self) -> dict[str, Handler]:
        wiring, isolation = self._wiring, self._wiring.isolation
        coolify = CoolifySteps(self._coolify_http, wiring.secrets.need, wiring.redact)
        hosts = HostSteps(self.hosts, runtime=isolation.runtime, may_go_without=isolation.allow_without)
        handlers = coolify.handlers() | hosts.handlers() | OperationSteps(self.store).handlers()
        wrap = wiring.wrap_handler
        return {kind: wrap(kind, handler) for kind, handler in handlers.items()} if wrap else handlers

    def _program(self) -> GuardedProgram:
        return GuardedProgram(
            store=self.store,
            handlers=self._handlers(),
            mutations=self.mutations,
            look=self.look,
            clock=self._wiring.clock,
            redact=self._wiring.redact,
            changes=self.changes,
            sandbox=self.sandbox,
        )

    def _guard(self) -> Guard:
        wiring = self._wiring
        return Guard(
            store=self.store,
            engine=self.engine,
            policy=wiring.policy,
            approvals=self.approvals,
            locks=Locks(store=self.store, owners=self.owners, clock=wiring.clock),
            clock=wiring.clock,
            new_id=wiring.new_id,
            look=self.look,
            sandbox=self.sandbox,
        )


class LazyEngine:
    """The engine of this process, imported and opened at the first operation: reading servers never pay for it."""

    def __init__(self, url: str, executor: str, program: GuardedProgram) -> None:
        self._make = lambda: _durable(url, executor, program)
        self._engine: Any = None

    @property
    def is_open(self) -> bool:
        """Return whether an operation was ever begun here."""
        return self._engine is not None

    async def start(self, operation_id: str) -> None:
        """Begin (or go on with) the operation; returns at once."""
        if self._engine is None:
            self._engine = self._make()
        await self._engine.start(operation_id)

    async def close(self) -> None:
        """Stop, if it was ever opened."""
        if self._engine is not None:
            await self._engine.close()


def _durable(url: str, executor: str, program: GuardedProgram) -> Any:
    from ink_infra_mcp.engine.durable import DurableEngine

    return DurableEngine(url=url, executor=executor, program=program)


def _owners(settings: Settings, executor: str) -> Owners:
    if settings.state_url.startswith("sqlite"):
        return FileOwners(settings.state_dir / "owners", executor)
    return PostgresOwners(settings.state_url, executor)


def _hosts(wiring: Wiring) -> HostPool:
    hosts = {host.name: host for host in wiring.settings.fleet.hosts}
    return HostPool(
        hosts,
        login=lambda: wiring.secrets.get("ssh_key"),
        clock=wiring.clock,
        redact=wiring.redact,
        connect_to=wiring.places.connect_to,
    )


def _coolify_settings(wiring: Wiring) -> HttpSettings:
    return HttpSettings(
        service="Coolify",
        base_url=f"{wiring.settings.fleet.coolify.url}/api/v1/",
        token=wiring.secrets.need("coolify_token"),
    )


def _hetzner_settings(wiring: Wiring, token: Secret) -> HttpSettings:
    return HttpSettings(service="Hetzner Cloud", base_url=f"{wiring.places.hetzner_cloud}/", token=token)


def _github_settings(wiring: Wiring) -> HttpSettings:
    return HttpSettings(
        service="GitHub",
        base_url=f"{wiring.places.github}/",
        token=wiring.secrets.get("github_token"),
        headers=github.HEADERS,
    )
