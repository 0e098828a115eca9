"""Reads YAML as Docker Compose does, with go-yaml 3 (seen with Compose 2.26.1)."""

import re
from typing import TypeAlias

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

Value: TypeAlias = "bool | int | float | str | list[Value] | dict[str, Value] | None"
Map: TypeAlias = "dict[str, Value]"
MaybeMap: TypeAlias = "dict[str, Value] | None"

_WORDS: dict[str, Value] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", re.ASCII)
_BASES = {"0x": 16, "0X": 16, "0o": 8, "0O": 8, "0b": 2, "0B": 2}
_DIGITS = re.compile(r"(?P<sign>[-+]?)(?P<base>0[xXoObB]|0(?=[0-7]))?(?P<digits>[0-9a-fA-F]+)", re.ASCII)


class Refused(Exception):
    """What Compose says against a file."""


class _Loader(yaml.SafeLoader):
    def resolve(self, kind: type[Node], value: str | None, implicit: tuple[bool, bool] | bool | None) -> str:
        """Return whether a scalar stands without quotes."""
        return "plain" if kind is ScalarNode and isinstance(implicit, tuple) and implicit[0] else "text"


def read(text: str) -> Map:
    """Return the document.

    Raises:
        Refused: it is no YAML, no map, or has a key twice or one that is no text.
    """
    try:
        node = yaml.compose(text, Loader=_Loader)
    except yaml.YAMLError as error:
        raise Refused(_trouble(error)) from error
    if node is None:
        raise Refused("empty compose file")
    if not isinstance(node, MappingNode):
        raise Refused("Top-level object must be a mapping")
    _refuse_twins(node)
    return _map(node, "")


def _trouble(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    line = f"line {mark.line + 1}: " if mark else ""
    return f"yaml: {line}{getattr(error, 'problem', '') or error}"


def _refuse_twins(node: Node) -> None:
    if isinstance(node, MappingNode):
        _refuse_twin_keys(node)
    elif isinstance(node, SequenceNode):
        for part in node.value:
            _refuse_twins(part)


def _refuse_twin_keys(node: MappingNode) -> None:
    seen: dict[str, int] = {}
    for key, value in node.value:
        line = key.start_mark.line + 1
        if key.value in seen and key.value != "<<":
            first = seen[key.value]
            raise Refused(
                f'yaml: unmarshal errors:\n  line {line}: mapping key "{key.value}" already defined at line {first}'
            )
        seen[str(key.value)] = line
        _refuse_twins(value)


def _map(node: MappingNode, path: str) -> Map:
    own: Map = {}
    merged: Map = {}
    for key_node, value_node in node.value:
        if key_node.tag == "plain" and key_node.value == "<<":
            merged = {**_merged(value_node, path), **merged}
            continue
        key = _key(key_node, path)
        own[key] = _value(value_node, f"{path}.{key}" if path else key)
    return {**merged, **own}


def _merged(node: Node, path: str) -> Map:
    """Return what `<<` takes in: the first of several maps wins."""
    merged: Map = {}
    for part in node.value if isinstance(node, SequenceNode) else [node]:
        if isinstance(part, MappingNode):
            merged = {**_map(part, path), **merged}
    return merged


def _key(node: Node, path: str) -> str:
    key = _scalar(node)
    if not isinstance(key, str):
        raise Refused(f"Non-string key {f'in {path}' if path else 'at top level'}: {_go(key)}")
    return key


def _go(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else "<nil>" if value is None else str(value)


def _value(node: Node, path: str) -> Value:
    match node:
        case MappingNode():
            return _map(node, path)
        case SequenceNode():
            return [_value(part, f"{path}[{number}]") for number, part in enumerate(node.value)]
        case _:
            return _scalar(node)


def _scalar(node: Node) -> Value:
    text = str(node.value)
    if node.tag != "plain":
        return text
    if text in _WORDS:
        return _WORDS[text]
    number = _number(text.replace("_", ""))
    return text if number is None else number


def _number(text: str) -> int | float | None:
    found = _DIGITS.fullmatch(text)
    number = _integer(found) if found else None
    if number is None and _FLOAT.fullmatch(text):
        return float(text)
    return number


def _integer(found: re.Match[str]) -> int | None:
    """A leading zero means base 8, as in Go."""
    base = _BASES.get(found["base"] or "", 8 if found["base"] else 10)
    try:
        number = int(found["digits"], base)
    except ValueError:
        return None
    return -number if found["sign"] == "-" else number


def parts(value: Value) -> list[Value]:
    """Return the parts of a list; what is no list has none."""
    return value if isinstance(value, list) else []


def entries(value: Value) -> dict[str, Map]:
    """Return the maps of a map by their keys; what is no map is an empty one."""
    return {key: entry or {} for key, entry in maybe_entries(value).items()}


def maybe_entries(value: Value) -> dict[str, MaybeMap]:
    """Return the maps of a map by their keys; what is no map is None."""
    found = value.items() if isinstance(value, dict) else ()
    return {key: entry if isinstance(entry, dict) else None for key, entry in found}
