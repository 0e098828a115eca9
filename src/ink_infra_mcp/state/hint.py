"""A cheap look whether operations may be waiting to be taken over, without importing the database layer."""

import contextlib
import sqlite3
from pathlib import Path

_PREFIX = "sqlite:///"


def may_have_running(url: str) -> bool:
    """Return whether the store at `url` may hold running operations; anything that cannot be told is a yes.

    A SQLite file that does not exist, or whose tables are only being made, holds none.
    """
    if not url.startswith(_PREFIX):
        return True
    path = Path(url.removeprefix(_PREFIX))
    if not path.exists():
        return False
    try:
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=2)) as db:
            if db.execute("select 1 from sqlite_master where name = 'ink_operations'").fetchone() is None:
                return False
            return db.execute("select 1 from ink_operations where state = 'running' limit 1").fetchone() is not None
    except sqlite3.Error:
        return True
