"""Serves an emulator on a loopback port that the system chooses, inside the running event loop."""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp

Close = Callable[[], Awaitable[None]]


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


async def listen(app: ASGIApp, *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> tuple[int, Close]:
    """Serve `app` over HTTP, or HTTPS with `tls`; return the port and what stops it.

    Connections are accepted from the moment this returns.
    """
    listener = loopback_socket(host)
    config = uvicorn.Config(app, log_config=None, lifespan="off", timeout_graceful_shutdown=1)
    config.load()
    config.ssl = tls
    server = _Server(config)
    task = asyncio.create_task(server.serve(sockets=[listener]))

    async def close() -> None:
        server.should_exit = True
        await task
        listener.close()

    return int(listener.getsockname()[1]), close
