"""Answers the script that moves the Factory's data onto a disk; nothing is ever run.

Written from what lsblk, wipefs and blkid (util-linux 2.41), debugfs (e2fsprogs 1.47) and Docker 28 print. A move is
over at the second look at it.
"""

import base64
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass

from ink_infra_mcp.sandbox.state_factory import DiskMove, FactoryDisk, Storage, Volume
from ink_infra_mcp.sandbox.state_hosts import HostState

Said = tuple[int, str, str]
UNCHANGED = 3
_DATA = re.compile(r"<<'(?P<end>[A-Z-]+)'\n(?P<data>.*?)(?P=end)\n", re.DOTALL)
_BETWEEN = ("moving", "switching", "started", "reverting")
_DIRECTORY = "/dev/disk/by-id/"


@dataclass
class DiskScript:
    """One call of the script on the Factory. `deployments` is how many run or wait, empty where nobody says."""

    host: HostState
    disk: FactoryDisk
    stdin: str
    deployments: str

    @property
    def storage(self) -> Storage:
        """The Factory's disks, and what lies where."""
        return self.disk.storage

    def answer(self, words: tuple[str, ...]) -> Said:
        """Do what is asked and return the exit status, and what is said on both outputs."""
        verb, name, disk = (*words, "")[:3]
        move = self.storage.moves.get(name)
        if verb == "look":
            if move is not None:
                self._settle(name, move)
            return 0, "".join(f"{line}\n" for line in (*self._look(name, disk), "done")), ""
        if verb == "prepare":
            return self._prepare(name)
        if move is not None and move.state == "prepared":
            move.state = "moving"
        return 0, "", ""

    def _prepare(self, name: str) -> Said:
        if name in self.storage.moves:
            return 0, "", ""
        found = _DATA.search(self.stdin)
        if found is None:
            return UNCHANGED, "", "ink-disk: its orders could not be written\n"
        orders = dict(line.split(" ", 1) for line in found["data"].splitlines())
        if why := self._unfit(orders):
            return UNCHANGED, "", f"ink-disk: {why}\n"
        del orders["script"]
        self.storage.moves[name] = DiskMove(orders=orders)
        return 0, "", ""

    def _unfit(self, orders: dict[str, str]) -> str:
        if orders["kind"] == "docker":
            return "" if self.storage.data == "mount" else "/data is no disk of its own"
        volume = self.storage.volumes.get(orders["disk"])
        same = volume is not None and (str(volume.size), volume.signs) == (orders["size"], orders["signs"])
        return "" if same else "the disk is not as it was when this was planned"

    def _settle(self, name: str, move: DiskMove) -> None:
        if move.state != "moving":
            return
        if self.deployments not in ("", "0"):
            move.state, move.why = "refused", f"{self.deployments} deployments run or wait"
        elif self.storage.fails:
            move.state, move.why = "reverted", self.storage.fails
        else:
            self._over(name, move)

    def _over(self, name: str, move: DiskMove) -> None:
        storage, orders = self.storage, move.orders
        if orders["kind"] == "docker":
            storage.root = "/data/docker"
            self.host.made.daemon = base64.b64decode(orders["text:daemon"]).decode()
            if orders["text:config"] != "same":
                storage.containerd = base64.b64decode(orders["text:config"]).decode()
        else:
            volume = storage.volumes[orders["disk"]]
            if orders["copy"] == "yes":
                storage.kept = [*storage.kept, *([f"/data.before-{name}"] if storage.data == "folder" else [])]
                volume.signs, volume.blank, volume.entries = "ext4", False, 1
            volume.used_at, storage.data, storage.data_number = ["/data"], "mount", volume.number
            mount, type_, options = orders["line"].split(" ")[:3]
            storage.lines = [f"{_DIRECTORY}{orders['disk']} {mount} {type_} {options}"]
            storage.guarded = True
        move.state, move.seconds = "done", 42 if orders["copy"] == "yes" else 0

    def _look(self, name: str, disk: str) -> Iterator[str]:
        storage, move = self.storage, self.storage.moves.get(name) or DiskMove(state="", orders={})
        yield from (f"state {move.state}", f"why {_coded(move.why)}", f"said {_coded(move.why)}")
        yield f"seconds {'' if move.seconds is None else move.seconds}"
        yield f"under_way {next((key for key, each in storage.moves.items() if each.state in _BETWEEN), '')}"
        yield from (f"name {each}" for each in sorted(storage.volumes))
        if disk:
            yield from _disk(storage.volumes.get(disk))
            yield from (f"line {line}" for line in storage.lines)
        yield f"data {storage.data} {storage.data_number}"
        yield f"below {' '.join(storage.below)}"
        if storage.data != "absent":
            yield from (f"data_size {storage.data_kb} {storage.data_entries}", f"data_free {storage.free_kb}")
        yield f"guard {'yes' if storage.guarded else 'no'}"
        yield f"missing {' '.join(storage.missing)}"
        yield from self._docker()

    def _docker(self) -> Iterator[str]:
        if not self.host.docker_version:
            yield "docker none"
            return
        storage, coolify = self.storage, [c.state for c in self.host.containers if c.name == "coolify"]
        yield from (f"docker {storage.root}", f"store {_coded(storage.store)}")
        yield from (
            f"docker_size {storage.docker_kb} 48000",
            "docker_below ",
            f"containerd_size {storage.containerd_kb} 900",
        )
        yield f"running {sum(c.state == 'running' for c in self.host.containers)}"
        yield from (f"coolify {' '.join(coolify)}", f"deployments {self.deployments}")
        for key, text in (("daemon", self.host.made.daemon), ("config", storage.containerd)):
            yield f"{key} {_sum(text)} {_coded(text)}"


def _disk(volume: Volume | None) -> Iterator[str]:
    if volume is None:
        yield "disk missing"
        return
    yield f"disk {volume.kind} {volume.size} {int(volume.read_only)} {volume.number}"
    yield f"children {volume.children}"
    yield f"signs {volume.signs}"
    yield f"type {volume.signs if volume.signs in ('ext4', 'xfs', 'btrfs') else ''}"
    yield f"blank {'yes' if volume.blank and not volume.signs else 'no'}"
    yield f"used_at {' '.join(volume.used_at)}"
    yield f"entries {volume.entries if volume.signs == 'ext4' else ''}"


def _coded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _sum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest() if text else "none"
