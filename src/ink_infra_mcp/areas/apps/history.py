"""What our own record says of an app: whether its last change was brought to its end, and who did what."""

from ink_infra_mcp.areas.apps.rollout import NOTES, ROLLOUTS, name_lock
from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.core.operation import Outcome
from ink_infra_mcp.state.records import Operation

VARIABLES = frozenset({"coolify.set_env_new", "coolify.set_env", "coolify.delete_env"})
_BROKEN_OFF = frozenset({Outcome.FAILED, Outcome.UNDONE, Outcome.CANCELLED})


async def waits_for_rollout(look: Look, app_uuid: str) -> bool:
    """Return whether the newest operation on the app changed something in Coolify and did not roll it out.

    It broke off, was to change variables only, or is on its way there: Coolify then shows what no container has.
    """
    async for operation in look.archive.on_target(f"app:{app_uuid}"):
        if operation.receipt is None and _changed(operation) and not _rolled_out(operation):
            return True
        if operation.receipt is not None:
            broke_off = operation.receipt.outcome in _BROKEN_OFF and _changed(operation)
            return broke_off or {step.kind for step in operation.plan.steps} <= VARIABLES
    return False


def _changed(operation: Operation) -> bool:
    """Return whether a step of it did more than to note what there is."""
    return any(step.id in operation.results and step.kind not in NOTES for step in operation.plan.steps)


def _rolled_out(operation: Operation) -> bool:
    return any(step.id in operation.results and step.kind in ROLLOUTS for step in operation.plan.steps)


async def deleted_by(look: Look, name: str) -> str:
    """Return the id of the newest operation that deleted an app of that name or uuid, or an empty text."""
    for lock in (name_lock(name), f"app:{name}"):
        async for operation in look.archive.on_target(lock):
            deletes = any(step.kind == "coolify.delete_application" for step in operation.plan.steps)
            if deletes and operation.receipt is not None and operation.receipt.outcome == Outcome.APPLIED:
                return operation.id
    return ""


async def resumed_by(look: Look, stopped: Operation) -> tuple[str, Outcome | None] | None:
    """Return the newest operation that resumed another one, with its outcome (None: it runs); None when none did.

    A resumption locks what the operation locked that it resumes.
    """
    for lock in stopped.plan.locks[:1]:
        async for operation in look.archive.on_target(lock, tool="resume_operation"):
            if operation.plan.pinned.get("resumes") == stopped.id:
                return operation.id, operation.receipt.outcome if operation.receipt else None
    return None
