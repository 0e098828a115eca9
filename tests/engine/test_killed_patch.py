"""patch_fleet with drain_to and pause_s is killed with SIGKILL on its way: another process ends it, once."""

from pathlib import Path

import pytest

from ink_infra_mcp.sandbox.state import WorldState
from tests.engine.aftermath import kept, once, workflows
from tests.engine.killing import CHECKPOINT, Moment, Scene, at_once, begin_forking
from tests.tools.drained import TWO, left, with_named_shop, with_own_records
from tests.tools.moved import BEFORE, Place, places
from tests.tools.test_patch_drained import SHOP
from tests.tools.test_patch_fleet import SECURITY

MOVED = Place("shop", "muscle-1", "https://web.example.com", True, 1, None)
PATCH = {"drain_to": "muscle-1", "pause_s": 1, "wait_s": 3600}
WALK = (
    Moment("statement", CHECKPOINT, "turn_2"),
    Moment("reached", "DELETE /api/v1/applications"),
)
RETURN = {**PATCH, "pause_s": 0, "servers": ["muscle-2"], "return_apps": True}
WAY_BACK = (
    Moment("reached", "/validate"),
    Moment("statement", CHECKPOINT, "app1_back__reclaim"),
    Moment("statement", CHECKPOINT, "app1_back__deploy"),
    Moment("statement", CHECKPOINT, "app1_back__switch"),
    Moment("reached", "DELETE /api/v1/applications"),
)


@pytest.fixture(scope="module", autouse=True)
def forks() -> None:
    """Have processes forked from one that has imported everything already."""
    begin_forking()


def due(state: WorldState) -> None:
    """Both Muscles lack updates; docs on one of them has data, shop has none and a name of its own."""
    with_named_shop(state)
    lacking(state)


def due_at_home(state: WorldState) -> None:
    """So it is, and the records of shop's name are ours to put back."""
    with_own_records(state)
    lacking(state)


def lacking(state: WorldState) -> None:
    """Let both Muscles lack a kernel."""
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


@pytest.mark.anyio
@pytest.mark.parametrize("moment", WAY_BACK, ids=str)
async def test_a_killed_way_back_is_gone_once(tmp_path: Path, moment: Moment) -> None:
    """The app is copied once, built once there and once at home, and serves at home alone, whenever the first dies."""

    async def die_and_succeed(it: Scene, dies: Moment) -> None:
        await it.kill("patch_fleet", RETURN, dies=dies)
        await it.succeed()

        state = it.world.read()
        made = [line.rpartition("/")[2] for line in state.journal if line.endswith(("/clone", "/deploy"))]
        assert (dies, places(state, "shop"), left(state).web) == (dies, [SHOP], TWO)
        assert (dies, made, state.hosts["muscle-2"].boots) == (dies, ["clone", "deploy", "deploy"], 2)
        assert (dies, kept(it.folder), workflows(it.folder)) == (dies, [once()], ["SUCCESS"])

    await at_once(tmp_path, [moment], die_and_succeed, due_at_home)
