"""The pretend servers: what Docker and the system on them would say."""

from pydantic import JsonValue

from ink_infra_mcp.sandbox.part import Part


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
    host_config: dict[str, JsonValue] = {}
    """What Docker's HostConfig says beyond, or otherwise than, the fields above."""


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


class HostState(Part):
    """One server. An address that is empty it has not; without private ones it has no private card.

    `host_key` and `authorized_key` are OpenSSH keys made when the world was seeded.
    """

    name: str
    address: str
    ipv6: str = ""
    private_address: str = ""
    private_ipv6: str = ""
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
    volumes: list[str] = []
    volume_options: dict[str, dict[str, str]] = {}
    """Of volumes that were made with options of the local driver: which."""
    cgroups: str = "cgroup2fs"
    """The file system at /sys/fs/cgroup: `tmpfs` with version 1 of cgroups."""
    variables: dict[str, str] = {}
    """Of a shell that SSH starts there, as /etc/environment gives them."""
    network_drivers: dict[str, str] = {}
    """Of networks that are no bridges: the driver."""
    firewall: HostFirewall = HostFirewall()
    without: list[str] = []
    """Programs that a server usually has, and this one has not."""
    names: dict[str, list[str]] = {}
    """Names that only its own resolver knows, and their addresses."""
    self_signed: bool = False
    """Whether its proxy shows a certificate of its own making."""
    up: bool = True
    clock_ahead_s: float = 0.0
    """How far its clock is ahead of the world's."""
    host_private_key: str = ""
    host_public_key: str = ""
    authorized_keys: list[str] | None = None
    """The public keys that let Coolify in; None: every one does."""
    login_private_key: str = ""
    login_public_key: str = ""
