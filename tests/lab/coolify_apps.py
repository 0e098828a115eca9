"""Containers of applications on a server of the lab: Coolify's emulator says which there are, and they are there.

What became of them is told back: somebody may have stopped one behind Coolify's back.
"""

import http.client
import json
import socket
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from ink_infra_mcp.sandbox.state import WorldState
from ink_infra_mcp.sandbox.state_coolify import Application
from ink_infra_mcp.sandbox.state_hosts import Container, HostState
from tests.lab.ground.hosts import Server
from tests.lab.ground.images import BUSYBOX, Image, push
from tests.lab.ground.site import Site
from tests.lab.ground.tree import tree_of

REGISTRY = "registry.lab:5000"
PAGE = "library/page:1"
WRITES = "log"
"""The file that an app with data adds a line to, again and again, as long as it runs."""
_SERVES = f"""
[ -d /data ] || exec httpd -f -p "$PORT" -h /www
(while echo "$COOLIFY_CONTAINER_NAME" >>/data/{WRITES}; do sleep 0.05; done) &
exec httpd -f -p "$PORT" -h /data
"""
_OWNED = "coolify.applicationId"
_ASK_S = 5.0


def push_page(site: Site) -> str:
    """Put what stands for the image of every app into the lab's registry; return its digest."""
    image = Image(PAGE, ("/bin/sh", "-c", _SERVES), {"www/index.html": "a page\n"})
    return push(image, registry=site.registry, busybox=(tree_of(site) / BUSYBOX).read_bytes())


@dataclass
class AppContainers:
    """The containers of applications on one server, made, run and removed as on its pretend twin."""

    server: Server
    _made: set[str] = field(default_factory=set[str])

    def follow(self, state: WorldState, host: HostState) -> None:
        """Bring the server to what the twin has, and tell the twin what became of its containers."""
        own = {c.name: c for c in host.containers if _OWNED in c.labels}
        if not own and not self._made:
            return
        for name in self._made - own.keys():
            self.server.say("docker", "rm", "--force", name)
        self._made &= own.keys()
        if (states := containers_of(self.server)) is not None:
            for name in self._made:
                own[name].state = states.get(name, "exited")
        for name in own.keys() - self._made:
            self._run(own[name], _app_of(state, own[name]))

    def _run(self, container: Container, app: Application) -> None:
        self._made.add(container.name)
        named = [f"--volume={volume.name}:{volume.mount_path}" for volume in app.volumes]
        image = f"{REGISTRY}/{PAGE}"
        self.server.say("docker", "pull", "--quiet", image)
        self.server.say("docker", "run", "--detach", "--name", container.name, *_limits(container), *named, image)


def _app_of(state: WorldState, container: Container) -> Application:
    return next(app for app in state.coolify.applications if str(app.id) == container.labels[_OWNED])


def _limits(container: Container) -> Iterator[str]:
    yield from (f"--network={network}" for network in container.networks)
    yield from ("--restart=unless-stopped", f"--runtime={container.runtime}", f"--pids-limit={container.pids_limit}")
    yield from (f"--memory={container.memory_bytes}", f"--cpus={container.nano_cpus / 1e9}")
    yield from (f"--cap-drop={name}" for name in container.cap_drop)
    yield from (f"--cap-add={name}" for name in container.cap_add)
    yield from (f"--label={name}={value}" for name, value in container.labels.items())
    yield from (f"--env={name}={value}" for name, value in container.env.items())


def containers_of(server: Server) -> dict[str, str] | None:
    """Return the state of each container of a server, asked past SSH; None where its Docker does not answer."""
    with suppress(OSError), socket.socket(socket.AF_UNIX) as caller:
        caller.settimeout(_ASK_S)
        caller.connect(f"/proc/{server.init}/root/run/docker.sock")
        caller.sendall(b"GET /containers/json?all=1 HTTP/1.0\r\nHost: docker\r\n\r\n")
        answer = http.client.HTTPResponse(caller)
        answer.begin()
        found: list[dict[str, str]] = json.loads(answer.read())
        return {entry["Names"][0].removeprefix("/"): entry["State"] for entry in found}
    return None


def volume_path(server: Server, volume: str) -> Path:
    """Return where this machine finds what a volume of the server holds."""
    return Path(f"/proc/{server.init}/root/var/lib/docker/volumes/{volume}/_data")
