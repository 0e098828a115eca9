"""The script that tries a backup in a throw-away place, run by real shells: what fails is told, and all goes again."""

import json
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hosts.factory.backup_factory import (
    AFTER,
    BEFORE,
    FIRST,
    HOLDS,
    KEPT,
    NEW,
    OLD,
    REDIS,
    RUNS,
    SECOND,
    THIRD,
    factory,
    laravel,
    ran,
    table,
)
from tests.hosts.pretend_root import Root, Said

REFERENCE = f"example/fork@sha256:{'9' * 64}"
DRILL = f"{KEPT}/last-drill.json"


@pytest.fixture(params=["dash", "busybox"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> Root:
    """Return a Factory with a backup."""
    made = factory(tmp_path, str(request.param))
    assert ran(made, "make", "op-1").status == 0
    made.write("asked", "")
    return made


def tried(root: Root, image: str = "-") -> Said:
    """Return what a rehearsal says; whatever came of it, nothing of it is left."""
    said = ran(root, "rehearse", "op-1", "op-1", image, "60")
    left = (root.read("there") or "", root.read("nets") or "", [*(root.folder / KEPT).glob(".rehearsal-*")])
    assert left == ("", "", [])
    return said


def reason(root: Root, image: str = "-") -> str:
    """Return the last line of a rehearsal that failed; it is no proof."""
    said = tried(root, image)
    assert (said.status, said.facts, root.read(DRILL)) == (3, "", None)
    return said.words.splitlines()[-1]


def runs(root: Root) -> Iterator[list[str]]:
    """Yield the words of each container that was started."""
    for line in (root.read("asked") or "").splitlines():
        if line.startswith("run "):
            yield line.split(" ")


def asked(root: Root, words: str) -> bool:
    """Return whether Docker was asked for something with these words."""
    return words in (root.read("asked") or "")


@pytest.mark.parametrize("form", [laravel, table])
def test_a_backup_that_restores_is_proved_and_recorded(root: Root, form: object) -> None:
    """What was pending, what ran, what of it may encrypt or drop, how long it took, and that a secret was decrypted."""
    write = laravel if form is laravel else table
    root.write("status", write(*BEFORE))
    root.write("after", write(*AFTER))
    said = tried(root)
    lines = said.facts.splitlines()
    assert (said.status, said.words) == (0, "")
    assert lines[0] == f"image {RUNS}"
    assert lines[1:5] == [f"pending {SECOND}", f"pending {THIRD}", f"ran {SECOND}", f"ran {THIRD}"]
    assert lines[5:7] == [f"drops {THIRD}", f"encrypts {SECOND}"]
    assert lines[9:] == ["secret decrypted", "done"]
    drill = json.loads(root.read(DRILL) or "")
    assert (drill["backup"], drill["image"], f"dump {drill['dump_sha256']}" in lines) == ("op-1", RUNS, True)
    assert root.read("copy") == root.read(f"{KEPT}/op-1/coolify.dump")


def test_the_place_has_no_way_out_no_mounts_and_limits(root: Root) -> None:
    """Of every container: the network of its own or none, bounded memory, no volume or folder of anybody, no pull."""
    tried(root, REFERENCE)
    started = list(runs(root))
    assert asked(root, "network create --internal --label ink-rehearsal=op-1 ink-rehearsal-op-1")
    networks = {words[words.index("--network") + 1] for words in started}
    assert (len(started), networks) == (8, {"ink-rehearsal-op-1", "none"})
    for words in started:
        assert words[words.index("--pull") + 1] == "never"
        assert "--memory" in words
        assert not {"--volume", "-v", "--mount", "--privileged", "--publish", "-p", "--volumes-from"} & set(words)
    images = [next(word for word in words if word in (RUNS, HOLDS, REDIS, NEW)) for words in started]
    assert images[:3] == [HOLDS, REDIS, NEW]
    assert set(images[3:]) == {NEW, RUNS}


def test_the_copy_alone_is_migrated(root: Root) -> None:
    """Whatever .env says of a database or a cache, php is told the throw-away ones, behind .env, so that they win."""
    tried(root)
    php = [" ".join(words) for words in runs(root) if "php" in words]
    for line in php:
        for told in (
            "DB_HOST=coolify-db",
            "DATABASE_URL= ",
            "DB_READ_HOST= ",
            "REDIS_HOST=coolify-redis",
            "REDIS_URL= ",
        ):
            assert line.index("--env-file") < line.index(f"--env {told}")
    assert asked(
        root,
        "--name ink-rehearsal-op-1-db --label ink-rehearsal=op-1 "
        "--network ink-rehearsal-op-1 --network-alias coolify-db",
    )


def test_docker_gets_env_as_compose_reads_it(root: Root) -> None:
    """Docker takes quotes for a part of a value; Compose, with which Coolify starts, does not."""
    keep = 'run*--env-file*) for word; do case $last in --env-file) cp "$word" "$ROOT/env" ;; esac; last=$word; done'
    root.write("broken", f"last=\ncase $* in {keep} ;; esac\n")
    tried(root)
    lines = (root.read("env") or "").splitlines()
    assert lines[1:] == ["DB_PASSWORD=x", "REDIS_PASSWORD=y"]


FAULTS: tuple[tuple[str, str, str], ...] = (
    ("*'-db pg_isready '*) exit 2", "rehearsal_start", "the throw-away Postgres does not answer"),
    (
        "'run --detach '*'-redis '*) echo 'no memory' >&2; exit 125",
        "rehearsal_start",
        "the throw-away redis does not start",
    ),
    ("'network create '*) echo 'no more networks' >&2; exit 1", "rehearsal_start", "no network of its own can be made"),
    (
        "*'pg_restore --exit-on-error '*) echo 'role \"x\" does not exist' >&2; exit 1",
        "rehearsal_restore",
        "pg_restore failed",
    ),
    ("*' artisan migrate:status '*) echo broken; exit 1", "rehearsal_status", "artisan migrate:status failed"),
    ("*' artisan migrate --force '*) echo 'FAIL'; exit 1", "rehearsal_migrate", "artisan migrate failed"),
    ("*' artisan migrate --force '*) exit 124", "rehearsal_migrate", "artisan migrate did not end within 60 seconds"),
    ("*' artisan migrate --force '*) exit 137", "rehearsal_migrate", "artisan migrate was killed"),
    ("*' artisan migrate --force '*) exit 0", "rehearsal_migrate", "migrations are pending after artisan migrate"),
    (
        "*' artisan tinker '*) echo 'ink-secret refused'; exit 0",
        "rehearsal_secret",
        "APP_KEY does not decrypt a private key",
    ),
    ("*' artisan tinker '*) echo 'ink-secret none'; exit 0", "rehearsal_secret", "has no private key"),
    ("*' artisan tinker '*) echo 'ink-secret other'; exit 0", "rehearsal_secret", "is none, or nothing was told"),
    ("*' artisan tinker '*) exit 0", "rehearsal_secret", "is none, or nothing was told"),
    ("*' artisan tinker '*) exit 255", "rehearsal_secret", "artisan tinker failed"),
    ("*' --network none '*) exit 1", "rehearsal_image", "the migrations in the image could not be read"),
)


@pytest.mark.parametrize(
    ("fault", "stage", "why"), FAULTS, ids=[f"{stage}-{n}" for n, (_, stage, _) in enumerate(FAULTS)]
)
def test_what_fails_there_is_told_and_proves_nothing(root: Root, fault: str, stage: str, why: str) -> None:
    """Each failure has its stage and its reason, leaves nothing behind, and is no proof."""
    root.write("broken", f"case $* in {fault} ;; esac\n")
    told = reason(root)
    assert told.startswith(f"ink-backup {stage} ")
    assert why in told


def test_an_image_that_is_older_than_the_database_is_told_before_it_migrates(root: Root) -> None:
    """The database has a migration that the image in service knows, and this one does not."""
    root.write("rows", f"{FIRST}\n{SECOND}\n")
    older = shlex.quote(laravel((FIRST, "[1] Ran"), (THIRD, "Pending")))
    root.write("broken", f"case $* in *'{NEW} artisan migrate:status '*) printf %s {older}; exit ;; esac\n")
    assert reason(root, REFERENCE) == (
        f"ink-backup rehearsal_unknown the database has migrations that the image does not have: {SECOND} "
    )
    assert not asked(root, "migrate --force")


def test_a_copy_is_migrated_with_one_image_after_the_other_and_each_is_told(root: Root) -> None:
    """Restored once; the second one meets what the first has left, and is held against that."""
    first, second = ((FIRST, "[1] Ran"), (SECOND, "Pending")), ((FIRST, "[1] Ran"), (SECOND, "[2] Ran"))
    third = (*second, (THIRD, "Pending")), (*second, (THIRD, "[3] Ran"))
    root.write("status", laravel(*first))
    root.write("after", laravel(*second))
    root.write("next", laravel(*third[0]))
    root.write("last", laravel(*third[1]))
    migrated = f'*"{RUNS} artisan migrate --force"*) cp "$ROOT/after" "$ROOT/old"; cp "$ROOT/after" "$ROOT/status"'
    migrated += f"; printf '%s\\n' {FIRST} {SECOND} >\"$ROOT/rows\"; exit 0 ;;"
    told = f'*"{RUNS} artisan migrate:status"*) [ ! -e "$ROOT/old" ] || {{ cat "$ROOT/old"; exit 0; }} ;;'
    then = f'*"{NEW} artisan migrate:status"*) cat "$ROOT/next"; exit 0 ;;'
    last = f'*"{NEW} artisan migrate --force"*) cp "$ROOT/last" "$ROOT/next"; exit 0 ;;'
    root.write("broken", f"case $* in {migrated} {told} {then} {last} esac\n")
    said = ran(root, "rehearse", "op-1", "op-1", RUNS, "60", REFERENCE)
    lines = [line for line in said.facts.splitlines() if not line.startswith(("dump", "seconds", "drops", "encrypts"))]
    assert (said.status, said.words, lines[3].partition(" ")[0]) == (0, "", "passed")
    assert [*lines[:3], *lines[4:]] == [
        *(f"image {RUNS}", f"pending {SECOND}", f"ran {SECOND}"),
        *(f"image {NEW}", f"pending {THIRD}", f"ran {THIRD}"),
        *("secret decrypted", "done"),
    ]
    assert (root.read("asked") or "").count("pg_restore --exit-on-error") == 1
    assert json.loads(root.read(DRILL) or "")["image"] == NEW


def test_of_several_images_one_that_fails_ends_it_and_none_after_it_is_tried(root: Root) -> None:
    """An image that is not there is told before the copy is made."""
    root.write("broken", f"case $* in *'{RUNS} artisan migrate --force '*) echo FAIL; exit 1 ;; esac\n")
    said = ran(root, "rehearse", "op-1", "op-1", RUNS, "60", REFERENCE)
    assert (said.status, "rehearsal_migrate artisan migrate failed" in said.words) == (3, True)
    assert not asked(root, f"{NEW} artisan")
    root.write("asked", "")
    said = ran(root, "rehearse", "op-1", "op-1", RUNS, "60", "example/none:1")
    assert (said.status, list(runs(root))) == (3, [])
    assert "rehearsal_image the image is not on the Factory" in said.words


def test_what_a_release_took_out_is_no_older_image(root: Root) -> None:
    """4.2.0 has create_telescope_entries_table and 4.3.0 has not: whoever goes from one to the other is let."""
    root.write("rows", f"{FIRST}\n{OLD}\n")
    service = shlex.quote(laravel((OLD, "[1] Ran"), (FIRST, "[1] Ran")))
    root.write("broken", f"case $* in *'{RUNS} artisan migrate:status '*) printf %s {service}; exit ;; esac\n")
    said = tried(root, REFERENCE)
    assert (said.status, f"gone {OLD}" in said.facts.splitlines()) == (0, True), said.words


def test_a_migration_of_the_future_is_unknown_also_where_no_image_has_it(root: Root) -> None:
    """Somebody went back to an older image on a newer database: that image runs, and fits its data no better."""
    root.write("rows", f"{FIRST}\n2027_01_01_000000_of_a_later_release\n")
    assert "rehearsal_unknown" in reason(root)


def test_a_migration_that_coolify_took_out_long_ago_is_no_trouble(root: Root) -> None:
    """4.3.0 took create_telescope_entries_table out; databases from before have its row for ever, and it is told."""
    root.write("rows", f"{FIRST}\n{OLD}\n")
    said = tried(root)
    assert (said.status, f"gone {OLD}" in said.facts.splitlines()) == (0, True)


@pytest.mark.parametrize(
    "odd",
    [
        "\n   INFO  No migrations found.  \n",
        f"  {FIRST} [1] Ran\n",
        f"  {FIRST} ....... Skipped\n",
        f"  {FIRST} ....... [1] Ran  \nPHP Warning:  something\n",
        "",
    ],
)
def test_a_status_of_another_shape_is_not_taken_for_all_is_well(root: Root, odd: str) -> None:
    """Strict: a line that is neither ran nor pending makes the whole not understood."""
    root.write("status", odd)
    assert reason(root) == "ink-backup rehearsal_status what artisan migrate:status says is not understood"


def test_statements_that_laravel_quotes_are_not_passed_on(root: Root) -> None:
    """The database's complaint is told; the statement with its values is not."""
    words = "SQLSTATE[42701]: Duplicate column (Connection: pgsql, SQL: update x set token = s3cret)"
    root.write("broken", f"case $* in *' artisan migrate --force '*) echo {shlex.quote(words)}; exit 1 ;; esac\n")
    said = tried(root)
    assert ("Duplicate column (statement left out)" in said.words, "s3cret" in said.words) == (True, False)


def test_an_image_that_is_not_there_is_not_pulled(root: Root) -> None:
    """Nothing is fetched in a rehearsal: what was to be tried is there, or it is told."""
    assert reason(root, "example/none:1") == "ink-backup rehearsal_image the image is not on the Factory: pull it first"


def test_a_backup_that_is_not_whole_is_not_tried(root: Root) -> None:
    """Its sums are read anew before anything starts."""
    root.write(f"{KEPT}/op-1/coolify.dump", "changed")
    damaged = "the backup op-1 is not what its manifest says, or has none"
    assert reason(root) == f"ink-backup rehearsal_damaged {damaged}"
    assert list(runs(root)) == []


def test_what_a_killed_rehearsal_left_is_removed_first(root: Root) -> None:
    """Containers, networks and the folder of the former one, whatever it was called."""
    root.write("there", "c9\n")
    root.write("nets", "n9\n")
    root.write(f"{KEPT}/.rehearsal-op-0/env", "x")
    assert tried(root).status == 0
    said = root.read("asked") or ""
    assert said.index("rm --force --volumes c9") < said.index("network rm n9") < said.index("network create")


def test_where_it_cannot_be_removed_nothing_is_proved(root: Root) -> None:
    """A throw-away place that stays is trouble of its own, and is said; the record is written after it is gone."""
    root.write("broken", "case $* in 'rm --force '*) exit 1 ;; esac\n")
    said = ran(root, "rehearse", "op-1", "op-1", "-", "60")
    assert (said.status, said.facts.endswith("done\n"), root.read(DRILL)) == (3, False, None)
    assert said.words.endswith("ink-backup rehearsal_left the throw-away place could not be removed\n")


def test_docker_needs_room_for_the_copy(root: Root) -> None:
    """Three times the database where Docker keeps its data; with less nothing is started."""
    root.programs({"df": "echo head; echo / 9 9 270335 9 /"})
    assert "rehearsal_room / has 263 MiB free, and 280 are wanted: 3 times the database" in reason(root)
    assert list(runs(root)) == []


def test_memory_is_looked_at_before_anything_starts(root: Root) -> None:
    """What the containers may take together has to be left: nothing that runs is to be killed for a rehearsal."""
    root.write("/proc/meminfo", "MemAvailable: 1228799 kB\n")
    assert reason(root).endswith("rehearsal_room 1199 MiB of memory are left, and 1200 are wanted")
    root.write("/proc/meminfo", "MemTotal: 8000000 kB\n")
    assert "is not known" in reason(root)
    assert list(runs(root)) == []


def test_a_copy_that_grows_is_stopped_before_the_disk_is_full(root: Root) -> None:
    """A migration writes without end: its Postgres is removed while there is still room for Coolify itself."""
    root.programs({"df": '[ -e "$ROOT/low" ] && free=262143 || free=99999999; echo head; echo / 9 9 $free 9 /'})
    grows = ': >"$ROOT/low"; n=0; while [ -s "$ROOT/there" ] && [ $n -lt 400 ]; do n=$((n + 1)); sleep 1; done; exit 1'
    root.write("broken", f"case $* in *' artisan migrate --force '*) {grows} ;; esac\n")
    assert reason(root) == ("ink-backup rehearsal_room the disk of Docker became nearly full: the copy was stopped")
    assert asked(root, "rm --force --volumes ink-rehearsal-op-1-db ink-rehearsal-op-1-app")
