"""Standard input that can be ended from within: a thread that waits for a read cannot be interrupted."""

import fcntl
import os
import select
import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import BinaryIO

_STDIN = 0
_CHUNK = 65_536


@contextmanager
def endable_input(first: bytes = b"") -> Generator["EndableInput"]:
    """Hand on `first`, then what comes in at standard input, through a pipe, while standard input itself is empty.

    So a child, or whatever else reads standard input, finds its end there and takes nothing of the client's.
    """
    outer = fcntl.fcntl(_STDIN, fcntl.F_DUPFD_CLOEXEC, 3)
    empty = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    os.dup2(empty, _STDIN)
    os.close(empty)
    reads, writes = os.pipe()
    hand = EndableInput(outer, writes, os.fdopen(reads, "rb"), first)
    try:
        yield hand
    finally:
        hand.end()
        hand.join()
        hand.stream.close()
        os.dup2(outer, _STDIN)
        os.close(outer)


class EndableInput:
    """Hands on `first` and what comes in at `outer` to the pipe `inner`, until either side or `end` ends it.

    `stream` reads it.
    """

    def __init__(self, outer: int, inner: int, stream: BinaryIO, first: bytes = b"") -> None:
        self.stream = stream
        self._outer = outer
        self._inner = inner
        self._first = first
        self._woken, self._wake = os.pipe()
        os.set_blocking(inner, False)
        self._thread = threading.Thread(target=self._hand_on, name="standard input", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Let the reader come to its end now."""
        os.write(self._wake, b".")

    def join(self) -> None:
        """Return when nothing is handed on any more."""
        self._thread.join()
        os.close(self._woken)
        os.close(self._wake)

    def _hand_on(self) -> None:
        try:
            whole = self._handed_on(self._first)
            while whole and self._may_read() and (chunk := os.read(self._outer, _CHUNK)):
                whole = self._handed_on(chunk)
        except OSError:
            # a terminal that was hung up, or a reader that has gone: both are an end
            return
        finally:
            os.close(self._inner)

    def _handed_on(self, chunk: bytes) -> bool:
        while chunk and self._may_write():
            chunk = chunk[os.write(self._inner, chunk) :]
        return not chunk

    def _may_read(self) -> bool:
        ready, _, _ = select.select([self._outer, self._woken], [], [])
        return self._woken not in ready

    def _may_write(self) -> bool:
        woken, _, _ = select.select([self._woken], [self._inner], [])
        return not woken
