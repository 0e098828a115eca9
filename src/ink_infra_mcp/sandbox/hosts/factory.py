"""Answers the script that looks at Coolify on the Factory: what Docker, Compose, psql and the disk would say.

Written from Docker 28's and Compose 2.40's own words, psql's manual and the migrations of coollabsio/coolify (4.3.11).
"""

import json
from collections.abc import Iterator

from ink_infra_mcp.sandbox.compose.interpolate import BadVariable, interpolate
from ink_infra_mcp.sandbox.compose.reader import Map, Refused, entries, read
from ink_infra_mcp.sandbox.state_coolify import CoolifyState
from ink_infra_mcp.sandbox.state_factory import ORDER, FactoryDisk
from ink_infra_mcp.sandbox.state_hosts import Container, HostState

_NONE, _FAILED = 44, 1
_SECTIONS = {"base": 0, "prod": 1, "custom": 2, "postgres_upgrade": 3}
_SHOWN = ("REGISTRY_URL", "LATEST_IMAGE", "COOLIFY_VERSION", "AUTOUPDATE")
Answer = tuple[str, str, int]


def look_at_factory(host: HostState, coolify: CoolifyState, marker: str, *, now: float) -> str:
    """Return what the script prints, each answer framed by the marker."""
    lines: list[str] = []
    for name, text, status in _answers(host, coolify, now):
        said, ended = ("sandbox: it fails", _FAILED) if name in coolify.factory.broken else (text, status)
        lines += [f"{marker} begin {name}", said, f"{marker} end {name} {ended}"]
    return "".join(f"{line}\n" for line in (*lines, f"{marker} done"))


def _answers(host: HostState, coolify: CoolifyState, now: float) -> Iterator[Answer]:
    disk = coolify.factory
    yield "clock", str(int(now + host.clock_ahead_s)), 0
    yield from _of_container(host, coolify)
    yield from (_file(disk, section, ORDER[at]) for section, at in _SECTIONS.items())
    yield from _of_env(disk)
    yield "images", *_planned(disk)
    yield from _of_database(host, disk)
    yield from _dumps(disk)
    yield from _kept(disk)


def _without(container: str, *names: str) -> Iterator[Answer]:
    return ((name, f"Error response from daemon: No such container: {container}", _FAILED) for name in names)


def _file(disk: FactoryDisk, section: str, name: str) -> Answer:
    return (section, disk.files[name], 0) if name in disk.files else (section, "", _NONE)


def _of_env(disk: FactoryDisk) -> Iterator[Answer]:
    shown = [f"{key}={value}" for key, value in disk.env.items() if key in _SHOWN]
    yield "env", "\n".join(shown), 0 if shown else 1


def _dumps(disk: FactoryDisk) -> Iterator[Answer]:
    dumps = (f"{int(d.at)} {d.size} {_BACKUPS}/pg-dump-coolify-{int(d.at)}.dmp" for d in disk.dumps)
    yield "dumps", "\n".join(dumps), 0 if disk.dumps else _NONE


def _kept(disk: FactoryDisk) -> Iterator[Answer]:
    """Our own backups, and the last restore that was proved with one of them."""
    ours = (f"{int(k.at)} {k.size} {_OURS}/{k.name}/coolify.dump" for k in disk.kept)
    yield "kept", "\n".join(ours), 0 if disk.kept else _NONE
    drill = disk.drill
    told = drill and {"at": int(drill.at), "backup": drill.backup, "dump_sha256": drill.sum, "image": drill.image}
    yield "drill", json.dumps(told) if told else "", 0 if told else _NONE


_OURS = "/data/coolify/backups/ink"
_BACKUPS = "/data/coolify/backups/coolify/coolify-db-hostdockerinternal"


def _of_container(host: HostState, coolify: CoolifyState) -> Iterator[Answer]:
    found = next((c for c in host.containers if c.name == "coolify"), None)
    if found is None:
        yield from _without("coolify", "running", "digests", "named", "constants")
        return
    yield "running", " ".join(map(json.dumps, (found.image_id, found.image, found.state))), 0
    yield "digests", json.dumps(found.image_digests), 0
    yield "named", *_named(coolify.factory, found)
    version = coolify.factory.base or coolify.version
    yield "constants", f"        'version' => env('COOLIFY_VERSION') ?: '{version}',", 0


def _named(disk: FactoryDisk, found: Container) -> tuple[str, int]:
    image = disk.named.get(found.image, found.image_id)
    if not image:
        return f"[]\nError response from daemon: No such image: {found.image}", _FAILED
    return json.dumps(image), 0


def _planned(disk: FactoryDisk) -> tuple[str, int]:
    try:
        return "\n".join(merged(disk).values()), 0
    except (Refused, BadVariable):
        return "docker compose does not take these files", 15


def merged(disk: FactoryDisk) -> dict[str, str]:
    """Return each service's image: that of the last file that names one; one of a profile is not started, nor told."""
    images: dict[str, str] = {}
    asleep: set[str] = set()
    for service, parts in _services(disk):
        if isinstance(image := parts.get("image"), str):
            images[service] = interpolate(image, disk.env, [])
        if parts.get("profiles"):
            asleep.add(service)
    return {service: image for service, image in images.items() if service not in asleep}


def ports_of(disk: FactoryDisk, service: str) -> list[str]:
    """Return the ports of a service, of all files, as they are written."""
    lists = (parts.get("ports") for name, parts in _services(disk) if name == service)
    return [str(port) for ports in lists if isinstance(ports, list) for port in ports]


def _services(disk: FactoryDisk) -> Iterator[tuple[str, Map]]:
    for text in (disk.files[name] for name in ORDER if name in disk.files):
        yield from entries(read(text).get("services")).items()


def _of_database(host: HostState, disk: FactoryDisk) -> Iterator[Answer]:
    if not any(c.name == "coolify-db" and c.state == "running" for c in host.containers):
        yield from _without("coolify-db", "settings", "schedule")
        return
    yield "settings", f"{_bool(disk.auto_update)}|{disk.auto_update_cron}|{disk.zone}", 0
    yield "schedule", "\n".join(f"{_bool(s.enabled)}|{s.cron}|{_moment(s.last_success)}" for s in disk.schedules), 0


def _bool(value: bool) -> str:
    return "t" if value else "f"


def _moment(at: float | None) -> str:
    return "" if at is None else str(int(at))
