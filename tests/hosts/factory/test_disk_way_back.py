"""The way back of a move of data, weeks later by hand: what keeps it from its end is told before Docker stops."""

import os
import shutil
from pathlib import Path

import pytest

from ink_infra_mcp.hosts.factory.disks import read_ground
from tests.hosts.factory.disk_factory import (
    AUTOMOUNT,
    DISK,
    LINE,
    TOP,
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
from tests.hosts.pretend_root import Root, Said

LOSE = "--lose-what-is-new"
OTHER = "var/lib/ink-infra/disk/moves/op-2"
ROOT_LINE = "/dev/sda1 / ext4 defaults 0 1\n"


def moved(folder: Path, *, docker: bool = False, fstab: str = "") -> Root:
    """Return a Factory on which a move is done; what Docker is started on is noted anew."""
    root = factory(folder, fstab=fstab)
    if docker:
        on_disk(root)
    begun(root, docker=docker)
    assert run(root) == 0
    assert left(root).state == "done"
    root.write("starts", "")
    return root


def refused(root: Root, why: str) -> None:
    """Assert that it does not go back for that reason, and that Docker was not stopped for it."""
    said = told(root, "back", LOSE)
    assert (said.status, why in said.words, left(root).state) == (3, True, "done"), said
    assert (root.read("starts"), left(root).docker) == ("", True)


def docker_moved_since(root: Root) -> None:
    """Docker's own data was moved to the disk by another move."""
    root.write(f"{OTHER}/orders", "kind docker\n")
    root.write(f"{OTHER}/state", "done\n")


def docker_set_since(root: Root) -> None:
    """Somebody has Docker keep its data on the disk, by hand."""
    root.write("etc/docker/daemon.json", f'{{"data-root": "{root.folder}/data/docker"}}\n')


def mounted_since(root: Root) -> None:
    """Somebody uses a folder of the disk elsewhere."""
    with (root.folder / "proc/self/mountinfo").open("a", encoding="utf-8") as mounts:
        mounts.write("30 1 8:16 /part /srv rw - ext4 /dev/sdb rw\n")


def docker_unset_since(root: Root) -> None:
    """Somebody wrote settings that Docker would not start with."""
    root.write("etc/docker/daemon.json", "nothing that it reads\n")


def containerd_set_since(root: Root) -> None:
    """Somebody has containerd keep its data on the disk, by hand."""
    root.write("etc/containerd/config.toml", f'root = "{root.folder}/data/containerd"\n')


def other_under_way(root: Root) -> None:
    """Another move has begun."""
    root.write(f"{OTHER}/state", "moving\n")


def rotated(root: Root) -> None:
    """Coolify's image is being swapped."""
    root.write("data/coolify/ink/rotations/op-9/state", "swapped\n")


def passing(root: Root) -> None:
    """A container runs that is deleted when it stops."""
    root.write("passing", "web\n")


def aside_removed(root: Root) -> None:
    """The old data was removed, as the plan says that it may be."""
    shutil.rmtree(root.folder / "data.before-op-1")


def other_disk_line(root: Root) -> None:
    """Somebody has a further disk mounted at /data."""
    root.write("etc/fstab", f"{ROOT_LINE}/dev/sdc1 /data/ ext4 defaults 0 0\n")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (
            docker_moved_since,
            "was moved to /data by op-2: go back from that first, by /var/lib/ink-infra/disk/moves/op-2",
        ),
        (docker_set_since, "keeps its data at /data/docker, which is not in /data.before-op-1"),
        (docker_unset_since, "dockerd does not take its settings, /etc/docker/daemon.json"),
        (mounted_since, "the disk is mounted at /srv, too"),
        (containerd_set_since, "keeps its data at /data/containerd"),
        (other_under_way, "another move is under way: op-2"),
        (passing, "web would be deleted when it is stopped"),
        (rotated, "is being swapped: op-9"),
        (aside_removed, "/data.before-op-1 is not there any more"),
        (other_disk_line, "fstab was changed since"),
    ],
)
def test_what_would_be_lost_on_the_way_back_is_told_before_anything_stops(
    tmp_path: Path, change: object, why: str
) -> None:
    """Docker would begin empty, or its data would stay away: nothing is done, and the reason is said."""
    assert callable(change)
    root = moved(tmp_path)
    change(root)
    refused(root, why)


def old_removed(root: Root) -> None:
    """Docker's old folder was removed."""
    shutil.rmtree(root.folder / "var/lib/docker")


def old_emptied(root: Root) -> None:
    """containerd's old folder was emptied."""
    (root.folder / "var/lib/containerd/content").unlink()


def settings_changed(root: Root) -> None:
    """Somebody added a setting of Docker's."""
    root.write("etc/docker/daemon.json", '{"data-root": "/data/docker", "debug": true}\n')


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (old_removed, "there is nothing to go back to: /var/lib/docker is not there any more"),
        (old_emptied, "there is nothing to go back to: /var/lib/containerd"),
        (settings_changed, "put /var/lib/ink-infra/disk/moves/op-1/daemon.wanted in its place"),
    ],
)
def test_dockers_data_goes_back_only_to_what_is_there(tmp_path: Path, change: object, why: str) -> None:
    """A place that is empty, and settings that would keep Docker in the new one, are told."""
    assert callable(change)
    root = moved(tmp_path, docker=True)
    change(root)
    refused(root, why)


def test_settings_that_are_put_as_they_were_written_let_it_go_back(tmp_path: Path) -> None:
    """What the refusal says to do is what helps."""
    root = moved(tmp_path, docker=True)
    settings_changed(root)
    shutil.copy(root.folder / TOP / "daemon.wanted", root.folder / "etc/docker/daemon.json")
    assert told(root, "back", LOSE).status == 0
    assert (left(root).state, docker_root(root)) == ("reverted", "/var/lib/docker")


def test_settings_that_change_within_the_move_do_not_keep_docker_in_the_new_place(tmp_path: Path) -> None:
    """They are kept beside it, and Docker is where it was, by its own word."""
    root = factory(tmp_path)
    on_disk(root)
    begun(root, docker=True)
    edited = '{"data-root": "/data/docker", "debug": true}'
    started, file = root.folder / "bin/boot-docker", "$ROOT/etc/docker/daemon.json"
    started.write_text(
        started.read_text(encoding="utf-8").replace(
            "\nsystem=",
            f"\nif grep -q data-root {file}; then echo '{edited}' >{file}; exit 1; fi\nsystem=",
        ),
        encoding="utf-8",
    )
    assert run(root) == 0
    assert (left(root).state, docker_root(root)) == ("reverted", "/var/lib/docker")
    assert (root.read("etc/docker/daemon.json"), root.read(f"{TOP}/daemon.theirs")) == ("{}\n", f"{edited}\n")


def test_an_fstab_that_was_edited_since_loses_our_line_and_keeps_theirs(tmp_path: Path) -> None:
    """The next boot mounts nothing over the data that was put back, and what others wrote stays."""
    root = moved(tmp_path, fstab=AUTOMOUNT)
    theirs = "/dev/sdc1 /srv ext4 defaults 0 0\n"
    with (root.folder / "etc/fstab").open("a", encoding="utf-8") as fstab:
        fstab.write(theirs)
    assert told(root, "back", LOSE).status == 0
    assert root.read("etc/fstab") == f"{ROOT_LINE}{theirs}{AUTOMOUNT}"
    boot(root)
    assert (left(root).on_disk, left(root).state) == (False, "reverted")


def test_an_old_line_for_data_does_not_come_back_where_a_folder_does(tmp_path: Path) -> None:
    """It mounted nothing as long as the disk was blank; now it has a file system, and would hide the data."""
    root = moved(tmp_path, fstab=f"/dev/disk/by-id/{DISK} /data ext4 discard,nofail,defaults 0 0\n")
    assert told(root, "back", LOSE).status == 0
    assert root.read("etc/fstab") == ROOT_LINE
    assert LINE not in (root.read("etc/fstab") or "")


def test_what_runs_on_the_day_of_the_way_back_runs_after_it(tmp_path: Path) -> None:
    """Not what ran on the day of the move: a container that came since is no less somebody's."""
    root = moved(tmp_path)
    root.write("containers", "coolify\ncoolify-db\nnew\n")
    assert told(root, "back", LOSE).status == 0
    assert (left(root).state, left(root).containers) == ("reverted", ("coolify", "coolify-db", "new"))


def test_a_container_that_cannot_start_keeps_no_other_down_on_the_way_back(tmp_path: Path) -> None:
    """It is named, and all others run."""
    root = moved(tmp_path)
    root.write("unstartable", "web\n")
    assert told(root, "back", LOSE).status == 0
    seen = left(root)
    assert (seen.state, seen.containers) == ("reverted", ("coolify", "coolify-db"))
    assert seen.why.endswith("; not started again: web")


def test_settings_with_which_docker_would_not_start_again_are_refused(tmp_path: Path) -> None:
    """It is stopped and started for the move: then it reads them anew."""
    root = factory(tmp_path)
    root.write("etc/docker/daemon.json", "nothing that it reads\n")
    said = told(root, "prepare", data=orders())
    assert (said.status, "dockerd does not take its settings" in said.words, left(root).state) == (3, True, ""), said


def test_dockers_data_is_not_moved_to_a_disk_without_which_docker_would_start(tmp_path: Path) -> None:
    """Without the guard a boot without the disk would begin an empty Docker."""
    root = factory(tmp_path)
    on_disk(root)
    (root.folder / "etc/systemd/system/docker.service.d/ink-data.conf").unlink()
    said = told(root, "prepare", data=docker_orders(root))
    assert (said.status, "Docker would start without /data" in said.words) == (3, True), said


@pytest.mark.parametrize("mount", ["8:16 /part {at} rw - ext4", "8:16 / {at} rw - xfs"])
def test_a_part_of_the_disk_or_another_file_system_is_not_taken_for_the_disk(tmp_path: Path, mount: str) -> None:
    """The line of fstab would mount something else there at the next boot, or nothing."""
    root = factory(tmp_path)
    formatted(root)
    at = str(tmp_path / "data")
    root.write("proc/self/mountinfo", f"1 0 8:1 / / rw - ext4 a rw\n2 1 {mount.format(at=at)} b rw\n")
    said = told(root, "prepare", data=orders(copy="no", format="none", signs="ext4", data="mount", used_at=at))
    assert (said.status, "is not the whole ext4 of the disk" in said.words) == (3, True), said
    ground = read_ground("factory", DISK, facts(root.run("factory/disk.sh", "ink-disk", "look", "any", DISK).facts))
    assert (ground.data, ground.data_number) == ("mount", "")


def test_where_the_disk_is_lost_both_moves_go_back_one_after_the_other(tmp_path: Path) -> None:
    """Docker's settings first, without Docker, which the guard keeps down; it starts when /data is back."""
    root = moved(tmp_path, docker=True)
    root.write("gone", "")
    boot(root)
    assert (left(root).docker, left(root).on_disk) == (False, False)
    assert told(root, "back", LOSE).status == 0
    assert (left(root).state, left(root).docker, docker_root(root)) == ("reverted", False, "/var/lib/docker")
    assert left(root).why.endswith("; not started again: Docker, since nothing is mounted at /data")


@pytest.mark.parametrize("number", [3, 9, 15, 21, 27])
def test_a_way_back_by_hand_that_was_interrupted_can_be_said_again(tmp_path: Path, number: int) -> None:
    """Also where the old data is in its place already, and nothing is aside any more."""
    root = moved(tmp_path)
    root.write(f"{TOP}/state", "reverting\n")
    root.write("enabled", "")
    run(root, kill_at=number)
    assert told(root, "back").status == 0
    assert (left(root).state, left(root).on_disk, "coolify/source/.env" in content(root)) == ("reverted", False, True)


def test_who_works_in_data_is_named_before_docker_stops(tmp_path: Path) -> None:
    """It could not be unmounted, and Docker would stay down for as long as he stays."""
    root = moved(tmp_path)
    root.programs({"find": f'real "$@"; case $1 in /proc/*) echo /proc/{os.getpid()}/cwd ;; esac'})
    refused(root, f"(process {os.getpid()})")


@pytest.mark.parametrize("state", ["swapping", "swapped", "reverting"])
@pytest.mark.parametrize("early", [True, False])
def test_no_move_begins_while_coolify_is_being_swapped(tmp_path: Path, state: str, early: bool) -> None:
    """A swap of its image or database writes below /data and starts Coolify: it is told, and nothing is touched."""
    root = factory(tmp_path)
    if not early:
        begun(root)
    root.write("data/coolify/ink/rotations/op-9/state", f"{state}\n")
    why = "Coolify's image or database is being swapped: op-9"
    if early:
        said = told(root, "prepare", data=orders())
        assert (said.status, why in said.words, left(root).state) == (3, True, ""), said
        return
    assert run(root) == 0
    assert (left(root).state, left(root).why, root.read("starts")) == ("refused", why, "")


def test_a_swap_that_has_ended_keeps_nobody_from_moving(tmp_path: Path) -> None:
    """Its folder stays for ever."""
    root = factory(tmp_path)
    root.write("data/coolify/ink/rotations/op-9/state", "confirmed\n")
    assert told(root, "prepare", data=orders()) == Said(0, "", "")
