"""Reads the text of a plan as a person does: what it says of each step, name by name, and where it points."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_STEP = re.compile(r" (\d+)(?:-(\d+))?\. ")
_BARS = re.compile(r"      (?P<name>.+), \d+ lines(?: \(ends of Windows\))?, whole, behind bars:")
_LINE = re.compile(r"(?: {3,}\d+ \|| {11}\+) ?")
_POINTS = re.compile(r"      (?P<name>.+): the text that is shown with step (?P<at>\d+)")
_EMPTY = re.compile(r"      (?P<name>.+) is empty")
_VALUE = re.compile(r"      (?P<name>[^ ].*?) = (?P<value>.+)")
_MORE = "      ... "


@dataclass
class StepRead:
    """What a plan says of a step, or of several that only read: lines by name, and texts that are shown elsewhere."""

    given: list[tuple[str, list[str]]] = field(default_factory=list[tuple[str, list[str]]])
    elsewhere: list[tuple[str, int]] = field(default_factory=list[tuple[str, int]])
    words: str = ""

    @property
    def values(self) -> list[tuple[str, str]]:
        """Return the values by name, each put together again."""
        return [(name, "\n".join(lines)) for name, lines in self.given]


def steps_read(rows: list[str]) -> dict[int, StepRead]:
    """Return what is said of each step by its number."""
    found: dict[int, StepRead] = {}
    one = StepRead()
    in_bars = False
    for row in rows:
        if begun := _STEP.match(row):
            one = StepRead()
            found |= dict.fromkeys(range(int(begun[1]), int(begun[2] or begun[1]) + 1), one)
        part = _LINE.match(row) if in_bars else None
        if part is not None:
            _add(one.given[-1][1], row, part)
        else:
            in_bars = _note(one, row)
    return found


def _add(lines: list[str], row: str, gutter: re.Match[str]) -> None:
    if gutter[0].rstrip().endswith("|"):
        lines.append(row[gutter.end() :])
    else:
        lines[-1] += row[gutter.end() :]


def _note(one: StepRead, row: str) -> bool:
    """Take a row for what it is; return whether lines behind bars follow."""
    one.words += " " + row.removeprefix(_MORE).strip()
    if begun := _BARS.fullmatch(row):
        one.given.append((begun["name"], []))
    elif points := _POINTS.fullmatch(row):
        one.elsewhere.append((points["name"], int(points["at"])))
    elif empty := _EMPTY.fullmatch(row):
        one.given.append((empty["name"], [""]))
    elif value := _VALUE.fullmatch(row):
        one.given.append((value["name"], [value["value"]]))
    return begun is not None


def told(read: dict[int, StepRead], number: int) -> Iterator[tuple[str, str]]:
    """Yield each value that a person reads of a step, by name: those that are shown there, and where it points."""
    yield from read[number].values
    for name, at in read[number].elsewhere:
        yield from ((name, text) for _, text in read[at].values)
