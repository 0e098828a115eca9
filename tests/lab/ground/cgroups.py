"""The control groups of the lab, on either version: what a server's processes are in, are frozen and ended by."""

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

from tests.lab.ground.commands import until
from tests.lab.ground.processes import wait_gone

ROOT = Path("/sys/fs/cgroup")
V1 = ("cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "blkio", "pids", "systemd")
SERVICES = "services"
"""The group of what serves the lab and belongs to no server: supervisors, registry, packages."""
END_S = 60.0


def hierarchies() -> tuple[Path, ...]:
    """Return the roots of the control groups: one with version 2 (not tried yet), several with 1."""
    if (ROOT / "cgroup.controllers").exists():
        return (ROOT,)
    return tuple(ROOT / name for name in V1 if (ROOT / name).is_dir())


def folders(prefix: str, name: str = "") -> tuple[Path, ...]:
    """Return the folders of a group, or of all groups of a lab."""
    return tuple(root / prefix / name for root in hierarchies())


def make(prefix: str, name: str) -> tuple[Path, ...]:
    """Make the group of a server, or of the services, and return its folders."""
    for root in hierarchies():
        for folder in (root / prefix, root / prefix / name):
            if not folder.exists():
                folder.mkdir()
                _prepare(root, folder, whole=folder.name == prefix)
    return folders(prefix, name)


def members(prefix: str, name: str = "") -> set[int]:
    """Return the processes in a group and in those below it."""
    found: set[int] = set()
    for folder in folders(prefix, name):
        for file in folder.rglob("cgroup.procs"):
            with suppress(OSError):
                found |= {int(pid) for pid in file.read_text(encoding="ascii").split()}
    # 0 stands for a process that is not of our process namespace
    return found - {0}


def end_all(prefix: str, name: str = "") -> None:
    """Kill all that is in a group: whatever is there is the lab's, also when its record is lost."""
    thaw_all(prefix, name)
    pids = members(prefix, name)
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    wait_gone(pids, limit_s=END_S)


def remove(prefix: str, name: str = "") -> None:
    """Remove a group with those below it. The kernel lets go of one a moment after its last process.

    Raises:
        LabError: a process is still in it.
    """
    for folder in _deepest_first(prefix, name):
        until(partial(_removed, folder), what=f"{folder} is still in use", limit_s=END_S)


def freeze(prefix: str, name: str, *, on: bool) -> None:
    """Stop all processes of a server where they are, or let them go on: the kernel still answers, nothing else does."""
    for folder in folders(prefix, name):
        old, new = folder / "freezer.state", folder / "cgroup.freeze"
        if name and old.exists():
            old.write_text("FROZEN" if on else "THAWED", encoding="ascii")
        elif name and new.exists():
            new.write_text("1" if on else "0", encoding="ascii")


def thaw_all(prefix: str, name: str) -> None:
    """Let go of what is frozen, a group or one below it: with version 1 not even SIGKILL reaches it."""
    for folder in folders(prefix, name):
        for state in folder.rglob("freezer.state"):
            state.write_text("THAWED", encoding="ascii")


def _prepare(root: Path, folder: Path, *, whole: bool) -> None:
    if root == ROOT:
        _hand_down(folder.parent)
    if root.name == "cpuset":
        for name in ("cpuset.cpus", "cpuset.mems"):
            (folder / name).write_text((folder.parent / name).read_text(encoding="ascii"), encoding="ascii")
    if root.name == "devices" and not whole:
        # This machine's own disk is out of a server's reach. Reading and writing only: without the right to make
        # nodes Docker's own rule `b *:* m` is refused.
        disk = os.stat("/").st_dev
        (folder / "devices.deny").write_text(f"b {os.major(disk)}:* rw", encoding="ascii")


def _hand_down(folder: Path) -> None:
    for controller in (folder / "cgroup.controllers").read_text(encoding="ascii").split():
        with suppress(OSError):
            (folder / "cgroup.subtree_control").write_text(f"+{controller}", encoding="ascii")


def _deepest_first(prefix: str, name: str) -> Iterator[Path]:
    for top in folders(prefix, name):
        for folder, _, _ in os.walk(top, topdown=False):
            yield Path(folder)


def _removed(folder: Path) -> bool:
    try:
        folder.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True
