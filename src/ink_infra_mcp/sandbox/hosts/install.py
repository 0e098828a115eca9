"""Answers the script that installs Coolify; nothing is ever run.

What its installer makes of a server is written from scripts/install.sh, scripts/upgrade.sh and the seeders of
coollabsio/coolify (4.3.10). An installation is over at the second look at it.
"""

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import filterfalse

import yaml
from yaml.nodes import MappingNode, Node

from ink_infra_mcp.sandbox.compose.interpolate import interpolate
from ink_infra_mcp.sandbox.coolify.containers import container_id
from ink_infra_mcp.sandbox.coolify.ids import uuid_of
from ink_infra_mcp.sandbox.state import WorldState
from ink_infra_mcp.sandbox.state_coolify import Destination, PrivateKey, Server, ServerSettings
from ink_infra_mcp.sandbox.state_factory import BASE, CUSTOM, ENV_NAMES, MIGRATIONS, PROD, Install
from ink_infra_mcp.sandbox.state_hosts import Container, HostState
from ink_infra_mcp.sandbox.state_registry import whole_name

Said = tuple[int, str, str]
UNCHANGED = 3
KEY = "localhost's key"
_DATA = re.compile(r"<<'(?P<end>[A-Z-]+-DATA)'\n(?P<data>.*?)(?P=end)\n", re.DOTALL)
"""The script has a text of its own behind another word."""
_FETCHED = (BASE, PROD, ".env.production", "upgrade.sh", "upgrade-postgres.sh")
_KEPT = (*_FETCHED, CUSTOM)
_YES = {True: "yes", False: "no"}
_PORTS = frozenset({80, 443, 6001, 6002, 8000})
_TOOLS = ("curl", "wget", "git", "jq", "openssl")
_NAMES = {"coolify": "coolify", "soketi": "coolify-realtime"}
"""The containers of the services that publish ports (container_name in docker-compose.yml)."""


@dataclass
class InstallScript:
    """One call of the script on the Factory."""

    state: WorldState
    host: HostState
    stdin: str
    now: float

    def answer(self, words: tuple[str, ...]) -> Said:
        """Do what is asked and return the exit status, and what is said on both outputs."""
        verb, name = words[:2]
        if verb == "prepare":
            return self._prepare(name)
        found = self.state.coolify.factory.installs.get(name, Install(state="", orders={}))
        if verb == "look":
            self._settle(found)
            more = self._site() if name == "any" else (f"image {self._image()}", *self._installed())
            return 0, "".join(f"{line}\n" for line in (*_told(found), *more, "done")), ""
        if found.state == "prepared":
            found.state = "installing"
        return 0, "", ""

    @property
    def _begun(self) -> bool:
        states = {each.state for each in self.state.coolify.factory.installs.values()}
        owned = self._container("coolify-db") is not None and self.state.coolify.users > 0
        return not owned and "done" not in states and bool(states & {"installing", "failed"})

    def _prepare(self, name: str) -> Said:
        disk = self.state.coolify.factory
        if name in disk.installs:
            return 0, "", ""
        found = _DATA.search(self.stdin)
        if found is None:
            return UNCHANGED, "", "ink-install: its orders could not be written\n"
        orders = dict(line.split(" ", 1) for line in found["data"].splitlines())
        if why := self._unfit(orders):
            return UNCHANGED, "", f"ink-install: {why}\n"
        disk.installs[name] = Install(orders={key: text for key, text in orders.items() if key != "script"})
        return 0, "", ""

    def _unfit(self, orders: dict[str, str]) -> str:
        if self._container("coolify") is not None and not self._begun:
            return "a container coolify is there"
        if orders["daemon_before"] != _sum(self.host.made.daemon):
            return "Docker's settings were changed meanwhile"
        files = {key.removeprefix("file:"): text for key, text in orders.items() if key.startswith("file:")}
        other = [name for name, text in files.items() if _sum(_decoded(text)) != orders[f"sum:{name}"]]
        return f"{other[0]} is not the one of the plan" if other else ""

    def _settle(self, found: Install) -> None:
        if found.state != "installing":
            return
        found.attempts += 1
        self._begin(found.orders)
        found.why = self.state.coolify.factory.install_fails or self.bring_up(found.orders)
        found.state = "failed" if found.why else "done"

    def _begin(self, orders: dict[str, str]) -> None:
        """What comes before its images: packages, Docker, its settings, the files and .env."""
        disk = self.state.coolify.factory
        self.host.without = [*filterfalse(_TOOLS.__contains__, self.host.without)]
        self.host.made.daemon = _decoded(orders["daemon"])
        if not self.host.docker_version:
            self.host.docker_version = "28.5.1"
            self._start_docker()
        texts = {name: _decoded(orders[f"file:{name}"]) for name in _FETCHED}
        disk.files = {**texts, CUSTOM: _decoded(orders["custom"])}
        version = orders["version"]
        disk.env = {"REGISTRY_URL": orders["registry"], "AUTOUPDATE": "false"}
        disk.env |= {"LATEST_IMAGE": version, "COOLIFY_VERSION": version}
        disk.env_names = [*ENV_NAMES]

    def _start_docker(self) -> None:
        """It keeps its data where its settings say; its package leaves a file of containerd's that is there alone."""
        storage = self.state.coolify.factory.storage
        storage.root = str(json.loads(self.host.made.daemon or "{}").get("data-root", storage.root))
        storage.containerd = storage.containerd or 'disabled_plugins = ["cri"]\n'

    def bring_up(self, orders: dict[str, str]) -> str:
        """Compose starts the four; the entrypoint migrates and seeds: a team, localhost, and nobody to own it.

        Returns why they do not come up, or stop again, empty: they run.
        """
        coolify, disk = self.state.coolify, self.state.coolify.factory
        published = _published([disk.files[name] for name in (BASE, PROD, CUSTOM)], disk.env)
        tag = f"{orders['registry']}/coollabsio/coolify:{orders['version']}"
        name, version = whole_name(tag)
        digest = self.state.registry.digest(name, version)
        coolify.installed = digest == orders["digest"]
        if not coolify.installed:
            why = f"not fetched for it: {tag}, whose image is not the one of the plan"
            return f"Coolify's installer ended with status 1; {why}"
        images = {
            "coolify": tag,
            "coolify-db": "postgres:15-alpine",
            "coolify-redis": "redis:7-alpine",
            "coolify-realtime": f"{orders['registry']}/coollabsio/coolify-realtime:1.0.17",
        }
        self.host.containers = [
            Container(
                id=container_id(each, self.now),
                name=each,
                image=image,
                image_id=f"sha256:{container_id(f'{image} {digest}', 0.0)}",
                image_digests=[f"coollabsio/coolify@{digest}"] if each == "coolify" else [],
                health="healthy",
                created_at=self.now,
                started_at=self.now,
                ports=published.get(each, []),
            )
            for each, image in images.items()
        ]
        self.host.volumes = ["coolify-db", "coolify-redis"]
        disk.applied, disk.base, disk.database_bytes = [*MIGRATIONS], "", 8_388_608
        self._seed(orders["version"])
        if orders["docker_root"] in ("any", disk.storage.root):
            return ""
        return f"Docker keeps its data at {disk.storage.root}, and not where it was wanted"

    def _seed(self, version: str) -> None:
        coolify = self.state.coolify
        coolify.version, coolify.supports_runtime_option = version, False
        if coolify.servers:
            return
        key = PrivateKey(
            id=0,
            uuid=uuid_of(f"key {KEY}"),
            name=KEY,
            public_key="ssh-ed25519 AAAA",
            created_at=self.now,
            updated_at=self.now,
        )
        coolify.keys = [key]
        self.host.authorized_keys = [*(self.host.authorized_keys or ()), key.public_key]
        coolify.servers = [
            Server(
                id=0,
                uuid=uuid_of("server factory"),
                name="localhost",
                ip="host.docker.internal",
                private_key_id=0,
                host=self.host.name,
                is_coolify_host=True,
                settings=ServerSettings(is_reachable=True, is_usable=True),
                destinations=[Destination(id=0, uuid=uuid_of("destination factory"))],
                created_at=self.now,
                updated_at=self.now,
            )
        ]

    def _container(self, name: str) -> Container | None:
        return next((each for each in self.host.containers if each.name == name), None)

    def _image(self) -> str:
        found = self._container("coolify")
        return found.image_id if found else ""

    def _site(self) -> Iterator[str]:
        disk, host = self.state.coolify.factory, self.host
        yield f"under_way {' '.join(key for key, each in disk.installs.items() if each.state == 'installing')}"
        yield from (f"begun {_YES[self._begun]}", f"os {host.os_id} {host.os_version}", "arch x86_64", "systemd yes")
        yield f"lacks {' '.join(each for each in _TOOLS if each in host.without)}"
        yield from ("missing ", *self._docker(), "snap no", f"source {' '.join(sorted(disk.files))}")
        yield f"version {disk.env.get('COOLIFY_VERSION', '')}"
        yield from (f"port {port} nginx" for port in host.taken_ports if port in _PORTS)
        yield from self._room()
        yield f"daemon {_sum(host.made.daemon)} {_coded(host.made.daemon)}"
        yield f"foreign_keys {sum('coolify' in each for each in host.authorized_keys or ())}"
        yield "sshd 22 prohibit-password"
        yield from self._installed() if self._container("coolify") else ()
        yield from (f"route {network}" for network in disk.routes)

    def _room(self) -> Iterator[str]:
        storage = self.state.coolify.factory.storage
        free = (self.host.disk_bytes - self.host.disk_used_bytes) // 1024
        yield f"data {storage.data}"
        yield f"fstab {_YES[any(' /data ' in each for each in storage.lines)]}"
        yield f"room {self.host.disk_bytes // 1024} {free}"
        yield f"data_room {storage.free_kb if storage.data == 'mount' else free}"

    def _docker(self) -> Iterator[str]:
        if not self.host.docker_version:
            yield from ("docker none", "container none")
            return
        found = self._container("coolify")
        yield from (f"docker {self.host.docker_version}", "compose 2.40.0")
        yield f"container {f'{found.state} {found.image}' if found else 'none'}"
        yield f"volume {_YES['coolify-db' in self.host.volumes]}"
        yield f"running {sum(each.state == 'running' for each in self.host.containers)}"

    def _installed(self) -> Iterator[str]:
        coolify, disk = self.state.coolify, self.state.coolify.factory
        yield from (f"file {name} {_sum(disk.files.get(name, ''))}" for name in _KEPT)
        yield f"env {'700 regular file' if disk.env else ''}"
        ports = (port for each in self.host.containers if each.name in _NAMES.values() for port in each.ports)
        yield f"published {' '.join(port.partition('->')[0] for port in ports)}"
        found = self._container("coolify")
        yield f"digests {json.dumps(found.image_digests) if found else ''}"
        switches = (coolify.is_api_enabled, coolify.is_registration_enabled, bool(coolify.allowed_ips))
        told = "|".join((str(coolify.users), *("t" if each else "f" for each in switches)))
        yield f"instance {told if self._container('coolify-db') else ''}"


def _published(texts: list[str], env: dict[str, str]) -> dict[str, list[str]]:
    """Return what Compose publishes of several files: lists are added to each other, and `!override` begins anew."""
    ports: dict[str, list[str]] = {}
    for text in texts:
        for service, node in _services(text):
            listed = [interpolate(str(each.value), env, []) for each in node.value]
            ports[service] = listed if node.tag == "!override" else [*ports.get(service, []), *listed]
    return {_NAMES.get(service, service): [_shown(port) for port in listed] for service, listed in ports.items()}


def _services(text: str) -> Iterator[tuple[str, Node]]:
    for service, parts in _entries(_value(yaml.compose(text, Loader=yaml.SafeLoader), "services")):
        if (found := _value(parts, "ports")) is not None:
            yield service, found


def _entries(node: Node | None) -> list[tuple[str, Node]]:
    return [(str(key.value), value) for key, value in node.value] if isinstance(node, MappingNode) else []


def _value(node: Node | None, name: str) -> Node | None:
    return dict(_entries(node)).get(name)


def _shown(port: str) -> str:
    """An address before both ports is where they are bound; without one they are for everybody."""
    *address, published, target = port.split(":")
    return f"{address[0] if address else '0.0.0.0'}:{published}->{target}/tcp"  # noqa: S104 - what Docker would say


def _told(found: Install) -> Iterator[str]:
    yield from (f"state {found.state}", f"why {_coded(found.why)}", f"attempts {found.attempts or ''}")
    yield f"said {_coded(found.why)}"


def _decoded(text: str) -> str:
    return base64.b64decode(text).decode()


def _coded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _sum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest() if text else "none"
