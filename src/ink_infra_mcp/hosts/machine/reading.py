"""Reads what a server is made of, in one round trip, as far as a baseline asks for it."""

import re
from collections.abc import Callable
from functools import partial
from ipaddress import IPv4Network

from pydantic import BaseModel, ConfigDict, JsonValue

from ink_infra_mcp.core.baseline.machine import Engine, Machine, Package, Unit
from ink_infra_mcp.core.baseline.policy import Baseline
from ink_infra_mcp.core.baseline.sources import Address, addresses_of
from ink_infra_mcp.core.errors import CommandFailed
from ink_infra_mcp.hosts.facts.gathering import fresh_marker
from ink_infra_mcp.hosts.facts.sections import Reading, Section, Unreadable, sections
from ink_infra_mcp.hosts.scripts import packaged
from ink_infra_mcp.ssh.command import HostCommand
from ink_infra_mcp.ssh.pool import HostPool

TIMEOUT_S = 120.0
MARK = "ink-machine"
AS_ROOT = 'exec sudo -n sh -s -- "$@"'
SETTINGS_BYTES = 200_000
_OS = re.compile(r"""^(?P<name>[A-Z_]+)=(?P<quote>["']?)(?P<value>.*?)(?P=quote)\s*$""", re.MULTILINE)
_APT = re.compile(r'(?P<key>[A-Za-z0-9_:/.-]+) "(?P<value>.*)";')
_JOURNAL = re.compile(r"(?P<key>[A-Z][A-Za-z]+)\s*=\s*(?P<value>.*)")
_PACKAGE = 4
_UNIT = 3
_SWAP_COLUMNS = 5


class _Info(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    version: str
    live_restore: bool
    runtimes: dict[str, JsonValue]
    swarm: str
    root: str
    running: int


async def read_machine(
    pool: HostPool, host: str, baseline: Baseline, *, new_marker: Callable[[], str] = fresh_marker
) -> Machine:
    """Return what a server says of all that the baseline has a word about.

    Raises:
        HostError: the server cannot be reached, or does not let us become root.
    """
    marker = new_marker()
    said = await pool.run(host, command(marker, words_of(baseline), as_root=is_root(pool, host)), check=True)
    if said.truncated or not said.stdout.endswith(f"{marker} done\n"):
        raise CommandFailed(
            f"The answer of {host} about what it is made of is not whole.", host=host, next="Call again."
        )
    return machine_of(host, sections(said.stdout, marker))


def is_root(pool: HostPool, host: str) -> bool:
    """Return whether we log in as root; a server that is not in the fleet yet is logged in to as root."""
    return host not in pool.hosts or pool.hosts[host].ssh_user == "root"


def command(marker: str, words: tuple[str, ...], *, as_root: bool) -> HostCommand:
    """Return the command that reads; the script arrives by standard input."""
    begin = ("sh", "-s", "--") if as_root else ("sh", "-c", AS_ROOT, "sh")
    script = packaged("machine/look.sh").encode()
    return HostCommand((*begin, MARK, marker, *words), changes=False, timeout_s=TIMEOUT_S, stdin=script)


def words_of(baseline: Baseline) -> tuple[str, ...]:
    """Return what is asked for: the packages, kernel settings and units that the baseline names."""
    units = [name for unit, rule in baseline.units.items() for name in (unit, *rule.instead)]
    named = (*baseline.packages, *(rule.package for rule in baseline.units.values() if rule.package))
    packages = [*named, *baseline.docker_packages, *baseline.foreign, "unattended-upgrades"]
    if package := baseline.gvisor.get("package"):
        packages.append(package.value)
    return (
        *(f"package={name}" for name in dict.fromkeys(packages)),
        *(f"sysctl={name}" for name in baseline.sysctls),
        *(f"unit={name}" for name in dict.fromkeys(units)),
    )


def machine_of(host: str, found: dict[str, Section]) -> Machine:
    """Return the facts in what the script printed; whatever is missing or damaged is unknown, and nothing raises."""
    reading = Reading(found)
    fact = reading.fact
    facts: dict[str, object] = {
        "os_id": fact("os_id", "os", partial(_os, name="ID")),
        "os_version": fact("os_version", "os", partial(_os, name="VERSION_ID")),
        "arch": fact("arch", "arch", _word),
        "kernel": fact("kernel", "kernel", _word),
        "cpus": fact("cpus", "cpus", int),
        "memory_bytes": fact("memory_bytes", "memory", _memory),
        "swap_bytes": fact("swap_bytes", "swaps", _swap),
        "disk_bytes": fact("disk_bytes", "disk", _disk),
        "packages": fact("packages", "packages", _packages),
        "broken": fact("broken", "broken", _broken, good={0, 1}),
        "sysctls": fact("sysctls", "sysctls", lambda text: dict(_pairs(text))),
        "units": fact("units", "units", _units),
        "apt": fact("apt", "apt", _apt),
        "journal": fact("journal", "journal", _journal),
        "files": fact("files", "files", lambda text: {path: digest for digest, path in _pairs(text)}),
        "keys": fact("keys", "keys", lambda text: dict(_pairs(text))),
        "sources": fact("sources", "sources", _sources),
        "daemon": fact("daemon", "daemon", _settings),
        "engine": fact("engine", "docker", _engine),
        "proxy": fact("proxy", "proxy", _image),
        "runsc": fact("runsc", "runsc", _runsc),
        "snap": fact("snap", "snap", bool),
        "routes": fact("routes", "routes", _routes),
        "kept": fact("kept", "kept", lambda text: text.split()) or (),
    }
    return Machine.model_validate({"host": host, **facts, "unknown": reading.unknown})


def _lines(text: str) -> list[str]:
    return [line for line in text.split("\n") if line.strip()]


def _pairs(text: str) -> list[tuple[str, str]]:
    parted = (line.partition(" ") for line in _lines(text))
    return [(first, rest.strip()) for first, _, rest in parted]


def _word(text: str) -> str:
    if not re.fullmatch(r"\S{1,100}", text):
        raise ValueError("not one word")
    return text


def _os(text: str, *, name: str) -> str:
    values = {match["name"]: match["value"] for match in _OS.finditer(text)}
    if not values.get(name):
        raise Unreadable(f"/etc/os-release has no {name}")
    return values[name]


def _memory(text: str) -> int:
    found = re.search(r"^MemTotal:\s+(\d{1,15}) kB$", text, re.MULTILINE)
    if found is None:
        raise Unreadable("/proc/meminfo has no MemTotal")
    return int(found[1]) * 1024


def _swap(text: str) -> int:
    """Below one line of headings: file, kind, size in KiB, used, priority."""
    head, *rows = _lines(text)
    if not head.startswith("Filename"):
        raise ValueError("not /proc/swaps")
    sizes = [row.split() for row in rows]
    if any(len(size) != _SWAP_COLUMNS for size in sizes):
        raise ValueError("a row has another number of columns")
    return sum(int(size[2]) for size in sizes) * 1024


def _disk(text: str) -> int:
    return int(text.split("\n")[-1].split()[1]) * 1024


def _packages(text: str) -> dict[str, Package]:
    rows = [line.split(" ") for line in _lines(text)]
    if any(len(row) != _PACKAGE for row in rows):
        raise ValueError("not four words")
    return {name: Package(version=version, status=status, want=want) for name, version, status, want in rows}


def _broken(text: str) -> tuple[str, ...]:
    """`dpkg --audit` prints a paragraph for each kind of trouble, with the packages below it, indented by one space."""
    named = (line.split()[0] for line in _lines(text) if line.startswith(" "))
    return tuple(dict.fromkeys(named)) or (("a package that dpkg does not name",) if text.strip() else ())


def _units(text: str) -> dict[str, Unit]:
    rows = [line.split(" ") for line in _lines(text)]
    if any(len(row) != _UNIT for row in rows):
        raise ValueError("not three words")
    return {name: Unit(enabled=enabled, active=active) for name, enabled, active in rows}


def _apt(text: str) -> dict[str, str]:
    """A list has a line for each value, under a name that ends with `::`; they are joined, as one fact."""
    found: dict[str, str] = {}
    for line in _lines(text):
        if match := _APT.fullmatch(line):
            found[match["key"]] = _joined(found.get(match["key"], ""), match["key"], match["value"])
    if not found:
        raise ValueError("nothing is set")
    return found


def _joined(before: str, key: str, value: str) -> str:
    return f"{before}\n{value}" if before and key.endswith("::") else value


def _journal(text: str) -> dict[str, str]:
    """The last word counts, as for journald itself; an empty one takes the earlier back."""
    found = (_JOURNAL.fullmatch(line.strip()) for line in _lines(text))
    return {match["key"]: match["value"].strip() for match in found if match}


def _sources(text: str) -> dict[str, tuple[Address, ...]]:
    """Below a line `file PATH` each line of the file, behind `| `."""
    found: dict[str, list[str]] = {}
    file = ""
    for line in _lines(text):
        if line.startswith("| ") and file:
            found[file].append(line[2:])
        elif line.startswith("file "):
            file = line[5:]
            found[file] = []
        else:
            raise ValueError("not a line of a file")
    try:
        return {file: addresses_of(file, "\n".join(lines)) for file, lines in found.items()}
    except ValueError as error:
        raise Unreadable(str(error)) from error


def _settings(text: str) -> str:
    if len(text) > SETTINGS_BYTES:
        raise Unreadable("/etc/docker/daemon.json is longer than any that somebody wrote")
    return text


def _engine(text: str) -> Engine | None:
    if not text.strip():
        return None
    lines = [line for line in _lines(text) if line.startswith("{")]
    if len(lines) != 1:
        raise ValueError("not one JSON line")
    info = _Info.model_validate_json(lines[0])
    return Engine.model_validate({**info.model_dump(), "runtimes": tuple(sorted(info.runtimes))})


def _image(text: str) -> str:
    if not re.fullmatch(r"\S{0,300}", text.strip()):
        raise ValueError("not one image")
    return text.strip()


def _runsc(text: str) -> str:
    if not text.strip():
        return ""
    found = re.match(r"runsc version (\S{1,100})(?:\n|$)", text)
    if found is None:
        raise ValueError("not a version of runsc")
    return found[1]


def _routes(text: str) -> tuple[str, ...]:
    """The first word of a route is where it leads, or after a word for its kind; `default` is everywhere."""
    kinds = {"unicast", "blackhole", "unreachable", "prohibit", "throw", "multicast"}
    heads = [next(word for word in line.split() if word not in kinds) for line in _lines(text)]
    return tuple(dict.fromkeys(str(IPv4Network(head)) for head in heads if head != "default"))
