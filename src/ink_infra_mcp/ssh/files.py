"""Files in a place that is reached by SFTP alone, such as a Storage Box: it runs no command for us.

What is used is what version 3 of the protocol has (draft-ietf-secsh-filexfer-02, which OpenSSH speaks), and two of
OpenSSH's extensions where they are offered: statvfs, which tells the room, and fsync.
"""

import hashlib
import stat
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Protocol, TypeVar, cast

import anyio
import asyncssh
from asyncssh.packet import PacketDecodeError

from ink_infra_mcp.core.errors import FileRefused, HostError, HostUnreachable
from ink_infra_mcp.core.fleet import Host
from ink_infra_mcp.core.permit import Permit, refuse_without_permit
from ink_infra_mcp.core.untrusted import clean_name
from ink_infra_mcp.ssh.failures import reason
from ink_infra_mcp.ssh.ways import Connection

CHUNK_BYTES = 2**18
STALL_S = 180.0
"""How long the place may take for one request: a disk that hangs, a cable that was pulled."""
MOST_NAMES = 10_000
LONGEST_NAME = 255
"""No file system that a place has takes a longer one (NAME_MAX of Linux, in bytes)."""
_VERSION = 3
_ONE_BY_ONE = 0
"""The block size with which asyncssh makes one request of each piece. Of several at once it leaves behind, untold,
those that a lost connection or a time limit ends with the first (asyncssh 2.24, `_SFTPParallelIO.iter`).
"""
_FILE_MODE, _FOLDER_MODE = 0o600, 0o700
_READ_ONLY = 0x1
"""SSH2_FXE_STATVFS_ST_RDONLY of OpenSSH's extension (its PROTOCOL, 3.4)."""
_BROKE = (OSError, asyncssh.SFTPConnectionLost, asyncssh.SFTPNoConnection, asyncssh.DisconnectError)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Entry:
    """A plain file: its size in bytes, and when it was last written, in seconds of Unix by the place's own clock."""

    size: int
    written: int


@dataclass(frozen=True, slots=True)
class Room:
    """How many bytes may still be written in a place, and whether its disk takes no writing at all."""

    free: int
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class Sum:
    """The SHA-256 of a file's content, and how many bytes that has."""

    sha256: str
    size: int


class _Digest(Protocol):
    def update(self, data: bytes, /) -> None: ...
    def hexdigest(self) -> str: ...


class _Readable(Protocol):
    """What we use of asyncssh's file to read, which is not fully typed."""

    def read(self, size: int, offset: int) -> Awaitable[bytes]: ...


@dataclass(slots=True)
class Draft:
    """A file that is being written, and the sum of what the place has taken of it."""

    take: Callable[[bytes, int], Awaitable[None]]
    size: int = 0
    digest: _Digest = field(default_factory=hashlib.sha256)

    async def write(self, data: bytes) -> None:
        """Write on; the place has taken it when this returns.

        Raises:
            FileRefused, HostUnreachable: as for `Files`.
        """
        await self.take(data, self.size)
        self.digest.update(data)
        self.size += len(data)

    @property
    def sum(self) -> Sum:
        """Return the sum of what has been written."""
        return Sum(sha256=self.digest.hexdigest(), size=self.size)


class Files:
    """The files of one place, over one open connection; every change needs a live permit.

    Each method raises FileRefused where the place does not do what is asked, and HostUnreachable where the connection
    breaks, or the place takes longer than three minutes for one request.
    """

    def __init__(self, host: Host, client: asyncssh.SFTPClient, permit: Permit | None) -> None:
        self._host = host
        self._client = client
        self._permit = permit

    async def listed(self, folder: str) -> dict[str, Entry]:
        """Return the plain files of a folder by name, none where there is no such folder."""
        try:
            told, found = await self._asked(f"list {folder}", self._names(folder))
        except FileRefused as error:
            if error.missing:
                return {}
            raise
        if told > MOST_NAMES:
            raise FileRefused(
                f"{folder} at {self._host.name} has more than {MOST_NAMES} names, and no more are read.",
                host=self._host.name,
                next="Give copies a folder of their own: `folder` under [backups] in fleet.toml.",
            )
        return found

    async def _names(self, folder: str) -> tuple[int, dict[str, Entry]]:
        """Return how many names were told, at most one more than is read of a folder, and its plain files.

        A place may go on telling names for ever, each as long as a packet: what no disk has is not kept.
        """
        told, found = 0, dict[str, Entry]()
        async with aclosing(cast(AsyncGenerator[asyncssh.SFTPName], self._client.scandir(folder))) as names:
            async for name in names:
                told += 1
                entry, text = _entry(name.attrs), str(name.filename)
                if entry is not None and len(text) <= LONGEST_NAME:
                    found[text] = entry
                if told > MOST_NAMES:
                    break
        return told, found

    async def room(self, folder: str) -> Room | None:
        """Return what room a folder has, None where the place does not tell."""
        try:
            told = await self._asked("tell its room", self._client.statvfs(folder))
        except FileRefused:
            return None
        return Room(told.bavail * told.frsize, read_only=bool(told.flags & _READ_ONLY))

    async def folder_mode(self, folder: str) -> int | None:
        """Return the permissions of a folder, such as 0o700, None where there is nothing of that name.

        Raises:
            FileRefused: also where it is no folder, or its permissions are not told.
        """
        try:
            told = await self._asked(f"look at {folder}", self._client.stat(folder))
        except FileRefused as error:
            if error.missing:
                return None
            raise
        if told.permissions is None or not stat.S_ISDIR(told.permissions):
            raise FileRefused(
                f"{folder} at {self._host.name} is no folder.",
                host=self._host.name,
                next="Name another `folder` under [backups] in fleet.toml, or move that file away.",
            )
        return stat.S_IMODE(told.permissions)

    async def sum_of(self, path: str, *, size: int) -> Sum:
        """Read a file that has `size` bytes to its end, or a little beyond those, and return its sum."""
        digest, read = hashlib.sha256(), 0
        file = await self._asked(f"open {path}", self._client.open(path, "rb", encoding=None, block_size=_ONE_BY_ONE))
        try:
            reading = cast(_Readable, file)
            piece = min(CHUNK_BYTES, self._client.limits.max_read_len)
            while read <= size and (data := await self._asked(f"read {path}", reading.read(piece, read))):
                digest.update(data)
                read += len(data)
        finally:
            await self._closed(file)
        return Sum(sha256=digest.hexdigest(), size=read)

    async def make_folder(self, folder: str) -> None:
        """Make a folder and those above it, where they are not there yet."""
        self._gate(f"make {folder}")
        parts = folder.split("/")
        for number in range(1, len(parts) + 1):
            path = "/".join(parts[:number])
            if not await self._asked(f"look at {path}", self._client.isdir(path)):
                await self._asked(
                    f"make {path}", self._client.mkdir(path, asyncssh.SFTPAttrs(permissions=_FOLDER_MODE))
                )

    @asynccontextmanager
    async def draft(self, path: str) -> AsyncGenerator[Draft]:
        """Give a file to write, empty at first; left without an error, it is on the disk, where the place can tell."""
        self._gate(f"write {path}")
        attributes = asyncssh.SFTPAttrs(permissions=_FILE_MODE)
        opening = self._client.open(path, "wb", attributes, encoding=None, block_size=_ONE_BY_ONE)
        file = await self._asked(f"open {path}", opening)

        async def take(data: bytes, offset: int) -> None:
            self._gate(f"write {path}")
            piece = min(CHUNK_BYTES, self._client.limits.max_write_len)
            for start in range(0, len(data), piece):
                await self._asked(f"write {path}", file.write(data[start : start + piece], offset + start))

        try:
            yield Draft(take)
            await self._unless_unknown(f"sync {path}", file.fsync())
            await self._asked(f"close {path}", file.close())
        finally:
            await self._closed(file)

    async def rename(self, old: str, new: str) -> None:
        """Give a file another name at once; it replaces nothing."""
        self._gate(f"rename {old}")
        await self._asked(f"rename {old}", self._client.rename(old, new))

    async def remove(self, path: str) -> None:
        """Remove a file, if it is there."""
        self._gate(f"remove {path}")
        try:
            await self._asked(f"remove {path}", self._client.remove(path))
        except FileRefused as error:
            if not error.missing:
                raise

    def _gate(self, what: str) -> None:
        refuse_without_permit(self._permit, f"{what} at {self._host.name}")

    async def _unless_unknown(self, what: str, asked: Awaitable[object]) -> None:
        try:
            await self._asked(what, asked)
        except FileRefused as error:
            if not error.unknown:
                raise

    async def _closed(self, file: asyncssh.SFTPClientFile) -> None:
        with suppress(HostError):
            await self._asked("close a file", file.close())

    async def _asked(self, what: str, asked: Awaitable[T]) -> T:
        try:
            with anyio.fail_after(STALL_S):
                return await asked
        except _BROKE as error:
            raise broke(self._host, reason(error, STALL_S)) from error
        except (asyncssh.Error, PacketDecodeError) as error:
            raise _refused(self._host, what, error) from error


@asynccontextmanager
async def opened(host: Host, connection: Connection, permit: Permit | None) -> AsyncGenerator[Files]:
    """Give the files of a place that lets us in already.

    Raises:
        HostUnreachable: it opens no SFTP for us.
    """
    try:
        with anyio.fail_after(STALL_S):
            client = await connection.start_sftp_client(path_errors="surrogateescape", sftp_version=_VERSION)
    except (OSError, asyncssh.Error, PacketDecodeError) as error:
        raise HostUnreachable(
            f"{host.name} lets {host.ssh_user} in and opens no SFTP for it: {reason(error, STALL_S)}.",
            host=host.name,
            next="Check there that SSH is switched on for this user (Storage Box: SSH support), then call again.",
        ) from error
    try:
        yield Files(host, client, permit)
    finally:
        client.exit()


def broke(host: Host, why: str) -> HostUnreachable:
    """Return the error for a place whose connection broke."""
    return HostUnreachable(
        f"The connection to {host.name} broke: {clean_name(why, limit=200)}.",
        host=host.name,
        done="What it has got of a file is not whole, and does not count.",
        next="Check that it is reached, then call again: it looks first.",
    )


def _refused(host: Host, what: str, error: Exception) -> FileRefused:
    missing = isinstance(error, (asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath))
    return FileRefused(
        f"{host.name} did not {clean_name(what, limit=300)}: {clean_name(reason(error, STALL_S), limit=200)}.",
        host=host.name,
        next="Look at the place's room, its quota and the rights of the folder.",
        missing=missing,
        unknown=isinstance(error, asyncssh.SFTPOpUnsupported),
    )


def _entry(attrs: asyncssh.SFTPAttrs) -> Entry | None:
    """A link or a folder is none of ours."""
    mode, size, written = attrs.permissions, attrs.size, attrs.mtime
    if mode is None or size is None or not stat.S_ISREG(mode):
        return None
    return Entry(size=size, written=written or 0)
