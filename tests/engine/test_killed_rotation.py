"""rotate_fork_image is killed with SIGKILL on its way; the next process goes on, and the Factory swaps once."""

from pathlib import Path

import anyio
import pytest

from ink_infra_mcp.sandbox.state_factory import CUSTOM
from tests.engine.exchanges import LIMIT_S, finished_once
from tests.engine.killing import CHECKPOINT, Moment, begin_forking, scene
from tests.tools.exchanges import NEW, in_service

MOMENTS = [
    Moment("reached", "ink-swap start"),
    Moment("statement", CHECKPOINT, "prove"),
    Moment("reached", "applications/dockerimage"),
    Moment("reached", "ink-swap confirm"),
]


@pytest.fixture(scope="module", autouse=True)
def forks() -> None:
    """Have processes forked from one that has imported everything already."""
    begin_forking()


@pytest.mark.anyio
@pytest.mark.timeout(450)
@pytest.mark.parametrize("dies", MOMENTS, ids=str)
async def test_a_killed_rotation_is_finished_by_the_next_process_and_swaps_once(tmp_path: Path, dies: Moment) -> None:
    """One backup, one rotation, one canary that is gone again, and the new image in service, whoever died when."""
    with anyio.fail_after(LIMIT_S), scene(tmp_path) as it:
        state = await finished_once(it, "rotate_fork_image", {"image": NEW}, dies)
        assert (in_service(state).image, NEW in state.coolify.factory.files[CUSTOM]) == (NEW, True)
