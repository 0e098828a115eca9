"""Hetzner's label selectors: which labels meet one (docs.hetzner.cloud, label selector)."""

import re
from collections.abc import Mapping

_PART = re.compile(r"(?:[^,(]|\([^)]*\))+")
_TEST = re.compile(
    r"(?P<absent>!)?(?P<key>[\w./-]+)(?:\s*(?P<op>==|=|!=)\s*(?P<value>[\w.-]*)|\s+(?P<set>in|notin)\s*\((?P<values>[^)]*)\))?"
)


def selects(selector: str, labels: Mapping[str, str]) -> bool:
    """Return whether labels meet every part of a selector: `k`, `!k`, `k=v`, `k!=v`, `k in (a,b)`, `k notin (a,b)`.

    Raises:
        ValueError: it is no selector.
    """
    parts = [part.strip() for part in _PART.findall(selector)]
    if not parts:
        raise ValueError("an empty label selector")
    return all(_meets(part, labels) for part in parts)


def _meets(part: str, labels: Mapping[str, str]) -> bool:
    test = _TEST.fullmatch(part)
    if test is None:
        raise ValueError(f"{part!r} is no label selector")
    has = labels.get(test["key"])
    if test["set"]:
        among = has in {value.strip() for value in test["values"].split(",")}
        return among is (test["set"] == "in")
    if test["op"]:
        return (has == test["value"]) is (test["op"] != "!=")
    return (has is None) is bool(test["absent"])
