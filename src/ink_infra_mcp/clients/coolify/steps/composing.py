"""Starts and restarts compose apps, which have no deployments: Coolify's word that one runs is only waited for."""

from collections.abc import Awaitable, Callable

from ink_infra_mcp.clients.coolify.away import AWAY, Patience
from ink_infra_mcp.clients.coolify.steps.context import CoolifyStep
from ink_infra_mcp.core.errors import Rejected, StepFailed, Unavailable, Unreachable, VendorError
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.waiting import EVERY_S

RUNNING_S = 300.0


async def start_service(step: CoolifyStep) -> JsonObject:
    """Start a compose app, and wait until Coolify calls it running; what it calls running already is restarted.

    That may be a word from before a stop, and then a start would start nothing.
    """
    uuid = step.call.given("app")

    async def begin() -> None:
        try:
            await step.coolify.start_service(uuid)
        except Rejected as error:
            if error.vendor_code != "already_running":
                raise
            await step.coolify.restart_service(uuid)

    return await _begin_and_wait(step, uuid, begin)


async def restart_service(step: CoolifyStep) -> JsonObject:
    """Restart a compose app with newer images of the same tags, and wait until Coolify calls it running."""
    uuid = step.call.given("app")
    return await _begin_and_wait(step, uuid, lambda: step.coolify.restart_service(uuid, pull_latest=True))


async def _begin_and_wait(step: CoolifyStep, uuid: str, begin: Callable[[], Awaitable[None]]) -> JsonObject:
    """One that does not run in time is left to the proof: it says what is wanting, and its failure stops the app.

    Raises:
        StepFailed: Coolify was lost after it was asked.
    """
    try:
        await begin()
    except (Unavailable, Unreachable) as error:
        raise _lost(error) from error
    try:
        return {"status": await _state(step, uuid)}
    except VendorError as error:
        raise _lost(error) from error


async def _state(step: CoolifyStep, uuid: str) -> str:
    """Return `running`, or what Coolify calls it after five minutes."""
    clock, patience = step.call.clock, Patience()
    end = clock.monotonic() + RUNNING_S
    while True:
        await clock.sleep(EVERY_S)
        try:
            state = (await step.coolify.service(uuid)).status.state
        except AWAY as error:
            step.call.say(patience.lose(error))
            continue
        patience.seen()
        if state == "running" or clock.monotonic() > end:
            return state
        step.call.say(f"waiting for the compose app to run ({state})")


def _lost(error: VendorError) -> StepFailed:
    return StepFailed(
        f"Coolify was lost while it starts the compose app: {error.failed}",
        done="The app may still come up, and nothing has proved it.",
        next="When Coolify answers again, call resume_operation: it starts the app again and proves it. " + error.next,
        stage="start",
    )
