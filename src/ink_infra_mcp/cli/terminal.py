"""The terminal: whether a person sits there, and how that person is told and asked things."""

import argparse
import getpass
import json
import os
import shutil
import sys
import textwrap
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Protocol

from ink_infra_mcp.core.errors import ApprovalInvalid, InputError
from ink_infra_mcp.core.quoting import WIDTH
from ink_infra_mcp.core.untrusted import clean

NO_PERSON = "Standard input and output must both be a terminal: a person answers here, no program."


class Ask(Protocol):
    """Somebody who can be told and asked things, one after the other."""

    def tell(self, text: str) -> None:
        """Show a text."""
        ...

    def text(self, question: str, *, default: str = "") -> str:
        """Return one line; an empty answer is the default."""
        ...

    def secret(self, question: str) -> str:
        """Return one line that is not shown while it is typed."""
        ...

    def yes(self, question: str, *, default: bool) -> bool:
        """Return whether the answer is yes; an empty answer is the default, and anything unclear is a no."""
        ...


class Terminal:
    """Asks the person at standard input and output.

    Raises:
        InputError: from every question, when the terminal was closed instead of an answer.
    """

    def tell(self, text: str) -> None:
        """Show a text, without anything in it that could steer the terminal."""
        print(shown(text), flush=True)

    def text(self, question: str, *, default: str = "") -> str:
        """Return one line without spaces around it."""
        hint = f" [{default}]" if default else ""
        return _line(f"{shown(question)}{shown(hint)}: ") or default

    def secret(self, question: str) -> str:
        """Return one line that is not echoed."""
        try:
            return getpass.getpass(f"{shown(question)}: ").strip()
        except EOFError:
            raise _closed() from None

    def yes(self, question: str, *, default: bool) -> bool:
        """Return whether the answer is y or yes, in any case."""
        answer = _line(f"{shown(question)} {'[Y/n]' if default else '[y/N]'} ").lower()
        return answer in {"y", "yes"} if answer else default


def has_person() -> bool:
    """Return whether standard input and standard output are both a terminal."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def decide_in_person() -> None:
    """Do nothing when a person sits here: a model that has a shell must not be able to pipe an answer in.

    Raises:
        ApprovalInvalid: no person can be asked.
    """
    if not has_person():
        raise ApprovalInvalid(
            f"This decision is a person's. {NO_PERSON}",
            done="Nothing was decided, and nothing was changed.",
            next="Run the same command in a terminal of your own.",
        )


def in_words(arguments: argparse.Namespace) -> None:
    """Do nothing when no JSON was asked for: what a person decides is talked about in words.

    Raises:
        InputError: --json was given.
    """
    if arguments.json:
        what = f"`{arguments.command} {arguments.action}`"
        raise InputError(f"{what} talks with a person, and prints no JSON.", next="Leave --json out.")


def print_json(value: object) -> None:
    """Print one JSON document; it ends quietly when whoever reads it goes away."""
    with readable():
        print(json.dumps(value, indent=2, ensure_ascii=False))


def wide_enough() -> None:
    """Do nothing when the terminal shows a row of a plan as one row: a narrower one would break it where a text wants.

    Raises:
        ApprovalInvalid: it is too narrow.
    """
    columns = shutil.get_terminal_size(fallback=(WIDTH, 0)).columns
    if columns < WIDTH:
        raise ApprovalInvalid(
            f"This terminal shows {columns} columns, and the rows of a plan have {WIDTH}.",
            done="Nothing was decided, and nothing was changed.",
            next="Make the window wider, and run the same command again.",
        )


def operator() -> str:
    """Return the name of the user that runs this process, as the system and not the environment says it."""
    try:
        import pwd

        return pwd.getpwuid(os.getuid()).pw_name
    except ImportError:
        return getpass.getuser()
    except KeyError:
        return f"uid {os.getuid()}"


def shown(text: str) -> str:
    """Return all of the text, without control and colour, the unseen written out: it may hold words from outside."""
    return clean(text, limit=None)


def wrapped(text: str) -> str:
    """Return the text broken at words for the width of the terminal that standard error is; else as it is."""
    if not sys.stderr.isatty():
        return text
    width = max(20, shutil.get_terminal_size().columns)
    return "\n".join(_folded(line, width) for line in text.split("\n"))


def _folded(line: str, width: int) -> str:
    return textwrap.fill(line, width, break_long_words=False, break_on_hyphens=False) or line


def columns(rows: Sequence[Sequence[str]]) -> str:
    """Return the rows as lines, with columns that are as wide as their longest cell."""
    cells = [[_cell(text) for text in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join(_padded(row, widths) for row in cells)


def _cell(text: str) -> str:
    return shown(" ".join(text.split()))


def _padded(row: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def when(unix_s: float | None) -> str:
    """Return a Unix time as ISO 8601 in UTC to the second, or a dash."""
    return datetime.fromtimestamp(unix_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if unix_s is not None else "-"


@contextmanager
def readable() -> Generator[None]:
    """End quietly when whoever reads our output goes away, as `head` does."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        # what is still buffered would raise once more when Python ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _line(prompt: str) -> str:
    try:
        return input(prompt).strip()
    except EOFError:
        raise _closed() from None


def _closed() -> InputError:
    return InputError("The terminal was closed before the question was answered.", next="Start again.")
