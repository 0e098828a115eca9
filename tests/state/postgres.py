"""A PostgreSQL server of the test's own: a new cluster in a temporary folder, on a loopback port."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

from tests.programs import lacking

DEBIAN = Path("/usr/lib/postgresql")
USER = "ink"
QUICK = "-c fsync=off -c full_page_writes=off -c synchronous_commit=off -c unix_socket_directories="


@dataclass(slots=True)
class Cluster:
    """A running server. `new_database` makes an empty one and returns its address."""

    port: int
    made: int = 0

    def new_database(self) -> str:
        """Return the address of a new database."""
        self.made += 1
        name = f"ink{self.made}"
        with psycopg.connect(self._url("postgres"), autocommit=True) as db:
            db.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
        return self._url(name)

    def _url(self, database: str) -> str:
        return f"postgresql://{USER}@127.0.0.1:{self.port}/{database}"


@contextmanager
def cluster() -> Generator[Cluster]:
    """Give a running server; skips the test where PostgreSQL is not installed."""
    programs = _programs()
    if programs is None:
        lacking("initdb")
    owner = _owner()
    folder = Path(tempfile.mkdtemp(prefix="ink-postgres-"))
    port = _free_port()
    try:
        if owner:
            shutil.chown(folder, owner)
        data = folder / "data"
        _run(owner, programs / "initdb", "-D", data, "-U", USER, "-A", "trust", "-E", "UTF8", "--no-sync")
        options = f"{QUICK} -h 127.0.0.1 -p {port}"
        _run(
            owner,
            programs / "pg_ctl",
            "start",
            "-w",
            "-D",
            data,
            "-l",
            folder / "log",
            "-o",
            options,
            log=folder / "log",
        )
        try:
            yield Cluster(port)
        finally:
            _run(owner, programs / "pg_ctl", "stop", "-w", "-m", "immediate", "-D", data)
    finally:
        shutil.rmtree(folder)


def _programs() -> Path | None:
    found = shutil.which("initdb")
    folders = sorted((path.parent for path in DEBIAN.glob("*/bin/initdb")), reverse=True)
    here = [Path(found).resolve().parent] if found else []
    return next((folder for folder in [*here, *folders] if (folder / "pg_ctl").exists()), None)


def _owner() -> str | None:
    """The server refuses to run as root, so that root lends it another user."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def _run(user: str | None, *words: str | Path, log: Path | None = None) -> None:
    done = subprocess.run(
        [str(word) for word in words],
        user=user,
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{log.read_text('utf-8') if log and log.exists() else ''}"


def _free_port() -> int:
    """One that the system gives to nobody who asks for any: the server binds it a second after this look."""
    first = 20_000 + os.getpid() % 10_000
    return next(port for port in range(first, first + 1_000) if _is_free(port))


def _is_free(port: int) -> bool:
    with socket.socket() as server:
        return server.connect_ex(("127.0.0.1", port)) != 0
