"""Coolify's jobs on a server of the lab: what its emulator says that it has done there is done there for real."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ink_infra_mcp.sandbox.coolify import rows
from ink_infra_mcp.sandbox.coolify.service_files import folder_of, service_files
from ink_infra_mcp.sandbox.physics import settle
from ink_infra_mcp.sandbox.seed import seed
from ink_infra_mcp.sandbox.state import WorldState
from ink_infra_mcp.sandbox.state_hosts import HostState
from ink_infra_mcp.sandbox.world import World
from tests.lab.coolify_apps import AppContainers, containers_of
from tests.lab.ground.hosts import Server
from tests.lab.ground.images import BUSYBOX, Image, push
from tests.lab.ground.site import Site
from tests.lab.ground.tree import tree_of
from tests.lab.proxy import NAME as PROXY
from tests.lab.proxy import Proxy

WHOAMI = "traefik/whoami:v1.11.0"
REGISTRY = "registry.lab:5000"
_SERVES = ("/bin/sh", "-c", "exec httpd -f -p 80 -h /www")
_START_SERVICE = f"""
docker pull --quiet {REGISTRY}/{WHOAMI}
docker tag {REGISTRY}/{WHOAMI} {WHOAMI}
docker network inspect "$1" >/dev/null 2>&1 || docker network create --attachable "$1"
docker compose --project-directory "$2" --project-name "$1" up --detach --force-recreate --remove-orphans
docker network connect "$1" {PROXY} 2>/dev/null || true
"""
_DELETE_SERVICE = f"""
docker compose --project-directory "$2" --project-name "$1" down --volumes --remove-orphans
docker network disconnect --force "$1" {PROXY} 2>/dev/null || true
docker network rm "$1" 2>/dev/null || true
rm -rf "$2"
"""


def push_whoami(site: Site) -> None:
    """Put what stands for the canary's image into the lab's registry."""
    image = Image(WHOAMI, _SERVES, {"www/index.html": "who am i\n"}, ("80/tcp",))
    push(image, registry=site.registry, busybox=(tree_of(site) / BUSYBOX).read_bytes())


@dataclass
class Worker:
    """Does on a server of the lab what Coolify does on its pretend twin: proxy, networks, services, in this order."""

    server: Server
    twin: str
    proxy: Proxy
    _proxy_since: float | None = None
    _services: dict[str, Mapping[str, str]] = field(default_factory=dict[str, Mapping[str, str]])
    _apps: AppContainers = field(init=False)

    def __post_init__(self) -> None:
        self._apps = AppContainers(self.server)

    def follow(self, state: WorldState) -> None:
        """Bring the server to what Coolify holds to be so; it lets Coolify's keys in that are really there."""
        host = state.hosts[self.twin]
        host.up = self.server.init is not None
        if not host.up:
            return
        host.authorized_keys = self._keys()
        self._start_proxy(host)
        self._apps.follow(state, host)
        here = [s for s in state.coolify.services if rows.host_of(state, rows.server_of(state.coolify, s)) is host]
        files = service_files(state, host)
        for service in here:
            folder = folder_of(service)
            own = {path: text for path, text in files.items() if path.startswith(f"{folder}/")}
            if own and self._services.get(service.uuid) != own and self._docker_answers():
                self._start(service.uuid, folder, own)
        gone = self._services.keys() - {service.uuid for service in here}
        for uuid in gone if self._docker_answers() else ():
            self.server.say("sh", "-ec", _DELETE_SERVICE, "sh", uuid, f"/data/coolify/services/{uuid}")
            del self._services[uuid]

    def _docker_answers(self) -> bool:
        """Jobs wait for a server that has just been switched on."""
        return containers_of(self.server) is not None

    def _keys(self) -> list[str]:
        file = Path(f"/proc/{self.server.init}/root/root/.ssh/authorized_keys")
        return file.read_text(encoding="utf-8").splitlines() if file.exists() else []

    def _start_proxy(self, host: HostState) -> None:
        wanted = next((container for container in host.containers if container.name == PROXY), None)
        if wanted is not None and wanted.started_at != self._proxy_since and self._docker_answers():
            self._proxy_since = wanted.started_at
            self.proxy.start(self.server)

    def _start(self, uuid: str, folder: str, files: Mapping[str, str]) -> None:
        self._services[uuid] = files
        self.server.say("mkdir", "-p", folder)
        for path, text in files.items():
            self.server.write(path, text)
        self.server.say("sh", "-ec", _START_SERVICE, "sh", uuid, folder)


class WorkedWorld(World):
    """A world in which Coolify's jobs are done on real servers, too, before anybody has an answer."""

    def __init__(self, path: Path, *workers: Worker, speed: float) -> None:
        super().__init__(path, seed=seed, settle=settle, speed=speed)
        self.workers = workers

    @contextmanager
    def change(self) -> Generator[WorldState]:
        """Give the state to change, as the world does."""
        with super().change() as state:
            yield state
            for worker in self.workers:
                if worker.twin in state.hosts:
                    worker.follow(state)
