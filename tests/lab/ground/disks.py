"""The disks of a server: files that look like block devices to it, also those put in or pulled out while it runs."""

import os
import re
from collections.abc import Iterable
from pathlib import Path

from tests.lab.ground.commands import LabError, said, tried
from tests.lab.ground.site import ExtraDisk

ROOT_DISK = "disk.img"
ROOT_BYTES = 20 << 30
"""Sparse: about 8 MiB of it are written."""

_NODE = re.compile(r"sd[b-z]")
_BY_ID = re.compile(r"[A-Za-z0-9_.-]{1,64}")
# What a kernel does when a disk appears; sysfs shows a server its own disks only, so the new one is bound into it.
_APPEAR = """
node=$1 major=$2 minor=$3 id=$4
mknod -m 660 "/dev/$node" b "$major" "$minor"
ln -sfn "../../$node" "/dev/disk/by-id/$id"
mkdir -p "/sys/devices/virtual/block/$node"
mount --bind "/sys/kernel/debug/loop$minor" "/sys/devices/virtual/block/$node"
ln -sfn "../devices/virtual/block/$node" "/sys/block/$node"
ln -sfn "../../devices/virtual/block/$node" "/sys/class/block/$node"
ln -sfn "../../devices/virtual/block/$node" "/sys/dev/block/$major:$minor"
"""
_VANISH = """
node=$1 major=$2 minor=$3 id=$4
rm -f "/dev/$node" "/dev/disk/by-id/$id" "/sys/block/$node" "/sys/class/block/$node" "/sys/dev/block/$major:$minor"
umount "/sys/devices/virtual/block/$node"
rmdir "/sys/devices/virtual/block/$node"
"""


def make_disks(home: Path, extra: Iterable[ExtraDisk]) -> None:
    """Make the disks of a server that are not there yet.

    Docker's data lies on the ext4 of the first one, since overlay on overlay is refused. It needs no journal: it is
    thrown away after the tests.
    """
    root = home / ROOT_DISK
    if not root.exists():
        _sparse(root, ROOT_BYTES)
        said("mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=1,lazy_journal_init=1", "-O", "^has_journal", root)
    for disk in extra:
        if not _image(home, disk.node).exists():
            _add(home, disk)


def remove_disks(home: Path) -> None:
    """Throw away all disks of a server that is off, with what is on them."""
    for image in home.glob("*.img"):
        _detach(image)
        image.unlink()
        image.with_suffix(".id").unlink(missing_ok=True)


def attach(home: Path, pid: int, disk: ExtraDisk) -> None:
    """Put a new disk into a running server, whose first process is `pid`.

    Raises:
        LabError: it has a disk there already, or the names are none for a disk.
    """
    if _image(home, disk.node).exists():
        raise LabError(f"{home.name} has a disk {disk.node} already")
    _add(home, disk)
    _change(pid, _APPEAR, disk.node, *_numbers(_device(_image(home, disk.node))), disk.by_id)


def detach(home: Path, pid: int, node: str) -> None:
    """Pull a disk out of a running server, used or not; what is on it is gone.

    Raises:
        LabError: there is none.
    """
    image = _image(home, node)
    if not image.exists():
        raise LabError(f"{home.name} has no disk {node}")
    by_id = image.with_suffix(".id")
    _change(pid, _VANISH, node, *_numbers(_device(image)), by_id.read_text(encoding="utf-8").strip())
    _detach(image)
    image.unlink()
    by_id.unlink()


def detach_below(folder: Path) -> None:
    """Let go of every device whose file lies, or lay, below a folder."""
    for line in said("losetup", "--list", "--noheadings", "--output", "NAME,BACK-FILE").splitlines():
        device, _, file = line.partition(" ")
        if file.strip().startswith(f"{folder}/"):
            # one that was mounted lets go by itself
            tried("losetup", "--detach", device)


def _image(home: Path, node: str) -> Path:
    return home / f"{node}.img"


def _add(home: Path, disk: ExtraDisk) -> None:
    if not _NODE.fullmatch(disk.node) or not _BY_ID.fullmatch(disk.by_id):
        raise LabError(f"{disk.node!r} and {disk.by_id!r} do not name a disk")
    _sparse(_image(home, disk.node), disk.size_mib << 20)
    (home / f"{disk.node}.id").write_text(disk.by_id, encoding="utf-8")


def _sparse(file: Path, size: int) -> None:
    with file.open("wb") as disk:
        disk.truncate(size)


def _devices(image: Path) -> list[str]:
    return said("losetup", "--noheadings", "--output", "NAME", "--associated", image).split()


def _device(image: Path) -> str:
    return next(iter(_devices(image)), "") or said("losetup", "--find", "--show", image).strip()


def _detach(image: Path) -> None:
    for device in _devices(image):
        tried("losetup", "--detach", device)


def _numbers(device: str) -> tuple[int, int]:
    number = os.stat(device).st_rdev
    return os.major(number), os.minor(number)


def _change(pid: int, script: str, *arguments: str | int) -> None:
    said("nsenter", "--target", pid, "--mount", "--pid", "/bin/sh", "-euc", script, "sh", *arguments)
