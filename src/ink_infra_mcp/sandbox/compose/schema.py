"""Which keys and kinds of values Docker Compose takes (messages seen with 2.26.1)."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from types import NoneType

from ink_infra_mcp.sandbox.compose.reader import Map, Refused, Value

_NAME = re.compile(r"[a-zA-Z0-9._-]+", re.ASCII)
_NAMES = {"object": "mapping", "array": "list"}
_TYPES: dict[str, tuple[type[object], ...]] = {
    "null": (NoneType,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
    "string": (str,),
    "array": (list,),
    "object": (dict,),
}


@dataclass(frozen=True, slots=True)
class Kind:
    """What a value may be: `types` are JSON's names, `said` is the one that a refusal names where it is not all."""

    types: tuple[str, ...]
    said: str = ""
    items: "Kind | None" = None
    fields: "dict[str, Kind] | None" = None
    free: "Kind | None" = None
    needed: tuple[str, ...] = ()
    one_of: tuple[str, ...] = ()
    is_set: bool = False
    are_names: bool = False


def _of(*types: str) -> Kind:
    return Kind(types)


TEXT, FLAG, COUNT = _of("string"), _of("boolean", "string"), _of("integer", "string")
NUMBER, SIZE = _of("number", "string"), _of("number", "string")
SCALAR = _of("string", "number", "boolean", "null")
TEXTS = Kind(("array",), items=_of("string"), is_set=True)
ANY_TEXTS = Kind(("array",), items=_of("string", "number", "array", "object", "boolean"), is_set=True)
NAMED = Kind(("object", "array"), "object", free=SCALAR)
TEXT_OR_LIST = Kind(("string", "array"), "string", items=TEXT, is_set=True)
COMMAND = Kind(("null", "string", "array"), "null", items=TEXT)
OPTIONS = Kind(("object",), free=NUMBER)
ANYTHING = _of("object", "array", "string", "number", "integer", "boolean", "null")


def _map(needed: tuple[str, ...] = (), **fields: Kind) -> Kind:
    return Kind(("object",), fields=fields, needed=needed)


GRANT = Kind(
    ("array",),
    items=Kind(
        ("string", "object", "integer"),
        "string",
        fields={"source": TEXT, "target": TEXT, "uid": TEXT, "gid": TEXT, "mode": NUMBER},
    ),
)
LIMITS = {"soft": COUNT, "hard": COUNT}
ULIMITS = Kind(
    ("object",), free=Kind(("integer", "string", "object"), "integer", fields=LIMITS, needed=("soft", "hard"))
)
BUILD_KEYS = {
    **dict.fromkeys(("context", "dockerfile", "dockerfile_inline", "network", "target", "isolation"), TEXT),
    **dict.fromkeys(("args", "ssh", "labels", "additional_contexts", "extra_hosts"), NAMED),
    **dict.fromkeys(("entitlements", "cache_from", "cache_to", "tags", "platforms"), TEXTS),
    **dict.fromkeys(("no_cache", "pull", "privileged"), FLAG),
    "shm_size": SIZE,
    "secrets": GRANT,
    "ulimits": ULIMITS,
}
UPDATE = _map(parallelism=COUNT, delay=TEXT, failure_action=TEXT, monitor=TEXT, max_failure_ratio=NUMBER, order=TEXT)
DEPLOY = Kind(
    ("object", "null"),
    fields={
        **dict.fromkeys(("mode", "endpoint_mode"), TEXT),
        "replicas": COUNT,
        "labels": NAMED,
        "rollback_config": UPDATE,
        "update_config": UPDATE,
        "restart_policy": _map(condition=TEXT, delay=TEXT, max_attempts=COUNT, window=TEXT),
        "placement": _map(constraints=TEXTS, preferences=ANY_TEXTS, max_replicas_per_node=COUNT),
        "resources": _map(
            limits=_map(cpus=NUMBER, memory=TEXT, pids=COUNT),
            reservations=_map(cpus=NUMBER, memory=TEXT, generic_resources=ANYTHING, devices=ANYTHING),
        ),
    },
)
CONDITIONS = ("service_started", "service_healthy", "service_completed_successfully")
PULLS = ("always", "never", "if_not_present", "build", "missing")
MOUNT = Kind(
    ("string", "object"),
    "string",
    fields={
        **dict.fromkeys(("type", "source", "target", "consistency"), TEXT),
        "read_only": FLAG,
        "bind": _map(propagation=TEXT, create_host_path=FLAG, selinux=TEXT),
        "volume": _map(nocopy=FLAG, subpath=TEXT),
        "tmpfs": _map(size=COUNT, mode=NUMBER),
    },
    needed=("type",),
)
PORT = Kind(
    ("number", "string", "object"),
    "number",
    fields={
        **dict.fromkeys(("name", "mode", "host_ip", "protocol", "app_protocol"), TEXT),
        "target": COUNT,
        "published": COUNT,
    },
)
SERVICE_KEYS: dict[str, Kind] = {
    **dict.fromkeys(("cgroup_parent", "container_name", "cpuset", "domainname", "hostname", "image", "ipc"), TEXT),
    **dict.fromkeys(("isolation", "mac_address", "network_mode", "platform", "restart", "runtime", "user"), TEXT),
    **dict.fromkeys(("stop_grace_period", "stop_signal", "uts", "userns_mode", "working_dir"), TEXT),
    **dict.fromkeys(("attach", "init", "oom_kill_disable", "privileged", "read_only", "stdin_open", "tty"), FLAG),
    **dict.fromkeys(("cpu_count", "cpu_percent", "mem_swappiness", "oom_score_adj", "scale"), COUNT),
    **dict.fromkeys(("cpu_shares", "cpu_quota", "cpu_period", "cpu_rt_period", "cpu_rt_runtime", "cpus"), NUMBER),
    **dict.fromkeys(("mem_limit", "memswap_limit", "mem_reservation", "pids_limit", "shm_size"), SIZE),
    **dict.fromkeys(("annotations", "environment", "extra_hosts", "labels", "sysctls"), NAMED),
    **dict.fromkeys(("cap_add", "cap_drop", "dns_opt", "external_links", "links", "security_opt"), TEXTS),
    **dict.fromkeys(("volumes_from", "profiles", "device_cgroup_rules"), TEXTS),
    **dict.fromkeys(("dns", "dns_search", "tmpfs"), TEXT_OR_LIST),
    **dict.fromkeys(("command", "entrypoint"), COMMAND),
    **dict.fromkeys(("configs", "secrets"), GRANT),
    **dict.fromkeys(("blkio_config", "credential_spec", "develop", "extends", "gpus", "storage_opt"), ANYTHING),
    "build": Kind(("string", "object"), "string", fields=BUILD_KEYS),
    "cgroup": Kind(("string",), one_of=("host", "private")),
    "depends_on": Kind(
        ("array", "object"),
        "array",
        items=TEXT,
        is_set=True,
        free=Kind(
            ("object",),
            fields={"restart": FLAG, "required": FLAG, "condition": Kind(("string",), one_of=CONDITIONS)},
            needed=("condition",),
        ),
    ),
    "deploy": DEPLOY,
    "devices": ANY_TEXTS,
    "env_file": Kind(
        ("string", "array"),
        "string",
        items=Kind(("string", "object"), "string", fields={"path": TEXT, "required": FLAG}, needed=("path",)),
    ),
    "expose": Kind(("array",), items=NUMBER, is_set=True),
    "group_add": Kind(("array",), items=NUMBER, is_set=True),
    "healthcheck": _map(
        disable=FLAG,
        interval=TEXT,
        timeout=TEXT,
        start_period=TEXT,
        start_interval=TEXT,
        retries=NUMBER,
        test=Kind(("string", "array"), "string", items=TEXT),
    ),
    "logging": _map(driver=TEXT, options=Kind(("object",), free=_of("string", "number", "null"))),
    "networks": Kind(
        ("array", "object"),
        "array",
        items=TEXT,
        is_set=True,
        free=Kind(
            ("object", "null"),
            "object",
            fields={
                **dict.fromkeys(("ipv4_address", "ipv6_address", "mac_address"), TEXT),
                **dict.fromkeys(("aliases", "link_local_ips"), TEXTS),
                "priority": NUMBER,
            },
        ),
    ),
    "pid": _of("string", "null"),
    "ports": Kind(("array",), items=PORT, is_set=True),
    "pull_policy": Kind(("string",), one_of=PULLS),
    "ulimits": ULIMITS,
    "volumes": Kind(("array",), items=MOUNT, is_set=True),
}
EXTERNAL = Kind(("boolean", "string", "object"), fields={"name": TEXT})
FILE = {"name": TEXT, "file": TEXT, "environment": TEXT, "external": EXTERNAL, "labels": NAMED, "template_driver": TEXT}
TOP_KEYS: dict[str, Kind] = {
    "version": TEXT,
    "name": TEXT,
    "include": ANYTHING,
    "services": Kind(("object",), are_names=True, free=Kind(("object",), fields=SERVICE_KEYS)),
    "networks": Kind(
        ("object",),
        free=Kind(
            ("object", "null"),
            fields={
                **dict.fromkeys(("name", "driver"), TEXT),
                **dict.fromkeys(("internal", "enable_ipv6", "attachable"), FLAG),
                "driver_opts": OPTIONS,
                "ipam": ANYTHING,
                "external": EXTERNAL,
                "labels": NAMED,
            },
        ),
    ),
    "volumes": Kind(
        ("object",),
        free=Kind(
            ("object", "null"),
            fields={"name": TEXT, "driver": TEXT, "driver_opts": OPTIONS, "external": EXTERNAL, "labels": NAMED},
        ),
    ),
    "secrets": Kind(("object",), free=Kind(("object",), fields={**FILE, "driver": TEXT, "driver_opts": OPTIONS})),
    "configs": Kind(("object",), free=Kind(("object",), fields={**FILE, "content": TEXT})),
}
DOCUMENT = Kind(("object",), fields=TOP_KEYS)


@dataclass(frozen=True, slots=True)
class _Error:
    path: tuple[str, ...]
    words: str
    is_type: bool = False


def validate(document: Map) -> None:
    """Refuse keys and kinds that Compose does not know: the error deepest in the document is told.

    Raises:
        Refused: there is one.
    """
    errors = list(_errors(document, DOCUMENT, ()))
    if errors:
        worst = max(errors, key=lambda error: (len(error.path), error.is_type))
        raise Refused(f"{'.'.join(worst.path) or '(root)'} {worst.words}")


def _errors(value: Value, kind: Kind, path: tuple[str, ...]) -> Iterator[_Error]:
    if not any(_is(value, name) for name in kind.types):
        yield _Error(path, f"must be a {_said(kind)}", is_type=True)
    elif isinstance(value, dict):
        yield from _map_errors(value, kind, path)
    elif isinstance(value, list):
        yield from _list_errors(value, kind, path)
    else:
        yield from _choice_errors(value, kind, path)


def _said(kind: Kind) -> str:
    names = [_NAMES.get(name, name) for name in ([kind.said] if kind.said else kind.types)]
    return f"{', '.join(names[:-1])} or {names[-1]}" if len(names) > 1 else names[0]


def _choice_errors(value: Value, kind: Kind, path: tuple[str, ...]) -> Iterator[_Error]:
    if kind.one_of and value not in kind.one_of:
        listed = ", ".join(f'"{word}"' for word in kind.one_of)
        yield _Error(path, f"{'.'.join(path)} must be one of the following: {listed}")


def _missing_errors(value: Map, kind: Kind, path: tuple[str, ...]) -> Iterator[_Error]:
    for name in kind.needed:
        if name not in value:
            yield _Error(path, f"{name} is required")


def _map_errors(value: Map, kind: Kind, path: tuple[str, ...]) -> Iterator[_Error]:
    yield from _missing_errors(value, kind, path)
    for key, part in value.items():
        if kind.are_names and not _NAME.fullmatch(key):
            yield _unknown(key, path)
        yield from _part_errors(key, part, kind, path)


def _part_errors(key: str, part: Value, kind: Kind, path: tuple[str, ...]) -> Iterator[_Error]:
    below = (kind.fields or {}).get(key, kind.free)
    if below is not None:
        yield from _errors(part, below, (*path, key))
    elif kind.fields is not None and not key.startswith("x-"):
        yield _unknown(key, path)


def _unknown(key: str, path: tuple[str, ...]) -> _Error:
    return _Error(path, f"Additional property {key} is not allowed")


def _list_errors(value: list[Value], kind: Kind, path: tuple[str, ...]) -> Iterator[_Error]:
    for number, part in enumerate(value):
        if kind.items is not None:
            yield from _errors(part, kind.items, (*path, str(number)))
        if kind.is_set and part in value[:number]:
            yield _Error(path, f"array items[{value.index(part)},{number}] must be unique")


def _is(value: Value, name: str) -> bool:
    if isinstance(value, bool):
        return name == "boolean"
    return isinstance(value, _TYPES[name])
