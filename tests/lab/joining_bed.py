"""A bare server of the lab that is to be a Muscle, and the product over it: vendors are emulated, the server is not."""

from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ink_infra_mcp.app import App, Wiring, WrapHandler
from ink_infra_mcp.core.baseline.policy import Baseline
from ink_infra_mcp.core.fleet import CoolifySettings, Domains, Fleet
from ink_infra_mcp.sandbox.running import Endpoints, Sandbox, tokens
from ink_infra_mcp.sandbox.state_hosts import HostState
from ink_infra_mcp.settings.fleet_text import dump_fleet
from ink_infra_mcp.settings.secrets import Secrets
from tests.ink import places
from tests.lab.bed import Bed
from tests.lab.coolify_database import coolify_database
from tests.lab.coolify_jobs import REGISTRY, WorkedWorld, Worker, push_whoami
from tests.lab.debs import Repository
from tests.lab.ground.hosts import Server
from tests.lab.ground.lab import Lab
from tests.lab.ground.site import Site
from tests.lab.outside import from_outside
from tests.lab.proxy import Proxy, with_doors
from tests.lab.tools_bed import fleet_of, wiring_of
from tests.lab.vendors import baseline_of

NAME, TWIN, ON = "s3", "spare-s3", "muscle-2"
ADDRESS = "198.51.100.40"
"""A public one that the server has beside that of the lab, whose own are no addresses of the internet."""
APP = "app"
DOMAIN = "example.com"
SPEED = 20.0
FLEET_FILE = "fleet.toml"
_NETWORKD = "/etc/systemd/network/10-netplan-eth0.network.d"


@dataclass(frozen=True, slots=True)
class Ends:
    """All that a process needs to be a server of the product here."""

    site: Site
    folder: Path
    emulators: Endpoints
    repository: Repository


@dataclass(slots=True)
class Joining:
    """A server on its way to a Muscle, the world of the vendors, and where both are reached."""

    bed: Bed
    server: Server
    world: WorkedWorld
    ends: Ends

    @property
    def arguments(self) -> dict[str, Any]:
        """Return what add_muscle is called with."""
        machine = {"address": ADDRESS, "host_key": self.server.host_key}
        return {"names": [NAME], "source": {"kind": "existing", "machines": [machine]}, "wait_s": 600}

    @property
    def authorized(self) -> list[str]:
        """Return the lines of root's authorized_keys."""
        return self.server.say("cat", "/root/.ssh/authorized_keys").splitlines()

    @asynccontextmanager
    async def app(self, wrap: WrapHandler | None = None) -> AsyncGenerator[App]:
        """Give a server of the product in this process; `wrap` goes round its handlers."""
        app = App(replace(wiring(self.ends), wrap_handler=wrap))
        try:
            yield app
        finally:
            await app.aclose()


@contextmanager
def joining(bed: Bed, folder: Path, repository: Repository) -> Generator[Joining]:
    """Give a server at a public address, bare but for an app that somebody runs there, and vendors that know it."""
    factory, server = bed.fresh("factory"), bed.fresh(ON)
    server.say("docker", "run", "-d", "-q", "--name", APP, "--restart", "unless-stopped", f"{REGISTRY}/library/web:1")
    _at_its_address(factory, server)
    push_whoami(bed.lab.site)
    proxy = Proxy(bed.lab.site, (f"*.{NAME}.{DOMAIN}",))
    world = WorkedWorld(folder / "world.db", Worker(server, TWIN, proxy), speed=SPEED)
    with world.change() as state:
        state.hosts[TWIN] = HostState(name=TWIN, address=ADDRESS, role="muscle")
    web = {(ADDRESS, port): (server.machine.ipv4, port) for port in (80, 443)}
    with Sandbox(world) as sandbox, coolify_database(factory, world), from_outside(bed.lab.site, web) as doors:
        emulators = with_doors(sandbox.start(), doors, proxy)
        ends = Ends(bed.lab.site, folder, emulators, repository)
        (folder / FLEET_FILE).write_text(dump_fleet(_fleet(bed, ends)), encoding="utf-8")
        yield Joining(bed, server, world, ends)


def wiring(ends: Ends) -> Wiring:
    """Return what the product here is made of."""
    bed = Bed(Lab(ends.site))
    wired = wiring_of(bed, ends.folder / "state", _fleet(bed, ends))
    environ = {f"INK_{name.upper()}": value for name, value in (tokens() | {"ssh_key": bed.lab.login_key}).items()}
    return replace(
        wired,
        settings=wired.settings.model_copy(update={"config_path": ends.folder / FLEET_FILE}),
        secrets=Secrets(environ, redact=wired.redact),
        baseline=lambda: _baseline(ends),
        places=replace(places(ends.emulators), connect_to=_ways(bed, ends)),
    )


def _at_its_address(factory: Server, server: Server) -> None:
    """The address is the server's own, after each of its boots, and the Factory finds it on their common cable."""
    server.say("mkdir", "-p", _NETWORKD)
    server.write(f"{_NETWORKD}/own.conf", f"[Network]\nAddress={ADDRESS}/32\n")
    server.say("ip", "address", "add", f"{ADDRESS}/32", "dev", "eth0")
    factory.say("ip", "route", "replace", f"{ADDRESS}/32", "dev", "eth0")


def _fleet(bed: Bed, ends: Ends) -> Fleet:
    fleet = fleet_of(bed)
    return fleet.model_copy(
        update={
            "coolify": CoolifySettings(url=ends.emulators.coolify_url),
            "muscles": tuple(muscle for muscle in fleet.muscles if muscle.name != ON),
            "domains": Domains(fleet=DOMAIN, dns="hetzner"),
        }
    )


def _ways(bed: Bed, ends: Ends) -> dict[tuple[str, int], tuple[str, int]]:
    """Name servers are emulated; SSH goes to the lab from here, and the web from outside."""
    return {**ends.emulators.connect_to, (ADDRESS, 22): (bed.lab.server(ON).machine.ipv4, 22)}


def _baseline(ends: Ends) -> Baseline:
    return baseline_of(ends.repository)
