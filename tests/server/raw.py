"""A client that writes JSON-RPC itself and holds nothing back, to a server in this process."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.server.lowlevel import Server
from mcp.shared.message import SessionMessage
from mcp.types import jsonrpc_message_adapter

from tests.wire import Wire

MODERN = "2026-07-28"
META = "io.modelcontextprotocol"


class Raw:
    """One connection; the server's requests and notifications are kept in `heard`."""

    def __init__(
        self,
        to_server: MemoryObjectSendStream[SessionMessage | Exception],
        from_server: MemoryObjectReceiveStream[SessionMessage],
    ) -> None:
        self._to, self._from = to_server, from_server
        self._last = 0
        self.heard: list[dict[str, Any]] = []

    async def request(self, method: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """Send a request and return the whole answer, error or not."""
        return await self.answering(method, params, reply=None)

    async def answering(
        self, method: str, params: Mapping[str, Any], *, reply: Mapping[str, Any] | None
    ) -> dict[str, Any]:
        """Send a request, give `reply` to every request of the server on the way, and return the whole answer."""
        await self.begin(method, params)
        while True:
            message = await self.hear()
            if message.get("id") == self._last and "method" not in message:
                return message
            self.heard.append(message)
            if reply is not None and "id" in message:
                await self.send({"jsonrpc": "2.0", "id": message["id"], "result": dict(reply)})

    async def begin(self, method: str, params: Mapping[str, Any]) -> int:
        """Send a request and return its id; the answer is heard later, or never."""
        self._last += 1
        await self.send({"jsonrpc": "2.0", "id": self._last, "method": method, "params": dict(params)})
        return self._last

    async def hear(self) -> dict[str, Any]:
        """Return the next message of the server."""
        return (await self._from.receive()).message.model_dump(mode="json", by_alias=True, exclude_unset=True)

    async def hang_up(self) -> None:
        """Close the client's side, as a client does that goes away."""
        await self._to.aclose()

    async def send(self, message: Mapping[str, Any]) -> None:
        """Send a message as it is."""
        await self._to.send(SessionMessage(jsonrpc_message_adapter.validate_python(dict(message))))

    async def handshake(self, revision: str, capabilities: Mapping[str, Any]) -> dict[str, Any]:
        """Begin as a client of the protocols before 2026-07-28."""
        about = {"protocolVersion": revision, "capabilities": dict(capabilities), "clientInfo": _CLIENT}
        answer = await self.request("initialize", about)
        await self.send({"jsonrpc": "2.0", "method": "notifications/initialized"})
        return answer


_CLIENT = {"name": "raw", "version": "1"}


def envelope(capabilities: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a client of protocol 2026-07-28 says of itself in every request."""
    return {
        f"{META}/protocolVersion": MODERN,
        f"{META}/clientCapabilities": dict(capabilities),
        f"{META}/clientInfo": _CLIENT,
    }


@asynccontextmanager
async def raw(server: Server[Any]) -> AsyncGenerator[Raw]:
    """Connect to a server; it ends with the context."""
    to_server, server_reads = anyio.create_memory_object_stream[SessionMessage | Exception](16)
    server_writes, from_server = anyio.create_memory_object_stream[SessionMessage](16)
    async with anyio.create_task_group() as running, to_server, from_server:
        running.start_soon(server.run, server_reads, server_writes, server.create_initialization_options())
        yield Raw(to_server, from_server)
        running.cancel_scope.cancel()


def approved(wire: Wire, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Return the result of a change whose question is answered with yes, on protocol 2026-07-28."""
    more: dict[str, Any] = {"_meta": envelope({"elicitation": {}})}
    call = {"name": name, "arguments": arguments, **more}
    asked = wire.request("tools/call", call)
    yes: dict[str, Any] = {key: {"action": "accept", "content": {}} for key in asked["inputRequests"]}
    return wire.request("tools/call", {**call, "requestState": asked["requestState"], "inputResponses": yes})
