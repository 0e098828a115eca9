"""Writes YAML as Symfony's Yaml::dump(value, 10, 2) does (read in Dumper, Inline and Escaper of symfony/yaml)."""

import base64
import math
import re
from typing import TypeGuard

from ink_infra_mcp.sandbox.coolify.php import Php, float_text, is_numeric, pairs_of

DEPTH = 10
INDENT = 2

_WORDS = frozenset({"null", "~", "true", "false", "y", "n", "yes", "no", "on", "off"})
_BINARY = re.compile(r"[\x01-\x06\x0e-\x1a\x1c-\x1f]")
_DOUBLE = re.compile("[\\x00-\\x1f\\x7f\\x85\\xa0\\u2028\\u2029]")
_SINGLE = re.compile("[ \\t\\n\\r\\f\\v'\":{}\\[\\],&*#?]|\\A[-?|<>=!%@`\\u1680\\u2000-\\u200a\\u202f\\u205f\\u3000]")
_NUMBER = re.compile(r"[0-9]+[_0-9]*\n?|0x[0-9a-f_]+\n?", re.ASCII | re.IGNORECASE)
TIMESTAMP = re.compile(
    r"(?P<year>[0-9]{4})-(?P<month>[0-9]{1,2})-(?P<day>[0-9]{1,2})"
    r"(?:(?:[Tt]|[ \t]+)(?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{2}):(?P<second>[0-9]{2})(?:\.(?P<fraction>[0-9]*))?"
    r"(?:[ \t]*(?P<zone>Z|(?P<sign>[-+])(?P<zone_hour>[0-9]{1,2})(?::(?P<zone_minute>[0-9]{2}))?))?)?",
    re.ASCII,
)
_NAMED = {
    "\0": "\\0",
    "\a": "\\a",
    "\b": "\\b",
    "\t": "\\t",
    "\n": "\\n",
    "\v": "\\v",
    "\f": "\\f",
    "\r": "\\r",
    "\x1b": "\\e",
    "\x7f": "\\x7f",
    "\x85": "\\N",
    "\xa0": "\\_",
    "\u2028": "\\L",
    "\u2029": "\\P",
}


def dump(value: Php, *, literal: bool = False) -> str:
    """Return a value as YAML; with `literal`, texts of several lines are blocks, else they stand in double quotes."""
    return _dump(value, DEPTH, 0, literal=literal)


def _dump(value: Php, depth: int, indent: int, *, literal: bool) -> str:
    prefix = " " * indent
    if depth <= 0 or not _is_filled(value):
        return prefix + scalar(value)
    said = ""
    for key, part in pairs_of(value).items():
        mark = f"{scalar(key)}:" if isinstance(value, dict) else "-"
        said = _ended(said) + prefix + mark + _after(part, depth, indent, literal=literal)
    return said


def _ended(said: str) -> str:
    """Return the text with a line break at its end."""
    return f"{said}\n" if said and not said.endswith("\n") else said


def _after(part: Php, depth: int, indent: int, *, literal: bool) -> str:
    if literal and _has_lines(part):
        return _block(part, " " * indent)
    if depth <= 1 or not _is_filled(part):
        return f" {_dump(part, depth - 1, 0, literal=literal)}\n"
    return f"\n{_dump(part, depth - 1, indent + INDENT, literal=literal)}"


def _has_lines(part: Php) -> TypeGuard[str]:
    return isinstance(part, str) and "\n" in part and "\r" not in part


def _is_filled(value: Php) -> bool:
    return isinstance(value, dict | list) and bool(value)


def _block(value: str, prefix: str) -> str:
    lines = value.split("\n")
    rows = "".join(f"\n{prefix}{' ' * INDENT}{line}" if line else "\n" for line in lines)
    return f" |{_indicator(lines)}{_chomping(value)}{rows}"


def _indicator(lines: list[str]) -> str:
    first = next((line for line in lines if line.strip(" ")), "")
    return str(INDENT) if first.startswith(" ") else ""


def _chomping(value: str) -> str:
    if value.endswith("\n\n"):
        return "+"
    return "" if value.endswith("\n") else "-"


def scalar(value: Php) -> str:
    """Return a value on one line."""
    match value:
        case str():
            return _text(value)
        case float():
            return _float(value)
        case list() | dict():
            return _flow(value)
        case _:
            return _word(value)


def _word(value: bool | int | None) -> str:
    if value is None:
        return "null"
    return str(value).lower()


def _flow(value: Php) -> str:
    if isinstance(value, list) and value:
        return f"[{', '.join(map(scalar, value))}]"
    return f"{{ {', '.join(f'{scalar(key)}: {scalar(part)}' for key, part in pairs_of(value).items())} }}"


def _float(value: float) -> str:
    written = float_text(value)
    if math.isinf(value):
        return written.replace("INF", ".Inf")
    return f"{written}.0" if _is_whole(value, written) and "E" not in written else written


def _is_whole(value: float, written: str) -> bool:
    return not math.isnan(value) and math.floor(value) == value and float(written) == value


def _text(value: str) -> str:
    if _is_empty_or_number(value):
        return f"'{value}'"
    if _BINARY.search(value):
        return f"!!binary {base64.b64encode(value.encode()).decode()}"
    if _DOUBLE.search(value):
        return _doubly_quoted(value)
    return _printable(value)


def _is_empty_or_number(value: str) -> bool:
    return value == "" or (is_numeric(value) and not re.search(r"[\f\n\r\t\v]", value))


def _printable(value: str) -> str:
    if value.lower() in _WORDS or _SINGLE.search(value):
        return _shorter_quoted(value)
    return f"'{value}'" if _NUMBER.fullmatch(value) or TIMESTAMP.fullmatch(value) else value


def _shorter_quoted(value: str) -> str:
    single = "'" + value.replace("'", "''") + "'"
    double = _doubly_quoted(value)
    return double if "'" in value and len(double.encode()) < len(single.encode()) else single


def _doubly_quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(_NAMED.get(sign, sign) for sign in escaped) + '"'
