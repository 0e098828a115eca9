"""A pretend world for tests: time that moves when it is asked, and emulators on real loopback sockets."""

import ssl
import threading
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import httpx2
from starlette.types import ASGIApp

from ink_infra_mcp.sandbox.hetzner import settle_hetzner
from ink_infra_mcp.sandbox.listen import loopback_socket, server_of
from ink_infra_mcp.sandbox.state import WorldState
from ink_infra_mcp.sandbox.state_coolify import CoolifyState
from ink_infra_mcp.sandbox.state_github import seed_github
from ink_infra_mcp.sandbox.state_hetzner import seed_hetzner
from ink_infra_mcp.sandbox.state_hosts import HostState
from ink_infra_mcp.sandbox.world import World

BEGAN = 1_795_000_000.0


class SteppingTime:
    """Time that goes on by `step_s` whenever somebody looks."""

    def __init__(self, step_s: float = 0.0) -> None:
        self.at = BEGAN
        self.step_s = step_s

    def __call__(self) -> float:
        """Return the present, in Unix seconds."""
        self.at += self.step_s
        return self.at


def seed(now: float) -> WorldState:
    """Return a world with one host for each server of the Hetzner project."""
    hetzner = seed_hetzner(now)
    hosts = {s.name: HostState(name=s.name, address=s.ipv4 or "", role="muscle") for s in hetzner.servers}
    return WorldState(began=now, coolify=CoolifyState(), hetzner=hetzner, github=seed_github(now), hosts=hosts)


def pretend_world(folder: Path, real_now: Callable[[], float]) -> World:
    """Return a fresh world in `folder`."""
    return World(folder / "world.sqlite", seed=seed, settle=settle_hetzner, real_now=real_now)


@contextmanager
def served(app: ASGIApp, *, tls: ssl.SSLContext | None = None) -> Generator[int]:
    """Serve `app` over HTTP, or HTTPS with `tls`, on a loopback port while the block runs; give the port."""
    listener = loopback_socket()
    server = server_of(app, tls=tls)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(timeout=5)
        listener.close()


@asynccontextmanager
async def caller(app: ASGIApp, *, token: str = "") -> AsyncGenerator[httpx2.AsyncClient]:
    """Give a plain HTTP client that speaks to `app` without a socket."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(
        transport=transport, base_url="http://sandbox.example.com", headers=headers
    ) as client:
        yield client
