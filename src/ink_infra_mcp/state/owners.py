"""Which executors live: an OS lock (or a Postgres advisory lock) that a process holds for as long as it runs."""

import contextlib
import fcntl
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from sqlalchemy import Connection, create_engine, make_url, text
from sqlalchemy.exc import SQLAlchemyError

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
    """A session advisory lock for each executor; the database frees it when the connection ends."""

    def __init__(self, url: str, executor: str) -> None:
        self.executor = executor
        self._one_at_a_time = threading.Lock()
        address = make_url(url)
        engine = create_engine(address.set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")
        self._close: Callable[[], None] = engine.dispose
        try:
            self._connection: Connection = engine.connect()
            self._connection.execute(text("select pg_advisory_lock(hashtextextended(:name, 0))"), {"name": executor})
        except SQLAlchemyError as error:
            where = address.render_as_string(hide_password=True)
            words = str(getattr(error, "orig", None) or error).splitlines()[0]
            raise StateUnavailable(
                f"The state store {where} cannot be used: {words}.", next="Check that the database is up."
            ) from error

    def alive(self, executor: str) -> bool:
        """Return whether some session holds the executor's lock."""
        if executor == self.executor:
            return True
        name = {"name": executor}
        with self._one_at_a_time:
            got = self._connection.execute(text("select pg_try_advisory_lock(hashtextextended(:name, 0))"), name)
            free = bool(got.scalar())
            if free:
                self._connection.execute(text("select pg_advisory_unlock(hashtextextended(:name, 0))"), name)
        return not free

    def close(self) -> None:
        """End the session, which frees the lock."""
        self._connection.close()
        self._close()
