"""What Docker Compose makes of a service once it has read it (seen with 2.26.1): sizes in bytes, maps of texts."""

import shlex
from collections.abc import Callable

from ink_infra_mcp.sandbox.compose.amounts import count, duration, number, size, switch
from ink_infra_mcp.sandbox.compose.reader import Map, Refused, Value

SIZES = ("mem_limit", "mem_reservation", "memswap_limit", "mem_swappiness", "shm_size")
COUNTS = ("cpu_count", "cpu_percent", "cpu_shares", "cpu_quota", "cpu_period", "cpu_rt_period", "cpu_rt_runtime")
SWITCHES = ("oom_kill_disable", "privileged", "read_only", "stdin_open", "tty")
KEPT_SWITCHES = ("attach", "init")
MAPS = ("annotations", "labels", "sysctls")
LISTS = ("dns", "dns_search", "tmpfs", "expose", "group_add")
TIMES = ("interval", "timeout", "start_period", "start_interval")


def service(name: str, given: Map) -> Map:
    """Return a service in Compose's own terms.

    Raises:
        Refused: a size, time, number or switch that cannot be read.
    """
    made: Map = {key: value for key, value in given.items() if value not in (None, "", [], {})}
    made |= {"command": _words(given.get("command")), "entrypoint": _words(given.get("entrypoint"))}
    path = f"services.{name}"
    made |= _amounts(made, name, path)
    made |= _changed(made, MAPS, texts)
    made |= _changed(made, LISTS, lambda value: [text_of(one) for one in listed(value)])
    made |= _changed(made, ("environment",), lambda value: texts(value, keep_null=True))
    made |= _changed(made, ("extra_hosts",), lambda value: hosts(value, f"services[{name}].extra_hosts"))
    made |= {key: one(made[key], name) for key, one in _PARTS.items() if isinstance(made.get(key), dict)}
    made |= _changed(made, ("volumes",), lambda value: [_mount(one) for one in listed(value)])
    made |= _changed(made, ("ports",), lambda value: [_port(one) for one in listed(value)])
    made |= _changed(made, ("gpus",), lambda value: [_all(one) for one in listed(value)])
    return _without_zeroes(made)


def _without_zeroes(made: Map) -> Map:
    zeroes = (*SWITCHES, *SIZES, *COUNTS, "cpus", "pids_limit", "oom_score_adj")
    off = [key for key in zeroes if made.get(key) in (0, "0")]
    return {key: value for key, value in made.items() if key not in off and not key.startswith("x-")}


def _changed(made: Map, keys: tuple[str, ...], change: Callable[[Value], Value]) -> Map:
    return {key: change(made[key]) for key in keys if key in made}


def _amounts(made: Map, name: str, path: str) -> Map:
    found: Map = {key: str(size(made[key], f"services[{name}].{key}")) for key in SIZES if key in made}
    found |= {key: count(made[key], f"{path}.{key}", reader="ParseInt") for key in COUNTS if key in made}
    found |= {key: switch(made[key], f"{path}.{key}") for key in (*SWITCHES, *KEPT_SWITCHES) if key in made}
    if "cpus" in made:
        found["cpus"] = number(made["cpus"], f"{path}.cpus")
    if "pids_limit" in made:
        found["pids_limit"] = count(made["pids_limit"], f"{path}.pids_limit", reader="ParseInt")
    found |= {key: count(made[key], f"{path}.{key}") for key in ("scale", "oom_score_adj") if key in made}
    if "stop_grace_period" in made:
        found["stop_grace_period"] = duration(made["stop_grace_period"], f"services[{name}].stop_grace_period")
    return found


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
    pairs: Map = {}
    if isinstance(value, dict):
        pairs = dict(value)
    for line in value if isinstance(value, list) else []:
        name, equals, rest = str(line).partition("=")
        pairs[name] = rest if equals else None
    return {key: None if part is None and keep_null else text_of(part) for key, part in pairs.items()}


def hosts(value: Value, path: str) -> list[Value]:
    """Return `name=address` for each host.

    Raises:
        Refused: one without an address.
    """
    pairs = texts(value) if isinstance(value, dict) else {}
    given = [str(line) for line in value] if isinstance(value, list) else []
    for line in given:
        if "=" not in line and ":" not in line:
            words = f"invalid additional host, missing IP: {line}"
            raise Refused(f"decoding failed due to the following error(s):\n\nerror decoding '{path}': {words}")
    lines = [line if "=" in line else line.replace(":", "=", 1) for line in given]
    return [*lines, *(f"{name}={address}" for name, address in pairs.items())]


def _words(value: Value) -> Value:
    if isinstance(value, str):
        return list[Value](shlex.split(value))
    return value


def _mount(value: Value) -> Value:
    if not isinstance(value, dict):
        return value
    made = {key: part for key, part in value.items() if part not in (False, "")}
    tmpfs = made.get("tmpfs")
    if isinstance(tmpfs, dict) and "size" in tmpfs:
        made["tmpfs"] = {**tmpfs, "size": str(size(tmpfs["size"], "tmpfs.size"))}
    bind = made.get("bind")
    if isinstance(bind, dict):
        made["bind"] = {key: part for key, part in bind.items() if part is not False}
    return made


def _port(value: Value) -> Value:
    if not isinstance(value, dict):
        return value
    published: Map = {"published": str(value["published"])} if value.get("published") not in (None, "") else {}
    return {**{k: v for k, v in value.items() if k != "published"}, "target": count(value["target"], ""), **published}


def _health(value: Value, name: str) -> Value:
    given = value if isinstance(value, dict) else {}
    made: Map = {key: part for key, part in given.items() if part not in (None, "", [], False)}
    made |= {key: duration(made[key], f"services[{name}].healthcheck.{key}") for key in TIMES if key in made}
    if isinstance(made.get("test"), str):
        made["test"] = ["CMD-SHELL", made["test"]]
    return made


def _deploy(value: Value, name: str) -> Value:
    given = value if isinstance(value, dict) else {}
    made: Map = {"resources": {}, "placement": {}, **{key: part for key, part in given.items() if part is not None}}
    if "replicas" in made:
        made["replicas"] = count(made["replicas"], f"services.{name}.deploy.replicas")
    if "labels" in made:
        made["labels"] = texts(made["labels"])
    resources = made["resources"]
    if isinstance(resources, dict):
        path = f"services[{name}].deploy.resources"
        made["resources"] = {kind: _amount(part, f"{path}.{kind}") for kind, part in resources.items()}
    return made


def _amount(value: Value, path: str) -> Value:
    made: Map = dict(value) if isinstance(value, dict) else {}
    if "memory" in made:
        made["memory"] = str(size(made["memory"], f"{path}.memory"))
    if "cpus" in made:
        made["cpus"] = number(made["cpus"], f"{path}.cpus")
    if "pids" in made:
        made["pids"] = count(made["pids"], f"{path}.pids")
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
