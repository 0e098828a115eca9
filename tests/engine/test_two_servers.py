"""Several servers on one state: what lives is left alone, what died is taken over, and by one of them only."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from ink_infra_mcp.app import App
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.step import Handler, StepCall
from tests.engine.aftermath import DEPLOY, ONCE, kept, made, once
from tests.engine.killing import Moment, Scene, begin_forking, called, ended, scene

OTHER = {"name": "other", "image": "registry.example.com/docs:1.4"}
IN_DEPLOY = Moment("reached", "POST /api/v1/deploy")


@pytest.fixture(scope="module", autouse=True)
def forks() -> None:
    """Have processes forked from one that has imported everything already."""
    begin_forking()


@asynccontextmanager
async def _held_up(it: Scene, kind: str) -> AsyncGenerator[tuple[App, anyio.Event, anyio.Event]]:
    """Give a server whose step of that kind waits, with the events that it has come there, and that it may go on."""
    there, go_on = anyio.Event(), anyio.Event()

    def wrap(of: str, handler: Handler) -> Handler:
        async def run(call: StepCall) -> JsonObject:
            if of == kind:
                there.set()
                await go_on.wait()
            return await handler(call)

        return run

    async with it.server(wrap) as app:
        yield app, there, go_on


@pytest.mark.anyio
async def test_what_a_living_server_does_is_left_to_it(tmp_path: Path) -> None:
    """Another server takes nothing over, answers the same call with the running operation, and can follow it."""
    with scene(tmp_path) as it, anyio.fail_after(150):
        async with _held_up(it, "coolify.first_deploy") as (first, there, go_on), it.server() as second:
            begun = await called(first, "deploy_app", DEPLOY)
            operation = begun.operation_id or ""
            await there.wait()
            taken = await second.take_over_orphans()
            again = await called(second, "deploy_app", DEPLOY)
            go_on.set()
            receipt = await second.follow(operation, 30, None)

        assert (taken, again.outcome, again.operation_id) == ((), "running", operation)
        assert receipt.outcome == "applied"
        assert made(it.world.read()) == ONCE
        assert kept(tmp_path) == [once(resumed=0)]


@pytest.mark.anyio
async def test_a_server_takes_over_what_it_meets_when_the_owner_has_died(tmp_path: Path) -> None:
    """The same call at a server that was running all the time joins the orphan and brings it to its end."""
    with scene(tmp_path) as it, anyio.fail_after(150):
        async with it.server() as survivor:
            assert await survivor.take_over_orphans() == ()
            await it.kill("deploy_app", DEPLOY, dies=Moment("reached", "/projects"))
            joined = await called(survivor, "deploy_app", DEPLOY)
            operation = joined.operation_id or ""
            receipt = await survivor.follow(operation, 30, None)

        assert (joined.outcome, receipt.outcome) == ("running", "applied")
        assert made(it.world.read()) == ONCE
        assert kept(tmp_path) == [once()]


@pytest.mark.anyio
async def test_of_two_servers_that_start_at_once_one_takes_over(tmp_path: Path) -> None:
    """The operation is resumed once, and done once."""
    with scene(tmp_path) as it, anyio.fail_after(150):
        await it.kill("deploy_app", DEPLOY, dies=IN_DEPLOY)
        successors = [it.start(), it.start()]
        assert [await ended(process) for process in successors] == [0, 0]

        assert made(it.world.read()) == ONCE
        assert kept(tmp_path) == [once()]


@pytest.mark.anyio
async def test_two_servers_can_begin_their_first_operations_at_once(tmp_path: Path) -> None:
    """On a fresh state neither gets into the other's way: both operations are applied."""
    with scene(tmp_path) as it, anyio.fail_after(150):
        calls = [it.start("set_app_env", {"app": app, "set": {"COLOUR": "green"}}) for app in ("shop", "docs")]
        assert [await ended(process) for process in calls] == [0, 0]

        assert kept(tmp_path) == [once(resumed=0), once(resumed=0)]


@pytest.mark.anyio
async def test_a_server_that_is_closed_leaves_its_operation_to_the_next(tmp_path: Path) -> None:
    """Closing in the middle of a step is no failure of the step: the next server runs it to its end."""
    with scene(tmp_path) as it, anyio.fail_after(150):
        async with _held_up(it, "coolify.first_deploy") as (first, there, go_on):
            operation = (await called(first, "deploy_app", DEPLOY)).operation_id or ""
            await there.wait()
        go_on.set()
        async with it.server() as app:
            taken = await app.take_over_orphans()
            receipt = await app.follow(operation, 30, None)
            lines = await app.look.archive.lines_of(operation, limit=100)

        assert (taken, receipt.outcome) == ((operation,), "applied")
        assert made(it.world.read()) == ONCE
        assert kept(tmp_path) == [once()]
        assert {line.outcome for line in lines if line.event == "step"} == {"done"}


@pytest.mark.anyio
async def test_a_missing_project_is_made_once_for_two_deployments(tmp_path: Path) -> None:
    """While one deployment makes the project, another one that would make it too has to wait."""
    with scene(tmp_path) as it, anyio.fail_after(150):
        async with _held_up(it, "coolify.create_project") as (first, there, go_on), it.server() as second:
            operation = (await called(first, "deploy_app", DEPLOY)).operation_id or ""
            await there.wait()
            locked = await called(second, "deploy_app", OTHER)
            go_on.set()
            await first.follow(operation, 30, None)
            later = await called(first, "deploy_app", OTHER)
            applied = await first.follow(later.operation_id or "", 30, None)

        assert (locked.outcome, applied.outcome) == ("locked", "applied")
        assert made(it.world.read()).projects == 1
