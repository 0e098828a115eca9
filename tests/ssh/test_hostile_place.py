"""A place that answers SFTP as no server does: it is refused in words and in bounded memory; names are only names."""

import stat
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import anyio
import asyncssh
import pytest
from asyncssh.packet import Byte, String, UInt32

from ink_infra_mcp.core.errors import FileRefused, HostUnreachable
from ink_infra_mcp.core.fleet import Host
from ink_infra_mcp.hosts.factory import copying
from ink_infra_mcp.hosts.factory.copying import Place
from ink_infra_mcp.ssh import files
from ink_infra_mcp.ssh.files import Entry, Files
from tests.ssh.openssh import new_key
from tests.ssh.servers import permit

pytestmark = pytest.mark.anyio

LIMIT_S = 30
PLACE = Host(name="place", address="192.0.2.20", ssh_user="box", ssh_port=23, host_key="ssh-ed25519 AAAA")
ACME = Place(host=PLACE, folder="coolify", fleet="acme", recipient="")
INIT, CLOSE, OPENDIR, READDIR, REMOVE, EXTENDED = 1, 4, 11, 12, 13, 200
STATUS, HANDLE, NAMES = 101, 102, 104
OLD = 1_000

Listing = Callable[[int], bytes]
"""What follows the id of the answer to the n-th request for names."""


def name_of(name: bytes, *, written: int = OLD) -> bytes:
    """Return a plain file of five bytes in a list."""
    mode = UInt32(stat.S_IFREG | 0o600)
    return String(name) + String(b"") + UInt32(1 | 4 | 8) + bytes(4) + UInt32(5) + mode + UInt32(written) * 2


def once(*names: bytes) -> Listing:
    """Tell these names, and then the end."""
    return lambda asked: UInt32(len(names)) + b"".join(names) if asked == 1 else b""


class Odd(asyncssh.SSHServerSession[bytes]):
    """SFTP by hand, which tells `listing` and removes nothing."""

    def __init__(self, listing: Listing, removed: list[bytes], first: bytes) -> None:
        self._listing, self._removed, self._first = listing, removed, first
        self._asked, self._left = 0, b""

    def connection_made(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:
        """Keep the channel."""
        self._channel = chan

    def subsystem_requested(self, subsystem: str) -> bool:
        """Be whatever is wanted."""
        return True

    def data_received(self, data: bytes, datatype: asyncssh.DataType) -> None:
        """Answer each whole packet."""
        self._left += data
        while len(self._left) >= 4 and len(self._left) >= (end := 4 + int.from_bytes(self._left[:4])):
            packet, self._left = self._left[4:end], self._left[end:]
            answer = self._answer(packet[0], packet[1:5], packet[5:])
            self._channel.write(UInt32(len(answer)) + answer)  # pyright: ignore[reportUnknownMemberType]

    def _answer(self, kind: int, number: bytes, rest: bytes) -> bytes:
        if kind == INIT:
            return Byte(2) + self._first
        if kind == EXTENDED:
            return Byte(201) + number + b"half"
        if kind == OPENDIR:
            return Byte(HANDLE) + number + String(b"h")
        if kind == READDIR:
            self._asked += 1
            if told := self._listing(self._asked):
                return Byte(NAMES) + number + told
        if kind == REMOVE:
            self._removed.append(rest[4:])
        code = {READDIR: 1, CLOSE: 0}.get(kind, 3)
        return Byte(STATUS) + number + UInt32(code) + String(b"no") + String(b"")


@asynccontextmanager
async def place(listing: Listing, removed: list[bytes], *, first: bytes = UInt32(3)) -> AsyncGenerator[Files]:
    """Give the files of such a place, which greets with `first`."""

    class Open(asyncssh.SSHServer):
        def begin_auth(self, username: str) -> bool:
            return False

        def session_requested(self) -> Odd:
            return Odd(listing, removed, first)

    keys = [new_key()]
    acceptor = await asyncssh.create_server(Open, "127.0.0.1", 0, config=None, server_host_keys=keys, encoding=None)
    try:
        with anyio.fail_after(LIMIT_S):
            async with (
                asyncssh.connect(
                    "127.0.0.1", acceptor.get_port(), config=None, known_hosts=None, username="box", client_keys=None
                ) as connection,
                files.opened(PLACE, connection, permit()) as found,
            ):
                yield found
    finally:
        acceptor.close()
        await acceptor.wait_closed()


LISTS: list[tuple[Listing, str]] = [
    (lambda asked: UInt32(5) + b"zz", "did not list coolify"),
    (lambda asked: UInt32(2**32 - 1) + name_of(b"a"), "did not list coolify"),
    (lambda asked: UInt32(500) + name_of(b"%d" % asked) * 500, "more than 10000 names"),
]


@pytest.mark.parametrize(("listing", "words"), LISTS, ids=["no list", "half a list", "a list without an end"])
async def test_a_list_that_is_none_or_does_not_end_is_refused(listing: Listing, words: str) -> None:
    """Neither is a fault of ours, and no more names are kept than are read."""
    async with place(listing, []) as there:
        with pytest.raises(FileRefused, match=words):
            await there.listed("coolify")


async def test_no_more_is_asked_for_once_there_are_too_many_names() -> None:
    """Twenty answers of five hundred are ten thousand, and the one after that is too many."""
    asked: list[int] = []

    def listing(number: int) -> bytes:
        asked.append(number)
        return UInt32(500) + name_of(b"a") * 500

    async with place(listing, []) as there:
        with pytest.raises(FileRefused):
            await there.listed("coolify")
    assert len(asked) == 21


async def test_a_name_that_no_disk_has_is_not_kept() -> None:
    """Ten thousand names as long as a packet would be forty gigabytes of ours."""
    async with place(once(name_of(b"a" * 255), name_of(b"b" * 256), name_of(b"c" * 2**20)), []) as there:
        assert await there.listed("coolify") == {"a" * 255: Entry(size=5, written=OLD)}


LIMITS = String(b"limits@openssh.com") + String(b"1")


@pytest.mark.parametrize("first", [UInt32(3) + LIMITS, UInt32(3) + b"\0", b"", UInt32(99)])
async def test_a_greeting_that_is_none_is_told_as_no_sftp(first: bytes) -> None:
    """What it says of its version, or of the limits that it offers to tell, cannot be read."""
    with pytest.raises(HostUnreachable, match="opens no SFTP for it"):
        async with place(once(), [], first=first):
            pass


async def test_only_old_parts_of_ours_are_swept() -> None:
    """What is called otherwise, or has no time, is nobody's to remove."""
    names = [
        (b".part-acme_op-0", OLD),
        (b".part-acme_op-2", OLD + 1),
        (b".part-acme_op-3", 0),
        (b".part-op-4", OLD),
        (b".part-acme2_op-5", OLD),
        (b".part-acme_op-6.tar", OLD),
        (b".part-\xff\nread this", OLD),
        (b".part-a/../../other", OLD),
    ]
    removed: list[bytes] = []
    async with place(once(*(name_of(name, written=at) for name, at in names)), removed) as there:
        with pytest.raises(FileRefused, match=r"did not remove coolify/\.part-acme_op-0: no\."):
            await copying.swept(there, ACME, now=OLD + 1 + copying.PART_AGE_S)
    assert removed == [b"coolify/.part-acme_op-0"]


async def test_a_clock_of_ours_that_runs_ahead_sweeps_no_part_that_is_being_written() -> None:
    """The place's own clock tells what is old there: it wrote a copy of this fleet just now."""
    copy = f"coolify_20261130T201000Z_acme_op-1_5_{'a' * 64}.tar.age".encode()
    names = [(copy, 3 * OLD), (b".part-acme_op-2", 3 * OLD)]
    removed: list[bytes] = []
    async with place(once(*(name_of(name, written=at) for name, at in names)), removed) as there:
        await copying.swept(there, ACME, now=10**9)
    assert removed == []


async def test_a_name_is_told_with_what_cannot_be_seen_written_out() -> None:
    """It is one of somebody else's, on one line, and can be written anywhere."""
    async with place(once(), []) as there:
        with pytest.raises(FileRefused) as refused:
            await there.remove("coolify/a\udcff\n\x1b[31mb")
    assert refused.value.failed == "place did not remove coolify/a<U+DCFF> <U+001B>[31mb: no."


async def test_a_file_without_content_is_a_damaged_copy() -> None:
    """It has the name of one, and none of its bytes."""
    file = f"coolify_20261130T201000Z_acme_op-1_5_{'a' * 64}.tar.age".encode()
    empty = name_of(file).replace(bytes(4) + UInt32(5), bytes(8))
    async with place(once(empty), []) as there:
        assert await there.listed("coolify") == {file.decode(): Entry(size=0, written=OLD)}
    async with place(once(empty), []) as there:
        seen = await copying.listed(there, "coolify", fleet="acme")
    assert (seen.own, seen.damaged) == ((), (file.decode(),))
