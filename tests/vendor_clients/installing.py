"""Installs the clients that exist for Python, in an environment of their own: once, whoever comes first."""

import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from tests.environments import environment, pip

FOLDER = Path(__file__).resolve().parent
COLLECTIONS = "ansible==14.5.0"
"""What is published of the collections on a package index: all of them in one package, which holds nothing else.

It names a newer Python than the two collections and their `ansible-core` need, so pip is told of one.
"""
WANTED = ("ansible_collections/community/hrobot/", "ansible_collections/hetzner/hcloud/")


@dataclass(frozen=True)
class Clients:
    """Where the clients are."""

    python: Path
    collections: Path

    @property
    def playbook(self) -> Path:
        """Return the program that runs a playbook."""
        return self.python.with_name("ansible-playbook")


def installed() -> Clients:
    """Return the clients, installed; skip the test where pip cannot install them.

    In the pipeline nothing is skipped: the test fails.
    """
    place = environment(FOLDER, beside=COLLECTIONS, fetch=_collections)
    return Clients(python=place / "bin" / "python", collections=place / "collections")


def _collections(place: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="collections-") as folder:
        newer = ("--python-version", "3.13", "--only-binary", ":all:", "--no-deps")
        pip(place, "download", *newer, "--dest", folder, COLLECTIONS)
        [wheel] = Path(folder).iterdir()
        with zipfile.ZipFile(wheel) as packed:
            packed.extractall(place / "collections", [n for n in packed.namelist() if n.startswith(WANTED)])
