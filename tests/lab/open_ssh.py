"""An SSH connection that is open and not logged in, and whether the server still says something new over it."""

import socket
from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.ground.places import open_from
from tests.lab.ground.site import Site

KEXINIT = 20
"""The message that a server begins its key exchange with, once it has read the client's version (RFC 4253, 7.1)."""
_ANSWERS_WITHIN_S = 30.0


@contextmanager
def open_ssh(site: Site, place: str, address: str) -> Generator[socket.socket]:
    """Give an open connection to sshd of which all that the server has said so far, its version, is read."""
    with open_from(site, place, address, 22) as call:
        version = _exactly(call, 1)
        while not version.endswith(b"\n"):
            version += _exactly(call, 1)
        assert version.startswith(b"SSH-2.0-"), version
        yield call


def goes_on(call: socket.socket) -> bool:
    """Return whether the server begins its key exchange now: packets get through both ways, at this very moment."""
    call.settimeout(_ANSWERS_WITHIN_S)
    call.sendall(b"SSH-2.0-still-there\r\n")
    try:
        # the length of the packet, that of its padding, then the message
        return _exactly(call, 6)[5] == KEXINIT
    except (TimeoutError, ConnectionError):
        return False


def _exactly(call: socket.socket, count: int) -> bytes:
    found = b""
    while len(found) < count:
        more = call.recv(count - len(found))
        if not more:
            raise ConnectionError("the server has closed the connection")
        found += more
    return found
