"""deploy_app is killed with SIGKILL before, in and after every step; the next process finishes it, and does it once."""

from pathlib import Path

import anyio
import pytest

from ink_infra_mcp.guard.caller import Asked
from tests.engine.aftermath import DEPLOY, ONCE, approvals, kept, made, once, workflows
from tests.engine.killing import CALLER, CHECKPOINT, Moment, Scene, at_once, begin_forking, called, scene

AUDIT = "INSERT INTO ink_audit"
NOW = "UPDATE ink_operations SET now_at"
WORKFLOW = "INSERT INTO main.workflow_status"
OUTCOME = "UPDATE main.workflow_status SET status"

STEPS = {
    ("create_project", "coolify.create_project"): [Moment("reached", "POST /api/v1/projects")],
    ("create_environment", "coolify.create_environment"): [Moment("reached", "/environments")],
    ("create_app", "coolify.create_application"): [Moment("reached", "POST /api/v1/applications/public")],
    ("set_env", "coolify.set_env_new"): [Moment("reached", "/envs"), Moment("reached", "/envs", nth=2)],
    ("note_deployments", "coolify.note_deployments"): [],
    ("note_containers", "hosts.note_containers"): [],
    ("deploy", "coolify.first_deploy"): [
        Moment("reached", "POST /api/v1/deploy"),
        Moment("statement", NOW, "Deployment"),
    ],
    ("prove_isolation", "hosts.prove_isolation"): [],
}
"""Each step of the plan with its kind, and the moments inside it: when Coolify has done a write and nobody has seen the
answer, and while the build is followed."""
THE_BEGIN = [
    Moment("statement", "INSERT INTO dbos_migrations"),
    Moment("statement", WORKFLOW),
    Moment("statement", CHECKPOINT, "load"),
]
"""Begun, while the engine makes its tables; not yet known to the engine; known to it, and before the first step."""
THE_NOTES = [
    Moment("after", "coolify.note_deployments"),
    Moment("after", "hosts.note_containers"),
    Moment("statement", CHECKPOINT, "note_containers"),
]
THE_END = [
    Moment("statement", NOW, "verifying"),
    Moment("statement", CHECKPOINT, "verify"),
    Moment("statement", AUDIT, "end"),
]
"""Before and after the verification; in the transaction of the end."""
AFTER_THE_END = [Moment("statement", CHECKPOINT, "finish"), Moment("statement", OUTCOME, "SUCCESS")]


def _walk() -> dict[str, list[Moment]]:
    """Round a step: before it; after it and before that is written down; after that and before the checkpoint.

    The two notes only read: they are walked round together, with what differs from the steps beside them.
    """
    steps = {
        step: [Moment("before", kind), *inside, Moment("after", kind), Moment("statement", CHECKPOINT, step)]
        for (step, kind), inside in STEPS.items()
        if not step.startswith("note_")
    }
    return {"the begin": THE_BEGIN, **steps, "the notes": THE_NOTES, "the end": THE_END}


WALK = _walk()


@pytest.fixture(scope="module", autouse=True)
def forks() -> None:
    """Have processes forked from one that has imported everything already."""
    begin_forking()


@pytest.mark.anyio
@pytest.mark.parametrize("where", WALK)
async def test_a_killed_deployment_is_finished_once_by_the_next_process(tmp_path: Path, where: str) -> None:
    """One project, one app, one deployment, one set of variables, one end, whenever the first process dies."""

    async def die_and_succeed(it: Scene, dies: Moment) -> None:
        await it.kill("deploy_app", DEPLOY, dies=dies)
        await it.succeed()

        assert (dies, made(it.world.read())) == (dies, ONCE)
        assert (dies, kept(it.folder)) == (dies, [once()])
        assert (dies, workflows(it.folder)) == (dies, ["SUCCESS"])

    await at_once(tmp_path, WALK[where], die_and_succeed)


@pytest.mark.anyio
async def test_the_walk_goes_round_every_step_of_the_plan(tmp_path: Path) -> None:
    """A step that deploy_app gains is missed here until it is walked round."""
    with scene(tmp_path) as it, anyio.fail_after(60):
        async with it.server() as app:
            tool = app.mutations["deploy_app"]
            asked = await app.change(tool, tool.args.model_validate(DEPLOY), CALLER)

    assert isinstance(asked, Asked)
    assert [(step.id, step.kind) for step in asked.approval.plan.steps] == [*STEPS]


@pytest.mark.anyio
@pytest.mark.parametrize("dies", AFTER_THE_END, ids=str)
async def test_a_deployment_killed_after_its_end_is_left_alone(tmp_path: Path, dies: Moment) -> None:
    """What has ended is not resumed, and the same call finds nothing to do."""
    with scene(tmp_path) as it, anyio.fail_after(150):
        await it.kill("deploy_app", DEPLOY, dies=dies)
        async with it.server() as app:
            taken = await app.take_over_orphans()
            again = await called(app, "deploy_app", DEPLOY)

        assert (taken, again.outcome) == ((), "already_so")
        assert made(it.world.read()) == ONCE
        assert kept(tmp_path) == [once(resumed=0)]


@pytest.mark.anyio
async def test_a_deployment_killed_before_its_begin_is_written_never_began(tmp_path: Path) -> None:
    """Nothing was done; the same call uses the approval that is still there, and the dead one's locks do not hold."""
    with scene(tmp_path) as it, anyio.fail_after(150):
        await it.kill("deploy_app", DEPLOY, dies=Moment("statement", AUDIT, "begin"))
        untouched = (it.world.read().journal, kept(tmp_path), approvals(tmp_path))
        async with it.server() as app:
            taken = await app.take_over_orphans()
            begun = await called(app, "deploy_app", DEPLOY)
            await app.follow(begun.operation_id or "", 30, None)

        assert untouched == ([], [], ["approved"])
        assert taken == ()
        assert made(it.world.read()) == ONCE
        assert (kept(tmp_path), approvals(tmp_path)) == ([once(resumed=0)], ["consumed"])
