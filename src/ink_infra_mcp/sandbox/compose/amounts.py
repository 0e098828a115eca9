"""Reads sizes, times and switches as Docker Compose does (messages seen with 2.26.1)."""

import re

from ink_infra_mcp.sandbox.compose.reader import Refused, Value

_SIZE = re.compile(r"(?P<number>[0-9]+(?:\.[0-9]*)?) ?(?P<unit>[kmgtp]?)i?b?", re.ASCII | re.IGNORECASE)
_POWERS = {"": 0, "k": 10, "m": 20, "g": 30, "t": 40, "p": 50}
_PIECE = re.compile(r"(?P<number>[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?P<unit>h|ms|m|us|ns|s)", re.ASCII)
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
_SWITCHES = {"true": True, "y": True, "yes": True, "on": True, "false": False, "n": False, "no": False, "off": False}


def _undecoded(path: str, words: str) -> Refused:
    return Refused(f"decoding failed due to the following error(s):\n\nerror decoding '{path}': {words}")


def size(value: Value, path: str) -> int:
    """Return a size in bytes; -1 is no limit.

    Raises:
        Refused: it cannot be read.
    """
    if isinstance(value, int | float):
        return value if isinstance(value, int) else 0
    text = str(value)
    found = _SIZE.fullmatch(text)
    if text == "-1":
        return -1
    if found is None:
        raise _undecoded(path, f"invalid size: '{text}'")
    return int(float(found["number"]) * 2 ** _POWERS[found["unit"].lower()])


def duration(value: Value, path: str) -> str:
    """Return a time as Go writes it: 90s is 1m30s.

    Raises:
        Refused: it cannot be read.
    """
    text = str(value)
    pieces = list(_PIECE.finditer(text))
    if "".join(piece[0] for piece in pieces) != text or not pieces:
        raise _undecoded(path, f'time: invalid duration "{text}"')
    return _written(sum(float(piece["number"]) * _SECONDS[piece["unit"]] for piece in pieces))


def _written(seconds: float) -> str:
    if 0 < seconds < 1:
        return f"{seconds * 1000:g}ms"
    hours, rest = divmod(seconds, 3600)
    minutes, left = divmod(rest, 60)
    long = f"{int(hours)}h" if hours else ""
    return f"{long}{f'{int(minutes)}m' if hours or minutes else ''}{left:g}s"


def switch(value: Value, path: str) -> bool:
    """Return a switch; words of YAML 1.1 are taken, too.

    Raises:
        Refused: another word.
    """
    known = value if isinstance(value, bool) else _SWITCHES.get(str(value).lower())
    if known is None:
        raise Refused(f"error while interpolating {path}: failed to cast to expected type: invalid boolean: {value}")
    return known


def count(value: Value, path: str, *, reader: str = "Atoi") -> int:
    """Return a whole number.

    Raises:
        Refused: it cannot be read.
    """
    if isinstance(value, int | float):
        return int(value)
    text = str(value)
    if not re.fullmatch(r"[-+]?[0-9]+", text, re.ASCII):
        raise _uncast(path, reader, text)
    return int(text)


def number(value: Value, path: str) -> float:
    """Return a number.

    Raises:
        Refused: it cannot be read.
    """
    try:
        return float(str(value))
    except ValueError as error:
        raise _uncast(path, "ParseFloat", str(value)) from error


def _uncast(path: str, reader: str, text: str) -> Refused:
    return Refused(
        f"error while interpolating {path}: failed to cast to expected type: "
        f'strconv.{reader}: parsing "{text}": invalid syntax'
    )
