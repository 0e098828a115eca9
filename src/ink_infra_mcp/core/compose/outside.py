"""Keys of a service that reach beyond its container: mounts, ports, networks, labels, logs, files and builds."""

import re
from collections.abc import Iterator, Mapping
from ipaddress import ip_address

from pydantic import JsonValue

from ink_infra_mcp.core.compose.forms import as_map, as_texts, mounts_of, networks_of
from ink_infra_mcp.core.compose.ground import Ground, Judge
from ink_infra_mcp.core.compose.plain import magic
from ink_infra_mcp.core.compose.sizes import size_bytes
from ink_infra_mcp.core.shapes import items, table

LABELS = ("org.opencontainers.", "org.label-schema.", "com.example.")
"""What labels may begin with: descriptions. A proxy reads traefik.* and caddy*, Coolify and Compose their own."""
PLAIN_LABELS = frozenset({"maintainer", "description", "version", "name"})
_LOGS = {"json-file": frozenset({"max-size", "max-file"}), "local": frozenset({"max-size", "max-file", "compress"})}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}", re.ASCII)
_TMPFS = re.compile(r"/[A-Za-z0-9._/-]+(?::(?P<options>[A-Za-z0-9,=._-]+))?", re.ASCII)
_TMPFS_OPTIONS = frozenset({"size", "mode", "uid", "gid", "noexec", "nosuid", "nodev", "exec", "rw", "ro"})
_REMOTE = re.compile(r"https://[A-Za-z0-9.-]+(?::[0-9]+)?/[\w./~+-]+\.git(?:#[\w./:-]*)?", re.ASCII)
_BUILD = frozenset({"context", "dockerfile", "dockerfile_inline", "args", "target"})


def _volumes(value: JsonValue, _: Ground) -> Iterator[str]:
    for mount in mounts_of(value):
        if isinstance(mount, str):
            yield mount.removeprefix("volumes: ")


def _ports(value: JsonValue, _: Ground) -> Iterator[str]:
    for port in items(value) or [value]:
        yield f"{port if not isinstance(port, dict) else port.get('target')} is published on the Muscle, past its proxy"


def _networks(value: JsonValue, ground: Ground) -> Iterator[str]:
    for name, settings in networks_of(value).items():
        if name not in ground.networks:
            yield f"the file has no network {name}"
        if unknown := sorted(set(settings) - {"aliases", "priority"}):
            yield f"{name}: {unknown[0]} is not known to be harmless"
        if any(not _NAME.fullmatch(alias) for alias in as_texts(settings.get("aliases") or []) or ()):
            yield f"{name}: an alias is no name"


def _labels(value: JsonValue, _: Ground) -> Iterator[str]:
    for name, text in as_map(value).items():
        if "$" in name or "$" in (text or ""):
            yield f"{name} holds a $, which Coolify doubles"
        if name not in PLAIN_LABELS and not name.startswith(LABELS):
            yield f"{name} may be read by the proxy, by Coolify or by Docker: an app's domain comes from its plan"


def _logging(value: JsonValue, _: Ground) -> Iterator[str]:
    driver = str(table(value).get("driver", "json-file"))
    if driver not in _LOGS:
        yield f"{driver} takes the log away from get_app_logs; use json-file or local"
    elif unknown := sorted(set(table(table(value).get("options"))) - _LOGS[driver]):
        yield f"{unknown[0]} is not known to be harmless"
    if set(table(value)) - {"driver", "options"}:
        yield "has a setting that is not known"


def _dns(value: JsonValue, _: Ground) -> Iterator[str]:
    for server in as_texts(value) or [""]:
        try:
            ip_address(server)
        except ValueError:
            yield f"{server} is no address"


def _extra_hosts(value: JsonValue, _: Ground) -> Iterator[str]:
    pairs = [(name, str(address)) for name, address in value.items()] if isinstance(value, dict) else []
    pairs += [_host(text) for text in as_texts(value) or []] if isinstance(value, list) else []
    for name, address in pairs:
        try:
            ip_address(address.strip("[]"))
        except ValueError:
            yield f"{name} leads to {address}, which is no address"


def _host(text: str) -> tuple[str, str]:
    name, _, address = text.partition("=") if "=" in text else text.partition(":")
    return name, address


def _links(value: JsonValue, ground: Ground) -> Iterator[str]:
    for link in as_texts(value) or [""]:
        service, _, alias = link.partition(":")
        if service not in ground.services or (alias and not _NAME.fullmatch(alias)):
            yield f"{link} leads to no service of the file"


def _tmpfs(value: JsonValue, _: Ground) -> Iterator[str]:
    for entry in as_texts(value) or [""]:
        found = _TMPFS.fullmatch(entry)
        options = (found["options"] or "").split(",") if found else []
        names = {option.partition("=")[0] for option in options if option}
        sizes = [option.partition("=")[2] for option in options if option.startswith("size=")]
        if found is None or not names <= _TMPFS_OPTIONS or any(size_bytes(size) is None for size in sizes):
            yield f"{entry} is no path of the container with known options"


def _given(value: JsonValue, names: frozenset[str]) -> Iterator[str]:
    for item in items(value):
        source = table(item).get("source") if isinstance(item, dict) else item
        if source not in names:
            yield f"the file has none called {source}"
        if isinstance(item, dict) and set(item) - {"source", "target", "uid", "gid", "mode"}:
            yield f"{source}: a setting is not known"


def _configs(value: JsonValue, ground: Ground) -> Iterator[str]:
    yield from _given(value, ground.configs)


def _secrets(value: JsonValue, ground: Ground) -> Iterator[str]:
    yield from _given(value, ground.secrets)


def _build(value: JsonValue, _: Ground) -> Iterator[str]:
    build = table(value)
    if not _REMOTE.fullmatch(str(build.get("context", ""))):
        yield "a pasted file brings no folder to build from; give `image`, or a `context` such as https://.../app.git"
    if unknown := sorted(set(build) - _BUILD):
        yield f"{unknown[0]} is not known to be harmless"
    dockerfile = str(build.get("dockerfile", ""))
    if dockerfile.startswith(("/", "~")) or ".." in dockerfile.split("/") or "$" in dockerfile:
        yield "the Dockerfile lies outside its context"
    for name, text in as_map(build.get("args")).items():
        if reason := magic(name) or magic(text or ""):
            yield f"args.{name}: {reason}"


OUTSIDE: Mapping[str, Judge] = {
    "volumes": _volumes,
    "ports": _ports,
    "networks": _networks,
    "labels": _labels,
    "logging": _logging,
    "dns": _dns,
    "extra_hosts": _extra_hosts,
    "links": _links,
    "tmpfs": _tmpfs,
    "configs": _configs,
    "secrets": _secrets,
    "build": _build,
}
