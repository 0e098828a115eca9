"""The whole lab: it comes up, is used, and goes away without a trace, also when it was left behind broken."""

import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

from tests.lab.ground import cgroups, disks, faults, limits, network, provider, services, tree
from tests.lab.ground.commands import LabError
from tests.lab.ground.first_boot import LOGIN_KEY
from tests.lab.ground.hosts import Server
from tests.lab.ground.places import Met, connect_from
from tests.lab.ground.processes import end, recorded
from tests.lab.ground.site import FOLDERS, Machine, Site

OURS = ".ink-infra-lab"
"""Marks the folder of a lab."""


class Lab:
    """The servers of one site and everything between them."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.servers = {name: Server(site, machine) for name, machine in site.machines.items()}
        self.servers |= {server.name: server for server in self._light_ones_there()}

    @property
    def login_key(self) -> str:
        """The private key that root of every server lets in."""
        return (self.site.folder / LOGIN_KEY).read_text(encoding="utf-8")

    def server(self, name: str) -> Server:
        """Return a server by its name.

        Raises:
            LabError: there is none.
        """
        if name not in self.servers:
            raise LabError(f"no server is called {name!r}: use one of {', '.join(self.servers)}")
        return self.servers[name]

    def up(self) -> None:
        """Bring up the Factory and the Muscles and wait until they are ready; what is up already stays as it is."""
        self._begin()
        whole = [server for server in self.servers.values() if not server.machine.light]
        for server in whole:
            server.prepare()
            server.start()
        services.up(self.site)
        for server in whole:
            server.wait_ssh()
        for server in whole:
            server.wait_ready()

    def light(self, count: int) -> list[Server]:
        """Bring up that many light servers beside what is there, and return them when all of them answer."""
        self._begin()
        found = [Server(self.site, machine) for machine in self.site.light_machines(count).values()]
        for server in found:
            server.prepare()
            server.start()
        for server in found:
            server.wait_ssh()
        self.servers |= {server.name: server for server in found}
        return found

    def down(self) -> None:
        """Take everything away that has this lab's name, whether it was ever known: the next one starts clean."""
        self._end_processes()
        network.down(self.site)
        disks.detach_below(self.site.folder)
        cgroups.remove(self.site.prefix)
        _clear(self.site.folder)
        limits.put_back()
        left = self.leftovers()
        if left:
            raise LabError(f"the lab left something behind: {', '.join(left)}")

    def leftovers(self) -> list[str]:
        """Return what of this lab is on the machine, in words; empty when there is none."""
        site = self.site
        mounts = Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()
        return [
            *(f"process {pid}" for pid in sorted(cgroups.members(site.prefix))),
            *(f"namespace {name}" for name in network.namespaces_of(site)),
            *(f"group {folder}" for folder in cgroups.folders(site.prefix) if folder.exists()),
            *(f"mount {line.split()[1]}" for line in mounts if f" {site.folder}/" in line),
            *(f"folder {folder}" for folder in (site.folder,) if (folder / OURS).exists()),
        ]

    def connect(self, place: str, address: str, port: int, *, limit_s: float = 1.0) -> Met:
        """Return what a TCP connection meets, from `admin` (this machine), `outside`, or a server's name."""
        return connect_from(self.site, place, address, port, limit_s=limit_s)

    def link(self, name: str, fault: str) -> None:
        """Give a server's cable a fault, such as `drop`, `loss=20` or `delay=50,10`; `clear` takes it away.

        Raises:
            LabError: there is no such server or fault.
        """
        machine = self.server(name).machine
        if fault == "clear":
            faults.mend(self.site, machine)
        else:
            faults.strike(self.site, machine, faults.Fault.parse(fault))

    def provider_filter(self, name: str, inbound: Sequence[str], outbound: Sequence[str] | None = None) -> None:
        """Put a provider's firewall in front of a server's public card: rules of nft, the rest is dropped."""
        provider.apply(self.site, self.server(name).machine, inbound=inbound, outbound=outbound)

    def provider_open(self, name: str) -> None:
        """Take the provider's firewall away."""
        provider.remove(self.site, self.server(name).machine)

    def _begin(self) -> None:
        tree.build(self.site)
        _claim(self.site.folder)
        limits.lift()
        network.up(self.site)

    def _end_processes(self) -> None:
        """Supervisors first, or they would boot their servers again; then whoever is in a group of ours."""
        for record in self.site.folder.glob("*/supervisor.pid"):
            end(record)
        cgroups.end_all(self.site.prefix, cgroups.SERVICES)
        for record in self.site.folder.glob("*/unshare.pid"):
            end(record)
        cgroups.end_all(self.site.prefix)

    def _light_ones_there(self) -> Iterable[Server]:
        there = {path.parent.name for path in self.site.folder.glob("l[0-9][0-9][0-9]/supervisor.pid")}
        known: dict[str, Machine] = self.site.light_machines(500) if there else {}
        return [Server(self.site, known[name]) for name in sorted(there)]


def _claim(folder: Path) -> None:
    """Make the folder of a lab, and mark it: nothing but a marked one is ever removed.

    Raises:
        LabError: it holds something that is not a lab's.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / OURS).exists() and any(folder.iterdir()):
        raise LabError(f"{folder} is not a lab's: name an empty folder in INK_LAB_DIR")
    (folder / OURS).touch()
    folder.chmod(0o700)


def _clear(folder: Path) -> None:
    """Remove the folder of a lab, the mark last, so that what was cut short can be done again."""
    if not (folder / OURS).exists():
        return
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != OURS:
            path.unlink()
    (folder / OURS).unlink()
    folder.rmdir()
    if folder.parent.name == FOLDERS and not any(folder.parent.iterdir()):
        folder.parent.rmdir()


def state_of(server: Server) -> str:
    """Return in a word how a server is."""
    if server.init is not None:
        return "up"
    return "booting" if recorded(server.home / "supervisor.pid") is not None else "down"
