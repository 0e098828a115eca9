"""Renders the reference of fleet.toml from the models themselves."""

from types import UnionType
from typing import Annotated, Literal, Union, cast, get_args, get_origin

from pydantic.fields import FieldInfo

from ink_infra_mcp.settings.fleet_text import toml_value
from ink_infra_mcp.settings.keys import KEY_WORDS, LISTS, SECTION_WORDS, SECTIONS


def config_table() -> str:
    """Return every key of fleet.toml as Markdown: one heading and one table for each section."""
    return "\n".join(_section(name) for name in SECTIONS)


def _section(name: str) -> str:
    header = f"[[{name}]]" if name in LISTS else f"[{name}]"
    rows = [_row(name, key, field) for key, field in SECTIONS[name].model_fields.items()]
    head = ["| key | type | default | meaning |", "| --- | --- | --- | --- |"]
    return "\n".join([f"### `{header}`", "", SECTION_WORDS[name], "", *head, *rows, ""])


def _row(section: str, key: str, field: FieldInfo) -> str:
    return f"| `{key}` | {_type_words(field.annotation)} | {_default(field)} | {KEY_WORDS[section][key]} |"


def _type_words(annotation: object) -> str:
    if get_origin(annotation) is Literal:
        return "text"
    if get_origin(annotation) is tuple:
        return "list of text"
    if get_origin(annotation) is Annotated:
        return _type_words(_arguments(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return _type_words(next(option for option in _arguments(annotation) if option is not type(None)))
    return {str: "text", int: "number", bool: "truth"}[cast("type", annotation)]


def _arguments(annotation: object) -> tuple[object, ...]:
    return cast("tuple[object, ...]", get_args(annotation))


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    default: object = field.default
    return "none" if default is None else f"`{toml_value(default)}`"
