"""Finds the Debian archive that this machine's own apt is set up with, so that the lab names no host itself."""

import re
from pathlib import Path

from tests.lab.ground.commands import LabError

APT = Path("/etc/apt")

_SOURCE = re.compile(r"^(?:URIs:|deb(?: \[[^]]*\])?)[ \t]+(\S*debian/?)(?:\s|$)", re.MULTILINE)


def debian_archive(apt: Path = APT) -> str:
    """Return the address of the Debian archive.

    Raises:
        LabError: apt here has none.
    """
    files = [*apt.glob("sources.list"), *sorted(apt.glob("sources.list.d/*"))]
    text = "\n".join(file.read_text(encoding="utf-8") for file in files if file.is_file())
    found = _SOURCE.search(text)
    if found is None:
        raise LabError("there is no Debian archive in /etc/apt/sources.list*; name one in INK_LAB_ARCHIVE")
    return found[1]
