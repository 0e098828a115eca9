"""Whether an executor lives is what the kernel says of its lock: true while its process runs, false after."""

import os
import signal
import stat
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ink_infra_mcp.core.errors import StateUnavailable
from ink_infra_mcp.state.owners import FileOwners, owners_of
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


def test_what_killed_processes_left_is_swept_away_and_the_living_are_not(tmp_path: Path) -> None:
    """Who comes next removes the files whose lock nobody holds, and no other one."""
    with owner_process(tmp_path, "ex-living"):
        for name in ("ex-killed.lock", "ex-older.lock", "note.txt"):
            (tmp_path / name).touch()
        with owners(tmp_path) as here:
            left = sorted(file.name for file in tmp_path.iterdir())
            assert here.alive("ex-living")
    assert left == ["ex-here.lock", "ex-living.lock", "note.txt"]


def test_processes_that_come_and_sweep_at_once_all_live(tmp_path: Path) -> None:
    """A file that another one swept away before it was locked is made anew: nobody holds a lock that nobody can see."""
    failed: list[str] = []

    def come(number: int) -> None:
        for turn in range(20):
            executor = f"ex-{number}-{turn}"
            with owners(tmp_path, executor) as here, owners(tmp_path, f"{executor}-other") as other:
                if not (here.alive(other.executor) and other.alive(here.executor)):
                    failed.append(executor)

    threads = [threading.Thread(target=come, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert (failed, list(tmp_path.iterdir())) == ([], [])


def test_an_id_that_another_process_has_is_not_taken(tmp_path: Path) -> None:
    """Two processes are never one executor."""
    with (
        owner_process(tmp_path, "ex-there"),
        pytest.raises(StateUnavailable, match="cannot be used: ex-there is in use"),
    ):
        FileOwners(tmp_path, "ex-there")


def test_the_files_lie_beside_the_store(tmp_path: Path) -> None:
    """Every process that opens the same store sees the same owners, wherever else its own folders are."""
    here = owners_of(f"sqlite:///{tmp_path}/state.sqlite3", "ex-here")
    try:
        assert [file.name for file in (tmp_path / "owners").iterdir()] == ["ex-here.lock"]
    finally:
        here.close()
