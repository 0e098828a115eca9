"""Stops and deletes apps, and waits until Coolify has really done it."""

from ink_infra_mcp.clients.coolify.steps.context import CoolifyStep
from ink_infra_mcp.core.errors import NotFound, Rejected, StepFailed
from ink_infra_mcp.core.plan import JsonObject

STOP_S = 120.0
DELETE_S = 300.0
LAG_S = 10.0
_EVERY_S = 2.0
_UP = frozenset({"running", "restarting", "starting", "degraded"})


async def stop(step: CoolifyStep) -> JsonObject:
    """Stop an app and wait until Coolify no longer calls it running.

    Coolify's word lags: an app that was just deployed may still be called exited. Then nothing but time tells.
    """
    uuid, service = step.call.given("app"), step.call.params.get("service") is True
    was_up = await _state(step, uuid, service=service) in _UP
    try:
        await (step.coolify.stop_service(uuid) if service else step.coolify.stop(uuid))
    except Rejected as error:
        if error.vendor_code != "already_stopped":
            raise
    clock = step.call.clock
    end = clock.monotonic() + STOP_S
    if not was_up:
        await clock.sleep(LAG_S)
    while True:
        state = await _state(step, uuid, service=service)
        if state not in _UP:
            return {"state": state}
        if clock.monotonic() > end:
            raise StepFailed(
                f"Coolify still calls the app {state} {STOP_S:.0f} s after the stop was queued.",
                done="The stop is queued.",
                next="Look at the app with get_app; its server may be unreachable.",
                stage="stop",
            )
        step.call.say(f"waiting for the app to stop ({state})")
        await clock.sleep(_EVERY_S)


async def _state(step: CoolifyStep, uuid: str, *, service: bool) -> str:
    return (await (step.coolify.service(uuid) if service else step.coolify.application(uuid))).status.state


async def delete_application(step: CoolifyStep) -> JsonObject:
    """Delete an app and wait until it is gone; one that is gone already counts as deleted."""
    uuid, volumes = step.call.given("app"), step.call.params.get("delete_volumes") is True
    service = step.call.params.get("service") is True
    act = step.coolify
    try:
        await (
            act.delete_service(uuid, delete_volumes=volumes)
            if service
            else act.delete_application(uuid, delete_volumes=volumes)
        )
    except NotFound:
        return {"gone": True}
    clock = step.call.clock
    end = clock.monotonic() + DELETE_S
    while True:
        try:
            await (act.service(uuid) if service else act.application(uuid))
        except NotFound:
            return {"gone": True}
        if clock.monotonic() > end:
            raise StepFailed(
                f"The app is still there {DELETE_S:.0f} s after its deletion was queued.",
                done="The deletion is queued in Coolify.",
                next="Look at Coolify's queue; call delete_app again later.",
                stage="delete",
            )
        step.call.say("waiting until the app is gone")
        await clock.sleep(_EVERY_S)
