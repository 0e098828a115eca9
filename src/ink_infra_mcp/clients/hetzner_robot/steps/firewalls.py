"""The firewall of a server at Robot: replaced as a whole, and put back."""

from pydantic import JsonValue

from ink_infra_mcp.clients.hetzner_robot.act import HetznerRobotAct
from ink_infra_mcp.clients.hetzner_robot.models import RobotFirewall
from ink_infra_mcp.clients.hetzner_robot.rules import FirewallSet, NewFirewall, RestoredFirewall, holds
from ink_infra_mcp.clients.hetzner_robot.steps.context import RobotStep
from ink_infra_mcp.core.errors import StepFailed
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.shapes import table
from ink_infra_mcp.core.step import StepCall


async def set_firewall(step: RobotStep) -> JsonObject:
    """Replace the firewall of server `server` (its number) by `firewall`, if `before` is what stands there now.

    `before` is the set that the plan was made for. It is also the step's result, for the undo: what stands there when
    the step runs a second time, after a crash, is the new set.

    Raises:
        StepFailed: something else than `before` stands there, or Robot holds something else afterwards.
    """
    call, robot = step.call, step.robot
    number, before = int(call.text("server")), RestoredFirewall.model_validate(call.params["before"])
    wanted = NewFirewall.model_validate(call.params["firewall"])
    now = await robot.settled_firewall(number)
    if holds(now, wanted):
        return _result(before, changed=False)
    if not holds(now, before):
        raise _changed_meanwhile(number)
    await _put(call, robot, number, wanted)
    return _result(before, changed=True)


async def restore_firewall(step: RobotStep) -> JsonObject:
    """Put back the set `firewall` (or what an earlier step returned as `before`) as it was, whatever stands there.

    Raises:
        StepFailed: Robot holds something else afterwards.
    """
    call = step.call
    number = int(call.text("server"))
    await _put(call, step.robot, number, RestoredFirewall.model_validate(_given(call, "firewall")))
    return {"server": str(number)}


async def _put(call: StepCall, robot: HetznerRobotAct, number: int, wanted: FirewallSet) -> None:
    call.say(f"Robot applies the firewall of server {number}; this takes up to a minute")
    now = await robot.set_firewall(number, wanted)
    if not holds(now, wanted):
        raise StepFailed(
            f"Robot accepted the firewall of server {number} and holds another one now ({_differs(now, wanted)}).",
            done="A new firewall is in force, and it is not the one that was asked for.",
            next="Call check_firewall for the server: somebody may have changed it at the same time.",
            stage="firewall",
        )


def _given(call: StepCall, name: str) -> JsonValue:
    """A parameter, or the field of an earlier step's result that it stands for."""
    value = call.params[name]
    if isinstance(value, dict) and set(value) == {"step", "field"}:
        return call.results[str(value["step"])][str(value["field"])]
    return value


def _differs(now: RobotFirewall, wanted: FirewallSet) -> str:
    if now.status != wanted.status:
        return f"status {now.status} instead of {wanted.status}"
    counts = [(way, len(getattr(now.rules, way) or ()), len(getattr(wanted, way))) for way in ("input", "output")]
    found = [f"{is_} {way} rules instead of {was}" for way, is_, was in counts if is_ != was]
    return ", ".join(found) or "a flag or a rule differs"


def _result(before: RestoredFirewall, *, changed: bool) -> JsonObject:
    return {"before": table(before.model_dump(mode="json", exclude_none=True)), "changed": changed}


def _changed_meanwhile(number: int) -> StepFailed:
    return StepFailed(
        f"The firewall of server {number} is no longer the one that the plan was made for.",
        done="Its firewall was left as it is.",
        next="Call the tool again: it plans with the firewall that stands there now.",
        stage="firewall",
    )
