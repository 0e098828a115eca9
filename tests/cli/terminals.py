"""Runs our command line in a process of its own, with pipes or at a pseudo-terminal."""

import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from ink_infra_mcp.cli import parser

MODULE = ("-m", "ink_infra_mcp")
PATIENCE_S = 45.0
_AT_TERMINAL = "import os, sys; os.login_tty(0); os.execv(sys.argv[1], sys.argv[1:])"


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended, and what it said."""

    status: int
    out: str
    err: str


def command(
    *words: str, stdin: str = "", environ: dict[str, str] | None = None, module: Sequence[str] = MODULE
) -> Ended:
    """Run a command with pipes in place of a terminal."""
    ended = subprocess.run(
        [sys.executable, *module, *words],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        env={**os.environ, **(environ or {})},
        check=False,
    )
    return Ended(ended.returncode, ended.stdout, ended.stderr)


def inside(capsys: pytest.CaptureFixture[str], *words: str) -> Ended:
    """Run a command in this process, where there is no terminal either; it is faster than `command`."""
    try:
        status = parser.run(words)
    except SystemExit as wrong:
        status = int(wrong.code or 0)
    captured = capsys.readouterr()
    return Ended(status, captured.out, captured.err)


class AtTerminal:
    """A command whose standard streams are all one terminal; what a person would see is in `seen`."""

    def __init__(self, process: subprocess.Popen[bytes], terminal: int) -> None:
        self._process = process
        self._terminal = terminal
        self._from = 0
        self.seen = ""

    def expect(self, words: str) -> None:
        """Wait until the words appear after what was expected before."""
        deadline = time.monotonic() + PATIENCE_S
        while words not in self.seen[self._from :]:
            assert self._read(deadline), f"the command ended without {words!r}:\n{self.seen}"
        self._from = self.seen.index(words, self._from) + len(words)

    def type(self, line: str) -> None:
        """Type a line, and the enter key."""
        os.write(self._terminal, f"{line}\n".encode())

    def end(self) -> int:
        """Return the exit status, when everything was said."""
        deadline = time.monotonic() + PATIENCE_S
        while self._read(deadline):
            pass
        return self._process.wait(PATIENCE_S)

    def _read(self, deadline: float) -> bool:
        ready, _, _ = select.select([self._terminal], [], [], max(0.0, deadline - time.monotonic()))
        assert ready, f"nothing more was said within {PATIENCE_S} s:\n{self.seen}"
        try:
            data = os.read(self._terminal, 65_536)
        except OSError:  # Linux says so when nobody has the other side open any more
            return False
        self.seen += data.decode().replace("\r\n", "\n")
        return bool(data)


@contextmanager
def at_terminal(
    *words: str, environ: dict[str, str] | None = None, program: Sequence[str] = (sys.executable, *MODULE)
) -> Generator[AtTerminal]:
    """Give a command, or another program, that runs at a terminal of its own."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", _AT_TERMINAL, *program, *words],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, **(environ or {})},
    )
    os.close(theirs)
    try:
        yield AtTerminal(process, ours)
    finally:
        process.kill()
        process.wait()
        os.close(ours)
