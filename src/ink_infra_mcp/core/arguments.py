"""Arguments as hosts really send them, made those that a tool's model takes; what they mean is never guessed."""

from collections.abc import Mapping
from enum import Enum
from types import UnionType
from typing import Annotated, Any, Final, Literal, Union, cast, get_args, get_origin

from pydantic import BaseModel, BeforeValidator, Field, GetJsonSchemaHandler
from pydantic.fields import FieldInfo
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from ink_infra_mcp.core.errors import InputError

IS_OPTION = "x-option"
OPTIONS = "options"
"""The argument that is on the wire for all that are marked OPTION: lines `NAME=value`."""


class Mark(Enum):
    """What is special about an argument; written into its annotation."""

    CLEARS = "an empty text is a wish of its own: what was set goes"
    NUMBER = "a text that is a number: 1.50 means the same as 1.5"
    OPTION = "seldom needed: on the wire it is a line of `options`; given as an argument it is taken, too"

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Note in the schema of an argument that it is an option; what is made of that is for the wire to say."""
        made = handler(schema)
        return {**made, IS_OPTION: True} if self is Mark.OPTION else made


Wait = Annotated[int, Field(ge=0, le=3600, description="Seconds to wait")]
"""How long a call waits for the operation that it began; after that it answers `running`, and the operation goes on."""


def _named(value: object) -> object:
    if value == "":
        raise ValueError("an empty text may mean none: leave it out for all, or name them")
    return value


WIDENS: Final = BeforeValidator(_named)
"""Annotated to what means all where it is left out, in a tool that changes something: "" is refused there."""


def taken(model: type[BaseModel], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments with the habits of hosts taken for what they mean; the model judges everything else.

    An empty text or null for an argument that can be left out is left out: hosts with strict schemas fill in every
    argument. An empty text stays where the argument is marked CLEARS, and where WIDENS has it refused. A whole number
    where a text is meant becomes that text, and so does a boolean that is a variable's value. A number with a
    point becomes one only where it is marked NUMBER: JSON has lost whether 1.1 was written as 1.10, another version.

    Raises:
        InputError: a line of `options` is none, or says what is said already.
    """
    return {
        name: value if (field := model.model_fields.get(name)) is None else _told(field.annotation, value, field)
        for name, value in _with_options(model, arguments).items()
        if not _left_out(model.model_fields.get(name), value)
    }


def _with_options(model: type[BaseModel], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments with each line of `options` as the argument that it names; an unknown one stays unknown."""
    given = {**arguments}
    if not any(Mark.OPTION in field.metadata for field in model.model_fields.values()):
        return given
    for at, (name, value) in enumerate(_lines(given.pop(OPTIONS, None)), start=1):
        if name in given:
            raise InputError(f"Entry {at} of options says again what is said already.", next="Say it once.")
        given[name] = _value(model.model_fields.get(name), value)
    return given


def _lines(options: object) -> list[tuple[str, str]]:
    lines: object = options or []
    if not isinstance(lines, list):
        raise InputError("options is no list.", next="Give it as a list of NAME=value.")
    return [_line(at, line) for at, line in enumerate(cast("list[object]", lines), start=1)]


def _line(at: int, line: object) -> tuple[str, str]:
    name, equals, value = line.partition("=") if isinstance(line, str) else ("", "", "")
    if not equals:
        raise InputError(f"Entry {at} of options is not NAME=value.", next="Write it so.")
    return name.strip(), value


def _is_list(field: FieldInfo) -> bool:
    return any(get_origin(option) in (tuple, list) for option in _options(field.annotation))


def _value(field: FieldInfo | None, text: str) -> object:
    """Return an option's value: of one that is a list, its parts between commas."""
    if field is None or not _is_list(field):
        return text
    return [part.strip() for part in text.split(",") if part.strip()]


def _left_out(field: FieldInfo | None, value: object) -> bool:
    if field is None or field.is_required():
        return False
    kept = Mark.CLEARS in field.metadata or WIDENS in field.metadata
    return value is None or (value == "" and not kept)


def _told(annotation: object, value: object, field: FieldInfo) -> object:
    options = _options(annotation)
    if isinstance(value, dict):
        return _object(options, cast("dict[str, object]", value), field)
    if isinstance(value, list):
        return _list(options, cast("list[object]", value), field)
    return _text(value, field) if _wants_text(options) else value


def _list(options: tuple[object, ...], value: list[object], field: FieldInfo) -> list[object]:
    inner = next((get_args(option)[0] for option in options if get_origin(option) in (tuple, list)), None)
    return [_told(inner, part, field) for part in value]


def _object(options: tuple[object, ...], value: dict[str, object], field: FieldInfo) -> dict[str, object]:
    if (model := _model_for(options, value)) is not None:
        return taken(model, _own(value, model, _models(options)))
    inner = next((get_args(option)[1] for option in options if get_origin(option) is dict), None)
    return {name: _told(inner, _word(inner, part), field) for name, part in value.items()}


def _own(value: Mapping[str, object], model: type[BaseModel], union: list[type[BaseModel]]) -> dict[str, object]:
    """Return an object of a union without what only another part of it has, where that says nothing.

    Hosts see the parts as one object, and strict ones fill in all of it. What says something is the model's to refuse.
    """
    others = {name: field for part in union for name, field in part.model_fields.items()}
    foreign = others.keys() - model.model_fields.keys()
    return {name: part for name, part in value.items() if name not in foreign or not _is_silent(part, others[name])}


def _is_silent(value: object, field: FieldInfo) -> bool:
    return not value or value == field.default


def _word(annotation: object, value: object) -> object:
    """A variable may be true or false; an argument that is a text has no such value: `false` there means "none"."""
    if isinstance(value, bool) and _wants_text(_options(annotation)):
        return "true" if value else "false"
    return value


def _model_for(options: tuple[object, ...], value: Mapping[str, object]) -> type[BaseModel] | None:
    """Return the model of which `value` is meant to be one: the only one, or the one whose `kind` it names."""
    models = _models(options)
    if len(models) == 1:
        return models[0]
    return next((model for model in models if value.get("kind") in _kinds(model)), None)


def _models(options: tuple[object, ...]) -> list[type[BaseModel]]:
    return [option for option in options if isinstance(option, type) and issubclass(option, BaseModel)]


def _kinds(model: type[BaseModel]) -> tuple[object, ...]:
    field = model.model_fields.get("kind")
    return get_args(field.annotation) if field is not None and get_origin(field.annotation) is Literal else ()


def _options(annotation: object) -> tuple[object, ...]:
    """Return what an annotation allows, each without what is annotated to it."""
    if get_origin(annotation) is Annotated:
        return _options(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return tuple(found for option in get_args(annotation) for found in _options(option))
    return (annotation,)


def _wants_text(options: tuple[object, ...]) -> bool:
    return str in options and not {int, float, bool} & {option for option in options if isinstance(option, type)}


def _text(value: object, field: FieldInfo) -> object:
    if isinstance(value, bool):
        return value
    return str(value) if isinstance(value, int) or _is_plain(value, field) else value


def _is_plain(value: object, field: FieldInfo) -> bool:
    return isinstance(value, float) and Mark.NUMBER in field.metadata and "e" not in repr(value)
