"""Takes values and texts that ran out of plans that nobody needs any more; what is left is names and digests."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, exists, insert, select, update

from ink_infra_mcp.core.errors import StateCorrupt
from ink_infra_mcp.core.plan import Plan, canonical
from ink_infra_mcp.core.receipt import Receipt
from ink_infra_mcp.core.thinning import remembered, thinned, thinned_receipt, thinned_results
from ink_infra_mcp.state import operations
from ink_infra_mcp.state.records import ApprovalState
from ink_infra_mcp.state.rows import from_json, load
from ink_infra_mcp.state.tables import approvals, forgotten
from ink_infra_mcp.state.tables import operations as operation_rows

CLOSED = (
    ApprovalState.DENIED,
    ApprovalState.WITHDRAWN,
    ApprovalState.CONSUMED,
    ApprovalState.DRIFTED,
    ApprovalState.SUPERSEDED,
    ApprovalState.EXPIRED,
)
"""States from which no approval ever runs; the plan of a consumed one is that of its operation."""
_UNREADABLE = "(a plan that could not be read)"


def overdue(connection: Connection, *, before: float, limit: int) -> tuple[str, ...]:
    """Return up to `limit` operations that ended before that time (Unix seconds) and still have all of their plan."""
    c = operation_rows.c
    query = select(c.id).where(c.state == "ended", c.ended_at < before, _is_kept(operation_rows))
    return tuple(connection.execute(query.order_by(c.ended_at, c.id).limit(limit)).scalars())


def thin(connection: Connection, operation_ids: Iterable[str], *, now: float) -> None:
    """Leave of these ended operations what `core.thinning` keeps."""
    for operation_id in operation_ids:
        connection.execute(
            update(operation_rows).where(operation_rows.c.id == operation_id).values(**_left(connection, operation_id))
        )
        connection.execute(insert(forgotten).values(id=operation_id, at=now))


def forget_approvals(connection: Connection, *where: ColumnElement[bool]) -> int:
    """Leave digest, title and target of those closed approvals to which `where` applies; return how many they were."""
    c = approvals.c
    rows = connection.execute(select(c.id, c.tool, c.plan).where(c.state.in_(CLOSED), *where)).all()
    for row in rows:
        plan = remembered(_plan(row.tool, row.plan)).model_dump_json()
        connection.execute(update(approvals).where(c.id == row.id).values(plan=plan))
    return len(rows)


def forget_old_approvals(connection: Connection, *, now: float, limit: int) -> int:
    """Do the same with up to `limit` closed approvals that an older version left whole; return how many they were."""
    c = approvals.c
    query = select(c.id).where(c.state.in_(CLOSED), _is_kept(approvals)).order_by(c.created_at, c.id).limit(limit)
    ids = tuple(connection.execute(query).scalars())
    forget_approvals(connection, c.id.in_(ids))
    for approval_id in ids:
        connection.execute(insert(forgotten).values(id=approval_id, at=now))
    return len(ids)


def _is_kept(table: Table) -> ColumnElement[bool]:
    return ~exists().where(forgotten.c.id == table.c.id)


def _left(connection: Connection, operation_id: str) -> dict[str, str]:
    """What cannot be read keeps nothing but its receipt: nobody could use the rest."""
    row = connection.execute(
        select(operation_rows.c.tool, operation_rows.c.receipt).where(operation_rows.c.id == operation_id)
    ).one()
    try:
        found = operations.get(connection, operation_id)
    except StateCorrupt:
        found = None
    if found is None:
        return {"plan": _unreadable(row.tool).model_dump_json(), "results": "{}", "receipt": row.receipt}
    receipt = thinned_receipt(found.receipt) if found.receipt else None
    return {
        "plan": thinned(found.plan).model_dump_json(exclude_defaults=True),
        "results": canonical(thinned_results(found.results)).decode(),
        "receipt": _text(receipt),
    }


def _text(receipt: Receipt | None) -> str:
    return "" if receipt is None else receipt.model_dump_json(exclude_defaults=True)


def _plan(tool: str, text: str) -> Plan:
    try:
        found: dict[str, Any] = from_json(text)
        return load(Plan, found)
    except (StateCorrupt, TypeError):
        return _unreadable(tool)


def _unreadable(tool: str) -> Plan:
    plan = Plan(tool=tool, title=_UNREADABLE, target=_UNREADABLE, locks=(), reason=_UNREADABLE)
    return remembered(plan)
