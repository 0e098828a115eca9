"""Layers of images out of Debian 12's packages: one for all images, and one each for PHP, PostgreSQL and Redis."""

import fcntl
import gzip
import hashlib
import json
import shutil
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from tests.lab.ground.archive import debian_archive
from tests.lab.ground.commands import said
from tests.lab.ground.images import digest_of
from tests.lab.ground.site import Site
from tests.lab.ground.stand_in.tars import add_file, add_link

SUITE = "bookworm"
"""Debian 12: the only release with both PostgreSQL 15 and Laravel among its own packages."""
EDITION = 1
"""Grows when the making of the layers changes, so that older ones are not taken for these."""
PACKAGES = (
    "base-files",
    "busybox-static",
    "coreutils",
    "curl",
    "dash",
    "findutils",
    "grep",
    "openssh-client",
    "php-laravel-framework",
    "php-redis",
    "php8.2-cli",
    "php8.2-intl",
    "php8.2-mbstring",
    "php8.2-pgsql",
    "php8.2-xml",
    "postgresql-15",
    "redis-server",
    "sed",
    "util-linux",
)
BUILD_S = 600.0
COMMON, PHP, POSTGRES, REDIS = "common", "php", "postgres", "redis"

_OWNERS: Mapping[str, tuple[str, ...]] = {
    PHP: ("usr/bin/php", "usr/lib/php/", "usr/share/php/"),
    POSTGRES: ("usr/lib/postgresql/", "usr/share/postgresql/"),
    REDIS: ("usr/bin/redis-",),
}
_UNUSED = (
    "boot/",
    "dev/",
    "etc/",
    "lib/systemd/",
    "lib/udev/",
    "proc/",
    "sbin/ldconfig",
    "sys/",
    "usr/bin/perl",
    "usr/lib/apt/",
    "usr/lib/file/",
    "usr/lib/llvm",
    "usr/lib/postgresql/15/lib/bitcode/",
    "usr/lib/postgresql/15/lib/llvmjit",
    "usr/lib/systemd/",
    "usr/lib/x86_64-linux-gnu/gconv/",
    "usr/lib/x86_64-linux-gnu/libLLVM",
    "usr/lib/x86_64-linux-gnu/libperl",
    "usr/lib/x86_64-linux-gnu/libz3",
    "usr/lib/x86_64-linux-gnu/perl",
    "usr/share/bash-completion/",
    "usr/share/doc/",
    "usr/share/i18n/",
    "usr/share/info/",
    "usr/share/locale/",
    "usr/share/man/",
    "usr/share/perl",
    "var/",
    # Perl scripts that choose between clusters; the programs themselves come first in PATH
    "usr/share/postgresql-common/",
)
_USERS = {
    "root": (0, "/root"),
    "postgres": (70, "/var/lib/postgresql"),
    "redis": (999, "/data"),
    "www-data": (9999, "/"),
}
"""As in the images that Coolify uses: those of Alpine for PostgreSQL, and its own USER_ID."""
_EXTENSIONS = (
    *("ctype", "dom", "fileinfo", "iconv", "igbinary", "intl", "mbstring", "pdo", "pdo_pgsql", "posix", "redis"),
    *("simplexml", "tokenizer", "xml", "xmlwriter"),
)
_PHP_INI = "".join(f"extension={name}\n" for name in _EXTENSIONS) + "memory_limit=256M\ndisplay_errors=stderr\n"
"""The limit is what docker-compose.prod.yml gives as PHP_MEMORY_LIMIT."""


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer as a registry keeps it, and the digest of what is inside."""

    packed: bytes
    diff_id: str

    @property
    def digest(self) -> str:
        """What the registry calls it."""
        return digest_of(self.packed)


def layer_from(raw: bytes) -> Layer:
    """Return the layer that a tar archive makes."""
    return Layer(gzip.compress(raw, 1, mtime=0), digest_of(raw))


def layers(site: Site) -> dict[str, Layer]:
    """Return the four layers by name, after making those that are not in the cache: half a minute, once.

    Raises:
        LabError: the archive cannot be reached, or the disk is full.
    """
    folder = site.cache / f"stand-in-{_key()}"
    site.cache.mkdir(parents=True, exist_ok=True)
    with (site.cache / "stand-in.lock").open("w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            _make(site, folder)
            # those of other lists of packages: whoever uses them has read them
            for old in set(site.cache.glob("stand-in-*")) - {folder}:
                shutil.rmtree(old)
        known: dict[str, str] = json.loads((folder / "diff_ids.json").read_text(encoding="utf-8"))
        return {name: Layer((folder / f"{name}.tar.gz").read_bytes(), diff_id) for name, diff_id in known.items()}


def _key() -> str:
    text = f"{SUITE} {PACKAGES} {_OWNERS} {_UNUSED} {_USERS} {_PHP_INI} {EDITION}"
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _make(site: Site, folder: Path) -> None:
    part = folder.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    whole = part / "whole.tar"
    said(
        "mmdebstrap",
        "--quiet",
        "--format=tar",
        # unpacked only: nothing is set up, no service made, no cluster; an image has its own way to start
        "--variant=extract",
        "--skip=check/qemu",
        f"--include={','.join(PACKAGES)}",
        SUITE,
        whole,
        site.archive or debian_archive(),
        limit_s=BUILD_S,
    )
    _split(whole, part)
    whole.unlink()
    diff_ids = {name: _pack(part / f"{name}.tar") for name in (COMMON, *_OWNERS)}
    (part / "diff_ids.json").write_text(json.dumps(diff_ids), encoding="utf-8")
    part.rename(folder)


def _split(whole: Path, part: Path) -> None:
    with ExitStack() as stack:
        made = {
            name: stack.enter_context(tarfile.open(part / f"{name}.tar", "w", format=tarfile.GNU_FORMAT))
            for name in (COMMON, *_OWNERS)
        }
        source = stack.enter_context(tarfile.open(whole))
        for entry in _used(source):
            target = made[_owner_of(entry.name)]
            target.addfile(entry, source.extractfile(entry) if entry.isreg() else None)
        _finish(made)


def _used(source: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    for entry in source:
        entry.name = entry.name.removeprefix("./")
        # perl's other names, and what only a running system needs
        if entry.name and not f"{entry.name}/".startswith(_UNUSED) and not entry.islnk():
            entry.mtime = 0
            yield entry


def _owner_of(path: str) -> str:
    return next((name for name, prefixes in _OWNERS.items() if path.startswith(prefixes)), COMMON)


def _finish(made: Mapping[str, tarfile.TarFile]) -> None:
    """Add what a package's own scripts would have written."""
    common = made[COMMON]
    users = "".join(f"{name}:x:{number}:{number}::{home}:/bin/sh\n" for name, (number, home) in _USERS.items())
    groups = "".join(f"{name}:x:{number}:\n" for name, (number, _) in _USERS.items())
    for path, text in {"etc/passwd": users, "etc/group": groups, "etc/nsswitch.conf": "hosts: files dns\n"}.items():
        add_file(common, path, text)
    for name in ("hostname", "httpd", "ip", "nc", "ps", "vi", "wget"):
        add_link(common, f"usr/local/bin/{name}", "/bin/busybox")
    add_link(made[PHP], "usr/bin/php", "php8.2")
    add_file(made[PHP], "etc/php/8.2/cli/conf.d/10-image.ini", _PHP_INI)


def _pack(tar: Path) -> str:
    raw = tar.read_bytes()
    tar.with_suffix(".tar.gz").write_bytes(gzip.compress(raw, 1, mtime=0))
    tar.unlink()
    return digest_of(raw)
