"""Stops and deletes apps, and waits until Coolify has really done it."""

from ink_infra_mcp.clients.coolify.steps.context import CoolifyStep
from ink_infra_mcp.core.errors import NotFound, Rejected, StepFailed
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.waiting import NotYet, until

STOP_S = 120.0
DELETE_S = 300.0
LAG_S = 10.0
_UP = frozenset({"running", "restarting", "starting", "degraded"})


async def stop(step: CoolifyStep) -> JsonObject:
    """Stop an app and wait until Coolify no longer calls it running.

    Coolify's word lags: an app that was just deployed may still be called exited. Then nothing but time tells.
    """
    uuid, app = step.call.given("app"), step.app_calls
    was_up = (await app.read(uuid)).status.state in _UP
    try:
        await app.stop(uuid)
    except Rejected as error:
        if error.vendor_code != "already_stopped":
            raise

    async def stopped() -> JsonObject | NotYet:
        state = (await app.read(uuid)).status.state
        return _still_up(state) if state in _UP else {"state": state}

    return await until(step.call, stopped, within_s=STOP_S, first_s=0.0 if was_up else LAG_S)


def _still_up(state: str) -> NotYet:
    failure = StepFailed(
        f"Coolify still calls the app {state} {STOP_S:.0f} s after the stop was queued.",
        done="The stop is queued.",
        next="Look at the app with get_app; its server may be unreachable.",
        stage="stop",
    )
    return NotYet(f"waiting for the app to stop ({state})", failure)


async def delete_application(step: CoolifyStep) -> JsonObject:
    """Delete an app and wait until it is gone; one that is gone already counts as deleted."""
    uuid, app = step.call.given("app"), step.app_calls
    try:
        await app.delete(uuid, delete_volumes=step.call.params.get("delete_volumes") is True)
    except NotFound:
        return {"gone": True}

    async def gone() -> JsonObject | NotYet:
        try:
            await app.read(uuid)
        except NotFound:
            return {"gone": True}
        return _still_there()

    return await until(step.call, gone, within_s=DELETE_S)


async def discard_service(step: CoolifyStep) -> JsonObject:
    """Delete the compose app that this operation has made, with its volumes; another one is left alone."""
    uuid = step.call.given("app")
    try:
        made = await step.coolify.service(uuid)
    except NotFound:
        return {"gone": True}
    if step.marker not in made.description:
        return {"gone": False}
    await step.coolify.delete_service(uuid, delete_volumes=True)

    async def gone() -> JsonObject | NotYet:
        try:
            await step.coolify.service(uuid)
        except NotFound:
            return {"gone": True}
        return _still_there()

    return await until(step.call, gone, within_s=DELETE_S)


def _still_there() -> NotYet:
    failure = StepFailed(
        f"The app is still there {DELETE_S:.0f} s after its deletion was queued.",
        done="The deletion is queued in Coolify.",
        next="Look at Coolify's queue; call delete_app again later.",
        stage="delete",
    )
    return NotYet("waiting until the app is gone", failure)
