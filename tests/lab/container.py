"""The product's image, built by the Docker of a server of the lab: its own Dockerfile on a Python of Debian's.

The base that the Dockerfile names cannot be had in the lab. This one has the same programs, and the packages that the
build would fetch lie in it: the Dockerfile itself is not touched for it.
"""

import shutil
import subprocess
import sys
import tarfile
import tomllib
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from platform import machine
from tempfile import TemporaryDirectory

from ink_infra_mcp.server.client_pages import CONTAINER, with_programs
from tests.lab.ground.archive import debian_archive
from tests.lab.ground.commands import said
from tests.lab.ground.hosts import Server
from tests.lab.ground.site import Site
from tests.lab.ground.tree import SUITE
from tests.wire import Wire

ROOT = Path(__file__).resolve().parents[2]
IMAGE, BASE, BARE = "ink-infra-mcp", "python-of-debian:1", "python-of-debian:bare"
PACKAGES = ("python3-venv", "python3-pip", "python-is-python3")
PLATFORMS = (f"manylinux_2_28_{machine()}", f"manylinux2014_{machine()}", "any")
PLACE = "/root/image"
NO_GROUND = "PIP_NO_INDEX=1 PIP_FIND_LINKS=/packages"
"""What makes pip in the base take the packages there and no others."""
FETCH_S = 600.0
STRICT = (*CONTAINER, "--network=none")
"""As docs/clients/docker.md says it, and without a network."""
UNREAD = (".git", ".venv", "node_modules", ".installed", "__pycache__", "tests")


def build(site: Site, server: Server, decoys: Mapping[str, str]) -> None:
    """Build the image on a server, out of a checkout that holds the `decoys` beside what is ours.

    Raises:
        LabError: a package, the base or the build failed.
    """
    place = Path(f"/proc/{server.init}/root{PLACE}")
    place.mkdir()
    shutil.copyfile(_base(site), place / "base.tar")
    with tarfile.open(place / "packages.tar", "w") as archive:
        archive.add(_packages(site), arcname="packages")
    checkout = place / "checkout"
    shutil.copytree(ROOT, checkout, ignore=shutil.ignore_patterns(*UNREAD))
    for name, text in decoys.items():
        (checkout / name).write_text(text, encoding="utf-8")
    server.say("docker", "import", "--change", f"ENV {NO_GROUND}", f"{PLACE}/base.tar", BARE, limit_s=300)
    (place / "Dockerfile").write_text(f"FROM {BARE}\nADD packages.tar /\n", encoding="utf-8")
    server.say("docker", "build", "--quiet", "--tag", BASE, PLACE, limit_s=300)
    given = ("--build-arg", f"BASE={BASE}")
    server.say("docker", "build", "--quiet", *given, "--tag", IMAGE, f"{PLACE}/checkout", limit_s=600)
    server.say(
        "docker", "build", "--quiet", *given, "--target", "build", "--tag", f"{IMAGE}:build", f"{PLACE}/checkout"
    )


def container(server: Server, *words: str, options: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
    """Run a command of the product in a container; where it is for the pretend world /tmp may hold programs."""
    strict = map(with_programs, STRICT) if "--sandbox" in words else STRICT
    return server.run("docker", *strict, *options, IMAGE, *words, limit_s=120)


@contextmanager
def served(server: Server, *options: str, status: int = 0) -> Generator[Wire]:
    """Give a connection to a server of the pretend world in a container, over the standard streams of `docker run`.

    Raises:
        AssertionError: it did not end with `status` once nobody spoke to it any more.
    """
    inside = ("nsenter", "--target", str(server.init), "--all", "--")
    words = [*inside, "docker", *map(with_programs, STRICT), "--env=INK_INFRA_SANDBOX=true", *options, IMAGE]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        yield Wire(child, patience_s=60)
        assert child.stdin is not None
        child.stdin.close()
        assert child.wait(timeout=30) == status


def _base(site: Site) -> Path:
    """Return a file system with Debian's Python as an archive; it is made once."""
    tar = site.cache / f"python-{SUITE}-1.image"
    if not tar.exists():
        part = tar.with_suffix(".part")
        part.unlink(missing_ok=True)
        unread = (f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in ("man", "locale", "doc", "info"))
        options = ("--quiet", "--format=tar", "--variant=minbase", "--skip=check/qemu", *unread)
        source = site.archive or debian_archive()
        said("mmdebstrap", *options, f"--include={','.join(PACKAGES)}", SUITE, part, source, limit_s=FETCH_S)
        part.rename(tar)
    return tar


def _packages(site: Site) -> Path:
    """Return a folder with all that the build installs, for the base's Python; it is fetched once."""
    wanted, pins = _wanted(), (ROOT / "constraints.txt").read_text(encoding="utf-8")
    folder = site.cache / "packages-of-the-image"
    done = folder / "pins"
    if done.is_file() and done.read_text(encoding="utf-8") == f"{wanted}{pins}":
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    with TemporaryDirectory(dir=site.cache) as scratch:
        platforms = [f"--platform={name}" for name in PLATFORMS]
        options = ("-qq", "--only-binary=:all:", "--python-version=3.13", *platforms, "--dest", scratch)
        pinned = ("--constraint", ROOT / "constraints.txt")
        said(sys.executable, "-m", "pip", "download", *options, *pinned, *wanted, limit_s=FETCH_S)
        shutil.copytree(scratch, folder)
    done.write_text(f"{wanted}{pins}", encoding="utf-8")
    return folder


def _wanted() -> list[str]:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return [*declared["build-system"]["requires"], *declared["project"]["dependencies"]]
