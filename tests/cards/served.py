"""The product over a pretend world, asked from a test that is not asynchronous, as a host asks it for its cards."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anyio.from_thread import BlockingPortal, start_blocking_portal
from mcp import Client
from mcp.types import TextResourceContents

from tests.ink import SPEED, Ink, ink
from tests.tools.arrivals import say_yes


@dataclass(frozen=True, slots=True)
class Served:
    """A server and a client of it that declares no elicitation."""

    portal: BlockingPortal
    it: Ink
    client: Client

    def call(self, name: str, arguments: dict[str, object]) -> dict[str, Any]:
        """Return a tool's answer as it goes over the wire."""

        async def called() -> dict[str, Any]:
            result = await self.client.call_tool(name, arguments)
            return result.model_dump(mode="json", by_alias=True, exclude_none=True)

        return self.portal.call(called)

    def card_of(self, tool: str) -> str:
        """Return the HTML of the card that a tool names."""

        async def read() -> str:
            [listed] = [each for each in (await self.client.list_tools()).tools if each.name == tool]
            [found] = (await self.client.read_resource((listed.meta or {})["ui"]["resourceUri"])).contents
            assert isinstance(found, TextResourceContents)
            return found.text

        return self.portal.call(read)

    def approve(self, approval_id: str) -> None:
        """Say yes as an operator at a terminal does."""
        self.portal.call(say_yes, self.it.app, approval_id)


@contextmanager
def served(folder: Path, *, speed: float = SPEED) -> Generator[Served]:
    """Give the product over a new world in `folder`."""
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(ink(folder, speed=speed)) as it,
        portal.wrap_async_context_manager(it.client()) as client,
    ):
        yield Served(portal, it, client)
