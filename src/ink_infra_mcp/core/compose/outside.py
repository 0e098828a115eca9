"""Keys of a service that reach beyond its container: mounts, ports, networks, labels, logs, files and builds."""

import re
from collections.abc import Callable, Iterator, Mapping
from ipaddress import ip_address

from pydantic import JsonValue

from ink_infra_mcp.core.compose.forms import as_map, as_texts, mounts_of, networks_of
from ink_infra_mcp.core.compose.ground import COOLIFY_S, Ground, Judge, is_coolify_s
from ink_infra_mcp.core.compose.kinds import LOGGING_KINDS, Kind, wrong_kind
from ink_infra_mcp.core.compose.published import published_port
from ink_infra_mcp.core.compose.sizes import size_bytes
from ink_infra_mcp.core.host_config import TMPFS_OPTION
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.shapes import items, table

LABELS = ("org.opencontainers.", "org.label-schema.", "com.example.")
"""What labels may begin with: descriptions. A proxy reads traefik.* and caddy*, Coolify and Compose their own."""
PLAIN_LABELS = frozenset({"maintainer", "description", "version", "name"})
_LOGS = {"json-file": frozenset({"max-size", "max-file"}), "local": frozenset({"max-size", "max-file", "compress"})}
_LOG_OPTIONS = {
    "max-size": re.compile(r"[1-9][0-9]{0,8}[kmg]?", re.IGNORECASE | re.ASCII),
    "max-file": re.compile(r"[1-9][0-9]{0,3}", re.ASCII),
    "compress": re.compile(r"true|false"),
}
"""What Docker's log drivers read; -1 is no limit (moby, daemon/logger)."""
_MOST_MOUNTS = 50
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}", re.ASCII)
_TMPFS = re.compile(r"/[A-Za-z0-9._/-]+(?::(?P<options>[A-Za-z0-9,=._-]+))?", re.ASCII)


def _volumes(value: JsonValue, _: Ground) -> Iterator[str]:
    if len(items(value)) > _MOST_MOUNTS:
        yield f"more than {_MOST_MOUNTS} are too many to be looked through whenever somebody asks for the Muscle's apps"
    seen: set[str] = set()
    for mount in mounts_of(value):
        if isinstance(mount, str):
            yield mount.removeprefix("volumes: ")
            continue
        target = mount.target.strip().rstrip("/")
        if target in seen or "//" in target or "/./" in f"{target}/":
            yield f"{mount.target} is mounted twice, or is no plain path: Docker takes the last of two"
        seen.add(target)


def _ports(value: JsonValue, ground: Ground) -> Iterator[str]:
    for entry in items(value) or [value]:
        port = published_port(entry)
        if port is None or port.name not in ground.published:
            shown = entry if not isinstance(entry, dict) else entry.get("target")
            yield f"{shown} is published on the Muscle, past its proxy"


def _networks(value: JsonValue, ground: Ground) -> Iterator[str]:
    for name, settings in networks_of(value).items():
        if name not in ground.networks:
            yield f"the file has no network {name}"
        yield from (f"{name}: {reason}" for reason in _network_settings(settings))


def _network_settings(settings: JsonObject) -> Iterator[str]:
    if unknown := sorted(set(settings) - {"aliases", "priority"}):
        yield f"{unknown[0]} is not known to be harmless"
    aliases = settings.get("aliases")
    names = [] if aliases is None else as_texts(aliases)
    if isinstance(aliases, str) or names is None or not all(map(_NAME.fullmatch, names)):
        yield "an alias is no name"
    yield from (f"the alias {name} {COOLIFY_S}" for name in names or () if is_coolify_s(name))


def _labels(value: JsonValue, _: Ground) -> Iterator[str]:
    for name, text in as_map(value).items():
        if "$" in name + (text or ""):
            yield f"{name} holds a $, which Coolify doubles"
        if "=" in name:
            yield f"{name} holds a =, at which Coolify cuts it"
        if text is None:
            yield f"{name} has no value, and Coolify would give it another; write one, an empty text too"
        if not _is_description(name):
            yield f"{name} may be read by the proxy, by Coolify or by Docker: an app's domain comes from its plan"


def _is_description(label: str) -> bool:
    return label in PLAIN_LABELS or label.startswith(LABELS)


def _logging(value: JsonValue, _: Ground) -> Iterator[str]:
    yield from _wrong_kinds(table(value), LOGGING_KINDS)
    driver = str(table(value).get("driver", "json-file"))
    if driver not in _LOGS:
        yield f"{driver} takes the log away from get_app_logs; use json-file or local"
        return
    for name, text in table(table(value).get("options")).items():
        if name not in _LOGS[driver]:
            yield f"{name} is not known to be harmless"
        elif not _LOG_OPTIONS[name].fullmatch(str(text)):
            yield f"{name} is {text}, which Docker does not read, or no limit at all"


def _wrong_kinds(parts: JsonObject, kinds: Mapping[str, Kind]) -> Iterator[str]:
    for key, part in parts.items():
        if key not in kinds:
            yield f"{key} is not known to be harmless"
        elif part is not None and (wrong := wrong_kind(key, part, kinds)):
            yield f"{key}: {wrong}"


def _dns(value: JsonValue, _: Ground) -> Iterator[str]:
    for server in as_texts(value) or [""]:
        if not _is_address(server):
            yield f"{server} is no address"


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _extra_hosts(value: JsonValue, _: Ground) -> Iterator[str]:
    for name, address in _hosts(value):
        if not _NAME.fullmatch(name):
            yield f"{name} is no name"
        if not _is_address(address.strip("[]")):
            yield f"{name} leads to {address}, which is no address"


def _hosts(value: JsonValue) -> list[tuple[str, str]]:
    if isinstance(value, dict):
        return [(name, str(address)) for name, address in value.items()]
    return [_host(text) for text in as_texts(items(value)) or ()]


def _host(text: str) -> tuple[str, str]:
    name, _, address = text.partition("=") if "=" in text else text.partition(":")
    return name, address


def _tmpfs(value: JsonValue, _: Ground) -> Iterator[str]:
    for entry in as_texts(value) or [""]:
        if not _is_tmpfs(entry):
            yield f"{entry} is no path of the container with known options"


def _is_tmpfs(entry: str) -> bool:
    found = _TMPFS.fullmatch(entry)
    if found is None:
        return False
    options = (found["options"] or "").split(",")
    return all(_is_tmpfs_option(option) for option in options if option)


def _is_tmpfs_option(option: str) -> bool:
    """A size of 0 is none, and the proof on the host knows fewer options than the kernel."""
    size = option.removeprefix("size=")
    return TMPFS_OPTION.fullmatch(option) is not None and (size == option or size_bytes(size) is not None)


def _given(value: JsonValue, names: frozenset[str]) -> Iterator[str]:
    for item in items(value):
        source = item.get("source") if isinstance(item, dict) else item
        if not isinstance(source, str) or source not in names:
            yield f"the file has none called {source}"
        yield from (f"{source}: {reason}" for reason in _placed(table(item)))


def _placed(settings: JsonObject) -> Iterator[str]:
    """Docker Compose 2.26.1 breaks down on a target that is no text, and takes any number for rights."""
    for key, value in settings.items():
        if key not in _PLACES:
            yield f"{key} is not known to be harmless"
        elif not _PLACES[key](value):
            yield f"{key} is {value}: {_PLACE_WORDS[key]}"


def _is_target(value: JsonValue) -> bool:
    return isinstance(value, str) and _TARGET.fullmatch(value) is not None and ".." not in value.split("/")


def _is_id(value: JsonValue) -> bool:
    return isinstance(value, str) and re.fullmatch("[0-9]{1,9}", value, re.ASCII) is not None


def _is_mode(value: JsonValue) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MOST_RIGHTS


_TARGET = re.compile(r"/?[A-Za-z0-9._@+-]+(?:/[A-Za-z0-9._@+-]+)*", re.ASCII)
_MOST_RIGHTS = 0o777
_PLACES: Mapping[str, Callable[[JsonValue], bool]] = {
    "source": lambda value: isinstance(value, str),
    "target": _is_target,
    "uid": _is_id,
    "gid": _is_id,
    "mode": _is_mode,
}
"""What the long form of a config or a secret may hold."""
_PLACE_WORDS = {
    "source": "write a name",
    "target": "write a path of the container",
    "uid": 'write a number in quotes, such as "1000"',
    "gid": 'write a number in quotes, such as "1000"',
    "mode": "write rights such as 0440",
}


def _configs(value: JsonValue, ground: Ground) -> Iterator[str]:
    yield from _given(value, ground.configs)


def _secrets(value: JsonValue, ground: Ground) -> Iterator[str]:
    yield from _given(value, ground.secrets)


OUTSIDE: Mapping[str, Judge] = {
    "volumes": _volumes,
    "ports": _ports,
    "networks": _networks,
    "labels": _labels,
    "logging": _logging,
    "dns": _dns,
    "extra_hosts": _extra_hosts,
    "tmpfs": _tmpfs,
    "configs": _configs,
    "secrets": _secrets,
}
