"""The short and long forms in which a compose file may say one thing, read into one shape."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import JsonValue

from ink_infra_mcp.core.compose.scalars import go_text
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.shapes import items, table

VOLUME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]+", re.ASCII)
"""A volume's name. Coolify takes one of a single letter for a drive of Windows (source, version 4.3.11)."""
_PATH = re.compile(r"/[A-Za-z0-9._@+/ -]*", re.ASCII)
_NOT_IN_SLUGS, _DASHES = re.compile(r"[^a-z0-9-]"), re.compile(r"-+")
_MODES = frozenset({"", "ro", "rw", "z", "nocopy"})
_LONG = frozenset({"type", "source", "target", "read_only", "volume"})
"""What the long form of a volume may hold."""


@dataclass(frozen=True, slots=True)
class Mount:
    """A named volume in a service; `source` is empty for one that has no name yet."""

    source: str
    target: str
    read_only: bool = False

    @property
    def short(self) -> str:
        """Return the short form, which all readers share."""
        return f"{self.source}:{self.target}{':ro' if self.read_only else ''}"


def as_map(value: JsonValue) -> dict[str, str | None]:
    """Return variables, labels or build arguments by name, each value in the text that Docker makes of it.

    A name without a value has None. Of a list the last entry of a name counts, as for Docker.
    """
    if isinstance(value, dict):
        return {key: None if one is None else _text(one) for key, one in value.items()}
    return dict(_assigned(_text(item)) for item in items(value))


def _assigned(text: str) -> tuple[str, str | None]:
    key, equals, rest = text.partition("=")
    return key, rest if equals else None


def is_flat(value: JsonValue) -> bool:
    """Return whether no part of a list or mapping is one itself; whatever is neither has no parts."""
    parts = value.values() if isinstance(value, dict) else items(value)
    return not any(isinstance(part, dict | list) for part in parts)


def is_nothing(value: JsonValue) -> bool:
    """Return whether a value says nothing: null, or an empty list or mapping. `false`, 0 and an empty text say
    something.
    """
    return value is None or value == [] or value == {}


def as_texts(value: JsonValue) -> list[str] | None:
    """Return a text or a list of texts and numbers as a list; None for what is neither."""
    if isinstance(value, list):
        return _all_texts(value)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    return [go_text(value)]


def _all_texts(parts: list[JsonValue]) -> list[str] | None:
    return [_text(part) for part in parts] if all(isinstance(part, str | int | float) for part in parts) else None


def volume_slug(name: str) -> str:
    """Return what Coolify makes of a volume's name (Laravel's Str::slug): two names may become one."""
    return _DASHES.sub("-", _NOT_IN_SLUGS.sub("", name.lower().replace("_", "-"))).strip("-")


def networks_of(value: JsonValue) -> dict[str, JsonObject]:
    """Return the networks of a service with their settings."""
    if isinstance(value, dict):
        return {name: table(settings) for name, settings in value.items()}
    return {_text(item): {} for item in items(value)}


def mounts_of(value: JsonValue) -> Iterator[Mount | str]:
    """Yield each volume of a service, or the reason why it is none that an app may have."""
    if not isinstance(value, list):
        yield "volumes: not a list"
        return
    for item in value:
        yield _long(item) if isinstance(item, dict) else _short(_text(item))


def _short(text: str) -> Mount | str:
    if ":" not in text:
        return Mount("", text) if _is_path(text) else _refused(text)
    parts = text.split(":")
    source, target, mode = (*parts, "")[:3]
    if len(parts) > 3 or not _is_named_volume(source, target):
        return _refused(text)
    return _with_modes(text, Mount(source, target), set(mode.split(",")))


def _is_named_volume(source: str, target: str) -> bool:
    return bool(VOLUME.fullmatch(source)) and _is_path(target)


def _with_modes(text: str, mount: Mount, modes: set[str]) -> Mount | str:
    if not modes <= _MODES:
        return f"volumes: the mode of {text} is not ro or rw"
    return Mount(mount.source, mount.target, "ro" in modes)


def _long(mount: JsonObject) -> Mount | str:
    source, target = mount.get("source", ""), mount.get("target")
    if not isinstance(source, str) or not isinstance(target, str) or not _is_path(target):
        return f"volumes: {_text(target)} is no path of the container"
    return _refusal(mount, source, target) or Mount(source, target, mount.get("read_only") is True)


def _refusal(mount: JsonObject, source: str, target: str) -> str:
    """Return why a mount in the long form is not a named volume and nothing else, or an empty text."""
    kind = mount.get("type")
    if kind == "volume" and (not source or VOLUME.fullmatch(source)):
        return _unknown_in(mount, source, target)
    return _refused(source or _text(kind), has_content="content" in mount)


def _unknown_in(mount: JsonObject, source: str, target: str) -> str:
    name = source or target
    if unknown := sorted(set(mount) - _LONG):
        return f"volumes: {unknown[0]} of {name} is not known to be harmless"
    if set(table(mount.get("volume"))) - {"nocopy"} or not isinstance(mount.get("read_only", False), bool):
        return f"volumes: the options of {name} are not known to be harmless"
    return ""


def _refused(text: str, *, has_content: bool = False) -> str:
    file = "`configs` with `content`"
    hint = f"use {file} for a file" if has_content else f"use a named volume, or {file} for a file"
    if "docker.sock" in text:
        return f"volumes: {text} hands the Docker socket to the app"
    return f"volumes: {text} mounts a path of the Muscle; {hint}"


def _is_path(text: str) -> bool:
    return bool(_PATH.fullmatch(text)) and text != "/" and ".." not in text.split("/")


def _text(value: JsonValue) -> str:
    return go_text(value) if value is None or isinstance(value, str | int | float | bool) else str(value)
