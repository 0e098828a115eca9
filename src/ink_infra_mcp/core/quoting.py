"""Puts long and foreign text into what a person approves: row by row, whole, and unable to pass for the plan."""

import unicodedata

from ink_infra_mcp.core.untrusted import written_out

WIDTH = 78
"""Columns of a row, so that no usual terminal breaks it where the text wants it broken."""
_MARK = "      ... "
_NUMBER = 10
_BAR = f"{'':{_NUMBER}} | "

Row = tuple[str, str]
"""The gutter before one part of a line, and that part."""


def quoted(text: str, *, name: str) -> list[str]:
    """Return the rows that show a text whole.

    Each row stands behind a gutter that only such rows have, what cannot be seen is written out as `<U+202E>`, and only
    line feeds end a line, as they do for whoever runs the text. Where all lines end as on Windows, the header says so.
    """
    windows = 0 < text.count("\n") == text.count("\r\n")
    rows = _rows(text.replace("\r\n", "\n") if windows else text)
    count = f"{sum(gutter.endswith('|') for gutter, _ in rows)} lines" + (" (ends of Windows)" if windows else "")
    return [*folded(f"      {name}, {count}, whole, behind bars:"), *map(_shown, rows)]


def folded(line: str) -> list[str]:
    """Return a line of a plan as rows of at most 78 columns; all but the first begin with a mark of their own."""
    if _columns(line) <= WIDTH:
        return [line]
    first, *rest = _broken(line, WIDTH - len(_MARK))
    return [first.rstrip(), *(f"{_MARK}{part.strip()}" for part in rest if part.strip())]


def _rows(text: str) -> list[Row]:
    lines = text.removesuffix("\n").split("\n")
    return [row for number, line in enumerate(lines, 1) for row in _rows_of(number, written_out(line.expandtabs(4)))]


def _rows_of(number: int, line: str) -> list[Row]:
    first, *rest = _broken(line, WIDTH - len(_BAR))
    return [(f"{number:>{_NUMBER}} |", first), *((f"{'':{_NUMBER}} +", part) for part in rest)]


def _shown(row: Row) -> str:
    gutter, part = row
    return f"{gutter} {part}" if part else gutter


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
        while end > begin + 1 and end < len(line) and unicodedata.category(line[end])[0] == "M":
            # a mark at the beginning of a row would stand on nothing
            end -= 1
        if end < len(line) and (space := line.rfind(" ", begin + (end - begin) // 2, end)) > 0:
            end = space + 1
        parts.append(line[begin:end])
        begin = end
    return parts or [""]


def _fitting(part: str, width: int) -> int:
    while _columns(part) > width:
        part = part[:-1]
    return len(part)
