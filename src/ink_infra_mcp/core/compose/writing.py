"""Writes a compose file so that go-yaml, Symfony's reader and ours take it for the same."""

import json
import re
from collections.abc import Iterable, Iterator

from pydantic import JsonValue

from ink_infra_mcp.core.compose.scalars import go_text
from ink_infra_mcp.core.plan import JsonObject

_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*", re.ASCII)
_WORDS = frozenset({"null", "true", "false", "y", "n", "yes", "no", "on", "off"})
"""What some reader of YAML takes for something else than text."""
_PLAIN_LINES = re.compile(r"(?:[!-~](?:[ -~]*[!-~])?)?(?:\n(?:[ -~]*[!-~])?)*", re.ASCII)


def written(compose: JsonObject) -> str:
    """Return the file: every text in double quotes or as a block of lines, numbers and switches plain, nothing empty.

    Reading it with `read_compose` gives the same document, but for what says nothing (null, empty lists and mappings
    below a service), which Coolify would write as `{  }`.
    """
    return "".join(f"{line}\n" for line in _mapping(compose))


def _mapping(value: JsonObject) -> Iterator[str]:
    for key, part in value.items():
        yield from _under(f"{_key(key)}:", part)


def _sequence(parts: list[JsonValue]) -> Iterator[str]:
    for part in parts:
        yield from _item(part)


def _under(head: str, part: JsonValue) -> Iterator[str]:
    match part:
        case dict() if part:
            yield head
            yield from _indented(_mapping(part))
        case list() if part:
            yield head
            yield from _indented(_sequence(part))
        case str() if _is_block(part):
            yield from _block(head, part)
        case _:
            yield f"{head} {_scalar(part)}"


def _indented(lines: Iterable[str]) -> Iterator[str]:
    return (f"  {line}" for line in lines)


def _block(head: str, text: str) -> Iterator[str]:
    yield f"{head} {'|' if text.endswith(chr(10)) else '|-'}"
    yield from (f"  {line}".rstrip() for line in text.removesuffix("\n").split("\n"))


def _item(item: JsonValue) -> Iterator[str]:
    for number, line in enumerate(_lines(item)):
        yield f"{'  ' if number else '- '}{line}"


def _lines(item: JsonValue) -> Iterable[str]:
    match item:
        case dict() if item:
            return _mapping(item)
        case list() if item:
            return _sequence(item)
        case _:
            return [_scalar(item)]


def _key(key: str) -> str:
    return key if _KEY.fullmatch(key) and key.lower() not in _WORDS else _quoted(key)


def _scalar(value: JsonValue) -> str:
    match value:
        case None:
            return "null"
        case str():
            return _quoted(value)
        case dict():
            return "{}"
        case list():
            return "[]"
        case _:
            return go_text(value)


def _quoted(text: str) -> str:
    """JSON's quoting is YAML's, once all that is not plain ASCII is escaped; beyond 16 bits YAML has its own escape."""
    return f'"{"".join(map(_escaped, text))}"'


def _escaped(char: str) -> str:
    if ord(char) > 0xFFFF:
        return f"\\U{ord(char):08x}"
    return "\\x7f" if char == "\x7f" else json.dumps(char)[1:-1]


def _is_block(text: str) -> bool:
    """Lines of plain ASCII without tabs, of which the first is not empty or indented, with at most one line's end at
    the end: there all readers agree.
    """
    body = text.removesuffix("\n")
    has_plain_ends = not body.startswith((" ", "\n")) and not body.endswith("\n")
    return "\n" in body and has_plain_ends and bool(_PLAIN_LINES.fullmatch(body))
