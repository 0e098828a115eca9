"""SSH keys of the account: added once, and only what this operation added is deleted."""

from ink_infra_mcp.clients.hetzner_robot.machines import RobotKey
from ink_infra_mcp.clients.hetzner_robot.steps.context import RobotStep, failed, not_seen
from ink_infra_mcp.core.errors import Conflict, InkError
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.told_keys import md5_fingerprint


async def create_ssh_key(step: RobotStep) -> JsonObject:
    """Add `public_key` to the account as `name` and the operation's id, or find it: an account has each key once.

    Returns its MD5 fingerprint, its name, and whether this operation made it.

    Raises:
        StepFailed: it is no public key. OutcomeUnknown: the answer was lost, and the key is not there.
    """
    public, name = step.call.text("public_key"), _own_name(step, step.call.operation_id)
    print_ = _fingerprint(public)
    found, lost = await _key(step, print_), None
    if found is None:
        lost = await step.unless_lost(_add(step, name, public))
        found = await _key(step, print_)
    if found is None:
        raise not_seen(f"the account has the SSH key {name}", lost)
    return {"fingerprint": print_, "name": found.name, "made": found.name == name}


async def _add(step: RobotStep, name: str, public: str) -> None:
    """Somebody may add the same key between our look and our request."""
    try:
        await step.robot.add_key(name, " ".join(public.split()[:2]))
    except Conflict as error:
        if error.vendor_code != "KEY_ALREADY_EXISTS":
            raise


async def delete_ssh_key(step: RobotStep) -> JsonObject:
    """Take the key `fingerprint` off the account, if this operation added it, or the one that `made_by` names.

    A key that somebody else added stays, and so does it on the systems that were made with it; `deleted` says so.

    Raises:
        OutcomeUnknown: the answer was lost, and the key is still there.
    """
    print_, maker = step.call.given("fingerprint"), str(step.call.params.get("made_by", step.call.operation_id))
    found, lost = await _key(step, print_), None
    if found is None or found.name != _own_name(step, maker):
        return {"fingerprint": print_, "deleted": False}
    lost = await step.unless_lost(step.robot.delete_key(print_))
    if await _key(step, print_) is not None:
        raise _still_there(found.name, lost)
    return {"fingerprint": print_, "deleted": True}


def _still_there(name: str, lost: InkError | None) -> InkError:
    return not_seen(f"the SSH key {name} is off the account", lost)


def _own_name(step: RobotStep, operation: str) -> str:
    """Robot has no labels, so that the name is what marks a key as ours."""
    return f"{step.call.text('name')} {operation}"


def _fingerprint(public: str) -> str:
    try:
        return md5_fingerprint(public)
    except ValueError as error:
        raise failed("What was given as a public key is none.", next="Give an OpenSSH public key.") from error


async def _key(step: RobotStep, fingerprint: str) -> RobotKey | None:
    return next((key for key in await step.robot.keys() if key.fingerprint.lower() == fingerprint), None)
