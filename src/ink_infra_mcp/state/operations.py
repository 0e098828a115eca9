"""Operations: approved plans that have begun, where they stand, and what came of them."""

import json
from typing import Any

from sqlalchemy import Connection, Row, select, update

from ink_infra_mcp.core.errors import StateCorrupt
from ink_infra_mcp.core.plan import JsonObject, Plan
from ink_infra_mcp.core.receipt import Receipt
from ink_infra_mcp.state.records import Operation, OperationHead
from ink_infra_mcp.state.rows import fields, from_json, load
from ink_infra_mcp.state.tables import operations, targets

UNREADABLE = "(this version cannot read the plan)"
_HEAD = [operations.c[name] for name in OperationHead.model_fields]


def add(connection: Connection, operation: Operation) -> None:
    """Store an operation that begins."""
    values = operation.model_dump() | {"plan": operation.plan.model_dump_json(), "results": "{}", "receipt": ""}
    connection.execute(operations.insert().values(**values))
    for target in sorted(set(operation.plan.locks)):
        connection.execute(
            targets.insert().values(target=target, operation_id=operation.id, created_at=operation.created_at)
        )


def get(connection: Connection, operation_id: str) -> Operation | None:
    """Return the operation with that id, or None.

    Raises:
        StateCorrupt: this version cannot read it.
    """
    row = connection.execute(select(operations).where(operations.c.id == operation_id)).first()
    try:
        return _operation(row) if row else None
    except StateCorrupt as error:
        raise StateCorrupt(
            f"Operation {operation_id} was not written by this version. {error.failed}",
            next=f"{error.next} An operator ends it by `ink-infra-mcp operations abandon {operation_id}`.",
        ) from error


def head(connection: Connection, operation_id: str) -> OperationHead | None:
    """Return what can be told of the operation whether or not its plan can be read; None when there is none."""
    row = connection.execute(select(*_HEAD).where(operations.c.id == operation_id)).first()
    return load(OperationHead, fields(row)) if row else None


def newest(
    connection: Connection, *, before: float | None = None, limit: int = 20, state: str | None = None
) -> tuple[Operation, ...]:
    """Return up to `limit` operations that began before `before` (Unix seconds), newest first, for somebody to read.

    One whose plan cannot be read has a plan without steps that says so.
    """
    query = select(operations).order_by(operations.c.created_at.desc(), operations.c.id).limit(limit)
    if before is not None:
        query = query.where(operations.c.created_at < before)
    if state is not None:
        query = query.where(operations.c.state == state)
    return tuple(_readable(row) for row in connection.execute(query))


def on_target(
    connection: Connection, target: str, *, limit: int, before: float | None = None, tool: str | None = None
) -> tuple[Operation, ...]:
    """Return up to `limit` operations that locked `target`, newest first, as `newest` does.

    Those that began before `before` (Unix seconds), and with `tool` those of that tool only.
    """
    query = select(operations).join(targets, targets.c.operation_id == operations.c.id)
    query = query.where(targets.c.target == target)
    if before is not None:
        query = query.where(targets.c.created_at < before)
    if tool is not None:
        query = query.where(operations.c.tool == tool)
    query = query.order_by(targets.c.created_at.desc(), operations.c.id).limit(limit)
    return tuple(_readable(row) for row in connection.execute(query))


def by_ids(connection: Connection, ids: tuple[str, ...]) -> tuple[Operation, ...]:
    """Return the operations with those ids, as `newest` does."""
    return tuple(_readable(row) for row in connection.execute(select(operations).where(operations.c.id.in_(ids))))


def running(connection: Connection) -> tuple[OperationHead, ...]:
    """Return every operation that has not ended, oldest first, whether or not its plan can be read."""
    query = select(*_HEAD).where(operations.c.state == "running").order_by(operations.c.created_at)
    return tuple(load(OperationHead, fields(row)) for row in connection.execute(query))


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


def _readable(row: Row[Any]) -> Operation:
    """A plan of another version must not keep anybody from reading what else there is."""
    try:
        return _operation(row)
    except StateCorrupt:
        values = fields(row)
        plan = Plan(tool=values["tool"], title=UNREADABLE, target=UNREADABLE, locks=(), reason=UNREADABLE)
        return load(Operation, {**values, "plan": plan, "results": {}}, texts=("receipt",))
