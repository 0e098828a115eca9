"""remove_muscle with apps_to is killed with SIGKILL while apps move and while the Muscle goes: it is ended once."""

from pathlib import Path

import pytest

from tests.engine.aftermath import kept, once, workflows
from tests.engine.killing import CHECKPOINT, Moment, Scene, at_once, begin_forking
from tests.tools.drained import DOCS_MOVED, DRAIN, left, with_shop
from tests.tools.moved import Place, places

SHOP_MOVED = Place("shop", "muscle-1", "https://shop.s1.example.com", True, 1, None)
WALK = (
    Moment("reached", "/clone", nth=2),
    Moment("reached", "ink-receive"),
    Moment("statement", CHECKPOINT, "app2__switch"),
    Moment("reached", "DELETE /api/v1/applications"),
    Moment("before", "coolify.delete_server"),
)


@pytest.fixture(scope="module", autouse=True)
def forks() -> None:
    """Have processes forked from one that has imported everything already."""
    begin_forking()


@pytest.mark.anyio
@pytest.mark.parametrize("moment", WALK, ids=str)
async def test_a_killed_drain_is_finished_once_by_the_next_process(tmp_path: Path, moment: Moment) -> None:
    """Each app is copied and deployed once and keeps its data, and the Muscle is gone, whenever the first dies."""

    async def die_and_succeed(it: Scene, dies: Moment) -> None:
        await it.kill("remove_muscle", DRAIN, dies=dies)
        await it.succeed()

        state = it.world.read()
        made = [line for line in state.journal if line.endswith(("/clone", "/deploy"))]
        assert (dies, [*places(state, "docs"), *places(state, "shop")], len(made)) == (
            dies,
            [DOCS_MOVED, SHOP_MOVED],
            4,
        )
        assert (dies, left(state).server, left(state).in_coolify) == (dies, False, False)
        assert (dies, kept(it.folder), workflows(it.folder)) == (dies, [once()], ["SUCCESS"])

    await at_once(tmp_path, [moment], die_and_succeed, with_shop)
