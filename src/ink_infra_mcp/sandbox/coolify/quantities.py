"""Reads sizes and CPU shares as Docker writes them."""

import re

from pydantic import JsonValue

UNITS = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40, "p": 2**50}
NANO = 10**9


def bytes_of(value: JsonValue) -> int:
    """Return a size such as 512m in bytes; 0, which is no limit, for what is absent or no size."""
    match = re.fullmatch(r"(\d+(?:\.\d*)?) ?([kmgtp]?)i?b?", str(value or "0").lower())
    return int(float(match[1]) * UNITS[match[2]]) if match else 0


def nano_cpus_of(value: JsonValue) -> int:
    """Return a number of CPUs in billionths; 0, which is no limit, for what is absent or no number."""
    text = str(value or "0").strip()
    return round(float(text) * NANO) if re.fullmatch(r"\d+(\.\d+)?", text) else 0
