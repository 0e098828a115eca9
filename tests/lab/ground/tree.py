"""The Debian system that every server of the lab starts from: built once, kept in a cache, never written to again."""

import fcntl
import hashlib
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from tests.lab.ground.archive import debian_archive
from tests.lab.ground.commands import said
from tests.lab.ground.site import Site

SUITE = "trixie"
"""Debian 13: its own packages hold compose v2, buildx, runsc and a systemd that still boots on cgroup v1.

Its Docker (26) runs privileged containers here; the one of Debian 12 (20.10) could not, on a machine that itself lacks
CAP_SYS_RESOURCE.
"""
EDITION = 1
"""Grows when `_finish` changes, so that an older tree is not taken for this one."""
PACKAGES = tuple(
    [
        "busybox-static",
        "ca-certificates",
        "conntrack",
        "containerd",
        "cron",
        "curl",
        "dbus",
        "docker-buildx",
        "docker-cli",
        "docker-compose",
        "docker.io",
        "e2fsprogs",
        "fail2ban",
        "fdisk",
        "firewalld",
        "gpg",
        "iproute2",
        "ipset",
        "iptables",
        "iputils-ping",
        "jq",
        "kmod",
        "less",
        "logrotate",
        "netbase",
        "netplan.io",
        "nftables",
        "openssh-server",
        "parted",
        "procps",
        "python3-systemd",
        "rsync",
        "runsc",
        "sudo",
        "systemd",
        "systemd-sysv",
        "tini",
        "udev",
        "ufw",
        "xfsprogs",
    ]
)
REINSTALLABLE = tuple(
    [
        "containerd",
        "docker-buildx",
        "docker-cli",
        "docker-compose",
        "docker.io",
        "fail2ban",
        "firewalld",
        "iptables-persistent",
        "lynis",
        "netfilter-persistent",
        "runc",
        "runsc",
        "ssh-audit",
        "ufw",
        "xfsprogs",
    ]
)
"""Packages that a test may take away and install again: the lab serves them to its servers."""
DEBS = "var/cache/debs"
DONE = ".done"
BUILD_S = 900.0

_UNUSED_UNITS = [
    "apt-daily-upgrade.timer",
    "apt-daily.timer",
    "console-getty.service",
    "e2scrub_all.timer",
    "e2scrub_reap.service",
    "fstrim.timer",
    "getty@.service",
    "man-db.timer",
    "systemd-networkd-wait-online.service",
]
_INSTALLED_BUT_OFF = ("firewalld.service", "fail2ban.service", "dbus-org.fedoraproject.FirewallD1.service")
_FSTAB_UNIT = """\
[Unit]
Description=mount /etc/fstab (stand-in for local-fs)
DefaultDependencies=no
After=systemd-tmpfiles-setup.service
Before=docker.service ssh.service multi-user.target
OnFailure=emergency.target
OnFailureJobMode=replace-irreversibly
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/mount -a
[Install]
WantedBy=multi-user.target
"""
_JOURNAL = "[Journal]\nStorage=persistent\nSystemMaxUse=32M\nRuntimeMaxUse=16M\n"


def tree_of(site: Site) -> Path:
    """Return where the tree of this lab lies, built or not."""
    return site.cache / f"{_digest()}-{EDITION}"


def is_built(site: Site) -> bool:
    """Return whether the tree is ready for use."""
    return (tree_of(site) / DONE).exists()


def build(site: Site) -> Path:
    """Return the tree, after building it if it is not in the cache: about a minute, and then never again.

    Nothing may be written into it while servers run on it: they would or would not see it, as overlayfs likes.

    Raises:
        LabError: the archive cannot be reached, or the disk is full.
    """
    tree = tree_of(site)
    site.cache.mkdir(parents=True, exist_ok=True)
    with _alone(site.cache / "lock"):
        if not is_built(site):
            _unpack(_tarball(site), tree)
            _finish(tree)
    return tree


@contextmanager
def _alone(lock: Path) -> Generator[None]:
    """Keep two labs from building the same tree at once."""
    with lock.open("w", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _digest() -> str:
    text = f"{SUITE} {PACKAGES} {REINSTALLABLE}"
    return f"{SUITE}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def _tarball(site: Site) -> Path:
    tar = site.cache / f"{_digest()}.tar"
    if tar.exists():
        return tar
    part = tar.with_suffix(".part")
    part.unlink(missing_ok=True)
    fetch = f"mkdir -p /{DEBS}; cd /{DEBS}; apt-get download -q {' '.join(REINSTALLABLE)}"
    said(
        "mmdebstrap",
        "--quiet",
        "--format=tar",
        "--variant=minbase",
        "--skip=check/qemu",
        *(f"--dpkgopt=path-exclude=/usr/share/{unread}/*" for unread in ("man", "locale", "doc", "info")),
        f"--include={','.join(PACKAGES)}",
        f'--customize-hook=chroot "$1" sh -ec "{fetch}"',
        SUITE,
        part,
        site.archive or debian_archive(),
        limit_s=BUILD_S,
    )
    part.rename(tar)
    # those of other lists of packages; their trees stay, since servers may run on them
    for old in set(site.cache.glob("*.tar")) - {tar}:
        old.unlink()
    return tar


def _unpack(tar: Path, tree: Path) -> None:
    shutil.rmtree(tree, ignore_errors=True)
    tree.mkdir(parents=True)
    said("tar", "-x", "-p", "-f", tar, "-C", tree, "--exclude=./dev/*", "--numeric-owner", limit_s=BUILD_S)


def _finish(tree: Path) -> None:
    """Make a server that has not met its owner yet out of a fresh installation."""
    for file in (
        *tree.glob("etc/ssh/ssh_host_*"),
        *tree.glob("etc/apt/sources.list"),
        *tree.glob("etc/apt/*.d/*.sources"),
    ):
        file.unlink()
    for empty in ("etc/machine-id", "etc/default/locale"):
        (tree / empty).write_text("", encoding="utf-8")
    _units(tree / "etc/systemd/system")
    journal = tree / "etc/systemd/journald.conf.d"
    journal.mkdir(exist_ok=True)
    (journal / "lab.conf").write_text(_JOURNAL, encoding="utf-8")
    _mend_runsc(tree)
    _index(tree / DEBS)
    (tree / DONE).write_text("", encoding="utf-8")


def _units(units: Path) -> None:
    for name in _UNUSED_UNITS:
        (units / name).unlink(missing_ok=True)
        (units / name).symlink_to("/dev/null")
    for link in units.rglob("*.service"):
        if link.name in _INSTALLED_BUT_OFF and link.is_symlink():
            link.unlink()
    # A container's systemd passes over the lines of fstab that name a device: this unit does what a server would, down
    # to the emergency mode that a missing disk without `nofail` ends in.
    (units / "lab-fstab.service").write_text(_FSTAB_UNIT, encoding="utf-8")
    wanted = units / "multi-user.target.wants"
    wanted.mkdir(exist_ok=True)
    (wanted / "lab-fstab.service").symlink_to("/etc/systemd/system/lab-fstab.service")


def _mend_runsc(tree: Path) -> None:
    """Let Debian's runsc (2024-07) run with its own network on kernels from 6.11 on.

    It takes every network namespace for the first one, since /proc/sys/net/core/rmem_default is in all of them now
    (google/gvisor#10704, mended upstream in 2024-08). A path of the same length that only the first one has does it,
    in the tree and in the package that the servers can install again.
    """
    _swap_path(tree / "usr/bin/runsc")
    scratch = tree / "var/tmp/runsc"
    for deb in (tree / DEBS).glob("runsc_*.deb"):
        said("dpkg-deb", "-R", deb, scratch)
        _swap_path(scratch / "usr/bin/runsc")
        (scratch / "DEBIAN/md5sums").unlink(missing_ok=True)
        said("dpkg-deb", "-Zgzip", "-z1", "-b", scratch, deb)
        shutil.rmtree(scratch)


def _swap_path(program: Path) -> None:
    text = program.read_bytes()
    program.write_bytes(text.replace(b"/proc/sys/net/core/rmem_default", b"/proc/sys/net/core/message_cost"))


def _index(debs: Path) -> None:
    """Write the list of packages that apt reads."""
    entries = [_entry(deb) for deb in sorted(debs.glob("*.deb"))]
    (debs / "Packages").write_text("".join(entries), encoding="utf-8")


def _entry(deb: Path) -> str:
    digest = hashlib.sha256(deb.read_bytes()).hexdigest()
    control = said("dpkg-deb", "-f", deb).rstrip()
    return f"{control}\nFilename: ./{deb.name}\nSize: {deb.stat().st_size}\nSHA256: {digest}\n\n"
