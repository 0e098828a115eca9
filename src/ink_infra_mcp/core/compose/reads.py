"""Which variables a compose file reads by `${...}`: those that must have a value, and those that are empty without."""

import re
from dataclasses import dataclass

from pydantic import JsonValue

from ink_infra_mcp.core.compose.arriving import texts_in
from ink_infra_mcp.core.shapes import items, table

_NAME = "[A-Za-z_][A-Za-z0-9_]*"
_TOKEN = re.compile(
    rf"\$\$|\$\{{(?P<whole>{_NAME})\}}|\$\{{(?P<name>{_NAME})(?P<how>:?[-?+])|\$(?P<bare>{_NAME})|(?P<end>\}})",
    re.ASCII,
)
_COOLIFYS = re.compile(r"(?:SERVICE|COOLIFY)_.*")
"""Coolify fills these in: names, addresses, and passwords that it makes (source, version 4.3.11)."""


_OWN = re.compile(r"\$\{?SERVICE_", re.ASCII)
_GOOD = re.compile(
    rf"\$\{{{_NAME}(?::?[-?](?P<default>(?:[A-Za-z0-9._/:@,+=~%?&*();-]+(?: (?! |\}}))?)*))?\}}", re.ASCII
)
"""What may stand in braces. A default becomes a line of the app's `.env`, unquoted: a line break in it makes lines of
its own, which Docker Compose takes into its own environment, and blanks, quotes or `#` arrive as something else
(Coolify's own code and Compose 2.26.1 were run)."""


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


def kept_by_coolify(compose: JsonValue) -> tuple[str, ...]:
    """Return the variables of containers whose value begins with one of Coolify's own (`KEY: ${SERVICE_...}`).

    Coolify keeps a row of its own for each, and writes it anew whenever it reads the file (serviceParser of version
    4.3.11).
    """
    services = table(table(compose).get("services")).values()
    pairs = (pair for service in services for pair in _environment(table(service).get("environment")))
    return tuple(dict.fromkeys(name for name, value in pairs if _OWN.match(value)))


def _environment(given: JsonValue) -> list[tuple[str, str]]:
    if isinstance(given, dict):
        return [(name, value) for name, value in given.items() if isinstance(value, str)]
    return [(name, value) for name, _, value in (str(entry).partition("=") for entry in items(given))]


def odd_reads(compose: JsonValue) -> tuple[str, ...]:
    """Return in words each `${...}` that Coolify or Docker Compose would make something else of than it says."""
    found = dict.fromkeys(words for text in texts_in(compose) for words in _odd_in(text))
    defaults = _defaults_of(compose)
    two = (name for name, given in defaults.items() if len(given) > 1)
    return (*found, *(f"${{{name}}} has two defaults, and Coolify keeps one for the whole app" for name in two))


def defaults_of(compose: JsonValue) -> dict[str, str]:
    """Return the defaults of a file by name; Coolify keeps the first that it ever saw."""
    return {name: next(iter(given)) for name, given in _defaults_of(compose).items()}


def _defaults_of(compose: JsonValue) -> dict[str, dict[str, None]]:
    found: dict[str, dict[str, None]] = {}
    for text in texts_in(compose):
        for match in _GOOD.finditer(text.replace("$$", "")):
            name, _, default = match[0][2:-1].partition("-")
            if match["default"] is not None and "?" not in name:
                found.setdefault(name.rstrip(":"), {})[default] = None
    return found


def _odd_in(text: str) -> list[str]:
    bare = text.replace("$$", "")
    return [
        f"{bare[at : at + 60]!r} is none of ${{NAME}}, ${{NAME:-plain text}} and ${{NAME:?plain text}}"
        for at in range(len(bare))
        if bare.startswith("${", at) and not _GOOD.match(bare, at)
    ]


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
