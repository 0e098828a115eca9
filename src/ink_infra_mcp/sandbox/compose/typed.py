"""What Docker Compose makes of a service once it has read it (seen with 2.26.1): sizes in bytes, maps of texts."""

import shlex
from collections.abc import Callable

from ink_infra_mcp.sandbox.compose.amounts import count, duration, number, size, switch
from ink_infra_mcp.sandbox.compose.reader import Map, Refused, Value, parts

SIZES = ("mem_limit", "mem_reservation", "memswap_limit", "mem_swappiness", "shm_size")
COUNTS = ("cpu_count", "cpu_percent", "cpu_shares", "cpu_quota", "cpu_period", "cpu_rt_period", "cpu_rt_runtime")
SWITCHES = ("oom_kill_disable", "privileged", "read_only", "stdin_open", "tty")
KEPT_SWITCHES = ("attach", "init")
MAPS = ("annotations", "labels", "sysctls")
LISTS = ("dns", "dns_search", "tmpfs", "expose", "group_add")
ZEROES = (*SWITCHES, *SIZES, *COUNTS, "cpus", "pids_limit", "oom_score_adj")
"""What is left out where it is zero or off."""
TIMES = ("interval", "timeout", "start_period", "start_interval")


def service(name: str, given: Map) -> Map:
    """Return a service in Compose's own terms.

    Raises:
        Refused: a size, time, number or switch that cannot be read.
    """
    made: Map = {key: value for key, value in given.items() if value not in (None, "", [], {})}
    made |= {"command": _words(given.get("command")), "entrypoint": _words(given.get("entrypoint"))}
    made |= _amounts(made, name)
    made |= changed(made, MAPS, texts)
    made |= _each_changed(made, LISTS, text_of)
    made |= changed(made, ("environment",), lambda value: texts(value, keep_null=True))
    made |= _measured(made, ("extra_hosts",), hosts, f"services[{name}]")
    made |= {key: one(made[key], name) for key, one in _PARTS.items() if isinstance(made.get(key), dict)}
    made |= _each_changed(made, ("volumes",), _mount)
    made |= _each_changed(made, ("ports",), _port)
    made |= _each_changed(made, ("gpus",), _all)
    return _without_zeroes(made)


def _without_zeroes(made: Map) -> Map:
    return {key: value for key, value in made.items() if not key.startswith("x-") and not _is_zero(key, value)}


def _is_zero(key: str, value: Value) -> bool:
    return key in ZEROES and value in (0, "0")


def changed(made: Map, keys: tuple[str, ...], change: Callable[[Value], Value]) -> Map:
    """Return those of the keys that there are, with their values changed."""
    return {key: change(made[key]) for key in keys if key in made}


def _each_changed(made: Map, keys: tuple[str, ...], change: Callable[[Value], Value]) -> Map:
    return changed(made, keys, lambda value: [change(one) for one in listed(value)])


def _measured(made: Map, keys: tuple[str, ...], measure: Callable[[Value, str], Value], path: str) -> Map:
    """Return those of the keys that there are, each measured where it lies below the path."""
    return {key: measure(made[key], f"{path}.{key}") for key in keys if key in made}


def _amounts(made: Map, name: str) -> Map:
    decoded, cast = f"services[{name}]", f"services.{name}"
    return {
        **_measured(made, SIZES, _bytes, decoded),
        **_measured(made, COUNTS, _parsed, cast),
        **_measured(made, (*SWITCHES, *KEPT_SWITCHES), switch, cast),
        **_measured(made, ("cpus",), number, cast),
        **_measured(made, ("pids_limit",), _parsed, cast),
        **_measured(made, ("scale", "oom_score_adj"), count, cast),
        **_measured(made, ("stop_grace_period",), duration, decoded),
    }


def _bytes(value: Value, path: str) -> str:
    return str(size(value, path))


def _parsed(value: Value, path: str) -> int:
    return count(value, path, reader="ParseInt")


def listed(value: Value) -> list[Value]:
    """Return a list; anything else is a list of one."""
    return value if isinstance(value, list) else [value]


def text_of(value: Value) -> str:
    """Return a value as text, floats in their shortest form."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return repr(value).removesuffix(".0") if abs(value) < 1e21 else f"{value:g}"
    return "" if value is None else str(value)


def texts(value: Value, *, keep_null: bool = False) -> Map:
    """Return a map of texts, also of a list of `name=text`."""
    pairs = value if isinstance(value, dict) else _pairs(parts(value))
    return {key: None if part is None and keep_null else text_of(part) for key, part in pairs.items()}


def _pairs(lines: list[Value]) -> Map:
    pairs: Map = {}
    for line in lines:
        name, equals, rest = str(line).partition("=")
        pairs[name] = rest if equals else None
    return pairs


def hosts(value: Value, path: str) -> list[Value]:
    """Return `name=address` for each host.

    Raises:
        Refused: one without an address.
    """
    if isinstance(value, dict):
        return [f"{name}={address}" for name, address in texts(value).items()]
    return [_host(str(line), path) for line in parts(value)]


def _host(line: str, path: str) -> str:
    if "=" in line:
        return line
    if ":" not in line:
        words = f"invalid additional host, missing IP: {line}"
        raise Refused(f"decoding failed due to the following error(s):\n\nerror decoding '{path}': {words}")
    return line.replace(":", "=", 1)


def _words(value: Value) -> Value:
    if isinstance(value, str):
        return list[Value](shlex.split(value))
    return value


def _mount(value: Value) -> Value:
    if not isinstance(value, dict):
        return value
    made = {key: part for key, part in value.items() if part not in (False, "")}
    return {**made, **changed(made, ("tmpfs",), _tmpfs), **changed(made, ("bind",), _bind)}


def _tmpfs(value: Value) -> Value:
    return {**value, **_measured(value, ("size",), _bytes, "tmpfs")} if isinstance(value, dict) else value


def _bind(value: Value) -> Value:
    if not isinstance(value, dict):
        return value
    return {key: part for key, part in value.items() if part is not False}


def _port(value: Value) -> Value:
    if not isinstance(value, dict):
        return value
    published: Map = {"published": str(value["published"])} if value.get("published") not in (None, "") else {}
    return {**{k: v for k, v in value.items() if k != "published"}, "target": count(value["target"], ""), **published}


def _health(value: Value, name: str) -> Value:
    given = value if isinstance(value, dict) else {}
    made: Map = {key: part for key, part in given.items() if part not in (None, "", [], False)}
    made |= _measured(made, TIMES, duration, f"services[{name}].healthcheck")
    if isinstance(made.get("test"), str):
        made["test"] = ["CMD-SHELL", made["test"]]
    return made


def _deploy(value: Value, name: str) -> Value:
    given = value if isinstance(value, dict) else {}
    made: Map = {"resources": {}, "placement": {}, **{key: part for key, part in given.items() if part is not None}}
    made |= _measured(made, ("replicas",), count, f"services.{name}.deploy")
    made |= changed(made, ("labels",), texts)
    made |= _measured(made, ("resources",), _resources, f"services[{name}].deploy")
    return made


def _resources(value: Value, path: str) -> Value:
    if not isinstance(value, dict):
        return value
    return {kind: _amount(part, f"{path}.{kind}") for kind, part in value.items()}


def _amount(value: Value, path: str) -> Value:
    made: Map = dict(value) if isinstance(value, dict) else {}
    made |= _measured(made, ("memory",), _bytes, path)
    made |= _measured(made, ("cpus",), number, path)
    made |= _measured(made, ("pids",), count, path)
    if isinstance(made.get("devices"), list):
        made["devices"] = [_all(device) for device in listed(made["devices"])]
    return made


def _all(device: Value) -> Value:
    if isinstance(device, dict) and "count" in device:
        return {**device, "count": -1 if device["count"] == "all" else device["count"]}
    return device


def _build(value: Value, name: str) -> Value:
    given: Map = value if isinstance(value, dict) else {}
    maps: Map = {key: texts(given[key], keep_null=True) for key in ("args", "labels") if key in given}
    return {**given, **maps, **({"name": name} if "name" in given else {})}


def _logging(value: Value, _: str) -> Value:
    given: Map = value if isinstance(value, dict) else {}
    return {**given, **({"options": texts(given["options"])} if "options" in given else {})}


def _ulimits(value: Value, name: str) -> Value:
    given: Map = value if isinstance(value, dict) else {}
    path = f"services.{name}.ulimits"
    return {key: count(part, f"{path}.{key}") if isinstance(part, str) else part for key, part in given.items()}


_PARTS = {"ulimits": _ulimits, "build": _build, "deploy": _deploy, "healthcheck": _health, "logging": _logging}
