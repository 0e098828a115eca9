"""Doors here that lead into the lab from a client on the internet: what goes in at one comes out in its place there."""

import http.client
import socketserver
import ssl
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from socket import SHUT_WR, create_connection, socket
from typing import cast

from tests.lab.ground.places import OUTSIDE, open_from
from tests.lab.ground.site import Site

LOOPBACK = "127.0.0.1"
IDLE_S = 60.0
_CHUNK = 65_536
At = tuple[str, int]


class _Door(socketserver.ThreadingTCPServer):
    daemon_threads = True
    # a test that fails leaves no thread to wait for
    block_on_close = False

    def __init__(self, site: Site, there: At) -> None:
        self.site, self.there = site, there
        super().__init__((LOOPBACK, 0), _Passage)


class _Passage(socketserver.BaseRequestHandler):
    """One connection; where nobody answers there, it is closed here."""

    def handle(self) -> None:
        """Pass on what comes, both ways, until both ends have said all."""
        door, here = cast(_Door, self.server), cast(socket, self.request)
        with suppress(OSError), open_from(door.site, OUTSIDE, *door.there) as there:
            for end in (here, there):
                end.settimeout(IDLE_S)
            back = threading.Thread(target=_pass_on, args=(there, here), daemon=True)
            back.start()
            _pass_on(here, there)
            back.join()


def _pass_on(source: socket, target: socket) -> None:
    with suppress(OSError):
        while chunk := source.recv(_CHUNK):
            target.sendall(chunk)
        target.shutdown(SHUT_WR)


@contextmanager
def from_outside(site: Site, ways: Mapping[At, At]) -> Generator[dict[At, At]]:
    """Give for each address and port the door here; each leads to what `ways` says, as a client outside reaches it."""
    doors = {at: _Door(site, there) for at, there in ways.items()}
    for door in doors.values():
        threading.Thread(target=door.serve_forever, daemon=True).start()
    try:
        yield {at: (LOOPBACK, door.server_address[1]) for at, door in doors.items()}
    finally:
        for door in doors.values():
            door.shutdown()
            door.server_close()


def visit(door: At, host: str, *, authority: str, path: str = "/") -> tuple[int, str]:
    """Return what a browser gets over HTTPS that trusts `authority` and goes in at a door here: status and text.

    Raises:
        OSError: there is no answer, or the certificate is not to be trusted.
    """
    trust = ssl.create_default_context(cadata=authority)
    with create_connection(door, IDLE_S) as plain, trust.wrap_socket(plain, server_hostname=host) as safe:
        safe.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        answer = http.client.HTTPResponse(safe)
        answer.begin()
        return answer.status, answer.read().decode(errors="replace")
