"""Makes of a compose file what will run: in one shape, isolated and limited, each change of meaning put into words."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from pydantic import JsonValue

from ink_infra_mcp.core.compose.forms import Mount, as_map, as_texts, is_flat, mounts_of
from ink_infra_mcp.core.compose.published import ports_of, published_port
from ink_infra_mcp.core.compose.resources import cpu_limit, memory_limit
from ink_infra_mcp.core.compose.rights import capabilities, deploy_pids
from ink_infra_mcp.core.compose.sizes import count
from ink_infra_mcp.core.isolation import Isolation
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.shapes import items, table

_DROPPED_AT_TOP = frozenset({"name", "version"})
_DROPPED = frozenset({"attach", "container_name", "develop", "env_file", "scale", "ports"})
_SWARM = ("mode", "endpoint_mode", "placement", "update_config", "rollback_config", "labels")
"""What Compose passes over outside a swarm."""
_FOR_COOLIFY = frozenset({"exclude_from_hc"})
_OWN_ENV_FILES = (".env", "./.env", [".env"], ["./.env"])
"""Coolify gives every service its own `.env` (source, version 4.3.11)."""
_MAY_BE_CLEARED = ("command", "entrypoint")
_NOT_IN_NAMES = re.compile(r"[^a-z0-9]+")


@dataclass(slots=True)
class Prepared:
    """A compose document as it shall run, and in words what of it means something else than what was given."""

    document: JsonObject
    notes: list[str] = field(default_factory=list[str])


def prepared(
    compose: JsonObject, policy: Isolation, *, memory: str, cpus: str, publish: frozenset[str] = frozenset()
) -> Prepared:
    """Return the document with isolation and limits in every service, in the shape in which it is written.

    What Coolify would lose or Docker refuse there is left out and told: published ports but those to `publish`, each
    as `25/tcp` (users come by the proxy), names of containers and numbers of copies (Coolify gives each service one
    container). An anonymous volume gets a name, since Coolify takes it for a folder of the server. What else there is
    stays, to be judged.
    """
    made = shaped(compose, publish)
    services = table(made.document.get("services"))
    for name, service in services.items():
        if isinstance(service, dict):
            isolated = _isolated(service, policy, memory=memory, cpus=cpus)
            if table(table(compose.get("services")).get(name)).get("cap_add") == []:
                isolated.pop("cap_add")
            made.notes += [f"{name}: {words}" for words in (*_overruled(service, isolated), *_beyond(isolated))]
            services[name] = isolated
    made.document["services"] = services
    return made


def _overruled(service: JsonObject, isolated: JsonObject) -> Iterator[str]:
    """Yield what the file says of isolation and the policy says otherwise; limits that only move say the same."""
    moved = _in_one_place(service)
    for key in ("runtime", "cap_drop", "pids_limit"):
        if key in moved and str(moved[key]) != str(isolated[key]):
            yield f"{key} is {isolated[key]} by policy and not {moved[key]}"


def _beyond(service: JsonObject) -> Iterator[str]:
    """Yield what of a service reaches beyond its isolation, or comes to it from somewhere else than it seems."""
    for port in ports_of(service):
        yield f"port {port.name} of the Muscle is published to everybody, past its proxy"


def for_docker(compose: JsonObject) -> JsonObject:
    """Return the document without what Coolify alone reads, which Docker Compose refuses."""
    services = {
        name: {key: value for key, value in table(service).items() if key not in _FOR_COOLIFY}
        for name, service in table(compose.get("services")).items()
    }
    return {**compose, "services": dict[str, JsonValue](services)}


def shaped(compose: JsonObject, publish: frozenset[str] = frozenset()) -> Prepared:
    """Return the document in the one shape in which documents are compared, without isolation or limits of ours."""
    made = Prepared(_kept_at_top(compose))
    named = _named_volumes(compose)
    made.document["services"] = {
        name: _service(name, service, _Beside(named, publish, made.notes)) if isinstance(service, dict) else service
        for name, service in table(compose.get("services")).items()
    }
    if named:
        made.document["volumes"] = named
    return made


def _kept_at_top(compose: JsonObject) -> JsonObject:
    return {key: value for key, value in compose.items() if _is_kept_at_top(key, value)}


def _is_kept_at_top(key: str, value: JsonValue) -> bool:
    return key not in _DROPPED_AT_TOP and not key.startswith("x-") and value not in (None, {}, [])


def _named_volumes(compose: JsonObject) -> dict[str, JsonValue]:
    return {name: _bare(entry) for name, entry in table(compose.get("volumes")).items()}


def _bare(entry: JsonValue) -> JsonValue:
    """Coolify makes an empty mapping `{  }` of one and then keeps a volume that nobody uses; null it leaves out."""
    plain = table(entry)
    return None if plain in ({}, {"driver": "local"}) else entry


@dataclass(frozen=True, slots=True)
class _Beside:
    """What the services of a file share: its volumes by name, the ports to publish, and the words so far."""

    named: dict[str, JsonValue]
    publish: frozenset[str]
    notes: list[str]


def _service(name: str, service: JsonObject, beside: _Beside) -> JsonObject:
    made = _kept(service)
    kept = [port for port in ports_of(service) if port.name in beside.publish]
    if kept:
        made["ports"] = [port.short for port in kept]
    beside.notes.extend(f"{name}: {words}" for words in _lost(service, beside.publish))
    if exposed := _exposed(service):
        made["expose"] = exposed
    if isinstance(deploy := made.get("deploy"), dict):
        made = _with(made, "deploy", _deploy(deploy))
    if "volumes" in made:
        made["volumes"] = [*_volumes(name, made["volumes"], beside.named, beside.notes)]
    return made


def _kept(service: JsonObject) -> JsonObject:
    return {key: _shape(key, value) for key, value in service.items() if _is_kept(key, value)}


def _is_kept(key: str, value: JsonValue) -> bool:
    if key.startswith("x-") or _says_nothing(key, value):
        return False
    if key == "scale":
        return count(value) is None
    if key == "ports":
        return not isinstance(value, list)
    return key not in _DROPPED or (key == "env_file" and value not in _OWN_ENV_FILES)


def _says_nothing(key: str, value: JsonValue) -> bool:
    """An empty command or entrypoint takes away that of the image."""
    if value == []:
        return key not in _MAY_BE_CLEARED
    return value is None or value == {}


def _shape(key: str, value: JsonValue) -> JsonValue:
    shape = _SHAPES.get(key)
    return value if shape is None else shape(value)


def _as_map(value: JsonValue) -> JsonValue:
    return dict[str, JsonValue](as_map(value)) if is_flat(value) else value


def _as_list(value: JsonValue) -> JsonValue:
    texts = as_texts(value)
    return value if texts is None else list[JsonValue](texts)


def _network_names(value: JsonValue) -> JsonValue:
    """Return the networks as a list where none of them has settings."""
    if not isinstance(value, dict) or any(table(entry) for entry in value.values()):
        return value
    return list[JsonValue](value)


_SHAPES: Mapping[str, Callable[[JsonValue], JsonValue]] = {
    **dict.fromkeys(("environment", "labels"), _as_map),
    **dict.fromkeys(("dns", "dns_search", "tmpfs"), _as_list),
    "networks": _network_names,
}


def _lost(service: JsonObject, publish: frozenset[str]) -> Iterator[str]:
    for entry in items(service.get("ports")):
        port = published_port(entry)
        if port is None or port.name not in publish:
            yield f"port {_outer(entry)} is not published on the server; users come by the proxy"
    if container := service.get("container_name"):
        yield f"the name {container} is left out; Coolify names containers"
    for key in _SWARM:
        if table(service.get("deploy")).get(key) is not None:
            yield f"deploy.{key} is left out; it is for a swarm"
    for mount in items(service.get("volumes")):
        yield from _lost_of_mount(mount)
    yield from (f"{key} is left out; it is for a terminal" for key in ("attach", "develop") if key in service)
    for copies in _copies(service):
        yield f"runs once and not {copies} times; Coolify gives each service one container"


def _lost_of_mount(mount: JsonValue) -> Iterator[str]:
    """Coolify keeps the source, the path and `ro` of a mount (source, version 4.3.11)."""
    if isinstance(mount, dict):
        if "nocopy" in table(mount.get("volume")):
            yield f"nocopy of {mount.get('target')} is left out"
        return
    for mode in sorted(set(str(mount).split(":")[-1].split(",")) & {"nocopy", "z"}):
        yield f"{mode} of {mount} is left out"


def _outer(port: JsonValue) -> JsonValue:
    return port.get("published") or port.get("target") if isinstance(port, dict) else port


def _copies(service: JsonObject) -> Iterator[JsonValue]:
    """Yield each number of containers above one that the service asks for."""
    for copies in (service.get("scale"), table(service.get("deploy")).get("replicas")):
        if (count(copies) or 1) > 1:
            yield copies


def _exposed(service: JsonObject) -> list[JsonValue]:
    """Return the ports inside, those included that the file would publish, as text."""
    own = as_texts(service.get("expose") or []) or []
    inner = map(_inner, items(service.get("ports")))
    return list[JsonValue](dict.fromkeys([*own, *filter(None, inner)]))


def _inner(port: JsonValue) -> str:
    if isinstance(port, dict):
        protocol = port.get("protocol", "tcp")
        return f"{port.get('target')}{'/udp' if protocol == 'udp' else ''}"
    number = str(port).rpartition(":")[2]
    return number.removesuffix("/tcp") if re.fullmatch(r"[0-9]+(?:-[0-9]+)?(?:/(?:tcp|udp))?", number) else ""


def _deploy(deploy: JsonObject) -> JsonObject:
    one_or_more = count(deploy.get("replicas")) is not None
    left_out = {*_SWARM, "replicas"} if one_or_more else {*_SWARM}
    return {key: value for key, value in deploy.items() if key not in left_out}


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
    service = _with_cpus(_in_one_place(service))
    added: JsonObject = {
        "runtime": policy.runtime,
        "cap_drop": list[JsonValue](policy.cap_drop),
        "cap_add": _added_capabilities(service.get("cap_add"), policy),
    }
    if deploy_pids(service) is None:
        added["pids_limit"] = min(count(service.get("pids_limit")) or policy.pids_limit, policy.pids_limit)
    if memory_limit(service) is None:
        added["mem_limit"] = memory
    if cpu_limit(service) is None:
        added["cpus"] = cpus
    return {**service, **added}


def _with_cpus(service: JsonObject) -> JsonObject:
    """Return the service with a quota of processors as their number, which Docker holds against what the server has."""
    quota, period = count(service.get("cpu_quota")), count(service.get("cpu_period", _PERIOD))
    if service.get("cpus") is not None or not period or (quota is None and "cpu_quota" in service):
        return service
    rest: JsonObject = {key: value for key, value in service.items() if key not in ("cpu_quota", "cpu_period")}
    return rest if quota is None else {**rest, "cpus": str(round(quota / period, 3))}


_PERIOD = 100_000
"""Docker's own, in microseconds."""
_PLACES = {"memory": "mem_limit", "cpus": "cpus", "pids": "pids_limit"}


def _in_one_place(service: JsonObject) -> JsonObject:
    """Return the service with the limits of `deploy` where ours go: Compose refuses them in both places.

    One that stands in both places, or is not known, stays to be refused with its reason.
    """
    deploy = table(service.get("deploy"))
    resources = table(deploy.get("resources"))
    limits = table(resources.get("limits"))
    if any(key not in _PLACES or service.get(_PLACES[key]) is not None for key in limits):
        return service
    moved: JsonObject = {_PLACES[key]: limit for key, limit in limits.items()}
    return _with(service, "deploy", _with(deploy, "resources", _with(resources, "limits", {}))) | moved


def _with(parent: JsonObject, key: str, part: JsonObject) -> JsonObject:
    """Return the mapping with another part, without it where it is empty."""
    rest: JsonObject = {name: value for name, value in parent.items() if name != key}
    return {**rest, key: part} if part else rest


def _added_capabilities(wanted: JsonValue, policy: Isolation) -> list[JsonValue]:
    return list[JsonValue](policy.cap_add if wanted is None else capabilities(wanted))
