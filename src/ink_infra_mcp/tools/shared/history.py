"""What our own record says of an app: whether its last change was brought to its end, and who did what."""

from ink_infra_mcp.core.operation import Outcome
from ink_infra_mcp.tools.look import Look

_LOOK_BACK = 100
VARIABLES = frozenset({"coolify.set_env_new", "coolify.set_env", "coolify.delete_env"})
_BROKEN_OFF = frozenset({Outcome.FAILED, Outcome.UNDONE, Outcome.CANCELLED})


async def waits_for_rollout(look: Look, app_uuid: str) -> bool:
    """Return whether the newest operation on the app changed something in Coolify and did not roll it out.

    It broke off, or was to change variables only: Coolify then shows what no container has.
    """
    for operation in await look.archive.operations(before=None, limit=_LOOK_BACK):
        if f"app:{app_uuid}" in operation.plan.locks and operation.receipt is not None:
            broke_off = operation.receipt.outcome in _BROKEN_OFF and bool(operation.results)
            return broke_off or {step.kind for step in operation.plan.steps} <= VARIABLES
    return False


async def deleted_by(look: Look, name: str) -> str:
    """Return the id of the newest operation that deleted an app of that name or uuid, or an empty text."""
    for operation in await look.archive.operations(before=None, limit=_LOOK_BACK):
        step = operation.plan.steps[0]
        named = step.kind == "coolify.delete_application" and name in (operation.plan.target, step.params["app"])
        if named and operation.receipt is not None and operation.receipt.outcome == Outcome.APPLIED:
            return operation.id
    return ""


async def resumed_by(look: Look, operation_id: str) -> tuple[str, Outcome | None] | None:
    """Return the newest operation that resumed another one, with its outcome (None: it runs); None when none did."""
    for operation in await look.archive.operations(before=None, limit=_LOOK_BACK):
        if operation.plan.pinned.get("resumes") == operation_id:
            return operation.id, operation.receipt.outcome if operation.receipt else None
    return None
