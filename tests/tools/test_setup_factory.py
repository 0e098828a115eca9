"""setup_factory: /data and Docker's data on a disk by its id, moved by the Factory itself; what is so is left alone."""

from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from ink_infra_mcp.sandbox.state import Fault, WorldState
from ink_infra_mcp.sandbox.state_factory import Storage, Volume
from tests.ink import Ink, ink
from tests.tools.arrivals import approved, say_yes
from tests.tools.calls import Before, Said, call, unknown

pytestmark = pytest.mark.anyio

LIMIT_S = 180
TOOL, DISK = "setup_factory", "scsi-0HC_Volume_1001"
REFUSED = "[refused_by_policy]"
BOTH = ("data_disk", "docker_data")
DATA_PROVED = {"data_disk": "passed", "fstab": "passed", "guard": "passed"}
LINE = f"/dev/disk/by-id/{DISK} /data ext4 discard,nofail,x-systemd.device-timeout=30s"
Change = Callable[[WorldState], None]


def storage(state: WorldState) -> Storage:
    """Return the Factory's disks, and what lies where."""
    return state.coolify.factory.storage


def volume(state: WorldState) -> Volume:
    """Return the one disk."""
    return storage(state).volumes[DISK]


def flowing(text: str) -> str:
    """Return a text without the ends of its lines."""
    return " ".join(text.replace("... ", "").split())


async def set_up(it: Ink, *parts: str, **arguments: object) -> Said:
    """Return what is said of a call that a person approves."""
    async with it.client() as client:
        return await approved(it, client, TOOL, parts=[*parts], disk=DISK, wait_s=50, **arguments)


async def test_a_blank_volume_becomes_data_and_holds_dockers_data(tmp_path: Path) -> None:
    """Both in one plan, and the same call afterwards plans nothing: what was there before is kept."""
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path) as it:
            said = await set_up(it, *BOTH)
            assert (said.outcome, said.checks) == ("applied", {**DATA_PROVED, "docker_data": "passed"}), said.text
            disk = storage(it.state)
            assert (disk.data, disk.lines, disk.guarded, disk.root) == ("mount", [LINE], True, "/data/docker")
            assert '"data-root": "/data/docker"' in it.state.hosts["factory"].made.daemon
            assert [place.rpartition("before-")[0] for place in disk.kept] == ["/data."]
            assert said.data["result"]["stopped_s"] == {"data_disk": 42, "docker_data": 42}
            async with it.client() as client:
                again = await call(client, TOOL, parts=[*BOTH], disk=DISK)
            assert (again.outcome, len(disk.moves), unknown(it)) == ("already_so", 2, [])


async def test_the_name_of_the_disk_is_what_a_person_types_where_it_is_formatted(tmp_path: Path) -> None:
    """The plan says what is formatted, what stops, what is kept, and how to go back."""
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path) as it, it.client() as client:
            said = await call(client, TOOL, parts=["data_disk"], disk=DISK)
            assert said.outcome == "approval_required"
            for words in (f"format {DISK} with ext4", "stop for about", "/data.before-", "rollback", f"type '{DISK}'"):
                assert words in flowing(said.text), words
            assert storage(it.state).moves == {}


def formatted(state: WorldState) -> None:
    """The cloud has formatted the volume and mounted it by itself."""
    disk = volume(state)
    disk.signs, disk.blank, disk.used_at = "ext4", False, ["/mnt/HC_Volume_1001"]
    storage(state).lines = [f"/dev/disk/by-id/{DISK} /mnt/HC_Volume_1001 ext4 discard,nofail,defaults"]


def by_hand(state: WorldState) -> None:
    """Somebody has mounted it at /data, as the runbook by hand has it."""
    disk = volume(state)
    disk.signs, disk.blank, disk.used_at, disk.entries = "ext4", False, ["/data"], 3
    storage(state).data, storage(state).data_number = "mount", "8:16"
    storage(state).lines = [f"/dev/disk/by-id/{DISK} /data ext4 discard,nofail,defaults"]


@pytest.mark.parametrize(("change", "seconds"), [(formatted, 42), (by_hand, 0)])
async def test_what_is_there_of_it_already_is_not_done_again(tmp_path: Path, change: Change, seconds: int) -> None:
    """An empty file system is not formatted, and a /data that is the disk is not copied: only the rest comes."""
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=change) as it:
            said = await set_up(it, "data_disk")
            assert (said.outcome, said.checks) == ("applied", DATA_PROVED), said.text
            assert (storage(it.state).lines, said.data["result"]["stopped_s"]) == ([LINE], {"data_disk": seconds})
            (move,) = storage(it.state).moves.values()
            assert move.orders["format"] == "none"


def signed(state: WorldState) -> None:
    """It holds another file system."""
    volume(state).signs, volume(state).blank = "xfs", False


def filled(state: WorldState) -> None:
    """It holds an ext4 with something in it."""
    volume(state).signs, volume(state).blank, volume(state).entries = "ext4", False, 7


def unknown_data(state: WorldState) -> None:
    """No reader knows what it holds."""
    volume(state).blank = False


def parted(state: WorldState) -> None:
    """It has a partition."""
    volume(state).signs, volume(state).children = "gpt", 1


def elsewhere(state: WorldState) -> None:
    """It is in use at another place."""
    volume(state).used_at = ["/srv"]


def small(state: WorldState) -> None:
    """It is smaller than what there is."""
    volume(state).size = 2**30


def other_line(state: WorldState) -> None:
    """fstab has another disk for /data."""
    storage(state).lines = ["/dev/sdc1 /data ext4 defaults"]


def odd_option(state: WorldState) -> None:
    """fstab has an option that nobody knows."""
    by_hand(state)
    storage(state).lines = [f"/dev/disk/by-id/{DISK} /data ext4 noexec"]


def without_tools(state: WorldState) -> None:
    """A program is missing."""
    storage(state).missing = ["debugfs"]


def nested(state: WorldState) -> None:
    """Something is mounted below /data."""
    storage(state).below = ["/data/registry"]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (signed, "holds xfs: say erase=true"),
        (filled, "holds a file system with 7 things in it: say erase=true"),
        (unknown_data, "holds data that no reader of disks knows"),
        (parted, "is no whole disk without parts"),
        (elsewhere, "is mounted at /srv"),
        (small, "/data takes 2.5 GiB with some to spare, and"),
        (other_line, "fstab mounts /dev/sdc1 at /data"),
        (odd_option, "fstab has the options noexec for it"),
        (without_tools, "it lacks debugfs"),
        (nested, "something is mounted at /data/registry"),
    ],
    ids=lambda each: each.__name__ if callable(each) else "",
)
async def test_what_is_not_known_to_be_good_is_refused_with_its_reason(
    tmp_path: Path, change: Change, why: str
) -> None:
    """No person is asked, and nothing is begun."""
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=change) as it, it.client() as client:
            said = await call(client, TOOL, parts=["data_disk"], disk=DISK)
            assert (said.is_error, REFUSED in said.text, why in said.text) == (True, True, True), said.text
            assert storage(it.state).moves == {}


@pytest.mark.parametrize(
    ("guarded", "line"), [(False, LINE), (True, "/dev/sdb /data ext4 nofail,x-systemd.device-timeout=30s"), (True, "")]
)
async def test_dockers_data_goes_to_no_disk_without_which_docker_would_start(
    tmp_path: Path, guarded: bool, line: str
) -> None:
    """Without the guard, or without a line that names the disk by its id, a boot could begin an empty Docker."""

    def loose(state: WorldState) -> None:
        by_hand(state)
        storage(state).guarded, storage(state).lines = guarded, [line] if line else []

    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=loose) as it, it.client() as client:
            said = await call(client, TOOL, parts=["docker_data"])
            why = "a boot may start Docker without the disk at /data"
            assert (said.is_error, REFUSED in said.text, why in said.text) == (True, True, True), said.text
            assert storage(it.state).moves == {}


@pytest.mark.parametrize("name", ["sdb", "/dev/sdb", "scsi-0HC_Volume_1001-part1", "scsi-0HC_Volume_9", "../sdb", ""])
async def test_only_a_whole_disk_that_is_there_is_taken_by_its_id(tmp_path: Path, name: str) -> None:
    """The names that are there are told instead."""
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path) as it, it.client() as client:
            said = await call(client, TOOL, parts=["data_disk"], disk=name)
            assert (said.is_error, REFUSED in said.text, f"there are: {DISK}" in said.text) == (True, True, True), (
                said.text
            )


async def test_a_disk_is_erased_only_where_the_call_says_so_and_a_person_types_its_name(tmp_path: Path) -> None:
    """The plan says what is lost."""
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=signed) as it:
            async with it.client() as client:
                asked = await call(client, TOOL, parts=["data_disk"], disk=DISK, erase=True)
            told = flowing(asked.text)
            assert (f"ERASE {DISK}" in told, "(xfs) is lost for good" in told) == (True, True), told
            said = await set_up(it, "data_disk", erase=True)
            assert (said.outcome, said.checks) == ("applied", DATA_PROVED), said.text


async def test_a_factory_that_goes_back_says_why_and_nothing_is_called_done(tmp_path: Path) -> None:
    """Docker's data is not moved behind a /data that was not."""

    def fails(state: WorldState) -> None:
        storage(state).fails = "the copy of /data is not the same"

    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=fails) as it:
            said = await set_up(it, *BOTH)
            assert (said.outcome, "the copy of /data is not the same" in said.text) == ("failed", True), said.text
            assert [move.state for move in storage(it.state).moves.values()] == ["reverted"]


async def test_a_disk_that_is_another_one_meanwhile_is_not_touched(tmp_path: Path) -> None:
    """The Factory looks once more, and begins nothing."""

    def changed(state: WorldState) -> None:
        volume(state).signs = "xfs"

    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, wrap_handler=Before(tmp_path, "factory.format_and_move", changed)) as it:
            said = await set_up(it, "data_disk")
            assert (said.outcome, "is not as it was when this was planned" in said.text) == ("failed", True), said.text


@pytest.mark.parametrize(("more_kb", "outcome"), [(50_000, "applied"), (2_000_000, "plan_drifted")])
async def test_sizes_that_move_make_no_other_plan_unless_much_more_would_be_copied(
    tmp_path: Path, more_kb: int, outcome: str
) -> None:
    """What was approved is what runs, with the figures that the person saw."""
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path) as it, it.client() as client:
            asked = await call(client, TOOL, parts=["data_disk"], disk=DISK)
            await say_yes(it.app, str(asked.data["approval_id"]))
            with it.world.change() as state:
                storage(state).data_kb += more_kb
            said = await call(client, TOOL, parts=["data_disk"], disk=DISK, wait_s=50)
            assert said.outcome == outcome, said.text


@pytest.mark.parametrize("kind", ["drop", "drop_after"])
async def test_a_word_that_is_lost_on_the_way_is_said_again(tmp_path: Path, kind: str) -> None:
    """The Factory takes it once, and goes on by itself; it is asked until it has ended."""

    def lost(state: WorldState) -> None:
        state.faults.append(Fault(system="ssh", match="ink-disk start", kind=kind))

    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=lost) as it:
            said = await set_up(it, "data_disk")
            states = [move.state for move in storage(it.state).moves.values()]
            assert (said.outcome, states) == ("applied", ["done"]), said.text
