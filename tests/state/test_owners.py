"""Whether an executor lives is what the kernel says of its lock: true while its process runs, false after."""

import os
import signal
import stat
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ink_infra_mcp.core.errors import StateUnavailable
from ink_infra_mcp.state.owners import FileOwners
from tests.state.owner_process import CHILD, owner_process


@contextmanager
def owners(folder: Path, executor: str = "ex-here") -> Generator[FileOwners]:
    """Give the owners as this process sees them."""
    here = FileOwners(folder, executor)
    try:
        yield here
    finally:
        here.close()


def test_a_killed_process_is_dead_at_once(tmp_path: Path) -> None:
    """Another process lives until it is killed without a chance to clean up; asking changes nothing."""
    with owners(tmp_path) as here, owner_process(tmp_path, "ex-there") as there:
        assert [here.alive("ex-there") for _ in range(3)] == [True, True, True]
        there.kill()
        there.wait(timeout=10)
        assert [here.alive("ex-there") for _ in range(2)] == [False, False]


def test_a_process_that_ends_well_is_dead(tmp_path: Path) -> None:
    """One that closes lets go of its id and leaves no file behind."""
    with owners(tmp_path) as here, owner_process(tmp_path, "ex-there") as there:
        there.communicate(timeout=10)
        assert not here.alive("ex-there")
        assert [file.name for file in tmp_path.iterdir()] == ["ex-here.lock"]


def test_a_process_that_hangs_still_lives(tmp_path: Path) -> None:
    """A stopped process may go on at any time, so that nobody may take its operations."""
    with owners(tmp_path) as here, owner_process(tmp_path, "ex-there") as there:
        os.kill(there.pid, signal.SIGSTOP)
        assert here.alive("ex-there")


def test_what_a_process_started_does_not_keep_it_alive(tmp_path: Path) -> None:
    """The lock does not pass to children: an ssh or git that outlives its dead owner holds nothing."""
    with owners(tmp_path) as here, owner_process(tmp_path, "ex-there", CHILD) as there:
        assert there.stdout is not None
        child = int(there.stdout.readline())
        there.kill()
        there.wait(timeout=10)
        try:
            os.kill(child, 0)
            assert not here.alive("ex-there")
        finally:
            os.kill(child, signal.SIGKILL)


def test_a_process_lives_to_itself_and_unknown_ones_do_not(tmp_path: Path) -> None:
    """Who asks is alive; an id that no process ever had, or an empty one, is dead."""
    with owners(tmp_path) as here, owners(tmp_path, "ex-other") as other:
        assert here.alive("ex-here")
        assert (here.alive("ex-other"), other.alive("ex-here")) == (True, True)
        assert not here.alive("ex-never")
        assert not here.alive("")


def test_the_lock_files_are_ours_alone(tmp_path: Path) -> None:
    """Other users can neither hold nor see them."""
    with owners(tmp_path / "owners"):
        modes = [stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "owners", tmp_path / "owners/ex-here.lock")]
    assert modes == [0o700, 0o600]


def test_a_folder_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    """Without a place for the lock nothing begins, and the message says where and why."""
    (tmp_path / "owners").write_text("a file", encoding="utf-8")
    with pytest.raises(StateUnavailable, match=r"owners cannot be used: File exists\. Nothing was changed\."):
        FileOwners(tmp_path / "owners", "ex-here")
