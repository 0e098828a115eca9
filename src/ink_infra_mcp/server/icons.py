"""Pictures of the server and of its sets of tools, drawn here and sent as they are: nobody's address is asked."""

import base64
from functools import cache

from mcp import types

from ink_infra_mcp.core.operation import Toolset

_DRAWN: dict[Toolset, str] = {
    "fleet": "M7 7h18v5H7zM7 14h18v5H7zM7 21h18v5H7z",
    "apps": "M7 7h8v8H7zM17 7h8v8h-8zM7 17h8v8H7zM17 17h8v8h-8z",
    "network": "M16 5l9 4v6c0 6-4 10-9 12-5-2-9-6-9-12V9z",
    "operations": "M10 7l15 9-15 9z",
    "factory": "M6 26V13l7 4v-4l7 4V6h5v20z",
    "servers": "M7 7h18v8H7zM7 17h18v8H7z",
}
"""On a ground of 32 by 32: a rack, apps side by side, a shield, what runs, a works, two machines."""


@cache
def icon_of(toolset: Toolset) -> types.Icon:
    """Return the picture of a set of tools."""
    return _icon(_DRAWN[toolset])


def server_icon() -> types.Icon:
    """Return the picture of the server: three servers in a rack."""
    return icon_of("fleet")


def _icon(path: str) -> types.Icon:
    drawing = (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="7" '
        f'fill="#12202f"/><path fill="#7fd1ff" d="{path}"/></svg>'
    )
    data = base64.b64encode(drawing.encode()).decode()
    return types.Icon(src=f"data:image/svg+xml;base64,{data}", mime_type="image/svg+xml", sizes=["any"])
