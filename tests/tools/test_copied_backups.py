"""A copy of a backup off the host counts when it was read back there; whatever else happens, no half of one counts."""

import hashlib
import re
from collections.abc import Callable, Iterable
from pathlib import Path

import anyio
import pytest

from ink_infra_mcp.core.copies import DAMAGED, Copy, in_order
from ink_infra_mcp.core.fleet import BackupPlace, Fleet
from ink_infra_mcp.sandbox.state import Fault, WorldState
from ink_infra_mcp.sandbox.state_place import AGE_KEY, BOX, BOX_FLEET, BOX_FOLDER, BOX_USER
from tests.ink import Ink, ink
from tests.tools.calls import Said, call

pytestmark = pytest.mark.anyio

LIMIT_S = 150
DAY_S = 86_400
ANOTHER_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ5mDWHpJzUR5n4DsLU0tGLTBgXYoL0Y6mRDYQ0CFC4K"
WHOLE = "the backup on the Factory"

World = Callable[[WorldState], None]


def nothing(state: WorldState) -> None:
    """Leave the world as it is."""


def trouble(match: str, kind: str = "status", times: int = 1) -> World:
    """Script trouble of the box."""

    def change(state: WorldState) -> None:
        state.faults.append(Fault(system="place", match=match, kind=kind, times=times))

    return change


def failing(program: str) -> World:
    """Let a program of the Factory fail."""

    def change(state: WorldState) -> None:
        state.coolify.factory.failing = [program]

    return change


def rotten(state: WorldState) -> None:
    """The box gives back other bytes than it was given."""
    state.place.rotten = True


def full(room: int) -> World:
    """The box has so much room."""

    def change(state: WorldState) -> None:
        state.place.room_bytes = room

    return change


def copies_in(it: Ink) -> list[str]:
    """Return the copies that count there, the newest first, and everything else by its name."""
    names = [name.removeprefix(f"{BOX_FOLDER}/") for name in it.state.place.files]
    counted = [copy.backup for copy in in_order(names)]
    return counted + [name for name in names if ".tar.age" not in name]


async def backed_up(
    folder: Path, change: World = nothing, *, fleet: Callable[[Fleet], Fleet] | None = None
) -> tuple[Said, list[str], list[str]]:
    """Return what is said of a backup in that world, what the box has then, and what it was asked to change."""
    with anyio.fail_after(LIMIT_S):
        async with ink(folder, change_world=change, change_fleet=fleet) as it, it.client() as client:
            said = await call(client, "backup_coolify", wait_s=60)
            return said, copies_in(it), [entry for entry in it.journal if entry.startswith("place")]


async def test_a_copy_is_written_under_another_name_read_back_and_then_given_its_own(tmp_path: Path) -> None:
    """The answer says where it lies, how large it is and its sum, which its name has too; the plan says what it has."""
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path) as it, it.client() as client:
            said = await call(client, "backup_coolify", wait_s=60)
            copy = said.data["result"]["copy"]
            file = it.state.place.files[copy["file"]]
            assert (said.outcome, said.checks["copy"]) == ("applied", "passed"), said.text
            assert copy == {
                "file": copy["file"],
                "sha256": in_order([copy["file"].removeprefix(f"{BOX_FOLDER}/")])[0].sha256,
                "bytes": len(file.data),
                "copies": 2,
                "damaged": [],
                "removed": [],
            }
            name = said.data["operation_id"]
            assert copies_in(it) == [name, "op-4w7hx2mnp9"]
            assert [entry.split("_")[0] for entry in it.journal if entry.startswith("place")] == [
                "place write part",
                "place rename coolify",
            ]
            way = f"as {BOX_FLEET}'s, encrypted on factory for {AGE_KEY}, to {BOX_USER}@{BOX}:23, folder coolify"
            assert way in said.text
            assert ".env with APP_KEY" in said.text
            assert file.data.startswith(b"age-encryption.org/v1\n")


@pytest.mark.parametrize(
    ("change", "stage", "why"),
    [
        (failing("age"), "copy_tool", "apt-get install age"),
        (failing("tar"), "copy_seal", "the archive is not whole"),
        (failing("another age"), "copy_open", "is not encrypted for a key of age"),
        (failing("silent age"), "copy_open", "none of it was sent"),
        (rotten, "copy_differs", "gives back something else than it got"),
        (full(2**20), "copy_room", "1 MiB left, and"),
    ],
    ids=["no age", "half an archive", "in the clear", "nothing", "rotten", "full before"],
)
async def test_what_is_no_copy_is_told_and_leaves_nothing_that_counts(
    tmp_path: Path, change: World, stage: str, why: str
) -> None:
    """The stage and the reason; the backup on the Factory is whole all the same, and an earlier copy stays."""
    said, there, _ = await backed_up(tmp_path, change)
    assert (said.outcome, said.problem["stage"], there) == ("failed", stage, ["op-4w7hx2mnp9"]), said.text
    assert (why in said.text, WHOLE in said.text) == (True, True), said.text


async def test_a_box_that_fills_up_meanwhile_keeps_no_half_copy(tmp_path: Path) -> None:
    """SFTP says only `Failure`: the part is removed, and room, quota and rights are named to look at."""
    said, there, _ = await backed_up(tmp_path, trouble("take coolify/.part-"))
    assert (said.outcome, there) == ("failed", ["op-4w7hx2mnp9"]), said.text
    assert "quota" in said.text


@pytest.mark.parametrize("where", ["list coolify", "write coolify", "take coolify", "read coolify", "rename coolify"])
async def test_a_cable_that_is_cut_costs_no_copy_and_makes_no_second(tmp_path: Path, where: str) -> None:
    """Wherever it was cut, the copy is begun anew, and one that counts is there in the end."""
    said, there, _ = await backed_up(tmp_path, trouble(where, "drop"))
    assert (said.outcome, there) == ("applied", [said.data["operation_id"], "op-4w7hx2mnp9"]), said.text


async def test_a_cable_that_is_cut_again_and_again_ends_with_a_true_report(tmp_path: Path) -> None:
    """After three times it is told; what lies there of the copy does not count."""
    said, there, _ = await backed_up(tmp_path, trouble("take coolify", "drop", times=99))
    assert said.outcome == "failed", said.text
    assert [name for name in there if not name.startswith(".part-")] == ["op-4w7hx2mnp9"]
    assert "not whole" in said.text


async def test_a_box_that_refuses_the_login_is_asked_once(tmp_path: Path) -> None:
    """Who keeps on asking is locked out."""
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=trouble("login", times=99)) as it, it.client() as client:
            said = await call(client, "backup_coolify", wait_s=60)
            left = it.state.faults[0].times
    assert (said.outcome, left) == ("failed", 98), said.text


async def test_another_box_gets_nothing(tmp_path: Path) -> None:
    """One with another host key than the pinned one is not even logged in to."""

    def other(fleet: Fleet) -> Fleet:
        return fleet.model_copy(update={"backups": fleet.backups.model_copy(update={"host_key": ANOTHER_KEY})})

    said, there, asked = await backed_up(tmp_path, fleet=other)
    assert (said.outcome, there, asked) == ("failed", ["op-4w7hx2mnp9"], []), said.text
    assert "host key" in said.text


async def test_without_a_place_the_plan_says_that_the_backup_stays_there(tmp_path: Path) -> None:
    """Nothing is copied, and that is told."""
    said, there, _ = await backed_up(tmp_path, fleet=lambda fleet: fleet.model_copy(update={"backups": BackupPlace()}))
    assert (said.outcome, said.checks, there) == ("applied", {"backup": "passed"}, ["op-4w7hx2mnp9"]), said.text


def backups_of(files: Iterable[str]) -> list[str]:
    """Return of which backups these files are copies, in their order."""
    return [copy.backup for file in files for copy in in_order([file])]


def put(state: WorldState, backup: str, *, age: float, fleet: str = BOX_FLEET, rots: str = "") -> None:
    """Have a copy of that age, in days; one that `rots` has lost a byte, or has another one, since it was read back."""
    whole = f"{fleet} {backup}".encode() * 9
    data = {"": whole, "size": whole[:-1], "sum": whole[:-1] + b"?"}[rots]
    at, size = int(state.began - age * DAY_S), len(whole) if fleet else 0
    copy = Copy(fleet=fleet, backup=backup, made=at, bytes=size, sha256=hashlib.sha256(whole).hexdigest())
    state.place.put(f"{BOX_FOLDER}/{copy.file}", data, at=state.began)


def many(ages: list[float]) -> World:
    """Have copies of these ages, in days, and parts that were left."""

    def change(state: WorldState) -> None:
        (old,) = state.place.files.values()
        for number, age in enumerate(ages):
            put(state, f"op-{number}", age=age)
        for part, days in ((f"{BOX_FLEET}_op-dead", 2), (f"{BOX_FLEET}_op-other", 0), ("other_op-dead", 2)):
            at = state.began - days * DAY_S
            state.place.files[f"{BOX_FOLDER}/.part-{part}"] = old.model_copy(update={"at": at})
        state.place.files[f"{BOX_FOLDER}/notes.txt"] = old.model_copy()

    return change


def keeping(keep: int, days: int) -> Callable[[Fleet], Fleet]:
    """Keep so many copies, and all that are younger."""

    def change(fleet: Fleet) -> Fleet:
        return fleet.model_copy(update={"backups": fleet.backups.model_copy(update={"keep": keep, "keep_days": days})})

    return change


async def test_copies_go_that_are_many_and_old_after_the_new_one_is_proved(tmp_path: Path) -> None:
    """The newest two and all of the last ten days stay, and whatever is not ours; parts of our dead go."""
    said, there, asked = await backed_up(tmp_path, many([5, 9, 11, 40]), fleet=keeping(2, 10))
    parts = [f".part-{BOX_FLEET}_op-other", ".part-other_op-dead"]
    kept = [said.data["operation_id"], "op-4w7hx2mnp9", "op-0", "op-1", *parts, "notes.txt"]
    assert (there, len(said.data["result"]["copy"]["removed"])) == (kept, 2), said.text
    order = [re.split("[_-]", entry)[0] for entry in asked]
    removed = ["place remove coolify", "place remove coolify", "place remove part"]
    assert order == ["place write part", "place rename coolify", *removed], (
        "nothing goes before the new one has its name"
    )


async def test_a_damaged_copy_counts_for_nothing_and_drives_out_no_good_one(tmp_path: Path) -> None:
    """Of another size or with another sum: it is counted nowhere, told, and stays, under a name that says so."""

    def change(state: WorldState) -> None:
        put(state, "op-short", age=3, rots="size")
        put(state, "op-rotten", age=4, rots="sum")
        put(state, "op-good", age=40)
        put(state, "op-gone", age=50)

    said, there, _ = await backed_up(tmp_path, change, fleet=keeping(2, 10))
    copy = said.data["result"]["copy"]
    assert (said.outcome, copy["copies"]) == ("applied", 3), said.text
    assert backups_of(copy["removed"]) == ["op-gone"]
    assert backups_of(file.removeprefix(DAMAGED) for file in copy["damaged"]) == ["op-short", "op-rotten"]
    assert there == [said.data["operation_id"], "op-short", "op-4w7hx2mnp9", "op-good"]
    assert "damaged, and counted for nothing: 2" in said.text


async def test_a_line_that_errs_once_damages_no_copy(tmp_path: Path) -> None:
    """What cannot be read at once is begun anew; what reads well the second time is whole."""

    def change(state: WorldState) -> None:
        put(state, "op-good", age=40)
        put(state, "op-gone", age=50)
        trouble("read coolify/coolify_", "garble")(state)

    said, there, _ = await backed_up(tmp_path, change, fleet=keeping(2, 10))
    assert (said.outcome, there) == ("applied", [said.data["operation_id"], "op-4w7hx2mnp9", "op-good"]), said.text


async def test_copies_of_other_fleets_and_those_without_a_name_are_never_removed(tmp_path: Path) -> None:
    """Two fleets in one folder thin their own; what lay there before names had a fleet is a person's to move."""

    def change(state: WorldState) -> None:
        for age in (20, 30, 40):
            put(state, "op-other", age=age, fleet="other.example.com")
            put(state, "op-before", age=age, fleet="")
        put(state, "op-gone", age=50)

    said, there, asked = await backed_up(tmp_path, change, fleet=keeping(1, 10))
    others = ["op-other", "op-before"]
    assert (said.outcome, sorted(there)) == (
        "applied",
        sorted([said.data["operation_id"], "op-4w7hx2mnp9", *others * 3]),
    ), said.text
    removed = backups_of(said.data["result"]["copy"]["removed"])
    assert (removed, len([entry for entry in asked if "remove" in entry])) == (["op-gone"], 1)


async def test_a_box_that_lets_nothing_be_removed_has_the_copy_all_the_same(tmp_path: Path) -> None:
    """Who keeps a box to which is only added must not read that nothing was changed, nor that there is no copy."""

    def change(state: WorldState) -> None:
        many([40])(state)
        trouble("remove coolify/coolify_")(state)

    said, there, _ = await backed_up(tmp_path, change, fleet=keeping(1, 10))
    assert (said.outcome, said.problem["stage"]) == ("failed", "copy_kept"), said.text
    assert (said.data["operation_id"] in there, "was made, read back and has its name there" in said.text) == (
        True,
        True,
    )


async def found(folder: Path, change: World, fleet: Callable[[Fleet], Fleet] | None = None) -> dict[str, str]:
    """Return what check_fleet finds of copies, and how bad each is."""
    codes = {
        *("no_backup_place", "unknown_copies", "no_copy", "old_copy", "copy_behind", "copy_ahead"),
        *("damaged_copy", "others_copies", "unnamed_copies"),
    }
    with anyio.fail_after(LIMIT_S):
        async with ink(folder, change_world=change, change_fleet=fleet) as it, it.client() as client:
            said = await call(client, "get_coolify_image")
    return {one["code"]: one["severity"] for one in said.data["findings"] if one["code"] in codes}


async def test_a_copy_that_is_missing_old_behind_or_not_known_is_a_finding(tmp_path: Path) -> None:
    """Each by its own code; a place that is not named is one as well."""

    def none(state: WorldState) -> None:
        state.place.files = {}

    def behind(state: WorldState) -> None:
        state.coolify.factory.kept[-1].at += 2 * DAY_S

    def old(state: WorldState) -> None:
        (path,) = state.place.files
        state.place.files = {path.replace(path.split("_")[1], "20240101T000000Z"): state.place.files[path]}

    def ahead(state: WorldState) -> None:
        old(state)
        (path,) = state.place.files
        state.place.files[path.replace("20240101T000000Z", "20990101T000000Z")] = state.place.files[path]

    def ahead_alone(state: WorldState) -> None:
        (path,) = state.place.files
        state.place.files = {path.replace(path.split("_")[1], "20990101T000000Z"): state.place.files[path]}

    def damaged(state: WorldState) -> None:
        put(state, "op-short", age=9, rots="size")

    def damaged_alone(state: WorldState) -> None:
        state.place.files = {}
        put(state, "op-short", age=0.1, rots="size")

    def marked(state: WorldState) -> None:
        (path,) = state.place.files
        state.place.files = {path.replace("coolify_", f"{DAMAGED}coolify_"): state.place.files[path]}

    def others(state: WorldState) -> None:
        none(state)
        put(state, "op-other", age=0, fleet="other.example.com")
        put(state, "op-before", age=0, fleet="")

    def without(fleet: Fleet) -> Fleet:
        return fleet.model_copy(update={"backups": BackupPlace()})

    assert [
        await found(tmp_path / "well", nothing),
        await found(tmp_path / "none", none),
        await found(tmp_path / "behind", behind),
        await found(tmp_path / "old", old),
        await found(tmp_path / "ahead", ahead),
        await found(tmp_path / "alone", ahead_alone),
        await found(tmp_path / "away", trouble("connect", times=99)),
        await found(tmp_path / "without", nothing, without),
        await found(tmp_path / "damaged", damaged),
        await found(tmp_path / "damaged_alone", damaged_alone),
        await found(tmp_path / "marked", marked),
        await found(tmp_path / "others", others),
    ] == [
        {},
        {"no_copy": "high"},
        {"copy_behind": "warning"},
        {"old_copy": "high"},
        {"copy_ahead": "warning", "old_copy": "high"},
        {"copy_ahead": "high"},
        {"unknown_copies": "high"},
        {"no_backup_place": "warning"},
        {"damaged_copy": "warning"},
        {"damaged_copy": "high", "no_copy": "high"},
        {"damaged_copy": "high", "no_copy": "high"},
        {"no_copy": "high", "others_copies": "info", "unnamed_copies": "info"},
    ]
