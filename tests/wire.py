"""A client written from the protocol's text alone: JSON-RPC lines over a child's standard streams, no SDK."""

import json
import os
import selectors
import subprocess
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

PROTOCOL = "2025-11-25"
CHUNK = 65_536


class WireError(Exception):
    """The server answered with an error, closed its output, or was silent for too long."""


class Wire:
    """One connection. Answers are awaited for `patience_s` seconds; notifications of the server are kept in order."""

    def __init__(self, child: subprocess.Popen[bytes], *, patience_s: float) -> None:
        self._child = child
        self._patience_s = patience_s
        self._unread = b""
        self._last_id = 0
        self.notifications: list[dict[str, Any]] = []

    def request(self, method: str, params: Mapping[str, object] | None = None) -> dict[str, Any]:
        """Send a request and return its result.

        Raises:
            WireError: the server answered with an error, ended, or did not answer in time.
        """
        self._last_id += 1
        self._send({"jsonrpc": "2.0", "id": self._last_id, "method": method, "params": dict(params or {})})
        for message in self._messages():
            if message.get("id") == self._last_id and "method" not in message:
                if "error" in message:
                    raise WireError(f"{method}: {message['error']}")
                return message["result"]
            self.notifications.append(message)
        raise WireError(f"{method}: the server ended without an answer")

    def notify(self, method: str) -> None:
        """Send a notification."""
        self._send({"jsonrpc": "2.0", "method": method})

    def initialize(self) -> dict[str, Any]:
        """Shake hands as a client that can nothing special; return what the server says of itself."""
        client = {"name": "wire", "version": "1"}
        answer = self.request("initialize", {"protocolVersion": PROTOCOL, "capabilities": {}, "clientInfo": client})
        self.notify("notifications/initialized")
        return answer

    def say(self, line: bytes) -> None:
        """Send a line as it is."""
        stdin = _open(self._child.stdin)
        stdin.write(line + b"\n")
        stdin.flush()

    def hear(self) -> dict[str, Any]:
        """Return the next message of the server.

        Raises:
            WireError: the server ended, or said nothing in time.
        """
        for message in self._messages():
            return message
        raise WireError("the server ended")

    def resident_mib(self) -> float:
        """Return how much memory the server has in use (Linux only)."""
        pages = int(Path(f"/proc/{self._child.pid}/statm").read_text(encoding="ascii").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20

    def _send(self, message: Mapping[str, object]) -> None:
        self.say(json.dumps(message).encode())

    def _messages(self) -> Iterator[dict[str, Any]]:
        deadline = time.monotonic() + self._patience_s
        while True:
            line, newline, rest = self._unread.partition(b"\n")
            if newline:
                self._unread = rest
                yield json.loads(line)
                continue
            read = self._read(deadline - time.monotonic())
            if not read:
                return
            self._unread += read

    def _read(self, timeout_s: float) -> bytes:
        stdout = _open(self._child.stdout)
        with selectors.DefaultSelector() as selector:
            selector.register(stdout, selectors.EVENT_READ)
            if not selector.select(max(timeout_s, 0)):
                raise WireError(f"no answer within {self._patience_s} s")
        return os.read(stdout.fileno(), CHUNK)


def _open(stream: IO[bytes] | None) -> IO[bytes]:
    if stream is None:
        raise WireError("the child was started without pipes")
    return stream


@contextmanager
def connect(
    command: Sequence[str], *, environment: Mapping[str, str] | None = None, patience_s: float = 60
) -> Generator[Wire]:
    """Start a server and yield the connection to it; at the end close its input and wait until it has gone."""
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
    try:
        yield Wire(child, patience_s=patience_s)
        child.communicate(timeout=patience_s)
    finally:
        child.kill()
        child.communicate()
