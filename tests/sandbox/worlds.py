"""Demo worlds for tests, with a time that stands still until it is told to go on."""

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio
import httpx2
from pydantic import JsonValue

from ink_infra_mcp.sandbox.coolify import build_coolify
from ink_infra_mcp.sandbox.physics import settle
from ink_infra_mcp.sandbox.seed import TOKEN, seed
from ink_infra_mcp.sandbox.state import WorldState
from ink_infra_mcp.sandbox.state_coolify import Application
from ink_infra_mcp.sandbox.state_hosts import Container
from ink_infra_mcp.sandbox.world import World

BEGAN = 1_795_000_000.0


class FakeTime:
    """A time in Unix seconds that moves only by `advance`."""

    def __init__(self, at: float = BEGAN) -> None:
        self.at = at

    def __call__(self) -> float:
        """Return the present."""
        return self.at

    def advance(self, seconds: float) -> None:
        """Let that many seconds pass."""
        self.at += seconds


def make_world(tmp_path: Path, *, clock: FakeTime) -> World:
    """Return the demo world in a file below `tmp_path`; the file that is there is opened again."""
    return World(tmp_path / "world.sqlite", seed=seed, settle=settle, real_now=clock)


@asynccontextmanager
async def coolify_api(world: World, *, token: str = TOKEN) -> AsyncGenerator[httpx2.AsyncClient]:
    """Give a plain client of the world's Coolify, without a socket, that shows `token`."""
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
    transport = httpx2.ASGITransport(app=build_coolify(world))
    async with httpx2.AsyncClient(
        transport=transport, base_url="http://coolify.example.com/api/v1/", headers=headers
    ) as client:
        yield client


Reply = tuple[int, JsonValue]


@dataclass(frozen=True, slots=True)
class PretendCoolify:
    """A Coolify to talk to, with its world and its time in the test's hand."""

    world: World
    clock: FakeTime
    http: httpx2.AsyncClient

    async def send(
        self, method: str, path: str, body: object = None, *, query: Mapping[str, str | int] | None = None
    ) -> httpx2.Response:
        """Return the answer to a request below /api/v1."""
        return await self.http.request(method, path.lstrip("/"), json=body, params=query)

    async def ask(
        self, method: str, path: str, body: object = None, *, query: Mapping[str, str | int] | None = None
    ) -> Reply:
        """Return status and JSON of the answer to a request below /api/v1."""
        answer = await self.send(method, path, body, query=query)
        return answer.status_code, answer.json()

    async def made(self, path: str, body: object) -> str:
        """Return the uuid of what a POST made; the answer must be 201."""
        status, answer = await self.ask("POST", path, body)
        assert status == 201, answer
        return str(fields(answer)["uuid"])

    async def row(self, path: str) -> dict[str, JsonValue]:
        """Return the object that a GET shows; the answer must be 200."""
        status, answer = await self.ask("GET", path)
        assert status == 200, answer
        return fields(answer)

    def state(self) -> WorldState:
        """Return a copy of the state as it is now."""
        return self.world.read()

    def app(self, uuid: str) -> Application:
        """Return an application as the database has it."""
        return next(app for app in self.state().coolify.applications if app.uuid == uuid)

    def containers(self, host: str, uuid: str) -> list[Container]:
        """Return the containers on a machine that carry the uuid in their name."""
        return [c for c in self.state().hosts[host].containers if uuid in c.name]


@asynccontextmanager
async def pretend_coolify(
    tmp_path: Path, arrange: Callable[[WorldState], object] | None = None, *, token: str = TOKEN
) -> AsyncGenerator[PretendCoolify]:
    """Give a Coolify over a fresh demo world that `arrange` may have changed; the whole takes at most 20 seconds."""
    clock = FakeTime()
    world = make_world(tmp_path, clock=clock)
    if arrange is not None:
        with world.change() as state:
            arrange(state)
    with anyio.fail_after(60):
        async with coolify_api(world, token=token) as http:
            yield PretendCoolify(world, clock, http)


def fields(value: JsonValue) -> dict[str, JsonValue]:
    """Return a JSON object."""
    assert isinstance(value, dict)
    return value


def items(value: JsonValue) -> list[dict[str, JsonValue]]:
    """Return a JSON list of objects."""
    assert isinstance(value, list)
    return [fields(part) for part in value]
