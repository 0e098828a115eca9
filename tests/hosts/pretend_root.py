"""Runs the scripts that look at or change a server for real, below a folder that they take for the root of the disk.

Its programs are the machine's own, but for those of a server: the test says what each of them does, in shell.
"""

import re
import shlex
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ink_infra_mcp.hosts.scripts import packaged
from tests.programs import program

LIMIT_S = 120
"""Less than a test may take: who is ended by that limit leaves its scripts running."""
_PLACES = re.compile(
    r"(?<![\w.}])/(data/coolify|data$|dev/disk/by-id|etc|root|run/systemd|var/lib|proc/self/mountinfo|proc/swaps|proc/sys"
    r"|proc/meminfo|swapfile)\b",
    re.MULTILINE,
)
_SERVER = {
    "id": "echo 0",
    "apt-get": "exit 9",
    "dpkg-query": "exit 9",
    "chown": "exit 0",
    "df": "echo head; echo / 9 9 99999999 9 /",
    "dd": 'for word; do case $word in of=*) : >"${word#of=}" ;; esac; done',
    "mkswap": "exit 0",
    "swapon": 'echo "$1 file 1 0 -2" >>"$ROOT/proc/swaps"',
    "swapoff": 'sed -i "\\|^$1 |d" "$ROOT/proc/swaps"',
}
"""What the programs of a server do here: the swap that is in use stands in the kernel's own list."""


@dataclass(frozen=True, slots=True)
class Said:
    """How the script ended, and its words: on standard output what it did, on standard error why not."""

    status: int
    facts: str
    words: str


@dataclass(frozen=True, slots=True)
class Root:
    """The folder, and what its disk has: with `room`, no file of more blocks of 512 bytes than that can be written.

    `enter` are words before the shell, such as those that go into another namespace.
    """

    folder: Path
    shell: str = "sh"
    enter: tuple[str, ...] = ()

    def programs(self, programs: Mapping[str, str]) -> None:
        """Put programs in the place of the machine's own; each is told the folder as ROOT."""
        for name, body in programs.items():
            place = self.folder / "bin" / name
            place.parent.mkdir(exist_ok=True)
            real = f'real() {{ PATH=${{PATH#*:}} {name} "$@"; }}'
            place.write_text(f"#!/bin/sh\nROOT={shlex.quote(str(self.folder))}\n{real}\n{body}\n", encoding="utf-8")
            place.chmod(0o755)

    def write(self, path: str, text: str) -> None:
        """Write a file of the server."""
        place = self.folder / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")

    def read(self, path: str) -> str | None:
        """Return a file of the server, None where there is none."""
        place = self.folder / path.lstrip("/")
        return place.read_text(encoding="utf-8").replace(str(self.folder), "") if place.exists() else None

    def left_over(self) -> list[str]:
        """Return the half-written files and folders of work that lie there."""
        return sorted(
            str(place.relative_to(self.folder))
            for place in self.folder.rglob("*")
            if place.name.endswith((".ink-new", ".part")) or place.name.startswith("work.")
        )

    def change(self, verb: str, *words: str, part: str = "x", data: str = "", room: int | None = None) -> Said:
        """Run a verb of the script that changes a server, under the operation `op-1`."""
        return self.run("machine/change.sh", "ink-change", verb, "op-1", part, *words, data=data, room=room)

    def run(self, script: str, *words: str, data: str = "", room: int | None = None) -> Said:
        """Run a script as it is sent, with its data behind it."""
        full = f"trap '' XFSZ\nulimit -f {room}\n" if room is not None else ""
        shell = [program(self.shell), *(["sh"] if self.shell == "busybox" else [])]
        ran = subprocess.run(
            [*self.enter, *shell, "-s", "--", *words],
            input=f"{full}{self.below(packaged(script)).rstrip()} <<'END'\n{data}END\n",
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
            env={"PATH": f"{self.folder / 'bin'}:/usr/sbin:/usr/bin:/sbin:/bin"},
        )
        facts, complaints = (text.replace(str(self.folder), "") for text in (ran.stdout, ran.stderr))
        return Said(ran.returncode, facts, complaints)

    def below(self, script: str) -> str:
        """Return a script with the places of a server below the folder."""
        return _PLACES.sub(lambda found: f"{self.folder}{found[0]}", script)


def root_at(folder: Path, *, shell: str = "sh", fstab: str | None = "/dev/sda1 / ext4 defaults 0 1\n") -> Root:
    """Return a server with a disk and no swap."""
    root = Root(folder, shell)
    root.programs(_SERVER)
    root.write("/proc/swaps", "Filename Type Size Used Priority\n")
    (folder / "var/lib").mkdir(parents=True)
    (folder / "etc").mkdir()
    (folder / "run/systemd/system").mkdir(parents=True)
    if fstab is not None:
        root.write("/etc/fstab", fstab)
    return root
