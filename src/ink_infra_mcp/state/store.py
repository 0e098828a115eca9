"""Opens the state store and runs transactions on it; turns database trouble into StateError."""

import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import anyio.to_thread
from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.engine import URL
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DatabaseError, SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry

from ink_infra_mcp.core.errors import StateCorrupt, StateError, StateUnavailable
from ink_infra_mcp.state import schema

T = TypeVar("T")
_BUSY_S = 15.0
_HUNG_S = 60.0
_PREPARING = 0x1A4C
_CORRUPT = ("not a database", "malformed", "file is encrypted", "disk image")


class Store:
    """One state store. `run` executes a function in one transaction, in a worker thread.

    Every transaction begins as the only writer, waits up to 15 seconds for that, and is on the disk when `run` returns.
    """

    def __init__(self, url: str) -> None:
        self.url = make_url(url)
        self._engine: Engine | None = None
        self._opening = threading.Lock()

    async def run(self, work: Callable[[Connection], T]) -> T:
        """Return what `work` returns, committed; when it raises, nothing of it is kept.

        Raises:
            StateUnavailable: the store cannot be used now. StateCorrupt: what it holds is not ours.
        """
        return await anyio.to_thread.run_sync(self.run_sync, work)

    def run_sync(self, work: Callable[[Connection], T]) -> T:
        """Do the same as `run`, in this thread."""
        try:
            with self._open().begin() as connection:
                return work(connection)
        except (SQLAlchemyError, OSError) as error:
            raise self._told(error) from error

    def close(self) -> None:
        """Close the connections."""
        if self._engine is not None:
            self._engine.dispose()
            self._engine = None

    def _open(self) -> Engine:
        with self._opening:
            if self._engine is None:
                self._engine = _opened(self.url)
            return self._engine

    def _told(self, error: Exception) -> StateError:
        words = str(getattr(error, "orig", None) or error).splitlines()[0]
        where = self.url.render_as_string(hide_password=True)
        if isinstance(error, DatabaseError) and any(mark in words for mark in _CORRUPT):
            return StateCorrupt(
                f"The state store {where} is damaged: {words}.",
                next="Move it away and restore a backup; without it approvals and the audit cannot be trusted.",
            )
        return StateUnavailable(
            f"The state store {where} cannot be used: {words}.",
            next="Check free disk space, permissions and that the database is up. Nothing is changed without an audit.",
        )


def _opened(url: URL) -> Engine:
    sqlite = url.get_backend_name() == "sqlite"
    engine = _sqlite(url) if sqlite else _postgres(url)
    try:
        with engine.begin() as connection:
            _prepare(connection)
    except BaseException:
        engine.dispose()
        raise
    if not sqlite:
        event.listen(engine, "begin", _alone)
    return engine


def _sqlite(url: URL) -> Engine:
    if url.database and url.database != ":memory:":
        _private_file(Path(url.database))
    engine = create_engine(url, connect_args={"timeout": _BUSY_S})

    def on_connect(dbapi: DBAPIConnection, _: ConnectionPoolEntry) -> None:
        # the driver's own transactions begin too late (at the first write) for a check-then-write
        dbapi.isolation_level = None
        cursor = dbapi.cursor()
        cursor.execute("pragma journal_mode = wal")
        cursor.execute("pragma synchronous = full")
        cursor.execute("pragma secure_delete = on")
        cursor.close()

    def on_begin(connection: Connection) -> None:
        connection.exec_driver_sql("begin immediate")

    event.listen(engine, "connect", on_connect)
    event.listen(engine, "begin", on_begin)
    return engine


def _postgres(url: URL) -> Engine:
    engine = create_engine(url.set(drivername="postgresql+psycopg"), pool_pre_ping=True)

    def on_connect(dbapi: DBAPIConnection, _: ConnectionPoolEntry) -> None:
        cursor = dbapi.cursor()
        cursor.execute(f"set lock_timeout = '{_BUSY_S:.0f}s'")
        cursor.execute(f"set idle_in_transaction_session_timeout = '{_HUNG_S:.0f}s'")
        cursor.close()
        dbapi.commit()

    event.listen(engine, "connect", on_connect)
    return engine


def _alone(connection: Connection) -> None:
    # locking the table takes no snapshot, so that what the transaction reads is what the one before it left
    connection.exec_driver_sql("lock table ink_meta in exclusive mode")


def _private_file(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not path.exists():
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, stat.S_IRUSR | stat.S_IWUSR))


def _prepare(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        # tables cannot be locked before they are there
        connection.exec_driver_sql(f"select pg_advisory_xact_lock({_PREPARING})")
    schema.prepare(connection)
