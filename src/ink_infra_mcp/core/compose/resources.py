"""Limits of a service: memory, processors, files; each of them a number that Docker reads, none of them unlimited."""

from collections.abc import Iterator, Mapping

from pydantic import JsonValue

from ink_infra_mcp.core.compose.ground import Ground, Judge
from ink_infra_mcp.core.compose.sizes import count, processors, size_bytes
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.shapes import table

_RESTART_POLICY = frozenset({"condition", "delay", "max_attempts", "window"})


def memory_limit(service: JsonObject) -> JsonValue:
    """Return the memory limit of a service as it is written, None for none."""
    own = service.get("mem_limit")
    return own if own is not None else _deployed(service, "limits").get("memory")


def cpu_limit(service: JsonObject) -> JsonValue:
    """Return the limit of processors as it is written: as a number, or by a quota; None for none."""
    for value in (service.get("cpus"), _deployed(service, "limits").get("cpus"), service.get("cpu_quota")):
        if value is not None:
            return value
    return None


def reserved_bytes(service: JsonObject) -> int:
    """Return the memory that a service reserves, 0 for none; what cannot be read is a problem of its own."""
    values = (service.get("mem_reservation"), _deployed(service, "reservations").get("memory"))
    return max((size_bytes(value) or 0 for value in values), default=0)


def contradictions(service: JsonObject) -> Iterator[str]:
    """Yield which limits of a service Docker would refuse together."""
    limits = _deployed(service, "limits")
    yield from _stated_twice(service, limits)
    if service.get("cpu_quota") is not None and (service.get("cpus") is not None or limits.get("cpus") is not None):
        yield "cpus stands beside cpu_quota: Docker takes one of them"
    yield from _below_another(service)


def _stated_twice(service: JsonObject, limits: JsonObject) -> Iterator[str]:
    for key, deployed in (("mem_limit", "memory"), ("cpus", "cpus"), ("pids_limit", "pids")):
        if service.get(key) is not None and limits.get(deployed) is not None:
            yield f"{key} stands beside deploy.resources.limits.{deployed}: Docker takes one of them"


def _below_another(service: JsonObject) -> Iterator[str]:
    memory, swap = size_bytes(memory_limit(service)), size_bytes(service.get("memswap_limit"))
    if memory is None:
        return
    if reserved_bytes(service) > memory:
        yield "the memory limit is below what the service reserves"
    if swap is not None and not memory <= swap <= 2 * memory:
        yield "memswap_limit, which counts memory too, is not between the memory limit and twice that, Docker's default"


def _deployed(service: JsonObject, part: str) -> JsonObject:
    return table(table(table(service.get("deploy")).get("resources")).get(part))


def _size(value: JsonValue, _: Ground) -> Iterator[str]:
    if size_bytes(value) is None:
        yield f"{value} is no size that Docker reads, or none at all: write one such as 512m"


def _processors(value: JsonValue, _: Ground) -> Iterator[str]:
    if processors(value) is None:
        yield f"{value} is no number of processors, or none at all: write one such as 0.5"


def _count(value: JsonValue, _: Ground) -> Iterator[str]:
    if count(value) is None:
        yield f"{value} is no count above 0"


def _microseconds(value: JsonValue, _: Ground) -> Iterator[str]:
    if not 1000 <= (count(value) or 0) <= 1_000_000:
        yield f"{value} is not between 1000 and 1000000 microseconds; `cpus` says the same in one number"


def _swappiness(value: JsonValue, _: Ground) -> Iterator[str]:
    if isinstance(value, bool) or (value != 0 and (count(value) or 101) > 100):
        yield f"{value} is not between 0 and 100"


def _cpuset(value: JsonValue, _: Ground) -> Iterator[str]:
    if not isinstance(value, str) or not value or set(value) - set("0123456789,-"):
        yield f"{value} names no processors"


def _one_container(value: JsonValue, _: Ground) -> Iterator[str]:
    if isinstance(value, bool) or value not in (0, 1, "0", "1"):
        yield f"{value}: Coolify gives each service one container by a fixed name, so Docker refuses more"


def _ulimits(value: JsonValue, _: Ground) -> Iterator[str]:
    for name, limit in table(value).items():
        both: JsonObject = limit if isinstance(limit, dict) else {"soft": limit, "hard": limit}
        if set(both) != {"soft", "hard"} or not all(map(_is_ulimit, both.values())):
            yield f"{name} needs a number, or soft and hard"


def _is_ulimit(value: JsonValue) -> bool:
    return value in (0, -1) or count(value) is not None


def _deploy(value: JsonValue, ground: Ground) -> Iterator[str]:
    for key, part in table(value).items():
        if key in _DEPLOY:
            yield from _DEPLOY[key](part, ground)
        else:
            yield f"{key} is not known to be harmless"


def _replicas(value: JsonValue, ground: Ground) -> Iterator[str]:
    yield from (f"replicas: {reason}" for reason in _one_container(value, ground))


def _restart_policy(value: JsonValue, _: Ground) -> Iterator[str]:
    if not isinstance(value, dict):
        yield "restart_policy: is not a mapping"
    yield from (f"restart_policy: {name} is not known" for name in table(value) if name not in _RESTART_POLICY)
    if table(value).get("condition", "any") not in ("none", "on-failure", "any"):
        yield "restart_policy: condition is not none, on-failure or any"


def _resources(value: JsonValue, ground: Ground) -> Iterator[str]:
    if not isinstance(value, dict):
        yield "resources: is not a mapping"
    for part, wanted in table(value).items():
        if part not in ("limits", "reservations") or not isinstance(wanted, dict | None):
            yield f"resources.{part} is not known, or is not a mapping"
        for key, limit in table(wanted).items():
            yield from _resource(part, key, limit, ground)


def _resource(part: str, key: str, value: JsonValue, ground: Ground) -> Iterator[str]:
    if key not in _LIMITS:
        yield f"resources.{part}.{key} opens devices of the Muscle, or is not known"
        return
    yield from (f"resources.{part}.{key}: {reason}" for reason in _LIMITS[key](value, ground))


_LIMITS: Mapping[str, Judge] = {"memory": _size, "cpus": _processors, "pids": _count}
_DEPLOY: Mapping[str, Judge] = {
    "resources": _resources,
    "replicas": _replicas,
    "restart_policy": _restart_policy,
}


JUDGES: Mapping[str, Judge] = {
    **dict.fromkeys(("mem_limit", "mem_reservation", "memswap_limit", "shm_size"), _size),
    "cpu_quota": _microseconds,
    "cpu_period": _microseconds,
    "cpu_shares": _count,
    "cpus": _processors,
    "cpuset": _cpuset,
    "mem_swappiness": _swappiness,
    "scale": _one_container,
    "ulimits": _ulimits,
    "deploy": _deploy,
}
