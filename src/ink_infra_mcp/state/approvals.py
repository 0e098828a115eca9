"""Approvals: one row for each question put to a person; single use, bound to a plan, a caller and a time.

Of one that will never run, or has been used, the row keeps digest, title and target of the plan only.
"""

from typing import Any

from sqlalchemy import Connection, Row, Select, or_, select, update

from ink_infra_mcp.core.errors import ApprovalInvalid
from ink_infra_mcp.state.forgetting import forget_approvals
from ink_infra_mcp.state.records import TICKET, Approval, ApprovalState
from ink_infra_mcp.state.rows import fields, load
from ink_infra_mcp.state.tables import approvals


def add(connection: Connection, approval: Approval) -> None:
    """Store a new pending approval; older pending ones for the same call are superseded."""
    c = approvals.c
    connection.execute(
        update(approvals)
        .where(c.principal == approval.principal, c.tool == approval.tool, c.args_digest == approval.args_digest)
        .where(c.state.in_([ApprovalState.PENDING, ApprovalState.APPROVED]))
        .values(state=ApprovalState.SUPERSEDED)
    )
    forget_approvals(
        connection,
        *(c.principal == approval.principal, c.tool == approval.tool, c.args_digest == approval.args_digest),
        c.state == ApprovalState.SUPERSEDED,
    )
    connection.execute(approvals.insert().values(**approval.model_dump() | {"plan": approval.plan.model_dump_json()}))


def get(connection: Connection, approval_id: str) -> Approval | None:
    """Return the approval with that id, or None."""
    return _first(connection, select(approvals).where(approvals.c.id == approval_id))


def open_for(connection: Connection, *, principal: str, tool: str, args_digest: str, now: float) -> Approval | None:
    """Return the newest pending or approved approval of the same call that has not expired, or None."""
    c = approvals.c
    return _first(
        connection,
        select(approvals)
        .where(c.principal == principal, c.tool == tool, c.args_digest == args_digest, c.expires_at > now)
        .where(c.state.in_([ApprovalState.PENDING, ApprovalState.APPROVED]))
        .order_by(c.created_at.desc())
        .limit(1),
    )


def pending(connection: Connection, *, now: float, principal: str | None = None) -> tuple[Approval, ...]:
    """Return all approvals that wait for a person, oldest first; with a `principal`, only those of its calls."""
    c = approvals.c
    query = select(approvals).where(c.state == ApprovalState.PENDING, c.expires_at > now).order_by(c.created_at, c.id)
    if principal is not None:
        query = query.where(c.principal == principal)
    return tuple(_approval(row) for row in connection.execute(query))


def unused(connection: Connection, *, now: float) -> tuple[Approval, ...]:
    """Return every yes that nothing has used yet and that still counts, oldest first."""
    c = approvals.c
    query = select(approvals).where(c.state == ApprovalState.APPROVED, c.expires_at > now).order_by(c.created_at, c.id)
    return tuple(_approval(row) for row in connection.execute(query))


def decide(
    connection: Connection,
    approval_id: str,
    *,
    state: ApprovalState,
    channel: str,
    decided_by: str,
    now: float,
    came_by: str = "",
) -> Approval:
    """Return the approval after a person's answer, which `came_by` that connection of a client; empty: a terminal.

    Raises:
        ApprovalInvalid: it is unknown, expired, or no longer pending.
    """
    c = approvals.c
    changed = connection.execute(
        update(approvals)
        .where(c.id == approval_id, c.state == ApprovalState.PENDING, c.expires_at > now)
        .values(state=state, channel=channel, connection=came_by, decided_by=decided_by, decided_at=now)
    )
    forget_approvals(connection, c.id == approval_id)
    found = get(connection, approval_id)
    if changed.rowcount != 1 or found is None:
        raise ApprovalInvalid(
            f"The approval {approval_id} {_why_not(found, now)}.", next="Call the tool again to get a new plan."
        )
    return found


def withdraw(connection: Connection, approval_id: str, *, channel: str, decided_by: str, now: float) -> Approval:
    """Return the approval after a yes was taken back that nothing has used yet.

    Raises:
        ApprovalInvalid: it is not approved, has expired, or was used.
    """
    c = approvals.c
    changed = connection.execute(
        update(approvals)
        .where(c.id == approval_id, c.state == ApprovalState.APPROVED, c.expires_at > now)
        .values(state=ApprovalState.WITHDRAWN, channel=channel, decided_by=decided_by, decided_at=now)
    )
    forget_approvals(connection, c.id == approval_id)
    found = get(connection, approval_id)
    if changed.rowcount != 1 or found is None:
        raise ApprovalInvalid(f"The approval {approval_id} {_why_not(found, now)}.", next="See list_operations.")
    return found


def consume(
    connection: Connection, approval_id: str, *, digest: str, operation_id: str, now: float, came_by: str = ""
) -> Approval:
    """Return the approval, used up by `operation_id` of a call that `came_by` a connection: it is never used again.

    Raises:
        ApprovalInvalid: it is not approved, has expired, is for another plan, or was given over another connection.
    """
    c = approvals.c
    changed = connection.execute(
        update(approvals)
        .where(c.id == approval_id, c.state == ApprovalState.APPROVED, c.expires_at > now, c.plan_digest == digest)
        .where(or_(c.channel == TICKET, c.connection == came_by))
        .values(state=ApprovalState.CONSUMED, operation_id=operation_id)
    )
    forget_approvals(connection, c.id == approval_id)
    found = get(connection, approval_id)
    if changed.rowcount != 1 or found is None:
        raise ApprovalInvalid(
            f"The approval {approval_id} {_why_not(found, now)}.", next="Call the tool again to get a new plan."
        )
    return found


def let_go(connection: Connection, approval_id: str, *, was: ApprovalState) -> Approval | None:
    """Return the approval, void now because the call that it belongs to is over; None where it is not what it `was`."""
    c = approvals.c
    changed = connection.execute(
        update(approvals)
        .where(c.id == approval_id, c.state == was, c.channel != TICKET)
        .values(state=ApprovalState.WITHDRAWN)
    )
    forget_approvals(connection, c.id == approval_id)
    return get(connection, approval_id) if changed.rowcount == 1 else None


def mark_drifted(connection: Connection, approval_id: str) -> None:
    """Void an approval whose plan is no longer the one that would run."""
    c = approvals.c
    connection.execute(
        update(approvals)
        .where(c.id == approval_id, c.state.in_([ApprovalState.PENDING, ApprovalState.APPROVED]))
        .values(state=ApprovalState.DRIFTED)
    )
    forget_approvals(connection, c.id == approval_id)


def expire(connection: Connection, *, now: float) -> tuple[Approval, ...]:
    """Return the approvals whose time has just ended unused; none of them can be decided or consumed any more."""
    c = approvals.c
    over = (c.state.in_([ApprovalState.PENDING, ApprovalState.APPROVED]), c.expires_at <= now)
    query = select(approvals).where(*over).order_by(c.expires_at, c.id)
    ended = tuple(_approval(row) for row in connection.execute(query))
    connection.execute(update(approvals).where(*over).values(state=ApprovalState.EXPIRED))
    forget_approvals(connection, c.id.in_([approval.id for approval in ended]))
    return ended


def _why_not(found: Approval | None, now: float) -> str:
    if found is None:
        return "is unknown"
    if found.state is ApprovalState.CONSUMED:
        return f"was already used by operation {found.operation_id}"
    if found.expires_at <= now:
        return "has expired"
    return f"is {found.state}"


def _first(connection: Connection, query: Select[Any]) -> Approval | None:
    row = connection.execute(query).first()
    return _approval(row) if row else None


def _approval(row: Row[Any]) -> Approval:
    return load(Approval, fields(row), texts=("plan",))
