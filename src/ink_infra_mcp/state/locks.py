"""Locks: one row for each target that an operation holds; taken all at once or not at all."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, Row, delete, select

from ink_infra_mcp.state.records import Lock
from ink_infra_mcp.state.rows import fields, load
from ink_infra_mcp.state.tables import locks


def take(connection: Connection, wanted: Iterable[Lock]) -> Lock | None:
    """Take all of `wanted`, sorted by target; return None, or the first lock in the way with nothing taken."""
    rows = sorted(wanted, key=lambda lock: lock.target)
    held = holders(connection, (row.target for row in rows))
    in_the_way = [lock for lock in held if lock.operation_id not in {row.operation_id for row in rows}]
    if in_the_way:
        return in_the_way[0]
    have = {lock.target for lock in held}
    for row in rows:
        if row.target not in have:
            connection.execute(locks.insert().values(**row.model_dump()))
    return None


def holders(connection: Connection, targets: Iterable[str]) -> tuple[Lock, ...]:
    """Return the locks held on any of `targets`, sorted by target."""
    query = select(locks).where(locks.c.target.in_(sorted(set(targets)))).order_by(locks.c.target)
    return tuple(_lock(row) for row in connection.execute(query))


def held_by(connection: Connection, operation_id: str) -> tuple[Lock, ...]:
    """Return the locks that an operation holds, sorted by target."""
    query = select(locks).where(locks.c.operation_id == operation_id).order_by(locks.c.target)
    return tuple(_lock(row) for row in connection.execute(query))


def free(connection: Connection, operation_id: str) -> None:
    """Free every target that the operation holds."""
    connection.execute(delete(locks).where(locks.c.operation_id == operation_id))


def _lock(row: Row[Any]) -> Lock:
    return load(Lock, fields(row))
