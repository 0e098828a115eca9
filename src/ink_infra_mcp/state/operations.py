"""Operations: approved plans that have begun, where they stand, and what came of them."""

import json
from typing import Any

from sqlalchemy import Connection, Row, select, update

from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.receipt import Receipt
from ink_infra_mcp.state.records import Operation
from ink_infra_mcp.state.rows import fields, from_json, load
from ink_infra_mcp.state.tables import operations


def add(connection: Connection, operation: Operation) -> None:
    """Store an operation that begins."""
    values = operation.model_dump() | {"plan": operation.plan.model_dump_json(), "results": "{}", "receipt": ""}
    connection.execute(operations.insert().values(**values))


def get(connection: Connection, operation_id: str) -> Operation | None:
    """Return the operation with that id, or None."""
    row = connection.execute(select(operations).where(operations.c.id == operation_id)).first()
    return _operation(row) if row else None


def newest(
    connection: Connection, *, before: float | None = None, limit: int = 20, state: str | None = None
) -> tuple[Operation, ...]:
    """Return up to `limit` operations that began before `before` (Unix seconds), newest first."""
    query = select(operations).order_by(operations.c.created_at.desc(), operations.c.id).limit(limit)
    if before is not None:
        query = query.where(operations.c.created_at < before)
    if state is not None:
        query = query.where(operations.c.state == state)
    return tuple(_operation(row) for row in connection.execute(query))


def running(connection: Connection) -> tuple[Operation, ...]:
    """Return every operation that has not ended, oldest first."""
    query = select(operations).where(operations.c.state == "running").order_by(operations.c.created_at)
    return tuple(_operation(row) for row in connection.execute(query))


def claim(connection: Connection, operation_id: str, *, of: str, by: str) -> bool:
    """Return whether the running operation of the dead executor `of` now belongs to `by`."""
    c = operations.c
    done = connection.execute(
        update(operations).where(c.id == operation_id, c.executor == of, c.state == "running").values(executor=by)
    )
    return done.rowcount == 1


def note(connection: Connection, operation_id: str, *, now_at: str) -> None:
    """Remember what the operation is doing, in a few words."""
    connection.execute(update(operations).where(operations.c.id == operation_id).values(now_at=now_at[:500]))


def keep_result(connection: Connection, operation_id: str, step_id: str, result: JsonObject) -> None:
    """Remember what a step returned."""
    row = connection.execute(select(operations.c.results).where(operations.c.id == operation_id)).one()
    results = from_json(row.results) | {step_id: result}
    connection.execute(
        update(operations).where(operations.c.id == operation_id).values(results=json.dumps(results, sort_keys=True))
    )


def request_cancel(connection: Connection, operation_id: str) -> bool:
    """Return whether a running operation will now stop before its next step."""
    c = operations.c
    done = connection.execute(
        update(operations).where(c.id == operation_id, c.state == "running").values(cancel_requested=True)
    )
    return done.rowcount == 1


def end(connection: Connection, operation_id: str, *, receipt: Receipt, now: float) -> bool:
    """Return whether the operation was running and has now ended with `receipt`; a second end changes nothing."""
    c = operations.c
    done = connection.execute(
        update(operations)
        .where(c.id == operation_id, c.state == "running")
        .values(state="ended", receipt=receipt.model_dump_json(), ended_at=now, now_at="")
    )
    return done.rowcount == 1


def _operation(row: Row[Any]) -> Operation:
    return load(Operation, fields(row), texts=("plan", "results", "receipt"))
