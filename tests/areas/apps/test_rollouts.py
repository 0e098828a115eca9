"""A rollout is proved by its own containers and its own deployment: not by older ones, nor by somebody else's."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest

from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.step import Handler, StepCall
from ink_infra_mcp.sandbox.coolify.queue import Wish, enqueue
from ink_infra_mcp.sandbox.seed import SHOP
from ink_infra_mcp.sandbox.state import WorldState
from ink_infra_mcp.sandbox.state_coolify import Deployment
from ink_infra_mcp.sandbox.state_github import commit_sha
from ink_infra_mcp.sandbox.state_hosts import Container
from tests.ink import ink, says_yes
from tests.tools.calls import After, Before, app_named, call, deploy

pytestmark = pytest.mark.anyio

LIMIT_S = 120
COMMIT = commit_sha("example/hello main")
STACK: dict[str, Any] = {"name": "stack", "compose": "services:\n  web: {image: 'registry.example.com/web:1'}\n"}
TWO: dict[str, Any] = {
    "name": "two",
    "compose_service": "web",
    "compose": "services:\n"
    "  web: {image: 'registry.example.com/web:1'}\n"
    "  db: {image: 'registry.example.com/db:1'}\n"
    "  migrate: {image: 'registry.example.com/one-shot:1', restart: no}\n",
}


def bare(state: WorldState) -> None:
    """Let the compose app come up without gVisor at its next start, which takes a while."""
    service = state.coolify.services[0]
    service.start_seconds = 30.0
    service.docker_compose_raw = service.docker_compose_raw.replace("runtime: runsc", "runtime: runc")


def of_earlier(handler: Handler) -> Handler:
    """Return the handler as it runs a step of a plan that an earlier version made, which pins nothing."""

    async def run(call: StepCall) -> JsonObject:
        return await handler(replace(call, params={name: v for name, v in call.params.items() if name != "pins"}))

    return run


def without_db(state: WorldState) -> None:
    """Take a container away from behind Coolify, which does not look for a while."""
    for server in state.coolify.servers:
        server.next_check_at += 1e9
    for host in state.hosts.values():
        host.containers = [c for c in host.containers if not c.name.startswith("db-")]


def lingering(state: WorldState) -> None:
    """Let the containers from before be seen for a while after Coolify calls a deployment finished."""
    app_named(state, "shop").lingers_s = 20.0


def official(state: WorldState) -> None:
    """Put Coolify's own image, which drops `--runtime`, into service."""
    state.coolify.supports_runtime_option = False


def now_of(state: WorldState) -> float:
    """Return about the world's time: that of its newest change."""
    return max(d.updated_at for d in state.coolify.deployments)


def pushed(state: WorldState) -> None:
    """Let a webhook deploy the shop, of the very commit that is wanted."""
    shop = app_named(state, "shop")
    queued = enqueue(state, shop, "webhooked", Wish(commit=COMMIT, asked_by="webhook"), now=now_of(state))
    assert queued.status == "queued"


def of_shop(state: WorldState) -> list[Deployment]:
    """Return the deployments of the shop."""
    return [d for d in state.coolify.deployments if d.application_uuid == SHOP]


async def test_a_compose_app_that_still_runs_from_before_does_not_prove_its_restart(tmp_path: Path) -> None:
    """Coolify calls it running all the time; what comes up half a minute later is what is judged."""
    weakened = Before(tmp_path, "coolify.restart", bare)

    def wrap(kind: str, handler: Handler) -> Handler:
        return weakened(kind, of_earlier(handler) if kind == "coolify.restart" else handler)

    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, wrap_handler=wrap) as it, it.client(says_yes()) as client:
            made = await deploy(client, **STACK)
            said = await call(client, "control_app", app="stack", action="restart", wait_s=60)

    assert (made.outcome, said.outcome) == ("applied", "undone"), said.text
    assert "it runs under runc, not runsc" in said.problem["message"]


async def test_containers_that_linger_after_a_deployment_do_not_prove_it(tmp_path: Path) -> None:
    """Coolify says finished while the server still shows the old container: the new one is waited for and judged."""
    lost = Before(tmp_path, "coolify.restart", official)
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=lingering, wrap_handler=lost) as it, it.client(says_yes()) as client:
            said = await call(client, "control_app", app="shop", action="restart", wait_s=60)

    assert said.outcome == "undone", said.text
    assert "it runs under runc, not runsc" in said.problem["message"]


async def test_a_container_from_before_that_comes_back_after_the_proof_is_told(tmp_path: Path) -> None:
    """The verification looks for itself, against the same note."""
    old: list[Container] = []

    def keep(state: WorldState) -> None:
        old.extend(c for c in state.hosts["muscle-1"].containers if c.name.startswith(SHOP))

    back = After(tmp_path, "hosts.prove_isolation", lambda state: state.hosts["muscle-1"].containers.extend(old))
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=keep, wrap_handler=back) as it, it.client(says_yes()) as client:
            said = await call(client, "control_app", app="shop", action="restart", wait_s=60)

    assert (said.outcome, said.checks["isolation"]) == ("applied_unverified", "failed")
    evidence = next(check["evidence"] for check in said.data["checks"] if check["name"] == "isolation")
    assert evidence.startswith(f"{old[0].name} (since ")
    assert evidence.endswith("on muscle-1 is from before")


async def test_every_service_of_a_compose_app_runs_save_those_that_may_end(tmp_path: Path) -> None:
    """A one-shot service that has ended well is as asked for; another one that is gone is started again."""
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path) as it, it.client(says_yes()) as client:
            made = await deploy(client, **TWO)
            again = await deploy(client, **TWO)
            with it.world.change() as state:
                without_db(state)
            lost = await deploy(client, **TWO)

    assert (made.outcome, again.outcome, lost.outcome) == ("applied", "already_so", "applied"), made.text
    assert "migrate" in next(check["evidence"] for check in made.data["checks"] if check["name"] == "isolation")


async def test_an_operation_that_lost_coolify_in_mid_build_is_resumed_with_the_same_deployment(tmp_path: Path) -> None:
    """The error names the deployment and says that it may still come up; the resumption proves that very one."""

    def slow(state: WorldState) -> None:
        app_named(state, "shop").build_seconds = 600.0

    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=slow) as it, it.client(says_yes()) as client:

            async def lose(progress: float, total: float | None, message: str | None) -> None:
                with it.world.change() as state:
                    if of_shop(state)[-1].status == "in_progress" and state.coolify.down_until == 0.0:
                        state.coolify.down_until = it.world.now(state) + 1e9

            arguments = {"name": "shop", "memory": "1g", "wait_s": 60}
            await client.call_tool("deploy_app", arguments, progress_callback=lose)
            operation = (await call(client, "list_operations")).data["rows"][0][0]
            lost = await call(client, "get_operation", operation=operation)
            with it.world.change() as state:
                state.coolify.down_until = 0.0
            before = of_shop(it.state)
            resumed = await call(client, "resume_operation", operation=operation, wait_s=60)
            after = of_shop(it.state)

    ours = before[-1].deployment_uuid
    message = lost.data["receipt"]["problem"]["message"]
    assert lost.data["state"] == "failed"
    assert f"deployment {ours}" in message
    assert "may still come up" in message
    assert "resume_operation" in message
    assert (resumed.outcome, resumed.checks["isolation"]) == ("applied", "passed"), resumed.text
    assert resumed.data["result"]["deployment"] == ours
    assert [d.deployment_uuid for d in after] == [d.deployment_uuid for d in before]


async def test_a_deployment_that_failed_is_not_taken_up_by_a_resumption(tmp_path: Path) -> None:
    """It was asked for and seen to its end: the resumption asks for another one."""

    def broken(state: WorldState) -> None:
        app_named(state, "shop").fails_because = "npm error Missing script: build"

    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=broken) as it, it.client(says_yes()) as client:
            failed = await deploy(client, name="shop", memory="1g")
            with it.world.change() as state:
                app_named(state, "shop").fails_because = ""
            resumed = await call(client, "resume_operation", operation=failed.data["operation_id"], wait_s=60)
            theirs, ours = of_shop(it.state)[-2:]

    assert (failed.outcome, resumed.outcome) == ("failed", "applied"), resumed.text
    assert (theirs.status, resumed.data["result"]["deployment"]) == ("failed", ours.deployment_uuid)


async def test_a_deployment_of_a_webhook_is_waited_out_and_never_taken_for_ours(tmp_path: Path) -> None:
    """It began before our settings were in place, of the same commit: ours comes after it, and is the one proved."""
    meanwhile = Before(tmp_path, "coolify.update_application", pushed)
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, wrap_handler=meanwhile) as it, it.client(says_yes()) as client:
            said = await deploy(client, name="shop", memory="1g")
            theirs, ours = of_shop(it.state)[-2:]

    assert said.outcome == "applied", said.text
    assert (theirs.is_webhook, theirs.status, ours.is_webhook, ours.status) == (True, "finished", False, "finished")
    assert said.data["result"]["deployment"] == ours.deployment_uuid
    assert (ours.started_at or 0.0) >= (theirs.finished_at or 0.0)


async def test_a_deployment_that_comes_between_the_notes_and_ours_ends_the_operation(tmp_path: Path) -> None:
    """Nobody could tell any more whose containers run next: the step fails, and its resumption deploys."""
    meanwhile = Before(tmp_path, "coolify.restart", pushed)
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, wrap_handler=meanwhile) as it, it.client(says_yes()) as client:
            said = await call(client, "control_app", app="shop", action="restart", wait_s=60)
            left = [d.deployment_uuid for d in of_shop(it.state)]
            resumed = await call(client, "resume_operation", operation=said.data["operation_id"], wait_s=60)
            after = [d.deployment_uuid for d in of_shop(it.state)]

    assert (said.outcome, said.problem["stage"]) == ("failed", "queue")
    assert "Deployment webhooked of the app, which a webhook asked for" in said.problem["message"]
    assert left[-1] == "webhooked"
    assert (resumed.outcome, len(after)) == ("applied", len(left) + 1), resumed.text
    assert resumed.data["result"]["deployment"] == after[-1]
