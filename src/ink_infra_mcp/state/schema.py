"""Brings a state store that an older version wrote to the present schema."""

import json
from collections.abc import Iterator

from sqlalchemy import Connection, select, update

from ink_infra_mcp.core.errors import StateCorrupt
from ink_infra_mcp.core.shapes import items, table
from ink_infra_mcp.state.tables import SCHEMA_VERSION, meta, metadata, operations, targets


def prepare(connection: Connection) -> None:
    """Make what is missing, in a new store or in one of an older version.

    Raises:
        StateCorrupt: the store is of a version that is not known here.
    """
    metadata.create_all(connection)
    found = connection.execute(select(meta.c.value).where(meta.c.key == "schema")).scalar()
    if found is None:
        connection.execute(meta.insert().values(key="schema", value=str(SCHEMA_VERSION)))
    elif found == "1":
        _list_targets(connection)
        connection.execute(update(meta).where(meta.c.key == "schema").values(value=str(SCHEMA_VERSION)))
    elif found != str(SCHEMA_VERSION):
        raise StateCorrupt(
            f"The state store has schema {found}; this version knows {SCHEMA_VERSION}.",
            next="Use the version of ink-infra-mcp that wrote it, or another state url.",
        )


def _list_targets(connection: Connection) -> None:
    """Schema 2 lists what each operation locked; of those that are there already, their plans tell."""
    for row in connection.execute(select(operations.c.id, operations.c.plan, operations.c.created_at)).all():
        for target in sorted(set(_locks(row.plan))):
            connection.execute(targets.insert().values(target=target, operation_id=row.id, created_at=row.created_at))


def _locks(plan: str) -> Iterator[str]:
    """A plan that cannot be read tells nothing, and keeps no store from being opened."""
    try:
        yield from (lock for lock in items(table(json.loads(plan)).get("locks")) if isinstance(lock, str))
    except ValueError:
        return
