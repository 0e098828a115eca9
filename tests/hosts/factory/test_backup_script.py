"""The script that backs Coolify up, run by real shells: a backup counts whole or not at all, and keeps its secrets."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from tests.hosts.factory.backup_factory import HOLDS, KEPT, KEY, LIST, RUNS, SOURCE, TABLES, factory, ran
from tests.hosts.pretend_root import Root

DUMP = hashlib.sha256(b"PGDMP of coolify\n").hexdigest()


@pytest.fixture(params=["dash", "busybox"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> Root:
    """Return a Factory with Coolify's files."""
    return factory(tmp_path, str(request.param))


def manifest(root: Root, name: str = "op-1") -> dict[str, Any]:
    """Return the manifest of a backup."""
    told: dict[str, Any] = json.loads(root.read(f"{KEPT}/{name}/manifest.json") or "")
    return told


def folders(root: Root) -> list[str]:
    """Return what lies where backups are."""
    return sorted(place.name for place in (root.folder / KEPT).iterdir() if place.name != ".lock")


def reason(root: Root, *words: str) -> str:
    """Return the last line of a call that failed."""
    said = ran(root, *words)
    assert (said.status, said.facts) == (3, "")
    return said.words.splitlines()[-1]


def test_a_backup_has_all_that_a_restore_needs(root: Root) -> None:
    """Dump, compose files, and apart from them .env and ssh keys; the manifest says what ran, and each file's sum."""
    said = ran(root, "make", "op-1")
    told = manifest(root)
    assert (said.status, said.words, said.facts.splitlines()[0]) == (0, "", f"dump {DUMP}")
    names = ["compose/docker-compose.custom.yml", "compose/docker-compose.yml", "coolify.dump"]
    assert [file["path"] for file in told["files"]] == [*names, "secrets/.env", "secrets/ssh.tar"]
    for file in told["files"]:
        held = (root.folder / KEPT / "op-1" / file["path"]).read_bytes()
        assert (file["sha256"], file["bytes"]) == (hashlib.sha256(held).hexdigest(), len(held))
    assert told["coolify"] == {"image": "example/fork:1", "id": RUNS, "version": "4.3.11"}
    assert told["postgres"] == {"image": "postgres:15-alpine", "id": HOLDS, "version": "15.8"}
    assert told["app_key"] == hashlib.sha256(f"ink-app-key:{KEY}".encode()).hexdigest()[:16]


def test_app_key_is_beside_no_data(root: Root) -> None:
    """It stands in the folder of secrets alone, not in the manifest nor in what is said; nobody but root reads it."""
    said = ran(root, "make", "op-1")
    at = root.folder / KEPT / "op-1"
    having = [
        str(place.relative_to(at)) for place in at.rglob("*") if place.is_file() and KEY in place.read_text("latin")
    ]
    assert (having, KEY in said.facts + said.words + (root.read("asked") or "")) == (["secrets/.env"], False)
    modes = {oct(place.stat().st_mode & 0o777) for place in (at.parent, at, *at.rglob("*"))}
    assert modes == {"0o700", "0o600"}


def test_a_second_run_takes_what_is_whole_and_dumps_nothing(root: Root) -> None:
    """The same name again is the same backup, its sums read anew."""
    first = ran(root, "make", "op-1")
    root.write("asked", "")
    assert (ran(root, "make", "op-1"), root.read("asked")) == (first, "")


@pytest.mark.parametrize("file", ["coolify.dump", "secrets/.env", "compose/docker-compose.yml"])
def test_a_file_that_changed_or_went_away_spoils_the_backup(root: Root, file: str) -> None:
    """Then it is called damaged, by whoever asks, and is not made over in silence."""
    ran(root, "make", "op-1")
    (root.folder / KEPT / "op-1" / file).write_text("changed", encoding="utf-8")
    damaged = "ink-backup backup_damaged the backup op-1 is not what its manifest says, or has none"
    assert (reason(root, "check", "op-1"), reason(root, "make", "op-1")) == (damaged, damaged)
    (root.folder / KEPT / "op-1" / file).unlink()
    assert reason(root, "check", "op-1") == damaged


def test_a_manifest_that_leaves_a_file_out_is_not_believed(root: Root) -> None:
    """A line of it that cannot be read is no file less: the whole does not count."""
    ran(root, "make", "op-1")
    text = root.read(f"{KEPT}/op-1/manifest.json") or ""
    root.write(f"{KEPT}/op-1/manifest.json", text.replace('"path": "coolify.dump"', '"path": "coolify dump"'))
    assert "backup_damaged" in reason(root, "check", "op-1")
    (root.folder / KEPT / "op-1" / "manifest.json").unlink()
    assert "backup_damaged" in reason(root, "check", "op-1")


BROKEN: tuple[tuple[str, str], ...] = (
    ("*' pg_dump '*) echo half; echo 'pg_dump: error: connection to server was lost' >&2; exit 1", "backup_dump"),
    (
        "*'pg_restore --list') echo 'pg_restore: error: could not read from input file: end of file' >&2; exit 1",
        "backup_check",
    ),
    ("*'printenv POSTGRES_USER') echo 'No such container: coolify-db' >&2; exit 1", "backup_database"),
    ("*pg_database_size*) exit 2", "backup_database"),
    ("*pg_database_size*) echo 'not a number'; exit 0", "backup_database"),
)


@pytest.mark.parametrize(("fault", "stage"), BROKEN, ids=[f"{stage}-{n}" for n, (_, stage) in enumerate(BROKEN)])
def test_a_backup_that_fails_leaves_nothing_that_could_count(root: Root, fault: str, stage: str) -> None:
    """Whatever breaks: no folder of that name, no half of one, and the earlier backups stay."""
    ran(root, "make", "op-0")
    root.write("broken", f"case $* in {fault} ;; esac\n")
    assert reason(root, "make", "op-1").split()[:2] == ["ink-backup", stage]
    assert folders(root) == ["op-0"]
    assert ran(root, "check", "op-0").status == 0


@pytest.mark.parametrize("table", TABLES)
def test_a_dump_without_a_table_that_coolify_needs_is_none(root: Root, table: str) -> None:
    """pg_restore can list it, and yet it would restore half of Coolify."""
    root.write("list", "".join(line for line in LIST.splitlines(True) if f" {table} " not in line))
    assert reason(root, "make", "op-1") == f"ink-backup backup_check the dump has no data of the table {table}"
    assert folders(root) == []


def test_the_disk_is_looked_at_before_anything_is_written(root: Root) -> None:
    """Twice the database and a quarter of a GiB: with less the database is not even read; unknown room is none."""
    root.programs({"df": "echo head; echo / 9 9 270335 9 /"})
    assert "/data/coolify/backups/ink has 263 MiB free, and 272 are wanted" in reason(root, "make", "op-1")
    root.programs({"df": "echo 'df: broken' >&2; exit 1"})
    assert "is not known" in reason(root, "make", "op-1")
    assert ("pg_dump" in (root.read("asked") or ""), folders(root)) == (False, [])


@pytest.mark.parametrize("room", [0, 1, 8])
def test_a_disk_that_fills_up_meanwhile_leaves_no_half(root: Root, room: int) -> None:
    """However far it came: what was written is removed, and it is said to have failed."""
    big = "*' pg_dump '*) head -c 9000 /dev/zero; exit $?"
    root.write("broken", f"case $* in {big} ;; esac\n")
    said = ran(root, "make", "op-1", room=room)
    assert (said.status, folders(root)) == (3, [])


def test_what_a_killed_run_left_is_removed_by_the_next(root: Root) -> None:
    """A folder that was begun never counts, and does not fill the disk for ever."""
    root.write(f"{KEPT}/.part-op-0/coolify.dump", "half")
    ran(root, "make", "op-1")
    assert folders(root) == ["op-1"]


def test_without_the_files_that_decrypt_it_there_is_no_backup(root: Root) -> None:
    """A dump without APP_KEY restores no key and no token."""
    root.write(f"{SOURCE}/.env", "DB_PASSWORD=x\n")
    assert reason(root, "make", "op-1") == "ink-backup backup_files there is no APP_KEY in .env"
    (root.folder / SOURCE / ".env").unlink()
    assert reason(root, "make", "op-1") == "ink-backup backup_files .env could not be copied"
    assert folders(root) == []


def test_a_coolify_that_does_not_run_is_backed_up_all_the_same(root: Root) -> None:
    """When it is down is when one wants a backup; what is not known of it is a question mark."""
    root.write("broken", "case $* in *' coolify' | 'exec coolify grep '*) echo gone >&2; exit 1 ;; esac\n")
    assert ran(root, "make", "op-1").status == 0
    assert manifest(root)["coolify"] == {"image": "?", "id": "?", "version": "?"}


def test_rows_that_postgres_quotes_are_not_passed_on(root: Root) -> None:
    """Its complaint is told; the row that it shows may hold a secret."""
    quoted = (
        "pg_dump: error: query failed: ERROR: x\nDETAIL:  Failing row contains (1, s3cret).\nCONTEXT: COPY t: s3cret"
    )
    root.write("quoted", quoted)
    root.write("broken", "case $* in *' pg_dump '*) cat \"$ROOT/quoted\" >&2; exit 1 ;; esac\n")
    said = ran(root, "make", "op-1")
    assert ("query failed" in said.words, "s3cret" in said.words) == (True, False)


@pytest.mark.parametrize("name", ["../x", "", "-x", "a b", "a\nb", "Op-1"])
def test_a_name_that_leads_elsewhere_is_refused(root: Root, name: str) -> None:
    """Nothing is made, and Docker is not even asked."""
    assert reason(root, "make", name) == "ink-backup backup_call a word of the command is not one"
    assert root.read("asked") is None


def test_it_takes_root(root: Root) -> None:
    """Without it half of it could not be read."""
    root.programs({"id": "echo 1000"})
    assert reason(root, "make", "op-1") == "ink-backup backup_call it takes root"
