"""Has a line written for each call that is refused before a tool sees it; no value of the caller's is in it."""

import logging
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from mcp import MCPError
from mcp.server.context import CallNext, HandlerResult
from pydantic import ValidationError

from ink_infra_mcp.guard.caller import Note, Refusal, RefusalKind
from ink_infra_mcp.server.asking import Context
from ink_infra_mcp.server.catalogue import Catalogue

log = logging.getLogger(__name__)
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_FORGED = {"reason": "invalid_request_state"}
_CALL = "tools/call"


@dataclass(frozen=True, slots=True)
class Noting:
    """Tells `note` of refused calls of a principal; whatever goes wrong with that changes no answer."""

    note: Note
    catalogue: Catalogue
    principal: str

    async def watch(self, ctx: Context, call_next: CallNext) -> HandlerResult:
        """Let a request through, and have it noted where its state is forged, or where it is no call (middleware).

        It stands outside what unseals the state.
        """
        try:
            return await call_next(ctx)
        except MCPError as error:
            if error.error.data == _FORGED:
                await self._tell("forged_state", _named(ctx))
            raise
        except ValidationError:
            if ctx.method == _CALL:
                await self._tell("bad_arguments", _named(ctx))
            raise

    async def unknown(self, tool: str) -> None:
        """Note a call of a tool that is not there, or not shown."""
        await self._tell("unknown_tool", tool)

    async def arguments(self, tool: str, found: ValidationError) -> None:
        """Note arguments that do not fit their tool, by the names that the tool's own contract has."""
        places = [item["loc"] for item in found.errors(include_url=False, include_input=False)]
        await self._tell("bad_arguments", tool, (str(place[0]) for place in places if place))

    async def refused(self, tool: str) -> None:
        """Note a change that the tool itself refused for what it was given."""
        await self._tell("bad_arguments", tool)

    async def _tell(self, kind: RefusalKind, tool: str, arguments: Iterable[str] = ()) -> None:
        contract = self.catalogue.contracts.get(tool)
        declared: Mapping[str, object] = contract["inputSchema"].get("properties", {}) if contract else {}
        known = tuple(sorted({name for name in arguments if name in declared}))
        name = tool if contract or _NAME.fullmatch(tool) else "(no name)"
        log.info("refused a call of %s: %s", name, kind)
        await self.note(Refusal(kind=kind, principal=self.principal, tool=name, arguments=known))


def _named(ctx: Context) -> str:
    params: Mapping[str, Any] = ctx.params or {}
    found = params.get("name") if ctx.method == _CALL else None
    return found if isinstance(found, str) else ""
