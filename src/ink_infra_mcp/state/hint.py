"""A cheap look whether operations wait to be taken over or thinned, without importing the database layer."""

import contextlib
import sqlite3
from pathlib import Path

_PREFIX = "sqlite:///"
_RUNS = "select 1 from ink_operations where state = 'running'"
_EXPIRED = "select 1 from ink_approvals where state in ('pending', 'approved') and expires_at <= :now"
_WHOLE = """
    select 1 from ink_operations where state = 'ended' and ended_at < :now - :retention
    and id not in (select id from ink_forgotten)
"""


def may_have_work(url: str, *, now: float, retention_s: float) -> bool:
    """Return whether the store at `url` may hold running operations, or plans that nobody needs any more.

    These are of approvals that have expired by `now` (Unix seconds) and of operations that ended longer than the
    retention ago. Anything that cannot be told is a yes. A SQLite file that does not exist, or whose tables are only
    being made, holds none.
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
            given = {"now": now, "retention": retention_s}
            return any(db.execute(f"{query} limit 1", given).fetchone() for query in (_RUNS, _EXPIRED, _WHOLE))
    except sqlite3.Error:
        return True
