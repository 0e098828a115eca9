"""Fills variables into texts as Docker Compose does (seen with 2.26.1)."""

import re
from collections.abc import Mapping

_VARIABLE = re.compile(r"\$(?:\$|(?P<bare>[_a-zA-Z][_a-zA-Z0-9]*)|\{)", re.ASCII)
_BRACED = re.compile(r"(?P<name>[_a-zA-Z][_a-zA-Z0-9]*)(?:(?P<operator>:?[-+?])(?P<rest>.*))?", re.ASCII | re.DOTALL)


PLACE = "<place>"
"""What stands in a message for the place of the text."""


class BadVariable(Exception):
    """A text that cannot be filled; the words are those of Compose."""


def interpolate(text: str, values: Mapping[str, str], unset: list[str] | None = None) -> str:
    """Return the text with `${NAME}`, `${NAME:-default}` and the like filled; `$$` is one dollar sign.

    A dollar sign before another sign stays.

    Names without a value become empty and are added to `unset`.

    Raises:
        BadVariable: a variable that is required has no value, or braces are wrong.
    """
    made: list[str] = []
    place = 0
    while found := _VARIABLE.search(text, place):
        made.append(text[place : found.start()])
        place = found.end()
        if found[0] == "$$":
            made.append("$")
        elif found["bare"]:
            made.append(_looked_up(found["bare"], values, unset))
        else:
            end = _closing(text, place)
            made.append(_braced(text[place:end], values, unset))
            place = end + 1
    return "".join([*made, text[place:]])


def _wrong(text: str) -> str:
    return f"invalid interpolation format for {PLACE}.\nYou may need to escape any $ with another $.\n{text}"


def _closing(text: str, start: int) -> int:
    depth = 1
    for place in range(start, len(text)):
        depth += {"{": 1, "}": -1}.get(text[place], 0)
        if depth == 0:
            return place
    raise BadVariable(_wrong(text))


def _braced(content: str, values: Mapping[str, str], unset: list[str] | None) -> str:
    found = _BRACED.fullmatch(content)
    if found is None:
        raise BadVariable(_wrong("${" + content + "}"))
    part = found.groupdict("")
    value = values.get(part["name"])
    has_value = bool(value) if part["operator"].startswith(":") else value is not None
    if not has_value:
        return _replaced(part, values, unset)
    return interpolate(part["rest"], values, unset) if part["operator"].endswith("+") else values[part["name"]]


def _replaced(part: Mapping[str, str], values: Mapping[str, str], unset: list[str] | None) -> str:
    """Return what stands in for a variable that has no value."""
    match part["operator"][-1:]:
        case "-":
            return interpolate(part["rest"], values, unset)
        case "+":
            return ""
        case "?":
            raise BadVariable(f"required variable {part['name']} is missing a value: {part['rest']}")
        case _:
            return _looked_up(part["name"], values, unset)


def _looked_up(name: str, values: Mapping[str, str], unset: list[str] | None) -> str:
    if name not in values and unset is not None and name not in unset:
        unset.append(name)
    return values.get(name, "")
