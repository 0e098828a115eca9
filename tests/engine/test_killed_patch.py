"""patch_fleet with drain_to and pause_s is killed with SIGKILL on its way: another process ends it, once."""

from pathlib import Path

import pytest

from ink_infra_mcp.sandbox.state import WorldState
from tests.engine.aftermath import kept, once, workflows
from tests.engine.killing import CHECKPOINT, Moment, Scene, at_once, begin_forking
from tests.tools.drained import with_named_shop
from tests.tools.moved import BEFORE, Place, places
from tests.tools.test_patch_fleet import SECURITY

MOVED = Place("shop", "muscle-1", "https://web.example.com", True, 1, None)
PATCH = {"drain_to": "muscle-1", "pause_s": 1, "wait_s": 3600}
WALK = (
    Moment("statement", CHECKPOINT, "turn_2"),
    Moment("reached", "DELETE /api/v1/applications"),
)


@pytest.fixture(scope="module", autouse=True)
def forks() -> None:
    """Have processes forked from one that has imported everything already."""
    begin_forking()


def due(state: WorldState) -> None:
    """Both Muscles lack updates; docs on one of them has data, shop has none and a name of its own."""
    with_named_shop(state)
    for name in ("muscle-1", "muscle-2"):
        state.hosts[name].updates = {"linux-image-6.1.0-38-amd64": SECURITY}


@pytest.mark.anyio
@pytest.mark.parametrize("moment", WALK, ids=str)
async def test_a_killed_patch_goes_on_after_its_pause(tmp_path: Path, moment: Moment) -> None:
    """Each server is patched and rebooted once, and what may move has moved once, whenever the first dies."""

    async def die_and_succeed(it: Scene, dies: Moment) -> None:
        await it.kill("patch_fleet", PATCH, dies=dies)
        await it.succeed()

        state = it.world.read()
        one, two = state.hosts["muscle-1"], state.hosts["muscle-2"]
        assert (dies, one.updates, one.boots, two.updates, two.boots) == (dies, {}, 2, {}, 2)
        assert (dies, places(state, "docs"), places(state, "shop")) == (dies, BEFORE, [MOVED])
        assert (dies, kept(it.folder), workflows(it.folder)) == (dies, [once()], ["SUCCESS"])

    await at_once(tmp_path, [moment], die_and_succeed, due)
