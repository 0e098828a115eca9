"""The script that looks at Coolify, run by real shells: what is there, what is not, and what may not be printed."""

import json
import os
import shutil
from collections.abc import Generator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from ink_infra_mcp.hosts.factory.looking import (
    BASE,
    CUSTOM,
    POSTGRES_UPGRADE,
    PROD,
    AutoUpdate,
    Drill,
    Dump,
    FactoryFacts,
    Schedule,
    read_factory,
)
from tests.hosts.pretend_root import Root, Said, root_at
from tests.programs import lacking
from tests.state.postgres import Cluster, cluster

MARKER = "ink-0123456789abcdef"
SOURCE = "data/coolify/source"
IMAGE = "sha256:" + "1" * 64
FORK = "docker.io/example/coolify-fork:runtime-fix"
COOLIFYS = "${REGISTRY_URL:-docker.io}/coollabsio/coolify:${LATEST_IMAGE:-latest}"
SECRET = "base64:not-to-be-shown"
DOCKER = f"""
echo "$*" >>"$ROOT/asked"
case $* in
  'inspect --type container --format {{{{json .Image}}}} {{{{json .Config.Image}}}} {{{{json .State.Status}}}} coolify')
    echo '"{IMAGE}" "{FORK}" "running"' ;;
  'inspect --type container --format {{{{.Image}}}} coolify') echo '{IMAGE}' ;;
  'inspect --type container --format {{{{.Config.Image}}}} coolify') echo '{FORK}' ;;
  'image inspect --format {{{{json .RepoDigests}}}} {IMAGE}') echo '["example/coolify-fork@sha256:{"2" * 64}"]' ;;
  'image inspect --format {{{{json .Id}}}} {FORK}') echo '"{IMAGE}"' ;;
  'exec coolify grep -m 1 -e '*) echo "        'version' => env('COOLIFY_VERSION') ?: '4.3.11'," ;;
  'compose --env-file '*) echo 'level=warning msg="{SECRET}"' >&2; printf '%s\\n' '{FORK}' postgres:15-alpine ;;
  'exec -e PGOPTIONS=-c default_transaction_read_only=on coolify-db sh -c '*instance_settings*)
    echo 't|0 0 * * *|UTC' ;;
  'exec -e PGOPTIONS=-c default_transaction_read_only=on coolify-db sh -c '*) echo 't|0 0 * * *|1795900000' ;;
  *) echo "docker: no such call: $*" >&2; exit 9 ;;
esac
"""
FACTS = FactoryFacts(
    host="factory",
    clock=1_795_980_732,
    image=IMAGE,
    reference=FORK,
    state="running",
    digests=("example/coolify-fork@sha256:" + "2" * 64,),
    named=IMAGE,
    base="4.3.11",
    images={BASE: "", PROD: FORK},
    env={"LATEST_IMAGE": "4.3.11", "REGISTRY_URL": "docker.io"},
    planned=(FORK, "postgres:15-alpine"),
    auto_update=AutoUpdate(on=True, cron="0 0 * * *", zone="UTC"),
    schedules=(Schedule(enabled=True, last=1_795_900_000),),
    dumps=(),
    kept=(),
    drills=(),
)


@pytest.fixture(params=["dash", "busybox"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> Root:
    """Return a Factory whose fork stands in the edited file of Coolify's, as its first operator set it up."""
    made = root_at(tmp_path, shell=str(request.param))
    made.programs({"docker": DOCKER, "date": "echo 1795980732"})
    made.write(f"{SOURCE}/{BASE}", "services:\n    coolify:\n        container_name: coolify\n")
    made.write(f"{SOURCE}/{PROD}", f'services:\n  coolify:\n    image: "{FORK}"\n')
    made.write(f"{SOURCE}/.env", f"APP_KEY={SECRET}\nLATEST_IMAGE=4.3.11\nREGISTRY_URL=docker.io\nDB_PASSWORD=x\n")
    return made


def looked(root: Root) -> Said:
    """Return what the script says."""
    return root.run("factory/look.sh", "ink-coolify", MARKER)


def facts(root: Root) -> FactoryFacts:
    """Return what is read of it."""
    said = looked(root)
    assert (said.status, said.words) == (0, "")
    return read_factory("factory", said.facts, MARKER)


def test_all_of_it_is_told(root: Root) -> None:
    """The image that runs, the files, what Compose makes of them, and what the database says; no dump is none."""
    assert facts(root) == FACTS


def test_no_secret_of_env_is_printed(root: Root) -> None:
    """Of .env the keys that choose the image, and of Compose's complaints, which quote its lines, nothing."""
    assert SECRET not in looked(root).facts
    complains = f"case $1 in compose) echo 'near \"{SECRET}\"' >&2; exit 15 ;; esac\n"
    root.programs({"docker": complains + DOCKER})
    said = looked(root).facts
    assert (SECRET in said, f"{MARKER} end images 15" in said) == (False, True)


def test_compose_is_given_every_file_in_coolifys_order(root: Root) -> None:
    """As upgrade.sh gives them: the override last but one, the upgraded database last, each only where it is a file."""
    root.write(f"{SOURCE}/{POSTGRES_UPGRADE}", "services: {postgres: {image: postgres:18-alpine}}\n")
    root.write(f"{SOURCE}/{CUSTOM}", f"services: {{coolify: {{image: '{COOLIFYS}'}}}}\n")
    assert facts(root) == FACTS.model_copy(
        update={"images": {BASE: "", PROD: FORK, CUSTOM: COOLIFYS, POSTGRES_UPGRADE: ""}}
    )
    asked = next(line for line in (root.read("asked") or "").splitlines() if line.startswith("compose"))
    at = f"/{SOURCE}"
    files = " ".join(f"-f {at}/{name}" for name in (BASE, PROD, CUSTOM, POSTGRES_UPGRADE))
    assert asked == f"compose --env-file {at}/.env {files} config --images"


def test_an_override_that_is_no_file_is_not_taken_for_none(root: Root) -> None:
    """A link that leads nowhere: upgrade.sh goes on without it, and nobody knows what was meant."""
    (root.folder / SOURCE / CUSTOM).symlink_to("/nowhere/at/all")
    read = facts(root)
    assert (read.images, "is no file" in read.unknown["images"]) == (None, True)


def test_dumps_are_told_by_their_age_and_size(root: Root) -> None:
    """Dumps of Coolify's own database, the newest first; of users' databases and of other files nothing."""
    folder = "data/coolify/backups/coolify/coolify-db-172"
    for number, name in enumerate(("pg-dump-coolify-1.dmp", "pg-dump-coolify-2.dmp", "notes.txt")):
        root.write(f"{folder}/{name}", "x" * number)
        os.utime(root.folder / folder / name, (1_795_900_000 + number, 1_795_900_000 + number))
    root.write("data/coolify/backups/databases/x/pg-dump-shop-3.dmp", "other")
    assert facts(root).dumps == (Dump(at=1_795_900_001, size=1), Dump(at=1_795_900_000, size=0))


@pytest.mark.parametrize("program", ["find", "stat"])
def test_a_folder_of_backups_that_cannot_be_read_is_not_empty(root: Root, program: str) -> None:
    """ "No backup" and "nobody knows" are told apart."""
    root.write("data/coolify/backups/coolify/coolify-db-172/pg-dump-coolify-1.dmp", "x")
    root.programs({program: "echo broken >&2; exit 1"})
    read = facts(root)
    assert (read.dumps, "could not be read" in read.unknown["dumps"]) == (None, True)


def test_our_own_backups_count_once_they_are_whole_and_the_last_drill_is_told(root: Root) -> None:
    """A folder without its manifest is half of one; one whose dump is gone makes the whole unknown, and never none."""
    folder = "data/coolify/backups/ink"
    for name, file in (("op-1", "manifest.json"), ("op-1", "coolify.dump"), (".part-op-2", "coolify.dump")):
        root.write(f"{folder}/{name}/{file}", "x")
    os.utime(root.folder / folder / "op-1/coolify.dump", (1_795_900_001, 1_795_900_001))
    drill = {"at": 1_795_900_002, "backup": "op-1", "dump_sha256": "d" * 64, "image": IMAGE}
    root.write(f"{folder}/last-drill.json", json.dumps(drill))
    read = facts(root)
    assert (read.kept, read.drills) == ((Dump(at=1_795_900_001, size=1),), (Drill.model_validate(drill),))
    (root.folder / folder / "op-1/coolify.dump").unlink()
    assert facts(root).kept is None


def test_a_docker_that_does_not_answer_leaves_all_unknown(root: Root) -> None:
    """What it would have told is unknown, and what the disk tells is known all the same."""
    root.programs({"docker": "echo 'Cannot connect to the Docker daemon' >&2; exit 1"})
    read = facts(root)
    kept = {name: getattr(FACTS, name) for name in ("clock", "images", "env", "dumps", "kept", "drills")}
    assert read == FactoryFacts(host="factory", **kept, unknown=read.unknown)
    names = {"running", "digests", "named", "base", "planned", "auto_update", "schedules"}
    assert set(read.unknown) == names


def test_it_refuses_to_look_as_another_user(root: Root) -> None:
    """Without root half of it would look as if it were not there."""
    root.programs({"id": "echo 1000"})
    assert looked(root) == Said(3, "", "it takes root\n")


@pytest.fixture(scope="module")
def postgres() -> Generator[Cluster]:
    """Give a server with psql beside it."""
    if shutil.which("psql") is None:
        lacking("psql")
    with cluster() as running:
        yield running


TABLES = r"""
create table instance_settings (id bigint primary key, is_auto_update_enabled boolean not null default true,
    auto_update_frequency varchar(255) not null default '0 0 * * *', instance_timezone varchar(255) default 'UTC');
create table scheduled_database_backups (id bigint primary key, enabled boolean not null default true,
    frequency varchar(255) not null, database_type varchar(255) not null, database_id bigint not null);
create table scheduled_database_backup_executions (id bigint primary key, status varchar(255) not null,
    scheduled_database_backup_id bigint not null, created_at timestamp(0));
insert into instance_settings values (0, false, '30 3 * * *', 'Europe/Vilnius');
insert into scheduled_database_backups values (1, true, '0 0 * * *', 'App\Models\StandalonePostgresql', 0),
    (2, false, '0 * * * *', 'App\Models\StandalonePostgresql', 0),
    (3, true, '0 0 * * *', 'App\Models\StandalonePostgresql', 7),
    (4, true, '0 0 * * *', 'App\Models\StandaloneMysql', 0);
insert into scheduled_database_backup_executions values (1, 'success', 1, '2026-11-28 00:00:07'),
    (2, 'success', 1, '2026-11-29 00:00:07'), (3, 'failed', 1, '2026-11-30 00:00:07'), (4, 'success', 3, now());
"""
"""The columns that the statements name, as the migrations of coollabsio/coolify make them (4.3.11)."""


def test_the_database_is_asked_with_statements_that_postgres_takes(postgres: Cluster, root: Root) -> None:
    """Of instance and own backups only: a failed one is none, and another database's is not Coolify's."""
    url = postgres.new_database()
    with psycopg.connect(url, autocommit=True) as database:
        database.execute(TABLES)
    at = urlsplit(url)
    inside = (
        f"export POSTGRES_USER={at.username} POSTGRES_DB={at.path.strip('/')} PGHOST=127.0.0.1 PGPORT={at.port}\n"
        'case "$1 $2" in "exec -e") export "$3"; shift 4; exec "$@" ;; esac\n'
    )
    root.programs({"docker": inside + DOCKER})
    assert facts(root) == FACTS.model_copy(
        update={
            "auto_update": AutoUpdate(on=False, cron="30 3 * * *", zone="Europe/Vilnius"),
            "schedules": (Schedule(enabled=True, last=1_795_910_407), Schedule(enabled=False)),
        }
    )


def test_the_session_with_the_database_cannot_write(postgres: Cluster, root: Root) -> None:
    """Whatever the script would ask: its session is a reading one."""
    url = postgres.new_database()
    at = urlsplit(url)
    root.programs(
        {
            "docker": f"export POSTGRES_USER={at.username} POSTGRES_DB={at.path.strip('/')} PGHOST=127.0.0.1 "
            f"PGPORT={at.port}\n"
            'case "$1 $2" in "exec -e") export "$3"; psql -X -A -t -U "$POSTGRES_USER" -d "$POSTGRES_DB" '
            "-c 'create table spoilt (a int)'; exit ;; esac\n" + DOCKER
        }
    )
    assert "read-only transaction" in facts(root).unknown["auto_update"]
