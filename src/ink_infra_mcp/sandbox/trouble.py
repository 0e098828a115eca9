"""Scripted trouble on the wire, for every emulator that answers HTTP."""

import asyncio
from collections.abc import Awaitable, Callable

from starlette.responses import HTMLResponse, Response
from starlette.types import Receive, Scope, Send

from ink_infra_mcp.sandbox.state import Fault

_LOGIN = "<!DOCTYPE html>\n<html><head><title>Sign in</title></head><body><form>Password</form></body></html>"


CUT = "ink.sandbox.cut"
"""The ASGI extension with which `listen` lets an answer break its connection."""


class CutOff(Response):
    """Breaks the connection without a byte; where the server cannot, it promises one byte and never sends it."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer nothing."""
        cut = scope.get("extensions", {}).get(CUT)
        if cut is None:
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1")]})
            return
        cut()
        while (await receive())["type"] != "http.disconnect":
            pass


async def with_fault(fault: Fault | None, act: Callable[[], Awaitable[Response]]) -> Response:
    """Return what `act` answers, or what the fault makes of it.

    Only drop_after lets `act` run. A hang lasts real seconds and ends in a closed connection.
    """
    if fault is None:
        return await act()
    if fault.kind == "drop_after":
        await act()
        return CutOff()
    if fault.kind == "hang":
        await asyncio.sleep(fault.seconds)
        return CutOff()
    if fault.kind == "html":
        return HTMLResponse(_LOGIN)
    if fault.kind == "status":
        headers = {"content-type": "application/json", **fault.headers}
        return Response(fault.body, fault.status, headers=headers)
    return CutOff()
