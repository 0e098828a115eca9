"""The pretend servers: what Docker and the system on them would say."""

from ink_infra_mcp.sandbox.part import Part


class Container(Part):
    """A container as `docker inspect` knows it. Times are Unix seconds of the world."""

    id: str
    name: str
    image: str
    image_id: str = "sha256:" + "0" * 64
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


class FirewallChange(Part):
    """A change of a server's own firewall: saved, armed, kept or reverted; armed ones revert at `until`."""

    state: str = "saved"
    until: float = 0.0
    table_before: str = ""
    file_before: str = ""


class HostFirewall(Part):
    """A server's own firewall: our table as it is loaded and as it lies on the disk, both as text for nft, or empty."""

    table: str = ""
    file: str = ""
    changes: dict[str, FirewallChange] = {}

    def settle(self, now: float) -> None:
        """Let the switches fire whose time has come."""
        for change in self.changes.values():
            if change.state == "armed" and change.until <= now:
                self.put_back(change)

    def put_back(self, change: FirewallChange) -> None:
        """Load what was there before a change."""
        self.table, self.file, change.state = change.table_before, change.file_before, "reverted"


class HostState(Part):
    """One server. `host_key` and `authorized_key` are OpenSSH keys made when the world was seeded."""

    name: str
    address: str
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
    volumes: list[str] = []
    firewall: HostFirewall = HostFirewall()
    up: bool = True
    clock_ahead_s: float = 0.0
    """How far its clock is ahead of the world's."""
    host_private_key: str = ""
    host_public_key: str = ""
    login_private_key: str = ""
    login_public_key: str = ""
