"""Other operations that are killed; and those that are killed again, together with who took them over."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from ink_infra_mcp.sandbox.state import WorldState
from tests.engine.aftermath import DEPLOY, ONCE, app_named, kept, made, once
from tests.engine.killing import CHECKPOINT, Moment, Scene, at_once, begin_forking

DELETE = {"app": "docs"}
SET_ENV = {"app": "shop", "set": {"GREETING": "bye", "COLOUR": "green"}, "remove": ["NIXPACKS_NODE_VERSION"]}
SHOP = Counter((name, preview) for name in ("GREETING", "COLOUR") for preview in (False, True))
STATUS = "UPDATE main.workflow_status SET status"
DELETES = "coolify.delete_application"
STOPS = "coolify.stop_application"

IN_A_DELETION = [
    Moment("before", DELETES),
    Moment("reached", "DELETE /api/v1/applications/"),
    Moment("after", DELETES),
    Moment("statement", CHECKPOINT, "delete_app"),
]
IN_SETTING = [
    Moment("before", "coolify.set_env"),
    Moment("reached", "/envs"),
    Moment("reached", "/envs", nth=2),
    Moment("statement", CHECKPOINT, "set_env"),
]
IN_REMOVING = [
    Moment("reached", "DELETE /api/v1/applications/"),
    Moment("reached", "DELETE /api/v1/applications/", nth=2),
    Moment("after", "coolify.delete_env"),
    Moment("reached", "POST /api/v1/deploy"),
]
IN_AN_UNDO = [
    Moment("before", STOPS),
    Moment("reached", "/stop"),
    Moment("after", STOPS),
    Moment("statement", CHECKPOINT, "undo_deploy"),
]
IN_PUTTING_BACK = [
    Moment("before", "coolify.restore_env"),
    Moment("reached", "DELETE /api/v1/applications/"),
    Moment("after", "coolify.restore_env"),
    Moment("statement", CHECKPOINT, "undo_set_env"),
]
TWICE = [
    Moment("before", "coolify.create_application"),
    Moment("statement", CHECKPOINT, "create_app"),
    Moment("after", "coolify.first_deploy"),
    Moment("statement", CHECKPOINT, "verify"),
]
AFTER_TAKING_OVER = [
    Moment("statement", STATUS, "ENQUEUED"),
    Moment("statement", STATUS, "PENDING"),
    Moment("before", "hosts.prove_isolation"),
]
"""Claimed and not given to the engine; given to it and not begun; in a later step."""


@pytest.fixture(scope="module", autouse=True)
def forks() -> None:
    """Have processes forked from one that has imported everything already."""
    begin_forking()


@pytest.mark.anyio
async def test_a_killed_deletion_deletes_that_app_and_no_other(tmp_path: Path) -> None:
    """The app is gone, with its containers; every other one is as it was."""

    async def die_and_succeed(it: Scene, dies: Moment) -> None:
        others = [app.uuid for app in it.world.read().coolify.applications if app.text("name") != "docs"]
        await it.kill("delete_app", DELETE, dies=dies)
        await it.succeed()

        assert (dies, [app.uuid for app in it.world.read().coolify.applications]) == (dies, others)
        assert (dies, kept(it.folder)) == (dies, [once()])

    await at_once(tmp_path, IN_A_DELETION, die_and_succeed)


@pytest.mark.anyio
@pytest.mark.parametrize("moments", [IN_SETTING, IN_REMOVING], ids=["setting", "removing"])
async def test_killed_changes_of_variables_are_made_once_and_rolled_out_once(
    tmp_path: Path, moments: list[Moment]
) -> None:
    """Each variable is there once with its new value, the removed one is gone, and one deployment was added."""

    async def die_and_succeed(it: Scene, dies: Moment) -> None:
        before = _deployments(it.world.read(), "shop")
        await it.kill("set_app_env", SET_ENV, dies=dies)
        await it.succeed()
        world = it.world.read()
        shop = app_named(world, "shop")

        assert shop is not None
        assert (dies, Counter((v.key, v.is_preview) for v in shop.envs)) == (dies, SHOP)
        assert (dies, {v.key: v.value for v in shop.envs if not v.is_preview}) == (dies, SET_ENV["set"])
        assert (dies, _deployments(world, "shop")) == (dies, before + 1)
        assert (dies, kept(it.folder)) == (dies, [once()])

    await at_once(tmp_path, moments, die_and_succeed)


@pytest.mark.anyio
async def test_a_killed_undo_is_finished(tmp_path: Path) -> None:
    """An app that could not be proved isolated ends stopped, and the operation ends as undone."""

    async def die_and_succeed(it: Scene, dies: Moment) -> None:
        def lose_the_fork(line: str) -> None:
            """Put Coolify's own image, which drops `--runtime`, into service once the app is made."""
            if line.endswith("/applications/public"):
                with it.world.change() as state:
                    state.coolify.supports_runtime_option = False

        it.world.watchers += (lose_the_fork,)
        await it.kill("deploy_app", DEPLOY, dies=dies)
        await it.succeed()

        assert (dies, made(it.world.read())) == (dies, replace(ONCE, containers=0))
        assert (dies, kept(it.folder)) == (dies, [replace(once(), outcome="undone", checks=frozenset())])

    await at_once(tmp_path, IN_AN_UNDO, die_and_succeed)


@pytest.mark.anyio
async def test_a_killed_putting_back_of_variables_is_finished(tmp_path: Path) -> None:
    """Whenever the process dies that takes new values back after a failed build, the next one finishes it: the shop's
    variables are those of before, and the operation ends as undone."""

    async def die_and_succeed(it: Scene, dies: Moment) -> None:
        with it.world.change() as state:
            shop = app_named(state, "shop")
            assert shop is not None
            shop.fails_because = "npm error"
            before = [(v.key, v.is_preview, v.value) for v in shop.envs]
        await it.kill("set_app_env", {"app": "shop", "set": {"COLOUR": "green", "SIZE": "xl"}}, dies=dies)
        await it.succeed()
        shop = app_named(it.world.read(), "shop")

        assert shop is not None
        assert (dies, [(v.key, v.is_preview, v.value) for v in shop.envs]) == (dies, before)
        assert (dies, [operation.outcome for operation in kept(it.folder)]) == (dies, ["undone"])

    await at_once(tmp_path, IN_PUTTING_BACK, die_and_succeed)


@pytest.mark.anyio
async def test_killed_twice_at_the_same_place_it_is_still_done_once(tmp_path: Path) -> None:
    """The third process finishes what died twice in the same moment."""

    async def die_twice_and_succeed(it: Scene, dies: Moment) -> None:
        await it.kill("deploy_app", DEPLOY, dies=dies)
        await it.kill_successor(dies)
        await it.succeed()

        assert (dies, made(it.world.read())) == (dies, ONCE)
        assert (dies, kept(it.folder)) == (dies, [once(resumed=2)])

    await at_once(tmp_path, TWICE, die_twice_and_succeed)


@pytest.mark.anyio
async def test_who_takes_over_may_die_too(tmp_path: Path) -> None:
    """The third process goes on from where the second one came to."""

    async def die_after_taking_over(it: Scene, dies: Moment) -> None:
        await it.kill("deploy_app", DEPLOY, dies=Moment("reached", "POST /api/v1/deploy"))
        await it.kill_successor(dies)
        await it.succeed()

        assert (dies, made(it.world.read())) == (dies, ONCE)
        assert (dies, kept(it.folder)) == (dies, [once(resumed=2)])

    await at_once(tmp_path, AFTER_TAKING_OVER, die_after_taking_over)


def _deployments(state: WorldState, name: str) -> int:
    app = app_named(state, name)
    return sum(d.application_uuid == app.uuid for d in state.coolify.deployments) if app else 0
