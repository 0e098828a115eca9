"""setup_factory is killed with SIGKILL on its way; the next process goes on, and the Factory moves each part once."""

from pathlib import Path

import pytest

from tests.engine.aftermath import kept, once, workflows
from tests.engine.killing import CHECKPOINT, Moment, Scene, at_once, begin_forking

ARGUMENTS = {"parts": ["data_disk", "docker_data"], "disk": "scsi-0HC_Volume_1001"}
WALK = {
    "data": [Moment("before", "factory.format_and_move"), Moment("reached", "ink-disk prepare")],
    "begun": [Moment("reached", "ink-disk start"), Moment("after", "factory.format_and_move")],
    "docker": [Moment("statement", CHECKPOINT, "data_disk"), Moment("before", "factory.move_docker")],
    "moved": [Moment("after", "factory.move_docker"), Moment("statement", CHECKPOINT, "docker_data")],
}


@pytest.fixture(scope="module", autouse=True)
def forks() -> None:
    """Have processes forked from one that has imported everything already."""
    begin_forking()


@pytest.mark.anyio
@pytest.mark.parametrize("where", WALK)
async def test_a_killed_setup_is_finished_by_the_next_process_and_moves_each_part_once(
    tmp_path: Path, where: str
) -> None:
    """One move of /data and one of Docker's data, both done, whenever the first process dies."""

    async def die_and_succeed(it: Scene, dies: Moment) -> None:
        await it.kill("setup_factory", ARGUMENTS, dies=dies)
        await it.succeed()

        disk = it.world.read().coolify.factory.storage
        moves = [(move.orders["kind"], move.state) for move in disk.moves.values()]
        assert (dies, moves) == (dies, [("data", "done"), ("docker", "done")])
        assert (dies, disk.data, disk.root, len(disk.kept)) == (dies, "mount", "/data/docker", 1)
        assert (dies, kept(it.folder), workflows(it.folder)) == (dies, [once()], ["SUCCESS"])

    await at_once(tmp_path, WALK[where], die_and_succeed)
