"""The part `data_disk`: /data on a disk of its own, named by its id, and Docker that never starts without it."""

from collections.abc import Iterator
from itertools import filterfalse

from ink_infra_mcp.areas.factory.moves import (
    BACK,
    LOST,
    ONLY_UNTIL,
    UNTIL,
    Asked,
    Planned,
    checked,
    common_reasons,
    lasting,
    needed_kb,
    orders_of,
    shown,
)
from ink_infra_mcp.core.fstab import BY_ID, DATA, Entry, entry_of, is_automount, is_so, line_of, unfit
from ink_infra_mcp.core.operation import Check
from ink_infra_mcp.core.plan import Change, Step
from ink_infra_mcp.hosts.factory.disks import Disk, Ground, is_whole

STEP = "data_disk"
FORMAT, MOVE, GUARD = "factory.format_and_move", "factory.move_to_disk", "factory.guard_data"
FILE_SYSTEM = "ext4"
_FORMATS = {
    "none": "",
    "blank": "format {} with ext4, ",
    "erase": "ERASE {}, format it with ext4, ",
}
_METADATA = 0.93
"""How much of a disk ext4 leaves for files, with inodes and journal taken off."""


def reasons(asked: Asked, ground: Ground) -> Iterator[str]:
    """Yield every reason not to begin."""
    disk = _disk(ground)
    if not disk.there:
        yield f"{_not_there(asked.disk)}; there are: {', '.join(ground.names) or 'none'}"
        return
    yield from common_reasons(ground)
    yield from _of_disk(disk)
    yield from _of_data(ground, disk)
    yield from unfit(_entries(ground), disk.name)
    if not _is_there(ground, disk):
        yield from _of_content(asked, disk)
        yield from _of_room(ground, disk)


def _not_there(name: str) -> str:
    if not name:
        return f"it takes the disk's name below {BY_ID}"
    return f"there is no {BY_ID}{name}" if is_whole(name) else f"{name} is not the name of a whole disk below {BY_ID}"


def _of_disk(disk: Disk) -> Iterator[str]:
    if (disk.kind, disk.children) != ("disk", 0):
        yield f"{disk.name} is no whole disk without parts (it is a {disk.kind}, with {disk.children} in it)"
    if disk.read_only:
        yield f"{disk.name} can only be read"
    if strange := [*filterfalse(_is_good_place, disk.used_at)]:
        yield f"{disk.name} is mounted at {', '.join(strange)}"


def _is_good_place(place: str) -> bool:
    return place == DATA or is_automount(place)


def _of_data(ground: Ground, disk: Disk) -> Iterator[str]:
    if ground.data == "other":
        yield f"{DATA} is a link or a file"
    if ground.data == "mount" and not _is_there(ground, disk):
        yield f"something else than the whole ext4 of that disk is mounted at {DATA} already"
    if ground.data == "folder":
        yield from (f"something is mounted at {place}" for place in ground.below)


def _of_content(asked: Asked, disk: Disk) -> Iterator[str]:
    if not (_is_empty(disk) or asked.erase):
        yield f"{disk.name} holds {_held(disk)}: say erase=true to lose that"


def _held(disk: Disk) -> str:
    if disk.signs == FILE_SYSTEM and disk.entries:
        return f"a file system with {disk.entries} things in it"
    return disk.signs or "data that no reader of disks knows"


def _of_room(ground: Ground, disk: Disk) -> Iterator[str]:
    if ground.data == "absent":
        return
    if ground.data_kb is None or ground.data_entries is None:
        yield f"the size of {DATA} is not known"
    elif (wanted := needed_kb(ground.data_kb)) > (has := _room_kb(disk)):
        yield f"{DATA} takes {shown(wanted)} with some to spare, and {disk.name} has room for {shown(has)}"


def _room_kb(disk: Disk) -> int:
    return int(disk.size / 1024 * _METADATA)


def room_kb(asked: Asked, ground: Ground) -> int | None:
    """Return how much more the disk will hold once /data is there; None: not known."""
    if ground.data == "mount":
        return ground.free_kb
    return _room_kb(_disk(ground)) - (ground.data_kb or 0) if asked.disk else None


def _is_empty(disk: Disk) -> bool:
    """Return whether nothing is lost: no reader finds anything on it, or an ext4 that holds nothing."""
    return disk.blank or (disk.signs == FILE_SYSTEM and disk.type == FILE_SYSTEM and disk.entries == 0)


def _is_there(ground: Ground, disk: Disk) -> bool:
    return ground.data == "mount" and bool(disk.number) and ground.data_number == disk.number


def planned(asked: Asked, ground: Ground) -> Planned:
    """Return the one step, whose unit on the Factory does all of it; none where it is so."""
    disk, entries = _disk(ground), _entries(ground)
    if not _is_there(ground, disk):
        return _moving(asked, ground, disk)
    if is_so(entries) and ground.guarded:
        return Planned(
            so=f"{disk.name} is mounted at {DATA} and in fstab by its id, and Docker does not start without it"
        )
    words = {**_orders(ground, disk), "copy": "no", "format": "none"}
    step = _step(
        asked,
        GUARD,
        f"Have {asked.host} mount {disk.name} at {DATA} by its id, and keep Docker from starting without it",
        words,
        entries,
    )
    return Planned(steps=(step,), keeps=(f"all that is in {DATA}: nothing is copied, formatted or stopped",))


def _moving(asked: Asked, ground: Ground, disk: Disk) -> Planned:
    how = _how(disk)
    words = {**_orders(ground, disk), "copy": "yes", "format": how}
    lost = f"all that is on {disk.name} ({disk.signs or 'unknown data'}) is lost for good" if how == "erase" else ""
    kept = (
        f"{DATA} from before, as {DATA}.before-<operation>: it takes its room until somebody removes it, and the "
        "way back with it"
    )
    step = _step(asked, MOVE if how == "none" else FORMAT, _summary(asked, ground, disk), words, _entries(ground))
    return Planned(
        steps=(step if ground.bare is None else step.model_copy(update={"undo_words": UNTIL}),),
        stops="; ".join(filter(None, (lost, _stops(asked, ground)))),
        keeps=(kept,) if ground.data == "folder" else (),
        warnings=(LOST,) if ground.bare is None else (ONLY_UNTIL,),
        phrase="" if how == "none" else disk.name,
    )


def _summary(asked: Asked, ground: Ground, disk: Disk) -> str:
    begin = f"Have {asked.host} {_FORMATS[_how(disk)].format(disk.name)}"
    if ground.data == "absent":
        return f"{begin}mount {disk.name} at {DATA}, where nothing is yet; unless that comes to its end, it goes back"
    still = "with Docker stopped" if ground.bare is None else "where no Docker is yet"
    return (
        f"{begin}copy {DATA} onto {disk.name} ({shown(ground.data_kb or 0)}, {ground.data_entries or 0} entries) "
        f"{still}, compare both, and mount it there; unless all of it is the same and serves, it goes back by itself"
    )


def _stops(asked: Asked, ground: Ground) -> str:
    """Where there is no Docker, nothing stops."""
    if ground.bare is not None:
        return ""
    how_long = lasting(ground.data_kb or 0, ground.data_entries or 0)
    return f"Coolify and every container on {asked.host} stop for {how_long}"


def _how(disk: Disk) -> str:
    """Return how the disk is made ready: an empty ext4 is used as it is."""
    if disk.blank:
        return "blank"
    return "none" if _is_empty(disk) else "erase"


def _orders(ground: Ground, disk: Disk) -> dict[str, str]:
    return {
        "kind": "data",
        "disk": disk.name,
        "size": str(disk.size),
        "signs": disk.signs,
        "used_at": " ".join(disk.used_at),
        "data": ground.data,
        "line": line_of(_entries(ground)),
        **orders_of(ground),
    }


def _step(asked: Asked, kind: str, summary: str, words: dict[str, str], entries: tuple[Entry, ...]) -> Step:
    before = "; ".join(f"{entry.source} {entry.target} {','.join(entry.options)}" for entry in entries)
    return Step(
        id=STEP,
        kind=kind,
        target=asked.host,
        summary=summary,
        servers=(asked.host,),
        changes=(
            Change(name="/etc/fstab", before=before or None, after=f"{BY_ID}{words['disk']} {words['line']}"),
            Change(
                name="docker.service and containerd.service", after=f"start only with {DATA} mounted (ink-data.conf)"
            ),
        ),
        params={"host": asked.host, "part": "data", "orders": {**words}},
        undo_words=BACK,
    )


def checks(asked: Asked, ground: Ground) -> Iterator[Check]:
    """Yield what is true afterwards, of a look that was made anew."""
    disk, entries = _disk(ground), _entries(ground)
    yield checked("data_disk", _is_there(ground, disk), f"{DATA} is a {ground.data}; asked for: {asked.disk}")
    fixed = is_so(entries) and not unfit(entries, asked.disk)
    yield checked("fstab", fixed, f"lines about it: {' | '.join(ground.lines) or 'none'}")
    yield checked("guard", ground.guarded, f"Docker starts only with {DATA} mounted: {ground.guarded}")


def is_fixed(ground: Ground) -> bool:
    """Return whether fstab has the one line for /data, with the name of a whole disk that no boot gives to another."""
    entries = tuple(entry for entry in _entries(ground) if entry.target == DATA)
    return is_so(entries) and all(map(is_whole, (entry.source.removeprefix(BY_ID) for entry in entries)))


def _disk(ground: Ground) -> Disk:
    return ground.disk or Disk(name="", there=False)


def _entries(ground: Ground) -> tuple[Entry, ...]:
    return tuple(map(entry_of, ground.lines))
