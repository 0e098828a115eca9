"""What a server says it needs done: updates, a reboot, room on its disks; each fact known or known to be unknown."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial

from ink_infra_mcp.core.plan import Frozen
from ink_infra_mcp.core.untrusted import clean_name
from ink_infra_mcp.hosts.facts.gathering import fresh_marker
from ink_infra_mcp.hosts.facts.sections import Reading, Section, Unreadable, sections
from ink_infra_mcp.hosts.scripts import packaged
from ink_infra_mcp.ssh.command import HostCommand
from ink_infra_mcp.ssh.pool import HostPool

TIMEOUT_S = 90.0
"""The script lets each command run for 20 s; at worst both of apt and both of df hang."""
STALE_S = 3 * 86_400
"""Servers fetch their lists once a day, and there is something new in these archives every day or two."""
EXPIRED_S = 7 * 86_400
"""Debian's archive says of itself that nobody should believe it for longer (`Valid-Until`); Ubuntu's says nothing."""
_BOOT = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_MAYBE = frozenset({0, 1})
_LISTED = frozenset({0, 2})
"""What `ls` ends with, also for a folder that is not there."""
_UPDATE = re.compile(r"Inst (\S+) .*?\(\S+ ([^()\[\]]*)\[[^\[\]]*\]\).*")
_ROOM = re.compile(r"(\S.*?)\s+(\d+)\s+(\d+)\s+(\d+)\s+(\d+%|-)\s+(/.*)")
_LAYERED = "overlay"
_UNWRITTEN = frozenset({"ro", "emergency_ro", "shutdown"})
"""With the last two newer kernels say of an ext4 that met errors that nothing is written any more, beside `rw`."""
_MOUNT = re.compile(r"(/\S*) (\S+)")
_KERNEL = re.compile(r"([0-9][0-9.]*(?:-[0-9]+)*)((?:[+~.a-z-][^/\s]*)?)")
_FIELD = re.compile(r"(?:Suite|Codename|Date): .*")
_DATE = re.compile(r"[A-Z][a-z]{2}, [ \d]?\d [A-Z][a-z]{2} \d{4} [ \d]?\d:\d\d:\d\d (?:UTC|GMT|[+-]0000)")
_AHEAD_S = 3600
_HOOKS = frozenset({"unattended-upgrades", "update-notifier"})
"""What asks for a reboot after a new kernel, on Debian and on Ubuntu; with neither nobody writes the file."""


class Room(Frozen):
    """How much of a mounted file system is used, in percent: of its bytes, and of its files (0: it has no most)."""

    mount: str
    bytes_used: int
    files_used: int = 0


class UpkeepFacts(Frozen):
    """What one server needs done. A fact is None when it is not known, and then `unknown` says why.

    `reboot_required` is why it asks for a reboot, empty where it does not. `updates` are the packages that would be
    installed, `security_updates` those of them that come from an archive of security updates. `has_security_source` is
    whether apt asks that of its own release, `security_age_s` how long ago that archive made what apt has of it.
    `read_only` are the mounts of disks that cannot be written to.
    """

    host: str
    boot_id: str | None = None
    reboot_required: tuple[str, ...] | None = None
    updates: tuple[str, ...] | None = None
    security_updates: tuple[str, ...] | None = None
    has_security_source: bool | None = None
    security_age_s: int | None = None
    rooms: tuple[Room, ...] | None = None
    read_only: tuple[str, ...] | None = None
    sshd: dict[str, str] | None = None
    unknown: dict[str, str] = {}

    @property
    def is_stale(self) -> bool:
        """Whether an archive of security updates may have what apt has not heard of: its lists are old, or none."""
        return self.security_age_s is None or self.security_age_s > STALE_S

    @property
    def unproved(self) -> str:
        """Return why an empty list of security updates proves nothing after the archives were asked, or nothing."""
        if not self.has_security_source:
            return "apt asks no archive of security updates there, or does not say"
        if self.security_age_s is None:
            return self.unknown.get("security_age_s", "the age of its archive of security updates is not known")
        if self.security_age_s > EXPIRED_S:
            days = self.security_age_s // 86_400
            return f"the newest that its archive of security updates told apt is from {days} days ago"
        return ""


async def gather_upkeep(pool: HostPool, host: str, *, new_marker: Callable[[], str] = fresh_marker) -> UpkeepFacts:
    """Return what a server needs done, in one round trip.

    Raises:
        HostError: the server cannot be reached, or runs no POSIX shell for us.
    """
    marker = new_marker()
    script = packaged("upkeep/upkeep.sh").encode()
    command = HostCommand(("sh", "-s", "--", marker), changes=False, timeout_s=TIMEOUT_S, stdin=script)
    said = await pool.run(host, command, check=True)
    return read_upkeep(host, sections(said.stdout, marker))


def read_upkeep(host: str, found: dict[str, Section]) -> UpkeepFacts:
    """Return the facts in what the script printed; whatever is missing or damaged is unknown, and nothing raises."""
    reading = Reading(found)
    listed = reading.fact("updates", "updates", _updates)
    facts = {
        "boot_id": reading.fact("boot_id", "boot_id", _boot),
        "reboot_required": _reboot(reading),
        "updates": None if listed is None else tuple(listed),
        "security_updates": None if listed is None else tuple(n for n, origin in listed.items() if _secures(origin)),
        **_archives(reading),
        "rooms": _rooms(reading),
        "read_only": reading.fact("read_only", "mounts", _read_only),
        "sshd": reading.fact("sshd", "sshd", _settings),
    }
    return UpkeepFacts.model_validate({"host": host, **facts, "unknown": reading.unknown})


def _boot(text: str) -> str:
    if not _BOOT.fullmatch(text):
        raise ValueError("not the id of a boot")
    return text


def _reboot(reading: Reading) -> tuple[str, ...] | None:
    """A file says so, or a newer kernel lies there; where nobody would write the file its absence says nothing."""
    asked = reading.fact("reboot_required", "reboot_required", _file, good=_MAYBE)
    if asked is None:
        return None
    if asked:
        packages = reading.fact("reboot_packages", "reboot_packages", _file, good=_MAYBE)
        return tuple(dict.fromkeys((packages or "").split())) or ("the system",)
    return reading.fact("reboot_required", "kernel_hooks", partial(_by_kernel, reading), good=_LISTED)


def _by_kernel(reading: Reading, hooks: str) -> tuple[str, ...]:
    kernel = reading.fact("kernel", "kernel", str.strip)
    kernels = reading.fact("kernels", "kernels", _kernels, good=_LISTED)
    if newer := _newer(kernel or "", kernels or ()):
        return (f"kernel {newer}",)
    if not _HOOKS & frozenset(hooks.split()):
        raise Unreadable("nothing there asks for one (package unattended-upgrades, or update-notifier-common)")
    return ()


def _file(text: str) -> str:
    """Return what the file says, which may be nothing, or an empty text where there is none."""
    if re.fullmatch(r"cat: \S+: No such file or directory", text):
        return ""
    if text.startswith("cat: "):
        raise Unreadable(clean_name(text, limit=160))
    return clean_name(text, limit=2000) or "yes"


def _kernels(text: str) -> tuple[str, ...]:
    return tuple(line.removeprefix("vmlinuz-") for line in text.splitlines() if line.startswith("vmlinuz-"))


def _newer(kernel: str, installed: tuple[str, ...]) -> str:
    """Return the newest kernel of the same flavour that is installed and does not run, or an empty text."""
    own = _parts(kernel)
    if own is None or kernel not in installed:
        return ""
    others = [(parts[0], name) for name in installed if (parts := _parts(name)) and parts[1] == own[1]]
    newest = max(others)
    return newest[1] if newest[0] > own[0] else ""


def _parts(kernel: str) -> tuple[tuple[int, ...], str] | None:
    """Return the numbers of a kernel's version and its flavour, such as (6, 1, 0, 37) and `-amd64`."""
    found = _KERNEL.fullmatch(kernel)
    if found is None:
        return None
    flavour = re.sub(r"[0-9]+", "0", found[2])
    return tuple(int(number) for number in re.findall(r"[0-9]+", found[1] + found[2])), flavour


def _updates(text: str) -> dict[str, str]:
    """Return what would be installed, and where from: `Inst NAME [OLD] (NEW LABEL:VERSION/ARCHIVE, ... [ARCH])`."""
    found: dict[str, str] = {}
    for line in filter(None, text.splitlines()):
        told = _UPDATE.fullmatch(line)
        if told is None:
            raise ValueError("not an update")
        found[clean_name(told[1])] = told[2]
    return found


def _secures(origin: str) -> bool:
    """Debian and Ubuntu call their archive of security updates `...-security`; so do Ubuntu's extended ones."""
    return any(place.strip().endswith("-security") for place in origin.split(","))


def _archives(reading: Reading) -> dict[str, bool | int | None]:
    codename = reading.fact("os", "os", _codename)
    made = reading.fact("has_security_source", "releases", partial(_made, codename))
    facts: dict[str, bool | int | None] = {"has_security_source": None if made is None else bool(made)}
    if made:
        clock = reading.fact("clock", "clock", int)
        facts["security_age_s"] = reading.fact("security_age_s", "releases", lambda _: _age(clock, made))
    return facts


def _codename(text: str) -> str:
    told = re.search(r'^VERSION_CODENAME="?([a-z]+)"?$', text, re.MULTILINE)
    if told is None:
        raise Unreadable("it does not say which release it is")
    return told[1]


def _made(codename: str | None, text: str) -> tuple[str, ...]:
    """Return when each archive of security updates of this release made what apt has of it; empty: never fetched.

    Debian calls it so by its codename, Ubuntu by its suite, and sources may name it so before it was ever fetched.
    Others such as Ubuntu's extended ones (`noble-apps-security`) stand in for none.
    """
    if codename is None:
        raise Unreadable("it does not say which release it is")
    return tuple(made for names, made in map(_source, _sources(text)) if f"{codename}-security" in names)


def _sources(text: str) -> list[list[str]]:
    """Return the lines of each source: `source RELEASE`, then those of its release file where there is one."""
    found: list[list[str]] = []
    for line in filter(None, text.splitlines()):
        if line.startswith("source "):
            found.append([line.replace("source ", "Release: ", 1)])
        elif found and _FIELD.fullmatch(line):
            found[-1].append(line)
        else:
            raise ValueError("not sources")
    return found


def _source(lines: list[str]) -> tuple[set[str], str]:
    fields = {name: text.strip() for name, _, text in (line.partition(":") for line in lines)}
    made = fields.pop("Date", "")
    return {*fields.values()}, made


def _age(now: int | None, made: tuple[str, ...]) -> int:
    """Return how old the oldest is: each may have what no other has."""
    if now is None:
        raise Unreadable("its clock could not be read")
    if not all(made):
        raise Unreadable("apt never fetched its archive of security updates")
    ages = [now - int(_moment(one).timestamp()) for one in made]
    if min(ages) < -_AHEAD_S:
        raise Unreadable("its archive of security updates was made later than its clock says that it is")
    return max(0, *ages)


def _moment(text: str) -> datetime:
    """Return the moment in the `Date` of a release file, in the form that apt takes (RFC1123StrToTime of apt)."""
    if not _DATE.fullmatch(text):
        raise ValueError("not a date")
    found = parsedate_to_datetime(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _rooms(reading: Reading) -> tuple[Room, ...] | None:
    """df ends with 1 where one of the file systems cannot be asked, and says so: then no list is complete."""
    disks = reading.fact("rooms", "disks", _used)
    inodes = reading.fact("inodes", "inodes", _used)
    if disks is None:
        return None
    files = inodes or {}
    return tuple(Room(mount=at, bytes_used=used, files_used=files.get(at, 0)) for at, used in sorted(disks.items()))


def _used(text: str) -> dict[str, int]:
    lines = text.splitlines()
    if not lines or not lines[0].startswith("Filesystem"):
        raise ValueError("not what df says")
    return dict(_lines(lines[1:]))


def _lines(lines: list[str]) -> Iterator[tuple[str, int]]:
    for line in lines:
        told = _ROOM.fullmatch(line)
        if told is None:
            raise ValueError("not a line of df")
        if told[1] == _LAYERED and told[6] != "/":
            # the root of a container, which lies on a disk that is listed
            continue
        yield clean_name(told[6]), int(told[5].rstrip("%").replace("-", "0"))


def _read_only(text: str) -> tuple[str, ...]:
    lines = [_MOUNT.fullmatch(line) for line in filter(None, text.splitlines())]
    if not all(lines):
        raise ValueError("not mounts")
    return tuple(sorted({clean_name(told[1]) for told in lines if told and _UNWRITTEN & set(told[2].split(","))}))


def _settings(text: str) -> dict[str, str]:
    """Return what sshd goes by, of the settings that say who may log in and how."""
    told = dict(line.split(" ", 1) for line in text.splitlines() if " " in line)
    missing = [name for name in SSHD if name not in told]
    if missing:
        raise Unreadable(f"sshd does not say {missing[0]}")
    return {name: clean_name(told[name]) for name in SSHD}


SSHD = ("permitrootlogin", "passwordauthentication", "kbdinteractiveauthentication", "permitemptypasswords")
"""Of `sshd -T`; a match block may say otherwise for some, which is not looked at."""
