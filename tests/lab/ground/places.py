"""The places that a connection to a server can come from, and what a TCP connection from there meets."""

import ctypes
import errno
import os
import socket
import threading
from pathlib import Path
from typing import Literal

from tests.lab.ground.commands import LabError
from tests.lab.ground.network import NAMESPACES
from tests.lab.ground.site import Site

ADMIN, OUTSIDE = "admin", "outside"
"""This machine, and a client on the internet; every other place is a server's name."""
Met = Literal["open", "refused", "silent", "unreachable"]

_CLONE_NEWNET = 0x40000000
_MEANINGS: dict[int, Met] = {
    errno.ECONNREFUSED: "refused",
    # it was there, and its other end broke it off before anybody looked (tcp_reset of Linux)
    errno.ECONNRESET: "open",
    errno.EPIPE: "open",
    errno.EHOSTUNREACH: "unreachable",
    errno.ENETUNREACH: "unreachable",
    # an address that the host answers with "administratively prohibited"
    errno.EACCES: "unreachable",
}


def socket_in(namespace: Path, family: socket.AddressFamily, kind: socket.SocketKind) -> socket.socket:
    """Return a socket of another network namespace: one belongs for good to the namespace of the thread that made it.

    Raises:
        LabError: there is no such namespace.
    """
    made: list[socket.socket] = []
    failed: list[OSError] = []

    def make() -> None:
        try:
            with namespace.open("rb") as handle:
                if ctypes.CDLL(None, use_errno=True).setns(handle.fileno(), _CLONE_NEWNET):
                    raise OSError(ctypes.get_errno(), "setns")
            made.append(socket.socket(family, kind))
        except OSError as error:
            failed.append(error)

    # a thread of its own, which ends at once: nothing else ever runs in the other namespace
    thread = threading.Thread(target=make)
    thread.start()
    thread.join()
    if failed:
        raise LabError(f"no socket in {namespace}: {failed[0]}") from failed[0]
    return made[0]


def open_from(site: Site, place: str, address: str, port: int, *, limit_s: float = 2.0) -> socket.socket:
    """Return an open TCP connection from a place to an address.

    Raises:
        OSError: there is none; TimeoutError where nobody answered.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    caller = socket_at(site, place, family)
    try:
        caller.settimeout(limit_s)
        caller.connect((address, port))
    except OSError:
        caller.close()
        raise
    return caller


def connect_from(site: Site, place: str, address: str, port: int, *, limit_s: float = 1.0) -> Met:
    """Return what a TCP connection from a place to an address meets; silence of `limit_s` seconds is `silent`."""
    try:
        open_from(site, place, address, port, limit_s=limit_s).close()
    except TimeoutError:
        return "silent"
    except OSError as error:
        return met_by(error)
    return "open"


def met_by(error: OSError) -> Met:
    """Return what a connection met that failed with an error of the system.

    Raises:
        LabError: it is none that a network gives.
    """
    if found := _MEANINGS.get(error.errno or 0):
        return found
    if error.errno == errno.ETIMEDOUT:
        return "silent"
    raise LabError(f"a connection met {os.strerror(error.errno or 0)}") from error


def socket_at(site: Site, place: str, family: socket.AddressFamily) -> socket.socket:
    """Return a TCP socket of a place.

    Raises:
        LabError: there is no such place.
    """
    if place == ADMIN:
        return socket.socket(family, socket.SOCK_STREAM)
    namespace = site.internet if place == OUTSIDE else site.namespace(place)
    return socket_in(NAMESPACES / namespace, family, socket.SOCK_STREAM)
