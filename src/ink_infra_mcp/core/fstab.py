"""The line of fstab for /data: which options may stand in it, and what it shall be."""

import re
from collections.abc import Iterable
from itertools import filterfalse

from ink_infra_mcp.core.plan import Frozen

BY_ID = "/dev/disk/by-id/"
DATA = "/data"
WANTED = ("discard", "nofail", "x-systemd.device-timeout=30s")
"""A boot goes on without the disk after half a minute; Docker does not, by its drop-in."""
_DEFAULTS = frozenset({"defaults", "rw", "auto", "nofail", "discard"})
_KEPT = re.compile(r"noatime|relatime|lazytime|errors=remount-ro|commit=\d{1,3}")
_TIMEOUT = re.compile(r"x-systemd\.device-timeout=\d{1,4}s?")
_AUTOMOUNT = re.compile(r"/mnt/HC_Volume_\d{1,12}")
"""Where Hetzner's own udev rule mounts a volume (hetznercloud/hc-utils)."""


class Entry(Frozen):
    """A line of fstab that is about /data or the disk."""

    source: str
    target: str
    type: str
    options: tuple[str, ...]


def entry_of(line: str) -> Entry:
    """Return a line as it was told: source, target, type and options.

    Raises:
        ValueError: it is not that.
    """
    source, target, type_, options = line.split(" ")
    return Entry(source=source, target=target, type=type_, options=tuple(options.split(",")))


def is_automount(target: str) -> bool:
    """Return whether that is where the cloud mounts a volume by itself."""
    return bool(_AUTOMOUNT.fullmatch(target))


def unfit(entries: Iterable[Entry], disk: str) -> list[str]:
    """Return why fstab cannot be brought to the one line; empty where it can."""
    return [why for entry in entries if (why := _unfit(entry, disk))]


def _unfit(entry: Entry, disk: str) -> str:
    if entry.source != f"{BY_ID}{disk}":
        return f"fstab mounts {entry.source} at {entry.target}"
    if is_automount(entry.target):
        return ""
    return _unfit_data(entry) if entry.target == DATA else f"fstab mounts the disk at {entry.target}"


def _unfit_data(entry: Entry) -> str:
    if entry.type != "ext4":
        return f"fstab has the type {entry.type} for it"
    odd = [*filterfalse(_is_good, entry.options)]
    return f"fstab has the options {', '.join(odd)} for it, which nobody here knows" if odd else ""


def _is_good(option: str) -> bool:
    return option in _DEFAULTS or bool(_KEPT.fullmatch(option) or _TIMEOUT.fullmatch(option))


def line_of(entries: Iterable[Entry]) -> str:
    """Return the line behind its source: what is wanted, and the good options that stand there already."""
    there = [option for entry in entries if entry.target == DATA for option in entry.options]
    timeout = next(filter(_TIMEOUT.fullmatch, there), WANTED[2])
    options = (*WANTED[:2], timeout, *dict.fromkeys(filter(_KEPT.fullmatch, there)))
    return f"{DATA} ext4 {','.join(options)} 0 0"


def is_so(entries: tuple[Entry, ...]) -> bool:
    """Return whether there is the one line for /data, and with it a boot waits for the disk in bounds."""
    if len(entries) != 1 or entries[0].target != DATA:
        return False
    options = entries[0].options
    return "nofail" in options and any(map(_TIMEOUT.fullmatch, options))
