"""Form bodies as PHP reads them: `a[b][0]=x` is nested, and every other spelling is something else."""

import re
from typing import cast
from urllib.parse import unquote_plus

Nested = dict[str, "str | Nested"]
_NAME = re.compile(r"(?P<first>[^\[]+)(?P<rest>(?:\[[^\]]*\])*)")
_PART = re.compile(r"\[([^\]]*)\]")


def empty() -> Nested:
    """Return a form without fields."""
    return {}


def parse_form(raw: str) -> Nested:
    """Return the fields of a body, nested by their brackets, in the order in which they came.

    A name without brackets is one text, whatever it looks like: `rules=%7B...%7D` is a text and no rules. A later value
    replaces an earlier one of the same name, and `[]` counts on.
    """
    form: Nested = {}
    for pair in filter(None, raw.split("&")):
        name, _, value = pair.partition("=")
        _put(form, _path(unquote_plus(name)), unquote_plus(value))
    return form


def _path(name: str) -> list[str]:
    """A bracket that is not closed makes no nesting: PHP writes it as an underscore."""
    match = _NAME.match(name.lstrip(" "))
    if match is None:
        return []
    if match.end() < len(name.lstrip(" ")) and not match["rest"]:
        return [_plain(name.lstrip(" ").replace("[", "_", 1))]
    return [_plain(match["first"]), *_PART.findall(match["rest"])]


def _plain(name: str) -> str:
    return name.replace(".", "_").replace(" ", "_")


def _put(form: Nested, path: list[str], value: str) -> None:
    if not path:
        return
    here = form
    for part in path[:-1]:
        here = _inner(here, part or _next(here))
    here[path[-1] or _next(here)] = value


def _inner(here: Nested, key: str) -> Nested:
    if not isinstance(here.get(key), dict):
        here[key] = empty()
    return cast(Nested, here[key])


def _next(here: Nested) -> str:
    numbers = [int(key) for key in here if key.isdigit()]
    return str(max(numbers, default=-1) + 1)
