"""What Coolify made of a compose file: held against what was approved, both as Docker's own reader takes them apart.

What Coolify adds (parsers.php and docker.php of version 4.3.11: a name for the container, its network, labels for its
proxy and itself, variables about the app, names of volumes) is known here, each with its exact value where it decides
who is reached. All else has to be as approved.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pydantic import JsonValue

from ink_infra_mcp.core.compose.forms import as_map, volume_slug
from ink_infra_mcp.core.compose.plain import ADDED
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.routing import Routes, is_own, label_shown
from ink_infra_mcp.core.shapes import items, table

_HOST = re.compile(r"(?<=^Host\(`)[^`]*")
_NAMED = re.compile(r"\$\{?(?P<name>[A-Za-z_][A-Za-z0-9_]*)")


@dataclass(frozen=True, slots=True)
class Front:
    """A URL of a service, in its parts. `port` is the container's, as text; empty where none is said."""

    service: str
    scheme: str
    host: str
    path: str
    port: str

    @property
    def rule(self) -> str:
        """Return the rule that a router for the URL may have."""
        return f"Host(`{self.host}`) && PathPrefix(`{self.path or '/'}`)"


@dataclass(frozen=True, slots=True)
class Making:
    """For whom Coolify made the file: the app's uuid, and the URLs that its services have."""

    uuid: str
    fronts: tuple[Front, ...]

    def volume(self, name: str) -> str:
        """Return what Coolify calls a volume."""
        return f"{self.uuid}_{volume_slug(name)}"


def differences(approved: JsonObject, stored: JsonObject, making: Making) -> tuple[str, ...]:
    """Return in words what of a stored file is not as approved; both are what `docker compose config` prints as JSON.

    An empty answer means that the same will run, but for what Coolify is known to add.
    """
    ours, theirs = table(approved.get("services")), table(stored.get("services"))
    found = [f"{name}: is not in what Coolify stored" for name in ours.keys() - theirs.keys()]
    found += [f"{name}: was not approved" for name in theirs.keys() - ours.keys()]
    names = _variables_named(approved)
    for name in sorted(ours.keys() & theirs.keys()):
        pair = _Service(name, table(ours[name]), table(theirs[name]), names, making)
        found += [f"{name}: {words}" for words in pair.differences()]
    return (*sorted(found), *_beside(approved, stored, making))


def names_read(compose: JsonObject) -> frozenset[str]:
    """Return the variables that Docker Compose looks up: of texts, of names without a value, of secrets."""
    services = [table(service) for service in table(compose.get("services")).values()]
    maps = (as_map(service.get("environment")) for service in services)
    bare = {name for variables in maps for name, value in variables.items() if value is None}
    secrets = {str(table(secret).get("environment", "")) for secret in table(compose.get("secrets")).values()} - {""}
    return _variables_named(compose) | bare | secrets


def without_names(compose: JsonObject, making: Making) -> JsonObject:
    """Return what Docker Compose made of a file without the names that it gives to networks, volumes and configs."""
    parts = ("networks", "volumes", "configs", "secrets")
    bare: JsonObject = {part: _without_names(table(compose[part]), making) for part in parts if part in compose}
    return {key: value for key, value in compose.items() if key != "name"} | bare


def _without_names(entries: JsonObject, making: Making) -> JsonObject:
    return {name: _without_name(name, table(entry), making) for name, entry in entries.items()}


def _without_name(name: str, entry: JsonObject, making: Making) -> JsonObject:
    given: JsonObject = {"name": f"{making.uuid}_{name}", "ipam": {}}
    return {key: value for key, value in entry.items() if key not in given or given[key] != value}


@dataclass(frozen=True, slots=True)
class _Service:
    """A service as approved and as stored. `names` are the variables that the approved file reads."""

    name: str
    ours: JsonObject
    theirs: JsonObject
    names: frozenset[str]
    making: Making

    def differences(self) -> Iterator[str]:
        """Yield what differs, key by key."""
        for key in sorted(self.ours.keys() | self.theirs.keys()):
            yield from self._differences_in(key, self.ours.get(key), self.theirs.get(key))

    def _differences_in(self, key: str, was: JsonValue, now: JsonValue) -> Iterator[str]:
        match key:
            case "labels":
                yield from self._labels(as_map(was), as_map(now))
            case "environment":
                yield from self._environment(as_map(was), as_map(now))
            case "networks":
                yield from self._networks(table(was), table(now))
            case "volumes":
                yield from self._volumes(items(was), items(now))
            case _:
                yield from self._plain(key, was, now)

    def _plain(self, key: str, was: JsonValue, now: JsonValue) -> Iterator[str]:
        if was != now and not self._is_added(key, was, now):
            yield f"{key} is {_shown(now)} and not {_shown(was)}"

    def _volumes(self, was: list[JsonValue], now: list[JsonValue]) -> Iterator[str]:
        if [self._renamed(table(mount)) for mount in was] != [_bare(table(mount)) for mount in now]:
            yield "volumes are not those that were approved"

    def _is_added(self, key: str, was: JsonValue, now: JsonValue) -> bool:
        if key == "container_name":
            return now == f"{self.name}-{self.making.uuid}"
        if was is not None:
            return False
        if key == "restart":
            return now == "unless-stopped"
        return key == "env_file" and all(map(_is_env_file, items(now)))

    def _environment(self, was: Mapping[str, str | None], now: Mapping[str, str | None]) -> Iterator[str]:
        for name in sorted(was.keys() | now.keys()):
            if name not in was and self._is_added_variable(name):
                continue
            if name not in now or not (was.get(name) == now[name] or _stands_for_itself(name, was.get(name))):
                yield f"the variable {name} is not as it was approved"

    def _is_added_variable(self, name: str) -> bool:
        return bool(ADDED.fullmatch(name)) or name in self.names

    def _networks(self, was: JsonObject, now: JsonObject) -> Iterator[str]:
        for name in sorted(now.keys() - was.keys() - {self.making.uuid}):
            yield f"is in the network {name}, which was not approved"
        for name in sorted((was.keys() - {"default"}) & now.keys()):
            if table(was[name]) != table(now[name]):
                yield f"its settings in the network {name} are not as approved"

    def _labels(self, was: Mapping[str, str | None], now: Mapping[str, str | None]) -> Iterator[str]:
        for name in sorted(was.keys() | now.keys()):
            is_approved = was[name] == now.get(name) if name in was else self._is_own_label(name, now[name] or "")
            if not is_approved:
                yield f"the label {_label(name, now.get(name))}, which was not approved"

    def _is_own_label(self, name: str, value: str) -> bool:
        """A label that a proxy reads is for the service's own URLs, with their paths and their port."""
        fronts = [front for front in self.making.fronts if front.service == self.name]
        routes = Routes(self.making.uuid, frozenset(front.host.lower() for front in fronts))
        if not name.startswith(("coolify.", "traefik.", "caddy")) or not is_own(name, value, routes):
            return False
        if name.startswith("coolify."):
            return True
        if name.endswith(".rule"):
            return _HOST.sub(lambda host: host[0].lower(), value) in {_lowered(front) for front in fronts}
        if name.endswith(".loadbalancer.server.port"):
            return any(_is_port(front, value) for front in fronts)
        return bool(fronts)

    def _renamed(self, mount: JsonObject) -> JsonObject:
        bare = _bare(mount)
        is_volume = bare.get("type") == "volume" and "source" in bare
        return bare | {"source": self.making.volume(str(bare["source"]))} if is_volume else bare


def _beside(approved: JsonObject, stored: JsonObject, making: Making) -> Iterator[str]:
    for part in sorted((approved.keys() | stored.keys()) - {"services", "networks", "volumes"}):
        if approved.get(part) != stored.get(part):
            yield f"{part} is not as it was approved"
    networks = table(stored.get("networks"))
    if making.uuid in networks and networks[making.uuid] != {"name": making.uuid, "external": True}:
        yield f"the network {making.uuid} is not the app's own"
    yield from _parts("networks", table(approved.get("networks")), networks, {making.uuid, "default"})
    yield from _volumes_beside(table(approved.get("volumes")), table(stored.get("volumes")), making)


def _volumes_beside(approved: JsonObject, stored: JsonObject, making: Making) -> Iterator[str]:
    known = {making.volume(name): {"name": making.volume(name)} for name in approved}
    for name, volume in stored.items():
        if known.get(name, {"name": f"{making.uuid}_{name}"}) != table(volume):
            yield f"the volume {name} is not as it was approved"


def _is_port(front: Front, value: str) -> bool:
    """Where a URL says no port Coolify takes one of the image's: whichever it is, it is the service's own."""
    return value == front.port or (not front.port and value.isdecimal())


def _is_env_file(file: JsonValue) -> bool:
    return str(table(file).get("path")).endswith("/.env")


def _parts(what: str, was: JsonObject, now: JsonObject, but: set[str]) -> Iterator[str]:
    for name in sorted((was.keys() | now.keys()) - but):
        if was.get(name) != now.get(name):
            yield f"{what}.{name} is not as it was approved"


def _bare(mount: JsonObject) -> JsonObject:
    """Return a mount without what says nothing."""
    return {key: value for key, value in mount.items() if value not in (None, {}, [], False)}


def _stands_for_itself(name: str, value: str | None) -> bool:
    """`B: ${B:-none}` becomes the value that the app's variable B has: Coolify writes it in (serviceParser, 4.3.11)."""
    return bool(re.fullmatch(rf"\$\{{{re.escape(name)}:?[-?][^{{}}$]*\}}", value or ""))


def _variables_named(compose: JsonObject) -> frozenset[str]:
    return frozenset(match["name"] for text in _texts(compose) for match in _NAMED.finditer(text))


def _texts(value: JsonValue) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _texts(part)


def _lowered(front: Front) -> str:
    """Hosts differ in letters only for nobody, paths do for Traefik."""
    return _HOST.sub(lambda host: host[0].lower(), front.rule)


def _label(name: str, value: str | None) -> str:
    return f"{name} is left out" if value is None else label_shown(name, value)


def _shown(value: JsonValue) -> str:
    return "left out" if value is None else str(value)[:200]
