"""setup_factory puts Docker's settings on a disk before Docker is there, and is killed by SIGKILL; another goes on."""

from pathlib import Path

import pytest

from ink_infra_mcp.sandbox.bare import make_bare
from tests.engine.aftermath import kept, once, workflows
from tests.engine.killing import CHECKPOINT, Moment, Scene, at_once, begin_forking

ARGUMENTS = {"parts": ["data_disk", "docker_data", "coolify"], "disk": "scsi-0HC_Volume_1001"}
WALK = {
    "waits": [Moment("statement", CHECKPOINT, "data_disk"), Moment("before", "factory.place_docker")],
    "placing": [Moment("reached", "ink-disk prepare", nth=2), Moment("reached", "ink-disk start", nth=2)],
    "placed": [Moment("after", "factory.place_docker"), Moment("statement", CHECKPOINT, "docker_data")],
    "docker comes": [Moment("before", "factory.install_coolify"), Moment("reached", "ink-install start")],
}


@pytest.fixture(scope="module", autouse=True)
def forks() -> None:
    """Have processes forked from one that has imported everything already."""
    begin_forking()


@pytest.mark.anyio
@pytest.mark.parametrize("where", WALK)
async def test_a_killed_setup_of_a_bare_server_places_docker_once_and_docker_begins_there(
    tmp_path: Path, where: str
) -> None:
    """Settings once, in both files, before Docker; nothing is moved and nothing stops, whenever the first one dies."""

    async def die_and_succeed(it: Scene, dies: Moment) -> None:
        await it.kill("setup_factory", ARGUMENTS, dies=dies)
        await it.succeed()

        state = it.world.read()
        disk, daemon = state.coolify.factory.storage, state.hosts["factory"].made.daemon
        moves = [(move.orders["kind"], move.state) for move in disk.moves.values()]
        assert (dies, moves) == (dies, [("data", "done"), ("docker", "done")])
        assert (dies, disk.data, disk.root, disk.kept) == (dies, "mount", "/data/docker", [])
        assert (dies, daemon.count('"data-root": "/data/docker"')) == (dies, 1)
        assert (dies, disk.containerd.count('root = "/data/containerd"')) == (dies, 1)
        installs = [(each.state, each.attempts) for each in state.coolify.factory.installs.values()]
        assert (dies, installs, state.coolify.installed) == (dies, [("done", 1)], True)
        assert (dies, kept(it.folder), workflows(it.folder)) == (dies, [once()], ["SUCCESS"])

    await at_once(tmp_path, WALK[where], die_and_succeed, change_world=make_bare)
