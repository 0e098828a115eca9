"""A server as it says it is made of: facts that are known, and why others are not."""

from typing import Annotated

from pydantic import Field

from ink_infra_mcp.core.baseline.sources import Address
from ink_infra_mcp.core.plan import Frozen, JsonObject

Count = Annotated[int, Field(ge=0)]


class Package(Frozen):
    """A package that dpkg knows: its version, `installed` or another status, and `hold` where it is held."""

    version: str = ""
    status: str = "not-installed"
    want: str = "unknown"

    @property
    def installed(self) -> bool:
        """Return whether it is wholly there."""
        return self.status == "installed"

    @property
    def held(self) -> bool:
        """Return whether upgrades pass it over."""
        return self.want == "hold"


class Unit(Frozen):
    """A unit of systemd: whether it starts at boot, and whether it runs now, in systemd's own words."""

    enabled: str
    active: str

    @property
    def runs(self) -> bool:
        """Return whether it runs now and after the next boot; one that is started by others counts as both."""
        return self.active == "active" and self.enabled in {"enabled", "static", "alias", "indirect", "generated"}


class Engine(Frozen):
    """What Docker says of itself."""

    version: str
    live_restore: bool = False
    runtimes: tuple[str, ...] = ()
    swarm: str = "inactive"
    root: str = "/var/lib/docker"
    running: Count = 0


class Machine(Frozen):
    """One server. A fact that is None is not known, and `unknown` says why; empty means that there is none.

    `packages` are those that were asked for, `keys` the fingerprints of repositories' keys that we checked and that are
    still the same files, and `sources` the files of apt with the addresses that each names. `daemon` is the text of
    Docker's settings, and `routes` the networks that the server reaches otherwise than through Docker's own bridges.
    `proxy` is the image of Coolify's proxy.
    `engine` is None without a word in `unknown` where no Docker is installed. `kept` are the earlier states that lie
    there.
    """

    host: str
    os_id: str | None = None
    os_version: str | None = None
    arch: str | None = None
    kernel: str | None = None
    cpus: Count | None = None
    memory_bytes: Count | None = None
    swap_bytes: Count | None = None
    disk_bytes: Count | None = None
    packages: dict[str, Package] | None = None
    broken: tuple[str, ...] | None = None
    sysctls: dict[str, str] | None = None
    units: dict[str, Unit] | None = None
    apt: dict[str, str] | None = None
    journal: dict[str, str] | None = None
    files: dict[str, str] | None = None
    keys: dict[str, str] | None = None
    sources: dict[str, tuple[Address, ...]] | None = None
    daemon: str | None = None
    engine: Engine | None = None
    proxy: str | None = None
    runsc: str | None = None
    snap: bool | None = None
    routes: tuple[str, ...] | None = None
    kept: tuple[str, ...] = ()
    unknown: dict[str, str] = {}

    @property
    def release(self) -> str:
        """Return the system in the words of the baseline, such as `debian 13`."""
        return f"{self.os_id} {self.os_version}"

    def package(self, name: str) -> Package:
        """Return a package that was asked for; dpkg has never heard of one that is not there."""
        return (self.packages or {}).get(name, Package())

    def has(self, name: str) -> bool:
        """Return whether a package is wholly installed."""
        return self.package(name).installed

    def summary(self) -> JsonObject:
        """Return the few facts that a person looks at first."""
        return {"os": self.release, "kernel": self.kernel, "docker": self.engine.version if self.engine else None}
