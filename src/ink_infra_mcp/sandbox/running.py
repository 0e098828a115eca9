"""Runs every emulator over one world, on loopback ports that the system chooses, in a thread of its own."""

import asyncio
import ssl
import threading
import time
from collections.abc import Callable, Mapping, Set
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from ink_infra_mcp.sandbox.authorities import serve_internet
from ink_infra_mcp.sandbox.cloudflare import build_cloudflare
from ink_infra_mcp.sandbox.coolify import build_coolify
from ink_infra_mcp.sandbox.edge import build_edge
from ink_infra_mcp.sandbox.github import build_github
from ink_infra_mcp.sandbox.hetzner.app import build_hetzner
from ink_infra_mcp.sandbox.hosts import serve_hosts
from ink_infra_mcp.sandbox.hosts.place import serve_place
from ink_infra_mcp.sandbox.hosts.serve import SshHosts
from ink_infra_mcp.sandbox.listen import Close, listen
from ink_infra_mcp.sandbox.physics import settle
from ink_infra_mcp.sandbox.registry import build_registry
from ink_infra_mcp.sandbox.robot import build_robot
from ink_infra_mcp.sandbox.seed import TOKEN, seed
from ink_infra_mcp.sandbox.state import WorldState
from ink_infra_mcp.sandbox.state_cloudflare import CLOUDFLARE_TOKEN
from ink_infra_mcp.sandbox.state_github import GITHUB_TOKEN
from ink_infra_mcp.sandbox.state_hetzner import HETZNER_TOKEN
from ink_infra_mcp.sandbox.state_hosts import HostState
from ink_infra_mcp.sandbox.state_place import BOX, BOX_PORT
from ink_infra_mcp.sandbox.state_registry import REGISTRIES
from ink_infra_mcp.sandbox.state_robot import ROBOT_PASSWORD, ROBOT_USER
from ink_infra_mcp.sandbox.tls import edge_tls
from ink_infra_mcp.sandbox.world import World

LOOPBACK = "127.0.0.1"
MUSCLES = 20
Endpoint = tuple[str, int]


def open_world(
    path: Path, *, speed: float = 1.0, coolify_version: str = "", real_now: Callable[[], float] = time.time
) -> World:
    """Return the world at `path`, seeded with one Factory, two Muscles and a few apps if it is new.

    `coolify_version` of a new world decides how its Coolify behaves, such as 4.0.0-beta.463 for the old era. `real_now`
    says the time from which the world's own is computed.
    """

    def fresh(now: float) -> WorldState:
        state = seed(now)
        state.coolify.version = coolify_version or state.coolify.version
        return state

    return World(path, seed=fresh, settle=settle, speed=speed, real_now=real_now)


def tokens() -> dict[str, str]:
    """Return the pretend world's tokens by secret name; they open nothing else."""
    return {
        "coolify_token": TOKEN,
        "hetzner_cloud_token": HETZNER_TOKEN,
        "hetzner_robot_user": ROBOT_USER,
        "hetzner_robot_password": ROBOT_PASSWORD,
        "github_token": GITHUB_TOKEN,
        "cloudflare_token": CLOUDFLARE_TOKEN,
    }


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where the emulators answer. `connect_to` says which loopback port stands for which (address, port)."""

    coolify_url: str
    hetzner_url: str
    robot_url: str
    github_url: str
    cloudflare_url: str
    nameserver: Endpoint
    connect_to: Mapping[Endpoint, Endpoint]
    authority_pem: str
    host_keys: Mapping[str, str]
    place_key: str
    login_key: str


class Sandbox:
    """The emulators of `world`, running between entering and leaving the context."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._ready: Future[Endpoints] = Future()
        self._thread = threading.Thread(target=self._main, name="sandbox", daemon=True)
        self._arriving = asyncio.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None

    def start(self) -> Endpoints:
        """Start everything and return where it answers."""
        self._thread.start()
        return self._ready.result(timeout=30)

    def stop(self) -> None:
        """Stop everything; the world stays in its file."""
        if self._loop is not None and self._stop is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(timeout=10)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _main(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        closing: list[Close] = []
        try:
            self._ready.set_result(await self._open(closing))
        except BaseException as error:
            self._ready.set_exception(error)
            raise
        await self._stop.wait()
        await asyncio.gather(*(close() for close in closing))

    async def _open(self, closing: list[Close]) -> Endpoints:
        world = self._world
        hosts = await serve_hosts(world)
        closing.append(hosts.aclose)
        state = world.read()
        context, authority = edge_tls([*_names(world), *REGISTRIES])
        urls: list[str] = []
        connect_to: dict[Endpoint, Endpoint] = {}

        async def arrive(now: Mapping[str, HostState] | Set[str]) -> None:
            await self._arrive(hosts, now, connect_to, context, closing)

        cloud = build_hetzner(world, arrived=arrive)
        robot = build_robot(world, arrived=arrive)
        for app in (build_coolify(world), cloud, build_github(world), robot, build_cloudflare(world)):
            port, close = await listen(app)
            closing.append(close)
            urls.append(f"http://{LOOPBACK}:{port}")
        connect_to.update(hosts.connect_to)
        box = await serve_place(world, hosts.login_private_key)
        closing.append(box.aclose)
        connect_to[BOX, BOX_PORT] = (LOOPBACK, box.port)
        for name in state.hosts:
            await self._open_edge(name, connect_to, context, closing)
        at, close = await listen(build_registry(world), tls=context)
        closing.append(close)
        connect_to |= {(host, 443): (LOOPBACK, at) for host in REGISTRIES}
        dns_port, servers, stops = await serve_internet(world)
        closing += stops
        connect_to |= servers
        return Endpoints(
            coolify_url=urls[0],
            hetzner_url=f"{urls[1]}/v1",
            github_url=urls[2],
            robot_url=urls[3],
            cloudflare_url=f"{urls[4]}/client/v4",
            nameserver=(LOOPBACK, dns_port),
            connect_to=connect_to,
            authority_pem=authority,
            host_keys={name: door.host_public_key for name, door in hosts.doors.items()},
            place_key=box.host_public_key,
            login_key=hosts.login_private_key,
        )

    async def _arrive(
        self,
        hosts: SshHosts,
        now: Mapping[str, HostState] | Set[str],
        connect_to: dict[Endpoint, Endpoint],
        context: ssl.SSLContext,
        closing: list[Close],
    ) -> None:
        """Open the doors of servers that have come up since: SSH, and the web."""
        if hosts.serve(now):
            return
        async with self._arriving:
            fresh = [name for name in now if name not in hosts.doors]
            await hosts.follow()
            connect_to.update(hosts.connect_to)
            for name in fresh:
                await self._open_edge(name, connect_to, context, closing)

    async def _open_edge(
        self, name: str, connect_to: dict[Endpoint, Endpoint], context: ssl.SSLContext, closing: list[Close]
    ) -> None:
        address = self._world.read().hosts[name].address
        for port, tls in ((80, None), (443, context)):
            at, close = await listen(build_edge(self._world, name), tls=tls)
            closing.append(close)
            connect_to[address, port] = (LOOPBACK, at)


def _names(world: World) -> list[str]:
    """The certificate covers the wildcards of the seeded zone, everything one level below it, and Muscles to come."""
    zones = world.read().hetzner.zones
    found = [name for zone in zones for name in (f"*.{zone.name}", *(_below(zone.name, r.name) for r in zone.rrsets))]
    found += [f"*.s{number}.{zone.name}" for zone in zones for number in range(1, MUSCLES + 1)]
    return sorted(set(filter(None, found)))


def _below(zone: str, name: str) -> str:
    return f"{name}.{zone}" if name.startswith("*") else ""
