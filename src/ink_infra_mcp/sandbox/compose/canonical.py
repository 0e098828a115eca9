"""Turns Compose's short forms into its long ones (seen with 2.26.1)."""

import posixpath
import re

from ink_infra_mcp.sandbox.compose.reader import Map, Refused, Value, maybe_entries

_PORT = re.compile(
    r"(?:(?P<address>\[[0-9a-fA-F:.]+\]|[^:]*(?=:[^:]*:)):)?(?:(?P<outer>[^:]*):)?(?P<inner>[^:/]*)(?:/(?P<protocol>.*))?"
)
SHORTEST = 2
"""A volume that is no longer than this is not looked into."""
_DRIVE = re.compile(r"[a-zA-Z]:[/\\]?")


def ports(given: list[Value], *, path: str) -> list[Value]:
    """Return one map for each port.

    Raises:
        Refused: a port that is no number, or ranges that do not fit.
    """
    made: list[Value] = []
    for number, port in enumerate(given):
        if isinstance(port, dict):
            if "target" not in port:
                raise Refused(f"service ports {path}.[{number}] is missing a target port")
            made.append({"mode": "ingress", "protocol": "tcp", **port})
        else:
            made += _short_port(str(port))
    return made


def _short_port(text: str) -> list[Value]:
    found = _PORT.fullmatch(text)
    if found is None:
        raise Refused(f"Invalid containerPort: {text}")
    inside = _span(found["inner"], "containerPort")
    pairs = zip(inside, _published(found["inner"], found["outer"], inside), strict=True)
    address: Map = {"host_ip": found["address"].strip("[]")} if found["address"] else {}
    protocol: Map = {"protocol": found["protocol"] or "tcp"}
    return [{"mode": "ingress", **address, "target": port, **published, **protocol} for port, published in pairs]


def _published(inner: str, outer: str | None, inside: list[int]) -> list[Map]:
    """Return what each inner port has outside: a port of its own where both ranges are of one length."""
    if not outer:
        return [{}] * len(inside)
    outside = _span(outer, "hostPort")
    if len(outside) == len(inside):
        return [{"published": str(port)} for port in outside]
    if min(len(outside), len(inside)) > 1:
        raise Refused(f"Invalid ranges specified for container and host Ports: {inner} and {outer}")
    return [{"published": outer}] * len(inside)


def _span(text: str, what: str) -> list[int]:
    first, dash, last = text.partition("-")
    if not first.isdecimal() or (dash and not last.isdecimal()):
        raise Refused(f"Invalid {what}: {text}")
    return list(range(int(first), int(last or first) + 1))


def volumes(given: list[Value], *, folder: str, path: str) -> list[Value]:
    """Return one map for each volume; folders below `.` lie in `folder`.

    Raises:
        Refused: an empty one, or one without a target.
    """
    return [_volume(volume, folder, f"{path}.[{number}]") for number, volume in enumerate(given)]


def _volume(volume: Value, folder: str, path: str) -> Value:
    if isinstance(volume, str):
        return _short_volume(volume, folder)
    if not isinstance(volume, dict):
        return volume
    if not volume.get("target"):
        raise Refused(f"service volume {path} is missing a mount target")
    return _long_volume(volume, folder)


def _long_volume(volume: Map, folder: str) -> Map:
    source = volume.get("source")
    if volume.get("type") == "bind" and isinstance(source, str):
        return {**volume, "source": located(source, folder)}
    return volume


def _short_volume(text: str, folder: str) -> Value:
    if not text:
        raise Refused("invalid empty volume spec")
    parts = _volume_parts(text)
    if len(parts) == 1:
        return {"type": "volume", "target": parts[0], **({"volume": {}} if len(text) > SHORTEST else {})}
    if "" in parts:
        raise Refused(f"invalid spec: {text}: empty section between colons")
    source, target, mode = [*parts, ""][:3]
    return _mount(source, cleaned(target), mode.split(","), folder)


def _mount(source: str, target: str, flags: list[str], folder: str) -> Map:
    end: Map = {"target": target, **({"read_only": True} if "ro" in flags else {})}
    if source.startswith((".", "/", "~")) or _DRIVE.match(source):
        bind: Map = {"create_host_path": True, **_selinux(flags)}
        return {"type": "bind", "source": located(source, folder), **end, "bind": bind}
    nocopy: Map = {"nocopy": True} if "nocopy" in flags else {}
    return {"type": "volume", "source": source, **end, "volume": nocopy}


def _selinux(flags: list[str]) -> Map:
    labels = [flag for flag in flags if flag in {"z", "Z"}]
    return {"selinux": labels[-1]} if labels else {}


def _volume_parts(text: str) -> list[str]:
    """A single letter before a colon is a drive of Windows."""
    parts = text.split(":")
    if len(parts) > 1 and len(parts[0]) == 1 and parts[0].isalpha():
        parts = [f"{parts[0]}:{parts[1]}", *parts[2:]]
    return parts


def located(path: str, folder: str) -> str:
    """Return a path of the server as Compose resolves it."""
    if path.startswith("~"):
        return "/root" + path[1:]
    return path if path.startswith("/") or _DRIVE.match(path) else posixpath.normpath(posixpath.join(folder, path))


def cleaned(target: str) -> str:
    """Return a path in a container without what can be left out."""
    return posixpath.normpath(target)


def env_files(given: Value, *, folder: str) -> list[Value]:
    """Return one map for each file of variables."""
    made: list[Value] = []
    for file in given if isinstance(given, list) else [given]:
        entry: Map = file if isinstance(file, dict) else {"path": file}
        made.append({**entry, "path": located(str(entry["path"]), folder), "required": entry.get("required", True)})
    return made


def depends_on(given: Value) -> Map:
    """Return what a service waits for, by name."""
    if isinstance(given, list):
        return {str(name): {"condition": "service_started", "required": True} for name in given}
    needs = maybe_entries(given).items()
    return {name: {"required": True, **need} for name, need in needs if need is not None}


def build(given: Value, *, folder: str) -> Map:
    """Return how an image is built."""
    entry: Map = given if isinstance(given, dict) else {"context": given}
    file: Map = {} if "dockerfile_inline" in entry else {"dockerfile": entry.get("dockerfile", "Dockerfile")}
    return {**entry, "context": located(str(entry.get("context", ".")), folder), **file}


def grants(given: list[Value], *, path: str, is_secret: bool) -> list[Value]:
    """Return one map for each config or secret that a service gets.

    Raises:
        Refused: an entry that is a number.
    """
    made: list[Value] = []
    for number, entry in enumerate(given):
        if isinstance(entry, dict):
            made.append(entry)
        elif isinstance(entry, str):
            made.append({"source": entry, **({"target": f"/run/secrets/{entry}"} if is_secret else {})})
        else:
            raise Refused(f"{path}.[{number}]: unsupported expose value %!s(int={entry})")
    return made


def device(given: Value) -> Value:
    """Return a device as a map."""
    if not isinstance(given, str):
        return given
    parts = given.split(":")
    return {"source": parts[0], "target": [*parts, parts[0]][1], "permissions": parts[2] if len(parts) > 2 else "rwm"}
