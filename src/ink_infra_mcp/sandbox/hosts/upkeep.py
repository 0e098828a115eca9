"""What a pretend server says it needs done: updates, a reboot, room; as the commands say that are asked for it."""

import shlex
import time
from collections.abc import Iterator

from ink_infra_mcp.sandbox.state_hosts import HostState

Answers = dict[str, str]
_APT = "-o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= -o Debug::NoLocking=true"
_DISKS = "-l -x tmpfs -x devtmpfs -x squashfs -x efivarfs"
_LISTS = "/var/lib/apt/lists/deb.example.org"
_TARGETS = "indextargets --no-release-info --format $(RELEASE) $(FILENAME) Created-By: Packages"
CODENAMES = {"debian 12": "bookworm", "debian 13": "trixie", "ubuntu 22.04": "jammy", "ubuntu 24.04": "noble"}
_SSHD = {
    "port": "22",
    "permitrootlogin": "without-password",
    "passwordauthentication": "no",
    "kbdinteractiveauthentication": "no",
    "permitemptypasswords": "no",
    "maxsessions": "10",
}


def upkeep_commands(host: HostState, *, now: float) -> dict[str, Answers]:
    """Return the answers of each command, by its arguments."""
    commands = {
        "apt-get": {
            f"{_APT} -s --ignore-hold dist-upgrade": "\n".join(_pretended(host)),
            f"{_APT} {_TARGETS}": "\n".join(
                f"{release} {_list(source, release)}_main_binary-amd64_Packages"
                for source, release, _ in _sources(host)
            ),
        },
        "grep": {
            f"-hE ^(Suite|Codename|Date): {_list(source, release)}_InRelease": "\n".join(
                (f"Suite: {suite}", f"Codename: {release}", _made(host, now=now))
            )
            for source, release, suite in _sources(host)
        },
        "df": {f"-P -k {_DISKS}": "\n".join(_room(host)), f"-P -i {_DISKS}": "\n".join(_files(host))},
        "ls": {
            "-1 /boot": f"config-{host.kernel}\nvmlinuz-{host.kernel}",
            "-1 /etc/kernel/postinst.d": "initramfs-tools\nunattended-upgrades\nzz-update-grub",
        },
        "sshd": {"-T": "\n".join(f"{name} {value}" for name, value in {**_SSHD, **host.sshd}.items())},
        "cat": {
            "/proc/sys/kernel/random/boot_id": host.boot_id,
            "/proc/mounts": f"/dev/sda1 / ext4 {'ro' if host.read_only else 'rw'},relatime 0 0\nproc /proc proc rw 0 0",
        },
    }
    return {name: answers for name, answers in commands.items() if name not in host.without}


def reboot_files(host: HostState) -> str:
    """Return the shell lines by which `cat` tells the files that ask for a reboot, or that there are none."""
    packages = "\n".join(host.reboot_packages)
    said = {"reboot-required": "*** System restart required ***", "reboot-required.pkgs": packages}
    return "".join(_file(f"/run/{name}", text if packages else None) for name, text in said.items())


def _file(path: str, text: str | None) -> str:
    if text is None:
        return f"[ \"$*\" != {path} ] || {{ echo 'cat: {path}: No such file or directory' >&2; exit 1; }}\n"
    return f"[ \"$*\" != {path} ] || {{ printf '%s\\n' {shlex.quote(text)}; exit 0; }}\n"


def _pretended(host: HostState) -> Iterator[str]:
    yield from ("Reading package lists...", "Building dependency tree...", "Calculating upgrade...")
    if host.updates:
        yield "The following packages will be upgraded:"
        yield f"  {' '.join(host.updates)}"
    yield f"{len(host.updates)} upgraded, 0 newly installed, 0 to remove and 0 not upgraded."
    for name, origin in host.updates.items():
        yield f"Inst {name} [1.0-1] (1.0-1+deb12u1 {origin} [amd64])"
    for name, origin in host.updates.items():
        yield f"Conf {name} (1.0-1+deb12u1 {origin} [amd64])"


def _sources(host: HostState) -> Iterator[tuple[str, str, str]]:
    """Each source by its folder, its release as the sources name it, and the suite."""
    codename = CODENAMES.get(f"{host.os_id} {host.os_version}", "bookworm")
    yield "debian", codename, "oldstable"
    if host.security_source:
        yield "debian-security", f"{codename}-security", "oldstable-security"


def _list(source: str, release: str) -> str:
    return f"{_LISTS}_{source}_dists_{release}"


def _made(host: HostState, *, now: float) -> str:
    return time.strftime("Date: %a, %d %b %Y %H:%M:%S UTC", time.gmtime(now - host.lists_age_s))


def _room(host: HostState) -> Iterator[str]:
    size, used = host.disk_bytes // 1024, host.disk_used_bytes // 1024
    yield "Filesystem     1024-blocks     Used Available Capacity Mounted on"
    yield f"/dev/sda1        {size} {used} {size - used} {100 * used // size}% /"


def _files(host: HostState) -> Iterator[str]:
    used = host.inodes_percent
    yield "Filesystem       Inodes  IUsed    IFree IUse% Mounted on"
    yield f"/dev/sda1      1000000 {used * 10_000} {(100 - used) * 10_000} {used}% /"
