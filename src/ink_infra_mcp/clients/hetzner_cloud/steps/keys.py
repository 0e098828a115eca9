"""SSH keys and placement groups of the project: made once, and only what is marked is deleted."""

from functools import partial

from ink_infra_mcp.clients.hetzner_cloud.markers import OPERATION
from ink_infra_mcp.clients.hetzner_cloud.models import Action
from ink_infra_mcp.clients.hetzner_cloud.resources import PlacementGroup, SshKey
from ink_infra_mcp.clients.hetzner_cloud.steps.context import CloudStep, failed
from ink_infra_mcp.core.errors import LOOKS_FIRST, Conflict, InkError, OutcomeUnknown, StepFailed
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.ssh_key import md5_fingerprint


async def create_ssh_key(step: CloudStep) -> JsonObject:
    """Add `public_key` to the project under `name`, or find it: a project has each key once, whoever added it.

    Returns its id as text, and whether this operation made it.

    Raises:
        StepFailed: another key has the name. OutcomeUnknown: the answer was lost, and the key is not there.
    """
    public, name = step.call.text("public_key"), step.call.text("name")
    print_ = md5_fingerprint(public)
    found, lost = await _key(step, print_), None
    if found is None:
        lost = await step.unless_lost(lambda: _add_key(step, name, public))
        found = await _key(step, print_)
    if found is None:
        raise _not_seen(f"the SSH key {name}", lost)
    return {"ssh_key": str(found.id), "name": found.name, "made": step.is_own(found.labels)}


async def _add_key(step: CloudStep, name: str, public: str) -> tuple[Action, ...]:
    try:
        await step.cloud.create_ssh_key(name, public, step.own_labels())
    except Conflict as error:
        if error.vendor_code != "uniqueness_error" or await _key(step, md5_fingerprint(public)) is not None:
            raise
        raise _taken(f"An SSH key called {name}", "is another one") from error
    return ()


async def _key(step: CloudStep, print_: str) -> SshKey | None:
    return next(iter(await step.cloud.ssh_keys(fingerprint=print_)), None)


async def delete_ssh_key(step: CloudStep) -> JsonObject:
    """Delete the key `name`, if this operation made it, or the one that `made_by` names; servers keep it.

    Raises:
        StepFailed: somebody else made it. OutcomeUnknown: the answer was lost, and the key is still there.
    """
    name = step.call.text("name")
    found = next(iter(await step.cloud.ssh_keys(name=name)), None)
    if found is not None and _may_delete(step, found.labels.get(OPERATION), f"The SSH key {name}"):
        there = partial(step.cloud.ssh_keys, name=name)
        await step.deleted(f"the SSH key {name}", step.cloud.delete_ssh_key(found.id), there)
    return {"ssh_key": str(found.id) if found else "", "deleted": found is not None}


async def create_placement_group(step: CloudStep) -> JsonObject:
    """Make the group `name`, whose servers are spread, or find the one that an earlier run made; return its id as text.

    Raises:
        StepFailed: somebody else made it. OutcomeUnknown: the answer was lost, and the group is not there.
    """
    name = step.call.text("name")
    found, lost = await _group(step, name), None
    if found is None:
        lost = await step.unless_lost(lambda: _add_group(step, name))
        found = await _group(step, name)
    if found is None:
        raise _not_seen(f"the placement group {name}", lost)
    if not step.is_own(found.labels):
        raise _taken(f"A placement group called {name}", "was not made by this operation")
    return {"placement_group": str(found.id)}


async def _add_group(step: CloudStep, name: str) -> tuple[Action, ...]:
    await step.cloud.create_placement_group(name, step.own_labels())
    return ()


async def _group(step: CloudStep, name: str) -> PlacementGroup | None:
    return next((group for group in await step.cloud.placement_groups(name=name) if group.name == name), None)


async def delete_placement_group(step: CloudStep) -> JsonObject:
    """Delete the group `name` when no server is in it, if this operation made it, or the one that `made_by` names.

    Raises:
        StepFailed: somebody else made it, or a server is in it. OutcomeUnknown: the answer was lost, and it is there.
    """
    name = step.call.text("name")
    found = await _group(step, name)
    if found is not None and _may_delete(step, found.labels.get(OPERATION), f"The placement group {name}"):
        if found.servers:
            raise failed(f"Servers are in the placement group {name}, so it is not deleted.")
        deletion = step.cloud.delete_placement_group(found.id)
        await step.deleted(f"the placement group {name}", deletion, partial(_group, step, name))
    return {"placement_group": str(found.id) if found else "", "deleted": found is not None}


def _may_delete(step: CloudStep, maker: str | None, what: str) -> bool:
    wanted = step.call.params.get("made_by", step.call.operation_id)
    if maker is None or maker != wanted:
        raise failed(f"{what} was not made by the operation {wanted}, so it is not deleted.")
    return True


def _taken(what: str, why: str) -> StepFailed:
    return failed(f"{what} is there already, and it {why}.", next="Rename it in the Hetzner Console, or use that one.")


def _not_seen(what: str, lost: InkError | None) -> InkError:
    if lost is None:
        return failed(f"Hetzner said that {what} was made, but it is not there.", done="It may have been made.")
    return OutcomeUnknown(
        f"Whether {what} was made is not known: the answer was lost, and it is not there now.", next=LOOKS_FIRST
    )
