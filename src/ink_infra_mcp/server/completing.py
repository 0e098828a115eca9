"""Completions: names of apps, servers and operations, for the arguments of prompts and of resources."""

from collections.abc import Iterable
from dataclasses import dataclass

from mcp import MCPError, types

from ink_infra_mcp.core.errors import InkError
from ink_infra_mcp.server import answers
from ink_infra_mcp.server.asking import Context
from ink_infra_mcp.server.backend import Kind, Open
from ink_infra_mcp.server.catalogue import Catalogue

MOST = 100
"""Values in one answer, by the protocol."""
MAX_VALUE = 300
_SHOWN_BY: dict[str, tuple[Kind, str]] = {
    "app": ("app", "list_apps"),
    "server": ("server", "get_fleet"),
    "id": ("operation", "list_operations"),
}
"""What an argument of that name names, and the tool that shows the same: hidden there, it is hidden here."""


@dataclass(frozen=True, slots=True)
class Completing:
    """Answers completion/complete."""

    catalogue: Catalogue
    open: Open

    async def complete(self, _: Context, params: types.CompleteRequestParams) -> types.CompleteResult:
        """Return the names that have what was typed in them, those that begin with it first.

        Raises:
            MCPError: they cannot be read now; that is not the same as "none".
        """
        kind, tool = _SHOWN_BY.get(params.argument.name, (None, ""))
        if kind is None or tool not in self.catalogue.contracts:
            return _result([])
        return _result(_matching(await self._names(kind), params.argument.value))

    async def _names(self, kind: Kind) -> list[str]:
        backend = None
        try:
            backend = await self.open()
            return [answers.safe(name, backend, limit=MAX_VALUE) for name in await backend.names(kind)]
        except InkError as error:
            words = answers.of_error(error, backend).content
            text = "".join(part.text for part in words if isinstance(part, types.TextContent))
            raise MCPError(code=types.INTERNAL_ERROR, message=text) from error


def _matching(names: Iterable[str], typed: str) -> list[str]:
    """Keep the order of the names: apps and servers by name, operations newest first."""
    wanted = typed.strip().lower()
    found = [name for name in dict.fromkeys(names) if wanted in name.lower()]
    return sorted(found, key=lambda name: not name.lower().startswith(wanted))


def _result(found: list[str]) -> types.CompleteResult:
    completion = types.Completion(values=found[:MOST], total=len(found), has_more=len(found) > MOST)
    return types.CompleteResult(completion=completion)
