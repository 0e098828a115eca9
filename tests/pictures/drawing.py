"""Draws rows of a terminal as SVG: the same rows give the same bytes, and nothing is fetched to show them."""

import io
import re
from collections.abc import Iterable

from rich.console import Console
from rich.style import Style
from rich.terminal_theme import SVG_EXPORT_THEME
from rich.text import Text

COLUMNS = 80
_FRAME = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">
<title>LABEL</title>
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace; font-size: \
{char_height}px; line-height: {line_height}px; }}
.{unique_id}-title {{ font-family: system-ui, sans-serif; font-size: 18px; font-weight: bold; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal"><rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/>\
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix" xml:space="preserve">
{matrix}
</g>
</g>
</svg>
"""
"""Rich's own, without its fonts: those would be fetched from somebody's server by whoever looks at the picture."""
_QUIET, _GOOD, _CARE, _LOUD = "#9da0a0", "#98e024", "#e8c547", "#ffffff"
"""Each is told from the dark ground of the picture by at least 6 to 1, whatever the page round it is."""
_LOOKS = (
    (re.compile(r"=== "), Style(bold=True, color="#58d1eb")),
    (re.compile(r" *(\[sandbox|-+ |---$|```)"), Style(color=_QUIET)),
    (re.compile(r" *\[\.\.\. "), Style(italic=True, color=_QUIET)),
    (re.compile(r" *passed:"), Style(color=_GOOD)),
    (re.compile(r" *(warning:|undo:)"), Style(color=_CARE)),
    (
        re.compile(r" *(Risk:|Approve this|To approve|the person:|applied:|not approved:)"),
        Style(bold=True, color=_LOUD),
    ),
)


def drawn(title: str, rows: Iterable[str]) -> str:
    """Return the picture of a terminal that shows these rows."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    for row in rows:
        console.print(Text(row, style=_look(row), no_wrap=True, end=""), soft_wrap=True, highlight=False)
    frame = _FRAME.replace("LABEL", title)
    return console.export_svg(title=title, theme=SVG_EXPORT_THEME, code_format=frame, unique_id="ink")


def _look(row: str) -> Style:
    return next((style for pattern, style in _LOOKS if pattern.match(row)), Style())
