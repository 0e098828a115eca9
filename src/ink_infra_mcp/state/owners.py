"""Which executors live: an OS lock (or a Postgres advisory lock) that a process holds for as long as it runs."""

import contextlib
import errno
import fcntl
import os
import threading
import time
from pathlib import Path
from typing import Protocol

from sqlalchemy import Connection, create_engine, make_url, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from ink_infra_mcp.core.errors import StateUnavailable

_FOLDER = "owners"
_TRIES = 50
_PAUSE_S = 0.01


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


def owners_of(url: str, executor: str) -> Owners:
    """Return who lives on the state store at `url`, and make `executor` one of them.

    Lock files lie beside an SQLite store: whoever opens the store finds them, whatever else is configured.

    Raises:
        StateUnavailable: that cannot be found out.
    """
    address = make_url(url)
    if address.get_backend_name() == "sqlite":
        return FileOwners(Path(address.database or "").parent / _FOLDER, executor)
    return PostgresOwners(url, executor)


class FileOwners:
    """One locked file for each executor in a folder; the kernel frees the lock when the process ends.

    A killed process leaves its file: whoever comes next removes those whose lock nobody holds.
    """

    def __init__(self, folder: Path, executor: str) -> None:
        self.executor = executor
        self._folder = folder
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._file = self._lock_own()
            self._sweep()
        except OSError as error:
            raise self._told(error) from error

    def alive(self, executor: str) -> bool:
        """Return whether the executor's file is locked by a living process.

        Raises:
            StateUnavailable: the file is there and cannot be looked at.
        """
        if executor == self.executor:
            return True
        try:
            file = os.open(self._path(executor), os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise self._told(error) from error
        try:
            return not _locked(file)
        finally:
            os.close(file)

    def close(self) -> None:
        """Free the lock and remove the file."""
        with contextlib.suppress(FileNotFoundError):
            self._path(self.executor).unlink()
        os.close(self._file)

    def _lock_own(self) -> int:
        """Another process may look at the new file, or sweep it away, before it is locked: then it is made anew."""
        for _ in range(_TRIES):
            file = os.open(self._path(self.executor), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            if _locked(file) and _is_at(file, self._path(self.executor)):
                return file
            os.close(file)
            time.sleep(_PAUSE_S)
        raise BlockingIOError(errno.EWOULDBLOCK, f"{self.executor} is in use")

    def _sweep(self) -> None:
        for path in self._folder.glob("*.lock"):
            if path != self._path(self.executor):
                with contextlib.suppress(FileNotFoundError, PermissionError):
                    _remove_if_free(path)

    def _told(self, error: OSError) -> StateUnavailable:
        return StateUnavailable(
            f"The state folder {self._folder} cannot be used: {error.strerror}.",
            next="Check free disk space and permissions of the state folder.",
        )

    def _path(self, executor: str) -> Path:
        return self._folder / f"{executor}.lock"


def _locked(file: int) -> bool:
    """Return whether the lock of the open file is now ours."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_at(file: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except FileNotFoundError:
        return False


def _remove_if_free(path: Path) -> None:
    """Remove a lock file that no process holds; it is held here while it goes, so that nobody can take it meanwhile."""
    file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        if _locked(file) and _is_at(file, path):
            path.unlink()
    finally:
        os.close(file)


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
