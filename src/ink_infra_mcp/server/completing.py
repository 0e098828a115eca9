"""Completions: names of apps, servers, operations, images and backups, for arguments of prompts and of resources."""

from collections.abc import Iterable
from dataclasses import dataclass

import anyio
from mcp import MCPError, types

from ink_infra_mcp.core.errors import InkError
from ink_infra_mcp.server import answers
from ink_infra_mcp.server.asking import Context
from ink_infra_mcp.server.backend import Kind, Open
from ink_infra_mcp.server.catalogue import Catalogue

MOST = 100
"""Values in one answer, by the protocol."""
MAX_VALUE = 300
LIMIT_S = 5.0
"""Somebody is typing: what takes longer comes too late."""
_SHOWN_BY: dict[str, tuple[Kind, str]] = {
    "app": ("app", "list_apps"),
    "server": ("server", "get_fleet"),
    "id": ("operation", "list_operations"),
    "to": ("image", "rollback_app"),
    "image": ("coolify image", "list_operations"),
    "backup": ("backup", "list_operations"),
}
"""What an argument of that name names, and the tool that shows the same: hidden there, it is hidden here."""


@dataclass(frozen=True, slots=True)
class Completing:
    """Answers completion/complete."""

    catalogue: Catalogue
    open: Open
    limit_s: float = LIMIT_S

    async def complete(self, _: Context, params: types.CompleteRequestParams) -> types.CompleteResult:
        """Return the names that have what was typed in them, those that begin with it first.

        Images are those of the app that the request names as already chosen.

        Raises:
            MCPError: they cannot be read now, or not within `limit_s` seconds; that is not the same as "none".
        """
        kind, tool = _SHOWN_BY.get(params.argument.name, (None, ""))
        if kind is None or tool not in self.catalogue.contracts:
            return _result([])
        chosen = (params.context.arguments if params.context else None) or {}
        with anyio.move_on_after(self.limit_s):
            return _result(_matching(await self._names(kind, chosen.get("app", "")), params.argument.value))
        words = f"The names could not be read within {self.limit_s:g} seconds. Type the name, or ask again."
        raise MCPError(code=types.INTERNAL_ERROR, message=words)

    async def _names(self, kind: Kind, app: str) -> list[str]:
        backend = None
        try:
            backend = await self.open()
            return [answers.safe(name, backend, limit=MAX_VALUE) for name in await backend.names(kind, of=app)]
        except InkError as error:
            raise answers.fault(error, backend) from error


def _matching(names: Iterable[str], typed: str) -> list[str]:
    """Keep the order of the names: apps and servers by name, operations newest first."""
    wanted = typed.strip().lower()
    found = [name for name in dict.fromkeys(names) if wanted in name.lower()]
    return sorted(found, key=lambda name: not name.lower().startswith(wanted))


def _result(found: list[str]) -> types.CompleteResult:
    completion = types.Completion(values=found[:MOST], total=len(found), has_more=len(found) > MOST)
    return types.CompleteResult(completion=completion)
