"""Puts long and foreign text into what a person approves: row by row, bounded, and unable to pass for the plan."""

import hashlib
import unicodedata

WIDTH = 78
"""Columns of a row, so that no usual terminal breaks it where the text wants it broken."""
MAX_ROWS = 200
HEAD_ROWS = 150
_MARK = "      ... "
_NUMBER = 10
_BAR = f"{'':{_NUMBER}} | "

Row = tuple[int, str, str]
"""The number of a line, the gutter before one part of it, and that part."""


def quoted(text: str, *, name: str) -> tuple[list[str], int]:
    """Return the rows that show a text whole, and how many of its lines they do not show.

    Each row stands behind a gutter that only such rows have, what cannot be seen is written out as `<U+202E>`, and only
    line feeds end a line, as they do for whoever runs the text. Of one that needs more than 200 rows the first 150 and
    the last 50 are shown, and between them how many lines are missing, with the SHA-256 of the whole.
    """
    rows = _rows(text)
    if len(rows) <= MAX_ROWS:
        return [_header(name, rows, "whole"), *map(_shown, rows)], 0
    hidden = rows[HEAD_ROWS : HEAD_ROWS - MAX_ROWS]
    first, last = hidden[0][0], hidden[-1][0]
    missing = [
        f"  *** lines {first}-{last} of {rows[-1][0]} are NOT shown ({_size(hidden)} characters); the whole text has",
        f"  *** sha256 {hashlib.sha256(text.encode(errors='surrogatepass')).hexdigest()}",
    ]
    head, tail = map(_shown, rows[:HEAD_ROWS]), map(_shown, rows[HEAD_ROWS - MAX_ROWS :])
    return [_header(name, rows, "NOT whole"), *head, *missing, *tail], last - first + 1


def folded(line: str) -> list[str]:
    """Return a line of a plan as rows of at most 78 columns; all but the first begin with a mark of their own."""
    if _columns(line) <= WIDTH:
        return [line]
    first, *rest = _broken(line, WIDTH - len(_MARK))
    return [first.rstrip(), *(f"{_MARK}{part.strip()}" for part in rest if part.strip())]


def _header(name: str, rows: list[Row], how: str) -> str:
    return f"      {name}, {rows[-1][0]} lines, {how}; behind the bars is the caller's text:"


def _rows(text: str) -> list[Row]:
    lines = text.replace("\r\n", "\n").removesuffix("\n").split("\n")
    return [row for number, line in enumerate(lines, 1) for row in _rows_of(number, _visible(line.expandtabs(4)))]


def _rows_of(number: int, line: str) -> list[Row]:
    first, *rest = _broken(line, WIDTH - len(_BAR))
    return [(number, f"{number:>{_NUMBER}} |", first), *((number, f"{'':{_NUMBER}} +", part) for part in rest)]


def _shown(row: Row) -> str:
    _, gutter, part = row
    return f"{gutter} {part}" if part else gutter


def _size(rows: list[Row]) -> int:
    return sum(len(part) for _, _, part in rows)


def _visible(line: str) -> str:
    return line if line.isprintable() else "".join(c if c.isprintable() else f"<U+{ord(c):04X}>" for c in line)


def _columns(text: str) -> int:
    if text.isascii():
        return len(text)
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def _broken(line: str, width: int) -> list[str]:
    """Return the parts of a line, each within the width, broken behind a space where there is one."""
    parts: list[str] = []
    begin = 0
    while begin < len(line):
        end = begin + _fitting(line[begin : begin + width], width)
        if end < len(line) and (space := line.rfind(" ", begin + (end - begin) // 2, end)) > 0:
            end = space + 1
        parts.append(line[begin:end])
        begin = end
    return parts or [""]


def _fitting(part: str, width: int) -> int:
    while _columns(part) > width:
        part = part[:-1]
    return len(part)
