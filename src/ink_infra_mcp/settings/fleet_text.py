"""Writes a fleet as a commented fleet.toml that loads back equal."""

import json
from collections.abc import Iterator
from typing import cast

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from ink_infra_mcp.core.fleet import Fleet
from ink_infra_mcp.settings.keys import KEY_WORDS, LISTS, SECTION_WORDS, SECTIONS

_HEAD = "# The fleet of ink-infra-mcp. Secrets are never in this file: `ink-infra-mcp secret set NAME` keeps them.\n"


def dump_fleet(fleet: Fleet) -> str:
    """Return the file's text: what differs from the defaults, the defaults as comments, and what each key means."""
    blocks = [_HEAD]
    for section in SECTIONS:
        value = cast("BaseModel | tuple[BaseModel, ...]", getattr(fleet, section))
        blocks += _blocks(section, [value] if isinstance(value, BaseModel) else list(value))
    return "\n".join(blocks)


def toml_value(value: object) -> str:
    """Return text, a number, a truth value or a list of them as TOML.

    Raises:
        TypeError: the fleet has no other kinds of value.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, tuple):
        return f"[{', '.join(map(toml_value, cast('tuple[object, ...]', value)))}]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    raise TypeError(f"no TOML for {type(value).__name__}")


def _blocks(section: str, tables: list[BaseModel]) -> Iterator[str]:
    header = f"[[{section}]]" if section in LISTS else f"[{section}]"
    if not tables:
        yield f"# {SECTION_WORDS[section]}\n# {header}\n"
    for number, table in enumerate(tables):
        lines = [header, *_lines(section, table, commented=number == 0)]
        yield "\n".join([f"# {SECTION_WORDS[section]}", *lines] if number == 0 else lines) + "\n"


def _lines(section: str, table: BaseModel, *, commented: bool) -> Iterator[str]:
    for key, field in type(table).model_fields.items():
        value: object = getattr(table, key)
        words = f"  # {KEY_WORDS[section][key]}" if commented else ""
        if not _is_default(field, value):
            yield f"{key} = {toml_value(value)}{words}"
        elif commented:
            yield f"# {key} = {toml_value('' if value is None else value)}{words}"


def _is_default(field: FieldInfo, value: object) -> bool:
    return not field.is_required() and value == field.default
