"""move_app is killed with SIGKILL before, in and after every step; the next process finishes it, and does it once."""

from pathlib import Path

import pytest

from tests.engine.aftermath import kept, once, workflows
from tests.engine.killing import CHECKPOINT, Moment, Scene, at_once, begin_forking
from tests.tools.moved import AFTER, places, with_pages

MOVE = {"app": "docs", "to": "muscle-1", "volumes": "copy"}
WALK = {
    "clone": [Moment("reached", "/clone"), Moment("reached", "PATCH")],
    "cloned": [Moment("statement", CHECKPOINT, "clone"), Moment("before", "hosts.stop_containers")],
    "stop": [Moment("reached", "ink-volume stop"), Moment("statement", CHECKPOINT, "stop_old")],
    "copy": [Moment("reached", "ink-volume make"), Moment("reached", "ink-receive")],
    "copied": [Moment("after", "hosts.copy_volume"), Moment("statement", CHECKPOINT, "copy_0")],
    "proof": [Moment("reached", "/deploy"), Moment("before", "hosts.prove_answer")],
    "switch": [Moment("reached", "PATCH", nth=2), Moment("reached", "PATCH", nth=3)],
    "end": [Moment("statement", CHECKPOINT, "switch"), Moment("reached", "/stop")],
}


@pytest.fixture(scope="module", autouse=True)
def forks() -> None:
    """Have processes forked from one that has imported everything already."""
    begin_forking()


@pytest.mark.anyio
@pytest.mark.parametrize("where", WALK)
async def test_a_killed_move_is_finished_once_by_the_next_process(tmp_path: Path, where: str) -> None:
    """One copy with all the data, one deployment, the old app stopped and kept, whenever the first process dies."""

    async def die_and_succeed(it: Scene, dies: Moment) -> None:
        with it.world.change() as state:
            with_pages(state)
        await it.kill("move_app", MOVE, dies=dies)
        await it.succeed()

        state = it.world.read()
        made = [line for line in state.journal if line.endswith(("/clone", "/deploy"))]
        assert (dies, places(state, "docs"), len(made)) == (dies, AFTER, 2)
        assert (dies, kept(it.folder), workflows(it.folder)) == (dies, [once()], ["SUCCESS"])

    await at_once(tmp_path, WALK[where], die_and_succeed)
