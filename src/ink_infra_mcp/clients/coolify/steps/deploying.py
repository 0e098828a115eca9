"""Starts deployments, follows them to their end, and never starts a second one for the same step."""

from collections.abc import Awaitable, Callable

from ink_infra_mcp.clients.coolify.deployments import follow, require_finished
from ink_infra_mcp.clients.coolify.models import DeployQueued
from ink_infra_mcp.clients.coolify.steps.context import CoolifyStep
from ink_infra_mcp.clients.coolify.steps.once import make_once
from ink_infra_mcp.core.errors import Rejected, StepFailed
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.shapes import items
from ink_infra_mcp.core.waiting import EVERY_S, NotYet, until

DEADLINE_S = 3600.0
SERVICE_S = 300.0


async def deploy(step: CoolifyStep) -> JsonObject:
    """Queue a deployment unless one that the plan did not know is there already; return it when it has finished.

    Raises:
        StepFailed: the deployment failed, with the last lines of its log and a probable cause.
    """
    if step.is_service:
        return await _start_service(step)
    force = step.call.params.get("force") is True
    return await _begin_and_follow(step, lambda uuid: step.coolify.deploy(uuid, force=force))


async def start(step: CoolifyStep) -> JsonObject:
    """Start a stopped app, which deploys it; return the finished deployment."""
    if step.is_service:
        return await _start_service(step)
    return await _begin_and_follow(step, step.coolify.start)


async def restart(step: CoolifyStep) -> JsonObject:
    """Restart an app; return the finished deployment."""
    if step.is_service:
        return await _restart_service(step)
    return await _begin_and_follow(step, step.coolify.restart)


async def rollback(step: CoolifyStep) -> JsonObject:
    """Deploy an earlier image or commit; return the finished deployment."""
    commit = step.call.text("commit")
    return await _begin_and_follow(step, lambda uuid: step.coolify.rollback(uuid, commit))


async def _begin_and_follow(step: CoolifyStep, begin: Callable[[str], Awaitable[DeployQueued]]) -> JsonObject:
    uuid = step.call.given("app")
    known = frozenset(str(one) for one in items(step.call.params.get("known")))

    async def newer() -> str | None:
        recent = await step.coolify.deployments_of(uuid, take=5)
        return next((d.uuid for d in recent if d.uuid not in known), None)

    async def queued() -> str | None:
        return (await begin(uuid)).deployment_uuid

    begun = await make_once(step, newer, queued, whether="the deployment is queued")
    deployment = await follow(
        step.coolify,
        uuid,
        begun,
        clock=step.call.clock,
        say=step.call.say,
        deadline_s=_deadline(step),
        known=known,
        redact=step.redact,
    )
    finished = require_finished(deployment, redact=step.redact)
    return {"deployment": finished.uuid, "commit": finished.commit, "status": finished.status}


def _deadline(step: CoolifyStep) -> float:
    value = step.call.params.get("deadline_s")
    return float(value) if isinstance(value, (int, float)) else DEADLINE_S


async def _start_service(step: CoolifyStep) -> JsonObject:
    """A compose app has no deployments: it is started, and followed until Coolify calls it running."""
    uuid = step.call.given("app")
    if (await step.coolify.service(uuid)).status.state != "running":
        try:
            await step.coolify.start_service(uuid)
        except Rejected as error:
            if error.vendor_code != "already_running":
                raise
    return await _until_running(step, uuid)


async def _restart_service(step: CoolifyStep) -> JsonObject:
    uuid = step.call.given("app")
    await step.coolify.restart_service(uuid, pull_latest=True)
    return await _until_running(step, uuid)


async def _until_running(step: CoolifyStep, uuid: str) -> JsonObject:
    async def running() -> JsonObject | NotYet:
        state = (await step.coolify.service(uuid)).status.state
        return {"status": state} if state == "running" else _not_running(state)

    return await until(step.call, running, within_s=SERVICE_S, first_s=EVERY_S)


def _not_running(state: str) -> NotYet:
    failure = StepFailed(
        f"The compose app is {state} {SERVICE_S:.0f} s after its start was queued.",
        done="The start is queued.",
        next="Look at get_app: a container may end right after its start.",
        stage="start",
    )
    return NotYet(f"waiting for the compose app to run ({state})", failure)
