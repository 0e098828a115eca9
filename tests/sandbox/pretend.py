"""A pretend world for tests: time that moves when it is asked, and emulators on real loopback sockets."""

import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from ink_infra_mcp.sandbox.hetzner import settle_hetzner
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


def pretend_world(folder: Path, time: SteppingTime) -> World:
    """Return a fresh world in `folder`."""
    return World(folder / "world.sqlite", seed=seed, settle=settle_hetzner, real_now=time)


@contextmanager
def served(app: ASGIApp) -> Generator[int]:
    """Serve `app` on a loopback port while the block runs; give the port."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, log_config=None, lifespan="off", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(timeout=5)
        listener.close()
