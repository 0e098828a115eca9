"""Measures what a client costs in processor time: its own processes, with what they leave behind, and the servers."""

import os
import resource
import shutil
import tempfile
import time
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.lab.ground import cgroups
from tests.lab.ground.commands import until

CLIENTS = "clients"
"""The control group that clients run in: what outlives them, such as the master of a connection, is counted too."""
STILL_S, STILL_LIMIT_S = 0.2, 15.0


@dataclass(frozen=True)
class Cost:
    """What a number of hosts cost: seconds by the clock, and of processor time here and there."""

    hosts: int
    wall_s: float
    client_s: float
    server_s: float

    @property
    def client_ms(self) -> float:
        """Milliseconds of processor time here, for each host."""
        return self.client_s * 1000 / self.hosts

    @property
    def server_ms(self) -> float:
        """The same on the servers."""
        return self.server_s * 1000 / self.hosts

    @property
    def limit_s(self) -> float:
        """How long it takes at least where all processors do nothing else."""
        return (self.client_s + self.server_s) / (os.cpu_count() or 1)

    @property
    def share(self) -> float:
        """How much of the time that passed was needed: 1 on a quiet machine that is never made to wait."""
        return self.limit_s / self.wall_s


def used_s(files: Iterable[Path]) -> float:
    """Return the processor time that control groups have used, from the files that `usage_file` names."""
    total = 0.0
    for file in files:
        text = file.read_text(encoding="ascii")
        total += int(text) / 1e9 if file.name == "cpuacct.usage" else int(text.split()[1]) / 1e6
    return total


def usage_file(prefix: str, name: str) -> Path:
    """Return the file that says how much processor time a group has used: in version 1 of control groups, or in 2."""
    for folder in cgroups.folders(prefix, name):
        for file in (folder / "cpuacct.usage", folder / "cpu.stat"):
            if file.exists() and (file.name == "cpuacct.usage" or cgroups.hierarchies() == (cgroups.ROOT,)):
                return file
    raise FileNotFoundError(f"no control group of {name} counts processor time")


def own_s() -> float:
    """Return the processor time of this process alone."""
    spent = resource.getrusage(resource.RUSAGE_SELF)
    return spent.ru_utime + spent.ru_stime


def wait_still(files: Iterable[Path]) -> None:
    """Wait until the servers have nothing left to do: they tidy up after a client has gone."""
    looks = [used_s(files)]

    def still() -> bool:
        looks.append(used_s(files))
        return looks[-1] - looks[-2] < 0.01

    until(still, what="the servers do not come to rest", limit_s=STILL_LIMIT_S, pause_s=STILL_S)


@contextmanager
def as_client(prefix: str) -> Generator[Path]:
    """Let this process, and so all that it starts, count as a client; give the file with what these have used."""
    cgroups.make(prefix, CLIENTS)
    file = usage_file(prefix, CLIENTS)
    before = _group_now(file.parent.parent.parent)
    _join(file.parent)
    try:
        yield file
    finally:
        _join(before)


def measure(prefix: str, servers: list[Path], action: Callable[[], int]) -> Cost:
    """Return what `action` costs, which starts programs and returns how many hosts it has asked."""
    wait_still(servers)
    with as_client(prefix) as clients:
        began = time.monotonic()
        client, server = used_s([clients]) - own_s(), used_s(servers)
        hosts = action()
        wall = time.monotonic() - began
        client = used_s([clients]) - own_s() - client
    wait_still(servers)
    return Cost(hosts, wall, client, used_s(servers) - server)


@contextmanager
def scratch() -> Generator[Path]:
    """Give a folder for keys and sockets, whose path is short enough for a socket."""
    folder = Path(tempfile.mkdtemp(prefix="peers-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def _group_now(hierarchy: Path) -> Path:
    """Return the group of this hierarchy that this process is in: of version 2 the line has no name."""
    for line in Path("/proc/self/cgroup").read_text(encoding="ascii").splitlines():
        _, controllers, path = line.split(":", 2)
        if hierarchy.name in controllers.split(",") or (hierarchy == cgroups.ROOT and not controllers):
            return hierarchy / path.lstrip("/")
    return hierarchy


def _join(folder: Path) -> None:
    (folder / "cgroup.procs").write_text(str(os.getpid()), encoding="ascii")
