"""Brings a state store that an older version wrote to the present schema."""

import json
from collections.abc import Callable, Iterator

from sqlalchemy import Connection, inspect, select, update

from ink_infra_mcp.core.errors import StateCorrupt
from ink_infra_mcp.core.shapes import items, table
from ink_infra_mcp.state.tables import SCHEMA_VERSION, approvals, meta, metadata, operations, targets


def prepare(connection: Connection) -> None:
    """Make what is missing, in a new store or in one of an older version.

    Raises:
        StateCorrupt: the store is of a version that is not known here.
    """
    metadata.create_all(connection)
    found = connection.execute(select(meta.c.value).where(meta.c.key == "schema")).scalar()
    if found is None:
        connection.execute(meta.insert().values(key="schema", value=str(SCHEMA_VERSION)))
    elif found != str(SCHEMA_VERSION):
        _bring_up(connection, found)
        connection.execute(update(meta).where(meta.c.key == "schema").values(value=str(SCHEMA_VERSION)))


def _bring_up(connection: Connection, found: str) -> None:
    """Take the steps from the version that was found to the present one, in order."""
    steps = _steps()
    if found not in steps:
        raise StateCorrupt(
            f"The state store has schema {found}; this version knows {SCHEMA_VERSION}.",
            next="Use the version of ink-infra-mcp that wrote it, or another state url.",
        )
    for version in range(int(found), SCHEMA_VERSION):
        steps[str(version)](connection)


def _steps() -> dict[str, Callable[[Connection], None]]:
    return {"1": _list_targets, "2": _name_connections}


def _list_targets(connection: Connection) -> None:
    """Schema 2 lists what each operation locked; of those that are there already, their plans tell."""
    for row in connection.execute(select(operations.c.id, operations.c.plan, operations.c.created_at)).all():
        for target in sorted(set(_locks(row.plan))):
            connection.execute(targets.insert().values(target=target, operation_id=row.id, created_at=row.created_at))


def _name_connections(connection: Connection) -> None:
    """Schema 3 knows where a yes came from; of those before nobody knows, so that no connection can use them."""
    if "connection" not in {column["name"] for column in inspect(connection).get_columns(approvals.name)}:
        column = "alter table ink_approvals add column connection varchar(40) not null default ''"
        connection.exec_driver_sql(column)


def _locks(plan: str) -> Iterator[str]:
    """A plan that cannot be read tells nothing, and keeps no store from being opened."""
    try:
        yield from (lock for lock in items(table(json.loads(plan)).get("locks")) if isinstance(lock, str))
    except ValueError:
        return
