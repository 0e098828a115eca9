"""Starts deployments, follows them to their end, and never starts a second one for the same step."""

from collections.abc import Awaitable, Callable

from ink_infra_mcp.clients.coolify.away import patiently
from ink_infra_mcp.clients.coolify.buildlog import CANCELLED, Deployment
from ink_infra_mcp.clients.coolify.deployments import RECENT, follow, left_alone, log_tail, not_ours, require_finished
from ink_infra_mcp.clients.coolify.models import DeployQueued
from ink_infra_mcp.clients.coolify.ours import Claim, wish_of
from ink_infra_mcp.clients.coolify.steps.composing import restart_service, start_service
from ink_infra_mcp.clients.coolify.steps.context import CoolifyStep
from ink_infra_mcp.clients.coolify.steps.once import make_once
from ink_infra_mcp.clients.coolify.steps.pinned import require_pinned, seen_afterwards
from ink_infra_mcp.core.errors import Rejected, StepFailed, Unavailable, Unreachable, VendorError
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.shapes import items, table
from ink_infra_mcp.core.waiting import NotYet, until

DEADLINE_S = 3600.0
CANCEL_S = 60.0
TAIL = 40


async def deploy(step: CoolifyStep) -> JsonObject:
    """Queue a deployment unless one that can only be ours is there already; return it when it has finished.

    Raises:
        StepFailed: the deployment failed, with the last lines of its log and a probable cause; it was cancelled at the
            deadline; Coolify was lost meanwhile; or one that is not ours came in between.
    """
    if step.is_service:
        return await start_service(step)
    force = step.call.params.get("force") is True
    return await _begin_and_follow(step, lambda uuid: step.coolify.deploy(uuid, force=force))


async def start(step: CoolifyStep) -> JsonObject:
    """Start a stopped app, which deploys it; return the finished deployment."""
    if step.is_service:
        return await start_service(step)
    return await _begin_and_follow(step, step.coolify.start)


async def restart(step: CoolifyStep) -> JsonObject:
    """Restart an app; return the finished deployment."""
    if step.is_service:
        return await restart_service(step)
    return await _begin_and_follow(step, step.coolify.restart)


async def rollback(step: CoolifyStep) -> JsonObject:
    """Deploy an earlier image or commit; return the finished deployment."""
    commit = step.call.text("commit")
    return await _begin_and_follow(step, lambda uuid: step.coolify.rollback(uuid, commit))


async def _begin_and_follow(step: CoolifyStep, begin: Callable[[str], Awaitable[DeployQueued]]) -> JsonObject:
    claim = Claim(known=_known(step), wish=wish_of(step.call.kind, step.call.params))
    noted: JsonObject = {}
    begun = str(step.call.params.get("deployment") or "") or await _begun(step, claim, begin, noted)
    deployment = await follow(
        step.coolify,
        step.call.given("app"),
        begun,
        clock=step.call.clock,
        say=step.call.say,
        deadline_s=_deadline(step),
        claim=claim,
        redact=step.redact,
    )
    if not deployment.is_over:
        deployment = await _cancelled(step, deployment.uuid)
    finished = require_finished(deployment, redact=step.redact)
    ended: JsonObject = {"deployment": finished.uuid, "commit": finished.commit, "status": finished.status}
    return ended | (noted or await seen_afterwards(step))


def _known(step: CoolifyStep) -> frozenset[str]:
    """Return the deployments that an earlier step has noted."""
    source = table(step.call.params["known"])
    note = step.call.results[str(source["step"])][str(source["field"])]
    return frozenset(map(str, items(note)))


async def _begun(
    step: CoolifyStep, claim: Claim, begin: Callable[[str], Awaitable[DeployQueued]], noted: JsonObject
) -> str | None:
    """Return the deployment that an earlier run of this step asked for, or else what Coolify says to a request.

    `noted` is told what would run, as it was seen right before the request.

    Raises:
        StepFailed: one that is not ours came in between, or what would run is not what was approved.
    """
    uuid, asked = step.call.given("app"), False

    async def there() -> str | None:
        recent = await step.coolify.deployments_of(uuid, take=RECENT)
        if (mine := claim.ours(recent)) is not None:
            return mine.uuid
        if not asked and (other := claim.foreign(recent)) is not None:
            raise not_ours(other)
        return None

    async def queued() -> str | None:
        nonlocal asked
        noted.update(await require_pinned(step))
        asked = True
        return (await begin(uuid)).deployment_uuid

    try:
        return await make_once(step, there, queued, whether="the deployment is queued")
    except (Unavailable, Unreachable) as error:
        if not asked:
            raise
        raise left_alone(None, error) from error


def _deadline(step: CoolifyStep) -> float:
    value = step.call.params.get("deadline_s")
    return float(value) if isinstance(value, (int, float)) else DEADLINE_S


async def _cancelled(step: CoolifyStep, uuid: str) -> Deployment:
    """Cancel a deployment that takes too long, and look that it ended; return it where it ended by itself meanwhile.

    Raises:
        StepFailed: it was cancelled; or that cannot be seen, and it may still come up.
    """
    step.call.say(f"Deployment {uuid} takes too long: cancelling it")
    try:
        await step.coolify.cancel_deployment(uuid)
    except Rejected as error:
        if error.vendor_code != "not_cancellable":
            raise left_alone(uuid, error) from error
    except VendorError as error:
        step.call.say(f"Coolify gave no good answer ({error.code}); looking whether it is cancelled")

    async def over() -> Deployment | NotYet:
        found = await step.coolify.deployment(uuid)
        return found if found.is_over else NotYet(f"waiting for deployment {uuid} to end", _goes_on(uuid))

    try:
        ended = await until(step.call, patiently(over), within_s=CANCEL_S)
    except VendorError as error:
        raise left_alone(uuid, error) from error
    if ended.status == CANCELLED:
        raise _too_long(step, ended)
    return ended


def _goes_on(uuid: str) -> StepFailed:
    return StepFailed(
        f"Deployment {uuid} takes too long, and goes on although it was to be cancelled.",
        done=f"Deployment {uuid} may still come up, and nothing has proved it.",
        next=f"Cancel it in Coolify, or call resume_operation: it takes up deployment {uuid} and proves it.",
        stage="deployment",
        unsure=True,
    )


def _too_long(step: CoolifyStep, ended: Deployment) -> StepFailed:
    return StepFailed(
        f"Deployment {ended.uuid} was not over after {_deadline(step):.0f} s, and was cancelled.",
        done="It has ended. The containers that ran before may still run, and beside them what it had started already.",
        next="See get_app for what runs, and mend what takes so long; then call again.",
        stage="deployment",
        untrusted_log=log_tail(ended, TAIL, redact=step.redact),
    )
