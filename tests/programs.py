"""Programs that tests use and this machine may lack: a test is skipped then, and the run's end says what to install."""

import os
import re
import shutil
from collections.abc import Iterable
from typing import NoReturn

import pytest

PACKAGES = {
    "apt-get": "apt",
    "bash": "bash",
    "busybox": "busybox",
    "chromium": "chromium",
    "dash": "dash",
    "docker-registry": "docker-registry",
    "env": "coreutils",
    "fish": "fish",
    "hcloud": "hcloud-cli",
    "initdb": "postgresql",
    "sftp": "openssh-client",
    "sh": "dash",
    "ssh": "openssh-client",
    "ssh-agent": "openssh-client",
    "ssh-audit": "ssh-audit",
    "sshd": "openssh-server",
    "zsh": "zsh",
}
"""Each program with the Debian package that brings it."""
SYSTEM = "/usr/sbin:/sbin"
"""Where Debian keeps servers, which is not in everybody's path."""
WITHOUT = "INK_SPECS_DIR"
"""What the reason of a skip names where a vendor's own description is missing: no package brings it, CI has none."""
_INSTALL = re.compile(r"\(Debian: apt-get install ([\w-]+)\)")


def program(name: str) -> str:
    """Return the path of a program; skip the test where it is missing."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:{SYSTEM}")
    return found or lacking(name)


def lacking(name: str) -> NoReturn:
    """Skip the test for want of a program."""
    pytest.skip(f"there is no {name} here (Debian: apt-get install {PACKAGES[name]})")


def told(reasons: Iterable[str]) -> list[str]:
    """Return what a run that skipped tests for these reasons ends with: the other reasons, and what to install."""
    others: dict[str, int] = {}
    packages: list[str] = []
    for reason in reasons:
        found = _INSTALL.search(reason)
        if found:
            packages.append(found[1])
        else:
            others[reason] = others.get(reason, 0) + 1
    lines = [f"{count} skipped: {reason}" for reason, count in others.items()]
    if packages:
        lines.append(f"{len(packages)} skipped for want of programs: apt-get install {' '.join(sorted({*packages}))}")
    return lines
