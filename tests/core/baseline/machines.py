"""Servers as they say they are made of, for tests of what a baseline makes of them."""

from ink_infra_mcp.core.baseline.files import files_of, repository_of
from ink_infra_mcp.core.baseline.machine import Engine, Machine, Package, Unit
from ink_infra_mcp.core.baseline.policy import Baseline
from ink_infra_mcp.core.baseline.sources import Address
from ink_infra_mcp.settings.policy_files import load_baseline

BASELINE = load_baseline()
HOST = "muscle-1"
GIB = 2**30
SUFFIX = "-1~debian.13~trixie"
SETTINGS = (
    '{"log-driver": "json-file", "log-opts": {"max-size": "10m", "max-file": "3"}, "live-restore": true, '
    '"default-address-pools": [{"base": "172.20.0.0/14", "size": 24}], '
    '"runtimes": {"runsc": {"path": "/usr/bin/runsc"}}}'
)


def held(version: str) -> Package:
    """Return a package that is installed and held."""
    return Package(version=version, status="installed", want="hold")


def there(version: str = "1") -> Package:
    """Return a package that is installed."""
    return Package(version=version, status="installed", want="install")


def finished(**changes: object) -> Machine:
    """Return a Muscle that is what the packaged baseline says, but for `changes`."""
    packages = {name: there() for name in (*BASELINE.packages, "unattended-upgrades", "systemd-timesyncd")}
    packages |= {name: held("1") for name in BASELINE.docker_packages}
    packages |= {name: held(f"5:29.8.2{SUFFIX}") for name in ("docker-ce", "docker-ce-cli")}
    packages |= {"runsc": held("20260928.0")}
    files = {file.path: file.digest for file in files_of(BASELINE)}
    repositories = [
        repository_of(name, rule, os_id="debian", codename="trixie", arch="amd64")
        for name, rule in BASELINE.repositories.items()
    ]
    known: dict[str, object] = {
        "host": HOST,
        "os_id": "debian",
        "os_version": "13",
        "arch": "amd64",
        "kernel": "6.12.48+deb13-amd64",
        "cpus": 16,
        "memory_bytes": 64 * GIB,
        "swap_bytes": 2 * GIB,
        "disk_bytes": 200 * GIB,
        "packages": packages,
        "broken": (),
        "sysctls": {name: rule.value for name, rule in BASELINE.sysctls.items()},
        "units": {name: Unit(enabled="enabled", active="active") for name in BASELINE.units},
        "apt": {
            **{name: rule.value for name, rule in BASELINE.updates.items()},
            "Unattended-Upgrade::Origins-Pattern::": "origin=Debian,codename=trixie,label=Debian-Security",
        },
        "journal": {name: rule.value for name, rule in BASELINE.journal.items()},
        "files": files | {one.path: one.digest for one in repositories},
        "keys": {one.name: one.fingerprint for one in repositories},
        "sources": {one.path: (Address(uri=one.uri),) for one in repositories},
        "daemon": SETTINGS,
        "engine": Engine(version="29.8.2", live_restore=True, runtimes=("runc", "runsc")),
        "proxy": "traefik:v3.6",
        "runsc": "release-20260928.0",
        "snap": False,
        "routes": ("10.0.0.0/16",),
    }
    return Machine.model_validate(known | changes)


def without(machine: Machine, *names: str, **more: Package) -> Machine:
    """Return the server without these packages, and with others."""
    packages = {name: package for name, package in (machine.packages or {}).items() if name not in names}
    return machine.model_copy(update={"packages": packages | more})


def loosened(**sections: dict[str, object]) -> Baseline:
    """Return the packaged baseline with other entries in some sections."""
    return Baseline.model_validate(BASELINE.model_dump() | sections)
