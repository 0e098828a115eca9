"""Demo worlds for tests, with a time that stands still until it is told to go on."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2

from ink_infra_mcp.sandbox.coolify import build_coolify
from ink_infra_mcp.sandbox.physics import settle
from ink_infra_mcp.sandbox.seed import TOKEN, seed
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
