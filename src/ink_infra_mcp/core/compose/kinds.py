"""What kind of value each key of a service takes: a text, a number, a list or a mapping. Docker Compose takes no other.

The kinds are those of Docker Compose 2.26.1, tried key by key; the judges of values are asked only where the kind is
right.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pydantic import JsonValue


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of value: in words, and whether a value is of it."""

    words: str
    holds: Callable[[JsonValue], bool]


def _is_text(value: JsonValue) -> bool:
    return isinstance(value, str)


def _is_scalar(value: JsonValue) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool)


def _is_flat_mapping(value: JsonValue) -> bool:
    """Return whether it holds no parts of parts; Docker refuses a key without letters."""
    return isinstance(value, dict) and "" not in value and not _holds_parts(list(value.values()))


def _holds_parts(values: list[JsonValue]) -> bool:
    return any(isinstance(value, dict | list) for value in values)


def _is_each(value: JsonValue, holds: Callable[[JsonValue], bool]) -> bool:
    return isinstance(value, list) and all(map(holds, value))


def _is_once_each(value: JsonValue, holds: Callable[[JsonValue], bool]) -> bool:
    return isinstance(value, list) and all(map(holds, value)) and len({str(part) for part in value}) == len(value)


def _is_entry(value: JsonValue) -> bool:
    return isinstance(value, str) and value.partition("=")[0] != ""


def _is_text_or_mapping(value: JsonValue) -> bool:
    return isinstance(value, str | dict)


def _is_mapping_of_mappings(value: JsonValue, *, null: bool) -> bool:
    return isinstance(value, dict) and all(isinstance(part, dict) or (null and part is None) for part in value.values())


TEXT = Kind("a text", _is_text)
SWITCH = Kind("true or false", lambda value: isinstance(value, bool))
MAPPING = Kind("a mapping", lambda value: isinstance(value, dict))
TEXTS = Kind("a list of texts, each once", lambda value: _is_once_each(value, _is_text))
SCALARS = Kind("a list of texts and numbers, each once", lambda value: _is_once_each(value, _is_scalar))
WORDS = Kind("a text, or a list of texts", lambda value: _is_text(value) or _is_each(value, _is_text))
PARTS = Kind("a list of texts or mappings, each once", lambda value: _is_once_each(value, _is_text_or_mapping))
ENTRIES = Kind(
    "a mapping of names to texts, or a list of texts",
    lambda value: _is_flat_mapping(value) or _is_each(value, _is_entry),
)
NETWORKS = Kind(
    "a list of names, each once, or a mapping of names to settings",
    lambda value: _is_once_each(value, _is_text) or _is_mapping_of_mappings(value, null=True),
)
NEEDED = Kind(
    "a list of names, each once, or a mapping of names to settings",
    lambda value: _is_once_each(value, _is_text) or _is_mapping_of_mappings(value, null=False),
)

KINDS: Mapping[str, Kind] = {
    **dict.fromkeys(
        ("image", "working_dir", "user", "hostname", "domainname", "platform", "stop_signal", "stop_grace_period"), TEXT
    ),
    **dict.fromkeys(("init", "tty", "stdin_open", "read_only", "exclude_from_hc"), SWITCH),
    **dict.fromkeys(("command", "entrypoint", "dns", "dns_search", "tmpfs"), WORDS),
    **dict.fromkeys(("profiles", "dns_opt", "cap_add", "cap_drop", "security_opt"), TEXTS),
    "expose": SCALARS,
    **dict.fromkeys(("environment", "labels", "extra_hosts"), ENTRIES),
    **dict.fromkeys(("configs", "secrets"), PARTS),
    **dict.fromkeys(("healthcheck", "logging", "ulimits", "deploy"), MAPPING),
    "networks": NETWORKS,
    "depends_on": NEEDED,
}
"""Kinds of keys whose judge does not look at the kind itself."""
LOGGING_KINDS: Mapping[str, Kind] = {"driver": TEXT, "options": MAPPING}


def wrong_kind(key: str, value: JsonValue, kinds: Mapping[str, Kind] = KINDS) -> str:
    """Return why a value is none that the key takes, or an empty text; a key without a kind takes any here."""
    kind = kinds.get(key)
    return "" if kind is None or kind.holds(value) else f"is not {kind.words}"
