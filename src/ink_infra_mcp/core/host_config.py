"""What `HostConfig` of `docker inspect` may say of an app's container: an allow list with a place for each key.

The keys are those of Docker 26 to 28 (api/types/container/hostconfig.go in moby); a key that is not here may only be
empty. Values as seen with Docker 26.1. Environment and labels are no part of HostConfig.
"""

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

from pydantic import JsonValue

from ink_infra_mcp.core.isolation import Isolation, drops
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.shapes import items, table

Fine = Callable[[JsonValue], bool]

_VOLUME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*:/[^:]*(:(?P<modes>[A-Za-z,]*))?")
_VOLUME_MODES = frozenset({"", "rw", "ro", "z", "Z", "nocopy"})
TMPFS_OPTION = re.compile(r"(rw|ro|exec|noexec|nosuid|nodev|(size|mode|uid|gid|nr_inodes)=\w+%?)?")
_NO_NEW_PRIVILEGES = re.compile(r"no-new-privileges([:=]true)?")
ULIMITS = frozenset(
    {"core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nofile", "nproc", "rss", "sigpending", "stack"}
)
"""Limits of Docker that an app may move; `nice`, `rtprio` and `rttime` would put it before its neighbours."""
_LOG_OPTIONS = frozenset({"max-size", "max-file", "compress", "mode", "max-buffer-size"})
_FLUENTD = {
    "fluentd-address": "tcp://127.0.0.1:24224",
    "fluentd-async": "true",
    "fluentd-sub-second-precision": "true",
    "env": "COOLIFY_APP_NAME,COOLIFY_PROJECT_NAME,COOLIFY_SERVER_IP,COOLIFY_ENVIRONMENT_NAME",
}
"""Coolify's own log drain (generate_fluentd_configuration, 4.3.11)."""
MASKED = (
    *("/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/sched_debug"),
    *("/proc/scsi", "/proc/timer_list", "/proc/timer_stats", "/sys/devices/virtual/powercap", "/sys/firmware"),
)
READ_ONLY = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")
"""What Docker 26 to 28 hide and protect (oci/defaults.go); newer ones hide more."""


_RUNTIME = "Runtime"


def is_empty(value: JsonValue) -> bool:
    """Return whether a value says nothing: null, false, 0, an empty text, or a list or table of nothing else."""
    if isinstance(value, dict):
        return all(map(is_empty, value.values()))
    return all(map(is_empty, value)) if isinstance(value, list) else not value


@dataclass(frozen=True, slots=True)
class Place:
    """Where a key is judged: whether a value is fine, and what it means for the app where it is not."""

    fine: Fine
    otherwise: str


def problems(config: Mapping[str, JsonValue], policy: Isolation, *, own_cgroups: bool) -> tuple[str, ...]:
    """Return in words, each with its key, what a container's HostConfig says beyond what an app may have.

    `own_cgroups` is whether the server gives each container a cgroup namespace of its own by default (cgroup v2).
    Mounts, networks and published ports are judged by what there really is, not here: see `core/container.py`.
    """
    places = _PLACES | _by_policy(policy) | _by_server(own_cgroups=own_cgroups)
    known = [_said(key, place, config.get(key)) for key, place in places.items()]
    runtime = _runtime(config.get(_RUNTIME), policy.runtime)
    return (*filter(None, (runtime, *known)), *_unknown(config, {_RUNTIME, *places}))


def _runtime(value: JsonValue, wanted: str) -> str:
    return "" if value == wanted else f"it runs under {value or 'an unnamed runtime'}, not {wanted}"


def _said(key: str, place: Place, value: JsonValue) -> str:
    return "" if place.fine(value) else f"{place.otherwise} ({key} is {_shown(value)})"


def _unknown(config: Mapping[str, JsonValue], known: Collection[str]) -> Iterable[str]:
    odd = sorted(key for key, value in config.items() if key not in known and not is_empty(value))
    return (f"Docker says {key} of it, which nobody has judged" for key in odd)


def _shown(value: JsonValue) -> str:
    return _described(value)[:120]


def _described(value: JsonValue) -> str:
    """Keys of tables only: options of log drivers may hold tokens."""
    match value:
        case dict():
            return f"a table of {', '.join(sorted(value)) or 'nothing'}"
        case list():
            return _listed(value)
        case None | "":
            return "not set"
        case _:
            return str(value)


def _listed(parts: list[JsonValue]) -> str:
    texts = ", ".join(str(part) for part in parts if not isinstance(part, dict | list))
    return texts or f"{len(parts)} items"


def _any(value: JsonValue) -> bool:
    return True


def _one_of(*values: str) -> Fine:
    return lambda value: value is None or value in values


def _flag(value: JsonValue) -> bool:
    return value is None or isinstance(value, bool)


def _between(low: int, high: int) -> Fine:
    return lambda value: value is None or (_is_number(value) and low <= _number(value) <= high)


def _is_number(value: JsonValue) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _number(value: JsonValue) -> int:
    return value if isinstance(value, int) else 0


def _texts(value: JsonValue) -> bool:
    return value is None or (isinstance(value, list) and all(isinstance(part, str) for part in value))


def _each(value: JsonValue, fine: Fine) -> bool:
    return value is None or (isinstance(value, list) and all(map(fine, value)))


def _words(value: JsonValue) -> set[str]:
    return {str(part).upper().removeprefix("CAP_") for part in items(value)}


def _binds(value: JsonValue) -> bool:
    return _each(value, _is_volume)


def _is_volume(value: JsonValue) -> bool:
    found = _VOLUME.fullmatch(value) if isinstance(value, str) else None
    return found is not None and set((found["modes"] or "").split(",")) <= _VOLUME_MODES


def _tmpfs(value: JsonValue) -> bool:
    options = (option for text in table(value).values() for option in str(text).split(","))
    return (value is None or isinstance(value, dict)) and all(map(TMPFS_OPTION.fullmatch, options))


def _mounts(value: JsonValue) -> bool:
    return _each(value, _is_plain_mount)


def _is_plain_mount(value: JsonValue) -> bool:
    mount = table(value)
    return _is_plain_tmpfs(mount) if mount.get("Type") == "tmpfs" else _is_plain_volume(mount)


def _is_plain_tmpfs(mount: JsonObject) -> bool:
    known = _filled(mount) <= {"Type", "Target", "ReadOnly", "TmpfsOptions"}
    return known and _is_sized(table(mount.get("TmpfsOptions")))


def _is_plain_volume(mount: JsonObject) -> bool:
    known = _filled(mount) <= {"Type", "Source", "Target", "ReadOnly", "VolumeOptions"}
    named = _is_volume(f"{mount.get('Source') or 'x'}:/x")
    return mount.get("Type") == "volume" and known and named and _is_local(table(mount.get("VolumeOptions")))


def _filled(options: JsonObject) -> set[str]:
    """Return the keys whose values say something."""
    return {key for key, said in options.items() if not is_empty(said)}


def _is_sized(options: JsonObject) -> bool:
    return _filled(options) <= {"SizeBytes", "Mode"}


def _is_local(options: JsonObject) -> bool:
    driver = table(options.get("DriverConfig"))
    known = _filled(options) <= {"DriverConfig", "NoCopy", "Labels"}
    return known and driver.get("Name") in (None, "", "local") and is_empty(driver.get("Options"))


def _log(value: JsonValue) -> bool:
    log = table(value)
    options = table(log.get("Config"))
    plain = log.get("Type") in ("json-file", "local", "journald") and options.keys() <= _LOG_OPTIONS
    return plain or (log.get("Type") == "fluentd" and options == _FLUENTD)


def _security(value: JsonValue) -> bool:
    return _each(value, lambda option: isinstance(option, str) and _NO_NEW_PRIVILEGES.fullmatch(option) is not None)


def _restarts(value: JsonValue) -> bool:
    said = table(value)
    known = said.get("Name") in ("", "no", "always", "unless-stopped", "on-failure")
    return value is None or (known and said.keys() <= {"Name", "MaximumRetryCount"})


def _bindings(value: JsonValue) -> bool:
    ports = table(value).values()
    return (value is None or isinstance(value, dict)) and all(_each(bound, _is_binding) for bound in ports)


def _is_binding(value: JsonValue) -> bool:
    return isinstance(value, dict) and value.keys() <= {"HostIp", "HostPort"} and _texts([*value.values()])


def _ulimits(value: JsonValue) -> bool:
    return _each(
        value, lambda limit: table(limit).keys() <= {"Name", "Soft", "Hard"} and table(limit).get("Name") in ULIMITS
    )


def _covers(paths: Collection[str]) -> Fine:
    return lambda value: _texts(value) and {str(path) for path in items(value)} >= set(paths)


_LARGE = 2**62
_COUNT = _between(0, _LARGE)
_EMPTY = "gives it more of the server than an app may have"


def _by_policy(policy: Isolation) -> dict[str, Place]:
    """What policy decides; here nothing may be missing."""
    return {
        "PidsLimit": Place(
            lambda value: _is_number(value) and 1 <= _number(value) <= policy.pids_limit,
            f"it may have more than {policy.pids_limit} processes",
        ),
        "CapAdd": Place(
            lambda value: _texts(value) and _words(value) <= set(policy.cap_add),
            "it has capabilities that policy does not allow",
        ),
        "CapDrop": Place(
            lambda value: _texts(value) and drops(_words(value), policy.cap_drop),
            f"it keeps capabilities that policy takes away: {' '.join(policy.cap_drop)}",
        ),
        "Memory": Place(lambda value: _is_number(value) and _number(value) > 0, "it has no memory limit"),
    }


def _by_server(*, own_cgroups: bool) -> dict[str, Place]:
    fine = ("", "private") if own_cgroups else ("", "private", "host")
    return {"CgroupnsMode": Place(_one_of(*fine), "it sees the server's cgroups")}


def _nothing(*keys: str) -> dict[str, Place]:
    return {key: Place(is_empty, f"{key} {_EMPTY}") for key in keys}


def _whatever(*keys: str) -> dict[str, Place]:
    return {key: Place(_any, "") for key in keys}


def _counts(*keys: str) -> dict[str, Place]:
    return {key: Place(_COUNT, f"{key} is no limit") for key in keys}


_PLACES: dict[str, Place] = {
    # Judged by what there really is, in core/container.py.
    **_whatever("NetworkMode"),
    "PortBindings": Place(_bindings, "the ports that it asks for are not to be read"),
    # Names in its own files, and what it says to its own terminal: nothing of the server.
    **_whatever("Dns", "DnsOptions", "DnsSearch", "ExtraHosts", "ConsoleSize", "CpusetCpus", "CpusetMems"),
    **_counts("CpuShares", "NanoCpus", "CpuPeriod", "CpuQuota", "BlkioWeight", "MemoryReservation", "ShmSize"),
    **_counts("KernelMemory", "KernelMemoryTCP"),
    **_nothing("ContainerIDFile", "AutoRemove", "VolumesFrom", "Annotations", "GroupAdd", "Cgroup", "Links"),
    **_nothing("Sysctls", "CgroupParent", "Devices", "DeviceCgroupRules", "DeviceRequests", "PublishAllPorts"),
    **_nothing("BlkioWeightDevice", "BlkioDeviceReadBps", "BlkioDeviceWriteBps", "BlkioDeviceReadIOps"),
    **_nothing("BlkioDeviceWriteIOps", "CpuRealtimePeriod", "CpuRealtimeRuntime", "StorageOpt"),
    **_nothing("CpuCount", "CpuPercent", "IOMaximumIOps", "IOMaximumBandwidth"),
    "Privileged": Place(is_empty, "it is privileged"),
    "PidMode": Place(is_empty, "it sees processes of others"),
    "UTSMode": Place(is_empty, "it shares the server's name"),
    "UsernsMode": Place(is_empty, "its users are the server's"),
    "IpcMode": Place(_one_of("", "private", "none"), "it shares memory with others"),
    "Isolation": Place(_one_of("", "default"), "its isolation is not Docker's own"),
    "SecurityOpt": Place(_security, "a protection is off"),
    "MaskedPaths": Place(_covers(MASKED), "it sees parts of /proc and /sys that Docker hides"),
    "ReadonlyPaths": Place(_covers(READ_ONLY), "it may write where Docker protects /proc"),
    "Binds": Place(_binds, "it mounts a folder of the server"),
    "Mounts": Place(_mounts, "it mounts something else than a volume of its own"),
    "Tmpfs": Place(_tmpfs, "it has a tmpfs with options that nobody has judged"),
    "VolumeDriver": Place(_one_of("", "local"), "its volumes are not of the local driver"),
    "LogConfig": Place(_log, "it sends its log elsewhere"),
    "Ulimits": Place(_ulimits, "it has limits that nobody has judged"),
    "OomKillDisable": Place(is_empty, "it is not stopped when it takes too much memory"),
    "OomScoreAdj": Place(_between(0, 1000), "others are stopped before it when memory is short"),
    "MemorySwap": Place(_COUNT, "it may swap without a limit"),
    "MemorySwappiness": Place(_between(-1, 100), "MemorySwappiness is no share"),
    "ReadonlyRootfs": Place(_flag, "ReadonlyRootfs is no flag"),
    "Init": Place(_flag, "Init is no flag"),
    "RestartPolicy": Place(_restarts, "its restart policy is unknown"),
}
