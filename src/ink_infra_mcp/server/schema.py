"""JSON Schemas as they go over the wire: small, and portable between clients."""

from collections.abc import Callable
from functools import partial
from typing import Any, cast

from pydantic import BaseModel

from ink_infra_mcp.core.arguments import IS_OPTION, OPTIONS

Schema = dict[str, Any]
_NAMED = frozenset({"properties", "$defs"})
_BOUNDS = frozenset(
    {"minLength", "maxLength", "minItems", "maxItems", "minimum", "maximum", "maxProperties", "pattern"}
)
_AT_HOME = _BOUNDS | {"discriminator"}
"""What no client needs: which part of a union is meant shows in its `kind`; what people write is neither too long nor
too much, and of what is shaped otherwise the refusal says what is wrong."""


def input_schema(model: type[BaseModel]) -> Schema:
    """Return the schema of a tool's arguments as every host's converter keeps it whole: no titles, no `null`, no
    references, no unions, no `const`.

    The model's own docstring stays at home: the tool's description says what it does. So do the docstrings of its
    parts, and what the model keeps whether a client knows it or not: bounds that only keep floods out, and that no
    other name is taken, which Google's converter refuses to read and OpenAI's strict one writes itself.
    """
    raw = model.model_json_schema(by_alias=True)
    parts = raw.pop("$defs", {})
    for part in (raw, *parts.values()):
        part.pop("description", None)
        part.pop("additionalProperties", None)
    return _grouped(_each_part(_joined(_tidy(_inline(raw, parts), keep_description=True))))


def _joined(node: Any) -> Any:
    """Return a schema with each union of objects as one object that has what any of them has.

    Google's converter makes nothing of a union, and LangChain's for Google a text. With which `kind` an argument goes
    is said of it, and the model behind the schema refuses what does not fit.
    """
    node = _each(node, _joined)
    if not isinstance(node, dict):
        return node
    held = {**cast(Schema, node)}
    if "const" in held:
        held["enum"] = [held.pop("const")]
    if options := held.pop("oneOf", None):
        return {**_one_of(options), **held}
    return held


def _one_of(options: list[Schema]) -> Schema:
    properties: Schema = {}
    for name, part in ((name, part) for option in options for name, part in option["properties"].items()):
        properties[name] = _either(name, properties.get(name, part), part)
    common = set[str].intersection(*(set(option["required"]) for option in options))
    said = {name: _of_kinds(name, part, options) for name, part in properties.items()}
    return {"type": "object", "properties": said, "required": sorted(common)}


def _of_kinds(name: str, part: Schema, options: list[Schema]) -> Schema:
    """Return an argument that says with which kinds it goes, in brackets those with which it can be left out."""
    having = [option for option in options if name in option["properties"]]
    needing = [option for option in having if name in option["required"]]
    if part.get(IS_OPTION) or (len(having) == len(options) and len(needing) in (0, len(options))):
        return part
    kinds = ", ".join(_kind(option) if option in needing else f"[{_kind(option)}]" for option in having)
    return {**part, "description": ": ".join([kinds, *([part["description"]] if "description" in part else [])])}


def _kind(option: Schema) -> str:
    [kind] = option["properties"]["kind"]["enum"]
    return str(kind)


def _either(name: str, one: Schema, other: Schema) -> Schema:
    """Return what an argument may be that two objects of a union have.

    Raises:
        ValueError: they mean different things by it, which no single object can say.
    """
    rest = [{key: value for key, value in part.items() if key != "enum"} for part in (one, other)]
    if rest[0] != rest[1] or ("enum" in one) != ("enum" in other):
        raise ValueError(f"{name} is one thing in one part of a union and another in the next: give it two names")
    choices = [*dict.fromkeys([*one.get("enum", ()), *other.get("enum", ())])]
    return {**rest[0], **({"enum": choices} if choices else {})}


def _grouped(node: Any) -> Any:
    """Return a schema with all arguments that are marked as options as one list of lines: a fifth of the tokens."""
    node = _each(node, _grouped)
    if not isinstance(node, dict) or not isinstance((node := cast(Schema, node)).get("properties"), dict):
        return node
    properties: Schema = node["properties"]
    options = {name: part for name, part in properties.items() if part.get(IS_OPTION)}
    kept = {name: part for name, part in properties.items() if name not in options}
    if options:
        words = "NAME=value: " + "; ".join(_option(name, part) for name, part in options.items())
        kept[OPTIONS] = {"type": "array", "items": {"type": "string"}, "description": words}
    return {**node, "properties": kept}


def _option(name: str, part: Schema) -> str:
    """Return what is said of one option: its name, and in brackets its words, its choices or its default."""
    says = ["|".join(part["enum"])] if "enum" in part else []
    says += [part["description"]] if "description" in part else []
    return f"{name} ({', '.join(says)})" if says else name


def _each_part(node: Any) -> Any:
    if isinstance(node, dict):
        held = cast(Schema, node)
        return {
            key: {name: _each_part(part) for name, part in value.items()} if key in _NAMED else _each_part(value)
            for key, value in held.items()
            if key not in _AT_HOME
        }
    return [_each_part(part) for part in cast(list[Any], node)] if isinstance(node, list) else node


def output_schema(model: type[BaseModel]) -> Schema:
    """Return the lean schema of a result: shapes only, definitions in line, no descriptions."""
    raw = model.model_json_schema(by_alias=True)
    defs = raw.pop("$defs", {})
    return _tidy(_inline(raw, defs), keep_description=False)


def _inline(node: Any, defs: Schema) -> Any:
    if isinstance(node, dict) and "$ref" in node:
        held = {**cast(Schema, node)}
        ref = str(held.pop("$ref"))
        return {**_inline(defs[ref.removeprefix("#/$defs/")], defs), **held}
    return _each(node, lambda part: _inline(part, defs))


def _tidy(node: Any, *, keep_description: bool) -> Any:
    tidy = partial(_tidy, keep_description=keep_description)
    if not isinstance(node, dict):
        return _each(node, tidy)
    held = _spelt_out(_without_null(cast(Schema, node)))
    # what _NAMED holds has names that we chose for keys, such as `title`: only what they stand for is tidied
    return {
        key: _each(value, tidy) if key in _NAMED else tidy(value)
        for key, value in held.items()
        if not _is_noise(key, value, keep_description=keep_description)
    }


def _each(node: Any, change: Callable[[Any], Any]) -> Any:
    """Return a list or an object with each of its parts changed; anything else as it is."""
    if isinstance(node, list):
        return [change(part) for part in cast(list[Any], node)]
    if isinstance(node, dict):
        return {key: change(part) for key, part in cast(Schema, node).items()}
    return node


def _is_noise(key: str, value: object, *, keep_description: bool) -> bool:
    if key == "default":
        return value is False or value in (None, "", [], {})
    return key == "title" or (key == "description" and not keep_description)


def _spelt_out(node: Schema) -> Schema:
    """An object that may hold anything says `true`: clients that read schemas warn of the empty `{}`."""
    return {**node, "additionalProperties": True} if node.get("additionalProperties") == {} else node


def _without_null(node: Schema) -> Schema:
    """`anyOf [X, null]` becomes X: leaving a name out says the same, and several providers refuse the union."""
    some = [option for option in node.get("anyOf", ()) if option != {"type": "null"}]
    if len(some) != 1:
        return node
    rest = {**node}
    del rest["anyOf"]
    return {**some[0], **rest}
