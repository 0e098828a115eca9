"""Packages for the lab's servers: own ones, real ones under their vendors' names, and a signed repository."""

import hashlib
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.lab.ground.commands import said
from tests.lab.ground.site import Site
from tests.lab.ground.tree import DEBS, tree_of

OWNER = "The Lab <lab@example.com>"


@dataclass(frozen=True)
class Repository:
    """A flat repository, its key's fingerprint, and the folder that a server of the lab can be given."""

    folder: Path
    fingerprint: str
    url: str


def deb(folder: Path, name: str, version: str, *, files: Mapping[str, str] | None = None, postinst: str = "") -> Path:
    """Build a package of text files, with a script that dpkg runs when it is installed."""
    root = folder / f"{name}.root"
    control = root / "DEBIAN"
    control.mkdir(parents=True)
    (control / "control").write_text(
        f"Package: {name}\nVersion: {version}\nArchitecture: all\nMaintainer: {OWNER}\nDescription: made by a test\n",
        encoding="utf-8",
    )
    if postinst:
        (control / "postinst").write_text(f"#!/bin/sh\nset -e\n{postinst}\n", encoding="utf-8")
        (control / "postinst").chmod(0o755)
    for path, text in (files or {}).items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")
        (root / path).chmod(0o755)
    return _built(root, folder / f"{name}.deb")


def renamed(site: Site, folder: Path, old: str, *, name: str, version: str, conflicts: str = "") -> Path:
    """Return a real package of the lab under another name and version, as a vendor would build it."""
    (real,) = (tree_of(site) / DEBS).glob(f"{old}_*.deb")
    root = folder / f"{name}.root"
    said("dpkg-deb", "-R", real, root)
    control = root / "DEBIAN/control"
    unwanted = ("Package:", "Version:", "Depends:", "Pre-Depends:", "Conflicts:", "Breaks:", "Replaces:", "Source:")
    more = ("Recommends:", "Suggests:", "Built-Using:", "Static-Built-Using:", "Provides:", "Enhances:")
    lines = control.read_text(encoding="utf-8").splitlines()
    kept: list[str] = []
    folded = False
    for line in lines:
        folded = line.startswith((*unwanted, *more)) or (folded and line.startswith(" "))
        if not folded:
            kept.append(line)
    first = [f"Package: {name}", f"Version: {version}"]
    if conflicts:
        first += [f"Conflicts: {conflicts}", f"Replaces: {conflicts}"]
    control.write_text("\n".join([*first, *kept]) + "\n", encoding="utf-8")
    (root / "DEBIAN/md5sums").unlink(missing_ok=True)
    return _built(root, folder / f"{name}.deb")


def _built(root: Path, deb_file: Path) -> Path:
    said("dpkg-deb", "-Znone", "--root-owner-group", "-b", root, deb_file)
    shutil.rmtree(root)
    return deb_file


def signed(folder: Path, debs: list[Path], *, url: str) -> Repository:
    """Make a flat repository of packages, signed with a key of its own; the key lies in it as `key.asc`."""
    home = folder / "gpg"
    home.mkdir(mode=0o700, parents=True)
    gpg = ("gpg", "--homedir", home, "--batch", "--pinentry-mode", "loopback", "--passphrase", "")
    said(*gpg, "--quick-gen-key", OWNER, "rsa3072", "sign", "never")
    told = said(*gpg, "--list-keys", "--with-colons")
    fingerprint = next(line.split(":")[9] for line in told.splitlines() if line.startswith("fpr:"))
    repository = folder / "repository"
    repository.mkdir()
    said(*gpg, "--armor", "--output", repository / "key.asc", "--export", fingerprint)
    entries: list[str] = []
    for one in debs:
        shutil.move(one, repository / one.name)
        data = (repository / one.name).read_bytes()
        control = said("dpkg-deb", "-f", repository / one.name).rstrip()
        digest = hashlib.sha256(data).hexdigest()
        entries.append(f"{control}\nFilename: ./{one.name}\nSize: {len(data)}\nSHA256: {digest}\n\n")
    packages = "".join(entries)
    (repository / "Packages").write_text(packages, encoding="utf-8")
    digest = hashlib.sha256(packages.encode()).hexdigest()
    release = (
        "Origin: lab\nLabel: lab\nSuite: lab\nCodename: lab\nArchitectures: amd64\n"
        "Date: Sun, 29 Nov 2026 00:00:00 UTC\n"
        f"SHA256:\n {digest} {len(packages.encode())} Packages\n"
    )
    (repository / "Release").write_text(release, encoding="utf-8")
    said(*gpg, "--clearsign", "--output", repository / "InRelease", repository / "Release")
    # one source of apt has one key: Docker's and gVisor's have an address each
    (repository / "gvisor").symlink_to(".")
    return Repository(repository, fingerprint, url)
