"""A Muscle of the lab whose apps run for real and shall move to the other one, and the product over both.

Coolify and its vendors are emulated; containers, volumes and proxies on both Muscles are Docker's, gVisor's and
Traefik's own.
"""

from collections.abc import AsyncGenerator, Generator, Iterable
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import anyio

from ink_infra_mcp.app import App, Wiring
from ink_infra_mcp.core.fleet import PUBLIC_REGISTRIES, CoolifySettings, Domains, Fleet, Images
from ink_infra_mcp.sandbox.running import Endpoints, Sandbox, tokens
from ink_infra_mcp.sandbox.seed import ADDRESSES, LEGACY
from ink_infra_mcp.sandbox.state import WorldState
from ink_infra_mcp.settings.fleet_file import load_fleet
from ink_infra_mcp.settings.fleet_text import dump_fleet
from ink_infra_mcp.settings.policy_files import load_isolation
from ink_infra_mcp.settings.secrets import Secrets
from tests.engine.killing import FORKS, Moment, deadly, served
from tests.ink import places
from tests.lab.bed import Bed
from tests.lab.coolify_apps import push_page
from tests.lab.coolify_database import coolify_database
from tests.lab.coolify_jobs import WorkedWorld, Worker
from tests.lab.ground.hosts import COOLIFY, Server
from tests.lab.ground.lab import Lab
from tests.lab.ground.services import KNOWS_RUNTIME
from tests.lab.ground.site import Site
from tests.lab.killing import Scene
from tests.lab.outside import from_outside, visit
from tests.lab.proxy import Proxy, with_doors
from tests.lab.tools_bed import fleet_of, wiring_of
from tests.tools.drained import with_shop
from tests.tools.moved import PAGES

OLD, NEW = "muscle-2", "muscle-1"
DOMAIN = "example.com"
WILDCARDS = {OLD: f"s2.{DOMAIN}", NEW: f"s1.{DOMAIN}"}
CALL = {"name": OLD, "apps_to": NEW, "volumes": "copy", "wait_s": 600}
DOCS_IMAGE = "registry.example.com/docs:1.4"
SPEED = 20.0
SETTLE_S = 2.0
"""That an app is watched for ten seconds is proved elsewhere."""
_UP = ("up", "--detach", "--wait", "--quiet-pull")
FLEET_FILE = "fleet.toml"


@dataclass(frozen=True, slots=True)
class Ends:
    """All that a process needs to be a server of the product here."""

    site: Site
    folder: Path
    emulators: Endpoints


@dataclass(slots=True)
class Draining(Scene):
    """The Muscle that goes (`server`), the one that stays (`new`), and the world of the vendors."""

    new: Server
    world: WorkedWorld
    ends: Ends

    @asynccontextmanager
    async def app(self) -> AsyncGenerator[App]:
        """Give a server of the product in this process."""
        app = App(wiring(self.ends))
        try:
            yield app
        finally:
            await app.aclose()

    def visit(self, muscle: str, app: str) -> tuple[int, str]:
        """Return what somebody outside gets from an app under its name on a Muscle, over HTTPS."""
        door = self.ends.emulators.connect_to[ADDRESSES[muscle], 443]
        return visit(door, f"{app}.{WILDCARDS[muscle]}", authority=self.ends.emulators.authority_pem)

    def start(self) -> ForkServerProcess:
        """Start a server process that calls remove_muscle."""
        return self._start(None, calls=True, window_s=None)

    @property
    def muscles(self) -> tuple[str, ...]:
        """Return the Muscles that fleet.toml names."""
        return tuple(muscle.name for muscle in load_fleet(self.ends.folder / FLEET_FILE).muscles)

    def _start(self, dies: Moment | None, *, calls: bool, window_s: int | None) -> ForkServerProcess:
        process = FORKS.Process(target=live, args=(self.ends, calls, dies), daemon=True)
        process.start()
        return process


def live(ends: Ends, calls: bool, dies: Moment | None) -> None:
    """Be a server process that calls remove_muscle, says yes and follows it; or that goes on with what it finds."""
    wired = replace(wiring(ends), wrap_handler=deadly(dies))
    anyio.run(served, partial(App, wired), "remove_muscle" if calls else "", CALL)


@contextmanager
def draining(bed: Bed, folder: Path, *, fill: str) -> Generator[Draining]:
    """Give two Muscles; on the one that goes `docs` serves what the script `fill` puts into its volume, and `shop`
    serves without data.
    """
    site, factory = bed.lab.site, bed.fresh("factory")
    factory.say("env", f"LATEST_IMAGE={KNOWS_RUNTIME}", "docker", "compose", "--project-directory", COOLIFY, *_UP)
    servers = {name: bed.fresh(name) for name in (OLD, NEW)}
    for name, server in servers.items():
        server.say("ip", "address", "add", f"{ADDRESSES[name]}/32", "dev", "eth0")
    _volume(servers[OLD], fill)
    proxy = Proxy(site, tuple(f"*.{name}" for name in WILDCARDS.values()))
    world = WorkedWorld(
        folder / "world.db", *(Worker(server, name, proxy) for name, server in servers.items()), speed=SPEED
    )
    with world.change() as state:
        _let_coolify_in(state, servers.values())
        _seeded(state, push_page(site))
    web = {(ADDRESSES[name], port): (it.machine.ipv4, port) for name, it in servers.items() for port in (80, 443)}
    with Sandbox(world) as sandbox, coolify_database(factory, world), from_outside(site, web) as doors:
        ends = Ends(site, folder, _ways(bed, with_doors(sandbox.start(), doors, proxy)))
        (folder / FLEET_FILE).write_text(dump_fleet(_fleet(bed, ends)), encoding="utf-8")
        yield Draining(bed, servers[OLD], folder, servers[NEW], world, ends)


def _volume(server: Server, fill: str) -> None:
    server.say("docker", "volume", "create", PAGES)
    server.say("sh", "-c", fill, "sh", f"/var/lib/docker/volumes/{PAGES}/_data")


def _let_coolify_in(state: WorldState, servers: Iterable[Server]) -> None:
    (key,) = (key.public_key for key in state.coolify.keys if key.name == "muscles")
    for server in servers:
        server.say("sh", "-c", 'printf "%s\\n" "$1" >>/root/.ssh/authorized_keys', "sh", key)


def _seeded(state: WorldState, digest: str) -> None:
    """Both apps are on the Muscle that goes, and the image of `docs` is what its registry names."""
    with_shop(state)
    state.coolify.applications = [app for app in state.coolify.applications if app.uuid != LEGACY]
    for host in state.hosts.values():
        host.containers = [container for container in host.containers if LEGACY not in container.name]
    state.registry.moved[DOCS_IMAGE] = digest


def _ways(bed: Bed, ends: Endpoints) -> Endpoints:
    ssh = {(ADDRESSES[name], 22): (bed.lab.server(name).machine.ipv4, 22) for name in ADDRESSES}
    return replace(ends, connect_to={**ends.connect_to, **ssh})


def wiring(ends: Ends) -> Wiring:
    """Return what the product here is made of."""
    bed = Bed(Lab(ends.site))
    wired = wiring_of(bed, ends.folder / "state", _fleet(bed, ends))
    environ = {f"INK_{name.upper()}": value for name, value in (tokens() | {"ssh_key": bed.lab.login_key}).items()}
    return replace(
        wired,
        settings=wired.settings.model_copy(update={"config_path": ends.folder / FLEET_FILE}),
        secrets=Secrets(environ, redact=wired.redact),
        places=places(ends.emulators),
        isolation=load_isolation(None).model_copy(update={"settle_s": SETTLE_S}),
    )


def _fleet(bed: Bed, ends: Ends) -> Fleet:
    fleet = fleet_of(bed)
    muscles = tuple(m.model_copy(update=_known_as(m.name, wildcard_domain=WILDCARDS[m.name])) for m in fleet.muscles)
    return fleet.model_copy(
        update={
            "coolify": CoolifySettings(url=ends.emulators.coolify_url),
            "factory": fleet.factory.model_copy(update=_known_as("factory")),
            "muscles": muscles,
            "domains": Domains(fleet=DOMAIN, dns="hetzner"),
            "images": Images(registries=(*PUBLIC_REGISTRIES, "registry.example.com")),
        }
    )


def _known_as(name: str, **more: Any) -> dict[str, Any]:
    return {"address": ADDRESSES[name], "private_address": None, **more}
