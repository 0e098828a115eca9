"""PHP's values as Coolify's helpers pass them about: arrays, numeric texts, slugs.

An array with the keys 0, 1, 2 ... in order is a list; a map without entries and a list without entries are the same.
"""

import re
from typing import TypeAlias

Php: TypeAlias = "bool | int | float | str | list[Php] | dict[int | str, Php] | None"
Pairs: TypeAlias = "dict[int | str, Php]"


class Broken(Exception):
    """PHP would throw an error that nobody catches: Laravel answers 500."""


LARGEST_INT = 2**63 - 1
_PRECISION = 14
_WHOLE = re.compile(r"0|-?[1-9][0-9]*", re.ASCII)
_NUMERIC = re.compile(r"[ \t\n\r\v\f]*[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?[ \t\n\r\v\f]*", re.ASCII)


def array(pairs: Pairs) -> Php:
    """Return the array with these entries."""
    return list(pairs.values()) if list(pairs) == list(range(len(pairs))) else pairs


def pairs_of(value: Php) -> Pairs:
    """Return the entries of an array; a plain value is an array of one, and null has none (Laravel's `collect`)."""
    match value:
        case None:
            return {}
        case dict():
            return dict(value)
        case list():
            return dict(enumerate(value))
        case _:
            return {0: value}


def key_of(text: str) -> int | str:
    """Return a text as a key: one that is a whole number in its shortest form becomes a number."""
    is_number = _WHOLE.fullmatch(text) is not None and -LARGEST_INT - 1 <= int(text) <= LARGEST_INT
    return int(text) if is_number else text


def merged(first: Pairs, *more: Pairs) -> Pairs:
    """Return arrays put together: later texts as keys win, entries with numbers are counted anew."""
    made: Pairs = {}
    numbered = 0
    for pairs in (first, *more):
        for key, value in pairs.items():
            made[numbered if isinstance(key, int) else key] = value
            numbered += isinstance(key, int)
    return made


def get(value: Php, path: str) -> Php:
    """Return what stands below keys joined by dots; null where there is none."""
    for name in path.split("."):
        value = pairs_of(value).get(key_of(name)) if isinstance(value, dict | list) else None
    return value


def text(value: Php) -> str:
    """Return a value as PHP casts it to text.

    Raises:
        Broken: it is an array.
    """
    match value:
        case None | False:
            return ""
        case True:
            return "1"
        case float():
            return float_text(value)
        case dict() | list():
            raise Broken("Array to string conversion")
        case _:
            return str(value)


def float_text(value: float) -> str:
    """Return a float with 14 digits, as PHP's `precision` has it."""
    if value != value or value in (float("inf"), float("-inf")):
        return {"inf": "INF", "-inf": "-INF"}.get(str(value), "NAN")
    digits, exponent = f"{value:.{_PRECISION - 1}e}".split("e")
    if -4 <= int(exponent) < _PRECISION:
        return f"{value:.{_PRECISION}g}"
    short = digits.rstrip("0").rstrip(".")
    return f"{short if '.' in short else short + '.0'}E{int(exponent):+d}"


def is_numeric(value: str) -> bool:
    """Return whether PHP takes a text for a number."""
    return _NUMERIC.fullmatch(value) is not None


def slug(value: str) -> str:
    """Return Laravel's slug: small letters, hyphens for spaces and underscores, other signs gone."""
    joined = value.replace("_", "-").replace("@", "-at-").lower()
    return re.sub(r"[-\s]+", "-", re.sub(r"[^-\w\s]+", "", joined)).strip("-")
