"""`docker compose config`: what Compose makes of a file, and what it says against it (seen with 2.26.1)."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ink_infra_mcp.sandbox.compose import canonical, sections, typed
from ink_infra_mcp.sandbox.compose.checks import check, check_files, refuse_cycles
from ink_infra_mcp.sandbox.compose.interpolate import PLACE, BadVariable, interpolate
from ink_infra_mcp.sandbox.compose.reader import Map, MaybeMap, Refused, Value, entries, maybe_entries, parts, read
from ink_infra_mcp.sandbox.compose.schema import validate

INVALID = 15
NO_FILE = 14
_TWINS = ("cap_add", "cap_drop", "labels", "environment", "annotations", "sysctls", "dns", "expose")


@dataclass(frozen=True, slots=True)
class Given:
    """A file and where it lies: `file` is its name in messages, `files` has the variables of other files by path."""

    text: str
    name: str
    folder: str = "/"
    file: str = "-"
    values: Mapping[str, str] = field(default_factory=dict[str, str])
    files: Mapping[str, Mapping[str, str]] = field(default_factory=dict[str, Mapping[str, str]])


@dataclass(frozen=True, slots=True)
class Said:
    """What the command writes, and how it ends."""

    out: str
    err: str
    status: int


class _MissingFile(Refused):
    """A file of variables is not there."""


def config(given: Given, *, fills: bool = True) -> Said:
    """Return what `config --format json` says; without `fills`, what it says with --no-interpolate."""
    unset: list[str] = []
    try:
        document = project(given, unset) if fills else outline(given)
    except Refused as error:
        status = NO_FILE if isinstance(error, _MissingFile) else INVALID
        return Said("", f"{_warnings(unset)}{error}\n", status if fills else 1)
    return Said(f"{json.dumps(document, indent=2, ensure_ascii=False)}\n", _warnings(unset), 0)


def trouble(given: Given) -> str:
    """Return what `up` says against a file before it does anything, or nothing."""
    said = config(given)
    return said.err.splitlines()[-1] if said.status else ""


def _warnings(unset: list[str]) -> str:
    words = 'The \\"{}\\" variable is not set. Defaulting to a blank string.'
    return "".join(f'time="1970-01-01T00:00:00Z" level=warning msg="{words.format(name)}"\n' for name in unset)


def outline(given: Given) -> Map:
    """Return the file in long forms, its texts as they stand and nothing compared.

    Raises:
        Refused: Compose says something against it.
    """
    document = _canonical(given, read(given.text))
    check_files(document)
    services = entries(document.get("services"))
    services = {name: _with_nulls(service) for name, service in services.items()}
    shown = {key: value for key, value in document.items() if key not in {"version", "name"}}
    named = sections.outlined(given.name, document, services)
    return {**shown, "name": given.name, "services": dict(services), **named}


def _with_nulls(service: Map) -> Map:
    """Empty lists that Compose did not look into are null."""
    kept = {"ports", *_LENGTHEN, *_TWINS}
    return {key: value if key in kept else _nulled(value) for key, value in service.items()}


def _nulled(value: Value) -> Value:
    if isinstance(value, dict):
        return {key: _nulled(part) for key, part in value.items()}
    return None if value == [] else value


def project(given: Given, unset: list[str] | None = None) -> Map:
    """Return the file as Compose runs it: texts filled, sizes in bytes, `$` doubled again.

    Raises:
        Refused: Compose says something against it.
    """
    document = _filled(read(given.text), given.values, unset)
    document = _canonical(given, document, is_filled=True)
    check_files(document)
    services = _running(document)
    made = sections.used(given.name, document, services)
    for name in sorted(services):
        check(name, services, document)
    refuse_cycles(services)
    services = {name: _with_files(given, body) for name, body in services.items()}
    extra = {key: value for key, value in document.items() if key.startswith("x-")}
    whole: Map = {"name": given.name, "services": dict(services), **made, **extra}
    return _each_of_map(whole, lambda text, _: text.replace("$", "$$"))


def _running(document: Map) -> dict[str, Map]:
    """Return the services in Compose's own terms, without those that only a profile starts."""
    services = {name: typed.service(name, body) for name, body in entries(document.get("services")).items()}
    return {name: body for name, body in services.items() if not body.get("profiles")}


def _each(value: Value, change: Callable[[str, str], str], path: str = "") -> Value:
    match value:
        case str():
            return change(value, path)
        case list():
            return [_each(part, change, f"{path}.[]") for part in value]
        case dict():
            return _each_of_map(value, change, path)
        case _:
            return value


def _each_of_map(given: Map, change: Callable[[str, str], str], path: str = "") -> Map:
    return {key: _each(part, change, f"{path}.{key}" if path else key) for key, part in given.items()}


def _filled(document: Map, values: Mapping[str, str], unset: list[str] | None) -> Map:
    def fill(text: str, path: str) -> str:
        try:
            return interpolate(text, values, unset)
        except BadVariable as error:
            words = str(error)
            placed = words.replace(PLACE, path) if PLACE in words else f"error while interpolating {path}: {words}"
            raise Refused(placed) from error

    return {key: _each(value, fill, key) if key != "version" else value for key, value in document.items()}


def _canonical(given: Given, document: Map, *, is_filled: bool = False) -> Map:
    document = _without_twins(document)
    try:
        validate(document)
    except Refused as error:
        raise Refused(f"validating {given.file}: {error}") from error
    services = entries(document.get("services"))
    made: Map = {name: _service(given, name, body, is_filled=is_filled) for name, body in services.items()}
    return {**document, "services": made, **_placed(given, document)}


def _placed(given: Given, document: Map) -> Map:
    """Return the sections that name files, with these where they lie."""
    made: Map = {}
    for kind, place in _PLACE.items():
        if kind in document:
            made[kind] = {name: place(entry, given) for name, entry in maybe_entries(document[kind]).items()}
    return made


def _in_file(entry: MaybeMap, given: Given) -> MaybeMap:
    return _with_path(entry or {}, "file", given.folder)


def _with_path(entry: Map, key: str, folder: str) -> Map:
    return {**entry, **({key: canonical.located(str(entry[key]), folder)} if key in entry else {})}


def _on_device(entry: MaybeMap, given: Given) -> MaybeMap:
    options = (entry or {}).get("driver_opts")
    if entry is None or not isinstance(options, dict) or options.get("o") != "bind":
        return entry
    return {**entry, "driver_opts": _with_path(options, "device", given.folder)}


_PLACE: Mapping[str, Callable[[MaybeMap, Given], MaybeMap]] = {
    "configs": _in_file,
    "secrets": _in_file,
    "volumes": _on_device,
}


def _without_twins(document: Map) -> Map:
    services = document.get("services", {})
    if not isinstance(services, dict):
        raise Refused("services must be a mapping")
    made: Map = {name: _service_without_twins(body, f"services.{name}") for name, body in services.items()}
    return {**document, "services": made} if "services" in document else document


def _service_without_twins(given: Value, path: str) -> Map:
    if not isinstance(given, dict | None):
        raise Refused(f"{path} must be a mapping")
    body = given or {}
    _check_targets(body, path)
    lists: Map = {key: _unique(parts(body[key]), f"{path}.{key}") for key in _TWINS if isinstance(body.get(key), list)}
    return {**body, **lists}


def _check_targets(body: Map, path: str) -> None:
    """Twins are found by their targets, before anything else is looked at."""
    for kind, what, words in (("ports", "ports", "a target port"), ("volumes", "volume", "a mount target")):
        for number, entry in enumerate(parts(body.get(kind))):
            if isinstance(entry, dict) and not entry.get("target"):
                raise Refused(f"service {what} {path}.{kind}.[{number}] is missing {words}")


def _unique(lines: list[Value], path: str) -> list[Value]:
    """The last of two lines for one name wins, in the place of the first."""
    found: Map = {}
    for number, line in enumerate(lines):
        if not isinstance(line, str) and not (path.endswith(".expose") and isinstance(line, int)):
            raise Refused(f"{path}.[{number}]: unexpected type {_go_type(line)}")
        found[str(line).partition("=")[0]] = line
    return list(found.values())


def _go_type(value: Value) -> str:
    match value:
        case dict():
            return "map[string]interface {}"
        case list():
            return "[]interface {}"
        case bool():
            return "bool"
        case _:
            return "float64" if isinstance(value, float) else "int"


def _service(given: Given, name: str, body: Map, *, is_filled: bool) -> Map:
    """Return a service in long forms; ports and limits that are yet to be filled stay as they are."""
    path = f"services.{name}"
    made = dict(body)
    for key, lengthen in _LENGTHEN.items():
        if key in made:
            made[key] = lengthen(made[key], given, f"{path}.{key}")
    if "ports" in made:
        made["ports"] = _ports(typed.listed(made["ports"]), f"{path}.ports", is_filled=is_filled)
    _check_ulimits(made, path, is_filled=is_filled)
    made |= _long_networks(made)
    needs = _implied(made) | canonical.depends_on(made.get("depends_on"))
    return {**made, **({"depends_on": needs} if needs else {})}


def _long_networks(body: Map) -> Map:
    """Return the networks of a service where it lists them, or names none."""
    networks = body.get("networks")
    if isinstance(networks, list):
        return {"networks": {str(network): None for network in networks}}
    if networks is None and "network_mode" not in body:
        return {"networks": {"default": None}}
    return {}


def _implied(body: Map) -> Map:
    mode = str(body.get("network_mode") or "")
    names = _before_colons(body.get("links"))
    names += [mode.removeprefix("service:")] if mode.startswith("service:") else []
    started: Map = {"condition": "service_started", "required": True}
    needs: Map = {name: {**started, "restart": False} for name in _before_colons(body.get("volumes_from"))}
    needs |= {name: {**started, "restart": True} for name in names}
    return needs


def _before_colons(given: Value) -> list[str]:
    return [str(one).partition(":")[0] for one in typed.listed(given or [])]


def _ports(given: list[Value], path: str, *, is_filled: bool) -> list[Value]:
    made: list[Value] = []
    for port in given:
        try:
            made += canonical.ports([port], path=path)
        except Refused:
            if is_filled:
                raise
            made.append(port)
    return made


def _check_ulimits(body: Map, path: str, *, is_filled: bool) -> None:
    limits = body.get("ulimits")
    for key, limit in limits.items() if isinstance(limits, dict) else ():
        if isinstance(limit, str) and not is_filled:
            raise Refused(f"{path}.ulimits.{key}: invalid type string for external")


_LENGTHEN: Mapping[str, Callable[[Value, Given, str], Value]] = {
    "volumes": lambda value, given, path: canonical.volumes(typed.listed(value), folder=given.folder, path=path),
    "env_file": lambda value, given, _: canonical.env_files(value, folder=given.folder),
    "build": lambda value, given, _: canonical.build(value, folder=given.folder),
    "configs": lambda value, _, path: canonical.grants(typed.listed(value), path=path, is_secret=False),
    "secrets": lambda value, _, path: canonical.grants(typed.listed(value), path=path, is_secret=True),
    "dns": lambda value, _, __: typed.listed(value),
    "gpus": lambda value, _, __: [{"count": value}] if isinstance(value, str) else value,
    "devices": lambda value, _, __: [canonical.device(one) for one in typed.listed(value)],
}


def _with_files(given: Given, body: Map) -> Map:
    """Return a service with the variables of its files, which those of its own beat.

    Raises:
        _MissingFile: a file that is needed is not there.
    """
    found = _from_files(given, typed.listed(body.get("env_file") or []))
    environment = {**found, **_own_variables(given, body.get("environment"))}
    shown = {key: value for key, value in body.items() if key != "env_file"}
    return {**shown, **({"environment": environment} if environment else {})}


def _own_variables(given: Given, environment: Value) -> Map:
    """Return the variables of a service; those without a text have that of the project."""
    if not isinstance(environment, dict):
        return {}
    return {name: given.values.get(name) if text is None else text for name, text in environment.items()}


def _from_files(given: Given, files: list[Value]) -> Map:
    found: Map = {}
    for file in files:
        entry: Map = file if isinstance(file, dict) else {"path": file}
        path = str(entry["path"])
        if path in given.files:
            found |= dict(given.files[path])
        elif entry.get("required") is not False:
            raise _MissingFile(f"env file {path} not found: stat {path}: no such file or directory")
    return found


def variables(text: str) -> dict[str, str]:
    """Return the variables of a file with one `NAME=text` a line; quotes around a text go."""
    pairs = [line.partition("=") for line in text.splitlines() if "=" in line and not line.startswith("#")]
    return {name: value.strip("'\"") for name, _, value in pairs}
