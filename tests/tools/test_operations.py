"""get, list, cancel and resume operations, get_audit, and what happens to an operation whose caller goes away."""

import sqlite3
from pathlib import Path
from typing import Any

import anyio
import pytest

from ink_infra_mcp.sandbox.seed import SHOP
from ink_infra_mcp.sandbox.state import WorldState
from tests.ink import Ink, ink, says_yes
from tests.tools.calls import COMPOSE_ROLLOUT, ROLLOUT, Before, Held, Said, app_named, call, creations, deploy, fault

NEW: dict[str, Any] = {"name": "fresh", "repository": "https://github.com/example/hello"}
LONG_S = 60_000.0


def slow(state: WorldState) -> None:
    """Let builds of the shop take longer than any test."""
    app_named(state, "shop").build_seconds = LONG_S


def hurry(it: Ink) -> None:
    """Let the builds that run end now."""
    with it.world.change() as state:
        for deployment in state.coolify.deployments:
            if deployment.status == "in_progress":
                deployment.ends_at = deployment.resolves_at = it.world.now(state)
        app_named(state, "shop").build_seconds = 6.0


async def ended(client: Any, operation: str) -> Said:
    """Return what get_operation says once the operation has ended."""
    while True:
        said = await call(client, "get_operation", operation=operation)
        if said.data["state"] != "running":
            return said
        await anyio.lowlevel.checkpoint()


@pytest.mark.anyio
async def test_two_callers_at_once_make_one_change(tmp_path: Path) -> None:
    """While an operation runs, the very same call joins it, another one on the app is told who holds it, and other
    apps are free; when it has ended, the waiting call works."""
    change = {"name": "shop", "memory": "1g"}
    with anyio.fail_after(120):
        async with ink(tmp_path, change_world=slow) as it, it.client(says_yes()) as one, it.client(says_yes()) as two:
            first = await deploy(one, **change, wait_s=0)
            same = await deploy(two, **change, wait_s=0)
            others = [
                await deploy(two, name="shop", memory="2g"),
                await call(two, "control_app", app="shop", action="stop"),
                await call(two, "set_app_env", app="shop", set={"A": "1"}),
            ]
            free = await call(two, "control_app", app="docs", action="restart", wait_s=60)
            hurry(it)
            done = await ended(one, first.data["operation_id"])
            again = await deploy(two, **change)
            stop = await call(two, "control_app", app="shop", action="stop", wait_s=60)

    assert (first.outcome, same.outcome) == ("running", "running")
    assert same.data["operation_id"] == first.data["operation_id"]
    for other in others:
        assert (other.outcome, other.is_error) == ("locked", True)
        held = f"app:{SHOP} is held by operation {first.data['operation_id']} of local:tester (Update shop on muscle-1)"
        assert held in other.text
        assert "Nothing was changed." in other.text
    assert (free.outcome, done.data["state"], again.outcome, stop.outcome) == (
        "applied",
        "applied",
        "already_so",
        "applied",
    )


@pytest.mark.anyio
async def test_two_creations_of_one_name_at_once_make_one_app(tmp_path: Path) -> None:
    """Neither has an app to lock yet: the name is what they meet on."""
    with anyio.fail_after(120):
        async with ink(tmp_path) as it, it.client(says_yes()) as one, it.client(says_yes()) as two:
            said: list[Said] = []

            async def make(client: Any, **more: Any) -> None:
                said.append(await deploy(client, **NEW, **more))

            async with anyio.create_task_group() as group:
                group.start_soon(make, one)
                group.start_soon(lambda: make(two, memory="1g"))
            made = creations(it)

    outcomes = sorted(answer.outcome for answer in said)
    assert (outcomes[0], len(made)) == ("applied", 1), [answer.text for answer in said]
    assert outcomes[1] in {"locked", "plan_drifted", "applied"}


@pytest.mark.anyio
async def test_a_caller_that_goes_away_cancels_nothing(tmp_path: Path) -> None:
    """The client is gone in the middle of the call; the operation ends by itself, and the same call finds it done."""
    with anyio.fail_after(120):
        async with ink(tmp_path, change_world=slow) as it:
            async with it.client(says_yes()) as client:
                with anyio.CancelScope() as scope:

                    async def leave(progress: float, total: float | None, message: str | None) -> None:
                        if it.state.coolify.deployments[-1].status == "in_progress":
                            scope.cancel()

                    arguments = {"name": "shop", "memory": "1g", "wait_s": 60}
                    await client.call_tool("deploy_app", arguments, progress_callback=leave)
                assert scope.cancelled_caught
            async with it.client(says_yes()) as client:
                running = await call(client, "list_operations", running=True)
                hurry(it)
                done = await ended(client, running.data["rows"][0][0])
                again = await deploy(client, name="shop", memory="1g")

    assert [row[1:4] for row in running.data["rows"]] == [["deploy_app", "shop", "running"]]
    assert (done.data["state"], again.outcome) == ("applied", "already_so")
    assert done.data["receipt"]["checks"] != []


@pytest.mark.anyio
async def test_an_operation_is_followed_step_by_step_and_listed(tmp_path: Path) -> None:
    """get_operation shows what runs now, then proofs and audit lines; the list pages; unknown ids are errors."""
    with anyio.fail_after(120):
        async with ink(tmp_path, change_world=slow) as it, it.client(says_yes()) as client:
            first = await deploy(client, name="shop", memory="1g", wait_s=0)
            shown = await call(client, "get_operation", operation=first.data["operation_id"])
            hurry(it)
            done = await ended(client, first.data["operation_id"])
            await call(client, "control_app", app="docs", action="restart", wait_s=60)
            newest = await call(client, "list_operations", limit=1)
            older = await call(client, "list_operations", limit=1, cursor=newest.data["next_cursor"])
            unknown = [
                await call(client, "get_operation", operation="op-unknown1"),
                await call(client, "cancel_operation", operation="op-unknown1"),
                await call(client, "resume_operation", operation="op-unknown1"),
            ]
            odd = await call(client, "get_operation", operation="op-1; drop table operations")

    assert (shown.data["state"], shown.data["approved_by"], shown.data["principal"]) == (
        "running",
        "elicitation",
        "local:tester",
    )
    assert [step["state"] for step in done.data["steps"]] == ["done"] * 5
    assert [line.split(" ", 1)[1] for line in done.data["log"]] == [
        "begin",
        "step update_app done",
        "step note_deployments done",
        "step note_containers done",
        "step deploy done",
        "step prove_isolation done",
        "end applied",
    ]
    assert "passed: isolation" in done.text
    assert (newest.data["rows"][0][1], older.data["rows"][0][1], "next_cursor" in older.data) == (
        "control_app",
        "deploy_app",
        False,
    )
    for answer in unknown:
        assert answer.text.startswith("[unknown_name] There is no operation 'op-unknown1'.")
    assert odd.text.startswith("[invalid_input]")


@pytest.mark.anyio
async def test_a_cancelled_operation_stops_before_its_next_step_and_can_be_resumed_once(tmp_path: Path) -> None:
    """What runs ends, what is left does not begin; resuming does exactly that; twice is once."""
    held = Held("coolify.update_application")
    with anyio.fail_after(120):
        async with ink(tmp_path, wrap_handler=held) as it, it.client(says_yes()) as client:
            first = await deploy(client, name="shop", memory="1g", wait_s=0)
            operation = first.data["operation_id"]
            await held.begun.wait()
            early = await call(client, "resume_operation", operation=operation)
            cancel = await call(client, "cancel_operation", operation=operation, wait_s=60)
            twice = await call(client, "cancel_operation", operation=operation, wait_s=60)
            held.go.set()
            done = await ended(client, operation)
            late = await call(client, "cancel_operation", operation=operation, wait_s=60)
            writes = it.journal
            resumed = await call(client, "resume_operation", operation=operation, wait_s=60)
            again = await call(client, "resume_operation", operation=operation, wait_s=60)
            after = it.journal[len(writes) :]
            same = await deploy(client, name="shop", memory="1g")

    assert early.text.startswith(f"[invalid_input] {operation} is still running.")
    assert [said.outcome for said in (cancel, twice, late)] == ["applied", "already_so", "already_so"]
    assert done.data["state"] == "cancelled"
    assert [step["state"] for step in done.data["steps"]] == ["done", *["not begun"] * 4]
    assert "The same call plans what is left." in done.text
    assert (resumed.outcome, resumed.data["result"]["resumed"]) == ("applied", operation)
    assert (len(writes), after) == (1, ["coolify POST /api/v1/deploy"])
    assert (again.outcome, same.outcome) == ("already_so", "already_so")
    assert f"{operation} was brought to its end by {resumed.data['operation_id']}." in again.text


@pytest.mark.anyio
@pytest.mark.parametrize("source", ["git", "compose"])
async def test_a_failed_operation_is_resumed_from_where_it_stopped(tmp_path: Path, source: str) -> None:
    """A new app, made and not deployed, is deployed and not made again; the new project is not made again either."""
    file = "services:\n  web: {image: 'registry.example.com/web:1'}\n"
    arguments = NEW if source == "git" else {"name": "fresh", "compose": file}
    path = "POST /api/v1/deploy" if source == "git" else "/start"

    def no_project(state: WorldState) -> None:
        state.coolify.projects[0].name = "other"

    with anyio.fail_after(120):
        async with ink(tmp_path, change_world=no_project) as it, it.client(says_yes()) as client:
            fault(it, path, status=403, body='{"message":"Missing required permissions: deploy"}', times=2)
            failed = await deploy(client, **arguments)
            operation = failed.data["operation_id"]
            still = await call(client, "resume_operation", operation=operation, wait_s=60)
            blocked = await call(client, "resume_operation", operation=operation, wait_s=60)
            resumed = await call(client, "resume_operation", operation=still.data["operation_id"], wait_s=60)
            made, projects = creations(it), [p.name for p in it.state.coolify.projects]
            over = await call(client, "resume_operation", operation=resumed.data["operation_id"])

    assert (failed.outcome, still.outcome, resumed.outcome) == ("failed", "failed", "applied"), resumed.text
    rollout = ROLLOUT if source == "git" else COMPOSE_ROLLOUT
    assert [step["id"] for step in resumed.data["steps"]] == rollout
    assert (len(made), projects) == (1, ["other", "apps"])
    assert f"{operation} was resumed by {still.data['operation_id']}, which ended as failed." in blocked.text
    assert resumed.data["result"]["url"] == "https://fresh.s2.example.com"
    assert "ended as applied. Nothing was changed. There is nothing to resume." in over.text


@pytest.mark.anyio
async def test_what_can_no_longer_be_resumed_says_so(tmp_path: Path) -> None:
    """The Factory lost the option, or the app is gone: the rest is not run blindly."""
    with anyio.fail_after(120):
        async with ink(tmp_path) as it, it.client(says_yes()) as client:
            fault(it, "POST /api/v1/deploy", status=403, body='{"message":"Missing required permissions: deploy"}')
            failed = await deploy(client, **NEW)
            operation = failed.data["operation_id"]
            with it.world.change() as state:
                state.coolify.supports_runtime_option = False
            lost = await call(client, "resume_operation", operation=operation)
            with it.world.change() as state:
                state.coolify.supports_runtime_option = True
                state.coolify.applications = [a for a in state.coolify.applications if a.text("name") != "fresh"]
            gone = await call(client, "resume_operation", operation=operation)

    assert lost.text.startswith("[refused_by_policy] The Coolify image in service does not know --runtime")
    assert gone.text.startswith("[unknown_name] There is no app ")


@pytest.mark.anyio
async def test_the_audit_tells_who_did_what_and_notices_a_change(tmp_path: Path) -> None:
    """Every plan, answer, step and outcome in order, with who; pages; one line altered breaks the chain."""
    with anyio.fail_after(90):
        async with ink(tmp_path) as it, it.client(says_yes()) as client:
            said = await call(client, "control_app", app="shop", action="restart", wait_s=60)
            everything = await call(client, "get_audit")
            only = await call(client, "get_audit", operation=said.data["operation_id"])
            last = await call(client, "get_audit", limit=2)
            earlier = await call(client, "get_audit", limit=2, before=last.data["before"])
            with sqlite3.connect(tmp_path / "state" / "state.sqlite3") as db:
                db.execute("update ink_audit set principal = 'somebody else' where seq = 2")
            broken = await call(client, "get_audit")

    columns = everything.data["columns"]
    rows = [dict(zip(columns, row, strict=True)) for row in everything.data["rows"]]
    assert [(row["event"], row["outcome"]) for row in rows] == [
        ("proposed", ""),
        ("approved", "accept"),
        ("begin", ""),
        *[("step", "done")] * 4,
        ("end", "applied"),
    ]
    assert {(row["principal"], row["tool"], row["target"]) for row in rows} == {("local:tester", "control_app", "shop")}
    assert len(only.data["rows"]) == 6
    assert [row[0] for row in (*earlier.data["rows"], *last.data["rows"])] == ["5", "6", "7", "8"]
    assert everything.data["chain"] == "verified, 8 lines"
    assert broken.data["chain"].startswith("BROKEN: ")


@pytest.mark.anyio
async def test_an_app_that_is_deleted_between_the_yes_and_the_run_is_noticed(tmp_path: Path) -> None:
    """A step on an app that is gone fails with its name, and nothing else of it is done."""

    def gone(state: WorldState) -> None:
        state.coolify.applications = [a for a in state.coolify.applications if a.uuid != SHOP]

    meanwhile = Before(tmp_path, "coolify.set_env", gone)
    with anyio.fail_after(90):
        async with ink(tmp_path, wrap_handler=meanwhile) as it, it.client(says_yes()) as client:
            said = await call(client, "set_app_env", app="shop", set={"A": "1"}, wait_s=60)
            writes = it.journal

    assert (said.outcome, writes) == ("failed", [])
    assert "Application not found" in said.problem["message"]
