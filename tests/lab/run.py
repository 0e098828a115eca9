"""What `make lab` does: the packages, the tree, the tests, and afterwards nothing of it is left."""

import fcntl
import os
import secrets
import shutil
import signal
import subprocess
import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType

from tests.lab.ground import tree
from tests.lab.ground.commands import LabError
from tests.lab.ground.lab import Lab
from tests.lab.ground.site import Site

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
LOCKS = Path("/run")
LABS, LABS_AT_ONCE = "INK_LAB_COUNT", 3
"""How many labs the tests use at once, and what names another number."""
HELD = "INK_LAB_HELD"
"""Set for tests whose caller already sees to it that the lab is theirs, and sweeps it before and after."""
SEED = "INK_LAB_SEED"
"""Names the first seed of the random servers of a long run; without it they are new ones each time."""

NEEDED: Mapping[str, str] = {
    "mmdebstrap": "mmdebstrap",
    "ip": "iproute2",
    "tc": "iproute2",
    "nft": "nftables",
    "sysctl": "procps",
    "losetup": "mount",
    "nsenter": "util-linux",
    "unshare": "util-linux",
    "setsid": "util-linux",
    "mkfs.ext4": "e2fsprogs",
    "ssh-keygen": "openssh-client",
    "sftp": "openssh-client",
    "age": "age",
    "docker-registry": "docker-registry",
    "dpkg-deb": "dpkg",
    "ssh-audit": "ssh-audit",
}
"""Programs of this machine that the lab uses, and the Debian packages that bring them."""


def unfit(*, root: Path = Path("/"), user: int | None = None) -> str:
    """Return why this machine can have no lab, in one sentence; empty when it can."""
    if not (root / "etc/debian_version").exists() or shutil.which("apt-get") is None:
        return "the lab needs Debian: it builds its servers from the packages of the machine's own apt sources"
    if (os.geteuid() if user is None else user) != 0:
        return "the lab needs root: it makes namespaces, mounts and control groups of its own"
    return ""


def missing_packages() -> list[str]:
    """Return the Debian packages that have to be installed first."""
    return sorted({package for program, package in NEEDED.items() if shutil.which(program) is None})


def install(packages: Sequence[str]) -> None:
    """Install Debian packages.

    Raises:
        LabError: apt did not.
    """
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for words in (("update", "-qq"), ("install", "-qq", "-y", "--no-install-recommends", *packages)):
        done = subprocess.run(("apt-get", *words), env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise LabError(f"apt-get {words[0]} failed: {done.stderr.strip()[-300:]}")


def check(site: Site, more: Sequence[str], *, which: str, labs: int) -> int:
    """Run the lab's tests that the marks in `which` choose, in `labs` labs at once, and return pytest's exit status.

    Nothing of the labs is left afterwards.

    Most of what a test does is wait, for boots, deadlines and probation windows: two labs leave two cores idle for six
    sevenths of the time.

    Raises:
        LabError: another run with the same prefix goes on, or the machine lacks something.
    """
    with ExitStack() as stack:
        sites = [site.beside(number) for number in range(labs)]
        locks = [stack.enter_context(prepared(one))[1] for one in sites]
        return _pytest(which, more, locks)


@contextmanager
def prepared(site: Site) -> Generator[tuple[Lab, int]]:
    """Give a lab of which nothing is up yet and all that it needs is there, and its lock; in the end nothing is left.

    Raises:
        LabError: another run with the same prefix goes on, or the machine lacks something.
    """
    with alone(site) as lock, _ended_in_order():
        lab = Lab(site)
        # what a run left behind that was killed
        lab.down()
        packages = missing_packages()
        if packages:
            install(packages)
        tree.build(site)
        try:
            yield lab, lock
        finally:
            lab.down()


def _pytest(which: str, more: Sequence[str], locks: Sequence[int]) -> int:
    chosen = more or (str(HERE),)
    # one lab needs no workers, which would outlive us for a moment
    workers = str(len(locks)) if len(locks) > 1 else "0"
    words = (sys.executable, "-m", "pytest", "-m", which, "-n", workers, "--dist", "loadgroup", *chosen)
    # the tests hold the locks too: should we be killed and not they, nobody takes the ground away from under them
    seed = os.environ.get(SEED) or str(secrets.randbelow(10**9))
    environment = os.environ | {HELD: "yes", SEED: seed}
    with subprocess.Popen(words, cwd=ROOT, env=environment, pass_fds=tuple(locks)) as tests:
        try:
            return tests.wait()
        except BaseException:
            # a person's Ctrl-C has reached it too; whatever else stops us has not
            tests.terminate()
            raise


@contextmanager
def alone(site: Site) -> Generator[int]:
    """Keep a second run from sweeping away the first one's lab; give the handle of the lock.

    Raises:
        LabError: there is another run with the same prefix.
    """
    path = LOCKS / f"ink-infra-lab-{site.prefix}.lock"
    while True:
        with path.open("w", encoding="ascii") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise LabError(
                    f"another run of the lab {site.prefix!r} goes on; wait, or set INK_LAB_PREFIX, _NET and _DIR"
                ) from error
            if not _is_still(path, file.fileno()):
                # whoever had it has just removed it
                continue
            try:
                yield file.fileno()
            finally:
                path.unlink(missing_ok=True)
            return


def _is_still(path: Path, handle: int) -> bool:
    return path.exists() and path.stat().st_ino == os.fstat(handle).st_ino


@contextmanager
def _ended_in_order() -> Generator[None]:
    """Take SIGTERM for Ctrl-C, so that the lab is taken down then too."""
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
