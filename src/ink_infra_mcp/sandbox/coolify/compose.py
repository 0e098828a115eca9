"""Reads compose files: the parts of a service that a container shows."""

from dataclasses import dataclass, field

import yaml
from pydantic import JsonValue, TypeAdapter, ValidationError

from ink_infra_mcp.sandbox.coolify.quantities import bytes_of, nano_cpus_of

_Document = TypeAdapter(dict[str, JsonValue])


class BadCompose(Exception):
    """The text is not a compose file with services."""


@dataclass(frozen=True, slots=True)
class ComposeService:
    """One service of a compose file. Sizes are bytes."""

    name: str
    image: str
    runtime: str = "runc"
    memory_bytes: int = 0
    nano_cpus: int = 0
    pids_limit: int = 0
    privileged: bool = False
    has_health_check: bool = False
    is_excluded: bool = False
    """It does not count for the status of the whole: it may end (seen in parsers.php of coollabsio/coolify)."""
    cap_add: list[str] = field(default_factory=list[str])
    cap_drop: list[str] = field(default_factory=list[str])
    security_opt: list[str] = field(default_factory=list[str])
    ports: list[str] = field(default_factory=list[str])
    volumes: list[str] = field(default_factory=list[str])
    env: dict[str, str] = field(default_factory=dict[str, str])


def parse_compose(text: str) -> list[ComposeService]:
    """Return the services of a compose file.

    Raises:
        BadCompose: it is not YAML, or has no services.
    """
    try:
        services = _Document.validate_python(yaml.safe_load(text)).get("services")
    except (yaml.YAMLError, ValidationError) as error:
        raise BadCompose(f"{type(error).__name__} in the compose file") from error
    if not isinstance(services, dict) or not services:
        raise BadCompose("services must be a mapping")
    return [_service(name, body) for name, body in services.items()]


def _service(name: str, body: JsonValue) -> ComposeService:
    if not isinstance(body, dict):
        raise BadCompose(f"services.{name} must be a mapping")
    return ComposeService(
        name=name,
        image=str(body.get("image") or ""),
        runtime=str(body.get("runtime") or "runc"),
        memory_bytes=bytes_of(body.get("mem_limit")),
        nano_cpus=nano_cpus_of(body.get("cpus")),
        pids_limit=int(str(body.get("pids_limit") or 0)),
        privileged=body.get("privileged") is True,
        has_health_check="healthcheck" in body,
        is_excluded=body.get("restart") == "no" or bool(body.get("exclude_from_hc")),
        cap_add=_texts(body.get("cap_add")),
        cap_drop=_texts(body.get("cap_drop")),
        security_opt=_texts(body.get("security_opt")),
        ports=_texts(body.get("ports")),
        volumes=_named_volumes(body.get("volumes")),
        env=_env(body.get("environment")),
    )


def _texts(value: JsonValue) -> list[str]:
    return [str(part) for part in value] if isinstance(value, list) else []


def _named_volumes(value: JsonValue) -> list[str]:
    """Bind mounts start with a path; only names are volumes."""
    sources = [text.split(":")[0] for text in _texts(value)]
    return [source for source in sources if source and source[0] not in "./~$"]


def _env(value: JsonValue) -> dict[str, str]:
    if isinstance(value, dict):
        return {name: "" if part is None else str(part) for name, part in value.items()}
    pairs = [text.partition("=") for text in _texts(value)]
    return {name: part for name, _, part in pairs}
