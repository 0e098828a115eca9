"""Serves an emulator on a loopback port that the system chooses, inside the running event loop."""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from typing import Any, cast

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from ink_infra_mcp.sandbox.trouble import CUT

Close = Callable[[], Awaitable[None]]


class _Protocol(H11Protocol):
    """Lets an answer break its connection, which ASGI has no word for."""

    def __init__(
        self,
        config: uvicorn.Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.app = self._cuttable(cast(ASGIApp, vars(self)["app"]))

    def _cuttable(self, app: ASGIApp) -> ASGIApp:
        async def with_cut(scope: Scope, receive: Receive, send: Send) -> None:
            scope["extensions"] = {**scope.get("extensions", {}), CUT: self.transport.abort}
            await app(scope, receive, send)

        return with_cut


class _Server(uvicorn.Server):
    """Leaves the signals of the process to the process."""

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


def loopback_socket(host: str = "127.0.0.1", port: int = 0) -> socket.socket:
    """Return a listening socket.

    Its protocol is named because asyncio turns Nagle's delay off only then; else each small answer takes 40 ms.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(128)
    except BaseException:
        listener.close()
        raise
    return listener


def server_of(app: ASGIApp, *, tls: ssl.SSLContext | None = None) -> uvicorn.Server:
    """Return a quiet server of `app` that leaves the signals of the process alone.

    It adds no Date of this machine's clock: the world has its own time.
    """
    config = uvicorn.Config(
        app,
        http=_Protocol,
        log_config=None,
        lifespan="off",
        timeout_graceful_shutdown=1,
        server_header=False,
        date_header=False,
    )
    config.load()
    config.ssl = tls
    return _Server(config)


async def listen(app: ASGIApp, *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> tuple[int, Close]:
    """Serve `app` over HTTP, or HTTPS with `tls`; return the port and what stops it.

    Connections are accepted from the moment this returns.
    """
    listener = loopback_socket(host)
    server = server_of(app, tls=tls)
    task = asyncio.create_task(server.serve(sockets=[listener]))

    async def close() -> None:
        server.should_exit = True
        await task
        listener.close()

    return int(listener.getsockname()[1]), close
