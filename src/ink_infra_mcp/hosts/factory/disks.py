"""A move of the Factory's data onto a disk as the unit there does it: one script, its verbs, and what it says."""

import re
from collections.abc import Iterable, Mapping

from ink_infra_mcp.core.permit import Permit
from ink_infra_mcp.core.plan import Frozen
from ink_infra_mcp.core.untrusted import clean_name
from ink_infra_mcp.hosts.factory.unit_script import ANY, UnitScript
from ink_infra_mcp.ssh.pool import HostPool

STAGE = "disk"
UNTOUCHED = "Nothing that is in service was touched."
VERB_S = 900.0
"""`look` counts what there is to copy, which takes its time on a full disk."""
SCRIPT = UnitScript(
    name="disk",
    stage=STAGE,
    subject="its disks",
    does_not="does not move its data",
    folder="/var/lib/ink-infra/disk",
    untouched=UNTOUCHED,
    reads=frozenset({"look"}),
    verb_s=VERB_S,
)
ENDED = frozenset({"done", "reverted", "refused"})
NAME = re.compile(r"(?:scsi|ata|nvme|wwn|virtio|google)-[A-Za-z0-9_][A-Za-z0-9_.:+-]{0,120}")
"""Names below /dev/disk/by-id of whole disks, as systemd's 60-persistent-storage.rules makes them, and clouds'."""
PART = re.compile(r".*-part\d+")
_KINDS = frozenset({"folder", "mount", "absent", "other"})
_STATES = frozenset({"", "prepared", "moving", "switching", "started", "reverting", *ENDED})
_SUM = re.compile(r"[0-9a-f]{64}|none")
_NUMBER = re.compile(r"\d{1,18}")


class Move(Frozen):
    """How far a move is: `state` is empty where the Factory knows none of that name; `seconds` is how long it stood."""

    state: str = ""
    why: str = ""
    seconds: int | None = None
    untrusted_log: tuple[str, ...] = ()


class Disk(Frozen):
    """A disk by its name below /dev/disk/by-id: what lsblk, wipefs and blkid say, sizes in bytes.

    `blank` is known only where no reader finds anything and its beginning is zero. `entries` is how many things the
    root of its ext4 holds, None where that is not known.
    """

    name: str
    there: bool
    kind: str = ""
    size: int = 0
    read_only: bool = False
    number: str = ""
    children: int = 0
    signs: str = ""
    type: str = ""
    blank: bool = False
    used_at: tuple[str, ...] = ()
    entries: int | None = None


class Settings(Frozen):
    """A settings file as it is: its SHA-256, `none` where there is none. Its text may hold others' secrets."""

    sha256: str = "none"
    text: str = ""


class Engine(Frozen):
    """Docker there: where it keeps its data, `store` as it tells of it, sizes in KiB; None is not known."""

    root: str
    store: str = ""
    kb: int | None = None
    entries: int | None = None
    containerd_kb: int | None = None
    below: tuple[str, ...] = ()
    running: int = 0
    coolify: str = ""
    deployments: int | None = None
    daemon: Settings = Settings()
    config: Settings = Settings()


class Bare(Frozen):
    """A server without Docker: what there is of one all the same, and the settings that one would begin with."""

    remains: tuple[str, ...] = ()
    daemon: Settings = Settings()
    config: Settings = Settings()


class Ground(Frozen):
    """What a move would meet. `data` is what /data is: folder, mount, absent or other.

    `engine` None: there is no Docker, and then `bare` says what there is instead, or it does not answer.
    `lines` are those of fstab that are about /data or the disk: source, target, type and options.
    """

    names: tuple[str, ...] = ()
    disk: Disk | None = None
    lines: tuple[str, ...] = ()
    data: str
    data_number: str = ""
    below: tuple[str, ...] = ()
    data_kb: int | None = None
    data_entries: int | None = None
    free_kb: int | None = None
    guarded: bool = False
    missing: str = ""
    under_way: str = ""
    engine: Engine | None = None
    bare: Bare | None = None
    unknown_engine: bool = False


class Orders(Frozen):
    """What the unit shall do, word by word; the values hold nothing that a shell or a pattern reads."""

    words: Mapping[str, str]

    def lines(self) -> str:
        """Return the orders as the script reads them."""
        return SCRIPT.orders(self.words)


async def look(pool: HostPool, host: str, name: str) -> Move:
    """Return how far a move is.

    Raises:
        HostError: the Factory cannot be reached, or its answer is not understood.
    """
    return read_move(host, await SCRIPT.facts(pool, host, "look", name))


async def ground(pool: HostPool, host: str, disk: str = "") -> Ground:
    """Return what a move would meet on the Factory now, onto the disk of that name where one is given.

    Raises:
        HostError: as with `look`.
    """
    return read_ground(host, disk, await SCRIPT.facts(pool, host, "look", ANY, *((disk,) if disk else ())))


async def act(pool: HostPool, host: str, verb: str, name: str, *, permit: Permit, orders: Orders | None = None) -> None:
    """Have the script do one thing, `prepare` or `start`. Each may be done twice.

    Raises:
        StepFailed: it does not, and nothing was changed.
        HostError: the Factory cannot be reached, or broke off: a look tells how far it is.
    """
    await SCRIPT.act(pool, host, verb, name, permit=permit, data=orders.lines() if orders else "")


def read_move(host: str, facts: Iterable[tuple[str, str]]) -> Move:
    """Return the move that the script tells of.

    Raises:
        HostError: its answer is not understood.
    """
    told = dict(facts)
    state = told.get("state", "?")
    if state not in _STATES:
        raise SCRIPT.not_understood(host)
    return Move(
        state=state,
        why=clean_name(SCRIPT.decoded(host, told.get("why", "")).strip(), limit=300),
        seconds=_number(told.get("seconds", "")),
        untrusted_log=tuple(SCRIPT.decoded(host, told.get("said", "")).splitlines()),
    )


def read_ground(host: str, disk: str, facts: Iterable[tuple[str, str]]) -> Ground:
    """Return what a move would meet, of what the script tells.

    Raises:
        HostError: its answer is not understood.
    """
    lines = list(facts)
    told = {"guard": "?", "missing": "?", "docker": "unknown", **dict(lines)}
    data, _, number = told.get("data", "").partition(" ")
    kb, entries = _size(told.get("data_size", ""))
    if data not in _KINDS or told["guard"] not in ("yes", "no"):
        raise SCRIPT.not_understood(host)
    return Ground(
        names=tuple(sorted(filter(is_whole, _all(lines, "name")))),
        disk=_disk(disk, told),
        lines=tuple(clean_name(line, limit=300) for line in _all(lines, "line")),
        data=data,
        data_number=number,
        below=_words(told.get("below", "")),
        data_kb=kb,
        data_entries=entries,
        free_kb=_number(told.get("data_free", "")),
        guarded=told["guard"] == "yes",
        missing=clean_name(told["missing"]),
        under_way=clean_name(told.get("under_way", "")),
        engine=_engine(host, told),
        bare=_bare(host, told),
        unknown_engine=told["docker"] == "unknown",
    )


def _all(lines: Iterable[tuple[str, str]], kind: str) -> Iterable[str]:
    return (rest for first, rest in lines if first == kind)


def _words(text: str) -> tuple[str, ...]:
    return tuple(map(clean_name, text.split()))


def is_whole(name: str) -> bool:
    """Return whether that can be the name of a whole disk below /dev/disk/by-id."""
    return bool(NAME.fullmatch(name)) and not PART.fullmatch(name)


def _disk(name: str, told: Mapping[str, str]) -> Disk | None:
    if not name:
        return None
    if told.get("disk", "missing") == "missing":
        return Disk(name=name, there=False)
    kind, size, read_only, number = (*told["disk"].split(), "", "", "", "")[:4]
    return Disk(
        name=name,
        there=True,
        kind=clean_name(kind),
        size=_number(size) or 0,
        read_only=read_only != "0",
        number=clean_name(number),
        children=_number(told.get("children", "")) or 0,
        signs=clean_name(told.get("signs", "?")),
        type=clean_name(told.get("type", "")),
        blank=told.get("blank") == "yes",
        used_at=_words(told.get("used_at", "?")),
        entries=_number(told.get("entries", "")),
    )


def _engine(host: str, told: Mapping[str, str]) -> Engine | None:
    root = told.get("docker", "unknown")
    if root in ("none", "unknown"):
        return None
    kb, entries = _size(told.get("docker_size", ""))
    return Engine(
        root=clean_name(root),
        store=clean_name(SCRIPT.decoded(host, told.get("store", "")).strip(), limit=2_000),
        kb=kb,
        entries=entries,
        containerd_kb=_size(told.get("containerd_size", ""))[0],
        below=_words(told.get("docker_below", "")),
        running=_number(told.get("running", "")) or 0,
        coolify=clean_name(told.get("coolify", "")),
        deployments=_number(told.get("deployments", "")),
        daemon=_settings(host, told.get("daemon", "")),
        config=_settings(host, told.get("config", "")),
    )


def _bare(host: str, told: Mapping[str, str]) -> Bare | None:
    if told["docker"] != "none":
        return None
    return Bare(
        remains=_words(told.get("remains", "?")),
        daemon=_settings(host, told.get("daemon", "")),
        config=_settings(host, told.get("config", "")),
    )


def _settings(host: str, text: str) -> Settings:
    sum_, _, rest = text.partition(" ")
    if not _SUM.fullmatch(sum_):
        raise SCRIPT.not_understood(host)
    return Settings(sha256=sum_, text=SCRIPT.decoded(host, rest))


def _size(text: str) -> tuple[int | None, int | None]:
    kb, _, entries = text.partition(" ")
    return _number(kb), _number(entries)


def _number(text: str) -> int | None:
    return int(text) if _NUMBER.fullmatch(text) else None
