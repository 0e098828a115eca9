"""A state store with all its tables, ours and the engine's: made once in a process, and copied for each test."""

import tempfile
from contextlib import closing
from functools import cache
from pathlib import Path

from dbos import run_dbos_database_migrations

from ink_infra_mcp.state.store import Store


def place_store(file: Path) -> None:
    """Put an empty store there, for its owner only, unless there is one."""
    if not file.exists():
        file.touch(mode=0o600)
        file.write_bytes(_empty_store())


@cache
def _empty_store() -> bytes:
    """Return what the product and its engine make of no file; how they do that, tests of the store and engine see."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "state.sqlite3"
        url = f"sqlite:///{file}"
        with closing(Store(url)) as store:
            store.run_sync(lambda _: None)
        run_dbos_database_migrations(url)
        return file.read_bytes()
