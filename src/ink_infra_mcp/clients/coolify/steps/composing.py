"""Starts and restarts compose apps, which have no deployments: what comes of it is seen on the server first."""

from collections.abc import Awaitable, Callable

from ink_infra_mcp.clients.coolify.away import AWAY, Patience
from ink_infra_mcp.clients.coolify.steps.context import CoolifyStep
from ink_infra_mcp.clients.coolify.steps.pinned import require_pinned
from ink_infra_mcp.core.errors import Rejected, StepFailed, Unavailable, Unreachable, VendorError
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.waiting import EVERY_S
from ink_infra_mcp.core.watching import Seen

RUNNING_S = 300.0


async def start_service(step: CoolifyStep) -> JsonObject:
    """Start a compose app, and wait until it runs; what Coolify calls running already is restarted.

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
    """Restart a compose app with newer images of the same tags, and wait until it runs."""
    uuid = step.call.given("app")
    return await _begin_and_wait(step, uuid, lambda: step.coolify.restart_service(uuid, pull_latest=True))


async def _begin_and_wait(step: CoolifyStep, uuid: str, begin: Callable[[], Awaitable[None]]) -> JsonObject:
    """One that does not run in time is left to the proof: it says what is wanting, and its failure stops the app.

    `seen` in the result is what keeps it from running for good, as the server shows it.

    Raises:
        StepFailed: Coolify was lost after it was asked, or what would run is not what was approved.
    """
    noted = await require_pinned(step)
    try:
        await begin()
    except (Unavailable, Unreachable) as error:
        raise _lost(error) from error
    try:
        return {**await _outcome(step, uuid), **noted}
    except VendorError as error:
        raise _lost(error) from error


async def _outcome(step: CoolifyStep, uuid: str) -> JsonObject:
    """Return what Coolify calls it once the server shows that it runs, or never will; else after five minutes.

    Coolify's own word lags by up to a minute (seen, version 4.3.11), may be about the containers from before, and names
    no cause: it counts only where the server cannot be seen.
    """
    clock, patience, watcher = step.call.clock, Patience(), step.watch(step.call)
    end = clock.monotonic() + RUNNING_S
    told = ""
    while True:
        await clock.sleep(EVERY_S)
        seen = await watcher()
        try:
            state = (await step.coolify.service(uuid)).status.state
        except AWAY as error:
            step.call.say(patience.lose(error))
            continue
        patience.seen()
        if _is_over(seen, state) or clock.monotonic() > end:
            return _result(seen, state)
        told = _tell(step, seen, state, told)


def _is_over(seen: Seen | None, state: str) -> bool:
    return seen.over if seen else state == "running"


def _result(seen: Seen | None, state: str) -> JsonObject:
    if seen and seen.over and seen.words:
        return {"status": state, "seen": seen.words}
    return {"status": state}


def _tell(step: CoolifyStep, seen: Seen | None, state: str, told: str) -> str:
    """Say what is waited for where that is new, and return what was said last."""
    words = (seen.words if seen else "") or f"waiting for the compose app to run ({state})"
    if words != told:
        step.call.say(words)
    return words


def _lost(error: VendorError) -> StepFailed:
    return StepFailed(
        f"Coolify was lost while it starts the compose app: {error.failed}",
        done="The app may still come up, and nothing has proved it.",
        next="When Coolify answers again, call resume_operation: it starts the app again and proves it. " + error.next,
        stage="start",
        unsure=True,
    )
