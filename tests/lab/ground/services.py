"""What the lab serves to its servers: a registry with images, packages to install, and the provider's metadata."""

import json
import socket
import sys
from pathlib import Path

from tests.lab.ground import cgroups
from tests.lab.ground.commands import Word, until
from tests.lab.ground.images import BUSYBOX, Image, push
from tests.lab.ground.network import NAMESPACES
from tests.lab.ground.processes import recorded, spawn
from tests.lab.ground.site import METADATA, Site
from tests.lab.ground.tree import DEBS, tree_of

PACKAGES_PORT = 8080
START_S = 60.0

_WEB = "exec httpd -f -p 8080 -h /www"
_OPTIONS = "var/www/html/bootstrap/helpers/docker.php"
_COOLIFY = {
    "4.0.1": _WEB,
    "4.0.2": _WEB,
    "4.0.3-bad": f"rm -f /www/api/health; {_WEB}",
    "4.0.4-crash": "echo migration failed; exit 1",
    "latest": _WEB,
}
KNOWS_RUNTIME = "4.0.2"
"""The tag of the stand-in for Coolify whose source maps the option `--runtime`, as the fork's does."""


def coolify(tag: str) -> Image:
    """Return the stand-in for a release of Coolify: it answers for its health and its version, and does no more."""
    options = "'--cap-add' => 'cap_add',\n" + ("'--runtime' => 'runtime',\n" if tag == KNOWS_RUNTIME else "")
    version = "4.0.1" if tag == "latest" else tag
    files = {"www/api/health": "OK", "www/api/version": version, _OPTIONS: options}
    return Image(f"coollabsio/coolify:{tag}", ("/bin/sh", "-c", _COOLIFY[tag]), files, ("8080/tcp",))


IMAGES = (
    *map(coolify, _COOLIFY),
    Image("library/tiny:1", ("/bin/sh",)),
    Image("library/web:1", ("/bin/sh", "-c", _WEB), {"www/index.html": "web\n"}, ("8080/tcp",)),
)


def up(site: Site) -> None:
    """Start what does not run yet and wait until the registry has all images."""
    folder = site.folder / "services"
    folder.mkdir(parents=True, exist_ok=True)
    _start(site, "packages", sys.executable, "-I", "-m", "http.server", "-b", site.gateway_ipv4, "-d",
           tree_of(site) / DEBS, PACKAGES_PORT)  # fmt: skip
    _start(site, "metadata", sys.executable, "-I", "-m", "http.server", "-b", METADATA, "-d", _metadata(folder), 80)
    if recorded(folder / "registry.pid") is None:
        _start(site, "registry", "docker-registry", "serve", _settings(site, folder))
        until(lambda: _listens(site.registry), what=f"the registry does not start; see {folder}", limit_s=START_S)
        busybox = (tree_of(site) / BUSYBOX).read_bytes()
        for image in IMAGES:
            push(image, registry=site.registry, busybox=busybox)


def _start(site: Site, name: str, *words: Word) -> None:
    folder = site.folder / "services"
    if recorded(folder / f"{name}.pid") is None:
        # `ip netns exec` would mount a /sys of its own, which has no control groups in it
        inside: tuple[Word, ...] = ("nsenter", f"--net={NAMESPACES / site.internet}", *words)
        groups = cgroups.make(site.prefix, cgroups.SERVICES)
        spawn(inside, record=folder / f"{name}.pid", log=folder / f"{name}.log", groups=groups)


def _metadata(folder: Path) -> Path:
    """Write what Hetzner's metadata service says at its two paths that need no knowledge of the server."""
    pages = folder / "metadata" / "hetzner" / "v1" / "metadata"
    pages.mkdir(parents=True, exist_ok=True)
    (pages / "instance-id").write_text("1001", encoding="utf-8")
    (pages / "region").write_text("eu-central", encoding="utf-8")
    return folder / "metadata"


def _settings(site: Site, folder: Path) -> Path:
    settings = {
        "version": 0.1,
        "log": {"level": "warn"},
        "storage": {"filesystem": {"rootdirectory": str(folder / "images")}, "delete": {"enabled": True}},
        "http": {"addr": site.registry},
    }
    file = folder / "registry.yml"
    # JSON is YAML
    file.write_text(json.dumps(settings), encoding="utf-8")
    return file


def _listens(at: str) -> bool:
    address, _, port = at.partition(":")
    try:
        socket.create_connection((address, int(port)), 1).close()
    except OSError:
        return False
    return True
