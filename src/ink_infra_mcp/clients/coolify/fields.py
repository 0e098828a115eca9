"""The types of the fields that Coolify sends: tolerant of null, of numbers as text, and of two date formats."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, JsonValue

from ink_infra_mcp.clients.coolify.status import Status, parse_status
from ink_infra_mcp.core.untrusted import clean


class Sent(BaseModel):
    """Base of what Coolify sends: immutable; fields that we do not know are left out."""

    model_config = ConfigDict(frozen=True, extra="ignore", validate_by_name=True, validate_by_alias=True)


def as_text(value: object) -> object:
    """Return null as empty text and a number as its digits; everything else as it is, for pydantic to judge."""
    if value is None:
        return ""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return value


def as_clean_text(value: object) -> object:
    """Return `as_text`, without control characters and cut at 4,000 characters."""
    text = as_text(value)
    return clean(text, limit=4_000) if isinstance(text, str) else text


def as_flag(value: object) -> object:
    """Return null as false: what is not said to be so is not so."""
    return False if value is None else value


def as_instant(value: object) -> object:
    """Return an ISO date and time as an aware instant, UTC when no zone is given; None when it is no date."""
    if not isinstance(value, str):
        return value if isinstance(value, datetime) else None
    try:
        moment = datetime.fromisoformat(value.strip())
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def as_domains(value: object) -> object:
    """Return a comma-separated text as a tuple, without blanks and repeats; null as none; a list as it is."""
    if value is None:
        return ()
    if not isinstance(value, str):
        return value
    parts = (clean(part.strip(), limit=300) for part in value.split(","))
    return tuple(dict.fromkeys(filter(None, parts)))


def as_status(value: object) -> object:
    """Return a status text taken apart; null as unknown."""
    if value is None:
        return Status()
    return parse_status(value) if isinstance(value, str) else value


def as_compose_domains(value: object) -> object:
    """Return the domains by compose service from Coolify's JSON text; none when it holds no such thing.

    The text is `{"web": {"domain": "https://a.example.com"}}` (source, version 4.3.11); PHP writes `[]` for none.
    """
    parsed = parsed_json(value) if isinstance(value, str) else value
    if not isinstance(parsed, dict):
        return {}
    entries = cast(Mapping[str, object], parsed)
    return {name: domains for name, entry in entries.items() if (domains := as_domains(_domain(entry)))}


def list_from_php(value: JsonValue) -> list[JsonValue] | None:
    """Return a list, or None when there is none.

    PHP turns a list with gaps in its keys into an object ("0": .., "2": ..): its values count as the list.
    """
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else None


def parsed_json(text: str) -> JsonValue:
    """Return the JSON in a text; None when there is none, or it is nested too deep."""
    try:
        return cast(JsonValue, json.loads(text))
    except (ValueError, RecursionError):
        return None


def _domain(entry: object) -> object:
    value = cast(Mapping[str, object], entry).get("domain") if isinstance(entry, dict) else entry
    return value if isinstance(value, str) else cast(tuple[object, ...], value) if isinstance(value, tuple) else None


Text = Annotated[str, BeforeValidator(as_clean_text)]
Exact = Annotated[str, BeforeValidator(as_text)]
Flag = Annotated[bool, BeforeValidator(as_flag)]
When = Annotated[datetime | None, BeforeValidator(as_instant)]
Domains = Annotated[tuple[str, ...], BeforeValidator(as_domains)]
ComposeDomains = Annotated[dict[str, tuple[str, ...]], BeforeValidator(as_compose_domains)]
StatusField = Annotated[Status, BeforeValidator(as_status)]
