"""Reads compose files: the parts of a service that a container shows."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from ink_infra_mcp.sandbox.compose.reader import Map, Refused, Value, entries
from ink_infra_mcp.sandbox.coolify.mounts import is_local
from ink_infra_mcp.sandbox.coolify.php import Pairs, Php, get, pairs_of
from ink_infra_mcp.sandbox.coolify.published import all_published
from ink_infra_mcp.sandbox.coolify.quantities import bytes_of, nano_cpus_of
from ink_infra_mcp.sandbox.coolify.symfony_read import BadYaml, parse

LIMITED = "deploy.resources.limits.memory"
RESERVED = "deploy.resources.reservations.memory"


class BadCompose(Exception):
    """The text is not a compose file with services."""


@dataclass(frozen=True, slots=True)
class Need:
    """What a service waits for in another one, and whether it goes on without."""

    condition: str = "service_started"
    required: bool = True


@dataclass(frozen=True, slots=True)
class ComposeService:
    """One service of a compose file. Sizes are bytes; `binds` are `/folder:/target`, `volumes` names."""

    name: str
    image: str
    runtime: str = "runc"
    memory_bytes: int = 0
    reserved_bytes: int = 0
    nano_cpus: int = 0
    pids_limit: int = 0
    privileged: bool = False
    has_health_check: bool = False
    container_name: str = ""
    replicas: int = 1
    cpuset: str = ""
    platform: str = ""
    pull_policy: str = ""
    is_built: bool = False
    needs: dict[str, Need] = field(default_factory=dict[str, Need])
    cap_add: list[str] = field(default_factory=list[str])
    cap_drop: list[str] = field(default_factory=list[str])
    security_opt: list[str] = field(default_factory=list[str])
    ports: list[str] = field(default_factory=list[str])
    binds: list[str] = field(default_factory=list[str])
    volumes: list[str] = field(default_factory=list[str])
    env: dict[str, str | None] = field(default_factory=dict[str, str | None])
    labels: dict[str, str] = field(default_factory=dict[str, str])


def parse_compose(text: str) -> list[ComposeService]:
    """Return the services of a compose file.

    Raises:
        BadCompose: it is not YAML, or has no services.
    """
    try:
        services = get(parse(text), "services")
    except BadYaml as error:
        raise BadCompose(f"{type(error).__name__} in the compose file") from error
    if not isinstance(services, dict) or not services:
        raise BadCompose("services must be a mapping")
    return [_service(str(name), body) for name, body in services.items()]


def running_parts(project: Map) -> list[ComposeService]:
    """Return the services of what Compose has made of a file.

    Raises:
        Refused: an image is to be built from a folder that is not there.
    """
    parts: list[ComposeService] = []
    for name, body in entries(project.get("services")).items():
        _refuse_missing_folder(body)
        parts.append(_service(name, _undoubled(body)))
    return parts


def _refuse_missing_folder(body: Map) -> None:
    build = entries(body).get("build") if "build" in body else None
    if build is not None and "dockerfile_inline" not in build and "://" not in str(build.get("context")):
        raise Refused("failed to solve: failed to read dockerfile: open Dockerfile: no such file or directory")


def _undoubled(value: Value) -> Php:
    """Compose writes every dollar sign twice."""
    match value:
        case str():
            return value.replace("$$", "$")
        case list():
            return list(map(_undoubled, value))
        case dict():
            return {key: _undoubled(part) for key, part in value.items()}
        case _:
            return value


def _service(name: str, body: Php) -> ComposeService:
    if not isinstance(body, dict):
        raise BadCompose(f"services.{name} must be a mapping")
    limits = get(body, "deploy.resources.limits")
    ports = list(pairs_of(body.get("ports")).values())
    mounts = list(filter(None, map(_mount, pairs_of(body.get("volumes")).values())))
    return ComposeService(
        name=name,
        image=_word(body, "image"),
        runtime=_word(body, "runtime", "runc"),
        reserved_bytes=_size(body, "mem_reservation", RESERVED),
        memory_bytes=_size(body, "mem_limit", LIMITED),
        nano_cpus=nano_cpus_of(_plain(body.get("cpus") or get(limits, "cpus"))),
        pids_limit=_number(body.get("pids_limit") or get(limits, "pids"), 0),
        privileged=body.get("privileged") in (True, "true"),
        has_health_check=get(body, "healthcheck.test") not in (None, ["NONE"]) and not get(body, "healthcheck.disable"),
        container_name=_word(body, "container_name"),
        replicas=_number(_first(body.get("scale"), get(body, "deploy.replicas")), 1),
        cpuset=_word(body, "cpuset"),
        platform=_word(body, "platform"),
        pull_policy=_word(body, "pull_policy"),
        is_built="build" in body,
        needs=_needs(body.get("depends_on")),
        cap_add=_texts(body.get("cap_add")),
        cap_drop=_texts(body.get("cap_drop")),
        security_opt=_texts(body.get("security_opt")),
        ports=all_published(ports),
        binds=_bound(mounts),
        volumes=_named_volumes(mounts),
        env=_named(body.get("environment")),
        labels=_labelled(body.get("labels")),
    )


def _needs(value: Php) -> dict[str, Need]:
    return {str(name): _need(need) for name, need in value.items()} if isinstance(value, dict) else {}


def _need(value: Php) -> Need:
    condition, required = get(value, "condition"), get(value, "required")
    return Need(str(condition or "service_started"), required is not False)


def _size(body: Pairs, key: str, path: str) -> int:
    return bytes_of(_plain(body.get(key) or get(body, path)))


def _word(body: Pairs, key: str, absent: str = "") -> str:
    return str(body.get(key) or absent)


def _plain(value: Php) -> bool | int | float | str | None:
    return None if isinstance(value, dict | list) else value


def _first(*values: Php) -> Php:
    return next((value for value in values if value is not None), None)


def _number(value: Php, absent: int) -> int:
    text = str(value)
    return int(text) if text.removeprefix("-").isdecimal() else absent


def _texts(value: Php) -> list[str]:
    return [str(part) for part in value] if isinstance(value, list) else []


def _mount(volume: Php) -> tuple[str, str, str] | None:
    """A path alone is an anonymous volume for Compose, which Docker names by a number."""
    if isinstance(volume, str):
        return _short_mount(volume)
    source, target = get(volume, "source"), get(volume, "target")
    return None if volume is None else (str(get(volume, "type")), str(source or ""), str(target or ""))


def _short_mount(volume: str) -> tuple[str, str, str]:
    source, colon, rest = volume.partition(":")
    kind = "bind" if is_local(source) and colon else "volume"
    return kind, source if colon else "", rest.partition(":")[0] or source


def _labelled(value: Php) -> dict[str, str]:
    return {name: text or "" for name, text in _named(value).items()}


def _bound(mounts: list[tuple[str, str, str]]) -> list[str]:
    return [f"{source}:{target}" for kind, source, target in mounts if kind == "bind"]


def _named_volumes(mounts: list[tuple[str, str, str]]) -> list[str]:
    return [source for kind, source, _ in mounts if kind == "volume" and source]


def _named(value: Php) -> dict[str, str | None]:
    """A name without a value is null."""
    if isinstance(value, dict):
        return {str(name): _said(part) for name, part in value.items()}
    return _named_by_lines(pairs_of(value).values())


def _named_by_lines(lines: Iterable[Php]) -> dict[str, str | None]:
    parts = [str(line).partition("=") for line in lines]
    return {name: part if equals else None for name, equals, part in parts}


def _said(value: Php) -> str | None:
    return None if value is None else str(value).lower() if isinstance(value, bool) else str(value)
