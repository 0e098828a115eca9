"""A proxy for HTTPS that leads the fixed address of a client to a loopback port: nothing of the client is changed."""

import selectors
import socket
import socketserver
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress

from ink_infra_mcp.sandbox.listen import loopback_socket

QUIET_S = 30
CHUNK = 65_536


@contextmanager
def proxy(places: Mapping[str, int]) -> Generator[str]:
    """Give the address of a proxy that connects `host:port` to a loopback port, and to nothing that is not in `places`.

    So a client that reads `https_proxy`, as Ansible does, never reaches the vendor, whom it would not trust either.
    """
    listener = loopback_socket()
    with socketserver.ThreadingTCPServer(listener.getsockname(), _handler(places), bind_and_activate=False) as server:
        server.socket.close()
        server.socket, server.daemon_threads = listener, True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.shutdown()
            thread.join(timeout=5)


def _handler(places: Mapping[str, int]) -> type[socketserver.StreamRequestHandler]:
    class Handler(socketserver.StreamRequestHandler):
        rbufsize = 0

        def handle(self) -> None:
            method, wanted, *_ = self.rfile.readline().decode().split()
            while self.rfile.readline().strip():
                pass
            if method != "CONNECT" or wanted not in places:
                self.wfile.write(b"HTTP/1.1 403 Not In The Sandbox\r\nContent-Length: 0\r\n\r\n")
                return
            with socket.create_connection(("127.0.0.1", places[wanted]), timeout=QUIET_S) as far:
                self.wfile.write(b"HTTP/1.1 200 Connected\r\n\r\n")
                # a client that has its answer may break its connection
                with suppress(ConnectionError):
                    _join(self.connection, far)

    return Handler


def _join(near: socket.socket, far: socket.socket) -> None:
    """Carry bytes both ways until one side ends, or nothing has come for a while."""
    with selectors.DefaultSelector() as waiting:
        waiting.register(near, selectors.EVENT_READ, (near, far))
        waiting.register(far, selectors.EVENT_READ, (far, near))
        while ready := waiting.select(QUIET_S):
            for key, _ in ready:
                source, target = key.data
                data = source.recv(CHUNK)
                if not data:
                    return
                target.sendall(data)
