"""deploy_app is killed with SIGKILL before, in and after every step; the next process finishes it, and does it once."""

from pathlib import Path

import anyio
import pytest

from tests.engine.aftermath import DEPLOY, ONCE, kept, made, once, workflows
from tests.engine.killing import CHECKPOINT, Moment, begin_forking, called, scene

STEPS = {
    "create_project": "coolify.create_project",
    "create_environment": "coolify.create_environment",
    "create_app": "coolify.create_application",
    "set_env": "coolify.set_env_new",
    "deploy": "coolify.first_deploy",
    "prove_isolation": "hosts.prove_isolation",
}
"""Each step of the plan, and its kind."""
AUDIT = "INSERT INTO ink_audit"
NOW = "UPDATE ink_operations SET now_at"
WORKFLOW = "INSERT INTO main.workflow_status"
OUTCOME = "UPDATE main.workflow_status SET status"

ROUND_STEPS = [
    moment
    for step, kind in STEPS.items()
    for moment in (Moment("before", kind), Moment("after", kind), Moment("statement", CHECKPOINT, step))
]
"""Before a step; after it and before anybody wrote that down; after that and before the engine's checkpoint."""
IN_STEPS = [
    Moment("reached", "POST /api/v1/projects"),
    Moment("reached", "/environments"),
    Moment("reached", "POST /api/v1/applications/public"),
    Moment("reached", "/envs"),
    Moment("reached", "/envs", nth=2),
    Moment("reached", "POST /api/v1/deploy"),
    Moment("statement", NOW, "Deployment"),
]
"""When Coolify has done a write and nobody has seen the answer; while the build is followed."""
ROUND_THE_PLAN = [
    Moment("statement", WORKFLOW),
    Moment("statement", CHECKPOINT, "load"),
    Moment("statement", NOW, "verifying"),
    Moment("statement", CHECKPOINT, "verify"),
    Moment("statement", AUDIT, "end"),
]
"""Begun and not yet a workflow; before the first step; in and after the verification; in the end's transaction."""
AFTER_THE_END = [Moment("statement", CHECKPOINT, "finish"), Moment("statement", OUTCOME, "SUCCESS")]


@pytest.fixture(scope="module", autouse=True)
def forks() -> None:
    """Have processes forked from one that has imported everything already."""
    begin_forking()


@pytest.mark.anyio
@pytest.mark.parametrize("dies", [*ROUND_STEPS, *IN_STEPS, *ROUND_THE_PLAN], ids=str)
async def test_a_killed_deployment_is_finished_once_by_the_next_process(tmp_path: Path, dies: Moment) -> None:
    """One project, one app, one deployment, one set of variables, one end, whenever the first process dies."""
    with scene(tmp_path) as it, anyio.fail_after(50):
        it.kill("deploy_app", DEPLOY, dies=dies)
        async with it.server() as app:
            (operation,) = await app.take_over_orphans()
            await app.follow(operation, 30, None)
            await app.drain()
            left = await kept(app, operation)

        assert made(it.world.read()) == ONCE
        assert left == once()
        assert workflows(tmp_path) == [(operation, "SUCCESS")]


@pytest.mark.anyio
@pytest.mark.parametrize("dies", AFTER_THE_END, ids=str)
async def test_a_deployment_killed_after_its_end_is_left_alone(tmp_path: Path, dies: Moment) -> None:
    """What has ended is not resumed, and the same call finds nothing to do."""
    with scene(tmp_path) as it, anyio.fail_after(50):
        it.kill("deploy_app", DEPLOY, dies=dies)
        async with it.server() as app:
            taken = await app.take_over_orphans()
            (operation,) = await app.look.archive.operations(before=None, limit=5)
            again = await called(app, "deploy_app", DEPLOY)
            left = await kept(app, operation.id)

        assert (taken, again.outcome) == ((), "already_so")
        assert made(it.world.read()) == ONCE
        assert left == once(resumed=0)


@pytest.mark.anyio
async def test_a_deployment_killed_before_its_begin_is_written_never_began(tmp_path: Path) -> None:
    """Nothing was done; the same call uses the approval that is still there, and the dead one's locks do not hold."""
    with scene(tmp_path) as it, anyio.fail_after(50):
        it.kill("deploy_app", DEPLOY, dies=Moment("statement", AUDIT, "begin"))
        journal = it.world.read().journal
        async with it.server() as app:
            taken = await app.take_over_orphans()
            begun = (await called(app, "deploy_app", DEPLOY)).operation_id or ""
            await app.follow(begun, 30, None)
            left = await kept(app, begun)
            approvals = await app.store.run(
                lambda c: [*c.exec_driver_sql("select state, operation_id from ink_approvals")]
            )

        assert (taken, journal) == ((), [])
        assert approvals == [("consumed", begun)]
        assert made(it.world.read()) == ONCE
        assert left == once(resumed=0)
