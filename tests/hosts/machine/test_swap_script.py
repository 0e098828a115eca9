"""The swap file that a server gets and gives back: fstab, which it boots from, is whole at every moment."""

from pathlib import Path

import pytest

from tests.hosts.pretend_root import Root, Said, root_at

SHELLS = ("sh", "busybox")
OURS = "/swapfile.ink-infra none swap sw 0 0\n"
DISK = "/dev/sda1 / ext4 defaults 0 1\n"
LONG = DISK + "".join(f"/dev/sdb{number} /srv/{number} ext4 defaults,nofail 0 2\n" for number in range(40))
DONE = Said(0, "swap /swapfile.ink-infra\ndone\n", "")
BACK = Said(0, "restored op-1-x\ndone\n", "")


def swap_in_use(root: Root) -> bool:
    """Return whether the kernel uses our swap file."""
    return "/swapfile.ink-infra " in (root.read("/proc/swaps") or "")


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("fstab", [DISK, DISK.rstrip("\n"), "# a comment\n\n" + DISK + "\n"])
def test_every_line_of_fstab_stays_a_line_and_goes_back(tmp_path: Path, shell: str, fstab: str) -> None:
    """Also a last one without an end: ours is not glued to it, and is the only one that the undo takes."""
    root = root_at(tmp_path, shell=shell, fstab=fstab)
    whole = fstab if fstab.endswith("\n") else f"{fstab}\n"
    assert root.change("swap", "64") == DONE
    assert (root.read("/etc/fstab"), swap_in_use(root)) == (whole + OURS, True)
    assert root.change("swap", "64") == DONE
    assert root.read("/etc/fstab") == whole + OURS
    assert root.change("restore") == BACK
    assert (root.read("/etc/fstab"), swap_in_use(root), root.read("/swapfile.ink-infra")) == (whole, False, None)


def test_the_undo_leaves_what_others_have_changed_since(tmp_path: Path) -> None:
    """Their lines are theirs, also one whose swap file only looks like ours, and one without an end behind ours."""
    root = root_at(tmp_path)
    root.change("swap", "64")
    alike = f"{tmp_path}/swapfile-ink-infra none swap sw 0 0\n"
    (tmp_path / "etc/fstab").write_text(f"{DISK}{alike}{tmp_path}{OURS}/dev/sdc /srv ext4 defaults 0 2")
    assert root.change("restore") == BACK
    assert root.read("/etc/fstab") == f"{DISK}{alike.replace(str(tmp_path), '')}/dev/sdc /srv ext4 defaults 0 2\n"


def test_a_server_without_fstab_has_none_again(tmp_path: Path) -> None:
    """Some images boot without one: it is made for our line and goes with it."""
    root = root_at(tmp_path, fstab=None)
    assert root.change("swap", "64") == DONE
    assert root.read("/etc/fstab") == OURS
    assert root.change("restore") == BACK
    assert root.read("/etc/fstab") is None


def test_an_undo_on_a_full_disk_keeps_fstab_whole_and_says_that_it_is_not_done(tmp_path: Path) -> None:
    """The swap file's room is freed first. Where that is not enough, the file from before stays to its last line, the
    words say what is left to do, and the same undo does it when there is room.
    """
    root = root_at(tmp_path, fstab=LONG)
    root.change("swap", "64")
    said = root.change("restore", room=2)
    assert (said.status, said.facts, "/etc/fstab could not be written" in said.words) == (5, "", True)
    assert root.read("/etc/fstab") == LONG + OURS
    assert (swap_in_use(root), root.read("/swapfile.ink-infra")) == (False, None)
    assert root.change("restore") == BACK
    assert root.read("/etc/fstab") == LONG
    assert root.left_over() == []


def test_the_room_of_the_swap_file_is_free_before_fstab_is_written(tmp_path: Path) -> None:
    """On a disk that only the swap file fills, the undo succeeds: a sync finds the file gone already."""
    root = root_at(tmp_path)
    root.change("swap", "64")
    root.programs({"sync": '[ ! -e "$ROOT/swapfile.ink-infra" ] && real "$@"'})
    assert root.change("restore") == BACK
    assert root.read("/etc/fstab") == DISK


def test_a_disk_that_is_full_when_the_line_is_added_takes_all_back(tmp_path: Path) -> None:
    """fstab is what it was, to the byte, and no swap file is left."""
    root = root_at(tmp_path, fstab=LONG)
    said = root.change("swap", "64", room=2)
    assert (said.status, said.words.splitlines()[-1]) == (4, "ink-change: /etc/fstab could not be written")
    assert (root.read("/etc/fstab"), swap_in_use(root), root.read("/swapfile.ink-infra")) == (LONG, False, None)
    assert root.left_over() == []


@pytest.mark.parametrize("verb", ["swap", "restore"])
def test_a_file_that_cannot_be_read_is_not_one_without_our_line(tmp_path: Path, verb: str) -> None:
    """grep ends with 2 there, which is no answer: nothing is written in its place."""
    root = root_at(tmp_path)
    if verb == "restore":
        root.change("swap", "64")
    before = root.read("/etc/fstab")
    root.programs({"grep": 'case $* in */etc/fstab) echo broken >&2; exit 2 ;; esac; real "$@"'})
    said = root.change(verb, *(["64"] if verb == "swap" else []))
    assert (said.status, "/etc/fstab could not be read" in said.words) == (5, True)
    assert root.read("/etc/fstab") == before


def test_a_run_that_was_killed_before_its_line_in_fstab_is_ended_by_the_next(tmp_path: Path) -> None:
    """The swap is in use, and would be gone with the next boot: that is not as it shall be."""
    root = root_at(tmp_path)
    root.change("swap", "64")
    root.write("/etc/fstab", DISK)
    assert root.change("swap", "64") == DONE
    assert root.read("/etc/fstab") == DISK + OURS


def test_a_swap_file_that_the_kernel_does_not_give_back_is_said(tmp_path: Path) -> None:
    """There may be no memory for what is in it: file and line stay, and all is not back."""
    root = root_at(tmp_path)
    root.change("swap", "64")
    root.programs({"swapoff": "echo 'swapoff: Cannot allocate memory' >&2; exit 4"})
    said = root.change("restore")
    assert (said.status, "Cannot allocate memory" in said.words) == (5, True)
    assert (root.read("/etc/fstab"), root.read("/swapfile.ink-infra")) == (DISK + OURS, "")
