"""backup_coolify: a backup counts when its files were read anew, a restore when it was done; all else is no proof."""

from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from ink_infra_mcp.core.fleet import BackupPlace, Fleet
from ink_infra_mcp.sandbox.state import Fault, WorldState
from ink_infra_mcp.sandbox.state_factory import FactoryDisk, Kept
from tests.ink import ink
from tests.tools.calls import After, Said, call, unknown

pytestmark = pytest.mark.anyio

LIMIT_S = 150
DAY_S = 86_400.0
PENDING = "2026_05_29_090000_drop_plain_and_encrypt"
NOTHING = "Nothing in service was touched"


def factory(state: WorldState) -> FactoryDisk:
    """Return the Factory's disk."""
    return state.coolify.factory


def no_place(fleet: Fleet) -> Fleet:
    """Name no place off the host."""
    return fleet.model_copy(update={"backups": BackupPlace()})


def newer(state: WorldState) -> None:
    """The image in service has a migration that the database lacks, as after a start that broke off."""
    disk = factory(state)
    disk.migrations[coolifys_image(state)] = [*disk.applied, PENDING]


def coolifys_image(state: WorldState) -> str:
    """Return the reference of Coolify's image."""
    return next(c.image for c in state.hosts["factory"].containers if c.name == "coolify")


async def backed_up(folder: Path, change: Callable[[WorldState], None] | None = None, **arguments: object) -> Said:
    """Return what is said of a backup in a world, without anybody who could be asked."""
    with anyio.fail_after(LIMIT_S):
        async with ink(folder, change_world=change) as it, it.client() as client:
            said = await call(client, "backup_coolify", **{"wait_s": 60, **arguments})
            assert unknown(it) == []
    return said


async def test_a_backup_is_made_without_a_question_and_read_anew(tmp_path: Path) -> None:
    """It changes nothing that runs: no person is asked. Its sums are those that were read after it was made."""
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path) as it, it.client() as client:
            said = await call(client, "backup_coolify", wait_s=60)
            kept = factory(it.state).kept[-1]
            assert (said.outcome, said.checks) == ("applied", {"backup": "passed", "copy": "passed"}), said.text
            assert {name: value for name, value in said.data["result"].items() if name != "copy"} == {
                "folder": f"/data/coolify/backups/ink/{said.data['operation_id']}",
                "dump_sha256": kept.sum,
                "bytes": kept.size,
                "seconds": 1.25,
            }
            assert len(factory(it.state).kept) == 2
            assert [entry for entry in it.journal if "ink-backup" in entry] == [
                f"ssh factory ink-backup make {kept.name}"
            ]


async def test_a_drill_proves_the_restore_and_the_next_look_knows_it(tmp_path: Path) -> None:
    """What ran on the copy is told with what of it may encrypt or drop; get_coolify_image tells the proof's age."""
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=newer) as it, it.client() as client:
            said = await call(client, "backup_coolify", drill=True, wait_s=60)
            told = await call(client, "get_coolify_image")
            passed = {"backup": "passed", "copy": "passed", "restore": "passed"}
            assert (said.outcome, said.checks) == ("applied", passed), said.text
            drill = said.data["result"]["drill"]
            assert drill["restored"] == said.data["operation_id"]
            assert (drill["pending_before"], drill["ran"], drill["secret"]) == ([PENDING], [PENDING], "decrypted")
            assert (drill["may_drop"], drill["may_encrypt"]) == ([PENDING], [PENDING])
            assert (told.data["last_proved_restore"], told.data["last_backup"].split(";")[0]) == ("0 h ago", "0 h ago")
            assert PENDING not in factory(it.state).applied, "the database in service is as it was"


def failing(*what: str) -> Callable[[WorldState], None]:
    """Let programs or migrations fail."""

    def change(state: WorldState) -> None:
        newer(state)
        factory(state).failing = [*what]

    return change


def full(state: WorldState) -> None:
    """There is less room than twice the database."""
    host = state.hosts["factory"]
    host.disk_used_bytes = host.disk_bytes - 2**28


def short(state: WorldState) -> None:
    """There is less memory than the throw-away place may take."""
    host = state.hosts["factory"]
    host.used_bytes = host.memory_bytes - 2**30


def another_key(state: WorldState) -> None:
    """Somebody made APP_KEY anew."""
    factory(state).key_fits = False


def older_image(state: WorldState) -> None:
    """The database was migrated by a later image."""
    factory(state).applied.append("2027_01_01_000000_of_a_later_release")


@pytest.mark.parametrize(
    ("change", "stage", "why"),
    [
        (failing("pg_dump"), "backup_dump", "pg_dump failed"),
        (full, "backup_room", "256 MiB free, and 272 are wanted: 2 times the database"),
        (short, "rehearsal_room", "1024 MiB of memory are left, and 1200 are wanted"),
        (failing("pg_restore"), "rehearsal_restore", "pg_restore failed"),
        (failing(PENDING), "rehearsal_migrate", "artisan migrate failed"),
        (another_key, "rehearsal_secret", "APP_KEY does not decrypt a private key of the copy"),
        (older_image, "rehearsal_unknown", "2027_01_01_000000_of_a_later_release"),
    ],
    ids=["dump", "full", "memory", "restore", "migration", "key", "unknown"],
)
async def test_what_fails_is_told_and_is_no_proof(
    tmp_path: Path, change: Callable[[WorldState], None], stage: str, why: str
) -> None:
    """The outcome is failed, with the stage and the reason; nothing is recorded as proved."""
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=change) as it, it.client() as client:
            before = factory(it.state).drill
            said = await call(client, "backup_coolify", drill=True, wait_s=60)
            assert (said.outcome, said.problem["stage"]) == ("failed", stage), said.text
            assert (why in said.text, NOTHING in said.text) == (True, True)
            assert factory(it.state).drill == before
            made = len(factory(it.state).kept)
            assert made == (1 if stage.startswith("backup_") else 2), "a backup that was made stays, a failed one never"


async def test_the_last_words_of_what_failed_are_in_the_answer(tmp_path: Path) -> None:
    """As data from outside: somebody has to mend it."""
    said = await backed_up(tmp_path, failing(PENDING), drill=True)
    assert "Duplicate column" in said.text


@pytest.mark.parametrize("place", [True, False])
async def test_a_backup_that_was_spoilt_right_after_is_not_called_made(tmp_path: Path, *, place: bool) -> None:
    """The proof reads the disk, and not what the step returned; and nothing that is spoilt is copied off the host."""

    def spoil(state: WorldState) -> None:
        factory(state).kept[-1].spoilt = True

    with anyio.fail_after(LIMIT_S):
        wrap = After(tmp_path, "factory.backup_coolify", spoil)
        fleet = None if place else no_place
        async with ink(tmp_path, wrap_handler=wrap, change_fleet=fleet) as it, it.client() as client:
            said = await call(client, "backup_coolify", wait_s=60)
            assert len(it.state.place.files) == 1
    outcome = "failed" if place else "applied_unverified"
    assert (said.outcome, said.checks.get("backup")) == (outcome, None if place else "failed"), said.text


async def test_a_proof_that_is_not_on_the_factory_is_not_told(tmp_path: Path) -> None:
    """A record of an earlier drill is none of this one."""

    def forget(state: WorldState) -> None:
        factory(state).drill = None

    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, wrap_handler=After(tmp_path, "factory.rehearse", forget)) as it, it.client() as client:
            said = await call(client, "backup_coolify", drill=True, wait_s=60)
    checks = {"backup": "passed", "copy": "passed", "restore": "failed"}
    assert (said.outcome, said.checks) == ("applied_unverified", checks), said.text


@pytest.mark.parametrize("verb", ["make", "rehearse"])
@pytest.mark.parametrize("kind", ["drop", "drop_after"])
async def test_a_connection_that_breaks_costs_no_backup_and_makes_no_second(
    tmp_path: Path, verb: str, kind: str
) -> None:
    """Before the Factory was told, or after it has done it: it is asked again, and takes what is whole as made."""

    def lost(state: WorldState) -> None:
        state.faults.append(Fault(system="ssh", match=f"ink-backup {verb}", kind=kind))

    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=lost) as it, it.client() as client:
            said = await call(client, "backup_coolify", drill=True, wait_s=60)
            assert (said.outcome, len(factory(it.state).kept)) == ("applied", 2), said.text


async def test_a_factory_that_is_away_gets_no_plan(tmp_path: Path) -> None:
    """Nothing is begun where nobody can look."""

    def away(state: WorldState) -> None:
        state.hosts["factory"].up = False

    said = await backed_up(tmp_path, away)
    assert (said.is_error, "factory" in said.text) == (True, True)


@pytest.mark.parametrize(
    ("age_s", "codes"), [(None, {"restore_unproved"}), (31 * DAY_S, {"restore_old"}), (1 * DAY_S, set[str]())]
)
async def test_check_fleet_tells_how_old_the_last_proof_is(
    tmp_path: Path, age_s: float | None, codes: set[str]
) -> None:
    """Never, or longer ago than 30 days: a finding with the call that mends it."""

    def aged(state: WorldState) -> None:
        drill = factory(state).drill
        assert drill is not None
        drill.at -= (age_s or 0.0) - 3 * DAY_S
        factory(state).drill = drill if age_s else None

    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=aged) as it, it.client() as client:
            said = await call(client, "check_fleet")
    found = {
        one["code"]: one for one in said.data["findings"] if one["code"].startswith(("restore_", "unknown_restore"))
    }
    assert set(found) == codes
    assert all("drill=true" in one["mend"] for one in found.values())


async def test_our_own_backup_counts_for_the_age_of_the_last_one(tmp_path: Path) -> None:
    """Where Coolify makes none, and ours is from today, there is a recent backup; an empty one is none."""

    def ours(state: WorldState) -> None:
        disk = factory(state)
        disk.kept = [Kept(name="op-1", at=disk.dumps[-1].at, sum="d" * 64)]
        disk.dumps = []

    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=ours) as it, it.client() as client:
            told = await call(client, "get_coolify_image")
            assert told.data["last_backup"].startswith("5 h ago")
            with it.world.change() as state:
                factory(state).kept[-1].size = 0
            told = await call(client, "get_coolify_image")
            assert told.data["last_backup"].startswith("never")
