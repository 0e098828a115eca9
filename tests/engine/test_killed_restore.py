"""restore_coolify is killed with SIGKILL on its way; the next process goes on, and the Factory restores once."""

from pathlib import Path

import anyio
import pytest

from tests.engine.aftermath import kept, once, workflows
from tests.engine.killing import CHECKPOINT, Moment, begin_forking, ended, scene
from tests.tools.test_restore_coolify import OLD, held, running

MOMENTS = [
    Moment("reached", "ink-backup make"),
    Moment("reached", "ink-swap start"),
    Moment("statement", CHECKPOINT, "prove"),
    Moment("reached", "ink-swap confirm"),
]
LIMIT_S, PATIENCE_S = 360.0, 240.0


@pytest.fixture(scope="module", autouse=True)
def forks() -> None:
    """Have processes forked from one that has imported everything already."""
    begin_forking()


@pytest.mark.anyio
@pytest.mark.timeout(450)
@pytest.mark.parametrize("dies", MOMENTS, ids=str)
async def test_a_killed_restore_is_finished_by_the_next_process_and_restores_once(tmp_path: Path, dies: Moment) -> None:
    """One backup of before, one restore that is kept, and what the backup held in service, whoever died when."""
    with anyio.fail_after(LIMIT_S), scene(tmp_path) as it:
        before = it.world.read()
        await it.kill("restore_coolify", {"backup": OLD}, dies=dies)
        assert await ended(it.start(), within_s=PATIENCE_S) == 0

        state = it.world.read()
        disk = state.coolify.factory
        assert held(state) == held(before)
        assert running(state) == running(before)
        assert [one.state for one in disk.rotations.values()] == ["confirmed"]
        assert sum("ink-swap prepare" in line for line in state.journal) == 1
        assert [one.name for one in disk.kept] == [OLD, *disk.rotations]
        assert (kept(it.folder), workflows(it.folder)) == ([once()], ["SUCCESS"])
