"""Words of the receipts that the guard itself gives: what happened, and that nothing was changed."""

from datetime import UTC, datetime

from ink_infra_mcp.core.operation import Outcome
from ink_infra_mcp.core.plan import Plan, Risk
from ink_infra_mcp.core.policy import Need
from ink_infra_mcp.core.receipt import Receipt
from ink_infra_mcp.core.rendering import cut, render
from ink_infra_mcp.state.records import TICKET, Approval, Lock, Operation, steps_so_far

_MAX_SHOWN = 10_000
"""Characters of a plan that a client is trusted to show whole: a longer one is put to a person on a terminal only."""


def question(approval: Approval, *, sandbox: bool) -> str:
    """Return the text that a person approves, whole, the same on every channel."""
    return render(approval.plan, risk=approval.risk, phrase=approval.phrase, sandbox=sandbox)


def is_shown_whole(text: str) -> bool:
    """Return whether the text of a plan is short enough for a client to show all of it."""
    return len(text) <= _MAX_SHOWN


def shortened(plan: Plan, text: str) -> str:
    """Return the text of a plan as a client is given it: what is left out of a very long one is said."""
    return cut(text, limit=_MAX_SHOWN, digest=plan.digest)


def already_so(plan: Plan) -> Receipt:
    """Return the receipt of a plan without steps, with what a person has to know all the same."""
    but = f" But: {'; '.join(plan.warnings)}." if plan.warnings else ""
    return Receipt(outcome=Outcome.ALREADY_SO, message=f"{plan.reason} Nothing was changed.{but}")


def refused(plan: Plan, risk: Risk, why: str, *, sandbox: bool) -> Receipt:
    """Return the receipt of a plan that policy forbids."""
    return Receipt(
        outcome=Outcome.REFUSED_BY_POLICY,
        message=f"{why} Nothing was changed.",
        plan=shortened(plan, render(plan, risk=risk, sandbox=sandbox)),
        plan_digest=plan.digest,
    )


def approval_required(approval: Approval, *, sandbox: bool, note: str = "") -> Receipt:
    """Return the receipt that tells how a person approves; `note` is why it is asked anew, where that is so."""
    until = when(approval.expires_at)
    command = f"ink-infra-mcp approve {approval.id}" + (" --sandbox" if sandbox else "")
    text = question(approval, sandbox=sandbox)
    typed = f" and type {approval.phrase!r}" if approval.phrase else ""
    long = "" if is_shown_whole(text) else " It is too long for a client, and shown whole there."
    return Receipt(
        outcome=Outcome.APPROVAL_REQUIRED,
        message=(
            f"A person must approve this plan by {until}. Nothing was changed. On a terminal of this machine: "
            f"`{command}`{typed}; then call the tool again with the same arguments.{long}{f' {note}' if note else ''}"
        ),
        approval_id=approval.id,
        plan=shortened(approval.plan, text),
        plan_digest=approval.plan_digest,
    )


def not_approved(approval: Approval, why: str) -> Receipt:
    """Return the receipt of a plan that a person turned down."""
    return Receipt(
        outcome=Outcome.NOT_APPROVED,
        message=f"{why}. Nothing was changed.",
        approval_id=approval.id,
        plan_digest=approval.plan_digest,
    )


def plan_drifted(plan: Plan, risk: Risk, need: Need, *, sandbox: bool) -> Receipt:
    """Return the receipt of an approval whose plan is no longer right, with the new plan."""
    again = "call again to have it approved" if need is not Need.NONE else "call again"
    return Receipt(
        outcome=Outcome.PLAN_DRIFTED,
        message=f"The world changed since the plan was made. Nothing was changed. This is the plan now; {again}.",
        plan=shortened(plan, render(plan, risk=risk, sandbox=sandbox)),
        plan_digest=plan.digest,
    )


def locked(lock: Lock, approval: Approval | None = None) -> Receipt:
    """Return the receipt of a call that met another operation, and what becomes of the yes that it came with."""
    return Receipt(
        outcome=Outcome.LOCKED,
        message=(
            f"{lock.target} is held by operation {lock.operation_id} of {lock.principal} ({lock.purpose}) since "
            f"{when(lock.since)}. Nothing was changed. Wait for it, or look at it with get_operation."
            f"{_yes_of(approval)}"
        ),
        approval_id=approval.id if approval else None,
    )


def _yes_of(approval: Approval | None) -> str:
    if approval is None:
        return ""
    if approval.channel == TICKET:
        return f" The approval {approval.id} stands until {when(approval.expires_at)}: call again before that."
    return " The yes to this plan is withdrawn with this call: the next one asks again."


def asked_again(void: Approval) -> str:
    """Return why a plan is asked for once more to which somebody had said yes."""
    at = when(void.decided_at or void.created_at)
    return (
        f"Somebody said yes to this call at {at}, over a connection that did not use it, and that yes counts for no "
        "other one. It is void: this is asked anew."
    )


def running(operation: Operation) -> Receipt:
    """Return the receipt of an operation that goes on."""
    return Receipt(
        outcome=Outcome.RUNNING,
        message=(
            f"Still running: {operation.now_at or 'starting'}. It goes on by itself; "
            f"follow it with get_operation {operation.id}."
        ),
        operation_id=operation.id,
        approval_id=operation.approval_id or None,
        plan_digest=operation.plan_digest,
        steps=steps_so_far(operation),
    )


def when(unix_s: float) -> str:
    """Return an instant as people read it, in UTC to the second."""
    return datetime.fromtimestamp(unix_s, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
