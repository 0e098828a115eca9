"""Lets a state store refuse single kinds of rows, in the words that a full disk has for it."""

import sqlite3
from contextlib import closing
from pathlib import Path

STORE = "state.sqlite3"
FULL = "begin select raise(abort, 'database or disk is full'); end"


def refuse_lines(folder: Path, event: str) -> None:
    """Let the audit in `folder` take no line of that kind."""
    _run(folder, f"create trigger full before insert on ink_audit when new.event = '{event}' {FULL}")


def refuse_unlocking(folder: Path) -> None:
    """Let no lock in `folder` be freed."""
    _run(folder, f"create trigger stuck before delete on ink_locks {FULL}")


def accept_lines(folder: Path) -> None:
    """Let the store in `folder` take everything again."""
    _run(folder, "drop trigger if exists full")
    _run(folder, "drop trigger if exists stuck")


def _run(folder: Path, sql: str) -> None:
    with closing(sqlite3.connect(folder / STORE)) as db:
        db.execute(sql)
