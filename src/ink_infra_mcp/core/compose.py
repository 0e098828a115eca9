"""What a compose file may ask for under an isolation policy, and the same file with the isolation written in."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping

from pydantic import JsonValue

from ink_infra_mcp.core.isolation import Isolation, drops
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.shapes import table

_SAFE_IN_SERVICE = frozenset(
    {
        *("image", "platform", "pull_policy", "command", "entrypoint", "working_dir", "user", "group_add", "init"),
        *("environment", "labels", "configs", "secrets", "tmpfs", "read_only", "stdin_open", "tty", "attach"),
        *("cpu_count", "cpu_percent", "cpu_period", "cpu_quota", "cpu_shares", "cpus", "cpuset", "ulimits"),
        *("mem_limit", "mem_reservation", "mem_swappiness", "memswap_limit", "shm_size", "storage_opt"),
        *("container_name", "hostname", "domainname", "mac_address", "dns", "dns_opt", "dns_search", "extra_hosts"),
        *("networks", "links", "ports", "expose", "logging", "healthcheck", "exclude_from_hc", "depends_on"),
        *("restart", "scale", "profiles", "develop", "stop_grace_period", "stop_signal"),
    }
)
_SAFE_AT_TOP = frozenset({"configs", "name", "networks", "secrets", "services", "version", "volumes"})
_REFUSED = {
    "annotations": "can switch off parts of gVisor",
    "cgroup": "shares control groups with the host",
    "cgroup_parent": "leaves the app's control group",
    "device_cgroup_rules": "opens devices of the Muscle",
    "devices": "opens devices of the Muscle",
    "extends": "brings in a service that this check does not see",
    "external_links": "reaches containers of other apps",
    "gpus": "opens devices of the Muscle",
    "include": "brings in files that this check does not see",
    "provider": "runs a program on the Muscle",
    "sysctls": "changes kernel settings",
    "use_api_socket": "hands the Docker socket to the app",
    "userns_mode": "leaves the container's user namespace",
    "uts": "shares the host's name space for host names",
    "volumes_from": "mounts what other containers have mounted",
}
_REQUIRED = frozenset({"runtime", "cap_drop", "pids_limit"})
_OUTSIDE = re.compile(r"^[/~]|[$\\]|(?:^|/)\.\.(?:/|$)")

Judge = Callable[[JsonValue, Isolation], Iterator[str]]


def compose_problems(compose: JsonObject, policy: Isolation) -> tuple[str, ...]:
    """Return a reason for everything in a parsed compose file that isolation does not allow.

    What is not known to be harmless is a problem, so that a key of a newer Docker Compose cannot slip through. Values
    with an unexpanded `${...}` are judged as they stand: where a path or a switch is expected, they are problems.
    """
    services = table(compose.get("services"))
    if not services:
        return ("the file has no services",)
    found = [*_at_top(compose)]
    for name, service in services.items():
        reasons = _in_service(service, policy) if isinstance(service, dict) else ["not a service"]
        found += [f"{name}: {reason}" for reason in reasons]
    return tuple(found)


def with_runtime(compose: JsonObject, policy: Isolation) -> JsonObject:
    """Return the file with runtime, process limit and capabilities written into every service.

    Coolify passes these keys on for compose resources, with or without the runtime patch. Stricter limits of the file
    are kept; what it adds beyond the policy is kept too, for `compose_problems` to name.
    """
    services = compose.get("services")
    if not isinstance(services, dict):
        return dict(compose)
    isolated: JsonObject = {
        name: _isolated(service, policy) if isinstance(service, dict) else service for name, service in services.items()
    }
    return {**compose, "services": isolated}


def _isolated(service: JsonObject, policy: Isolation) -> JsonObject:
    added: JsonObject = {"runtime": policy.runtime, "cap_drop": list(policy.cap_drop)}
    if "cap_add" not in service:
        added["cap_add"] = list(policy.cap_add)
    if _deploy_pids(service.get("deploy")) is None:
        own = _limit(service.get("pids_limit"))
        added["pids_limit"] = min(own or policy.pids_limit, policy.pids_limit)
    return {**service, **added}


def _in_service(service: JsonObject, policy: Isolation) -> Iterator[str]:
    yield from _not_isolated(service, policy)
    for key, value in service.items():
        if value and key not in _REQUIRED:
            yield from _JUDGES[key](value, policy) if key in _JUDGES else _known(key, _SAFE_IN_SERVICE)


def _not_isolated(service: JsonObject, policy: Isolation) -> Iterator[str]:
    if service.get("runtime") != policy.runtime:
        yield f"runtime is not {policy.runtime}"
    if not drops(_capabilities(service.get("cap_drop")), policy.cap_drop):
        yield f"cap_drop is not {', '.join(policy.cap_drop)}"
    pids = _limit(_deploy_pids(service.get("deploy")) or service.get("pids_limit"))
    if pids is None or pids > policy.pids_limit:
        yield f"pids_limit is not between 1 and {policy.pids_limit}"


def _known(key: str, safe: Iterable[str]) -> Iterator[str]:
    if key in safe or key.startswith("x-"):
        return
    yield f"{key}: {_REFUSED.get(key, 'not known to be harmless in an isolated app')}"


def _at_top(compose: JsonObject) -> Iterator[str]:
    for key, value in compose.items():
        if value:
            yield from _known(key, _SAFE_AT_TOP)
        for name, entry in table(value).items() if key in _TOP_JUDGES else ():
            yield from (f"{key}.{name}: {reason}" for reason in _TOP_JUDGES[key](table(entry)))


def _top_volume(volume: JsonObject) -> Iterator[str]:
    if volume.get("external") or volume.get("name"):
        yield "names a volume that is not the app's own"
    if volume.get("driver", "local") != "local" or volume.get("driver_opts"):
        yield "driver options can mount any path of the Muscle"


def _top_network(network: JsonObject) -> Iterator[str]:
    if network.get("external") or network.get("name"):
        yield "names a network that is not the app's own"
    if network.get("driver", "bridge") != "bridge":
        yield "only the bridge driver keeps the app behind Docker"


def _top_file(entry: JsonObject) -> Iterator[str]:
    if entry.get("file"):
        yield "mounts a path of the Muscle; use content"


_TOP_JUDGES: Mapping[str, Callable[[JsonObject], Iterator[str]]] = {
    "configs": _top_file,
    "networks": _top_network,
    "secrets": _top_file,
    "volumes": _top_volume,
}


def _privileged(value: JsonValue, _: Isolation) -> Iterator[str]:
    yield f"privileged: {value} gives the app the Muscle's devices and every capability"


def _cap_add(value: JsonValue, policy: Isolation) -> Iterator[str]:
    for name in _capabilities(value):
        if name not in policy.cap_add:
            yield f"cap_add: {name} is not allowed by policy"


def _security_opt(value: JsonValue, _: Isolation) -> Iterator[str]:
    for option in _texts(value):
        if option not in {"no-new-privileges", "no-new-privileges:true", "no-new-privileges=true"}:
            yield f"security_opt: {option} can switch off a protection"


def _network_mode(value: JsonValue, _: Isolation) -> Iterator[str]:
    mode = str(value)
    if mode not in {"bridge", "none"} and not mode.startswith("service:"):
        yield f"network_mode: {mode} leaves the app's own network"


def _pid(value: JsonValue, _: Isolation) -> Iterator[str]:
    yield f"pid: {value} shows the app processes that are not its own"


def _ipc(value: JsonValue, _: Isolation) -> Iterator[str]:
    if value not in ("private", "none"):
        yield f"ipc: {value} shares memory outside the container"


def _volumes(value: JsonValue, _: Isolation) -> Iterator[str]:
    if not isinstance(value, list):
        yield "volumes: not a list"
        return
    for item in value:
        yield from _long_mount(item) if isinstance(item, dict) else _short_mount(str(item))


def _short_mount(text: str) -> Iterator[str]:
    source, colon, _ = text.partition(":")
    if "$" in text or (colon and not _is_volume_name(source)):
        yield from _host_path(text)


def _long_mount(mount: JsonObject) -> Iterator[str]:
    kind, source = str(mount.get("type")), str(mount.get("source", ""))
    is_own = kind in {"volume", "tmpfs"} and _is_volume_name(source or "anonymous")
    if not is_own:
        yield from _host_path(source or kind)


def _host_path(text: str) -> Iterator[str]:
    if "docker.sock" in text:
        yield f"volumes: {text} hands the Docker socket to the app"
    else:
        yield f"volumes: {text} mounts a path of the Muscle; use a named volume"


def _is_volume_name(source: str) -> bool:
    return source[:1].isalnum() and all(c.isalnum() or c in "_.-" for c in source)


def _build(value: JsonValue, _: Isolation) -> Iterator[str]:
    build = value if isinstance(value, dict) else {"context": value}
    paths = [build.get("context", ""), build.get("dockerfile", ""), *_values(build.get("additional_contexts"))]
    if build.get("privileged") or build.get("entitlements"):
        yield "build: asks for rights on the Muscle"
    if build.get("network", "default") not in ("default", "none"):
        yield "build: leaves the network of builds"
    if any(map(_leaves, paths)):
        yield "build: reads files outside the app's folder"


def _env_file(value: JsonValue, _: Isolation) -> Iterator[str]:
    for item in value if isinstance(value, list) else [value]:
        if _leaves(item.get("path", "") if isinstance(item, dict) else item):
            yield "env_file: is outside the app's folder"


def _deploy(value: JsonValue, _: Isolation) -> Iterator[str]:
    resources = table(value).get("resources")
    for part in ("limits", "reservations"):
        wanted = table(table(resources).get(part))
        if wanted.get("devices") or wanted.get("generic_resources"):
            yield f"deploy.resources.{part}: opens devices of the Muscle"


def _hook(value: JsonValue, _: Isolation) -> Iterator[str]:
    if not isinstance(value, list) or any(table(hook).get("privileged") for hook in value):
        yield "a lifecycle hook asks to run privileged"


_JUDGES: Mapping[str, Judge] = {
    "build": _build,
    "cap_add": _cap_add,
    "deploy": _deploy,
    "env_file": _env_file,
    "ipc": _ipc,
    "network_mode": _network_mode,
    "pid": _pid,
    "post_start": _hook,
    "pre_stop": _hook,
    "privileged": _privileged,
    "security_opt": _security_opt,
    "volumes": _volumes,
}


def _deploy_pids(deploy: JsonValue) -> JsonValue:
    limits = table(table(table(deploy).get("resources")).get("limits"))
    return limits.get("pids")


def _limit(value: JsonValue) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 1 else None


def _leaves(path: JsonValue) -> bool:
    """Return whether a path may point outside the app's folder; what is not known to stay inside counts as outside."""
    if not isinstance(path, str):
        return True
    is_remote = path.startswith(("https://", "git@", "docker-image://", "service:"))
    return not is_remote and bool(_OUTSIDE.search(path))


def _capabilities(value: JsonValue) -> list[str]:
    return [name.upper().removeprefix("CAP_") for name in _texts(value)]


def _texts(value: JsonValue) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else [str(value)] if value else []


def _values(value: JsonValue) -> list[JsonValue]:
    if isinstance(value, dict):
        return list(value.values())
    return [text.partition("=")[2] for text in _texts(value)]
