"""Where one lab lies: its name, its addresses and its folders, so that several can stand side by side."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from tests.lab.ground.commands import LabError

SWITCH, INTERNET = "sw", "net"
OUTSIDE_IPV4, OUTSIDE_IPV6 = "198.51.100.77", "2001:db8:ffff::77"
"""A client somewhere on the internet: neither the admin, nor a server, nor in any of our ranges."""
PRIVATE_IPV4, PRIVATE_IPV6 = "10.250.0.0/16", "fd00:250::/64"
METADATA = "169.254.169.254"
FOLDERS = "ink-infra-lab"
"""What the folder that holds the folders of all labs is called."""
FIRST_LIGHT = (4 << 8) + 1

_PREFIX = re.compile(r"[a-z][a-z0-9]{0,5}")
_NET = re.compile(r"10\.\d{1,3}\.0")


@dataclass(frozen=True, slots=True)
class ExtraDisk:
    """A disk beside the one that a server boots from: its node below /dev, its size, its name in /dev/disk/by-id."""

    node: str
    size_mib: int
    by_id: str


@dataclass(frozen=True, slots=True)
class Machine:
    """One server of the lab. A light one has its own network, file system and sshd, but no systemd and no Docker."""

    name: str
    number: int
    ipv4: str
    ipv6: str
    private_ipv4: str
    private_ipv6: str
    light: bool = False
    disks: tuple[ExtraDisk, ...] = ()

    @property
    def port(self) -> str:
        """The switch's end of the server's public cable."""
        return self.name

    @property
    def private_port(self) -> str:
        """The switch's end of its private cable."""
        return f"{self.name}-p"

    @property
    def ports(self) -> tuple[str, ...]:
        """The switch's ends of all its cables."""
        return (self.port,) if self.light else (self.port, self.private_port)

    @property
    def mac(self) -> str:
        """The address of its public card.

        It stays the same from boot to boot: a server that came back with a new one was unreachable for 6 s, until the
        neighbours had forgotten the old one.
        """
        return f"02:4c:42:00:{self.number >> 8:02x}:{self.number & 255:02x}"

    @property
    def private_mac(self) -> str:
        """The address of its private card."""
        return f"02:4c:42:01:{self.number >> 8:02x}:{self.number & 255:02x}"


@dataclass(frozen=True)
class Site:
    """One lab. `prefix` begins the names of everything that it makes; `net` is the first three numbers of its network.

    The private network and the addresses outside exist in the lab's own namespaces only, so all labs use the same.

    Raises:
        LabError: the prefix has more than six characters, or the network is not 10.x.0.
    """

    prefix: str
    net: str
    folder: Path
    cache: Path
    archive: str = ""
    """The Debian archive to build from; empty: the one that this machine's apt uses."""

    def __post_init__(self) -> None:
        if not _PREFIX.fullmatch(self.prefix):
            raise LabError(f"{self.prefix!r} cannot begin the names of a lab: use one to six of a-z and 0-9")
        if not _NET.fullmatch(self.net) or int(self.net.split(".")[1]) > 255:
            raise LabError(f"{self.net!r} is not a network for a lab: use 10.x.0")

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> "Site":
        """Return the lab that the environment names: INK_LAB_PREFIX, _NET, _DIR, _CACHE, _ARCHIVE, all optional."""
        prefix = environment.get("INK_LAB_PREFIX", "ink")
        return cls(
            prefix=prefix,
            net=environment.get("INK_LAB_NET", "10.213.0"),
            folder=Path(environment.get("INK_LAB_DIR", f"/var/tmp/{FOLDERS}/{prefix}")),  # noqa: S108 - root's alone
            cache=Path(environment.get("INK_LAB_CACHE", "/var/cache/ink-infra-lab")),
            archive=environment.get("INK_LAB_ARCHIVE", ""),
        )

    def beside(self, number: int) -> "Site":
        """Return the lab with that number beside this one, for tests that run at the same time; 0 is this one.

        Raises:
            LabError: there is no room for it, in the names or in the networks.
        """
        if number == 0:
            return self
        second = int(self.block.split(".")[1]) + number
        folder = self.folder.with_name(f"{self.folder.name}w{number}")
        return replace(self, prefix=f"{self.prefix}w{number}", net=f"10.{second}.0", folder=folder)

    @property
    def block(self) -> str:
        """The first two numbers of the network, which is a /16: light servers lie above the others."""
        return self.net.removesuffix(".0")

    @property
    def ipv6_prefix(self) -> str:
        """What the IPv6 addresses of the network begin with; the network is a /64."""
        return f"2001:db8:{self.block.split('.')[1]}::"

    @property
    def admin_ipv4(self) -> str:
        """This machine's own address in the lab."""
        return f"{self.net}.1"

    @property
    def admin_ipv6(self) -> str:
        """This machine's own IPv6 address in the lab."""
        return f"{self.ipv6_prefix}1"

    @property
    def gateway_ipv4(self) -> str:
        """Where the servers send what is not for their neighbours; the registry and the packages are here too."""
        return f"{self.net}.2"

    @property
    def gateway_ipv6(self) -> str:
        """The IPv6 gateway."""
        return f"{self.ipv6_prefix}2"

    @property
    def registry(self) -> str:
        """Address and port of the registry."""
        return f"{self.gateway_ipv4}:5000"

    @property
    def uplink(self) -> str:
        """This machine's end of its cable into the lab."""
        return f"{self.prefix}0"

    @property
    def switch(self) -> str:
        """The namespace that all cables end in."""
        return self.namespace(SWITCH)

    @property
    def internet(self) -> str:
        """The namespace that stands for the rest of the world."""
        return self.namespace(INTERNET)

    def namespace(self, name: str) -> str:
        """Return the network namespace of a part of the lab."""
        return f"{self.prefix}-{name}"

    def home(self, name: str) -> Path:
        """Return the folder with all that belongs to one server."""
        return self.folder / name

    def machine(self, name: str, number: int, *, light: bool = False, disks: tuple[ExtraDisk, ...] = ()) -> Machine:
        """Return the server with that number, from which its addresses follow."""
        high, low = number >> 8, number & 255
        return Machine(
            name=name,
            number=number,
            ipv4=f"{self.block}.{high}.{low}",
            ipv6=f"{self.ipv6_prefix}{number:x}",
            private_ipv4=f"10.250.{high}.{low}",
            private_ipv6=f"fd00:250::{number:x}",
            light=light,
            disks=disks,
        )

    @cached_property
    def machines(self) -> dict[str, Machine]:
        """The Factory and the two Muscles; each Muscle has an empty disk of its own."""
        first = (ExtraDisk("sdb", 64, "scsi-0HC_Volume_1001"),)
        second = (ExtraDisk("sdb", 64, "scsi-0HC_Volume_1002"),)
        return {
            "factory": self.machine("factory", 10),
            "muscle-1": self.machine("muscle-1", 11, disks=first),
            "muscle-2": self.machine("muscle-2", 12, disks=second),
        }

    def light_machines(self, count: int) -> dict[str, Machine]:
        """Return that many light servers.

        Raises:
            LabError: more than 500: the machine's tables of neighbours are not made for more.
        """
        if not 0 <= count <= 500:
            raise LabError(f"{count} light servers are not possible: use 0 to 500")
        names = {f"l{n:03d}": FIRST_LIGHT + n for n in range(count)}
        return {name: self.machine(name, number, light=True) for name, number in names.items()}
