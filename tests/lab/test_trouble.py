"""The trouble that the lab makes is real: power, cables, disks and frozen servers, each as it would be."""

import socket
import time

import pytest

from tests.lab.bed import Bed
from tests.lab.ground.commands import LabError, until
from tests.lab.ground.hosts import greets
from tests.lab.ground.site import ExtraDisk

VOLUME = "/dev/disk/by-id/scsi-0HC_Volume_1002"


def round_trip_s(address: str, *, port: int = 22) -> float:
    """Return how long a TCP handshake takes."""
    began = time.monotonic()
    socket.create_connection((address, port), 5).close()
    return time.monotonic() - began


def test_a_power_cut_is_silence_and_loses_nothing_on_disk(bed: Bed) -> None:
    """A server without power does not even refuse; switched on again it has its data and another boot."""
    muscle = bed.fresh()
    before = muscle.boot_id()
    muscle.write("/root/marker", "kept\n")
    muscle.say("sync")
    muscle.cut_power()
    assert bed.connect("outside", muscle.machine.ipv4, 22, limit_s=0.5) == "silent"
    assert bed.connect("factory", muscle.machine.private_ipv4, 22, limit_s=0.5) == "silent"
    with pytest.raises(LabError, match="is off"):
        muscle.say("true")
    muscle.power_on()
    assert muscle.say("cat", "/root/marker") == "kept\n"
    assert muscle.boot_id() != before


def test_a_server_that_is_set_up_anew_has_its_old_name_and_nothing_else(bed: Bed) -> None:
    """After a reset the disks are empty, and keys and addresses are what they were."""
    muscle = bed.fresh()
    key = muscle.host_key
    muscle.write("/root/marker", "gone\n")
    muscle.reset()
    assert muscle.run("cat", "/root/marker").returncode == 1
    assert muscle.host_key == key
    assert muscle.say("docker", "ps", "--all", "--quiet") == ""


def test_a_frozen_server_accepts_and_says_nothing(bed: Bed) -> None:
    """Its kernel still shakes hands, and nobody is there; thawed, it goes on at once."""
    muscle = bed.fresh()
    muscle.freeze()
    try:
        assert bed.connect("outside", muscle.machine.ipv4, 22) == "open"
        assert not greets(muscle.machine.ipv4)
    finally:
        muscle.thaw()
    assert greets(muscle.machine.ipv4)


@pytest.mark.parametrize("fault", ["down", "drop", "drop-in", "drop-out", "loss=100"])
def test_a_broken_cable_is_silence_until_it_is_mended(bed: Bed, fault: str) -> None:
    """Whatever way frames get lost, connections time out; afterwards everything is as before."""
    address = bed.clean("muscle-1").machine.ipv4
    bed.link("muscle-1", fault)
    assert bed.connect("admin", address, 22, limit_s=0.3) == "silent"
    assert bed.connect("factory", bed.host("muscle-1").private_address or "", 22, limit_s=0.3) == "silent"
    bed.lab.link("muscle-1", "clear")
    assert bed.connect("admin", address, 22, limit_s=5) == "open"


def test_a_slow_cable_delays_both_ways(bed: Bed) -> None:
    """A delay of 50 ms is a round trip of 100 ms, and gone when it is taken away."""
    address = bed.clean("muscle-1").machine.ipv4
    bed.link("muscle-1", "delay=50")
    assert round_trip_s(address) >= 0.1
    bed.lab.link("muscle-1", "clear")
    assert min(round_trip_s(address) for _ in range(5)) < 0.05


def test_a_narrow_cable_takes_its_time(bed: Bed) -> None:
    """At 400 kbit/s a server receives 100 kB in two seconds, less what the cable's buffer takes."""
    muscle = bed.clean("muscle-1")
    muscle.say("systemd-run", "--quiet", "busybox", "nc", "-l", "-p", "9000", "-e", "/bin/dd", "of=/dev/null")
    until(lambda: ":9000" in muscle.say("ss", "-Htln"), what="nobody listens", limit_s=5)
    bed.link("muscle-1", "rate=400")
    began = time.monotonic()
    with socket.create_connection((muscle.machine.ipv4, 9000), 5) as caller:
        caller.settimeout(20)
        caller.sendall(bytes(100_000))
        caller.shutdown(socket.SHUT_WR)
        assert caller.recv(1) == b""
    assert time.monotonic() - began >= 1


def test_an_unknown_fault_is_refused(bed: Bed) -> None:
    """A slip of the pen breaks no cable."""
    with pytest.raises(LabError, match="is no fault of a cable"):
        bed.lab.link("muscle-1", "dorp")


def test_a_disk_comes_and_goes_while_the_server_runs(bed: Bed) -> None:
    """A new disk appears by its id, can be used, and vanishes again."""
    muscle = bed.fresh()
    muscle.attach(ExtraDisk("sdc", 32, "scsi-0HC_Volume_77"))
    path = "/dev/disk/by-id/scsi-0HC_Volume_77"
    muscle.say("mkfs.ext4", "-q", path)
    muscle.say("mount", path, "/mnt")
    assert muscle.say("findmnt", "-no", "SOURCE", "/mnt").strip() == "/dev/sdc"
    muscle.say("umount", "/mnt")
    muscle.detach("sdc")
    assert muscle.run("ls", path).returncode != 0
    assert sorted(muscle.say("lsblk", "-nro", "NAME").split()) == ["sda", "sdb"]


def test_a_volume_is_mounted_again_after_a_boot(bed: Bed) -> None:
    """A line in fstab does on the lab what it does on a server, and a folder in use cannot be unmounted."""
    muscle = bed.fresh()
    before = muscle.boot_id()
    muscle.say("mkfs.ext4", "-q", VOLUME)
    muscle.write("/etc/fstab", f"{VOLUME} /data ext4 nofail 0 0\n")
    muscle.say("mkdir", "/data")
    muscle.say("mount", "/data")
    muscle.write("/data/marker", "kept\n")
    assert "target is busy" in muscle.run("sh", "-c", "cd /data && umount /data").stderr
    muscle.reboot()
    muscle.wait_rebooted(before)
    assert muscle.say("cat", "/data/marker") == "kept\n"


def test_a_missing_disk_without_nofail_keeps_a_server_from_coming_up(bed: Bed) -> None:
    """The accident that a tool for fstab must prevent: after the boot nobody gets in."""
    muscle = bed.fresh()
    before = muscle.boot_id()
    muscle.write("/etc/fstab", "/dev/disk/by-id/gone /data ext4 defaults 0 2\n")
    muscle.reboot()
    until(
        lambda: (
            muscle.rebooted_since(before) and muscle.run("systemctl", "is-active", "emergency.target").returncode == 0
        ),
        what="the server did not end in emergency mode",
        limit_s=90,
    )
    # in emergency mode nobody listens, and whether the network came up before it is a race of the boot
    assert bed.connect("admin", muscle.machine.ipv4, 22) in {"refused", "silent", "unreachable"}


def test_a_full_disk_costs_nothing_here(bed: Bed) -> None:
    """A server's disk can be filled to the last block, without this machine's being filled."""
    muscle = bed.fresh()
    muscle.say("sh", "-c", "fallocate -l 100G /root/all || true; cat /dev/zero >/root/rest || true", limit_s=180)
    assert "No space left" in muscle.run("cp", "/etc/services", "/root/more").stderr
    assert (muscle.home / "disk.img").stat().st_blocks * 512 < 4 << 30
