"""Docker's settings are there before Docker is: whole or not at all, whoever is killed; then there is no way back."""

import shutil
from pathlib import Path

import pytest

from ink_infra_mcp.hosts.factory.disks import read_ground
from tests.hosts.factory.disk_factory import (
    DISK,
    TOP,
    bare,
    bare_orders,
    boot,
    factory,
    facts,
    left,
    orders,
    run,
    told,
)
from tests.hosts.pretend_root import Root, Said

LOSE = "--lose-what-is-new"
SETTINGS = ("etc/docker/daemon.json", "etc/containerd/config.toml")
BEFORE = ('{"debug": false}\n', None)


def settings(root: Root) -> tuple[str | None, ...]:
    """Return Docker's settings and containerd's."""
    return tuple(root.read(name) for name in SETTINGS)


def wanted() -> tuple[str, str]:
    """Return the settings that the Docker to come shall begin with."""
    return '{"debug": false, "data-root": "/data/docker"}\n', 'root = "/data/containerd"\nversion = 2\n'


def begun(root: Root, **changes: str) -> None:
    """Prepare and start it."""
    assert told(root, "prepare", data=bare_orders(root, **changes)) == Said(0, "", "")
    assert told(root, "start") == Said(0, "", "")


def come(root: Root) -> None:
    """Have Docker installed, which keeps its data where its settings say."""
    root.programs({"docker": "exit 1", "dockerd": "exit 1"})
    root.write("data/docker/volumes/.keep", "")


def test_a_docker_that_is_only_coming_finds_its_place_in_its_settings(tmp_path: Path) -> None:
    """What others wrote stays; nothing is stopped or copied, and no start is held back when it is over."""
    root = bare(tmp_path)
    begun(root)
    assert run(root) == 0
    assert (left(root).state, settings(root)) == ("done", wanted()), root.read(f"{TOP}/log")
    assert (root.read("starts"), (tmp_path / "var/lib/ink-infra/disk/hold").exists()) == ("", False)


def unused(folder: Path) -> Root:
    """Return a server without Docker and without /data, with a blank disk."""
    root = factory(folder)
    for program in ("docker", "dockerd", "containerd"):
        (folder / "bin" / program).unlink()
    for place in ("data", "var/lib/docker", "var/lib/containerd", "etc/docker", "etc/containerd"):
        shutil.rmtree(folder / place)
    (folder / "docker_up").unlink()
    return root


NO_DATA = {"data": "absent", "docker": "no", "coolify": "no"}


def test_a_server_that_has_no_data_yet_gets_it_on_the_disk(tmp_path: Path) -> None:
    """fstab is judged with the folder that a boot would make, which is not there before nor left when it is refused."""
    root = unused(tmp_path)
    root.write("bad_fstab", "[E] no such option")
    said = told(root, "prepare", data=orders(**NO_DATA))
    assert (said.status, "findmnt does not take the new fstab" in said.words) == (3, True), said
    assert not (tmp_path / "data").exists()
    (tmp_path / "bad_fstab").unlink()
    assert told(root, "prepare", data=orders(**NO_DATA)) == Said(0, "", "")
    assert not (tmp_path / "data").exists()
    assert told(root, "start") == Said(0, "", "")
    assert run(root) == 0
    assert (left(root).state, left(root).on_disk) == ("done", True), root.read(f"{TOP}/log")


@pytest.mark.parametrize("number", range(1, 40, 2))
def test_whoever_is_killed_on_the_way_data_is_the_disk_or_is_not_there(tmp_path: Path, number: int) -> None:
    """Nobody has anything there yet, and a boot mounts what fstab says."""
    root = unused(tmp_path)
    assert told(root, "prepare", data=orders(**NO_DATA)) == Said(0, "", "")
    assert told(root, "start") == Said(0, "", "")
    run(root, kill_at=number)
    boot(root)
    seen = left(root)
    assert (seen.state, seen.on_disk) in {("done", True), ("reverted", False), ("refused", False)}, root.read(
        f"{TOP}/log"
    )
    assert (f"{DISK} /data ext4" in (root.read("etc/fstab") or "")) == seen.on_disk
    assert ((tmp_path / "var/lib/ink-infra/disk/hold").exists(), (tmp_path / "enabled").exists()) == (False, False)


def test_a_docker_that_came_after_the_disk_keeps_it_from_going_back(tmp_path: Path) -> None:
    """It was not there to be stopped, and its old place would be an empty one."""
    root = unused(tmp_path)
    assert told(root, "prepare", data=orders(**NO_DATA)) == Said(0, "", "")
    assert told(root, "start") == Said(0, "", "")
    assert run(root) == 0
    come(root)
    said = told(root, "back", LOSE)
    assert (said.status, "Docker was installed since the move" in said.words) == (3, True), said
    assert (left(root).state, left(root).on_disk) == ("done", True)


def test_what_a_server_without_docker_has_of_one_is_told(tmp_path: Path) -> None:
    """Its settings, its programs and what they kept; a Docker that is there is told as before."""
    root = bare(tmp_path)
    root.write("var/lib/docker/volumes/coolify-db/_data/rows", "rows")
    root.write("data/docker/.keep", "")
    (tmp_path / "var/lib/containerd").mkdir()
    root.programs({"containerd": "exit 1"})
    said = root.run("factory/disk.sh", "ink-disk", "look", "any", DISK)
    ground = read_ground("factory", DISK, facts(said.facts))
    assert (ground.engine, ground.unknown_engine) == (None, False)
    assert ground.bare is not None
    assert ground.bare.remains == ("/bin/containerd", "/var/lib/docker", "/data/docker")
    assert (ground.bare.daemon.text, ground.bare.config.sha256) == ('{"debug": false}\n', "none")


@pytest.mark.parametrize("number", range(1, 20))
def test_whoever_is_killed_at_whatever_program_both_settings_are_there_or_neither(tmp_path: Path, number: int) -> None:
    """Docker's data on the disk and its images beside it, or all of it where it always is; and nothing holds it."""
    root = bare(tmp_path)
    begun(root)
    run(root, kill_at=number)
    boot(root)
    state = left(root).state
    expected = {"done": wanted(), "reverted": BEFORE, "refused": BEFORE}
    assert settings(root) == expected[state], root.read(f"{TOP}/log")
    assert ((tmp_path / "var/lib/ink-infra/disk/hold").exists(), (tmp_path / "enabled").exists()) == (False, False)


def test_until_docker_is_there_it_goes_back_by_hand_and_never_after_that(tmp_path: Path) -> None:
    """A Docker that began there knows no other place."""
    root = bare(tmp_path)
    begun(root)
    assert run(root) == 0
    come(root)
    said = told(root, "back", LOSE)
    assert (said.status, "Docker was installed since the move" in said.words) == (3, True), said
    assert (left(root).state, settings(root)) == ("done", wanted())
    for program in ("docker", "dockerd"):
        (tmp_path / "bin" / program).unlink()
    assert told(root, "back").status == 0
    assert (left(root).state, settings(root)) == ("reverted", BEFORE)


@pytest.mark.parametrize("early", [True, False])
@pytest.mark.parametrize("place", ["var/lib/docker/x", "var/lib/containerd/x", "data/docker/x", "data/containerd/x"])
def test_what_a_docker_has_left_is_neither_hidden_nor_met_again(tmp_path: Path, place: str, early: bool) -> None:
    """Somebody's volumes in the old place, or those of an older Factory on the disk: it does not begin."""
    root = bare(tmp_path)
    if not early:
        begun(root)
    root.write(place, "theirs")
    why = f"there is something of a Docker already: /{place[:-2]}"
    if early:
        said = told(root, "prepare", data=bare_orders(root))
        assert (said.status, why in said.words, left(root).state) == (3, True, ""), said
    else:
        assert run(root) == 0
        assert (left(root).state, left(root).why) == ("refused", why)
    assert settings(root) == BEFORE


@pytest.mark.parametrize("early", [True, False])
def test_without_the_guard_or_with_other_settings_it_does_not_begin(tmp_path: Path, early: bool) -> None:
    """A boot could begin a Docker on an empty folder; who edited the settings meanwhile loses nothing."""
    root = bare(tmp_path)
    if early:
        (tmp_path / "etc/systemd/system/docker.service.d/ink-data.conf").unlink()
        said = told(root, "prepare", data=bare_orders(root))
        assert (said.status, "Docker would start without" in said.words) == (3, True), said
        return
    begun(root)
    root.write(SETTINGS[0], '{"debug": true}\n')
    assert run(root) == 0
    assert (left(root).state, settings(root)[1]) == ("reverted", None)
