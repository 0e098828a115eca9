"""Compares Coolify's versions, and says from which one a thing exists."""

import re

Release = tuple[int, int, int, int]

OLDEST = (0, 0, 0, 0)
V4_0 = (4, 0, 0, 1)
V4_1 = (4, 1, 0, 1)
V4_2 = (4, 2, 0, 1)
V4_3 = (4, 3, 0, 1)
V4_3_2 = (4, 3, 2, 1)


def release(version: str) -> Release:
    """Return a version as numbers that sort; a beta or candidate comes before its release."""
    numbers = [int(text) for text in re.findall(r"\d+", version)[:3]]
    major, minor, patch = [*numbers, 0, 0, 0][:3]
    return (major, minor, patch, 0 if "-" in version else 1)


def at_least(version: str, wanted: Release) -> bool:
    """Return whether `version` is `wanted` or newer."""
    return release(version) >= wanted
