"""Limits of a service: memory, processors, files; each of them a number that Docker reads, none of them unlimited."""

import re
from collections.abc import Iterator, Mapping
from math import inf

from pydantic import JsonValue

from ink_infra_mcp.core.compose.ground import Ground, Judge
from ink_infra_mcp.core.compose.sizes import count, processors, size_bytes
from ink_infra_mcp.core.host_config import ULIMITS
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.shapes import table

_MOST_SHARES = 1024
_CPUSET = re.compile(r"[0-9]{1,4}(?:-[0-9]{1,4})?(?:,[0-9]{1,4}(?:-[0-9]{1,4})?)*", re.ASCII)
_LEAST_MEMORY = 6 * 2**20
"""Docker starts nothing with less (seen, 26.1)."""


def memory_limit(service: JsonObject) -> JsonValue:
    """Return the memory limit of a service as it is written, None for none."""
    own = service.get("mem_limit")
    return own if own is not None else _deployed(service, "limits").get("memory")


def cpu_limit(service: JsonObject) -> JsonValue:
    """Return the limit of processors as it is written, None for none."""
    own = service.get("cpus")
    return own if own is not None else _deployed(service, "limits").get("cpus")


def reserved_bytes(service: JsonObject) -> int:
    """Return the memory that a service reserves, 0 for none; what cannot be read is a problem of its own."""
    values = (service.get("mem_reservation"), _deployed(service, "reservations").get("memory"))
    return max((size_bytes(value) or 0 for value in values), default=0)


def contradictions(service: JsonObject) -> Iterator[str]:
    """Yield which limits of a service with a memory limit Docker would refuse together.

    Stricter than Docker in one thing: it takes any swap above the memory limit, of which an app has no need.
    """
    yield from _stated_twice(service)
    yield from _below_another(service)


_TWICE = (
    ("mem_limit", "limits", "memory"),
    ("cpus", "limits", "cpus"),
    ("pids_limit", "limits", "pids"),
    ("mem_reservation", "reservations", "memory"),
)
"""What may stand at a service and below its `deploy`, which Docker Compose refuses where the two differ."""


def _stated_twice(service: JsonObject) -> Iterator[str]:
    for key, part, deployed in _TWICE:
        if service.get(key) is not None and _deployed(service, part).get(deployed) is not None:
            yield f"{key} stands beside deploy.resources.{part}.{deployed}: Docker takes one of them"


def _below_another(service: JsonObject) -> Iterator[str]:
    for what, size in (("limit", size_bytes(memory_limit(service)) or 0), ("reservation", reserved_bytes(service))):
        if 0 < size < _LEAST_MEMORY:
            yield f"has a memory {what} below 6m, with which Docker starts nothing"
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


def _quota(value: JsonValue, _: Ground) -> Iterator[str]:
    yield f"{value} says in two numbers what `cpus` says in one"


def _shares(value: JsonValue, _: Ground) -> Iterator[str]:
    if not 2 <= (count(value) or 0) <= _MOST_SHARES:
        yield f"{value} is not between 2 and {_MOST_SHARES}, what everybody has"


def _swappiness(value: JsonValue, _: Ground) -> Iterator[str]:
    if isinstance(value, bool) or (value != 0 and (count(value) or 101) > 100):
        yield f"{value} is not between 0 and 100"


def _cpuset(value: JsonValue, _: Ground) -> Iterator[str]:
    if not isinstance(value, str) or not _CPUSET.fullmatch(value):
        yield f"{value} names no processors"


def _one_container(value: JsonValue, _: Ground) -> Iterator[str]:
    if isinstance(value, bool) or value not in (1, "1"):
        yield f"{value}: Coolify gives each service one container by a fixed name; leave it out, or the service"


def _ulimits(value: JsonValue, _: Ground) -> Iterator[str]:
    for name, limit in table(value).items():
        if name not in ULIMITS:
            yield f"{name} is no limit that an app may set"
        both: JsonObject = limit if isinstance(limit, dict) else {"soft": limit, "hard": limit}
        if set(both) != {"soft", "hard"} or not _are_ulimits(both["soft"], both["hard"]):
            yield f"{name} needs a number, or soft and hard, of which soft is not more"


def _are_ulimits(soft: JsonValue, hard: JsonValue) -> bool:
    lower, upper = map(_ulimit, (soft, hard))
    return lower is not None and upper is not None and lower <= upper


def _ulimit(value: JsonValue) -> float | None:
    """Return a limit as a number: -1 is none."""
    if value == -1:
        return inf
    return 0 if value == 0 and not isinstance(value, bool) else count(value)


def _deploy(value: JsonValue, ground: Ground) -> Iterator[str]:
    for key, part in table(value).items():
        if key in _DEPLOY:
            yield from _DEPLOY[key](part, ground)
        else:
            yield _NOT_IN_DEPLOY.get(key, f"{key} is not known to be harmless")


def _replicas(value: JsonValue, ground: Ground) -> Iterator[str]:
    yield from (f"replicas: {reason}" for reason in _one_container(value, ground))


def _resources(value: JsonValue, ground: Ground) -> Iterator[str]:
    if not isinstance(value, dict):
        yield "resources: is not a mapping"
    for part, wanted in table(value).items():
        if part not in ("limits", "reservations") or not isinstance(wanted, dict | None):
            yield f"resources.{part} is not known, or is not a mapping"
        for key, limit in table(wanted).items():
            yield from _resource(part, key, limit, ground)


def _resource(part: str, key: str, value: JsonValue, ground: Ground) -> Iterator[str]:
    if key not in _LIMITS or (part, key) == ("reservations", "pids"):
        yield f"resources.{part}.{key} opens devices of the Muscle, or is not known"
        return
    yield from (f"resources.{part}.{key}: {reason}" for reason in _LIMITS[key](value, ground))


_LIMITS: Mapping[str, Judge] = {"memory": _size, "cpus": _processors, "pids": _count}
_NOT_IN_DEPLOY = {"restart_policy": "restart_policy overrules `restart`; write that one"}
_DEPLOY: Mapping[str, Judge] = {
    "resources": _resources,
    "replicas": _replicas,
}


JUDGES: Mapping[str, Judge] = {
    **dict.fromkeys(("mem_limit", "mem_reservation", "memswap_limit", "shm_size"), _size),
    "cpu_quota": _quota,
    "cpu_period": _quota,
    "cpu_shares": _shares,
    "cpus": _processors,
    "cpuset": _cpuset,
    "mem_swappiness": _swappiness,
    "scale": _one_container,
    "ulimits": _ulimits,
    "deploy": _deploy,
}
