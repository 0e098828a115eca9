"""Edits the text of a fleet.toml: a Muscle more or less, one key of a server; every other byte stays."""

import re
import tomllib
from collections.abc import Mapping
from typing import Any

from ink_infra_mcp.core.errors import ConfigError
from ink_infra_mcp.core.fleet import Muscle
from ink_infra_mcp.settings.fleet_text import toml_value

_HEADER = re.compile(r"^[ \t]*\[\[[ \t]*muscles[ \t]*\]\][ \t]*(?:#.*)?$")
_FACTORY = re.compile(r"^[ \t]*\[[ \t]*factory[ \t]*\][ \t]*(?:#.*)?$")
_TABLE = re.compile(r"^[ \t]*\[")
_BLANK = re.compile(r"^[ \t]*(?:#.*)?$")
_TABLES = "muscles"


def with_muscle(text: str, muscle: Muscle) -> str:
    """Return the text with this Muscle after all others: what stands there stays, to the byte.

    Raises:
        ConfigError: the file is written in a way in which nothing can be added; it has the lines to add by hand.
    """
    block = muscle_text(muscle)
    newline = "\r\n" if "\r\n" in text else "\n"
    gap = "" if not text else newline if text.endswith("\n") else newline * 2
    edited = f"{text}{gap}{block.replace(chr(10), newline)}"
    before = _tree(text)
    wanted = {**before, _TABLES: [*_muscles(before), _written(muscle)]}
    if _tree(edited) != wanted:
        raise ConfigError(
            f"{muscle.name} cannot be added to fleet.toml: its Muscles are not written as [[muscles]] tables.",
            next=f"Add it by hand:\n{block}",
        )
    return edited


def without_muscle(text: str, name: str) -> str:
    """Return the text without the table of this Muscle; comments and all other lines stay.

    Raises:
        ConfigError: the file is written in a way in which nothing can be taken out.
    """
    before = _tree(text)
    left = [muscle for muscle in _muscles(before) if muscle.get("name") != name]
    wanted = {**before, _TABLES: left}
    lines = text.split("\n")
    for start, end in _blocks(lines):
        edited = "\n".join(lines[:start] + lines[end:])
        found = _tree(edited)
        if {**found, _TABLES: _muscles(found)} == wanted:
            return edited
    raise ConfigError(
        f"{name} cannot be taken out of fleet.toml: its table is not written as [[muscles]].",
        next="Take it out by hand.",
    )


def with_key(text: str, name: str, key: str, value: str | None) -> str:
    """Return the text in which the Factory or Muscle `name` has this value of a key, or (None) has it not.

    The line of the key is written anew, with the comment behind it; a new one stands at the end of the table.

    Raises:
        ConfigError: the file is written in a way in which that cannot be done; it has the line to write by hand.
    """
    wanted, lines = _with_value(_tree(text), name, key, value), text.split("\n")
    for start, end in (*_blocks(lines), *_blocks(lines, _FACTORY)):
        edited = "\n".join([*lines[:start], *_with_line(lines[start:end], key, value), *lines[end:]])
        if _tree(edited) == wanted:
            return edited
    line = f"{key} = {toml_value(value)}" if value is not None else f"no {key}"
    raise ConfigError(f"{key} of {name} cannot be written into fleet.toml.", next=f"Write there by hand: {line}")


def _with_value(tree: dict[str, Any], name: str, key: str, value: str | None) -> dict[str, Any]:
    """Change the tree of a file, and return it."""
    for server in (tree.get("factory", {}), *_muscles(tree)):
        if server.get("name") == name:
            server.pop(key, None)
            server.update({} if value is None else {key: value})
    return tree


def _with_line(block: list[str], key: str, value: str | None) -> list[str]:
    """A key that is written in another way, over several lines or quoted, is not found, and then nothing fits."""
    own = re.compile(rf"^(?P<indent>[ \t]*){key}[ \t]*=[ \t]*[^#]*?(?P<rest>[ \t]*(?:#.*)?\r?)$")
    there = next(((number, found) for number, line in enumerate(block) if (found := own.match(line))), None)
    written = f"{key} = {toml_value(value)}" if value is not None else ""
    if there is None:
        return [*block, written + ("\r" if block[0].endswith("\r") else "")]
    number, found = there
    line = [f"{found['indent']}{written}{found['rest']}"] if written else []
    return [*block[:number], *line, *block[number + 1 :]]


def muscle_text(muscle: Muscle) -> str:
    """Return the table of a Muscle as TOML; what is as by default is left out."""
    lines = [f"{key} = {toml_value(value)}" for key, value in _written(muscle).items()]
    return "\n".join([f"[[{_TABLES}]]", *lines]) + "\n"


def _written(muscle: Muscle) -> dict[str, Any]:
    fields = type(muscle).model_fields
    values = {key: getattr(muscle, key) for key in fields}
    return {key: value for key, value in values.items() if fields[key].is_required() or value != fields[key].default}


def _blocks(lines: list[str], header: re.Pattern[str] = _HEADER) -> list[tuple[int, int]]:
    """Return where each such table begins and ends: after its last key, before comments that follow it."""
    bare = [line.rstrip("\r") for line in lines]
    found: list[tuple[int, int]] = []
    for start in (n for n, line in enumerate(bare) if header.match(line)):
        after = next((n for n in range(start + 1, len(bare)) if _TABLE.match(bare[n])), len(bare))
        while after > start + 1 and _BLANK.match(bare[after - 1]):
            after -= 1
        found.append((start, after))
    return found


def _muscles(tree: Mapping[str, Any]) -> list[dict[str, Any]]:
    return list(tree.get(_TABLES, []))


def _tree(text: str) -> dict[str, Any]:
    """Return what a text says; one that no longer parses says nothing that could be wanted."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return {"": "no TOML"}
