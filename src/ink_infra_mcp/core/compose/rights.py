"""Keys of a service that give rights: runtime, capabilities, processes, and the name spaces that it may share."""

from collections.abc import Iterator, Mapping

from pydantic import JsonValue

from ink_infra_mcp.core.compose.ground import Ground, Judge
from ink_infra_mcp.core.compose.resources import cpu_limit, memory_limit
from ink_infra_mcp.core.compose.sizes import count
from ink_infra_mcp.core.isolation import Isolation, drops
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.shapes import table

NO_NEW_PRIVILEGES = frozenset({"no-new-privileges", "no-new-privileges:true", "no-new-privileges=true"})


def not_isolated(service: JsonObject, policy: Isolation) -> Iterator[str]:
    """Yield what a service lacks of the policy's isolation."""
    if service.get("runtime") != policy.runtime:
        yield f"runtime is not {policy.runtime}"
    if not drops(capabilities(service.get("cap_drop")), policy.cap_drop):
        yield f"cap_drop is not {', '.join(policy.cap_drop)}"
    if not _is_limited(service, policy.pids_limit):
        yield f"pids_limit is not between 1 and {policy.pids_limit}"
    if memory_limit(service) is None:
        yield "has no memory limit"
    if cpu_limit(service) is None:
        yield "has no limit of processors"


def _is_limited(service: JsonObject, most: int) -> bool:
    """Return whether every process limit of a service is between 1 and `most`, and it has one."""
    given = (deploy_pids(service), service.get("pids_limit"))
    counts = [count(value) or 0 for value in given if value is not None]
    return bool(counts) and 1 <= min(counts) <= max(counts) <= most


def deploy_pids(service: JsonObject) -> JsonValue:
    """Return the process limit under `deploy`, None where there is none."""
    return table(table(table(service.get("deploy")).get("resources")).get("limits")).get("pids")


def capabilities(value: JsonValue) -> list[str]:
    """Return capabilities in Docker's short spelling."""
    names = value if isinstance(value, list) else [value] if value else []
    return [str(name).upper().removeprefix("CAP_") for name in names]


def _judged_as_a_whole(value: JsonValue, _: Ground) -> Iterator[str]:
    yield from ()


def _privileged(value: JsonValue, _: Ground) -> Iterator[str]:
    if value is not False:
        yield f"{value} gives the app the Muscle's devices and every capability"


def _cap_add(value: JsonValue, ground: Ground) -> Iterator[str]:
    for name in capabilities(value):
        if name not in ground.policy.cap_add:
            yield f"{name} is not allowed by policy"


def _security_opt(value: JsonValue, _: Ground) -> Iterator[str]:
    for option in value if isinstance(value, list) else [value]:
        if not isinstance(option, str) or option not in NO_NEW_PRIVILEGES:
            yield f"{option} can switch off a protection"


def _network_mode(value: JsonValue, _: Ground) -> Iterator[str]:
    if value != "none":
        yield f"{value} leaves the app's own network"


def _pid(value: JsonValue, _: Ground) -> Iterator[str]:
    yield f"{value} shows the app processes that are not its own"


def _ipc(value: JsonValue, _: Ground) -> Iterator[str]:
    if value not in ("private", "none"):
        yield f"{value} shares memory outside the container"


RIGHTS: Mapping[str, Judge] = {
    **dict.fromkeys(("runtime", "cap_drop", "pids_limit"), _judged_as_a_whole),
    "privileged": _privileged,
    "cap_add": _cap_add,
    "security_opt": _security_opt,
    "network_mode": _network_mode,
    "pid": _pid,
    "ipc": _ipc,
}
