"""A server on a vSwitch: put there, and taken off again; Robot takes some seconds for either."""

from collections.abc import Awaitable

from ink_infra_mcp.clients.hetzner_robot.machines import VSwitch
from ink_infra_mcp.clients.hetzner_robot.steps.context import RobotStep, failed, not_seen
from ink_infra_mcp.core.errors import InkError, NotFound
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.waiting import NotYet, until

SETTLED_S, EVERY_S = 180.0, 10.0
READY = "ready"


async def attach_to_vswitch(step: RobotStep) -> JsonObject:
    """Put `server` on the vSwitch `vswitch`, and wait until Robot calls it ready there.

    Raises:
        StepFailed: it is not ready after three minutes. OutcomeUnknown: the answer was lost, and it is not there.
    """
    id, lost = int(step.call.given("vswitch")), None
    if not (await _settled(step, id)).state_of(step.number):
        lost = await step.unless_lost(step.robot.add_to_vswitch(id, step.number))
    now = await _settled(step, id)
    if not now.state_of(step.number):
        raise not_seen(f"server {step.number} is on the vSwitch {now.name}", lost)
    if now.state_of(step.number) != READY:
        raise failed(
            f"Server {step.number} is {now.state_of(step.number)} on the vSwitch {now.name}, not {READY}.",
            done="It was put there.",
            next="Look at the vSwitch in Robot.",
        )
    return {"vswitch": str(id), "vlan": str(now.vlan)}


async def detach_from_vswitch(step: RobotStep) -> JsonObject:
    """Take `server` off the vSwitch `vswitch`; one that is not there is off.

    Raises:
        OutcomeUnknown: the answer was lost, and it is still there.
    """
    id = int(step.call.given("vswitch"))
    if not (await _settled(step, id)).state_of(step.number):
        return {"vswitch": str(id)}
    lost = await step.unless_lost(_removed(step.robot.remove_from_vswitch(id, step.number)))
    now = await _settled(step, id)
    if now.state_of(step.number):
        raise not_seen(f"server {step.number} is off the vSwitch {now.name}", lost)
    return {"vswitch": str(id)}


async def _removed(removal: Awaitable[None]) -> None:
    try:
        await removal
    except NotFound:
        return


async def _settled(step: RobotStep, id: int) -> VSwitch:
    async def look() -> VSwitch | NotYet:
        now = await step.robot.vswitch(id)
        return NotYet(f"waiting for the vSwitch {now.name}", _late(now)) if now.in_process else now

    return await until(step.call, look, within_s=SETTLED_S, every_s=EVERY_S)


def _late(now: VSwitch) -> InkError:
    return failed(
        f"A change of the vSwitch {now.name} is still under way after {SETTLED_S:.0f} s.",
        done="What was asked for may still come.",
        next="Look at it in Robot, then call again.",
    )
