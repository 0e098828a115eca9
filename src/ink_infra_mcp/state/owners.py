"""Which executors live: an OS lock (or a Postgres advisory lock) that a process holds for as long as it runs."""

import contextlib
import fcntl
import os
import threading
from pathlib import Path
from typing import Protocol

from sqlalchemy import Connection, create_engine, make_url, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from ink_infra_mcp.core.errors import StateUnavailable


class Owners(Protocol):
    """Proves that this executor lives, and tells whether another one does."""

    @property
    def executor(self) -> str:
        """Return this process's executor id."""
        ...

    def alive(self, executor: str) -> bool:
        """Return whether a process holds the lock of `executor`; a dead process holds nothing."""
        ...

    def close(self) -> None:
        """Let go of the lock."""
        ...


class FileOwners:
    """One locked file for each executor in `<state folder>/owners`; the kernel frees it when the process ends."""

    def __init__(self, folder: Path, executor: str) -> None:
        self.executor = executor
        self._folder = folder
        self._file = self._lock_own()

    def alive(self, executor: str) -> bool:
        """Return whether the executor's file is locked by a living process."""
        if executor == self.executor:
            return True
        try:
            file = os.open(self._path(executor), os.O_RDWR)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(file)
        return False

    def close(self) -> None:
        """Free the lock and remove the file."""
        with contextlib.suppress(FileNotFoundError):
            self._path(self.executor).unlink()
        os.close(self._file)

    def _lock_own(self) -> int:
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            file = os.open(self._path(self.executor), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise StateUnavailable(
                f"The state folder {self._folder} cannot be used: {error.strerror}.",
                next="Check free disk space and permissions of the state folder.",
            ) from error
        return file

    def _path(self, executor: str) -> Path:
        return self._folder / f"{executor}.lock"


class PostgresOwners:
    """A session advisory lock for each executor; the database frees it when the connection ends.

    A connection that broke is made anew, with the lock: until then others take this executor for dead.
    """

    def __init__(self, url: str, executor: str) -> None:
        self.executor = executor
        self._one_at_a_time = threading.Lock()
        self._address = make_url(url)
        self._engine = create_engine(
            self._address.set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT", poolclass=NullPool
        )
        self._connection: Connection | None = None
        self.alive(executor)

    def alive(self, executor: str) -> bool:
        """Return whether some session holds the executor's lock; asked for its own, it sees to that.

        Raises:
            StateUnavailable: the database cannot be asked.
        """
        with self._one_at_a_time:
            if executor == self.executor:
                return bool(self._ask("select true", executor))
            free = bool(self._ask(_TRY, executor))
            if free:
                self._ask(_UNLOCK, executor)
        return not free

    def close(self) -> None:
        """End the session, which frees the lock."""
        self._drop()
        self._engine.dispose()

    def _ask(self, sentence: str, executor: str) -> object:
        """Ask once, and once more on a new session when the old one turns out to be gone."""
        if self._connection is not None:
            try:
                return self._connection.execute(text(sentence), {"name": executor}).scalar()
            except SQLAlchemyError:
                self._drop()
        try:
            self._connection = self._engine.connect()
            self._connection.execute(text(_PATIENCE))
            self._connection.execute(text(_LOCK), {"name": self.executor})
            return self._connection.execute(text(sentence), {"name": executor}).scalar()
        except SQLAlchemyError as error:
            self._drop()
            raise self._told(error) from error

    def _drop(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(SQLAlchemyError):
                self._connection.close()
            self._connection = None

    def _told(self, error: SQLAlchemyError) -> StateUnavailable:
        where = self._address.render_as_string(hide_password=True)
        words = str(getattr(error, "orig", None) or error).splitlines()[0]
        return StateUnavailable(
            f"The state store {where} cannot be used: {words}.", next="Check that the database is up."
        )


_PATIENCE = "set lock_timeout = '5s'"
_LOCK = "select pg_advisory_lock(hashtextextended(:name, 0))"
_TRY = "select pg_try_advisory_lock(hashtextextended(:name, 0))"
_UNLOCK = "select pg_advisory_unlock(hashtextextended(:name, 0))"
