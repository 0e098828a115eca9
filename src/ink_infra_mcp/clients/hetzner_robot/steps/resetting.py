"""Resetting a server into what its next start boots: what is still to be booted marks that it has not happened yet."""

from typing import cast

from ink_infra_mcp.clients.hetzner_robot.act import Reset, Way
from ink_infra_mcp.clients.hetzner_robot.machines import BootSystem
from ink_infra_mcp.clients.hetzner_robot.steps.context import RobotStep, failed
from ink_infra_mcp.core.errors import InkError, OutcomeUnknown
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.waiting import NotYet, until

BOOT_S = 900.0
"""A server with much memory and many disks takes up to ten minutes from the reset to its boot loader."""
TOLD_S = 1800.0
"""An installation takes some minutes; Robot tells its host keys, if at all, when it has ended."""


async def reset_server(step: RobotStep) -> JsonObject:
    """Reset `server` with `type` (hw or sw) so that it boots `boot` (rescue or linux); `await_boot` waits until it has.

    A reset cannot be asked for twice without harm, and Robot keeps no list of them. What does tell is that what an
    earlier step activated for `key` is still active: then nothing of it was booted, and a second reset interrupts
    nothing. Once it is not active any more, no reset is sent.

    Raises:
        StepFailed: the next start boots something else than that, or it was withdrawn without being booted.
        OutcomeUnknown: whether it was booted cannot be told.
    """
    kind = _kind(step)
    now = await step.alone(_way(step))
    if not now.active:
        return await _booted_before(step)
    if not _ours(step, now):
        raise failed(f"What the next start of server {step.number} boots is not what this plan has set.")
    step.call.say(f"Robot resets server {step.number}")
    lost = await step.unless_lost(step.robot.reset(step.number, kind))
    if lost is not None:
        await _until_booted(step, lost)
    return {"server": str(step.number), "reset": True}


async def await_boot(step: RobotStep) -> JsonObject:
    """Wait until `server` has booted what was set for `key`: it is not set any more then. Changes nothing.

    It is a step of its own, so that a crash while it waits does not reset the server again.

    Raises:
        StepFailed: it has not booted it after a quarter of an hour.
    """
    await _until_booted(step, None)
    return {"server": str(step.number)}


def _kind(step: RobotStep) -> Reset:
    kind = step.call.text("type")
    if kind not in ("sw", "hw"):
        raise TypeError(f"step {step.call.step_id}: {kind} is no reset that is asked for")
    return kind


def _way(step: RobotStep) -> Way:
    way = step.call.text("boot")
    if way not in ("rescue", "linux"):
        raise TypeError(f"step {step.call.step_id}: {way} is nothing to boot")
    return way


def _ours(step: RobotStep, seen: BootSystem) -> bool:
    dist = cast(str | None, step.call.params.get("dist"))
    return seen.is_for(step.call.given("key"), dist)


async def _booted_before(step: RobotStep) -> JsonObject:
    """Nothing is to be booted: an earlier run of this step may have come so far."""
    look = step.robot.last_linux if _way(step) == "linux" else step.robot.last_rescue
    last = await look(step.number)
    if last is not None and _ours(step, last):
        if last.booted_at:
            return {"server": str(step.number), "reset": False}
        raise OutcomeUnknown(
            f"Whether server {step.number} has booted {_what(step)} is not known: Robot would not boot it any more, "
            "and does not say that it was booted.",
            done="No reset was sent by this run.",
            next="Look at the server's console, or try to log in with its key; then call the tool again.",
        )
    raise failed(f"Server {step.number} would not boot {_what(step)}: somebody has withdrawn that. It was not reset.")


async def _until_booted(step: RobotStep, lost: InkError | None) -> None:
    async def look() -> bool | NotYet:
        boot = await step.boot()
        if _way(step) not in boot.active:
            return True
        return NotYet(f"waiting for server {step.number} to boot {_what(step)}", _not_booted(step, lost))

    await until(step.call, look, within_s=BOOT_S, every_s=10.0)


def _not_booted(step: RobotStep, lost: InkError | None) -> InkError:
    what = f"server {step.number} has not booted {_what(step)} after {BOOT_S / 60:.0f} minutes"
    if lost is not None:
        return OutcomeUnknown(
            f"The answer to the reset was lost, and {what}.",
            next="Call the tool again: it resets only while there is something to boot.",
        )
    return failed(
        f"Robot took the reset, and {what}.",
        done="The server was reset.",
        next="Look at the server's console: it may not try the network first when it starts.",
    )


def _what(step: RobotStep) -> str:
    return f"the installation of {step.call.params['dist']}" if _way(step) == "linux" else "the rescue system"


async def note_host_keys(step: RobotStep) -> JsonObject:
    """Return the host keys that Robot tells of the installation that `server` had with the key `key`; wait for them.

    Each has kind, bits and fingerprint, as `core.told_keys.ToldKey` has them: what the server shows at the first login
    has to be one of them. Changes nothing.

    Raises:
        StepFailed: the last installation is another one, or Robot has told no host key after half an hour.
    """

    async def look() -> BootSystem | NotYet:
        last = await step.robot.last_linux(step.number)
        if last is None or last.active or not _ours(step, last):
            raise failed(f"Robot does not show that server {step.number} was last installed by this plan.")
        words = f"waiting for Robot to tell the host keys of server {step.number}"
        return last if last.host_keys else NotYet(words, _untold(step))

    last = await until(step.call, look, within_s=TOLD_S, every_s=30.0)
    return {"server": str(step.number), "host_keys": [key.model_dump(mode="json") for key in last.host_keys]}


def _untold(step: RobotStep) -> InkError:
    return failed(
        f"Robot tells no host key of the new system of server {step.number}, so that nothing can be trusted there yet.",
        done="The server was installed anew; nobody has logged in.",
        next="Read the fingerprint at the server's console or in Hetzner's mail, and call add_muscle with the server "
        "as an existing one and that fingerprint.",
    )
