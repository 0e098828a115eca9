"""The world's file: one state for all processes, and a clear word about a file of another version."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from ink_infra_mcp.sandbox.running import open_world
from ink_infra_mcp.sandbox.world import World, WorldUnreadable


def _change_and_fail(world: World) -> None:
    with world.change() as state:
        state.journal.append("lost")
        raise RuntimeError


def test_two_who_open_one_file_see_one_world(tmp_path: Path) -> None:
    """What one process changes is there for the other, and a change that raises leaves nothing."""
    one, other = open_world(tmp_path / "world.db"), open_world(tmp_path / "world.db")
    with one.change() as state:
        state.journal.append("kept")
    with pytest.raises(RuntimeError):
        _change_and_fail(other)

    assert other.read().journal == one.read().journal == ["kept"]


def test_a_world_of_another_version_is_named(tmp_path: Path) -> None:
    """A file that an older or newer version wrote is not guessed at."""
    path = tmp_path / "world.db"
    world = open_world(path)
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("update world set state = ?", ('{"began": 1, "unknown": true}',))

    with pytest.raises(WorldUnreadable, match="another version"):
        world.read()


def test_a_forgotten_world_is_seeded_anew(tmp_path: Path) -> None:
    """--fresh begins with the seed."""
    path = tmp_path / "world.db"
    with open_world(path).change() as state:
        state.journal.append("old")
    World.forget(path)

    assert open_world(path).read().journal == []
