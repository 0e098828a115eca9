"""Stops and deletes apps, and waits until Coolify has really done it."""

from collections.abc import Awaitable, Callable

from ink_infra_mcp.clients.coolify.ours import MARKER
from ink_infra_mcp.clients.coolify.steps.context import CoolifyStep
from ink_infra_mcp.clients.coolify.steps.once import not_seen, unless_lost
from ink_infra_mcp.core.errors import NotFound, Rejected, StepFailed, VendorError
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.waiting import NotYet, until

STOP_S = 120.0
DELETE_S = 300.0
LAG_S = 10.0
_UP = frozenset({"running", "restarting", "starting", "degraded"})
_STOPS = "the app is being stopped"


async def stop(step: CoolifyStep) -> JsonObject:
    """Stop an app and wait until Coolify no longer calls it running.

    Coolify's word lags: an app that was just deployed may still be called exited. Then nothing but time tells, and
    nothing at all whether a request whose answer was lost has arrived.

    Raises:
        StepFailed: it is still called running after two minutes. OutcomeUnknown: the answer was lost, and that is so.
    """
    uuid, app = step.call.given("app"), step.app_calls
    was_up = (await app.read(uuid)).status.state in _UP
    lost = await _asked_to_stop(step, uuid)
    if lost is not None and not was_up:
        raise not_seen(_STOPS, lost)

    async def stopped() -> JsonObject | NotYet:
        state = (await app.read(uuid)).status.state
        return _still_up(state, lost) if state in _UP else {"state": state}

    return await until(step.call, stopped, within_s=STOP_S, first_s=0.0 if was_up else LAG_S)


async def _asked_to_stop(step: CoolifyStep, uuid: str) -> VendorError | None:
    try:
        return await unless_lost(step, step.app_calls.stop(uuid), whether=_STOPS)
    except Rejected as error:
        if error.vendor_code != "already_stopped":
            raise
    return None


def _still_up(state: str, lost: VendorError | None) -> NotYet:
    words = f"waiting for the app to stop ({state})"
    if lost is not None:
        return NotYet(words, not_seen(_STOPS, lost))
    failure = StepFailed(
        f"Coolify still calls the app {state} {STOP_S:.0f} s after the stop was queued.",
        done="The stop is queued.",
        next="Look at the app with get_app; its server may be unreachable.",
        stage="stop",
    )
    return NotYet(words, failure)


async def delete_application(step: CoolifyStep) -> JsonObject:
    """Delete an app and wait until it is gone; one that is gone already counts as deleted."""
    uuid = step.call.given("app")
    try:
        await step.app_calls.read(uuid)
    except NotFound:
        return {"gone": True}
    return await delete_app(step, uuid, delete_volumes=step.call.params.get("delete_volumes") is True)


async def delete_app(step: CoolifyStep, uuid: str, *, delete_volumes: bool) -> JsonObject:
    """Delete an app and return once Coolify no longer has it.

    Raises:
        StepFailed: it has it still after five minutes. OutcomeUnknown: the answer was lost, and that is so.
    """
    calls = step.app_calls
    return await _gone(step, calls.delete(uuid, delete_volumes=delete_volumes), lambda: calls.read(uuid))


async def discard_service(step: CoolifyStep) -> JsonObject:
    """Delete the compose app that this operation has made, with its volumes; another one is left alone."""
    uuid = step.call.given("app")
    try:
        made = await step.coolify.service(uuid)
    except NotFound:
        return {"gone": True}
    if step.marker not in made.description:
        return {"gone": False}
    return await _service_gone(step, uuid)


async def discard_application(step: CoolifyStep) -> JsonObject:
    """Delete the app that this operation has made, with its volumes; another one is left alone."""
    uuid = step.call.given("app")
    try:
        made = await step.coolify.application(uuid)
    except NotFound:
        return {"gone": True}
    if step.marker not in made.description.split():
        return {"gone": False}
    return await delete_app(step, uuid, delete_volumes=True)


async def discard_canary(step: CoolifyStep) -> JsonObject:
    """Delete the canary `app` that an earlier operation of ours has left, with its volumes.

    Raises:
        StepFailed: it is not called `name`, or no operation of ours made it: then it is somebody's.
    """
    uuid, name = step.call.given("app"), step.call.text("name")
    try:
        made = await step.coolify.service(uuid)
    except NotFound:
        return {"gone": True}
    if made.name != name or not any(word.startswith(MARKER) for word in made.description.split()):
        raise StepFailed(
            f"The app {uuid} is called {made.name}, or was not made by us: it is no canary of ours.",
            done="It was not deleted.",
            next="Look at it with get_app; delete it by hand if it is nobody's.",
            stage="delete",
        )
    return await _service_gone(step, uuid)


async def _service_gone(step: CoolifyStep, uuid: str) -> JsonObject:
    delete = step.coolify.delete_service(uuid, delete_volumes=True)
    return await _gone(step, delete, lambda: step.coolify.service(uuid))


async def _gone(step: CoolifyStep, delete: Awaitable[None], read: Callable[[], Awaitable[object]]) -> JsonObject:
    try:
        lost = await unless_lost(step, delete, whether="the app is gone")
    except NotFound:
        return {"gone": True}

    async def gone() -> JsonObject | NotYet:
        try:
            await read()
        except NotFound:
            return {"gone": True}
        return _still_there(lost)

    return await until(step.call, gone, within_s=DELETE_S)


def _still_there(lost: VendorError | None) -> NotYet:
    words = "waiting until the app is gone"
    if lost is not None:
        return NotYet(words, not_seen("the app is being deleted", lost))
    failure = StepFailed(
        f"The app is still there {DELETE_S:.0f} s after its deletion was queued.",
        done="The deletion is queued in Coolify.",
        next="Look at Coolify's queue; call delete_app again later.",
        stage="delete",
    )
    return NotYet(words, failure)
