"""A machine that has nothing of ours: Debian with Python, make and git, and the commands that README tells a newcomer.

Its pip takes packages from wherever pip does on this machine, whose settings it is given; nothing else of it is there.
"""

import ast
import re
import shutil
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from tests.cli.terminals import AtTerminal, at_terminal
from tests.lab.ground.archive import debian_archive
from tests.lab.ground.commands import said
from tests.lab.ground.site import Site
from tests.lab.ground.tree import SUITE

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("ca-certificates", "git", "make", "python3", "python3-venv")
"""What README asks for; on Debian python3-venv is what makes its Python whole, and git fetches the repository."""
ORIGIN = "/origin.git"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
FETCH_S = 600.0
COMMAND_S = 300.0
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"`([^`]+)`")
_SETTING = re.compile(r"(?:global|:env:)\.([a-z-]+)=(.+)")
# A process namespace without its own /proc shows that of the machine; what pip is set up with is seen, not written.
_ENTER = """
root=$1
shift
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
while [ "$1" != -- ]; do
  mount --bind -o ro "$1" "$root$1"
  shift
done
shift
exec chroot "$root" "$@"
"""


def told(beginning: str, *, text: str | None = None) -> str:
    """Return the command in README that begins so, as a reader copies it.

    Raises:
        LookupError: README tells none, or several that differ.
    """
    found = {
        each
        for each in _commands(text or (ROOT / "README.md").read_text(encoding="utf-8"))
        if each.startswith(beginning)
    }
    if len(found) != 1:
        raise LookupError(f"README tells {len(found)} commands that begin with {beginning!r}")
    return found.pop()


@dataclass(frozen=True, slots=True)
class Fresh:
    """The machine, as a folder: each command sees it as its root, with processes and mounts of its own."""

    root: Path
    settings: tuple[str, ...]
    seen: tuple[str, ...]

    def run(self, script: str) -> str:
        """Run lines of a shell in a login's home, and return what they printed.

        Raises:
            LabError: one failed, or they did not end within COMMAND_S seconds.
        """
        return said(*self._words(script), limit_s=COMMAND_S)

    @contextmanager
    def at_terminal(self, script: str) -> Generator[AtTerminal]:
        """Give the lines as they run at a terminal."""
        with at_terminal(program=self._words(script)) as terminal:
            yield terminal

    def _words(self, script: str) -> list[str]:
        apart = ["/usr/bin/unshare", "--mount", "--propagation=private", "--pid", "--fork", "--kill-child"]
        inside = ["env", "-i", f"PATH={PATH}", "HOME=/root", "TERM=xterm", *self.settings]
        shell = ["sh", "-euc", f"cd\n{script}"]
        return [*apart, "/bin/sh", "-euc", _ENTER, "sh", str(self.root), *self.seen, "--", *inside, *shell]


@contextmanager
def fresh(site: Site) -> Generator[Fresh]:
    """Give a machine that nobody has used, from which this repository can be cloned as it is committed.

    Raises:
        LabError: the Debian archive cannot be reached, or this is no git checkout.
    """
    settings = tuple(_settings())
    seen = tuple(_places(settings))
    # the same place each time: what a test left that was killed goes with the next one
    root = site.cache / f"newcomer-{site.prefix}"
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    try:
        said(
            "tar", "-x", "-p", "-f", _debian(site), "-C", root, "--exclude=./dev/*", "--numeric-owner", limit_s=FETCH_S
        )
        said("git", "clone", "--quiet", "--bare", ROOT, f"{root}{ORIGIN}")
        for name in ("resolv.conf", "hosts"):
            (root / "etc" / name).write_bytes(Path("/etc", name).read_bytes())
        for place in map(Path, seen):
            there = Path(f"{root}{place}")
            if place.is_dir():
                there.mkdir(parents=True, exist_ok=True)
            else:
                there.parent.mkdir(parents=True, exist_ok=True)
                there.touch()
        yield Fresh(root, settings, seen)
    finally:
        shutil.rmtree(root)


def _commands(text: str) -> Iterator[str]:
    """Give what is written as a line for a shell, or as code in a sentence, which may go over two lines."""
    for language, lines in _FENCE.findall(text):
        if language == "sh":
            yield from (line.partition(" #")[0].strip() for line in lines.splitlines())
    for span in _SPAN.findall(_FENCE.sub("", text)):
        yield " ".join(span.split())


def _debian(site: Site) -> Path:
    """Return the file system as an archive; it is made once."""
    tar = site.cache / f"newcomer-{SUITE}-1.image"
    if not tar.exists():
        part = tar.with_suffix(".part")
        part.unlink(missing_ok=True)
        options = (
            "--quiet",
            "--format=tar",
            "--variant=minbase",
            "--skip=check/qemu",
            f"--include={','.join(PACKAGES)}",
        )
        said("mmdebstrap", *options, SUITE, part, site.archive or debian_archive(), limit_s=FETCH_S)
        part.rename(tar)
    return tar


def _settings() -> Iterator[str]:
    """Give how pip is set up here, as variables: an index, a proxy, a certificate."""
    listed = said(sys.executable, "-m", "pip", "config", "list")
    found = [match for line in listed.splitlines() if (match := _SETTING.fullmatch(line))]
    # what the environment says is listed last, and goes before what files say
    merged = {match[1]: " ".join(str(ast.literal_eval(match[2])).split()) for match in found}
    for name, value in merged.items():
        yield f"PIP_{name.upper().replace('-', '_')}={value}"


def _places(settings: tuple[str, ...]) -> Iterator[str]:
    """Give the files and folders of this machine that the settings name."""
    for word in {word for setting in settings for word in setting.partition("=")[2].split()}:
        address = urlsplit(word)
        if address.scheme in {"", "file"} and address.path.startswith("/") and Path(address.path).exists():
            yield address.path
