"""A process that is killed while it makes a random value: there is one in the end, and the app runs with that one."""

from pathlib import Path

import pytest

from ink_infra_mcp.sandbox.seed import SHOP
from ink_infra_mcp.sandbox.state import WorldState
from tests.engine.killing import CHECKPOINT, Moment, Scene, at_once, begin_forking
from tests.tools.calls import app_named

GENERATE = {"app": "shop", "set": {"DB_PASSWORD": "generate:"}}
BEFORE = [Moment("before", "coolify.set_env")]
MADE = [Moment("reached", "/envs"), Moment("after", "coolify.set_env")]
ENDED = [Moment("statement", CHECKPOINT, "set_env"), Moment("reached", "POST /api/v1/deploy")]


@pytest.fixture(scope="module", autouse=True)
def forks() -> None:
    """Have processes forked from one that has imported everything already."""
    begin_forking()


def passwords(state: WorldState) -> set[str | None]:
    """Return the values that Coolify has, the copy for previews included."""
    return {row.value for row in app_named(state, "shop").envs if row.key == "DB_PASSWORD"}


def in_containers(state: WorldState) -> set[str | None]:
    """Return the values that the app's containers were given."""
    return {c.env.get("DB_PASSWORD") for c in state.hosts["muscle-1"].containers if c.name.startswith(SHOP)}


@pytest.mark.anyio
async def test_a_random_value_that_nothing_has_used_yet_is_made_again(tmp_path: Path) -> None:
    """The step had not ended, so that what stands in Coolify may be anybody's: the next process makes its own."""

    async def die_and_succeed(it: Scene, dies: Moment) -> None:
        await it.kill("set_app_env", GENERATE, dies=dies)
        made = passwords(it.world.read())
        await it.succeed()
        now = passwords(it.world.read())

        assert (dies, len(made), len(now), None in now, made & now) == (dies, 1, 1, False, set())
        assert (dies, in_containers(it.world.read())) == (dies, now)

    await at_once(tmp_path, MADE, die_and_succeed)


@pytest.mark.anyio
async def test_a_random_value_stays_once_its_step_has_ended(tmp_path: Path) -> None:
    """From then on a container may have it: the next process rolls out that very one."""

    async def die_and_succeed(it: Scene, dies: Moment) -> None:
        await it.kill("set_app_env", GENERATE, dies=dies)
        made = passwords(it.world.read())
        await it.succeed()

        assert (dies, len(made), None in made) == (dies, 1, False)
        assert (dies, passwords(it.world.read()), in_containers(it.world.read())) == (dies, made, made)

    await at_once(tmp_path, ENDED, die_and_succeed)


@pytest.mark.anyio
async def test_a_random_value_that_was_not_stored_is_made_by_the_next_process(tmp_path: Path) -> None:
    """Nothing of it is anywhere, so that a new one takes its place, in Coolify and in the container."""

    async def die_and_succeed(it: Scene, dies: Moment) -> None:
        await it.kill("set_app_env", GENERATE, dies=dies)
        before = passwords(it.world.read())
        await it.succeed()
        (value,) = passwords(it.world.read())

        assert (dies, before, len(str(value))) == (dies, set(), 32)
        assert (dies, in_containers(it.world.read())) == (dies, {value})

    await at_once(tmp_path, BEFORE, die_and_succeed)
