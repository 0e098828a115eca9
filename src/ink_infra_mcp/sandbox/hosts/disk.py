"""Answers the script that moves the Factory's data onto a disk; nothing is ever run.

Written from what lsblk, wipefs and blkid (util-linux 2.41), debugfs (e2fsprogs 1.47) and Docker 28 print. A move is
over at the second look at it.
"""

import base64
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass

from ink_infra_mcp.sandbox.state_coolify import CoolifyState
from ink_infra_mcp.sandbox.state_factory import DiskMove, Storage, Volume
from ink_infra_mcp.sandbox.state_hosts import HostState

Said = tuple[int, str, str]
UNCHANGED = 3
_DATA = re.compile(r"<<'(?P<end>[A-Z-]+)'\n(?P<data>.*?)(?P=end)\n", re.DOTALL)
_BETWEEN = ("moving", "switching", "started", "reverting")
_YES = {True: "yes", False: "no"}
_DIRECTORY = "/dev/disk/by-id/"


@dataclass
class DiskScript:
    """One call of the script on the Factory."""

    host: HostState
    coolify: CoolifyState
    stdin: str

    @property
    def deployments(self) -> str:
        """How many run or wait."""
        return str([d.status in ("queued", "in_progress") for d in self.coolify.deployments].count(True))

    @property
    def storage(self) -> Storage:
        """The Factory's disks, and what lies where."""
        return self.coolify.factory.storage

    def answer(self, words: tuple[str, ...]) -> Said:
        """Do what is asked and return the exit status, and what is said on both outputs."""
        verb, name, disk = (*words, "")[:3]
        if verb == "prepare":
            return self._prepare(name)
        move = self.storage.moves.get(name, DiskMove(state="", orders={}))
        if verb == "look":
            self._settle(name, move)
            ground = self._ground(disk) if name == "any" else ()
            return 0, "".join(f"{line}\n" for line in (*_told(move), *ground, "done")), ""
        if move.state == "prepared":
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
            if self.storage.data != "mount" or not self.storage.guarded:
                return "Docker would start without /data"
            return self._changed(orders)
        volume = self.storage.volumes.get(orders["disk"])
        same = volume is not None and (str(volume.size), volume.signs) == (orders["size"], orders["signs"])
        return "" if same else "the disk is not as it was when this was planned"

    def _changed(self, orders: dict[str, str]) -> str:
        sums = (_sum(self.host.made.daemon), _sum(self.storage.containerd))
        if sums != (orders["sum:daemon"], orders["sum:config"]):
            return "Docker's settings were changed meanwhile"
        found = " ".join(self._remains()) if orders["copy"] == "no" else ""
        return f"there is something of a Docker already: {found}" if found else ""

    def _remains(self) -> list[str]:
        """A program of Docker's is there with the others; what it kept may outlive it."""
        return ["/usr/bin/docker"] if self.host.docker_version else [*self.storage.remains]

    def _settle(self, name: str, move: DiskMove) -> None:
        if move.state != "moving":
            return
        if self.deployments != "0":
            move.state, move.why = "refused", f"{self.deployments} deployments run or wait"
        elif self.storage.fails:
            move.state, move.why = "reverted", self.storage.fails
        else:
            self._over(name, move)

    def _over(self, name: str, move: DiskMove) -> None:
        storage, orders = self.storage, move.orders
        if orders["kind"] == "docker":
            self._move_docker(orders)
        else:
            if orders["copy"] == "yes":
                self._copy(name, storage.volumes[orders["disk"]])
            self._mount(orders)
        move.state, move.seconds = "done", 42 if orders["copy"] == "yes" else 0

    def _move_docker(self, orders: dict[str, str]) -> None:
        self.storage.root = "/data/docker" if orders["copy"] == "yes" else self.storage.root
        self.host.made.daemon = base64.b64decode(orders["text:daemon"]).decode()
        if orders["text:config"] != "same":
            self.storage.containerd = base64.b64decode(orders["text:config"]).decode()

    def _copy(self, name: str, volume: Volume) -> None:
        if self.storage.data == "folder":
            self.storage.kept = [*self.storage.kept, f"/data.before-{name}"]
        volume.signs, volume.blank, volume.entries = "ext4", False, 1

    def _mount(self, orders: dict[str, str]) -> None:
        storage, volume = self.storage, self.storage.volumes[orders["disk"]]
        volume.used_at, storage.data, storage.data_number = ["/data"], "mount", volume.number
        mount, type_, options = orders["line"].split(" ")[:3]
        storage.lines = [f"{_DIRECTORY}{orders['disk']} {mount} {type_} {options}"]
        storage.guarded = True

    def _ground(self, disk: str) -> Iterator[str]:
        storage = self.storage
        yield f"under_way {' '.join(key for key, each in storage.moves.items() if each.state in _BETWEEN)}"
        yield from map("name {}".format, sorted(storage.volumes))
        if disk:
            yield from _disk(storage.volumes.get(disk))
        yield from map("line {}".format, storage.lines)
        yield from (f"data {storage.data} {storage.data_number}", f"below {' '.join(storage.below)}")
        if storage.data in ("folder", "mount"):
            yield from (f"data_size {storage.data_kb} {storage.data_entries}", f"data_free {storage.free_kb}")
        yield from (f"guard {_YES[storage.guarded]}", f"missing {' '.join(storage.missing)}")
        yield from self._docker()

    def _docker(self) -> Iterator[str]:
        if not self.host.docker_version:
            yield from ("docker none", f"remains {' '.join(self._remains())}", *self._settings())
            return
        storage, states = self.storage, {c.name: c.state for c in self.host.containers}
        yield from (f"docker {storage.root}", f"store {_coded(storage.store)}")
        yield from (
            f"docker_size {storage.docker_kb} 48000",
            "docker_below ",
            f"containerd_size {storage.containerd_kb} 900",
        )
        yield f"running {[*states.values()].count('running')}"
        yield from (f"coolify {states.get('coolify', '')}", f"deployments {self.deployments}")
        yield from self._settings()

    def _settings(self) -> Iterator[str]:
        for key, text in (("daemon", self.host.made.daemon), ("config", self.storage.containerd)):
            yield f"{key} {_sum(text)} {_coded(text)}"


def _told(move: DiskMove) -> Iterator[str]:
    yield from (f"state {move.state}", f"why {_coded(move.why)}", f"said {_coded(move.why)}")
    yield f"seconds {'' if move.seconds is None else move.seconds}"


def _disk(volume: Volume | None) -> Iterator[str]:
    if volume is None:
        yield "disk missing"
        return
    yield f"disk {volume.kind} {volume.size} {int(volume.read_only)} {volume.number}"
    yield from (f"children {volume.children}", f"signs {volume.signs}")
    yield f"type {volume.signs if volume.signs in ('ext4', 'xfs', 'btrfs') else ''}"
    yield from (f"blank {_YES[volume.blank]}", f"used_at {' '.join(volume.used_at)}")
    yield f"entries {volume.entries if volume.signs == 'ext4' else ''}"


def _coded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _sum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest() if text else "none"
