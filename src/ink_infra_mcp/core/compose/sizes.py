"""Sizes, numbers of processors, counts and times as Docker reads them in a compose file; no limit is no number."""

import re

from pydantic import JsonValue

_SIZE = re.compile(
    r"(?P<number>[0-9]{1,15}(?:\.[0-9]{1,9})?) ?(?:(?P<unit>[kmgtp])(?:i?b)?|b)?", re.IGNORECASE | re.ASCII
)
_POWER = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5}
_PLAIN = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9})?", re.ASCII)
_MOST_BYTES = 2**50
"""Far more than a server has, far less than where Docker's 64 bits run over (seen: 9999999999p became negative)."""
_LEAST_PROCESSORS = 0.01
"""Below 0.00001 the daemon computes a quota of 0, which the kernel takes for none (moby, daemon_unix.go)."""
_COUNT = re.compile(r"[0-9]{1,9}", re.ASCII)
_DURATION = re.compile(r"(?:[0-9]{1,9}(?:\.[0-9]{1,9})?(?:us|ms|s|m|h))+", re.ASCII)
_PART = re.compile(r"(?P<number>[0-9.]+)(?P<unit>us|ms|s|m|h)", re.ASCII)
_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


def size_bytes(value: JsonValue) -> int | None:
    """Return a size in bytes, None for one that Docker does not read (go-units: 64GiB, 1t, 32 g, a number of bytes).

    0 and less are no size: for Docker they say "no limit". Nor is what no server has, more than 2^50 bytes; nor `64Mi`,
    which go-units takes before 0.5 only; nor what has more than 15 digits, or 9 behind the point.
    """
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    size = value if isinstance(value, int) else _written_size(value)
    return size if 0 < size <= _MOST_BYTES else None


def _written_size(text: str) -> int:
    found = _SIZE.fullmatch(text)
    if found is None:
        return 0
    return int(float(found["number"]) * 1024 ** _POWER[(found["unit"] or "").lower()])


def processors(value: JsonValue) -> float | None:
    """Return a number of processors of 0.01 or more, None for what is none."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    text = str(value)
    number = float(text) if _PLAIN.fullmatch(text) else 0.0
    return number if number >= _LEAST_PROCESSORS else None


def count(value: JsonValue) -> int | None:
    """Return a count of 1 or more, written as a number or as text; None for what is none."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    number = int(value) if _COUNT.fullmatch(str(value)) else 0
    return number if number > 0 else None


def seconds(value: JsonValue) -> float | None:
    """Return a time such as 1m30s in seconds, None for what is none."""
    if not isinstance(value, str) or not _DURATION.fullmatch(value):
        return None
    return sum(float(part["number"]) * _SECONDS[part["unit"]] for part in _PART.finditer(value))
