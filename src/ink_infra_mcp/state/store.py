"""Opens the state store and runs transactions on it; turns database trouble into StateError."""

import logging
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
from ink_infra_mcp.state import audit, schema
from ink_infra_mcp.state.witness import WHAT_NEXT, End, Witness

log = logging.getLogger(__name__)
T = TypeVar("T")
_BUSY_S = 15.0
_HUNG_S = 60.0
_PREPARING = 0x1A4C
_CORRUPT = ("not a database", "malformed", "file is encrypted", "disk image")


class Store:
    """One state store. `run` executes a function in one transaction, in a worker thread.

    Every transaction begins as the only writer, waits up to 15 seconds for that, and is on the disk when `run` returns.
    A store whose audit is gone, or shorter than it was, is not opened. Without `checked` it is, to be looked at;
    with `anew` it is made where it is gone.
    """

    def __init__(self, url: str, *, checked: bool = True, anew: bool = False) -> None:
        self.url = make_url(url)
        self.witness = _witness(self.url)
        self._checked = checked
        self._anew = anew
        self._engine: Engine | None = None
        self._opening = threading.Lock()

    async def run(self, work: Callable[[Connection], T]) -> T:
        """Return what `work` returns, committed; when it raises, nothing of it is kept.

        Raises:
            StateUnavailable: the store cannot be used now. StateCorrupt: what it holds is not ours.
        """
        return await anyio.to_thread.run_sync(self.run_sync, work)

    async def look(self, work: Callable[[Connection], T]) -> T:
        """Do the same for what only reads: whoever stops waiting is not kept until a locked store gives way.

        Raises:
            StateError: as for `run`.
        """
        return await anyio.to_thread.run_sync(self.run_sync, work, abandon_on_cancel=True)

    def run_sync(self, work: Callable[[Connection], T]) -> T:
        """Do the same as `run`, in this thread."""
        try:
            with self._open().begin() as connection:
                connection.info.pop(audit.APPENDED, None)
                result = work(connection)
                end: End | None = connection.info.pop(audit.APPENDED, None)
        except (SQLAlchemyError, OSError) as error:
            raise self._told(error) from error
        if end is not None:
            self._remember(end)
        return result

    def remembered(self) -> End | None:
        """Return the end of the audit that is remembered beside the store; None where nothing is.

        Raises:
            StateError: what is remembered cannot be read.
        """
        try:
            return self.witness.read() if self.witness else None
        except OSError as error:
            raise self._told(error) from error

    def missing(self) -> str:
        """Return in a sentence that the store is gone which there was, or nothing.

        Raises:
            StateError: what is remembered of it cannot be read.
        """
        if self.witness is None or self.witness.store.exists() or (end := self.remembered()) is None:
            return ""
        where = self.url.render_as_string(hide_password=True)
        return f"The state store {where} is gone: its audit had {end.seq} lines at least."

    def close(self) -> None:
        """Close the connections."""
        if self._engine is not None:
            self._engine.dispose()
            self._engine = None

    def _open(self) -> Engine:
        with self._opening:
            if self._engine is None:
                self._engine = self._opened()
            return self._engine

    def _opened(self) -> Engine:
        if not self._anew and (why := self.missing()):
            raise StateCorrupt(why, next=WHAT_NEXT)
        remembered = self.remembered() if self._checked else None
        engine = _opened(self.url)
        if self._checked:
            try:
                with engine.begin() as connection:
                    audit.check_end(connection, remembered)
                    end = audit.end_of(connection)
            except BaseException:
                engine.dispose()
                raise
            self._remember(end)
        return engine

    def _remember(self, end: End) -> None:
        """What was written stays written: a file that cannot follow is behind, which is told and harms nothing now."""
        if self.witness is None or end.seq == 0:
            return
        try:
            self.witness.keep(end)
        except (OSError, StateCorrupt) as error:
            log.warning("the end of the audit could not be remembered in %s: %s", self.witness.path, error)

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


def _witness(url: URL) -> Witness | None:
    """A file beside the store; where several machines share a database there is no such place."""
    on_disk = url.get_backend_name() == "sqlite" and url.database and url.database != ":memory:"
    return Witness(Path(url.database)) if on_disk and url.database else None


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
