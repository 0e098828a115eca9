"""What a server has of its own when it boots for the first time: keys, names, addresses, and an empty disk."""

import hashlib
import json
import os
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path

from tests.lab.ground.commands import said
from tests.lab.ground.disks import make_disks
from tests.lab.ground.network import plug_lines
from tests.lab.ground.services import PACKAGES_PORT
from tests.lab.ground.site import Machine, Site

REGISTRY_NAME = "registry.lab"
LOGIN_KEY = "keys/id_ed25519"
HOST_KEY = "etc/ssh/ssh_host_ed25519_key"

_SSHD = "PerSourcePenalties no\n"
"""OpenSSH from 9.8 on locks an address out for half a minute after some five wrong logins; a test turns it on again."""
_COMPOSE = """\
services:
  coolify:
    container_name: coolify
    image: "${REGISTRY_URL:-ghcr.io}/coollabsio/coolify:${LATEST_IMAGE:-latest}"
    restart: always
    ports: ["${APP_PORT:-8000}:8080"]
    networks: [coolify]
    healthcheck:
      test: ["CMD", "wget", "-q", "-O-", "http://127.0.0.1:8080/api/health"]
      interval: 1s
      retries: 3
      timeout: 2s
networks:
  coolify:
    name: coolify
"""


def key_pair(file: Path, comment: str) -> str:
    """Return the public key of a pair, made now if it is not there."""
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        said("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", file)
    return file.with_name(f"{file.name}.pub").read_text(encoding="utf-8").strip()


def host_key(site: Site, name: str) -> str:
    """Return the public host key of a server: its kind and the key itself."""
    return " ".join(key_pair(site.home(name) / "seed" / HOST_KEY, f"root@{name}").split()[:2])


def prepare(site: Site, machine: Machine) -> None:
    """Make the folder of a server with all that its first boot needs; keys that are there already stay."""
    home = site.home(machine.name)
    (home / "root").mkdir(parents=True, exist_ok=True)
    switch, server = plug_lines(site, machine)
    (home / "switch.ip").write_text("\n".join(switch) + "\n", encoding="utf-8")
    (home / "server.ip").write_text("\n".join(server) + "\n", encoding="utf-8")
    host_key(site, machine.name)
    _write(home / "seed", _files(site, machine))
    (home / "seed/root").chmod(0o700)
    (home / "seed/root/.ssh").chmod(0o700)
    if machine.light:
        _take_away(home / "seed", ("usr/bin/docker", "usr/bin/runsc"))
    else:
        make_disks(home, machine.disks)


def _files(site: Site, machine: Machine) -> dict[str, str]:
    files = {
        "root/.ssh/authorized_keys": key_pair(site.folder / LOGIN_KEY, "lab") + "\n",
        "etc/hostname": f"{machine.name}\n",
        "etc/machine-id": hashlib.sha256(f"{site.prefix} {machine.name}".encode()).hexdigest()[:32] + "\n",
        "etc/fstab": "# <file system> <mount point> <type> <options> <dump> <pass>\n",
        "etc/hosts": _hosts(site),
        "etc/resolv.conf": "",
        "etc/apt/sources.list.d/lab.list": f"deb [trusted=yes] http://{site.gateway_ipv4}:{PACKAGES_PORT} ./\n",
        "etc/ssh/sshd_config.d/lab.conf": _SSHD,
    }
    if machine.light:
        return files
    files |= {
        "etc/docker/daemon.json": _docker(machine),
        "etc/netplan/01-lab.yaml": _netplan(site, machine),
    }
    if machine.name == "factory":
        files |= {"data/coolify/source/docker-compose.yml": _COMPOSE, "data/coolify/source/.env": _coolify_env()}
    return files


def _write(root: Path, files: Mapping[str, str]) -> None:
    for path, text in files.items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        file.chmod(0o600 if "netplan" in path or "authorized" in path else 0o644)


def _take_away(root: Path, programs: Iterable[str]) -> None:
    """Hide programs of the tree: to overlayfs a device 0:0 stands for what was deleted."""
    for program in programs:
        file = root / program
        file.parent.mkdir(parents=True, exist_ok=True)
        if not file.is_char_device():
            os.mknod(file, stat.S_IFCHR, os.makedev(0, 0))


def _hosts(site: Site) -> str:
    names = {"127.0.0.1": "localhost", site.gateway_ipv4: REGISTRY_NAME}
    names |= {machine.ipv4: machine.name for machine in site.machines.values()}
    return "".join(f"{address} {name}\n" for address, name in names.items())


def _netplan(site: Site, machine: Machine) -> str:
    cards = {
        "eth0": {
            "addresses": [f"{machine.ipv4}/16", f"{machine.ipv6}/64"],
            "routes": [{"to": "default", "via": site.gateway_ipv4}, {"to": "default", "via": site.gateway_ipv6}],
        },
        "eth1": {"addresses": [f"{machine.private_ipv4}/16", f"{machine.private_ipv6}/64"]},
    }
    # JSON is YAML
    return json.dumps({"network": {"version": 2, "ethernets": cards}}, indent=1) + "\n"


def _docker(machine: Machine) -> str:
    """The Muscles know gVisor's runtime, as those of the platform do; the Factory does not."""
    settings: dict[str, object] = {"insecure-registries": [f"{REGISTRY_NAME}:5000"]}
    if machine.name != "factory":
        settings["runtimes"] = {"runsc": {"path": "/usr/bin/runsc"}}
    return json.dumps(settings, indent=1) + "\n"


def _coolify_env() -> str:
    return f"APP_NAME=Coolify\nREGISTRY_URL={REGISTRY_NAME}:5000\nLATEST_IMAGE=4.0.1\nAPP_PORT=8000\n"
