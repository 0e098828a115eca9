"""Times as answers show them."""

from datetime import UTC, datetime


def iso(unix_s: float | None) -> str:
    """Return a Unix time as ISO 8601 in UTC to the second, or an empty text."""
    return datetime.fromtimestamp(unix_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if unix_s is not None else ""
