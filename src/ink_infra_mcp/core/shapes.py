"""JSON from outside, read as the shape that is wanted: whatever has another shape counts as empty."""

from pydantic import JsonValue

from ink_infra_mcp.core.plan import JsonObject


def table(value: JsonValue) -> JsonObject:
    """Return the object, or an empty one."""
    return value if isinstance(value, dict) else {}


def items(value: JsonValue) -> list[JsonValue]:
    """Return the list, or an empty one."""
    return value if isinstance(value, list) else []
