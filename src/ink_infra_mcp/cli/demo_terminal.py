"""The demo's second window: a terminal at which the real `approve` shows a plan whole and takes a person's answer."""

import os
import select
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass

PATIENCE_S = 30.0
_SIT_DOWN = "import os, sys; os.login_tty(0); os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
"""`approve` wants a terminal: this process makes the pseudo-terminal that it is given its own."""


@dataclass(frozen=True, slots=True)
class Window:
    """What the terminal showed, to the last line, and whether the plan was approved there."""

    seen: str
    approved: bool


def in_person(approval: str, environment: Mapping[str, str]) -> Window:
    """Let the person at this terminal decide: what is shown there is not seen here."""
    ended = subprocess.run(_words(approval), env=dict(environment), check=False)  # noqa: S603 - our own words
    return Window("", approved=ended.returncode == 0)


def by_script(approval: str, environment: Mapping[str, str], *, typed: str) -> Window:
    """Open a pseudo-terminal, and type the words once `approve` asks for them there."""
    ours, theirs = os.openpty()
    words = [sys.executable, "-c", _SIT_DOWN, *_words(approval)[1:]]
    process = subprocess.Popen(  # noqa: S603 - our own words
        words, stdin=theirs, stdout=theirs, stderr=theirs, env={**environment, "COLUMNS": "80"}
    )
    os.close(theirs)
    try:
        seen = _talk(ours, typed)
        return Window(seen, approved=process.wait(PATIENCE_S) == 0)
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def _words(approval: str) -> list[str]:
    return [sys.executable, "-m", "ink_infra_mcp", "approve", approval, "--sandbox"]


def _talk(terminal: int, typed: str) -> str:
    """Return all that was shown until the command ended or fell silent."""
    seen, waiting, end = b"", True, time.monotonic() + PATIENCE_S
    while (data := _read(terminal, end - time.monotonic())) is not None:
        seen += data
        if waiting and f"To approve, type {typed}".encode() in seen:
            os.write(terminal, f"{typed}\n".encode())
            waiting = False
    return seen.decode(errors="replace").replace("\r\n", "\n")


def _read(terminal: int, within_s: float) -> bytes | None:
    ready, _, _ = select.select([terminal], [], [], max(0.0, within_s))
    try:
        return (os.read(terminal, 65_536) or None) if ready else None
    except OSError:  # Linux says so when nobody has the other side open any more
        return None
