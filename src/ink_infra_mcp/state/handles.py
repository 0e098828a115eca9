"""Operations as their caller holds them: one principal's own, by id, in order, and what is new about them."""

from typing import Any

from sqlalchemy import Connection, and_, func, or_, select

from ink_infra_mcp.core.plan import Plan
from ink_infra_mcp.core.policy import apps_touched, servers_touched
from ink_infra_mcp.state import approvals, operations
from ink_infra_mcp.state.records import Held, News, Operation, Place
from ink_infra_mcp.state.tables import audit
from ink_infra_mcp.state.tables import operations as rows

_APP = "app:"
_MOST_NEWS = 500
"""Operations of one look: far more than run at a time."""


def held(connection: Connection, handle: str, *, principal: str) -> Held | None:
    """Return the principal's operation with that id, or the one that began with the approval of that id; None else.

    Raises:
        StateCorrupt: this version cannot read it.
    """
    approval = approvals.get(connection, handle)
    found = operations.get(connection, approval.operation_id if approval else handle)
    if found is None or found.principal != principal:
        return None
    return _held(connection, found)


def held_by(connection: Connection, principal: str, *, after: Place | None, limit: int) -> tuple[Held, ...]:
    """Return up to `limit` operations of the principal that come after that place, newest first.

    One whose plan cannot be read is there as well, as `operations.newest` has it.
    """
    c = rows.c
    query = select(c.id).where(c.principal == principal).order_by(c.created_at.desc(), c.id).limit(limit)
    if after is not None:
        same = and_(c.created_at == after.created_at, c.id > after.id)
        query = query.where(or_(c.created_at < after.created_at, same))
    found = (held(connection, id_, principal=principal) for id_ in connection.execute(query).scalars().all())
    ids = tuple(connection.execute(query).scalars())
    found = {operation.id: operation for operation in operations.by_ids(connection, ids)}
    return tuple(_held(connection, found[id_]) for id_ in ids)


def news(connection: Connection, *, since: float) -> tuple[News, ...]:
    """Return where each operation stands that runs, or that ended at or after that time (Unix seconds)."""
    c = rows.c
    query = select(c.id, c.state, c.now_at, c.cancel_requested, func.length(c.results).label("size"))
    query = query.where(or_(c.state == "running", c.ended_at >= since)).order_by(c.created_at).limit(_MOST_NEWS)
    return tuple(_news(connection, row) for row in connection.execute(query).all())


def _news(connection: Connection, row: Any) -> News:
    mark = f"{row.state} {row.cancel_requested} {row.size} {row.now_at}"
    if row.state == "running":
        return News(id=row.id, mark=mark)
    [operation] = operations.by_ids(connection, (row.id,))
    apps, servers = apps_touched(operation.plan) | _uuids(operation.plan), servers_touched(operation.plan)
    return News(id=row.id, mark=mark, ended=True, apps=tuple(sorted(apps)), servers=tuple(sorted(servers)))


def _uuids(plan: Plan) -> set[str]:
    """Return the other names of apps that a plan touches: an app that is there already is locked by its uuid."""
    return {lock.removeprefix(_APP) for lock in plan.locks if lock.startswith(_APP)}


def _held(connection: Connection, operation: Operation) -> Held:
    return Held(operation=operation, updated_at=_updated_at(connection, operation.id) or operation.created_at)


def _updated_at(connection: Connection, operation_id: str) -> float | None:
    newest = select(audit.c.at).where(audit.c.operation_id == operation_id).order_by(audit.c.seq.desc()).limit(1)
    return connection.execute(newest).scalar()
