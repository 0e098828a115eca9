"""upgrade_coolify is killed with SIGKILL on its way; the next process goes on, and the Factory swaps once."""

from pathlib import Path

import anyio
import pytest

from ink_infra_mcp.sandbox.state_factory import PROD
from tests.engine.exchanges import LIMIT_S, finished_once
from tests.engine.killing import Moment, begin_forking, scene
from tests.tools.arrivals import all_of
from tests.tools.exchanges import NEW, in_service
from tests.tools.test_build_fork_image import NAME
from tests.tools.test_restore_official_coolify import ENV, VERSION
from tests.tools.test_restore_official_coolify import TAG as OFFICIAL_TAG
from tests.tools.test_upgrade_coolify import FORK_TAG, NEW_PROD, built, released
from tests.tools.test_upgrade_moving_in import FILES, moves, realtime
from tests.tools.test_upgrade_moving_in import VERSION as MOVED_VERSION
from tests.tools.test_upgrade_realtime import TAG, newer
from tests.tools.test_upgrade_stops import one_behind

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


@pytest.mark.anyio
@pytest.mark.timeout(450)
@pytest.mark.parametrize("dies", [Moment("after", "factory.pull_image", nth=2), *MOMENTS], ids=str)
async def test_a_kill_on_the_way_with_realtime_pulls_and_swaps_both_once(tmp_path: Path, dies: Moment) -> None:
    """With its image pulled and that not yet written down, and with both of them going: both new ones serve."""
    with anyio.fail_after(LIMIT_S), scene(tmp_path, all_of(newer, built())) as it:
        state = await finished_once(it, "upgrade_coolify", {"version": VERSION, "image": NEW}, dies)
        assert (in_service(state).image, in_service(state).realtime) == (NEW, TAG)


@pytest.mark.anyio
@pytest.mark.timeout(450)
@pytest.mark.parametrize("dies", MOMENTS, ids=str)
async def test_a_kill_on_the_way_of_realtime_into_coolify_withdraws_it_once(tmp_path: Path, dies: Moment) -> None:
    """The new Coolify serves with realtime inside, and realtime's own container is asleep, not gone."""
    with anyio.fail_after(LIMIT_S), scene(tmp_path, moves) as it:
        state = await finished_once(it, "upgrade_coolify", {"version": MOVED_VERSION, "image": NEW}, dies)
        assert (in_service(state).image, realtime(state).state) == (NEW, "exited")
        assert state.coolify.factory.files[PROD] == FILES[PROD]


@pytest.mark.anyio
@pytest.mark.timeout(450)
@pytest.mark.parametrize(
    "dies", [Moment("reached", "ink-build start"), Moment("reached", "ink-build push"), *MOMENTS], ids=str
)
async def test_a_kill_on_the_way_builds_pushes_and_swaps_once(tmp_path: Path, dies: Moment) -> None:
    """What the one push returned is what runs: the next process takes the build and the swap up where they stand."""
    with anyio.fail_after(LIMIT_S), scene(tmp_path, released()) as it:
        state = await finished_once(it, "upgrade_coolify", {"version": VERSION}, dies)
        (build,) = state.hosts["factory"].builds.values()
        image = f"{NAME}@{state.registry.moved[FORK_TAG]}"
        assert (build.state, build.pushed, in_service(state).image) == ("pushed", image.rpartition("@")[2], image)
        assert [line for line in state.journal if line.startswith("registry push")] == [f"registry push {FORK_TAG}"]


BY_WAY = [
    Moment("after", "factory.pull_image", nth=2),
    Moment("reached", "ink-backup rehearse"),
    *MOMENTS,
    Moment("after", "factory.watch_image"),
    Moment("reached", "ink-swap prepare", nth=2),
    Moment("reached", "ink-swap start", nth=2),
    Moment("after", "coolify.create_application", nth=2),
    Moment("reached", "ink-swap confirm", nth=2),
]


@pytest.mark.anyio
@pytest.mark.timeout(450)
@pytest.mark.parametrize("dies", BY_WAY, ids=str)
async def test_a_kill_on_the_way_by_a_release_in_between_swaps_each_once(tmp_path: Path, dies: Moment) -> None:
    """One backup for both, a swap and a canary for each, and the second one only once the first is confirmed."""
    with anyio.fail_after(LIMIT_S), scene(tmp_path, one_behind) as it:
        state = await finished_once(it, "upgrade_coolify", {"version": VERSION}, dies, swaps=2)
        assert (in_service(state).image, in_service(state).env) == (OFFICIAL_TAG, ENV)
