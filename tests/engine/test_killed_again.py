"""Other operations that are killed; and those that are killed again, together with who took them over."""

from collections import Counter
from pathlib import Path

import anyio
import pytest

from ink_infra_mcp.core.receipt import Receipt
from ink_infra_mcp.sandbox.state import WorldState
from tests.engine.aftermath import DEPLOY, ONCE, Kept, app_named, kept, made, once
from tests.engine.killing import CHECKPOINT, Moment, Scene, begin_forking, scene

DELETE = {"app": "docs"}
SET_ENV = {"app": "shop", "set": {"GREETING": "bye", "COLOUR": "green"}, "remove": ["NIXPACKS_NODE_VERSION"]}
SHOP = Counter((name, preview) for name in ("GREETING", "COLOUR") for preview in (False, True))
STATUS = "UPDATE main.workflow_status SET status"
DELETES = "coolify.delete_application"
STOPS = "coolify.stop_application"


@pytest.fixture(scope="module", autouse=True)
def forks() -> None:
    """Have processes forked from one that has imported everything already."""
    begin_forking()


async def _finished(it: Scene) -> tuple[Receipt, Kept]:
    async with it.server() as app:
        (operation,) = await app.take_over_orphans()
        receipt = await app.follow(operation, 30, None)
        return receipt, await kept(app, operation)


@pytest.mark.anyio
@pytest.mark.parametrize(
    "dies",
    [
        Moment("before", DELETES),
        Moment("reached", "DELETE /api/v1/applications/"),
        Moment("after", DELETES),
        Moment("statement", CHECKPOINT, "delete_app"),
    ],
    ids=str,
)
async def test_a_killed_deletion_deletes_that_app_and_no_other(tmp_path: Path, dies: Moment) -> None:
    """The app is gone, with its containers; every other one is as it was."""
    with scene(tmp_path) as it, anyio.fail_after(50):
        others = [app.uuid for app in it.world.read().coolify.applications if app.text("name") != "docs"]
        it.kill("delete_app", DELETE, dies=dies)
        _, left = await _finished(it)

        assert [app.uuid for app in it.world.read().coolify.applications] == others
        assert left == once()


@pytest.mark.anyio
@pytest.mark.parametrize(
    "dies",
    [
        Moment("before", "coolify.set_env"),
        Moment("reached", "/envs"),
        Moment("reached", "/envs", nth=2),
        Moment("statement", CHECKPOINT, "set_env"),
        Moment("reached", "DELETE /api/v1/applications/"),
        Moment("reached", "DELETE /api/v1/applications/", nth=2),
        Moment("after", "coolify.delete_env"),
        Moment("reached", "POST /api/v1/deploy"),
    ],
    ids=str,
)
async def test_killed_changes_of_variables_are_made_once_and_rolled_out_once(tmp_path: Path, dies: Moment) -> None:
    """Each variable is there once with its new value, the removed one is gone, and one deployment was added."""
    with scene(tmp_path) as it, anyio.fail_after(50):
        before = _deployments(it.world.read(), "shop")
        it.kill("set_app_env", SET_ENV, dies=dies)
        _, left = await _finished(it)
        world = it.world.read()
        shop = app_named(world, "shop")

        assert shop is not None
        assert Counter((variable.key, variable.is_preview) for variable in shop.envs) == SHOP
        assert {v.key: v.value for v in shop.envs if not v.is_preview} == SET_ENV["set"]
        assert _deployments(world, "shop") == before + 1
        assert left == once()


@pytest.mark.anyio
@pytest.mark.parametrize(
    "dies",
    [
        Moment("before", STOPS),
        Moment("reached", "/stop"),
        Moment("after", STOPS),
        Moment("statement", CHECKPOINT, "undo_deploy"),
    ],
    ids=str,
)
async def test_a_killed_undo_is_finished(tmp_path: Path, dies: Moment) -> None:
    """An app that could not be proved isolated ends stopped, and the operation ends as undone."""
    with scene(tmp_path) as it, anyio.fail_after(50):
        it.world.watchers += (lambda line: _lose_the_fork(it, line),)
        it.kill("deploy_app", DEPLOY, dies=dies)
        receipt, left = await _finished(it)
        there = made(it.world.read())

    assert (receipt.outcome, [step.state for step in receipt.steps if step.id == "deploy"]) == ("undone", ["undone"])
    assert (there.apps, there.deployments, there.containers) == (1, 1, 0)
    assert left.events == Counter({"begin": 1, "resumed": 1, "end": 1})


@pytest.mark.anyio
@pytest.mark.parametrize(
    "dies",
    [
        Moment("before", "coolify.create_application"),
        Moment("statement", CHECKPOINT, "create_app"),
        Moment("after", "coolify.first_deploy"),
        Moment("statement", CHECKPOINT, "verify"),
    ],
    ids=str,
)
async def test_killed_twice_at_the_same_place_it_is_still_done_once(tmp_path: Path, dies: Moment) -> None:
    """The third process finishes what died twice in the same moment."""
    with scene(tmp_path) as it, anyio.fail_after(50):
        it.kill("deploy_app", DEPLOY, dies=dies)
        it.kill_successor(dies)
        _, left = await _finished(it)

        assert made(it.world.read()) == ONCE
        assert left == once(resumed=2)


@pytest.mark.anyio
@pytest.mark.parametrize(
    "then",
    [
        Moment("statement", STATUS, "ENQUEUED"),
        Moment("statement", STATUS, "PENDING"),
        Moment("before", "hosts.prove_isolation"),
    ],
    ids=["claimed and not resumed", "resumed and not begun", "in a later step"],
)
async def test_who_takes_over_may_die_too(tmp_path: Path, then: Moment) -> None:
    """The third process goes on from where the second one came to."""
    with scene(tmp_path) as it, anyio.fail_after(50):
        it.kill("deploy_app", DEPLOY, dies=Moment("reached", "POST /api/v1/deploy"))
        it.kill_successor(then)
        _, left = await _finished(it)

        assert made(it.world.read()) == ONCE
        assert left == once(resumed=2)


def _lose_the_fork(it: Scene, line: str) -> None:
    """Put Coolify's own image, which drops `--runtime`, into service while the app is deployed."""
    if line.endswith("/deploy"):
        with it.world.change() as state:
            state.coolify.supports_runtime_option = False


def _deployments(state: WorldState, name: str) -> int:
    app = app_named(state, name)
    return sum(d.application_uuid == app.uuid for d in state.coolify.deployments) if app else 0
