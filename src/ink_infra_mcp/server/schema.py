"""JSON Schemas as they go over the wire: small, strict, and portable between clients."""

from collections.abc import Callable
from functools import partial
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
    defs = raw.pop("$defs", {})
    return _tidy(_inline(raw, defs), keep_description=False)


def _inline(node: Any, defs: Schema) -> Any:
    if isinstance(node, dict) and "$ref" in node:
        ref = str(cast(Schema, node)["$ref"])
        return _inline(defs[ref.removeprefix("#/$defs/")], defs)
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
        return value in (None, "", [], {})
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
