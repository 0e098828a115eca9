"""A Storage Box as far as SFTP on port 23 goes: OpenSSH's sftp-server over the world, and no command for anybody.

Written from Hetzner's documentation of Storage Boxes (paths are below the account's folder; keys in OpenSSH's form; no
shell but a few commands) and from sftp-server.c of OpenSSH 9.2: protocol 3, in which every error that has no number of
its own (a full disk, a quota, a name that is taken) is `Failure`; the extensions statvfs and fsync are offered.
"""

import posixpath
import stat
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import asyncssh

from ink_infra_mcp.sandbox.key_pairs import new_key_pair
from ink_infra_mcp.sandbox.state import take_fault
from ink_infra_mcp.sandbox.state_place import BOX_USER
from ink_infra_mcp.sandbox.world import World

_BLOCK = 4096
_WRITES = 0x2
"""SSH_FXF_WRITE of the protocol."""


@dataclass(slots=True)
class _Open:
    """A file that somebody has open; what is written stays here until it is closed, or the connection is gone."""

    path: str
    data: bytearray = field(default_factory=bytearray)
    writes: bool = False


class BoxLogin(asyncssh.SSHServer):
    """One connection to the box, which one user opens by key."""

    def __init__(self, world: World, login_public_key: str, connections: set[asyncssh.SSHServerConnection]) -> None:
        self._world = world
        self._key = login_public_key
        self._connections = connections
        self._refuse = False

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        """Note it, and hang up at once where trouble was scripted for it."""
        self._connection = conn
        self._connections.add(conn)
        with self._world.change() as state:
            fault = take_fault(state, "place", "connect")
        if fault is not None:
            conn.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self._connections.discard(self._connection)

    def begin_auth(self, username: str) -> bool:
        """Ask for a key, always."""
        with self._world.change() as state:
            self._refuse = username != BOX_USER or take_fault(state, "place", "login") is not None
        return True

    def public_key_auth_supported(self) -> bool:
        """Accept keys alone."""
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        """Accept the key of the world."""
        return not self._refuse and key.export_public_key("openssh").decode().split()[:2] == self._key.split()[:2]


class Box(asyncssh.SFTPServer):
    """The files of the box, for one session."""

    def __init__(self, chan: asyncssh.SSHServerChannel[bytes], world: World) -> None:
        super().__init__(chan)  # pyright: ignore[reportUnknownMemberType] - its channel is of any type
        self._world = world

    def open(self, path: bytes, pflags: int, attrs: asyncssh.SFTPAttrs) -> object:
        """Open to read, or to write anew."""
        at, writes = _path(path), bool(pflags & _WRITES)
        garbled = self._strike(f"{'write' if writes else 'read'} {at}") == "garble"
        with self._world.change() as state:
            box = state.place
            if writes:
                if posixpath.dirname(at) not in ("", *box.folders):
                    raise asyncssh.SFTPNoSuchFile("No such file")
                box.put(at, b"", at=self._world.now(state))
                return _Open(at, writes=True)
            if at not in box.files:
                raise asyncssh.SFTPNoSuchFile("No such file")
            data = box.files[at].data
            return _Open(at, bytearray(data[:-1] + b"?" if box.rotten or garbled else data))

    def read(self, file_obj: object, offset: int, size: int) -> bytes:
        """Return a piece; a byte less, and it is the end."""
        return bytes(_opened(file_obj).data[offset : offset + size])

    def write(self, file_obj: object, offset: int, data: bytes) -> int:
        """Take a piece, as long as there is room."""
        file = _opened(file_obj)
        self._strike(f"take {file.path}")
        room = self._world.read().place.room_bytes
        end = offset + len(data)
        if end > room:
            raise asyncssh.SFTPFailure("Failure")
        file.data.extend(bytes(max(0, end - len(file.data))))
        file.data[offset:end] = data
        return len(data)

    def close(self, file_obj: object) -> None:
        """Keep what was written, half of it too where the connection broke."""
        file = _opened(file_obj)
        if file.writes:
            with self._world.change() as state:
                state.place.put(file.path, bytes(file.data), at=self._world.now(state))
                state.place.room_bytes -= len(file.data)
                state.journal.append(f"place write {_kind(file.path)}")

    def fsync(self, file_obj: object) -> None:
        """Say that it is on the disk."""

    def stat(self, path: bytes) -> asyncssh.SFTPAttrs:
        """Tell a file or folder."""
        at, box = _path(path), self._world.read().place
        if at in ("", *box.folders):
            return asyncssh.SFTPAttrs(permissions=stat.S_IFDIR | 0o700, size=_BLOCK)
        if at in box.files:
            return _attrs(len(box.files[at].data), box.files[at].at)
        raise asyncssh.SFTPNoSuchFile("No such file")

    lstat = stat

    async def scandir(self, path: bytes) -> AsyncIterator[asyncssh.SFTPName]:
        """Tell what is in a folder."""
        at = _path(path)
        self._strike(f"list {at}")
        box = self._world.read().place
        if at not in ("", *box.folders):
            raise asyncssh.SFTPNoSuchFile("No such file")
        for name, file in box.files.items():
            if posixpath.dirname(name) == at:
                yield asyncssh.SFTPName(posixpath.basename(name).encode(), attrs=_attrs(len(file.data), file.at))

    def mkdir(self, path: bytes, attrs: asyncssh.SFTPAttrs) -> None:
        """Make a folder in one that is there."""
        at = _path(path)
        with self._world.change() as state:
            if at in state.place.folders:
                raise asyncssh.SFTPFailure("Failure")
            if posixpath.dirname(at) not in ("", *state.place.folders):
                raise asyncssh.SFTPNoSuchFile("No such file")
            state.place.folders = [*state.place.folders, at]

    def rename(self, oldpath: bytes, newpath: bytes) -> None:
        """Give a file another name, which nobody has: without posix-rename nothing is replaced."""
        old, new = _path(oldpath), _path(newpath)
        self._strike(f"rename {old}")
        with self._world.change() as state:
            if old not in state.place.files:
                raise asyncssh.SFTPNoSuchFile("No such file")
            if new in state.place.files:
                raise asyncssh.SFTPFailure("Failure")
            state.place.files[new] = state.place.files.pop(old)
            state.journal.append(f"place rename {_kind(new)}")

    def remove(self, path: bytes) -> None:
        """Remove a file."""
        at = _path(path)
        self._strike(f"remove {at}")
        with self._world.change() as state:
            if at not in state.place.files:
                raise asyncssh.SFTPNoSuchFile("No such file")
            state.place.room_bytes += len(state.place.files.pop(at).data)
            state.journal.append(f"place remove {_kind(at)}")

    def realpath(self, path: bytes) -> bytes:
        """Tell a path from the account's own folder."""
        return b"/" + _path(path).encode()

    def statvfs(self, path: bytes) -> asyncssh.SFTPVFSAttrs:
        """Tell the room."""
        free = max(0, self._world.read().place.room_bytes) // _BLOCK
        return asyncssh.SFTPVFSAttrs(bsize=_BLOCK, frsize=_BLOCK, blocks=free, bfree=free, bavail=free, namemax=255)

    def _strike(self, what: str) -> str:
        """Scripted trouble: `drop` hangs up, `garble` is left to the caller, everything else is a refusal."""
        with self._world.change() as state:
            fault = take_fault(state, "place", what)
        if fault is None or fault.kind == "garble":
            return fault.kind if fault else ""
        if fault.kind == "drop":
            self.connection.abort()
        raise asyncssh.SFTPFailure("Failure")


@dataclass(slots=True)
class BoxServer:
    """The running box: where it listens, and its host key."""

    port: int
    host_public_key: str
    acceptor: asyncssh.SSHAcceptor
    connections: set[asyncssh.SSHServerConnection]

    async def aclose(self) -> None:
        """Stop listening, and cut all connections."""
        self.acceptor.close()
        await self.acceptor.wait_closed()
        for connection in list(self.connections):
            connection.abort()


async def serve_place(world: World, login_private_key: str) -> BoxServer:
    """Start the box of the world on loopback; its host key is made once and kept."""
    with world.change() as state:
        if not state.place.host_private_key:
            state.place.host_private_key, state.place.host_public_key = new_key_pair()
        private, public = state.place.host_private_key, state.place.host_public_key
    connections: set[asyncssh.SSHServerConnection] = set()
    login = asyncssh.import_private_key(login_private_key).export_public_key().decode()

    def session(chan: asyncssh.SSHServerChannel[bytes]) -> Box:
        return Box(chan, world)

    acceptor = await asyncssh.create_server(
        lambda: BoxLogin(world, login, connections),
        "127.0.0.1",
        0,
        config=None,
        server_host_keys=[asyncssh.import_private_key(private)],
        sftp_factory=session,
        sftp_version=3,
        allow_pty=False,
        agent_forwarding=False,
        login_timeout=30,
    )
    return BoxServer(acceptor.get_port(), public, acceptor, connections)


def _opened(file_obj: object) -> _Open:
    if not isinstance(file_obj, _Open):
        raise asyncssh.SFTPFailure("Failure")
    return file_obj


def _path(path: bytes) -> str:
    """A path is below the account's own folder, with or without a slash at its begin."""
    return posixpath.normpath("/" + path.decode()).lstrip("/")


def _kind(path: str) -> str:
    """What the journal says of a file; sums differ from run to run."""
    name = posixpath.basename(path)
    return "part" if name.startswith(".part-") else name.rpartition("_")[0] or name


def _attrs(size: int, at: float) -> asyncssh.SFTPAttrs:
    return asyncssh.SFTPAttrs(permissions=stat.S_IFREG | 0o600, size=size, atime=int(at), mtime=int(at))
