"""The doctor's look at the place of copies off the host: what is seen without writing, and one login, never two."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from ink_infra_mcp.app import Wiring
from ink_infra_mcp.cli.doctor import hosts, look
from ink_infra_mcp.cli.doctor_ground import Ground, ground_of_wiring
from ink_infra_mcp.cli.doctor_hosts import pool_of
from ink_infra_mcp.cli.doctor_place import NAME
from ink_infra_mcp.cli.doctor_report import Section
from ink_infra_mcp.core.fleet import BackupPlace, Fleet
from ink_infra_mcp.sandbox.state import WorldState
from ink_infra_mcp.sandbox.state_place import AGE_KEY, BOX, BOX_FLEET, BOX_FOLDER, BOX_USER
from ink_infra_mcp.settings.loading import Settings
from tests import ink
from tests.cli.sandboxes import Running

ANOTHER_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ5mDWHpJzUR5n4DsLU0tGLTBgXYoL0Y6mRDYQ0CFC4K"
WAY = f"SFTP as {BOX_USER} at {BOX}:23, key from environment INK_SSH_KEY; its host key is one of fleet.toml."
KEY = f"copies are for {AGE_KEY}, whose checksum is right; whether somebody has its private key is not known."
THERE = f"its folder {BOX_FOLDER} is there (mode 700); whether {BOX_USER} may write was not tried."
ROOM, ONE = "10.0 GiB are free there.", f"copies: 1 of {BOX_FLEET} there, by name and size."

Change = Callable[[BackupPlace], BackupPlace]


def same(place: BackupPlace) -> BackupPlace:
    """Leave fleet.toml as it is."""
    return place


def another_box(place: BackupPlace) -> BackupPlace:
    """Pin the key of another one."""
    return place.model_copy(update={"host_key": ANOTHER_KEY})


def nowhere(place: BackupPlace) -> BackupPlace:
    """Name no place."""
    return BackupPlace()


def looked(folder: Path, world: Running, change: Change = same, *, real: bool = False) -> Section:
    """Return what the doctor finds of the place, in a pretend world or one that passes for real, within its limit."""
    wiring = ink.wired(folder, world.world, world.ends)
    fleet = wiring.settings.fleet
    fleet = fleet.model_copy(update={"backups": change(fleet.backups)})
    settings = wiring.settings.model_copy(update={"fleet": fleet, "sandbox": not real})
    return anyio.run(_looked, ground_of_wiring(_with(wiring, settings), {}), fleet)


def _with(wiring: Wiring, settings: Settings) -> Wiring:
    return replace(wiring, settings=settings)


async def _looked(ground: Ground, fleet: Fleet) -> Section:
    with anyio.fail_after(60):
        async with pool_of(ground, fleet) as pool:
            (check,) = (check for check in hosts(ground, fleet, pool) if check.name == NAME)
            (section,) = await look([check], ground, limit_s=8.0)
            return section


def said(section: Section) -> dict[str, str]:
    """Return how bad each thing is."""
    return {finding.text: finding.level for finding in section.findings}


def renamed(state: WorldState, old: str, new: str) -> None:
    """Give the one copy there another name."""
    (path,) = state.place.files
    state.place.files = {path.replace(old, new): state.place.files[path]}


def test_a_place_with_a_copy_is_well_and_nothing_is_written(tmp_path: Path, world: Running) -> None:
    """Reached, the pinned key, let in, the folder, the room, the copy; what cannot be seen is said not to be."""
    found = looked(tmp_path, world)
    assert said(found) == dict.fromkeys((WAY, KEY, THERE, ROOM, ONE), "ok")
    assert (found.gives, found.lacks) == ((), {})
    assert [entry for entry in world.world.read().journal if entry.startswith("place")] == []


def test_a_full_box_without_a_folder_or_a_copy_is_told(tmp_path: Path, world: Running) -> None:
    """Before the Factory's image is to be exchanged, and not then."""
    with world.world.change() as state:
        state.place.files, state.place.folders, state.place.room_bytes = {}, [], 2**20
    assert said(looked(tmp_path, world)) == {
        WAY: "ok",
        KEY: "ok",
        f"it has no folder {BOX_FOLDER} yet: the first copy makes it.": "ok",
        "1 MiB are free there; a copy of the newest one's size wants 16 MiB.": "failed",
        f"no whole copy of {BOX_FLEET} lies there.": "warning",
    }


def test_what_lies_beside_and_what_is_damaged_is_told(tmp_path: Path, world: Running) -> None:
    """Another fleet's copy is no comfort, nor is half of one's own."""
    with world.world.change() as state:
        (path,) = state.place.files
        whole = state.place.files[path]
        other, old = path.replace(BOX_FLEET, "other.example.com"), f"{BOX_FOLDER}/coolify_20260101T000000Z_op-1_"
        state.place.files = {other: whole, f"{old}{'a' * 64}.tar.age": whole}
        state.place.put(path, whole.data[:-1], at=whole.at)
    found = said(looked(tmp_path, world))
    name = path.removeprefix(f"{BOX_FOLDER}/")
    assert {text: level for text, level in found.items() if text not in (WAY, KEY, THERE, ROOM)} == {
        f"no whole copy of {BOX_FLEET} lies there.": "warning",
        f"copies that are damaged and count for nothing: 1 of {BOX_FLEET}, the newest {name}.": "warning",
        "copies beside: 1 of other fleets and 1 without a fleet's name; none of them is counted or removed.": "note",
    }


@pytest.mark.parametrize(
    ("stamp", "words", "level"),
    [
        ("20240101T000000Z", "the newest is of op-4w7hx2mnp9, ", "warning"),
        ("20990101T000000Z", ", all of a time to come.", "warning"),
        ("", "the newest is of op-4w7hx2mnp9, ", "ok"),
    ],
    ids=["old", "ahead", "new"],
)
def test_the_age_of_the_newest_copy_is_told(tmp_path: Path, world: Running, stamp: str, words: str, level: str) -> None:
    """One that is older than a week, or of a time to come, is a warning."""
    with world.world.change() as state:
        (path,) = state.place.files
        renamed(state, path.split("_")[1], stamp or path.split("_")[1])
    (newest,) = (f for f in looked(tmp_path, world, real=True).findings if f.text.startswith("copies: "))
    assert (words in newest.text, newest.level, bool(newest.next)) == (True, level, level != "ok")


@pytest.mark.parametrize(
    ("fault", "change", "words"),
    [
        ("login", same, "does not accept"),
        ("connect", same, "does not answer over SSH"),
        ("list coolify", same, "did not list coolify"),
        ("", another_box, "host key"),
    ],
    ids=["login", "away", "no list", "another box"],
)
def test_a_place_that_does_not_let_us_look_has_failed_and_is_asked_once(
    tmp_path: Path, world: Running, fault: str, change: Change, words: str
) -> None:
    """Each with its reason; whoever is refused and keeps on asking is locked out."""
    if fault:
        world.breaks("place", fault)
    found = looked(tmp_path, world, change)
    assert (found.level, words in found.findings[0].text, bool(found.findings[0].next)) == ("failed", True, True), found
    assert [each.times for each in world.world.read().faults] == ([98] if fault else [])


def test_without_a_place_it_is_a_note(tmp_path: Path, world: Running) -> None:
    """Somebody may copy backups by other means."""
    found = looked(tmp_path, world, nowhere)
    assert (found.level, "none" in found.findings[0].text) == ("note", True)
