"""Reads YAML as Symfony's Yaml::parse does (read in Parser.php and Inline.php of symfony/yaml 7).

PyYAML only takes the text apart; what a scalar means, merges, duplicates and keys follow Symfony, which knows neither
the booleans nor the base-60 numbers of YAML 1.1.
"""

import base64
import binascii
import re
from collections.abc import Callable, Hashable, Mapping
from datetime import UTC, datetime, timedelta, timezone

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from ink_infra_mcp.sandbox.coolify.php import LARGEST_INT, Pairs, Php, array, is_numeric, key_of, pairs_of
from ink_infra_mcp.sandbox.coolify.symfony_write import TIMESTAMP

PLAIN, QUOTED, OTHER = "plain", "quoted", "other"
_TAG = "tag:yaml.org,2002:"
_WORDS: dict[str, Php] = {"null": None, "": None, "~": None, "true": True, "false": False}
_TRAILING_TAB = re.compile(r"[ \t]*\t[ \t]*$", re.MULTILINE)
_OCTAL = re.compile(r"([+-]?)0o([0-7_]+)", re.ASCII)
_UNDERSCORED = re.compile(r"[+-]?[0-9][0-9_]*", re.ASCII)
_HEX = re.compile(r"0x[0-9a-f_]+", re.ASCII | re.IGNORECASE)
_DECIMAL = re.compile(r"[-+]?[0-9][0-9_]*(\.[0-9_]+)?", re.ASCII)
_INFINITE = {".inf": float("inf"), ".nan": float("inf"), "-.inf": float("-inf")}


class BadYaml(Exception):
    """Symfony would throw a ParseException."""


class _Loader(yaml.SafeLoader):
    """Says how a scalar was written instead of what YAML 1.1 takes it for."""

    def resolve(self, kind: type[Node], value: str | None, implicit: tuple[bool, bool] | bool | None) -> str:
        """Return the mark of a node without a tag of its own."""
        if kind is not ScalarNode:
            return OTHER
        return PLAIN if isinstance(implicit, tuple) and implicit[0] else QUOTED


def parse(text: str) -> Php:
    """Return what the text says.

    Raises:
        BadYaml: Symfony refuses it; the words are near its own.
    """
    try:
        node = yaml.compose(_TRAILING_TAB.sub("", text), Loader=_Loader)
    except yaml.YAMLError as error:
        raise BadYaml(f"Unable to parse: {error}") from error
    return None if node is None else _value(node, ())


def _value(node: Node, above: tuple[Node, ...]) -> Php:
    _refuse_circle(node, above)
    match node:
        case ScalarNode():
            return _scalar(node)
        case SequenceNode():
            _refuse_tag(node)
            return [_value(part, (*above, node)) for part in node.value]
        case MappingNode():
            _refuse_tag(node)
            return array(_mapping(node, (*above, node)))
        case _:
            raise BadYaml("Unable to parse.")


def _refuse_circle(node: Node, above: tuple[Node, ...]) -> None:
    if any(node is one for one in above):
        raise BadYaml("Circular reference detected.")


def _refuse_tag(node: Node) -> None:
    if node.tag != OTHER:
        raise _unknown_tag(node.tag)


def _unknown_tag(tag: str) -> BadYaml:
    if tag.startswith(_TAG):
        return BadYaml(f'The built-in tag "!!{tag.removeprefix(_TAG)}" is not implemented.')
    return BadYaml(f'Tags support is not enabled. Enable the "Yaml::PARSE_CUSTOM_TAGS" flag to use "{tag}".')


def _mapping(node: MappingNode, above: tuple[Node, ...]) -> Pairs:
    """The first of two equal keys wins over a merge, the last after one; without a merge a second is an error."""
    data: Pairs = {}
    has_merged = False
    for key_node, value_node in node.value:
        key = _key(key_node, value_node, is_flow=bool(node.flow_style))
        value = _value(value_node, above)
        if key == "<<":
            has_merged = True
            data = _merged(data, value)
        elif has_merged or data.get(key) is None:
            data[key] = value
        else:
            raise BadYaml(f'Duplicate key "{key}" detected at line {key_node.start_mark.line + 1}.')
    return data


def _merged(data: Pairs, value: Php) -> Pairs:
    for part in _merge_items(value):
        if not isinstance(part, dict | list):
            raise BadYaml("Merge items must be arrays.")
        data = {**data, **{key: one for key, one in pairs_of(part).items() if key not in data}}
    return data


def _merge_items(value: Php) -> list[Php]:
    if not isinstance(value, dict | list):
        raise BadYaml("YAML merge keys used with a scalar value instead of an array.")
    found = pairs_of(value)
    return list(found.values()) if 0 in found else [value]


def _key(node: Node, value: Node, *, is_flow: bool) -> int | str:
    if not isinstance(node, ScalarNode):
        raise BadYaml("Complex mappings are not supported.")
    if is_flow:
        return _flow_key(node, value)
    key = _scalar_key(node)
    return key_of(str(node.value)) if isinstance(key, str) else key


def _flow_key(node: ScalarNode, value: Node) -> int | str:
    if value.start_mark.index == node.end_mark.index:
        raise BadYaml(f'Malformed inline YAML string: "{node.value}".')
    _scalar_key(node)
    if node.tag == PLAIN and ":" in node.value:
        raise BadYaml("Colons must be followed by a space or an indication character.")
    return key_of(str(node.value))


def _scalar_key(node: ScalarNode) -> int | str:
    key = _scalar(node)
    if isinstance(key, bool) or not isinstance(key, str | int):
        kind = "Numeric" if isinstance(key, float) else "Non-string"
        raise BadYaml(f"{kind} keys are not supported. Quote your evaluable mapping keys instead.")
    return key


def _scalar(node: ScalarNode) -> Php:
    name = node.tag.removeprefix(_TAG)
    if name in _PHP_TAGS:
        return None
    if name not in _READERS:
        raise _unknown_tag(node.tag)
    return _READERS[name](node.value)


def _leading_float(text: str) -> float:
    found = re.match(r"\s*([+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)", text)
    return float(found[1]) if found else 0.0


def _binary(text: str) -> str:
    try:
        return base64.b64decode("".join(text.split()), validate=True).decode()
    except (binascii.Error, ValueError) as error:
        raise BadYaml("The base64 encoded data contains invalid characters.") from error


def plain(text: str) -> Php:
    """Return what a scalar without quotes means.

    Raises:
        BadYaml: a date that does not exist.
    """
    known: Hashable = text.lower() if text != "~" else text
    if known in _WORDS:
        return _WORDS[str(known)]
    if found := _OCTAL.fullmatch(text):
        return _octal(found)
    return _number(text) if text[0] in "+-.0123456789" else text


def _octal(found: re.Match[str]) -> int:
    number = int(found[2].replace("_", "") or "0", 8)
    return -number if found[1] == "-" else number


def _number(text: str) -> Php:
    if _UNDERSCORED.fullmatch(text):
        text = text.replace("_", "")
    if re.fullmatch(r"-?[0-9]+", text, re.ASCII):
        return _whole(text)
    return float(text) if is_numeric(text) else _other_number(text)


def _whole(text: str) -> int | str:
    """A number that PHP would write otherwise stays a text."""
    return text if text == "-0" or key_of(text) == text else int(text)


def _other_number(text: str) -> Php:
    if _HEX.fullmatch(text):
        return _hexadecimal(text)
    if text.lower() in _INFINITE:
        return _INFINITE[text.lower()]
    if _DECIMAL.fullmatch(text):
        return float(text.replace("_", ""))
    found = TIMESTAMP.fullmatch(text)
    return _instant(found) if found else text


def _hexadecimal(text: str) -> int | float:
    number = int(text[2:].replace("_", "") or "0", 16)
    if text[1] == "X":
        return 0.0
    return number if number <= LARGEST_INT else float(number)


def _instant(found: re.Match[str]) -> int | float:
    part = {name: int(value or 0) for name, value in found.groupdict().items() if name not in {"zone", "sign"}}
    try:
        day = datetime(part["year"], part["month"], part["day"], tzinfo=_zone(found["sign"], part))
        moment = day + timedelta(hours=part["hour"], minutes=part["minute"], seconds=part["second"])
    except ValueError as error:
        raise BadYaml(f"Failed to parse time string ({found[0]})") from error
    return _seconds(moment, found["fraction"])


def _zone(sign: str | None, part: Mapping[str, int]) -> timezone:
    away = timedelta(hours=part["zone_hour"], minutes=part["zone_minute"])
    if not sign:
        return UTC
    return timezone(-away if sign == "-" else away)


def _seconds(moment: datetime, digits: str | None) -> int | float:
    """Return the time since 1970, a whole number unless there is a fraction."""
    fraction = float(f"0.{digits or 0}")
    return moment.timestamp() + fraction if fraction else int(moment.timestamp())


_PHP_TAGS = frozenset({"!php/object", "!php/const", "!php/enum"})
_READERS: Mapping[str, Callable[[str], Php]] = {
    PLAIN: plain,
    QUOTED: str,
    "str": str,
    "float": _leading_float,
    "binary": _binary,
}
