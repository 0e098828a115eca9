"""Scripted trouble on the wire, for every emulator that answers HTTP."""

import asyncio
from collections.abc import Callable

from starlette.responses import HTMLResponse, Response
from starlette.types import Receive, Scope, Send

from ink_infra_mcp.sandbox.state import Fault, WorldState, take_fault
from ink_infra_mcp.sandbox.world import World

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


async def answered(world: World, system: str, what: str, answer: Callable[[WorldState], Response]) -> Response:
    """Return what `answer` says to the request `what`, or what scripted trouble makes of it.

    Only drop_after lets `answer` run all the same. A hang lasts real seconds and ends in a closed connection.
    """
    with world.change() as state:
        fault = take_fault(state, system, what)
        response = answer(state) if fault is None or fault.kind == "drop_after" else CutOff()
    return response if fault is None else await _in_trouble(fault)


async def _in_trouble(fault: Fault) -> Response:
    if fault.kind == "hang":
        await asyncio.sleep(fault.seconds)
    return spoilt(fault)


def spoilt(fault: Fault) -> Response:
    """Return what scripted trouble makes of an answer, without the wait."""
    if fault.kind == "html":
        return HTMLResponse(_LOGIN)
    if fault.kind == "status":
        headers = {"content-type": "application/json", **fault.headers}
        return Response(fault.body, fault.status, headers=headers)
    return CutOff()
