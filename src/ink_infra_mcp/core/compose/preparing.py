"""Makes of a compose file what will run: in one shape, isolated and limited, each change of meaning put into words."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from pydantic import JsonValue

from ink_infra_mcp.core.compose.forms import Mount, as_map, as_texts, mounts_of
from ink_infra_mcp.core.compose.resources import cpu_limit, memory_limit
from ink_infra_mcp.core.compose.rights import capabilities, deploy_pids
from ink_infra_mcp.core.compose.sizes import count
from ink_infra_mcp.core.isolation import Isolation
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.shapes import items, table

_DROPPED_AT_TOP = frozenset({"name", "version"})
_DROPPED = frozenset({"attach", "container_name", "develop", "env_file", "scale", "ports"})
_FOR_COOLIFY = frozenset({"exclude_from_hc"})
_OWN_ENV_FILES = (".env", "./.env", [".env"], ["./.env"])
"""Coolify gives every service its own `.env` (source, version 4.3.11)."""
_MAPS = ("environment", "labels")
_NOT_IN_NAMES = re.compile(r"[^a-z0-9]+")


@dataclass(slots=True)
class Prepared:
    """A compose document as it shall run, and in words what of it means something else than what was given."""

    document: JsonObject
    notes: list[str] = field(default_factory=list[str])


def prepared(compose: JsonObject, policy: Isolation, *, memory: str, cpus: str) -> Prepared:
    """Return the document with isolation and limits in every service, in the shape in which it is written.

    What Coolify would lose or Docker refuse there is left out and told: published ports (users come by the proxy),
    names of containers and numbers of copies (Coolify gives each service one container). An anonymous volume gets a
    name, since Coolify takes it for a folder of the server. What else there is stays, to be judged.
    """
    made = shaped(compose)
    made.document["services"] = {
        name: _isolated(service, policy, memory=memory, cpus=cpus) if isinstance(service, dict) else service
        for name, service in table(made.document.get("services")).items()
    }
    return made


def for_docker(compose: JsonObject) -> JsonObject:
    """Return the document without what Coolify alone reads, which Docker Compose refuses."""
    services = {
        name: {key: value for key, value in table(service).items() if key not in _FOR_COOLIFY}
        for name, service in table(compose.get("services")).items()
    }
    return {**compose, "services": dict[str, JsonValue](services)}


def shaped(compose: JsonObject) -> Prepared:
    """Return the document in the one shape in which documents are compared, without isolation or limits of ours."""
    made = Prepared({})
    for key, value in compose.items():
        if key not in _DROPPED_AT_TOP and not key.startswith("x-") and value not in (None, {}, []):
            made.document[key] = value
    named: dict[str, JsonValue] = {name: _bare(entry) for name, entry in table(compose.get("volumes")).items()}
    services: JsonObject = {}
    for name, service in table(compose.get("services")).items():
        services[name] = _service(name, service, named, made.notes) if isinstance(service, dict) else service
    made.document["services"] = services
    if named:
        made.document["volumes"] = named
    return made


def _bare(entry: JsonValue) -> JsonValue:
    """Coolify makes an empty mapping `{  }` of one and then keeps a volume that nobody uses; null it leaves out."""
    plain = table(entry)
    return None if plain in ({}, {"driver": "local"}) else entry


def _service(name: str, service: JsonObject, named: dict[str, JsonValue], notes: list[str]) -> JsonObject:
    made: JsonObject = {}
    for key, value in service.items():
        if (
            key.startswith("x-")
            or value is None
            or value == {}
            or (value == [] and key not in ("command", "entrypoint"))
        ):
            continue
        if key not in _DROPPED or (key == "env_file" and value not in _OWN_ENV_FILES):
            made[key] = _shape(key, value)
    notes += [f"{name}: {words}" for words in _lost(service)]
    if exposed := _exposed(service):
        made["expose"] = exposed
    if "deploy" in made and (deploy := _deploy(table(made.pop("deploy")))):
        made["deploy"] = deploy
    if "volumes" in made:
        made["volumes"] = [*_volumes(name, made["volumes"], named, notes)]
    return made


def _shape(key: str, value: JsonValue) -> JsonValue:
    if key in _MAPS and _is_flat(value):
        return dict[str, JsonValue](as_map(value))
    if key in ("dns", "dns_search", "tmpfs") and (texts := as_texts(value)) is not None:
        return list[JsonValue](texts)
    if key == "networks" and isinstance(value, dict) and not any(table(entry) for entry in value.values()):
        return list[JsonValue](value)
    if key == "build" and isinstance(value, dict) and _is_flat(value.get("args")):
        args: JsonObject = {"args": dict[str, JsonValue](as_map(value["args"]))} if value.get("args") else {}
        return {**{name: part for name, part in value.items() if name != "args"}, **args}
    return value


def _is_flat(value: JsonValue) -> bool:
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return not any(isinstance(part, dict | list) for part in parts)


def _lost(service: JsonObject) -> Iterator[str]:
    for port in items(service.get("ports")):
        said = table(port).get("published") or table(port).get("target") if isinstance(port, dict) else port
        yield f"port {said} is not published on the server; users come by the proxy"
    if container := service.get("container_name"):
        yield f"the name {container} is left out; Coolify names containers"
    for copies in (service.get("scale"), table(service.get("deploy")).get("replicas")):
        if (count(copies) or 1) > 1:
            yield f"runs once and not {copies} times; Coolify gives each service one container"


def _exposed(service: JsonObject) -> list[JsonValue]:
    """Return the ports inside, those included that the file would publish, as text."""
    own = as_texts(service.get("expose") or []) or []
    inner = [_inner(port) for port in items(service.get("ports"))]
    return list[JsonValue](dict.fromkeys([*own, *(port for port in inner if port)]))


def _inner(port: JsonValue) -> str:
    if isinstance(port, dict):
        protocol = port.get("protocol", "tcp")
        return f"{port.get('target')}{'/udp' if protocol == 'udp' else ''}"
    number = str(port).rpartition(":")[2]
    return number.removesuffix("/tcp") if re.fullmatch(r"[0-9]+(?:-[0-9]+)?(?:/(?:tcp|udp))?", number) else ""


def _deploy(deploy: JsonObject) -> JsonObject:
    return {key: value for key, value in deploy.items() if key != "replicas" or (count(value) is None and value != 1)}


def _volumes(name: str, value: JsonValue, named: dict[str, JsonValue], notes: list[str]) -> Iterator[JsonValue]:
    """What is no volume stays as it is, to be refused with its reason."""
    for item, mount in zip(items(value), mounts_of(value), strict=False):
        if isinstance(mount, str):
            yield item
            continue
        if not mount.source:
            mount = Mount(_name_for(name, mount.target, named), mount.target, mount.read_only)
            notes.append(f"{name}: {mount.target} is kept in the volume {mount.source}")
        named.setdefault(mount.source, None)
        yield mount.short


def _name_for(service: str, target: str, named: dict[str, JsonValue]) -> str:
    words = _NOT_IN_NAMES.sub("-", f"{service}-{target}".lower()).strip("-")
    return next(
        name for number in range(len(named) + 1) if (name := f"{words}-{number}" if number else words) not in named
    )


def _isolated(service: JsonObject, policy: Isolation, *, memory: str, cpus: str) -> JsonObject:
    """The policy's limits where the file has none; a stricter limit of the file stays."""
    added: JsonObject = {"runtime": policy.runtime, "cap_drop": list[JsonValue](policy.cap_drop)}
    wanted = service.get("cap_add")
    added["cap_add"] = list[JsonValue](policy.cap_add if wanted is None else capabilities(wanted))
    if deploy_pids(service) is None:
        added["pids_limit"] = min(count(service.get("pids_limit")) or policy.pids_limit, policy.pids_limit)
    if memory_limit(service) is None:
        added["mem_limit"] = memory
    if cpu_limit(service) is None:
        added["cpus"] = cpus
    return {**service, **added}
