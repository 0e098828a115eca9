"""The proxy that leads a client to the sandbox leads nowhere else: no test can reach a vendor by it."""

import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest

from ink_infra_mcp.sandbox.listen import loopback_socket
from tests.vendor_clients.proxy import proxy

PATIENCE_S = 30


@contextmanager
def echo() -> Generator[int]:
    """Give the port of a server that says to one caller what it heard."""
    listener = loopback_socket()
    listener.settimeout(PATIENCE_S)

    def serve() -> None:
        near, _ = listener.accept()
        with near:
            near.sendall(near.recv(100))

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        thread.join(timeout=PATIENCE_S)
        listener.close()


@contextmanager
def asked(address: str, line: str) -> Generator[socket.socket]:
    """Give a connection to the proxy that has asked for something."""
    at = urlsplit(address)
    with socket.create_connection((str(at.hostname), at.port or 0), timeout=PATIENCE_S) as near:
        near.sendall(f"{line} HTTP/1.1\r\nHost: vendor.example.com\r\n\r\n".encode())
        yield near


def test_what_is_listed_is_led_to_this_machine() -> None:
    """Bytes go to the port that stands for the vendor's address, and come back."""
    with (
        echo() as port,
        proxy({"vendor.example.com:443": port}) as address,
        asked(address, "CONNECT vendor.example.com:443") as near,
    ):
        assert near.recv(100).startswith(b"HTTP/1.1 200 ")
        near.sendall(b"hello")
        assert near.recv(100) == b"hello"


@pytest.mark.parametrize(
    "line",
    ["CONNECT vendor.example.com:80", "CONNECT other.example.com:443", "GET http://vendor.example.com:443/"],
)
def test_nothing_else_is_connected(line: str) -> None:
    """Another port, another name, or a request without a tunnel is refused."""
    with proxy({"vendor.example.com:443": 1}) as address, asked(address, line) as near:
        assert near.recv(100).startswith(b"HTTP/1.1 403 ")
