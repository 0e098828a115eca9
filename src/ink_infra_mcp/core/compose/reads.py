"""Which variables a compose file reads by `${...}`: those that must have a value, and those that are empty without."""

import re
from dataclasses import dataclass

from pydantic import JsonValue

from ink_infra_mcp.core.compose.arriving import texts_in

_NAME = "[A-Za-z_][A-Za-z0-9_]*"
_TOKEN = re.compile(
    rf"\$\$|\$\{{(?P<whole>{_NAME})\}}|\$\{{(?P<name>{_NAME})(?P<how>:?[-?+])|\$(?P<bare>{_NAME})|(?P<end>\}})",
    re.ASCII,
)
_COOLIFYS = re.compile(r"(?:SERVICE|COOLIFY)_.*")
"""Coolify fills these in: names, addresses, and passwords that it makes (source, version 4.3.11)."""


@dataclass(frozen=True, slots=True)
class Reads:
    """Names in the order in which a file reads them. `needed`: Docker Compose refuses to start without them."""

    needed: tuple[str, ...]
    plain: tuple[str, ...]


def reads_of(compose: JsonValue) -> Reads:
    """Return what a file reads; what has a default, or is read inside one, needs no value of its own."""
    needed: dict[str, None] = {}
    plain: dict[str, None] = {}
    for text in texts_in(compose):
        for name, how in _read_in(text):
            if not _COOLIFYS.fullmatch(name):
                (needed if how.endswith("?") else plain)[name] = None
    return Reads(needed=tuple(needed), plain=tuple(name for name in plain if name not in needed))


def _read_in(text: str) -> list[tuple[str, str]]:
    """Return the names that a text reads whatever their values, each with `?`, `:?` or nothing behind it."""
    found: list[tuple[str, str]] = []
    depth = 0
    for token in _TOKEN.finditer(text):
        name, how = token["whole"] or token["bare"] or token["name"], token["how"] or ""
        if name and not depth and how not in ("-", ":-", "+", ":+"):
            found.append((name, how))
        depth += bool(how) - bool(token["end"] and depth)
    return found
