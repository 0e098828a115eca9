"""The one word for how an operation ended."""

from ink_infra_mcp.core.engine import Ending
from ink_infra_mcp.core.lanes import part_of
from ink_infra_mcp.core.operation import Outcome


def outcome_of(ending: Ending) -> Outcome:
    """Return the one word for how an operation ended; steps that ran without any proof are not `applied`."""
    if ending.state == "cancelled":
        return Outcome.CANCELLED
    if ending.in_part:
        return Outcome.APPLIED_IN_PART
    if ending.state == "failed":
        taken_back = ending.undone and not ending.undo_failed and not _earlier_parts(ending)
        return Outcome.UNDONE if taken_back else Outcome.FAILED
    seen = {check.status for check in ending.checks}
    return Outcome.APPLIED if "passed" in seen and "failed" not in seen else Outcome.APPLIED_UNVERIFIED


def _earlier_parts(ending: Ending) -> bool:
    """Return whether another part of the plan stays done, as the move of one app before that of the next failed."""
    own = part_of(ending.step_id)
    parts = {part_of(step_id) for step_id in ending.results} - {"", own}
    return bool(parts) and not ending.lanes
