"""upgrade_coolify is killed with SIGKILL on its way; the next process goes on, and the Factory swaps once."""

from pathlib import Path

import anyio
import pytest

from ink_infra_mcp.sandbox.state_factory import PROD
from tests.engine.exchanges import LIMIT_S, finished_once
from tests.engine.killing import Moment, begin_forking, scene
from tests.tools.arrivals import all_of
from tests.tools.exchanges import NEW, in_service
from tests.tools.test_restore_official_coolify import ENV, VERSION
from tests.tools.test_upgrade_coolify import NEW_PROD, built, released

MOMENTS = [
    Moment("reached", "ink-swap start"),
    Moment("reached", "ink-swap confirm"),
]


@pytest.fixture(scope="module", autouse=True)
def forks() -> None:
    """Have processes forked from one that has imported everything already."""
    begin_forking()


@pytest.mark.anyio
@pytest.mark.timeout(450)
@pytest.mark.parametrize("dies", MOMENTS, ids=str)
async def test_a_killed_upgrade_is_finished_by_the_next_process_and_swaps_once(tmp_path: Path, dies: Moment) -> None:
    """One backup, one swap, one canary that is gone again, and the fork with the release's own file and .env."""
    with anyio.fail_after(LIMIT_S), scene(tmp_path, all_of(released(), built())) as it:
        state = await finished_once(it, "upgrade_coolify", {"version": VERSION, "image": NEW}, dies)
        disk = state.coolify.factory
        assert (in_service(state).image, disk.files[PROD], disk.env) == (NEW, NEW_PROD, ENV)
