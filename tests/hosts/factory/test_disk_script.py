"""The unit that moves /data onto a disk, in a real shell over pretend programs: whoever dies, Coolify has its data.

What real disks, mounts and Docker do stands in tests/lab/test_setup_factory.py; here is what cannot be timed there.
"""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from ink_infra_mcp.hosts.factory.disks import Disk, Move, read_ground, read_move
from tests.hosts.factory.disk_factory import (
    AUTOMOUNT,
    DISK,
    LINE,
    SIZE,
    TOP,
    Left,
    begun,
    boot,
    content,
    docker_orders,
    docker_root,
    factory,
    facts,
    formatted,
    left,
    on_disk,
    orders,
    run,
    told,
)
from tests.hosts.pretend_root import Root

ALL = ("coolify", "coolify-db", "web")
DONE = Left("done", "", on_disk=True, docker=True, containers=ALL)
FILES = {
    "coolify/source/.env": "APP_KEY=base64:bm90\n",
    "coolify/ssh/keys/again": "secret\n",
    "coolify/ssh/keys/key": "secret\n",
}


def back(why: str, state: str = "reverted") -> Left:
    """Return what is left of a move that went back."""
    return Left(state, why, on_disk=False, docker=True, containers=ALL)


def drop_ins(root: Root) -> list[str]:
    """Return the drop-ins that are left for Docker."""
    return sorted(place.name for place in (root.folder / "etc/systemd/system").glob("docker.service.d/*"))


def test_all_of_it_comes_over_and_what_was_there_is_kept_aside(tmp_path: Path) -> None:
    """Content, owners, modes and hard links; fstab has the one line, and Docker starts on nothing else any more."""
    root = factory(tmp_path, fstab=AUTOMOUNT)
    begun(root)
    assert run(root) == 0
    assert (left(root), content(root)) == (DONE, FILES)
    assert (tmp_path / "disk/coolify/ssh/keys/key").stat().st_nlink == 2
    assert (tmp_path / "data.before-op-1/coolify/source/.env").exists()
    assert root.read("etc/fstab") == f"/dev/sda1 / ext4 defaults 0 1\n/dev/disk/by-id/{DISK} {LINE}\n"
    assert drop_ins(root) == ["ink-data.conf"]


@pytest.mark.parametrize("number", range(1, 70, 2))
def test_whoever_is_killed_at_whatever_program_coolify_has_all_of_its_data_again(tmp_path: Path, number: int) -> None:
    """At a program that changes something the power goes: after the boot all is in the old place, or in the new."""
    root = factory(tmp_path, fstab=AUTOMOUNT)
    begun(root)
    run(root, kill_at=number)
    boot(root)
    seen = left(root)
    assert content(root) == FILES
    assert seen == (DONE if seen.on_disk else back("it was interrupted")), root.read(f"{TOP}/log")
    assert set((root.read("starts") or "").split()) == {"3", "rows"}, "Docker never sees less"


def test_dockers_and_containerds_data_come_over_and_their_old_folders_stay(tmp_path: Path) -> None:
    """Both settings are in force, and what was there before is where it was."""
    root = factory(tmp_path)
    on_disk(root)
    begun(root, docker=True)
    assert run(root) == 0
    assert (left(root), docker_root(root)) == (DONE, "/data/docker")
    assert root.read("disk/docker/volumes/coolify-db/_data/rows") == "rows\n"
    assert root.read("disk/containerd/content") == "layers\n"
    assert root.read("var/lib/docker/volumes/coolify-db/_data/rows") == "rows\n"
    assert (root.read("etc/containerd/config.toml") or "").startswith("root = ")
    assert told(root, "back", "--lose-what-is-new").status == 0
    assert (left(root).state, docker_root(root)) == ("reverted", "/var/lib/docker")
    assert root.read("etc/containerd/config.toml") == "version = 2\n"


@pytest.mark.parametrize("number", range(1, 70, 2))
def test_whoever_is_killed_while_dockers_data_moves_docker_has_all_of_it_again(tmp_path: Path, number: int) -> None:
    """At a program that changes something the power goes: after the boot Docker runs on the old place or the new."""
    root = factory(tmp_path)
    on_disk(root)
    begun(root, docker=True)
    run(root, kill_at=number)
    boot(root)
    seen = left(root)
    there = docker_root(root) == "/data/docker"
    assert (seen, content(root)) == (
        DONE if there else replace(DONE, state="reverted", why="it was interrupted"),
        FILES,
    )
    assert set((root.read("starts") or "").split()) == {"3", "rows"}, "Docker never sees less"
    assert there or not (tmp_path / "disk/docker").exists(), "half a copy is taken away"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"text:daemon": "bm90aGluZw=="}, "dockerd does not take its new settings"),
        ({"text:config": "dmVyc2lvbiA9IDI="}, "containerd does not take its new settings"),
        ({"sum:daemon": "0" * 64}, "Docker's settings were changed meanwhile"),
    ],
)
def test_settings_that_their_own_readers_do_not_take_are_refused(
    tmp_path: Path, change: dict[str, str], why: str
) -> None:
    """dockerd and containerd read them before anything is touched."""
    root = factory(tmp_path)
    on_disk(root)
    said = told(root, "prepare", data=docker_orders(root, **change))
    assert (said.status, why in said.words, left(root).state) == (3, True, ""), said


@pytest.mark.parametrize("number", [8, 30])
def test_a_way_back_that_is_killed_itself_is_gone_to_its_end(tmp_path: Path, number: int) -> None:
    """Docker does not start in the new place, and the power goes on the way back, again and again."""
    root = factory(tmp_path)
    root.write("broken", "")
    begun(root)
    for _ in range(12):
        if run(root, kill_at=number) == 0:
            break
        number += 7
    boot(root)
    assert (left(root).state, left(root).on_disk, content(root)) == ("reverted", False, FILES)
    assert left(root).containers == ALL


def test_without_the_disk_docker_does_not_start_on_an_empty_folder(tmp_path: Path) -> None:
    """A volume that is missing at boot is loud: Docker stays down until it is there again."""
    root = factory(tmp_path)
    begun(root)
    assert run(root) == 0
    root.write("gone", "")
    boot(root)
    assert (left(root).docker, left(root).state) == (False, "done")
    (tmp_path / "gone").unlink()
    boot(root)
    assert (left(root).docker, content(root)) == (True, FILES)


def parted(root: Root) -> None:
    """Somebody made a partition meanwhile."""
    root.write("parted", "")


def signed(root: Root) -> None:
    """Somebody made a file system meanwhile."""
    root.write("signs", "xfs\n")


def written(root: Root) -> None:
    """Somebody wrote to the bare disk, which no reader knows."""
    root.write(f"dev/disk/by-id/{DISK}", "raw data")


def mounted_elsewhere(root: Root) -> None:
    """Somebody mounted it."""
    root.write("proc/self/mountinfo", "1 0 8:1 / / rw - ext4 a rw\n2 1 8:16 / /srv rw - ext4 b rw\n")


def unplugged(root: Root) -> None:
    """The disk is gone."""
    root.write("gone", "")


@pytest.mark.parametrize("change", [parted, signed, written, mounted_elsewhere, unplugged])
@pytest.mark.parametrize("early", [True, False])
def test_a_disk_that_is_not_as_it_was_planned_is_not_touched(tmp_path: Path, change: object, early: bool) -> None:
    """Looked at twice: when the orders come, and right before anything is done."""
    assert callable(change)
    root = factory(tmp_path)
    why = "the disk is not as it was when this was planned"
    if early:
        change(root)
        said = told(root, "prepare", data=orders())
        assert (said.status, why in said.words, left(root).state) == (3, True, "")
        return
    begun(root)
    change(root)
    assert run(root) == 0
    assert (left(root).state, left(root).why, content(root)) == ("refused", why, FILES)
    assert not (tmp_path / "disk").exists()


def test_a_disk_with_an_empty_file_system_is_used_as_it_is(tmp_path: Path) -> None:
    """One that the cloud has formatted and mounted by itself is unmounted there, and nothing is formatted."""
    root = factory(tmp_path, fstab=AUTOMOUNT)
    formatted(root)
    root.write("unformatted", "mkfs.ext4 fails")
    begun(root, format="none", signs="ext4")
    assert run(root) == 0
    assert (left(root), content(root)) == (DONE, FILES)


def test_a_file_system_that_holds_something_is_never_copied_over(tmp_path: Path) -> None:
    """What is written there after it was planned is seen, and stays."""
    root = factory(tmp_path)
    formatted(root, theirs="kept\n")
    begun(root, format="none", signs="ext4")
    assert run(root) == 0
    assert (left(root), content(root)) == (back("the disk is not empty"), FILES)
    assert root.read("disk/theirs") == "kept\n"


def test_only_orders_that_say_so_erase_what_is_there(tmp_path: Path) -> None:
    """With `erase` the old signatures go and the disk is formatted anew."""
    root = factory(tmp_path)
    formatted(root, theirs="gone\n")
    begun(root, format="erase", signs="ext4")
    assert run(root) == 0
    assert (left(root), content(root)) == (DONE, FILES)


def test_a_copy_that_is_not_the_same_is_no_copy(tmp_path: Path) -> None:
    """One file that came over otherwise: Docker starts again where it was, and the half copy is taken away."""
    root = factory(tmp_path)
    root.programs({"cp": 'real "$@"; case $* in *stage*) echo more >>"$ROOT/disk/coolify/source/.env" ;; esac'})
    begun(root)
    assert run(root) == 0
    assert (left(root), content(root)) == (back("the copy of /data is not the same"), FILES)
    assert [place.name for place in (tmp_path / "disk").iterdir()] == ["lost+found"]
    assert drop_ins(root) == []


def test_a_disk_without_room_is_refused_before_docker_stops(tmp_path: Path) -> None:
    """The room is that of the file system itself, and not that of the disk."""
    root = factory(tmp_path)
    root.programs({"df": "echo head; echo / 9 9 100 9 /"})
    begun(root)
    assert run(root) == 0
    assert left(root).why.startswith("the disk has room for 100 KiB")
    assert (left(root).state, root.read("starts"), content(root)) == ("reverted", "", FILES)


def test_who_has_a_file_open_would_go_on_writing_to_the_old_place(tmp_path: Path) -> None:
    """A program that works below /data is named, and nothing is moved away under it."""
    root = factory(tmp_path)
    begun(root)
    reading = os.open(tmp_path / "data/coolify/source/.env", os.O_RDONLY)
    try:
        assert run(root) == 0
    finally:
        os.close(reading)
    assert (left(root).state, "is in use by" in left(root).why, content(root)) == ("reverted", True, FILES)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("{place} /srv ext4 defaults 0 0\n", "another line of fstab mounts the same disk"),
        ("/dev/sda9 /data/ ext4 defaults 0 0\n", "/data stands in fstab in another way that findmnt reads"),
    ],
)
def test_an_fstab_that_would_mount_it_twice_is_refused(tmp_path: Path, line: str, why: str) -> None:
    """As findmnt reads it, which is what the boot reads it with: other names of the same disk, other spellings."""
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/sdb").symlink_to(f"disk/by-id/{DISK}")
    root = factory(tmp_path, fstab=line.format(place=tmp_path / "dev/sdb"))
    said = told(root, "prepare", data=orders())
    assert (said.status, why in said.words) == (3, True), said
    assert left(root).state == ""


def test_where_the_disk_is_in_service_already_only_the_guard_and_the_line_come(tmp_path: Path) -> None:
    """Docker is not stopped for that."""
    root = factory(tmp_path, fstab=f"/dev/disk/by-id/{DISK} /data ext4 discard,nofail,defaults 0 0\n")
    formatted(root)
    (tmp_path / "data").rename(tmp_path / "old")
    (tmp_path / "data").mkdir()
    boot(root)
    root.write("starts", "")
    begun(root, copy="no", format="none", signs="ext4", data="mount", used_at=str(tmp_path / "data"))
    assert run(root) == 0
    assert (left(root), root.read("starts"), drop_ins(root)) == (DONE, "", ["ink-data.conf"])
    assert (root.read("etc/fstab") or "").endswith(f"{DISK} {LINE}\n")


def test_by_hand_it_goes_back_only_on_the_word_that_what_is_new_is_lost(tmp_path: Path) -> None:
    """The old place has nothing of what was written since; what is new stays on the disk."""
    root = factory(tmp_path)
    begun(root)
    assert run(root) == 0
    root.write("disk/new", "new\n")
    said = told(root, "back")
    assert (said.status, "--lose-what-is-new" in said.words, left(root)) == (3, True, DONE)
    assert told(root, "back", "--lose-what-is-new").status == 0
    assert (left(root), content(root)) == (back("it was told to go back by hand"), FILES)
    assert root.read("disk/new") == "new\n"


def test_running_deployments_are_waited_for_by_nobody_and_stopped_by_nobody(tmp_path: Path) -> None:
    """It is refused while one runs."""
    root = factory(tmp_path)
    root.write("deployments", "2\n")
    begun(root)
    assert run(root) == 0
    assert left(root) == back("2 deployments run or wait", "refused")


def test_what_the_script_says_of_the_ground_is_what_is_there(tmp_path: Path) -> None:
    """The disk by its readers, /data with its size, fstab's lines about both, and Docker with its settings."""
    root = factory(tmp_path, fstab=AUTOMOUNT)
    formatted(root, theirs="kept\n")
    said = root.run("factory/disk.sh", "ink-disk", "look", "any", DISK)
    seen = read_ground("factory", DISK, facts(said.facts))
    assert (said.status, seen.names, seen.data, seen.guarded, seen.missing) == (0, (DISK,), "folder", False, "")
    assert seen.disk == Disk(
        name=DISK, there=True, kind="disk", size=SIZE, number="8:16", signs="ext4", type="ext4", entries=1
    )
    assert seen.lines == (f"/dev/disk/by-id/{DISK} /mnt/HC_Volume_1001 ext4 discard,nofail,defaults",)
    assert (seen.data_entries, (seen.data_kb or 0) > 0, (seen.free_kb or 0) > 0) == (7, True, True)
    assert seen.engine is not None
    assert (seen.engine.root, seen.engine.deployments, seen.engine.coolify) == ("/var/lib/docker", 0, "running")
    assert (seen.engine.daemon.text, seen.engine.config.text) == ("{}\n", "version = 2\n")
    assert root.run("factory/disk.sh", "ink-disk", "look", "any", "../sda").status == 3


def test_what_the_script_says_of_a_move_is_how_far_it_is(tmp_path: Path) -> None:
    """None, prepared, refused with its reason; and how long Docker was stopped when it is done."""
    root = factory(tmp_path)
    root.write("deployments", "1\n")
    assert read_move("factory", facts(told(root, "look").facts)) == Move()
    begun(root)
    assert read_move("factory", facts(told(root, "look").facts)).state == "prepared"
    assert run(root) == 0
    move = read_move("factory", facts(told(root, "look").facts))
    assert (move.state, move.why, move.seconds) == ("refused", "1 deployments run or wait", None)


@pytest.mark.parametrize("part", [0.2, 0.9, 0.999])
def test_orders_that_are_cut_off_on_the_way_are_none(tmp_path: Path, part: float) -> None:
    """A connection that breaks leaves no move that somebody could start."""
    root = factory(tmp_path)
    whole = orders()
    said = told(root, "prepare", data=f"{whole[: int(len(whole) * part)]}\n")
    assert (said.status, "its orders are not whole" in said.words, left(root).state) == (3, True, "")
