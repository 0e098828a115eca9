"""Steps whose answers get lost: a world for each run, a cut at one of its requests, and what came of it in the end."""

import re
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import anyio
import httpx2
from pydantic import JsonValue
from starlette.types import ASGIApp, Receive, Scope, Send

from ink_infra_mcp.clients import cloudflare, hetzner_dns
from ink_infra_mcp.clients.cloudflare.steps import CloudflareSteps
from ink_infra_mcp.clients.coolify.errors import classify_coolify
from ink_infra_mcp.clients.coolify.reads import READS
from ink_infra_mcp.clients.coolify.steps import CoolifySteps
from ink_infra_mcp.clients.hetzner_cloud.steps import HetznerCloudSteps
from ink_infra_mcp.clients.hetzner_dns.steps import HetznerDnsSteps
from ink_infra_mcp.clients.hetzner_robot.steps import HetznerRobotSteps
from ink_infra_mcp.clients.http import Http, HttpSettings
from ink_infra_mcp.core.errors import InkError, unsettled
from ink_infra_mcp.core.fingerprint import Pinning
from ink_infra_mcp.core.key_pair import KeyPair
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.proxy import ProxySeen
from ink_infra_mcp.core.redact import Redactor
from ink_infra_mcp.core.secret import Secret
from ink_infra_mcp.core.step import Handler
from ink_infra_mcp.sandbox.cloudflare import build_cloudflare
from ink_infra_mcp.sandbox.coolify import build_coolify
from ink_infra_mcp.sandbox.hetzner import build_hetzner
from ink_infra_mcp.sandbox.physics import settle
from ink_infra_mcp.sandbox.robot import build_robot
from ink_infra_mcp.sandbox.seed import TOKEN, seed
from ink_infra_mcp.sandbox.state import Fault, WorldState
from ink_infra_mcp.sandbox.state_cloudflare import CLOUDFLARE_TOKEN
from ink_infra_mcp.sandbox.state_coolify import CoolifyState
from ink_infra_mcp.sandbox.state_hetzner import HETZNER_TOKEN, HetznerState
from ink_infra_mcp.sandbox.world import World
from ink_infra_mcp.settings.system import new_key_pair
from tests.clients.cloud_project import http_of
from tests.clients.robot_account import door_to
from tests.clients.steps import Steps
from tests.clients.trust import NOBODY
from tests.clock import BEGIN, FakeClock
from tests.sandbox.pretend import served

STEP_S = 60
"""The real time that one run of a step may take."""
SETTLED_S = 900.0
"""How long what was begun is given before the end is looked at; time of the world."""
_PASSING = re.compile(
    r"_at$|_since$|_until$|^(began|created|updated|due|timestamp|started|ends|finished)$"
    r"|^(rate|rate_left|counts|host_keys|host_public_key|host_private_key)$"
)
"""Fields that tell when, how often something was asked, or what is drawn anew each time."""


@dataclass(frozen=True, slots=True)
class Earlier:
    """A step that runs before the one whose answer gets lost; its results are kept under `step`."""

    kind: str
    params: JsonObject
    step: str = "earlier"


@dataclass(frozen=True, slots=True)
class Row:
    """A kind of step, and a world in which it has something to write.

    Each write is taken exactly once, but those that begin with `often`: what they set or start is the same however
    often. `open` are the numbers of the writes whose lost answer no look of the same run settles. What comes about
    without being asked for, too, comes `by_itself`.
    """

    kind: str
    params: JsonObject
    before: tuple[Earlier, ...] = ()
    arrange: Callable[[WorldState], object] | None = None
    variant: str = ""
    often: str = ""
    open: frozenset[int] = frozenset()
    by_itself: bool = False

    @property
    def id(self) -> str:
        """Return how tests call it."""
        return f"{self.kind} {self.variant}".strip()

    @property
    def vendor(self) -> str:
        """Return whose API it writes to."""
        return self.kind.partition(".")[0]


@dataclass(frozen=True, slots=True)
class Moment:
    """A world at one time, and what the steps so far have returned."""

    state: WorldState
    passed_s: float = 0.0
    results: dict[str, JsonObject] = field(default_factory=dict[str, JsonObject])


class Wire(httpx2.AsyncBaseTransport):
    """A real connection, which can break, and what was asked over it."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self._inner = httpx2.AsyncHTTPTransport(verify=NOBODY)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Note it, and let it pass."""
        self.asked.append(f"{request.method} {request.url.path}")
        return await self._inner.handle_async_request(request)

    async def aclose(self) -> None:
        """Close the connection."""
        await self._inner.aclose()


@dataclass(frozen=True, slots=True)
class Lane:
    """One run of one row: its world, its time, its steps and what they ask for."""

    row: Row
    world: World
    clock: FakeClock
    steps: Steps
    wire: Wire

    async def run(self) -> InkError | None:
        """Run the step; return its error, None when it is done."""
        try:
            with anyio.fail_after(STEP_S):
                await self.steps.run(self.row.kind, self.row.params)
        except InkError as error:
            return error
        return None

    def cut(self, sent: Sequence[str], number: int, kind: str, *, times: int = 1) -> None:
        """Break the connection at the request of that number among those that will be `sent`, and at others like it."""
        line = sent[number]
        skip = sum(line in other for other in sent[:number])
        with self.world.change() as state:
            state.faults.append(Fault(system=SYSTEMS[self.row.vendor], match=line, kind=kind, skip=skip, times=times))

    @property
    def is_cut(self) -> bool:
        """Return whether the fault has come."""
        return [fault.times for fault in self.world.read().faults] == [0]

    @property
    def taken(self) -> list[str]:
        """Return what was accepted, sorted."""
        return sorted(line.partition(" ")[2] for line in self.world.read().journal)

    @property
    def once(self) -> list[str]:
        """Return what was accepted of that which may be taken once only, sorted."""
        often = self.row.often
        return [line for line in self.taken if not (often and line.startswith(often))]

    def end(self) -> JsonValue:
        """Return what the world is in the end, without what only time makes differ."""
        self.clock.advance(SETTLED_S)
        state = self.world.read().model_copy(update={"journal": [], "faults": []})
        return timeless(state.model_dump(mode="json"))


SYSTEMS = {
    "coolify": "coolify",
    "hetzner_cloud": "hetzner",
    "hetzner_dns": "hetzner",
    "hetzner_robot": "robot",
    "cloudflare": "cloudflare",
}
"""The clients that write over HTTP, and what the sandbox calls their vendors."""
_APPS: dict[str, Callable[[World], ASGIApp]] = {
    "coolify": build_coolify,
    "hetzner": build_hetzner,
    "robot": build_robot,
    "cloudflare": build_cloudflare,
}


def is_unknown(error: InkError | None) -> bool:
    """Return whether the guard would tell the step as unknown: it has sent a change."""
    return error is not None and unsettled(error, acted=True) is not None


def is_write(line: str) -> bool:
    """Return whether a request changes something; one GET of old versions of Coolify does."""
    return not line.startswith("GET ") or line.endswith("/validate")


def timeless(value: JsonValue) -> JsonValue:
    """Return the value without the fields that tell when."""
    if isinstance(value, dict):
        return {name: timeless(part) for name, part in value.items() if not _is_passing(name, part)}
    return [timeless(part) for part in value] if isinstance(value, list) else value


def _is_passing(name: str, value: JsonValue) -> bool:
    """Ids that are texts are those of containers, which are drawn from the time, and of Cloudflare's records."""
    return bool(_PASSING.search(name)) or (name == "id" and isinstance(value, str))


@cache
def _seeded(vendor: str) -> WorldState:
    """Only that vendor has anything: the world is read and written at each request."""
    state = seed(BEGIN.timestamp())
    if vendor == "coolify":
        state.hetzner = HetznerState()
    else:
        state.coolify = CoolifyState()
    return state


class Door:
    """What answers at one address: the emulator that is behind it at the time."""

    def __init__(self) -> None:
        self.url = ""
        self.behind: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the emulator answer."""
        assert self.behind is not None
        await self.behind(scope, receive, send)


@contextmanager
def real_door() -> Generator[Door]:
    """Give a door with a real socket, so that connections can break."""
    door = Door()
    with served(door) as port:
        door.url = f"http://127.0.0.1:{port}"
        yield door


class Stage:
    """Makes worlds for a row, with its vendor behind a door."""

    def __init__(self, folder: Path, row: Row, door: Door) -> None:
        self._folder = folder
        self._row = row
        self._door = door
        self._worlds = 0

    @asynccontextmanager
    async def lane(self, at: Moment) -> AsyncGenerator[Lane]:
        """Give a fresh world as it was at that moment."""
        self._worlds += 1
        clock, wire = FakeClock(), Wire()
        clock.advance(at.passed_s)
        world = World(
            self._folder / f"{self._worlds}.db",
            seed=lambda _: at.state.model_copy(deep=True),
            settle=settle,
            real_now=lambda: clock.now().timestamp(),
        )
        self._door.behind = _APPS[SYSTEMS[self._row.vendor]](world)
        steps = Steps(_HANDLERS[self._row.vendor](self._door.url, world, clock, wire), clock)
        steps.results.update(deepcopy(at.results))
        try:
            yield Lane(self._row, world, clock, steps, wire)
        finally:
            await wire.aclose()

    async def prepared(self) -> Moment:
        """Return the moment at which the step begins."""
        state = _seeded(self._row.vendor).model_copy(deep=True)
        if self._row.arrange is not None:
            self._row.arrange(state)
        async with self.lane(Moment(state)) as here:
            for earlier in self._row.before:
                with anyio.fail_after(STEP_S):
                    await here.steps.run(earlier.kind, earlier.params, earlier.step)
            state = here.world.read()
            state.journal = []
            return Moment(state, here.clock.monotonic(), here.steps.results)


def _coolify(url: str, world: World, clock: FakeClock, wire: Wire) -> dict[str, Handler]:
    settings = HttpSettings(service="Coolify", base_url=f"{url}/api/v1/", reads=READS, token=Secret(TOKEN))
    http = Http(settings, clock=clock, redact=Redactor(), classify=classify_coolify, transport=wire)

    async def see_proxy(host: str) -> ProxySeen:
        there = [c for c in world.read().hosts[host].containers if c.name == "coolify-proxy"]
        return next((ProxySeen(state=c.state, image=c.image, version="3.6.2") for c in there), ProxySeen())

    return CoolifySteps(
        http,
        need_secret=Secret,
        new_password=lambda: Secret("random"),
        redact=Redactor(),
        pinning=Pinning(Secret("token")),
        new_key_pair=key_pair,
        see_proxy=see_proxy,
    ).handlers()


def _cloud(url: str, world: World, clock: FakeClock, wire: Wire) -> dict[str, Handler]:
    http = http_of(wire, clock, base_url=f"{url}/v1")
    return HetznerCloudSteps(lambda: http, key_pair).handlers()


def _robot(url: str, world: World, clock: FakeClock, wire: Wire) -> dict[str, Handler]:
    door = door_to(wire, clock, base_url=url)
    return HetznerRobotSteps(lambda: door).handlers()


def _hetzner_dns(url: str, world: World, clock: FakeClock, wire: Wire) -> dict[str, Handler]:
    settings = HttpSettings(
        service="Hetzner DNS", base_url=f"{url}/v1/", reads=hetzner_dns.READS, token=Secret(HETZNER_TOKEN)
    )
    http = Http(settings, clock=clock, redact=Redactor(), classify=hetzner_dns.classify, transport=wire)
    return HetznerDnsSteps(lambda: http).handlers()


def _cloudflare(url: str, world: World, clock: FakeClock, wire: Wire) -> dict[str, Handler]:
    settings = HttpSettings(
        service="Cloudflare", base_url=f"{url}/client/v4/", reads=cloudflare.READS, token=Secret(CLOUDFLARE_TOKEN)
    )
    http = Http(settings, clock=clock, redact=Redactor(), classify=cloudflare.classify, transport=wire)
    return CloudflareSteps(lambda: http).handlers()


_HANDLERS: dict[str, Callable[[str, World, FakeClock, Wire], dict[str, Handler]]] = {
    "coolify": _coolify,
    "hetzner_cloud": _cloud,
    "hetzner_dns": _hetzner_dns,
    "hetzner_robot": _robot,
    "cloudflare": _cloudflare,
}


@cache
def key_pair() -> KeyPair:
    """Return the pair that is made in every world."""
    return new_key_pair()
