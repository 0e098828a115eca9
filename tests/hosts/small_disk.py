"""A server with a disk of a megabyte at one of its places: a real one, which fills up or lets itself be read only."""

import os
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from tests.hosts.pretend_root import Root

_HOLDS = 'mount -t tmpfs -o size=1m,mode=755 none "$1" && cp -a "$1.before/." "$1" && echo mounted && exec sleep 600'
"""What keeps its namespace until the test ends."""


@dataclass(frozen=True, slots=True)
class SmallDisk:
    """The server as its programs run on it, the same as its files are seen from here, and where its disk is."""

    root: Root
    seen: Root
    at: str

    @property
    def fills(self) -> str:
        """The command by which it fills up."""
        return f'head -c 4M /dev/zero >"$ROOT/{self.at}/fill" 2>/dev/null'

    @property
    def fixes(self) -> str:
        """The command by which it becomes read only."""
        return f'mount -o remount,ro "$ROOT/{self.at}"'

    def befalls(self, command: str) -> None:
        """Have one of them happen now."""
        env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "ROOT": str(self.root.folder)}
        ran = subprocess.run([*self.root.enter, "sh", "-c", command], check=False, env=env)
        assert ran.returncode in (0, 1), "what fills a disk fails at its end"


@contextmanager
def small_disk(root: Root, at: str) -> Generator[SmallDisk]:
    """Give the server with a small disk at that place, in a mount namespace of its own."""
    place = root.folder / at
    place.rename(f"{place}.before")
    place.mkdir()
    as_root = os.geteuid() == 0
    own = () if as_root else ("--user", "--map-root-user")
    words = ["unshare", *own, "--mount", "sh", "-c", _HOLDS, "sh", str(place)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "mounted\n"
            into = () if as_root else ("--user", "--preserve-credentials")
            enter = ("nsenter", f"--target={holder.pid}", *into, "--mount")
            yield SmallDisk(replace(root, enter=enter), Root(Path(f"/proc/{holder.pid}/root{root.folder}")), at)
        finally:
            holder.kill()
