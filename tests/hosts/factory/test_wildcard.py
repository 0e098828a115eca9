"""The statement for Coolify's database does to a real PostgreSQL, by a real psql, what its handler promises."""

import os
import shutil
import subprocess
from collections.abc import Generator
from dataclasses import dataclass
from urllib.parse import urlsplit

import psycopg
import pytest

from ink_infra_mcp.hosts.factory.steps import wildcard_command
from tests.programs import lacking
from tests.state.postgres import Cluster, cluster

SERVER, OTHER, GONE = "s0server0server0server00", "s1server1server1server11", "s2server2server2server22"
WANTED = "https://s1.example.com"
TABLES = """
create table servers (id bigint primary key, uuid varchar(255) not null unique, deleted_at timestamp(0));
create table server_settings (
    id bigint primary key, server_id bigint not null, wildcard_domain varchar(255), updated_at timestamp(0)
);
insert into servers values (1, 's0server0server0server00', null), (2, 's1server1server1server11', null),
    (3, 's2server2server2server22', now());
insert into server_settings values (11, 1, null, null), (12, 2, 'https://o''ld.example.com', null), (13, 3, null, null);
"""
"""The columns that the statement names, as the migrations of coollabsio/coolify make them (4.3.10)."""


@dataclass(frozen=True, slots=True)
class Database:
    """Coolify's database, and psql as the container coolify-db has it."""

    url: str

    def psql(self, server: str, before: str, wanted: str) -> tuple[int, str]:
        """Run what is sent to the container in it; return exit status and output."""
        at, command = urlsplit(self.url), wildcard_command(server, before, wanted)
        assert command.words[:4] == ("docker", "exec", "-i", "coolify-db")
        inside = {"POSTGRES_USER": at.username or "", "POSTGRES_DB": at.path.strip("/")}
        done = subprocess.run(
            command.words[4:],
            input=command.stdin_bytes(),
            env={**os.environ, **inside, "PGHOST": "127.0.0.1", "PGPORT": str(at.port)},
            capture_output=True,
            timeout=20,
            check=False,
        )
        return done.returncode, done.stdout.decode()

    def rows(self) -> dict[int, tuple[str | None, bool]]:
        """Return each server's wildcard domain, and whether its row was written to."""
        with psycopg.connect(self.url) as db:
            found = db.execute("select server_id, wildcard_domain, updated_at is not null from server_settings")
            return {server: (domain, written) for server, domain, written in found.fetchall()}


@pytest.fixture(scope="module")
def postgres() -> Generator[Cluster]:
    """Give a server with psql beside it."""
    if shutil.which("psql") is None:
        lacking("psql")
    with cluster() as running:
        yield running


@pytest.fixture
def database(postgres: Cluster) -> Database:
    """Return a fresh database with two servers, and one that was taken out."""
    made = Database(postgres.new_database())
    with psycopg.connect(made.url, autocommit=True) as db:
        db.execute(TABLES)
    return made


def test_it_is_set_where_it_is_what_the_plan_saw(database: Database) -> None:
    """One row changes, and its new value is told; a second time nothing is written."""
    assert database.psql(SERVER, "", WANTED) == (0, f"now {WANTED}\n")
    once = database.rows()
    assert once == {1: (WANTED, True), 2: ("https://o'ld.example.com", False), 3: (None, False)}
    assert database.psql(SERVER, "", WANTED) == (0, f"now {WANTED}\n")
    assert database.rows() == once


def test_another_value_stays(database: Database) -> None:
    """What somebody else has set meanwhile is told, and left."""
    before = database.rows()
    assert database.psql(OTHER, "", WANTED) == (0, "now https://o'ld.example.com\n")
    assert database.rows() == before


def test_a_value_with_a_quote_is_compared_as_it_is(database: Database) -> None:
    """It is emptied to null, as Coolify's page does."""
    assert database.psql(OTHER, "https://o'ld.example.com", "") == (0, "now \n")
    assert database.rows()[2] == (None, True)


@pytest.mark.parametrize("server", [GONE, "nobody", "' or 'a'='a", "'; drop table servers; --", ":'wanted'", "\\q"])
def test_no_word_becomes_sql(database: Database, server: str) -> None:
    """A server that is none, or that was taken out, has no row: nothing is said and nothing is written."""
    before = database.rows()
    assert database.psql(server, "", WANTED) == (0, "")
    assert database.rows() == before


def test_a_value_that_looks_like_a_variable_stays_text(database: Database) -> None:
    """psql puts each value in once, and does not look at it again."""
    assert database.psql(SERVER, "", ":'before'") == (0, "now :'before'\n")
    assert database.rows()[1] == (":'before'", True)


def test_a_database_without_the_table_is_an_error(postgres: Cluster) -> None:
    """psql ends with 3, and the handler says that nothing was changed."""
    assert Database(postgres.new_database()).psql(SERVER, "", WANTED) == (3, "")
