"""A real pg_dump, pg_restore and psql do what the script that backs Coolify up asks of them."""

import shutil
from collections.abc import Generator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from tests.hosts.factory.backup_factory import DOCKER, FIRST, KEPT, factory, ran
from tests.hosts.pretend_root import Root
from tests.programs import lacking
from tests.state.postgres import Cluster, cluster

ROWS = """
create table migrations (id serial primary key, migration varchar(255) not null, batch integer not null);
create table users (id bigint primary key);
create table servers (id bigint primary key);
create table private_keys (id bigint primary key, private_key text);
create table instance_settings (id bigint primary key);
insert into migrations (migration, batch) values ('2023_03_20_112410_create_users_table', 1);
insert into private_keys values (0, 'eyJpdiI6');
"""
"""The columns that are read, as the migrations of coollabsio/coolify make them (4.3.11)."""


@pytest.fixture(scope="module")
def service() -> Generator[Cluster]:
    """Give the Postgres of Coolify."""
    if shutil.which("pg_dump") is None:
        lacking("initdb")
    with cluster() as running:
        yield running


@pytest.fixture(scope="module")
def throw_away() -> Generator[Cluster]:
    """Give the one that a rehearsal starts."""
    with cluster() as running:
        yield running


def entered(root: Root, service: str, copy: str) -> None:
    """Let Docker lead into both: what the script has run in a container is run, by the machine's own programs."""
    inside = urlsplit(service)
    env = f"PGHOST=127.0.0.1 POSTGRES_USER={inside.username} POSTGRES_DB={inside.path.strip('/')}"
    leads = f"""
    while [ "$1 $2" = "exec -i" ] || [ "$1 $2" = "exec -e" ]; do
      [ "$2" = -i ] || {{ export "$3"; shift; }}
      shift 2
      set -- exec "$@"
    done
    case "$1 $2" in
      'exec coolify-db') shift 2; export {env} PGPORT={inside.port}; exec "$@" ;;
      'exec ink-rehearsal-op-1-db') shift 2; export {env} PGPORT={urlsplit(copy).port}; exec "$@" ;;
    esac
    """
    root.programs({"docker": leads + DOCKER})


def test_what_is_dumped_is_restored_row_by_row(service: Cluster, throw_away: Cluster, tmp_path: Path) -> None:
    """The dump is whole by pg_restore's own list, and the copy has the rows; the database itself is as it was."""
    root, url, copy = factory(tmp_path), service.new_database(), throw_away.new_database()
    with psycopg.connect(url, autocommit=True) as db:
        db.execute(ROWS.encode())
    entered(root, url, copy)
    made, tried = ran(root, "make", "op-1"), ran(root, "rehearse", "op-1", "op-1", "-", "60")
    assert (made.status, made.words, tried.status, tried.words) == (0, "", 0, "")
    for at in (url, copy):
        with psycopg.connect(at) as db:
            assert db.execute("select migration, private_key from migrations, private_keys").fetchall() == [
                (FIRST, "eyJpdiI6")
            ]


def test_a_database_that_is_not_coolifys_is_no_backup(service: Cluster, tmp_path: Path) -> None:
    """pg_dump and pg_restore are content with an empty one."""
    root, url = factory(tmp_path), service.new_database()
    entered(root, url, url)
    said = ran(root, "make", "op-1")
    assert (said.status, said.words.splitlines()[-1]) == (
        3,
        "ink-backup backup_check the dump has no data of the table migrations",
    )


def test_a_copy_that_is_not_empty_is_no_proof(service: Cluster, tmp_path: Path) -> None:
    """pg_restore ends at its first error: what is there already was not restored."""
    root, url = factory(tmp_path), service.new_database()
    with psycopg.connect(url, autocommit=True) as db:
        db.execute(ROWS.encode())
    entered(root, url, url)
    assert ran(root, "make", "op-1").status == 0
    said = ran(root, "rehearse", "op-1", "op-1", "-", "60")
    assert (said.status, said.words.splitlines()[-1]) == (3, "ink-backup rehearsal_restore pg_restore failed")
    assert root.read(f"{KEPT}/last-drill.json") is None
