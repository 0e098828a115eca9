"""restore_official_coolify is killed with SIGKILL on its way; the next process goes on, and the Factory swaps once."""

from pathlib import Path

import anyio
import pytest

from ink_infra_mcp.sandbox.state_factory import CUSTOM
from tests.engine.exchanges import LIMIT_S, finished_once
from tests.engine.killing import CHECKPOINT, Moment, begin_forking, scene
from tests.tools.exchanges import in_service
from tests.tools.test_restore_official_coolify import ENV, TAG, VERSION, has_option

MOMENTS = [
    Moment("reached", "ink-swap prepare"),
    Moment("reached", "ink-swap start"),
    Moment("statement", CHECKPOINT, "prove"),
    Moment("reached", "ink-swap confirm"),
]


@pytest.fixture(scope="module", autouse=True)
def forks() -> None:
    """Have processes forked from one that has imported everything already."""
    begin_forking()


@pytest.mark.anyio
@pytest.mark.timeout(450)
@pytest.mark.parametrize("dies", MOMENTS, ids=str)
async def test_a_killed_way_back_is_finished_by_the_next_process_and_swaps_once(tmp_path: Path, dies: Moment) -> None:
    """One backup, one swap, one canary that is gone again, and the official image without an override of ours."""
    with anyio.fail_after(LIMIT_S), scene(tmp_path, has_option) as it:
        state = await finished_once(it, "restore_official_coolify", {"version": VERSION}, dies)
        disk = state.coolify.factory
        assert (in_service(state).image, CUSTOM in disk.files, disk.env) == (TAG, False, ENV)
