"""The unit that restores a backup, in a real shell over a real PostgreSQL: the way there and back, killed wherever.

What Docker and Laravel do stands in tests/lab/test_restore_coolify.py; here each command of the script is a moment.
"""

import shutil
import subprocess
from collections.abc import Generator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from ink_infra_mcp.hosts.factory.looking import CUSTOM, PROD
from ink_infra_mcp.hosts.factory.swapping import RestoreOrders
from tests.hosts.pretend_root import Root, Said, root_at
from tests.programs import lacking
from tests.state.postgres import Cluster, cluster

NAME, UUID = "op-1", "ky0"
SOURCE, ROTATION, BACKUP = "data/coolify/source", f"data/coolify/ink/rotations/{NAME}", "data/coolify/backups/old"
RUNS = f"sha256:{'a' * 64}"
OWN_KEY, OLD_KEY, OLDER_KEY = ("base64:" + letter * 43 + "=" for letter in "xyz")
ROWS = """
create table migrations (id serial primary key, migration varchar(255) not null, batch integer not null);
create table application_deployment_queues (id serial primary key, status varchar(255));
create table instance_settings (id bigint primary key, is_auto_update_enabled boolean);
create table private_keys (id bigint primary key, uuid varchar(255));
create table servers (id bigint primary key, "user" varchar(255), private_key_id bigint);
create table applications (name varchar(255));
insert into migrations (migration, batch) values ('2023_03_20_112410_create_users_table', 1);
insert into instance_settings values (0, true);
insert into private_keys values (0, 'ky0');
insert into servers values (0, 'root', 0);
insert into applications values ('shop');
"""
WORK = """
delete from applications;
insert into applications values ('newer');
update instance_settings set is_auto_update_enabled = false;
"""
DOCKER = """
if [ -e "$ROOT/moment" ] && [ ! -e "$ROOT/dead" ]; then
  echo x >>"$ROOT/calls"
  if [ "$(wc -l <"$ROOT/calls")" = "$(cat "$ROOT/moment")" ]; then
    : >"$ROOT/dead"
    at=$PPID pids=
    while tr '\\0' ' ' <"/proc/$at/cmdline" | grep -q -e ink-swap -e '^timeout'; do
      pids="$at $pids" at=$(ps -o ppid= -p "$at" | tr -d ' ')
    done
    kill -9 $pids
    exit 9
  fi
fi
while [ "$1 $2" = 'exec -i' ]; do shift 2; set -- exec "$@"; done
case "$*" in
  'exec coolify-db '*) shift 2; INSIDE; exec "$@" ;;
  'exec coolify-redis '*) echo "$*" >>"$ROOT/redis"; echo none ;;
  'image inspect --format {{.Id}} '@ID@) echo '@ID@' ;;
  'inspect --type container --format {{.Image}} {{.Config.Image}} '*) echo "@ID@ example/fork:1 $(cat "$ROOT/now")" ;;
  'inspect --type container --format {{.Image}} {{.State.Status}} '*) echo "@ID@ $(cat "$ROOT/now")" ;;
  'inspect --type container --format {{.Image}} coolify') echo '@ID@' ;;
  *com.docker.compose.project*coolify) echo source ;;
  *Health.Status*) echo healthy ;;
  'container inspect '* | 'create '* | version | 'tag '* | 'logs '*) ;;
  'image inspect --format {{.Id}} example/fork:1') echo '@ID@' ;;
  'stop '*) echo exited >"$ROOT/now" ;;
  'ps -aq '*) echo c1 ;;
  'rm -f '*) echo gone >"$ROOT/now" ;;
  *' config --quiet') ;;
  compose*) [ ! -e "$ROOT/late" ] || { INSIDE; psql -U "$POSTGRES_USER" postgres -q -f "$ROOT/late"; rm "$ROOT/late"; }
    [ ! -e "$ROOT/sick" ] || { rm "$ROOT/sick"; exit 1; }; echo running >"$ROOT/now" ;;
  *) echo "docker: no such call: $*" >&2; exit 9 ;;
esac
"""
PROGRAMS = {
    "systemctl": 'echo "$*" >>"$ROOT/systemd"',
    "pgrep": "exit 1",
    "curl": '[ -e "$ROOT/curled" ] || { : >"$ROOT/curled"; exit 7; }',
    "sleep": "real 0.02",
}


@dataclass(frozen=True)
class Left:
    """What is left: the state, why, whether Coolify runs, which apps it has, its switch, .env, and who may log in."""

    state: str
    why: str
    now: str
    apps: list[str]
    switch: bool
    env: str | None
    authorized: str | None


@dataclass
class Ground:
    """A Factory over a database, with a backup from before."""

    root: Root
    url: str

    def told(self, verb: str, *words: str, data: str = "") -> Said:
        """Run a verb of the script."""
        return self.root.run("factory/swap.sh", "ink-swap", verb, NAME, *words, data=data)

    def begun(self, *, confirm_s: int = 600, other_machine: bool = False) -> None:
        """Prepare and start it; systemd, which does nothing here, would run the unit."""
        assert self.told("prepare", data=self.orders(confirm_s=confirm_s, other_machine=other_machine)) == Said(
            0, "", ""
        )
        assert self.told("start") == Said(0, "", "")

    def orders(self, *, confirm_s: int, other_machine: bool) -> str:
        """Return the orders as they are sent."""
        at = self.root.folder
        return RestoreOrders(
            image_id=RUNS,
            folder=f"{at}/{BACKUP}",
            dump_sha256=sha256((at / BACKUP / "coolify.dump").read_bytes()).hexdigest(),
            other_machine=other_machine,
            health_s=60,
            confirm_s=confirm_s,
            sums={name: sha256((at / SOURCE / name).read_bytes()).hexdigest() for name in (CUSTOM, PROD)},
        ).lines()

    def left(self) -> Left:
        """Return what is left."""
        with psycopg.connect(self.url) as db:
            apps = [str(row[0]) for row in db.execute("select name from applications order by name").fetchall()]
            switch = db.execute("select is_auto_update_enabled from instance_settings").fetchone()
        state, why = (self.root.read(f"{ROTATION}/{name}") or "" for name in ("state", "why"))
        return Left(
            state.strip(),
            why.strip(),
            (self.root.read("now") or "").strip(),
            apps,
            bool(switch and switch[0]),
            self.root.read(f"{SOURCE}/.env"),
            self.root.read("root/.ssh/authorized_keys"),
        )

    def sql(self, statement: str, *, database: str = "") -> list[tuple[object, ...]]:
        """Return what the server answers."""
        url = self.url.replace(urlsplit(self.url).path, f"/{database}") if database else self.url
        with psycopg.connect(url, autocommit=True) as db:
            done = db.execute(statement.encode())
            return done.fetchall() if done.description else []


@pytest.fixture(scope="module")
def service() -> Generator[Cluster]:
    """Give the Postgres of Coolify."""
    if shutil.which("pg_dump") is None:
        lacking("initdb")
    with cluster() as running:
        yield running


ENV = f"APP_KEY={OWN_KEY}\nDB_PASSWORD=new\n"
MINE = "ssh-ed25519 AAAAmine me\n"


@pytest.fixture
def ground(service: Cluster, tmp_path: Path) -> Ground:
    """Give a Factory whose database has other apps than the backup, and updates switched off."""
    url = service.new_database()
    inside = urlsplit(url)
    it = Ground(root_at(tmp_path), url)
    for name in ("ink_left", "ink_restored"):
        it.sql(f"drop database if exists {name} with (force)", database="postgres")
    it.sql(ROWS)
    words = ("-h", "127.0.0.1", "-p", str(inside.port), "-U", str(inside.username), "-d", inside.path.strip("/"))
    dump = subprocess.run(["pg_dump", "-Fc", *words], capture_output=True, timeout=60, check=True).stdout
    it.root.write(
        f"{BACKUP}/secrets/.env", f"APP_KEY={OLD_KEY}\nAPP_PREVIOUS_KEYS='{OLDER_KEY},{OWN_KEY}'\nDB_PASSWORD=old\n"
    )
    (tmp_path / BACKUP / "coolify.dump").write_bytes(dump)
    it.sql(WORK)
    leads = (
        f"export PGHOST=127.0.0.1 PGPORT={inside.port} POSTGRES_USER={inside.username} "
        f"POSTGRES_DB={inside.path.strip('/')}"
    )
    it.root.programs(PROGRAMS | {"docker": DOCKER.replace("INSIDE", leads).replace("@ID@", RUNS)})
    it.root.write("proc/sys/kernel/random/boot_id", "01234567-89ab-cdef-0123-456789abcdef\n")
    for name in ("docker-compose.yml", PROD, CUSTOM):
        it.root.write(f"{SOURCE}/{name}", "services: {}\n")
    it.root.write(f"{SOURCE}/.env", ENV)
    it.root.write("root/.ssh/authorized_keys", MINE)
    it.root.write("now", "running\n")
    it.root.write("etc/systemd/system/.keep", "")
    return it


def before(state: str, why: str) -> Left:
    """Return what is left where all is as it was."""
    return Left(state, why, "running", ["newer"], switch=False, env=ENV, authorized=MINE)


RESTORED_ENV = f"{ENV}APP_PREVIOUS_KEYS={OLD_KEY},{OLDER_KEY}\n"


def test_the_database_of_the_backup_serves_when_it_is_confirmed(ground: Ground) -> None:
    """Its keys are added to the earlier ones, each once; APP_KEY, the password and the switch of updates stay."""
    ground.begun()
    assert ground.told("confirm").status == 0
    assert ground.told("run") == Said(0, "", "")
    assert ground.left() == Left("confirmed", "", "running", ["shop"], switch=False, env=RESTORED_ENV, authorized=MINE)
    assert "queues:*" in (ground.root.read("redis") or "")
    names = [
        row[0]
        for row in ground.sql("select datname from pg_database where datname like 'ink\\_%'", database="postgres")
    ]
    assert names == ["ink_left"]


def test_where_nobody_confirms_the_database_from_before_serves(ground: Ground) -> None:
    """It is the same one, and not a copy of it; what was restored stays beside it."""
    ground.begun(confirm_s=0)
    number = ground.sql("select oid from pg_database where datname = current_database()")
    assert ground.told("run").status == 0
    assert ground.left() == before("reverted", "nobody confirmed it within 0 s")
    assert ground.sql("select oid from pg_database where datname = current_database()") == number
    ground.sql("alter database ink_left with allow_connections true", database="postgres")
    assert ground.sql("select name from applications", database="ink_left") == [("shop",)]


def test_a_coolify_that_does_not_start_on_it_is_back(ground: Ground) -> None:
    """Docker says that it is not healthy."""
    ground.root.write("sick", "")
    ground.begun()
    assert ground.told("run").status == 0
    assert ground.left() == before("reverted", "Coolify did not become healthy on that database")


@pytest.mark.parametrize("moment", range(1, 32, 2))
def test_killed_at_whatever_command_it_ends_on_the_database_from_before(ground: Ground, moment: int) -> None:
    """The next run of the unit goes back, or begins anew where nothing was touched and nobody confirms."""
    ground.begun(confirm_s=0)
    ground.root.write("moment", f"{moment}\n")
    ground.told("run")
    assert ground.told("run").status == 0
    left = ground.left()
    assert (left.state, left) == ("reverted", before("reverted", left.why))
    assert ground.sql("select datallowconn from pg_database where datname = current_database()") == [(True,)]


def test_what_is_left_of_an_earlier_restore_is_never_taken_for_the_database_from_before(ground: Ground) -> None:
    """It has the name; the number is what counts."""
    ground.sql("create database ink_left", database="postgres")
    ground.begun()
    ground.root.write(f"{ROTATION}/state", "swapping\n")
    ground.root.write(f"{ROTATION}/migrations", "1|1|x\n")
    oid = ground.sql("select oid from pg_database where datname = current_database()")[0][0]
    ground.root.write(f"{ROTATION}/own_oid", f"{oid}\n")
    assert ground.told("run").status == 0
    assert ground.left() == before("reverted", "it was interrupted")


def test_by_hand_the_database_from_before_comes_back_on_a_word_of_its_own(ground: Ground) -> None:
    """All since the restore is lost by that, and said before."""
    ground.begun()
    ground.told("confirm")
    assert ground.told("run").status == 0
    said = ground.told("back")
    assert (said.status, "Say --with-database for that." in said.words) == (3, True)
    assert ground.told("back", "--with-database").status == 0
    assert ground.left() == before("reverted", "it was told to go back by hand")


def test_a_backup_that_is_another_than_planned_is_not_begun(ground: Ground) -> None:
    """Its sum is read at the last moment; no database of ours is left."""
    ground.begun()
    ground.root.write(f"{BACKUP}/coolify.dump", "another")
    assert ground.told("run").status == 0
    assert ground.left() == before("refused", "the backup is not the one that was planned with")
    assert ground.sql("select 1 from pg_database where datname like 'ink\\_%'", database="postgres") == []


def test_a_dump_that_cannot_be_restored_touches_nothing(ground: Ground) -> None:
    """It is filled beside the database, while Coolify serves."""
    whole = (ground.root.folder / BACKUP / "coolify.dump").read_bytes()
    (ground.root.folder / BACKUP / "coolify.dump").write_bytes(whole[: len(whole) // 2])
    ground.begun()
    assert ground.told("run").status == 0
    assert ground.left() == before("refused", "the backup could not be restored beside the database")
    assert ground.sql("select 1 from pg_database where datname like 'ink\\_%'", database="postgres") == []


def test_told_not_to_begin_while_it_is_filled_it_stops_nothing(ground: Ground) -> None:
    """Filling takes up to half an hour, and nothing in service is touched until it is over."""
    ground.root.programs({"pg_restore": f': >"$ROOT/{ROTATION}/abort"; real "$@"'})
    ground.begun()
    assert ground.told("run").status == 0
    assert ground.left() == before("refused", "it was told not to begin")
    assert ground.sql("select 1 from pg_database where datname like 'ink\\_%'", database="postgres") == []


def test_a_database_that_a_killed_session_has_closed_since_is_not_taken_for_one_that_serves(ground: Ground) -> None:
    """psql inside coolify-db outlives the unit that was killed, and goes on with the change of names."""
    name = urlsplit(ground.url).path.strip("/")
    ground.root.write("late", f'alter database "{name}" with allow_connections false')
    ground.begun()
    ground.root.write(f"{ROTATION}/state", "reverting\n")
    ground.root.write(f"{ROTATION}/migrations", "1|1|x\n")
    oid = ground.sql("select oid from pg_database where datname = current_database()")[0][0]
    ground.root.write(f"{ROTATION}/own_oid", f"{oid}\n")
    assert ground.told("run").status == 0
    closed = "select datname from pg_database where not datallowconn and datname not in ('template0', 'ink_left')"
    assert ground.sql(closed, database="postgres") == []
    assert ground.left() == before("reverted", "")


@pytest.mark.parametrize("ended", ["", "\nssh-ed25519 AAAAhis him"])
def test_a_full_disk_cuts_nobody_off_who_may_log_in(ground: Ground, ended: str) -> None:
    """What could not be written whole is thrown away, and tried again; only our line goes."""
    line = "ssh-ed25519 AAAAold coolify-restored-op-1"
    at = f"{ground.root.folder}/root/.ssh/authorized_keys"
    ground.root.write(at.removeprefix(str(ground.root.folder)), f"{MINE}{line}{ended}")
    full = '[ -e "$ROOT/freed" ] || { : >"$ROOT/freed"; real "$@" | head -c 5; exit 2; }'
    ground.root.programs({"grep": f'case $1 in -vxF) {full} ;; esac; real "$@"'})
    ground.begun()
    for name, text in {"state": "reverting", "let_in": line, "let_in_at": at, "migrations": "1|1|x"}.items():
        ground.root.write(f"{ROTATION}/{name}", f"{text}\n")
    assert ground.told("run").status == 0
    assert ground.left().authorized == MINE + (f"{ended.strip()}\n" if ended else "")


def test_a_backup_without_a_key_is_refused_before_it_begins(ground: Ground) -> None:
    """Nothing that is encrypted could be read."""
    ground.root.write(f"{BACKUP}/secrets/.env", "DB_PASSWORD=old\n")
    said = ground.told("prepare", data=ground.orders(confirm_s=0, other_machine=False))
    assert (said.status, ground.left()) == (3, before("", "")), said.words


def test_on_another_machine_the_key_from_the_backup_is_let_in_and_taken_out_again(ground: Ground) -> None:
    """Coolify logs in to the machine that it runs on with a key that the new one never saw."""
    at = ground.root.folder
    (at / "keys").mkdir()
    pair = at / f"keys/ssh_key@{UUID}"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "x", "-f", str(pair)], timeout=30, check=True)
    tar = ["tar", "-C", str(at), "-cf", str(at / BACKUP / "secrets/ssh.tar"), f"./keys/ssh_key@{UUID}"]
    subprocess.run(tar, timeout=30, check=True)
    ground.root.programs({"getent": f'echo "root:x:0:0:root:{at}/root:/bin/sh"'})
    ground.begun(other_machine=True)
    ground.told("confirm")
    assert ground.told("run").status == 0
    public = " ".join(Path(f"{pair}.pub").read_text(encoding="utf-8").split()[:2])
    assert ground.left().authorized == f"{MINE}{public} coolify-restored-{NAME}\n"
    assert ground.told("back", "--with-database").status == 0
    assert ground.left() == before("reverted", "it was told to go back by hand")
