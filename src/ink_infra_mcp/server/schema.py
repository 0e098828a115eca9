"""JSON Schemas as they go over the wire: small, strict, and portable between clients."""

from typing import Any, cast

from pydantic import BaseModel

Schema = dict[str, Any]
_NAMED = frozenset({"properties", "$defs"})


def input_schema(model: type[BaseModel]) -> Schema:
    """Return the strict schema of a tool's arguments: no titles, no `null` alternatives, unknown names refused.

    The model's own docstring stays at home: the tool's description says what it does.
    """
    schema = _tidy(model.model_json_schema(by_alias=True), keep_description=True)
    schema.pop("description", None)
    schema["additionalProperties"] = False
    return schema


def output_schema(model: type[BaseModel]) -> Schema:
    """Return the lean schema of a result: shapes only, definitions in line, no descriptions."""
    raw = model.model_json_schema(by_alias=True)
    return _tidy(_inline(raw, raw.get("$defs", {})), keep_description=False)


def _inline(node: Any, defs: Schema) -> Any:
    if isinstance(node, list):
        return [_inline(item, defs) for item in cast(list[Any], node)]
    if not isinstance(node, dict):
        return node
    held = cast(Schema, node)
    ref = held.get("$ref")
    if isinstance(ref, str) and ref.startswith("#/$defs/"):
        return _inline(defs[ref.removeprefix("#/$defs/")], defs)
    return {key: _inline(value, defs) for key, value in held.items() if key != "$defs"}


def _tidy(node: Any, *, keep_description: bool) -> Any:
    if isinstance(node, list):
        return [_tidy(item, keep_description=keep_description) for item in cast(list[Any], node)]
    if not isinstance(node, dict):
        return node
    held = _spelt_out(_without_null(cast(Schema, node)))
    return {
        key: _named(value, keep_description=keep_description)
        if key in _NAMED
        else _tidy(value, keep_description=keep_description)
        for key, value in held.items()
        if not _is_noise(key, value, keep_description=keep_description)
    }


def _named(nodes: Any, *, keep_description: bool) -> Any:
    """The keys here are names that we chose, such as `title`; only what they stand for is tidied."""
    return {name: _tidy(node, keep_description=keep_description) for name, node in cast(Schema, nodes).items()}


def _is_noise(key: str, value: object, *, keep_description: bool) -> bool:
    if key == "default":
        return value in (None, "", [], {})
    return key == "title" or (key == "description" and not keep_description)


def _spelt_out(node: Schema) -> Schema:
    """An object that may hold anything says `true`: clients that read schemas warn of the empty `{}`."""
    return {**node, "additionalProperties": True} if node.get("additionalProperties") == {} else node


def _without_null(node: Schema) -> Schema:
    """`anyOf [X, null]` becomes X: leaving a name out says the same, and several providers refuse the union."""
    options = node.get("anyOf")
    if not isinstance(options, list):
        return node
    some = [option for option in cast(list[Any], options) if option != {"type": "null"}]
    if len(some) != 1:
        return node
    rest = {key: value for key, value in node.items() if key != "anyOf"}
    return {**some[0], **rest}
