"""The server under test over HTTP on loopback: `python -m tests.conformance.app PORT`."""

import sys
from typing import Any

import uvicorn
from mcp.server.lowlevel import Server
from mcp.server.request_state import RequestStateBoundary, RequestStateSecurity
from mcp.server.streamable_http import EventCallback, EventMessage, EventStore
from mcp.types import JSONRPCMessage

from tests.conformance.fixtures import Fixtures

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


def server_under_test() -> Server[Any]:
    """Return the server with the suite's fixtures in front."""
    server: Server[Any] = Server("conformance", version="1")
    server.middleware.append(RequestStateBoundary(RequestStateSecurity.ephemeral(), default_audience="conformance"))
    Fixtures().register(server)
    return server


def main(port: int) -> None:
    """Serve on loopback until stopped."""
    app = server_under_test().streamable_http_app(event_store=RecentEvents(), retry_interval=RETRY_MS)
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning")


if __name__ == "__main__":
    main(int(sys.argv[1]))
