"""What a backup holds beside what is in service, read by a real pg_restore and a real pg_dump: names, and no secret."""

import shutil
import subprocess
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from ink_infra_mcp.core.errors import HostError
from ink_infra_mcp.hosts.factory.weighing import Thing, Weighed, read_weighed
from tests.hosts.pretend_root import Root, Said, root_at
from tests.programs import lacking
from tests.state.postgres import Cluster, cluster

SOURCE, KEPT = "data/coolify/source", "data/coolify/backups/ink"
OLD = "op-old"
KEY, OTHER = "base64:" + "x" * 43 + "=", "base64:" + "y" * 43 + "="
ROWS = """
create table applications (id serial primary key, name varchar(255), uuid varchar(255) not null, secret text,
  deleted_at timestamp);
create table servers (id bigint primary key, "user" varchar(255), uuid varchar(255), name varchar(255));
create table personal_access_tokens (id serial primary key, name varchar(255), token varchar(64));
create table users (id bigint primary key, name varchar(255), email varchar(255));
create table instance_settings (id bigint primary key, fqdn varchar(255), smtp_password text);
create table application_deployment_queues (id serial primary key, created_at timestamp);
create table s3_storages (id serial primary key, uuid varchar(255), name varchar(255), secret text);
create table environments (id serial primary key, name varchar(255));
create table names_alone (name varchar(255), secret text);
create table scheduled_database_backups (uuid varchar(255), secret text, name text);
create table scheduled_task_executions (id serial primary key, uuid varchar(255), message text);
create table environment_variables (id serial primary key, uuid varchar(255), key varchar(255), value text);
insert into s3_storages (uuid, name, secret) values ('s31', 'bucket', 'hunter2');
insert into environments (name) values ('production');
insert into names_alone values ('x', 'hunter2');
insert into applications (name, uuid, secret, deleted_at) values
  ('shop', 'ap1', 'hunter2', null), (E'tab\\tand\\nline', 'ap2', 'hunter2', null), ('gone', 'ap3', 'hunter2', now());
insert into servers values (0, 'root', 'sv0', 'localhost');
insert into personal_access_tokens (name, token) values ('operator', 'hunter2');
insert into users values (0, 'Jo', 'jo@example.com');
insert into instance_settings values (0, 'https://coolify.example.com', 'hunter2');
"""
LATER = """
delete from applications where uuid = 'ap1';
insert into applications (name, uuid, secret) values ('newer', 'ap4', 'hunter2');
insert into personal_access_tokens (name, token) values ('later', 'hunter2');
insert into scheduled_database_backups values ('sb1', 'hunter2', null);
insert into scheduled_task_executions (uuid, message) values ('ex1', 'hunter2');
insert into environment_variables (uuid, key, value) values ('ev1', 'TOKEN', 'hunter2');
alter table environments add column uuid varchar(255);
update environments set uuid = 'a uuid of its migration';
insert into environments (name) values ('staging');
delete from s3_storages;
create table cloud_provider_tokens (id serial primary key, name varchar(255), token text);
insert into cloud_provider_tokens (name, token) values ('hetzner', 'hunter2');
insert into application_deployment_queues (created_at) values (to_timestamp(1700000100) at time zone 'UTC');
"""
MANIFEST = """{
  "format": 1,
  "name": "op-old",
  "made": 1700000000,
  "coolify": {"image": "example/fork:1", "id": "sha256:1", "version": "4.3.11"},
  "postgres": {"image": "postgres:15-alpine", "id": "sha256:2", "version": "15.8"},
  "database_bytes": 8388608,
  "app_key": "0123456789abcdef",
}
"""
DOCKER = """
while [ "$1 $2" = 'exec -i' ] || [ "$1 $2" = 'exec -e' ]; do
  [ "$2" = -i ] || { export "$3"; shift; }
  shift 2
  set -- exec "$@"
done
shift 2
INSIDE
exec "$@"
"""


@dataclass
class Ground:
    """A Factory with a backup from before, and a database in which somebody has worked since then."""

    root: Root

    def told(self, *words: str) -> Said:
        """Run a verb of the script."""
        return self.root.run("factory/weigh.sh", "ink-weigh", *words)

    def weighed(self, place: str = OLD) -> Weighed:
        """Return what is read of it."""
        said = self.told("look", place)
        assert (said.status, said.words) == (0, ""), said.words
        assert "hunter2" not in said.facts
        assert "jo@example.com" not in said.facts
        return read_weighed(
            "factory", [(f, r) for f, _, r in (line.partition(" ") for line in said.facts.splitlines())]
        )


@pytest.fixture(scope="module")
def service() -> Generator[Cluster]:
    """Give the Postgres of Coolify."""
    if shutil.which("pg_dump") is None:
        lacking("initdb")
    with cluster() as running:
        yield running


@pytest.fixture
def ground(service: Cluster, tmp_path: Path) -> Ground:
    """Give the Factory."""
    url = service.new_database()
    inside = urlsplit(url)
    name = inside.path.strip("/")
    it = Ground(root_at(tmp_path))
    it.root.write(f"{KEPT}/{OLD}/manifest.json", MANIFEST)
    it.root.write(f"{KEPT}/{OLD}/secrets/.env", f"APP_KEY={KEY}\nSSH_MUX_ENABLED=false\n")
    it.root.write(f"{SOURCE}/.env", f"APP_KEY={KEY}\nDB_PASSWORD=x\n")
    with psycopg.connect(url, autocommit=True) as db:
        db.execute(ROWS.encode())
        words = ("-h", "127.0.0.1", "-p", str(inside.port), "-U", str(inside.username), "-d", name)
        dump = subprocess.run(["pg_dump", "-Fc", *words], capture_output=True, timeout=60, check=True).stdout
        db.execute(LATER.encode())
    (tmp_path / KEPT / OLD / "coolify.dump").write_bytes(dump)
    leads = f"export PGHOST=127.0.0.1 PGPORT={inside.port} POSTGRES_USER={inside.username} POSTGRES_DB={name}"
    leads += f" PGUSER={inside.username}"
    it.root.programs({"docker": DOCKER.replace("INSIDE", leads)})
    return it


def test_what_went_and_what_came_is_named_and_nothing_else_leaves(ground: Ground) -> None:
    """By uuid and name, of each table that has a uuid, or an id and a name; a uuid of a migration is nothing new.

    What Coolify has deleted already counts on neither side; no other column is printed.
    """
    seen = ground.weighed()
    lost = [thing for table in seen.tables for thing in seen.lost(table)]
    back = [thing for table in seen.tables for thing in seen.back(table)]
    assert lost == [
        Thing(table="applications", uuid="ap4", name="newer"),
        Thing(table="cloud_provider_tokens", uuid="1", name="hetzner"),
        Thing(table="environments", uuid="2", name="staging"),
        Thing(table="personal_access_tokens", uuid="2", name="later"),
        Thing(table="scheduled_database_backups", uuid="sb1"),
    ]
    assert back == [
        Thing(table="applications", uuid="ap1", name="shop"),
        Thing(table="s3_storages", uuid="s31", name="bucket"),
    ]
    assert seen.both("servers") == (Thing(table="servers", uuid="sv0", name="localhost"),)
    assert [thing.uuid for thing in seen.kept if thing.table == "applications"] == ["ap1", "ap2"]
    assert (seen.made, seen.version, seen.postgres, seen.image, seen.image_id) == (
        1700000000,
        "4.3.11",
        "15.8",
        "example/fork:1",
        "sha256:1",
    )
    assert (seen.since, seen.panel, seen.unset, seen.last) == (
        1,
        "https://coolify.example.com",
        ("SSH_MUX_ENABLED",),
        "",
    )
    assert (seen.database_bytes, (seen.now_bytes or 0) > 0, seen.now_postgres[:2]) == (8388608, True, "15")


@pytest.mark.parametrize(
    ("env", "secrets", "key"),
    [
        (f"APP_KEY={KEY}\n", f'APP_KEY="{KEY}"\n', "known"),
        (f"APP_KEY={OTHER}\nAPP_PREVIOUS_KEYS={OTHER},{KEY}\n", f"APP_KEY={KEY}\n", "known"),
        (f"APP_KEY={OTHER}\n", f"APP_KEY={KEY}\n", "other"),
        (f"APP_KEY={KEY}\n", f"APP_KEY={KEY}\nAPP_PREVIOUS_KEYS='{KEY},{OTHER}'\n", "earlier"),
        (f"APP_KEY={KEY}\nAPP_PREVIOUS_KEYS={OTHER}\n", f"APP_KEY={KEY}\nAPP_PREVIOUS_KEYS={OTHER}\n", "known"),
        (f"APP_KEY={OTHER}{KEY}\n", f"APP_KEY={KEY}\n", "other"),
        (f"APP_KEY={KEY}\n", "DB_PASSWORD=x\n", "missing"),
    ],
)
def test_whether_env_decrypts_the_backup_is_told_and_no_key(ground: Ground, env: str, secrets: str, key: str) -> None:
    """By its APP_KEY and by the earlier ones, each as a whole."""
    ground.root.write(f"{SOURCE}/.env", env)
    ground.root.write(f"{KEPT}/{OLD}/secrets/.env", secrets)
    said = ground.told("look", OLD)
    assert (f"key {key}\n" in said.facts, KEY in said.facts, OTHER in said.facts) == (True, False, False)


def test_the_last_restore_counts_while_it_serves(ground: Ground) -> None:
    """It was confirmed, and is the last that was."""
    ground.root.write("data/coolify/ink/last", "op-9\n")
    ground.root.write("data/coolify/ink/rotations/op-9/orders", f"kind restore\ndump {'4e' * 32}\n")
    found: list[str] = []
    for state in ("confirmed", "reverted"):
        ground.root.write("data/coolify/ink/rotations/op-9/state", f"{state}\n")
        found.append(ground.weighed().last)
    assert found == ["4e" * 32, ""]


def test_a_database_that_an_earlier_restore_left_is_told(ground: Ground, service: Cluster) -> None:
    """The next change of names drops it."""
    found = [ground.weighed().left]
    with psycopg.connect(service.new_database(), autocommit=True) as db:
        db.execute("create database ink_left")
        found.append(ground.weighed().left)
        db.execute("drop database ink_left")
    assert found == [0, 1]


def test_a_backup_that_was_brought_is_read_where_it_lies_and_no_link_leads_out(ground: Ground) -> None:
    """Only below the folder of backups."""
    at = ground.root.folder
    shutil.copytree(at / KEPT / OLD, at / "data/coolify/backups/burnt")
    assert ground.weighed(f"{at}/data/coolify/backups/burnt").name == OLD
    shutil.copytree(at / KEPT / OLD, at / "elsewhere")
    (at / "data/coolify/backups/link").symlink_to(at / "elsewhere")
    for place in (f"{at}/data/coolify/backups/link", f"{at}/elsewhere", "op-none"):
        assert ground.told("look", place).status == 3
    assert ground.told("list").facts == f"backup {OLD}\ndone\n"


def test_a_dump_that_is_cut_off_is_not_taken_for_an_empty_one(ground: Ground) -> None:
    """What was not read whole would be called lost, or not lost."""
    whole = (ground.root.folder / KEPT / OLD / "coolify.dump").read_bytes()
    (ground.root.folder / KEPT / OLD / "coolify.dump").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(HostError, match="not understood"):
        ground.weighed()


def test_a_database_that_does_not_answer_is_not_taken_for_an_empty_one(ground: Ground) -> None:
    """Everything in the backup would seem to come back."""
    ground.root.programs({"docker": "exit 1"})
    with pytest.raises(HostError, match="not understood"):
        ground.weighed()
