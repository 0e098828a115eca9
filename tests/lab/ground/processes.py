"""Processes that outlive whoever started them: found again by a record, and never mistaken for another's."""

import os
import select
import signal
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from tests.lab.ground.commands import LabError, Word, said, until

DAEMON = Path(__file__).with_name("daemon.sh")
START_S = 40.0


def start_time(pid: int) -> str:
    """Return when a process began, in ticks since boot; empty if there is none. No two have number and start alike."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return status.rpartition(")")[2].split()[19]


def recorded(record: Path) -> int | None:
    """Return the process that a record names, if it still runs."""
    try:
        pid, began = record.read_text(encoding="ascii").split()
    except (OSError, ValueError):
        return None
    return int(pid) if start_time(int(pid)) == began else None


def spawn(words: Sequence[Word], *, record: Path, log: Path, groups: Iterable[Path] = ()) -> None:
    """Start a program that nobody waits for: a child of no one, in the given control groups, its words in `log`.

    Raises:
        LabError: it did not even begin.
    """
    record.unlink(missing_ok=True)
    said("setsid", "--fork", "/bin/sh", DAEMON, record, log, " ".join(map(str, groups)), *words)
    until(record.exists, what=f"{words[0]} did not start; see {log}", limit_s=START_S)


def end(record: Path, number: signal.Signals = signal.SIGKILL) -> None:
    """Send a signal to the process that a record names; one that is gone is well."""
    pid = recorded(record)
    if pid is not None:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def end_with_children(record: Path, *, limit_s: float) -> None:
    """End a process together with those that it has started and that are still its children.

    Raises:
        LabError: one of them is still there after `limit_s` seconds.
    """
    pid = recorded(record)
    if pid is None:
        return
    # stopped first, so that it starts nothing more while its children are counted
    end(record, signal.SIGSTOP)
    try:
        children = [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]
    except OSError:
        children = []
    for each in (pid, *children):
        with suppress(ProcessLookupError):
            os.kill(each, signal.SIGKILL)
    wait_gone((pid, *children), limit_s=limit_s)


def wait_gone(pids: Iterable[int], *, limit_s: float) -> None:
    """Wait until none of the processes runs any more.

    Raises:
        LabError: one still does.
    """
    for pid in pids:
        try:
            handle = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        try:
            if not select.select([handle], [], [], limit_s)[0]:
                raise LabError(f"process {pid} does not end")
        finally:
            os.close(handle)
