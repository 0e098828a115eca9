"""Listens on a server of the lab on many addresses at once: `listener.py READY 'ADDRESS PORT HOW'...`.

It runs alone on the server, so it imports nothing of ours. READY is a file that is there once all of them listen; it
holds those that could not, each with its reason.
"""

import selectors
import socket
import sys
from pathlib import Path

MPTCP = 262
TRANSPARENT4, TRANSPARENT6 = (socket.SOL_IP, 19), (socket.IPPROTO_IPV6, 75)


def listening(address: str, port: int, how: str) -> socket.socket:
    """Return a socket that listens; `*` is every address of both families at once."""
    six = ":" in address or address == "*"
    family = socket.AF_INET6 if six else socket.AF_INET
    kind = MPTCP if how == "mptcp" else socket.IPPROTO_TCP
    found = socket.socket(family, socket.SOCK_STREAM, kind)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if six:
        found.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(address != "*"))
    if how == "reuse":
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    if how == "device":
        found.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")
    if how == "transparent":
        found.setsockopt(*(TRANSPARENT6 if six else TRANSPARENT4), 1)
    found.bind(("::" if address == "*" else address, port))
    found.listen(64)
    found.setblocking(False)
    return found


def main(ready: str, *wanted: str) -> None:
    """Listen, and hang up on whoever comes."""
    waiting, failed = selectors.DefaultSelector(), list[str]()
    for each in wanted:
        address, port, how = each.split()
        try:
            waiting.register(listening(address, int(port), how), selectors.EVENT_READ)
        except OSError as error:
            failed.append(f"{each}: {error}")
    part = Path(f"{ready}.part")
    part.write_text("\n".join(failed), encoding="utf-8")
    part.rename(ready)
    while True:
        for key, _ in waiting.select():
            caller = key.fileobj
            assert isinstance(caller, socket.socket)
            try:
                caller.accept()[0].close()
            except OSError:
                continue


if __name__ == "__main__":
    main(*sys.argv[1:])
