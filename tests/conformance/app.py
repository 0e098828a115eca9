"""The server under test over HTTP on loopback: `python -m tests.conformance.app PORT`."""

import sys
import tempfile
from pathlib import Path
from typing import Any

import uvicorn
from mcp.server.lowlevel import Server
from mcp.server.streamable_http import EventCallback, EventMessage, EventStore
from mcp.types import JSONRPCMessage

from ink_infra_mcp.app import App
from ink_infra_mcp.sandbox.running import Sandbox, open_world
from ink_infra_mcp.server import contracts
from ink_infra_mcp.server.backend import Backend
from ink_infra_mcp.server.build import ServerSettings, build_server
from ink_infra_mcp.server.catalogue import narrowed
from tests.conformance.fixtures import Fixtures
from tests.ink import SPEED, wired

RETRY_MS = 100


class RecentEvents(EventStore):
    """What was sent on each stream, so that a client that lost a stream gets the rest."""

    def __init__(self) -> None:
        self._events: list[tuple[str, JSONRPCMessage | None]] = []

    async def store_event(self, stream_id: str, message: JSONRPCMessage | None) -> str:
        """Keep an event; return its id."""
        self._events.append((stream_id, message))
        return str(len(self._events) - 1)

    async def replay_events_after(self, last_event_id: str, send_callback: EventCallback) -> str | None:
        """Send what came after an event on its stream; return the stream."""
        if not last_event_id.isdigit() or int(last_event_id) >= len(self._events):
            return None
        last = int(last_event_id)
        stream_id = self._events[last][0]
        for number, (stream, message) in enumerate(self._events):
            if number > last and stream == stream_id and message is not None:
                await send_callback(EventMessage(message, str(number)))
        return stream_id


class Behind:
    """The whole product over a pretend world, opened when the suite first reads something of ours."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._app: App | None = None

    async def open(self) -> Backend:
        """Return the opened product."""
        if self._app is None:
            world = open_world(self._folder / "world.db", speed=SPEED)
            self._app = App(wired(self._folder, world, Sandbox(world).start()))
        return self._app


def server_under_test(folder: Path) -> Server[Any]:
    """Return our server, with all its tools listed and the suite's fixtures in front."""
    settings = ServerSettings(
        catalogue=narrowed(contracts.load(), toolsets=frozenset(), read_only=False),
        open=Behind(folder).open,
        principal="conformance",
        instructions="The server of the conformance run.",
    )
    return build_server(settings, extra=Fixtures())


def main(port: int) -> None:
    """Serve on loopback until stopped."""
    with tempfile.TemporaryDirectory(prefix="ink-conformance-") as folder:
        server = server_under_test(Path(folder))
        app = server.streamable_http_app(event_store=RecentEvents(), retry_interval=RETRY_MS)
        uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning")


if __name__ == "__main__":
    main(int(sys.argv[1]))
