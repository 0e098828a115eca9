"""Reads the `ports` of a service in all of Compose's forms, and says what Docker publishes."""

import re
from collections.abc import Iterable

from ink_infra_mcp.sandbox.coolify.php import Pairs, Php, get

ANY = "0.0.0.0"  # noqa: S104 - what Docker shows for a port on every address
EPHEMERAL = 32768
"""The first port that Docker takes for one whose outer side was left open."""
_SHORT = re.compile(
    r"(?:(?P<address>\[[0-9a-fA-F:.]+\]|[0-9]+(?:\.[0-9]+){3}):)?(?:(?P<outer>[0-9]+(?:-[0-9]+)?)?:)?"
    r"(?P<inner>[0-9]+(?:-[0-9]+)?)(?:/(?P<protocol>[a-z]+))?",
    re.ASCII,
)


def published(port: Php, number: int) -> list[str]:
    """Return one `0.0.0.0:80->80/tcp` for each port that an entry publishes; `number` is its place in the list."""
    if isinstance(port, dict):
        return _published_by_map(port, number)
    return _published_by_text(str(port), number)


def _published_by_map(port: Pairs, number: int) -> list[str]:
    outer = str(get(port, "published") or "")
    address, protocol = str(get(port, "host_ip") or ANY), str(get(port, "protocol") or "tcp")
    return _pairs(_bracketed(address), outer, str(get(port, "target") or ""), protocol, number)


def _published_by_text(port: str, number: int) -> list[str]:
    found = _SHORT.fullmatch(port)
    if found is None:
        return []
    address = found["address"] or ANY
    return _pairs(address, found["outer"] or "", found["inner"], found["protocol"] or "tcp", number)


def all_published(ports: Iterable[Php]) -> list[str]:
    """Return what all entries of a list publish."""
    return [one for number, port in enumerate(ports) for one in published(port, number)]


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def _pairs(address: str, outer: str, inner: str, protocol: str, number: int) -> list[str]:
    """One inner port may have a range outside, of which Docker takes the first that is free."""
    inside, outside = _range(inner), _range(outer)
    if not outside:
        outside = [EPHEMERAL + number * 100 + n for n in range(len(inside))]
    return [f"{address}:{out}->{port}/{protocol}" for out, port in zip(outside, inside, strict=False)]


def _range(text: str) -> list[int]:
    first, _, last = text.partition("-")
    if not first.isdecimal():
        return []
    return list(range(int(first), int(last if last.isdecimal() else first) + 1))
