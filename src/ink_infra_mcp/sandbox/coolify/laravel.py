"""How Laravel and Coolify's serializeApiResponse write any row: times, and the order of keys."""

from collections.abc import Mapping
from datetime import UTC, datetime

from pydantic import JsonValue

from ink_infra_mcp.sandbox.coolify.call import JsonObject

TEAM_ID = 0
FIRST = ("id", "uuid", "description", "name")
LAST = ("created_at", "updated_at")


def stamp(at: float | None) -> str | None:
    """Return a time as Laravel writes it in JSON: UTC with microseconds."""
    return None if at is None else datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def ordered(row: Mapping[str, JsonValue]) -> JsonObject:
    """Return the keys as serializeApiResponse puts them: sorted, ids first, times last."""
    middle = sorted(set(row) - set(FIRST) - set(LAST))
    return {name: row[name] for name in (*FIRST, *middle, *LAST) if name in row}
