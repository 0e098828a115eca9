"""What a server says of itself: gathered by one script in one round trip, each fact known or known to be unknown."""

import re
import secrets
import shlex
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from functools import partial
from typing import Annotated, TypeVar

import anyio
from pydantic import BaseModel, ConfigDict, Field, JsonValue

from ink_infra_mcp.core.errors import HostError, InkError
from ink_infra_mcp.core.plan import Frozen
from ink_infra_mcp.core.untrusted import clean_name
from ink_infra_mcp.hosts.facts.container_facts import ContainerFacts, container_ids, containers, with_surroundings
from ink_infra_mcp.hosts.facts.sections import Reading, Section, Unreadable, sections
from ink_infra_mcp.hosts.scripts import packaged
from ink_infra_mcp.ssh.command import HostCommand
from ink_infra_mcp.ssh.pool import HostPool

T = TypeVar("T")

AREAS = ("system", "docker", "containers")
TIMEOUT_S = 60.0
"""The script lets each command run for 10 s; at worst three of df and two of docker hang."""

NO_DATA = "there is no /data"
"""Coolify makes it on a server with the first thing that it puts there."""
_VANISHED = frozenset({0, 1})
_DISK = re.compile(r"(\S.*?)\s+(\d+)\s+(\d+)\s+(\d+)\s+(?:\d+%|-)\s+(/.*)")
_OS = re.compile(r"""^(?P<name>[A-Z_]+)=(?P<quote>["']?)(?P<value>.*?)(?P=quote)\s*$""", re.MULTILINE)

Bytes = Annotated[int, Field(ge=0)]


class Disk(Frozen):
    """The file system that holds a path: where it is mounted, its device, and its size."""

    mount: str
    device: str
    size_bytes: Bytes
    used_bytes: Bytes
    free_bytes: Bytes


class _DockerInfo(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    version: Annotated[str, Field(min_length=1)]
    runtimes: dict[str, JsonValue]
    default_runtime: str
    root: str


class HostFacts(Frozen):
    """One server. A fact is None when it is not known, and then `unknown` says why; None never means "none".

    `load` is the mean number of runnable tasks over 1, 5 and 15 minutes. `disk_docker` is the file system that holds
    /var/lib/docker, `disk_data` the one that holds /data. `docker_runtimes` are the names that Docker runs apps under.
    `epoch_s` is what the server's own clock said meanwhile, in whole Unix seconds.
    """

    host: str
    epoch_s: int | None = None
    os_id: str | None = None
    os_version: str | None = None
    kernel: str | None = None
    cpus: int | None = None
    memory_total_bytes: int | None = None
    memory_available_bytes: int | None = None
    load: tuple[float, float, float] | None = None
    disk_root: Disk | None = None
    disk_docker: Disk | None = None
    disk_data: Disk | None = None
    docker_version: str | None = None
    docker_runtimes: tuple[str, ...] | None = None
    docker_default_runtime: str | None = None
    docker_root: str | None = None
    runsc_version: str | None = None
    containers: tuple[ContainerFacts, ...] | None = None
    unknown: dict[str, str] = {}


def troubles(facts: HostFacts, *, factory: bool) -> dict[str, str]:
    """Return the facts that are not known and why, without those that say nothing: only the Factory needs a /data."""
    return {name: why for name, why in facts.unknown.items() if factory or (name, why) != ("disk_data", NO_DATA)}


def fresh_marker() -> str:
    """Return a line start that nothing on a server can know beforehand."""
    return f"ink-{secrets.token_hex(8)}"


async def gather(
    pool: HostPool, host: str, *, areas: Collection[str] = AREAS, new_marker: Callable[[], str] = fresh_marker
) -> HostFacts:
    """Return what a server says of itself, in one round trip; only `areas` of system, docker, containers are asked.

    Raises:
        HostError: the server cannot be reached, or runs no POSIX shell for us.
    """
    marker = new_marker()
    return _read(host, await ask_areas(pool, host, areas=areas, marker=marker), areas)


async def ask_areas(
    pool: HostPool, host: str, *, areas: Collection[str], marker: str, second: str = ""
) -> dict[str, Section]:
    """Return the sections of what the script prints for `areas`, in one round trip.

    The area `network` runs a `second` script on the server, which the first one finds in a variable.

    Raises:
        HostError: the server cannot be reached, or runs no POSIX shell for us.
    """
    said_first = f"boot={shlex.quote(second)}\n" if second else ""
    script = f"{said_first}{packaged('facts/facts.sh')}".encode()
    command = HostCommand(("sh", "-s", "--", marker, *areas), changes=False, timeout_s=TIMEOUT_S, stdin=script)
    said = await pool.run(host, command, check=True)
    return sections(said.stdout, marker)


async def gather_all(pool: HostPool, names: Iterable[str]) -> dict[str, HostFacts | HostError]:
    """Return the facts of each server, or the error that kept them from us; all are asked at once.

    Raises:
        InkError: what concerns every server, such as a missing login key.
    """
    return await ask_all(names, partial(gather, pool))


async def ask_all(names: Iterable[str], ask: Callable[[str], Awaitable[T]]) -> dict[str, T | HostError]:
    """Return what each server answers to a question, or the error that kept it from us; all are asked at once.

    Raises:
        InkError: what concerns every server, such as a missing login key.
    """
    found: dict[str, T | HostError] = {}
    worse: list[InkError] = []

    async def one(name: str) -> None:
        try:
            found[name] = await ask(name)
        except HostError as error:
            found[name] = error
        except InkError as error:
            worse.append(error)

    wanted = tuple(dict.fromkeys(names))
    async with anyio.create_task_group() as group:
        for name in wanted:
            group.start_soon(one, name)
    if worse:
        raise worse[0]
    return {name: found[name] for name in wanted}


def read_facts(host: str, output: str, *, marker: str, areas: Collection[str] = AREAS) -> HostFacts:
    """Return the facts in what the script printed; whatever is missing or damaged is unknown, and nothing raises."""
    return _read(host, sections(output, marker), areas)


def _read(host: str, found: Mapping[str, Section], areas: Collection[str]) -> HostFacts:
    reading = Reading(found)
    facts: dict[str, object] = {}
    for area, read in _READERS.items():
        if area in areas:
            facts |= read(reading)
        else:
            reading.unknown |= dict.fromkeys(read(Reading({})), "not asked")
    return HostFacts.model_validate({"host": host, **facts, "unknown": reading.unknown})


def _system(reading: Reading) -> dict[str, object]:
    return {
        "epoch_s": reading.fact("epoch_s", "clock", _seconds),
        "os_id": reading.fact("os_id", "os", partial(_os_field, name="ID")),
        "os_version": reading.fact("os_version", "os", partial(_os_field, name="VERSION_ID")),
        "kernel": reading.fact("kernel", "kernel", _word),
        "cpus": reading.fact("cpus", "cpus", _count),
        "memory_total_bytes": reading.fact("memory_total_bytes", "memory", partial(_memory, name="MemTotal")),
        "memory_available_bytes": reading.fact(
            "memory_available_bytes", "memory", partial(_memory, name="MemAvailable")
        ),
        "load": reading.fact("load", "load", _load),
        "disk_root": reading.fact("disk_root", "disk_root", _disk),
        "disk_docker": reading.fact("disk_docker", "disk_docker", _disk),
        "disk_data": reading.fact("disk_data", "disk_data", _data_disk, good=_VANISHED),
    }


def _docker(reading: Reading) -> dict[str, object]:
    return {
        "docker_version": reading.fact("docker_version", "docker", lambda text: _docker_info(text).version),
        "docker_runtimes": reading.fact("docker_runtimes", "docker", lambda text: sorted(_docker_info(text).runtimes)),
        "docker_default_runtime": reading.fact(
            "docker_default_runtime", "docker", lambda text: _docker_info(text).default_runtime
        ),
        "docker_root": reading.fact("docker_root", "docker", lambda text: _docker_info(text).root),
        "runsc_version": reading.fact("runsc_version", "runsc", _runsc),
    }


def _containers(reading: Reading) -> dict[str, object]:
    ids = reading.fact("containers", "container_ids", container_ids)
    if not ids:
        return {"containers": ids}
    # docker inspect ends with 1 when one of many has gone away; the others are there all the same.
    found = reading.fact("containers", "containers", partial(containers, ids=ids), good=_VANISHED)
    if found is None:
        return {"containers": None}
    around = {name: _said(reading, name) for name in ("volumes", "networks", "cgroups")}
    return {"containers": with_surroundings(found, **around)}


def _said(reading: Reading, name: str) -> str | None:
    section = reading.found.get(name)
    return section.text.strip() if section is not None and section.status in _VANISHED else None


_READERS: dict[str, Callable[[Reading], dict[str, object]]] = {
    "system": _system,
    "docker": _docker,
    "containers": _containers,
}


def _word(text: str) -> str:
    if not re.fullmatch(r"\S{1,200}", text):
        raise ValueError("not one word")
    return text


def _count(text: str) -> int:
    if not re.fullmatch(r"[1-9]\d{0,5}", text):
        raise ValueError("not a count")
    return int(text)


def _seconds(text: str) -> int:
    """A date that does not know %s says it back."""
    if not re.fullmatch(r"\d{1,12}", text):
        raise ValueError("not a time")
    return int(text)


def _os_field(text: str, *, name: str) -> str:
    values = {match["name"]: match["value"] for match in _OS.finditer(text)}
    if not values.get(name):
        raise Unreadable(f"/etc/os-release has no {name}")
    return values[name]


def _memory(text: str, *, name: str) -> int:
    found = re.search(rf"^{name}:\s+(\d{{1,15}}) kB$", text, re.MULTILINE)
    if found is None:
        raise Unreadable(f"/proc/meminfo has no {name}")
    return int(found[1]) * 1024


def _load(text: str) -> tuple[float, float, float]:
    found = re.match(r"(\d{1,6}\.\d+) (\d{1,6}\.\d+) (\d{1,6}\.\d+)(?: |$)", text)
    if found is None:
        raise ValueError("not a load")
    return float(found[1]), float(found[2]), float(found[3])


def _disk(text: str) -> Disk:
    """Read the last line of `df -P -k`, whose numbers are blocks of 1024 bytes."""
    found = _DISK.fullmatch(text.split("\n")[-1])
    if found is None:
        raise ValueError("not a line of df")
    size, used, free = (int(number) * 1024 for number in found.group(2, 3, 4))
    return Disk(mount=found[5], device=found[1], size_bytes=size, used_bytes=used, free_bytes=free)


def _data_disk(text: str) -> Disk:
    if text.startswith("df:"):
        raise Unreadable(NO_DATA if text.endswith("No such file or directory") else clean_name(text, limit=160))
    return _disk(text)


def _docker_info(text: str) -> _DockerInfo:
    """Read the one JSON line of `docker info`; before it the client may warn, on other lines."""
    lines = [line for line in text.split("\n") if line.startswith("{")]
    if len(lines) != 1:
        raise ValueError("not one JSON line")
    return _DockerInfo.model_validate_json(lines[0])


def _runsc(text: str) -> str:
    found = re.match(r"runsc version (\S{1,100})(?:\n|$)", text)
    if found is None:
        raise ValueError("not a version of runsc")
    return found[1]
