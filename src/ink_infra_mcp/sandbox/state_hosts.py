"""The pretend servers: what Docker and the system on them would say."""

from typing import Literal
from uuid import NAMESPACE_DNS, uuid5

from pydantic import JsonValue

from ink_infra_mcp.sandbox.part import Part
from ink_infra_mcp.sandbox.state_builds import Build, BuildHost
from ink_infra_mcp.sandbox.state_logins import Logins
from ink_infra_mcp.sandbox.state_machine import Made


class Container(Part):
    """A container as `docker inspect` knows it. Times are Unix seconds of the world."""

    id: str
    name: str
    image: str
    image_id: str = "sha256:" + "0" * 64
    image_digests: list[str] = []
    """Under which its image was pulled, as `name@sha256:...`."""
    labels: dict[str, str] = {}
    env: dict[str, str] = {}
    runtime: str = "runc"
    memory_bytes: int = 0
    nano_cpus: int = 0
    pids_limit: int = 0
    cap_add: list[str] = []
    cap_drop: list[str] = []
    security_opt: list[str] = []
    privileged: bool = False
    state: str = "running"
    health: str = ""
    exit_code: int = 0
    oom_killed: bool = False
    restart_count: int = 0
    created_at: float = 0.0
    started_at: float = 0.0
    ports: list[str] = []
    """Published ports as `0.0.0.0:80->80/tcp`."""
    volumes: list[str] = []
    """Names of volumes mounted."""
    networks: list[str] = ["coolify"]
    listens: list[int] | None = None
    """Ports at which it takes connections from others; None: those that its labels name to the proxy."""
    host_config: dict[str, JsonValue] = {}
    """What Docker's HostConfig says beyond, or otherwise than, the fields above."""


class VolumeContent(Part):
    """What a Docker volume holds: files by path, each as the digest of all that it is; and who made it, by a label."""

    files: dict[str, str] = {}
    size_bytes: int = 2**20
    operation: str = ""


class Ufw(Part):
    """ufw as it is set up: whether it is in charge, its policy for what comes in, and its rules.

    A rule is what stands behind `### tuple ###` in user.rules and user6.rules.
    """

    active: bool = False
    default: str = "DROP"
    rules4: list[str] = []
    rules6: list[str] = []


class Firewalld(Part):
    """firewalld with one zone: the ports that it lets in, and its rich rules, loaded and written down."""

    running: bool = False
    zone: str = "public"
    ports: list[str] = ["22/tcp"]
    runtime: list[str] = []
    permanent: list[str] = []

    def forget(self, added: list[str]) -> None:
        """Drop rich rules, each given after the word runtime or permanent."""
        self.runtime = [rule for rule in self.runtime if f"runtime {rule}" not in added]
        self.permanent = [rule for rule in self.permanent if f"permanent {rule}" not in added]


class FirewallChange(Part):
    """A change of a server's own firewall: saved, armed, kept or reverted; armed ones revert at `until`.

    `added` are the rich rules that it gave firewalld, each after the word runtime or permanent.
    """

    state: str = "saved"
    manager: str = "nftables"
    until: float = 0.0
    before: str = "none"
    """What was told of our table when it was saved."""
    table_before: str = ""
    loaded_before: str = ""
    file_before: str = ""
    ufw_before: Ufw | None = None
    added: list[str] = []


class HostFirewall(Part):
    """A server's own firewall: our table as it is loaded and as it lies on the disk, and what else filters there.

    Tables are text for nft; `tables` are those that somebody has made by hand. A manager that is None is not installed.
    """

    table: str = ""
    loaded: str = ""
    """Our table as it was when it was loaded; one that differs has been altered by hand."""
    file: str = ""
    tables: str = ""
    ufw: Ufw | None = Ufw()
    firewalld: Firewalld | None = None
    changes: dict[str, FirewallChange] = {}
    said: dict[str, str] = {}
    """What commands say in place of what is computed for them, such as `nft -j list ruleset` on a real server."""

    @property
    def manager(self) -> str:
        """Return who keeps the rules for what is meant for the server itself."""
        if self.ufw and self.ufw.active:
            return "ufw"
        return "firewalld" if self.firewalld and self.firewalld.running else "nftables"

    def settle(self, now: float) -> None:
        """Let the switches fire whose time has come."""
        for change in self.changes.values():
            if change.state == "armed" and change.until <= now:
                self.put_back(change)

    def put_back(self, change: FirewallChange) -> None:
        """Load what was there before a change."""
        self.table, self.loaded, self.file = change.table_before, change.loaded_before, change.file_before
        change.state = "reverted"
        if change.ufw_before:
            self.ufw = change.ufw_before.model_copy(deep=True)
        if self.firewalld:
            self.firewalld.forget(change.added)


class Vlan(Part):
    """The link of a vSwitch. One that is not `kept` is deleted `until` then, or with a boot."""

    made_by: str
    number: int
    until: float
    kept: bool = False


class HostState(Part):
    """One server. An address that is empty it has not; without private ones it has no private card.

    `host_key` and `authorized_key` are OpenSSH keys made when the world was seeded.
    """

    name: str
    address: str
    ipv6: str = ""
    private_address: str = ""
    private_ipv6: str = ""
    private_network: str = ""
    """The network that its private card leads to; its router has the first address in it."""
    private_mtu: int = 1450
    vlan: Vlan | None = None
    network_manager: str = "networkd"
    """Who rules its cards; another word than netplan, networkd and ifupdown is one that the script does not know."""
    role: str
    os_id: str = "debian"
    os_version: str = "12"
    kernel: str = "6.1.0-37-amd64"
    cpus: int = 8
    memory_bytes: int = 32 * 2**30
    used_bytes: int = 2 * 2**30
    disk_bytes: int = 240 * 2**30
    disk_used_bytes: int = 30 * 2**30
    docker_version: str = "28.5.1"
    runtimes: list[str] = ["runc", "runsc"]
    runsc_version: str = "release-20261012.0"
    containers: list[Container] = []
    images: list[str] = []
    """The images that were pulled or built there, tags included."""
    build_host: BuildHost = BuildHost()
    builds: dict[str, Build] = {}
    """Builds of Coolify's fork, by their names."""
    volumes: list[str] = []
    volume_options: dict[str, dict[str, str]] = {}
    """Of volumes that were made with options of the local driver: which."""
    volume_contents: dict[str, VolumeContent] = {}
    """Of volumes that hold something, or that were made with a label: what."""
    cgroups: str = "cgroup2fs"
    """The file system at /sys/fs/cgroup: `tmpfs` with version 1 of cgroups."""
    variables: dict[str, str] = {}
    """Of a shell that SSH starts there, as /etc/environment gives them."""
    network_drivers: dict[str, str] = {}
    """Of networks that are no bridges: the driver."""
    firewall: HostFirewall = HostFirewall()
    logins: Logins = Logins()
    made: Made = Made()
    without: list[str] = []
    """Programs that a server usually has, and this one has not."""
    taken_ports: list[int] = []
    """Ports on which a program that is no container listens."""
    names: dict[str, list[str]] = {}
    """Names that only its own resolver knows, and their addresses."""
    self_signed: bool = False
    """Whether its proxy shows a certificate of its own making."""
    up: bool = True
    boots: int = 1
    boot_s: float = 40.0
    """How long it is away when it reboots."""
    shuts_down_at: float | None = None
    boots_at: float | None = None
    comes_back: bool = True
    """Whether a reboot ends; one that does not come back hangs in its firmware."""
    reboots: dict[str, str] = {}
    """The reboots that were asked for by name, and the boot that each was to end."""
    stay_down: list[str] = []
    """Containers that do not run any more after a boot."""
    packages_busy: bool = False
    reboot_packages: list[str] = []
    """The packages for which it asks for a reboot."""
    updates: dict[str, str] = {}
    """Packages that could be updated, and from where, as `Debian-Security:12/oldstable-security`."""
    patches: dict[str, float] = {}
    """The installations that were begun by name, and when each ends."""
    patch_s: float = 20.0
    patch_status: int = 0
    """What an installation ends with; where that is an error nothing is installed."""
    security_source: bool = True
    archive: Literal["fresh", "still", "away"] = "fresh"
    """What apt meets when it fetches lists: what is new, a mirror that stands still, or nothing."""
    lists_age_s: float = 3600.0
    """How long ago the archives made the lists that lie there."""
    audits: dict[str, str] = {}
    """What auditors say that are installed there, `lynis` and `ssh_audit`, each in its own form."""
    inodes_percent: int = 5
    read_only: bool = False
    sshd: dict[str, str] = {}
    """Of what `sshd -T` says: what is otherwise than usual."""
    clock_ahead_s: float = 0.0
    """How far its clock is ahead of the world's."""
    host_private_key: str = ""
    host_public_key: str = ""
    authorized_keys: list[str] | None = None
    """The public keys that let Coolify in, beside those of `logins`; None: every one does."""
    login_private_key: str = ""
    login_public_key: str = ""

    @property
    def boot_id(self) -> str:
        """Return what tells this boot from every other one, as the kernel writes it."""
        return str(uuid5(NAMESPACE_DNS, f"boot {self.boots} of {self.name}"))
