"""What differs from policy over the whole fleet: findings with stable names, the worst first, in a bounded answer."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from ink_infra_mcp.core.plan import Frozen
from ink_infra_mcp.core.untrusted import clean_name

Severity = Literal["critical", "high", "warning", "info"]
RANKS: tuple[Severity, ...] = ("critical", "high", "warning", "info")
FLEET = "fleet"
"""Stands for the server of a finding that is about none."""
HERE = "{server}"
"""Stands in `mend` for the server: so that the same trouble of many servers is one line."""
MOST_CHARS = 7_500
"""Of the findings in one answer; with what else is in it, it is at most 4,000 tokens (o200k)."""
MOST_SERVERS = 8
MOST_NAMES = 8
"""Names in the evidence of one finding."""
_WORDS = 200


@dataclass(frozen=True, slots=True)
class Drift:
    """One thing that is not as policy wants, or not known. `subject` tells two of one code at one server apart.

    `unknown` is whether it says that something could not be read, and so that nobody knows whether all is fine.
    """

    server: str
    severity: Severity
    code: str
    what: str
    evidence: str
    mend: str
    subject: str = ""
    unknown: bool = False

    @property
    def id(self) -> str:
        """Return the name that it has in every answer, as long as it stands."""
        return f"{self.code}{f':{self.subject}' if self.subject else ''}@{self.server}"


class Line(Frozen):
    """The same finding at one server or at several: `evidence` is that of the first one, `mend` the call for each."""

    severity: Severity
    code: str
    servers: tuple[str, ...]
    more_servers: int = 0
    what: str
    evidence: str
    mend: str


def named(names: Sequence[str], *, most: int = MOST_NAMES) -> str:
    """Return how many there are, and the first of them by name."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{len(names)}: {', '.join(names[:most])}{more}"


def distinct(text: str) -> str:
    """Return a short name for what only its words tell apart."""
    return hashlib.sha256(text.encode()).hexdigest()[:6]


def in_order(found: Iterable[Drift]) -> tuple[Drift, ...]:
    """Return each finding once, the worst first."""
    once = {drift.id: drift for drift in found}
    return tuple(sorted(once.values(), key=lambda d: (RANKS.index(d.severity), d.code, d.what, d.server)))


def lines_of(found: Sequence[Drift]) -> tuple[Line, ...]:
    """Return one line for what is the same at several servers, in the order of what is worst."""
    groups: dict[tuple[str, ...], list[Drift]] = {}
    for drift in found:
        groups.setdefault((drift.severity, drift.code, drift.what, drift.mend), []).append(drift)
    return tuple(_line(group) for group in groups.values())


def _line(group: list[Drift]) -> Line:
    first = group[0]
    servers = tuple(dict.fromkeys(drift.server for drift in group))
    return Line(
        severity=first.severity,
        code=first.code,
        servers=servers[:MOST_SERVERS],
        more_servers=len(servers) - len(servers[:MOST_SERVERS]),
        what=clean_name(first.what, limit=_WORDS),
        evidence=clean_name(first.evidence, limit=_WORDS),
        mend=clean_name(first.mend.replace(HERE, servers[0] if len(servers) == 1 else "NAME"), limit=_WORDS),
    )


def fitting(lines: Sequence[Line], *, skip: int = 0) -> tuple[Line, ...]:
    """Return the lines after the first `skip` that fit into one answer, one at least where there is any."""
    return tuple(_fitting(lines[skip:]))


def _fitting(lines: Sequence[Line]) -> Iterator[Line]:
    left = MOST_CHARS
    for number, line in enumerate(lines):
        left -= len(line.model_dump_json())
        if left < 0 and number:
            return
        yield line


def counted(found: Iterable[Drift]) -> dict[str, int]:
    """Return how many findings there are of each severity, the worst first."""
    counts = Counter(drift.severity for drift in found)
    return {severity: counts[severity] for severity in RANKS if counts[severity]}


def verdict(found: Sequence[Drift]) -> str:
    """Return the whole in a word: clean only where all was read, and nothing is worse than a warning."""
    if any(drift.severity in {"critical", "high"} and not drift.unknown for drift in found):
        return "problems"
    if any(drift.unknown for drift in found):
        return "unknown"
    return "clean, with warnings" if any(drift.severity == "warning" for drift in found) else "clean"
