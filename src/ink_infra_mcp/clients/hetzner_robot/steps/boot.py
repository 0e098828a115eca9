"""What a server boots at its next start: an installation that wipes it. Nothing starts here."""

from ink_infra_mcp.clients.hetzner_robot.act import Way
from ink_infra_mcp.clients.hetzner_robot.machines import BootSystem
from ink_infra_mcp.clients.hetzner_robot.steps.context import RobotStep, failed, not_seen
from ink_infra_mcp.core.plan import JsonObject


async def install_system(step: RobotStep) -> JsonObject:
    """Let the next start of `server` wipe it and install `dist` in `lang`, which lets in the key `key` and no other.

    Raises:
        StepFailed: the next start boots something else, another system, or one for another key; Robot has no `dist`.
        OutcomeUnknown: the answer was lost, and nothing is activated.
    """
    call, key, now, lost = step.call, step.call.given("key").lower(), await step.alone("linux"), None
    dist = call.text("dist")
    changed = not _armed(step, now, f"installation of {dist}", key, dist)
    if changed:
        _refuse_unknown(now, dist, call.text("lang"))
        lost = await step.unless_lost(step.robot.arm_install(step.number, dist, call.text("lang"), key))
        now = await step.alone("linux")
        if not (now.active and now.is_for(key, dist)):
            raise not_seen(f"the next start of server {step.number} installs {dist}", lost)
    return {"server": str(step.number), "dist": dist, "changed": changed}


async def withdraw_install(step: RobotStep) -> JsonObject:
    """Take back that the next start of `server` installs `dist` with the key `key`; another one's stays.

    Raises:
        OutcomeUnknown: the answer was lost, and it is still activated.
    """
    return await _disarm(step, "linux", step.call.text("dist"))


async def _disarm(step: RobotStep, way: Way, system: str | None) -> JsonObject:
    key, now = step.call.given("key").lower(), (await step.boot()).ways.get(way)
    ours = now is not None and now.active and now.is_for(key, system)
    if ours:
        lost = await step.unless_lost(step.robot.disarm(step.number, way))
        now = (await step.boot()).ways.get(way)
        if now is not None and now.active:
            raise not_seen(f"the next start of server {step.number} boots its own system", lost)
    return {"server": str(step.number), "changed": ours}


def _armed(step: RobotStep, now: BootSystem, what: str, key: str, system: str | None = None) -> bool:
    if not now.active:
        return False
    if now.is_for(key, system):
        return True
    raise failed(
        f"The next start of server {step.number} boots {now.system or 'a system'}, and not the {what} of this plan.",
        next="Withdraw that in Robot, if it is not wanted any more, and call the tool again.",
    )


def _refuse_unknown(now: BootSystem, dist: str, lang: str) -> None:
    for given, known in ((dist, now.offered), (lang, now.languages)):
        if given not in known:
            raise failed(f"Robot does not offer {given} any more.", next=f"It offers {', '.join(known) or 'nothing'}.")
