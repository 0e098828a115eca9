"""Docker and gVisor as the lab has them, served as their vendors serve them, and a baseline that uses them."""

import shutil
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from ink_infra_mcp.core.baseline.policy import Baseline, BaselineFile, tighten
from ink_infra_mcp.settings.policy_files import load_baseline
from tests.lab import debs
from tests.lab.ground.network import NAMESPACES
from tests.lab.ground.processes import end, spawn
from tests.lab.ground.site import Site

ENGINE = "5:29.8.2-1~debian.13~trixie"
TINY = "registry.lab:5000/library/tiny:1"
_PORT = 8099
_WHY = {"why": "the lab's", "override": "the lab has no other"}


@contextmanager
def served(site: Site, folder: Path, *more: Path) -> Generator[debs.Repository]:
    """Give a repository of real packages under their vendors' names, and `more`; the folder is gone afterwards."""
    made = [
        debs.renamed(site, folder, "docker.io", name="docker-ce", version=ENGINE, conflicts="docker.io"),
        debs.renamed(site, folder, "docker-cli", name="docker-ce-cli", version=ENGINE, conflicts="docker-cli"),
        debs.renamed(site, folder, "containerd", name="containerd.io", version="2.3.6-1", conflicts="containerd"),
        debs.renamed(site, folder, "runsc", name="runsc", version="20260928.0"),
        *more,
    ]
    record = folder / "http.pid"
    found = debs.signed(folder, made, url=f"http://{site.gateway_ipv4}:{_PORT}")
    serve = (sys.executable, "-I", "-m", "http.server", "-b", site.gateway_ipv4, "-d", found.folder, _PORT)
    spawn(("nsenter", f"--net={NAMESPACES / site.internet}", *serve), record=record, log=folder / "http.log")
    yield found
    end(record)
    shutil.rmtree(folder)


def baseline_of(repository: debs.Repository, *names: str) -> Baseline:
    """Return the packaged baseline with the lab's repository for Docker's and gVisor's, and `names` to be installed."""
    base = load_baseline()
    off = {"wanted": False, **_WHY}
    source = {
        "uri": repository.url,
        "suite": "./",
        "components": "",
        "key": f"{repository.url}/key.asc",
        "fingerprint": repository.fingerprint,
        **_WHY,
    }
    overlay: dict[str, object] = {
        "roles": {"muscle": {"parts": ["packages", "kernel", "journal", "docker", "gvisor"], **_WHY}},
        "specs": {"muscle": {"cpus": [1, 1], "memory": [1, 1], "disk": [1, 1], **_WHY}},
        "packages": {name: off for name in base.packages} | {name: _WHY for name in names},
        "sysctls": {
            name: {"value": rule.value, **off} for name, rule in base.sysctls.items() if not name.startswith("net.")
        },
        "docker_packages": {name: off for name in ("docker-buildx-plugin", "docker-compose-plugin")},
        "repositories": {"docker": source, "gvisor": {**source, "uri": f"{repository.url}/gvisor"}},
        "gvisor": {"image": {"value": TINY, **_WHY}},
        "foreign": {name: {"action": "migrate", **off} for name in ("docker-compose", "docker-buildx", "runc")},
    }
    return tighten(base, BaselineFile.model_validate(overlay))
