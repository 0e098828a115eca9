"""What stands beside the services of a compose file: volumes, networks, configs and secrets of its own."""

import re
from collections.abc import Callable, Iterator, Mapping

from pydantic import JsonValue

from ink_infra_mcp.core.compose.forms import VOLUME, volume_slug
from ink_infra_mcp.core.compose.ground import COOLIFY_S, Ground, is_coolify_s
from ink_infra_mcp.core.compose.plain import VARIABLE, is_of_the_server, magic
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.shapes import table

SERVICE = re.compile(r"(?![0-9]+$)[A-Za-z0-9][A-Za-z0-9._-]{0,62}", re.ASCII)
"""A service's name; one of digits only is a number to PHP, and breaks Coolify's parser (source, version 4.3.11)."""
_OF_AN_APP = re.compile(r"(?:^|[-_.])[a-z0-9]{20,}(?:$|[-_.])", re.ASCII | re.IGNORECASE)
_MOST_NETWORKS = 8
"""Docker has some thirty networks for a whole server before its addresses are used up."""
_REFUSED = {
    "include": "brings in files that this check does not see",
    "models": "runs a program on the Muscle",
}


def top_problems(compose: JsonObject, ground: Ground) -> Iterator[str]:
    """Yield what is wrong beside the services, and with the names of services and volumes."""
    for name in ground.services:
        if not SERVICE.fullmatch(name):
            yield f"{name!r} is no name for a service: use letters, digits, hyphens, dots and underscores"
        if _OF_AN_APP.search(name):
            yield f"the service {name} has a part like the uuid of an app, by which containers are known"
        if is_coolify_s(name):
            yield f"the service {name} {COOLIFY_S}"
    for key, value in compose.items():
        if not _is_passed_over(key, value):
            yield from _in_part(key, value)
    yield from _same_folder(table(compose.get("volumes")))
    if len(table(compose.get("networks"))) > _MOST_NETWORKS:
        yield f"networks: more than {_MOST_NETWORKS} use up the addresses of the Muscle"


def _is_passed_over(key: str, value: JsonValue) -> bool:
    return key in ("services", "version", "name") or key.startswith("x-") or value in (None, {}, [])


def _in_part(key: str, entries: JsonValue) -> Iterator[str]:
    if key not in _JUDGES:
        yield f"{key}: {_REFUSED.get(key, 'is not known to be harmless')}"
        return
    if not isinstance(entries, dict):
        yield f"{key}: is not a mapping"
        return
    for name, entry in entries.items():
        if not isinstance(entry, dict | None):
            yield f"{key}.{name}: is not a mapping"
        yield from (f"{key}.{name}: {reason}" for reason in _JUDGES[key](name, table(entry)))


def _same_folder(volumes: JsonObject) -> Iterator[str]:
    """Coolify makes one name of two that differ in case, underscores or dots only (Str::slug, version 4.3.11)."""
    seen: dict[str, str] = {}
    for name in volumes:
        slug = volume_slug(name)
        if slug in seen:
            yield f"volumes: {seen[slug]} and {name} are one and the same to Coolify"
        seen[slug] = name


def _volume(name: str, volume: JsonObject) -> Iterator[str]:
    if not VOLUME.fullmatch(name):
        yield "is no name for a volume"
    if _is_anothers(volume):
        yield "names a volume that is not the app's own"
    if _has_odd_driver(volume, "local"):
        yield "driver options can mount any path of the Muscle"
    yield from _unknown(volume, {"external", "name", "driver", "driver_opts"})


def _network(name: str, network: JsonObject) -> Iterator[str]:
    if not SERVICE.fullmatch(name):
        yield "is no name for a network"
    if _is_anothers(network):
        yield "names a network that is not the app's own"
    if _has_odd_driver(network, "bridge"):
        yield "only the bridge driver, without options, keeps the app behind Docker"
    yield from _unknown(network, {"external", "name", "driver", "driver_opts", "internal"})


def _is_anothers(entry: JsonObject) -> bool:
    return bool(entry.get("external") or entry.get("name"))


def _has_odd_driver(entry: JsonObject, usual: str) -> bool:
    return entry.get("driver", usual) != usual or bool(entry.get("driver_opts"))


def _config(name: str, config: JsonObject) -> Iterator[str]:
    """A config whose content comes out empty is mounted as the folder that Compose runs in (seen, 2.26.1)."""
    del name
    content = config.get("content")
    if not isinstance(content, str) or not content or content.startswith("$"):
        yield "mounts a path of the Muscle; use content, which begins with something other than a variable"
    elif reason := magic(content):
        yield reason
    yield from _but(config, "content")


def _secret(name: str, secret: JsonObject) -> Iterator[str]:
    del name
    variable = secret.get("environment")
    if not isinstance(variable, str) or not VARIABLE.fullmatch(variable):
        yield "mounts a path of the Muscle; use environment, with the name of a variable"
    elif is_of_the_server(variable):
        yield f"{variable} may be a variable of the Muscle's own"
    yield from _but(secret, "environment")


def _but(entry: JsonObject, only: str) -> Iterator[str]:
    """Yield each further key, whatever its value: `external: false` too changes what Compose mounts."""
    yield from (f"{key} is not known to be harmless" for key in sorted(set(entry) - {only}) if not key.startswith("x-"))


def _unknown(entry: JsonObject, known: set[str]) -> Iterator[str]:
    for key in sorted(set(entry) - known):
        if not key.startswith("x-") and not (key == "ipam" and entry[key] == {}):
            yield f"{key} is not known to be harmless"


_JUDGES: Mapping[str, Callable[[str, JsonObject], Iterator[str]]] = {
    "configs": _config,
    "networks": _network,
    "secrets": _secret,
    "volumes": _volume,
}
