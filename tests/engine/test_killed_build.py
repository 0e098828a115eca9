"""build_fork_image is killed with SIGKILL before, in and after every step; the next process finishes it: one push."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.engine.aftermath import kept, once, workflows
from tests.engine.killing import CHECKPOINT, Moment, Scene, at_once, begin_forking
from tests.tools.test_build_fork_image import NAME, TAG

BASE = "v4.3.10"
"""What the pretend fork is built on elsewhere, too; a newer one is out."""
WALK = {
    "build": [Moment("before", "factory.build_image"), Moment("reached", "ink-build prepare")],
    "started": [Moment("reached", "ink-build start"), Moment("after", "factory.build_image")],
    "push": [Moment("statement", CHECKPOINT, "build"), Moment("reached", "ink-build push")],
    "pushed": [Moment("after", "factory.push_image"), Moment("statement", CHECKPOINT, "push")],
}


@pytest.fixture(scope="module", autouse=True)
def forks() -> None:
    """Have processes forked from one that has imported everything already."""
    begin_forking()


@pytest.mark.anyio
@pytest.mark.parametrize("where", WALK)
async def test_a_killed_build_is_finished_by_the_next_process_and_pushed_once(tmp_path: Path, where: str) -> None:
    """One build of that operation on the host, and one push of it, whenever the first process dies."""

    async def die_and_succeed(it: Scene, dies: Moment) -> None:
        await it.kill("build_fork_image", {"base": BASE}, dies=dies)
        await it.succeed()

        state = it.world.read()
        builds = [build.state for build in state.hosts["factory"].builds.values()]
        pushes = [line for line in state.journal if line.startswith("registry push")]
        assert (dies, builds, pushes) == (dies, ["pushed"], [f"registry push {NAME}:{TAG}"])
        assert (dies, kept(it.folder), workflows(it.folder)) == (dies, [replace(once())], ["SUCCESS"])

    await at_once(tmp_path, WALK[where], die_and_succeed)
