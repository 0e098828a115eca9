"""Runs programs of this machine, and waits for things that tell nobody when they happen."""

import subprocess
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

LIMIT_S = 120.0
PAUSE_S = 0.02

Word = str | Path | int


class LabError(Exception):
    """The lab cannot do it; the message says what and why."""


def said(*words: Word, stdin: str | None = None, limit_s: float = LIMIT_S) -> str:
    """Run a program and return what it printed.

    Raises:
        LabError: it failed or did not end in time; its own words are in the message.
    """
    done = tried(*words, stdin=stdin, limit_s=limit_s)
    if done.returncode:
        raise LabError(f"{_shown(words)} ended with {done.returncode}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def tried(*words: Word, stdin: str | None = None, limit_s: float = LIMIT_S) -> "subprocess.CompletedProcess[str]":
    """Run a program and return how it ended, whether well or not.

    Raises:
        LabError: it did not end in time.
    """
    try:
        return subprocess.run(
            [str(word) for word in words],
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
            timeout=limit_s,
            input=stdin or "",
        )
    except subprocess.TimeoutExpired as error:
        raise LabError(f"{_shown(words)} did not end within {limit_s:g} s") from error
    except FileNotFoundError as error:
        raise LabError(f"there is no {words[0]} here") from error


def ip(lines: Iterable[str], *, namespace: str | None = None) -> None:
    """Carry out many lines of the `ip` command in one go.

    Raises:
        LabError: one of them failed; those before it stay done.
    """
    where = ["-n", namespace] if namespace else []
    said("ip", *where, "-batch", "-", stdin="\n".join(lines) + "\n")


def nft(rules: str, *, namespace: str) -> None:
    """Load rules in the language of nft, all of them or none."""
    # -n: names of services and hosts are never looked up
    said("nsenter", f"--net=/run/netns/{namespace}", "nft", "-n", "-f", "-", stdin=rules)


def until(look: Callable[[], bool], *, what: str, limit_s: float, pause_s: float = PAUSE_S) -> None:
    """Wait until `look` is true.

    Raises:
        LabError: it was not, within the limit; the message is `what`.
    """
    never = threading.Event()
    end = time.monotonic() + limit_s
    while not look():
        if time.monotonic() >= end:
            raise LabError(what)
        never.wait(pause_s)


def _shown(words: Iterable[Word]) -> str:
    return " ".join(map(str, words))[:200]
