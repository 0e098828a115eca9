"""What a move of data looks at right before it stops Docker, and what it takes away of its own when it goes back."""

import subprocess
from pathlib import Path

import pytest

from ink_infra_mcp.hosts.scripts import packaged
from tests.hosts.factory.disk_factory import (
    TOP,
    begun,
    content,
    docker_orders,
    factory,
    formatted,
    left,
    on_disk,
    run,
    told,
)

TOO_LATE = "what was written in the new place since it was put there is on the disk only"


def test_a_container_that_is_deleted_when_it_stops_is_named_and_not_stopped(tmp_path: Path) -> None:
    """`docker run --rm`: its anonymous volumes would go with it."""
    root = factory(tmp_path)
    root.write("passing", "web\n")
    begun(root)
    assert run(root) == 0
    assert (left(root).state, left(root).containers) == ("refused", ("coolify", "coolify-db", "web"))
    assert left(root).why == "web would be deleted when it is stopped, with its anonymous volumes (--rm)"


def test_a_container_that_starts_again_and_again_does_not_serve(tmp_path: Path) -> None:
    """One look finds it running; a second one, that it was started since. What was written meanwhile is told of."""
    root = factory(tmp_path)
    root.write("restarting", "web\n")
    root.write("unit.sh", root.below(packaged("factory/disk.sh")).replace("HEALTHY_S=300", "HEALTHY_S=1"))
    begun(root)
    assert run(root) == 0
    seen = left(root)
    assert (seen.state, seen.on_disk) == ("reverted", False)
    assert seen.why == f"not all that ran runs again in 1 s; {TOO_LATE}"


def test_a_deployment_that_begins_while_the_disk_is_made_ready_is_not_stopped(tmp_path: Path) -> None:
    """Asked for again right before Docker would stop."""
    root = factory(tmp_path)
    root.programs({"mkfs.ext4": 'echo ext4 >"$ROOT/signs"; mkdir -p "$ROOT/disk"; echo 1 >"$ROOT/deployments"'})
    begun(root)
    assert run(root) == 0
    assert (left(root).state, left(root).why, root.read("starts")) == ("reverted", "1 deployments run or wait", "")


def test_half_a_copy_is_taken_away_before_the_cloud_mounts_the_disk_again(tmp_path: Path) -> None:
    """Else it would lie there, and the next try would find a disk that is not empty."""
    root = factory(tmp_path)
    formatted(root)
    at = tmp_path / "mnt/HC_Volume_1001"
    at.mkdir(parents=True)
    subprocess.run([tmp_path / "bin/mount", at], check=True)
    root.programs({"cp": 'real "$@"; case $* in *stage*) echo more >>"$ROOT/disk/coolify/source/.env" ;; esac'})
    begun(root, format="none", signs="ext4", used_at=str(at))
    assert run(root) == 0
    assert (left(root).state, content(root)["coolify/source/.env"]) == ("reverted", "APP_KEY=base64:bm90\n")
    assert [place.name for place in at.iterdir()] == ["lost+found"]


def test_a_folder_that_somebody_else_made_in_the_new_place_is_not_taken_away(tmp_path: Path) -> None:
    """Only what the move has made itself is half a copy."""
    root = factory(tmp_path)
    on_disk(root)
    begun(root, docker=True)
    root.write("disk/containerd/theirs", "kept\n")
    assert run(root) == 0
    assert (left(root).state, root.read("disk/containerd/theirs")) == ("reverted", "kept\n")
    assert not (tmp_path / "disk/docker").exists()


def test_the_way_back_from_the_last_move_stays_until_another_one_begins(tmp_path: Path) -> None:
    """What is prepared has moved nothing that could go back."""
    root = factory(tmp_path)
    begun(root)
    assert root.read("var/lib/ink-infra/disk/rollback") is None
    assert run(root) == 0
    assert root.read("var/lib/ink-infra/disk/rollback") == root.read(f"{TOP}/rollback")


def test_a_unit_of_another_move_is_not_started_for_this_one(tmp_path: Path) -> None:
    """Two were prepared: the second has taken the unit."""
    root = factory(tmp_path)
    begun(root)
    unit = tmp_path / "etc/systemd/system/ink-factory-disk.service"
    unit.write_text(unit.read_text(encoding="utf-8").replace("run op-1", "run op-2"), encoding="utf-8")
    said = told(root, "start")
    assert (said.status, "that of another move" in said.words) == (3, True), said


@pytest.mark.parametrize("name", ["docker/daemon.json", "containerd/config.toml"])
def test_settings_of_which_we_saw_the_beginning_only_are_not_written_anew(tmp_path: Path, name: str) -> None:
    """Their end would be lost."""
    root = factory(tmp_path)
    on_disk(root)
    root.write(f"etc/{name}", "{}" + "\n" * 65536)
    said = told(root, "prepare", data=docker_orders(root))
    assert (said.status, f"/etc/{name} is longer than 64 KiB" in said.words) == (3, True), said
