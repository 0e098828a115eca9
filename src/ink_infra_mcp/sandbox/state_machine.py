"""What a pretend server is made of beside its containers: packages, units, settings, and what they were before."""

from pydantic import JsonValue

from ink_infra_mcp.sandbox.part import Part

STOCK = {
    "ca-certificates": "20230311+deb12u1",
    "containerd.io": "2.1.5-1~debian.12~bookworm",
    "curl": "7.88.1-10+deb12u14",
    "docker-buildx-plugin": "0.29.1-1~debian.12~bookworm",
    "docker-ce": "5:28.5.1-1~debian.12~bookworm",
    "docker-ce-cli": "5:28.5.1-1~debian.12~bookworm",
    "docker-compose-plugin": "2.40.0-1~debian.12~bookworm",
    "git": "1:2.39.5-0+deb12u2",
    "gnupg": "2.2.40-1.1+deb12u2",
    "jq": "1.6-2.1+deb12u1",
    "openssl": "3.0.17-1~deb12u2",
    "runsc": "20261012.0",
    "systemd-timesyncd": "252.39-1~deb12u1",
}


class Made(Part):
    """A server's own system. `kept` holds, for each part of an operation, the fields as they were before it.

    `packages` are those that are wholly installed, by version; `broken` those that dpkg was interrupted at. A unit is
    `enabled active` in systemd's words.
    """

    arch: str = "amd64"
    packages: dict[str, str] = STOCK
    held: list[str] = []
    broken: list[str] = []
    snap: bool = False
    sysctls: dict[str, str] = {}
    units: dict[str, str] = {
        "systemd-timesyncd.service": "enabled active",
        "apt-daily.timer": "enabled active",
        "apt-daily-upgrade.timer": "enabled active",
    }
    apt: dict[str, str] = {"APT::Architecture": "amd64", "APT::Periodic::Update-Package-Lists": "0"}
    journald: dict[str, str] = {}
    files: dict[str, str] = {}
    """Those that somebody wrote: path to text."""
    checked: dict[str, str] = {}
    """Repositories whose key was checked: name to fingerprint."""
    daemon: str = '{"log-driver": "json-file", "runtimes": {"runsc": {"path": "/usr/bin/runsc"}}}'
    live_restore: bool = False
    swap_mib: int = 0
    routes: list[str] = ["10.0.0.0/16 dev eth1"]
    kept: dict[str, dict[str, JsonValue]] = {}
