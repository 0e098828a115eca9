"""backup_coolify is killed with SIGKILL before, in and after every step; the next process finishes it: one backup."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.engine.aftermath import kept, once, workflows
from tests.engine.killing import CHECKPOINT, Moment, Scene, at_once, begin_forking

WALK = {
    "backup": [Moment("before", "factory.backup_coolify"), Moment("reached", "ink-backup make")],
    "made": [Moment("after", "factory.backup_coolify"), Moment("statement", CHECKPOINT, "backup")],
    "copy": [Moment("before", "factory.copy_backup"), Moment("reached", "place write part")],
    "named": [Moment("reached", "place rename")],
    "copied": [Moment("after", "factory.copy_backup"), Moment("statement", CHECKPOINT, "copy")],
    "drill": [Moment("before", "factory.rehearse"), Moment("reached", "ink-backup rehearse")],
    "proved": [Moment("after", "factory.rehearse"), Moment("statement", CHECKPOINT, "drill")],
}


@pytest.fixture(scope="module", autouse=True)
def forks() -> None:
    """Have processes forked from one that has imported everything already."""
    begin_forking()


@pytest.mark.anyio
@pytest.mark.parametrize("where", WALK)
async def test_a_killed_backup_is_finished_by_the_next_process(tmp_path: Path, where: str) -> None:
    """One backup of that operation and one copy of it, proved by a drill of it, whenever the first process dies."""

    async def die_and_succeed(it: Scene, dies: Moment) -> None:
        before = it.world.read().coolify.factory
        await it.kill("backup_coolify", {"drill": True}, dies=dies)
        await it.succeed()

        disk = it.world.read().coolify.factory
        assert (dies, len(disk.kept), len(before.kept)) == (dies, 2, 1)
        box = it.world.read().place
        there = [name for name in box.files if disk.kept[-1].name in name]
        assert (dies, len(there), len(box.files)) == (dies, 1, 2)
        assert disk.drill is not None
        assert (dies, disk.drill.backup, disk.drill.sum) == (dies, disk.kept[-1].name, disk.kept[-1].sum)
        assert (dies, kept(it.folder), workflows(it.folder)) == (dies, [replace(once(), approval="")], ["SUCCESS"])

    await at_once(tmp_path, WALK[where], die_and_succeed)
