"""Leads what a command writes on one server into a command on another, through here, in bounded memory."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol, TypeVar, cast

import anyio
import asyncssh

from ink_infra_mcp.ssh.command import PID_MARK, CommandResult, HostCommand
from ink_infra_mcp.ssh.failures import reason

CHUNK_BYTES = 2**18
STALL_S = 180.0
"""How long neither side may take or give anything: a disk that hangs, a cable that was pulled."""
_KEPT_BYTES = 2**16
T = TypeVar("T")


class Broken(Exception):
    """The stream broke: `side` is `source` or `target`, the text says how. What arrived is not whole."""

    def __init__(self, side: str, why: str) -> None:
        super().__init__(why)
        self.side = side


class TooMuch(Exception):
    """More came than may; it was stopped there."""


@dataclass(frozen=True, slots=True)
class Piped:
    """What both commands said at their end, and how many bytes went from one to the other.

    `source` is None where the target ended before it: nobody waited for the rest.
    """

    source: CommandResult | None
    target: CommandResult
    sent_bytes: int


class _Reader(Protocol):
    async def read(self, n: int) -> bytes: ...


class _Writer(Protocol):
    def write(self, data: bytes) -> None: ...
    def write_eof(self) -> None: ...
    async def drain(self) -> None: ...


class _Process(Protocol):
    """What we use of asyncssh's process, which is not fully typed."""

    stdin: _Writer
    stdout: _Reader
    stderr: _Reader

    @property
    def returncode(self) -> int | None: ...
    async def wait_closed(self) -> None: ...
    def close(self) -> None: ...


class Starting(Protocol):
    """What we use of an open connection."""

    def create_process(self, command: str, *, encoding: None) -> Awaitable[object]:
        """Start a command."""
        ...


@dataclass(slots=True)
class _End:
    """One of both commands, and what it has said until now."""

    side: str
    process: _Process
    err: bytearray
    out: bytearray

    def said(self) -> CommandResult:
        code = self.process.returncode
        if code is None:
            raise Broken(self.side, "the connection broke")
        _, mark, rest = bytes(self.err).partition(PID_MARK)
        words = rest.partition(b"\n")[2] if mark else bytes(self.err)
        shown = (bytes(self.out).decode(errors="replace"), words.decode(errors="replace"))
        return CommandResult(code if code >= 0 else 128 - code, *shown)


async def pipe(
    source: tuple[Starting, HostCommand],
    target: tuple[Starting, HostCommand],
    *,
    limit_bytes: int,
    told: Callable[[int], None],
) -> Piped:
    """Run both commands and lead what the source writes into the target, which is given nothing else.

    `told` hears how many bytes went over. Nothing is read of the source that the target has not room for. When it
    breaks off, both commands find their pipes closed, and end.

    Raises:
        Broken: a connection broke, or nothing moved for three minutes. TooMuch: it is more than `limit_bytes`.
    """
    ends: list[_End] = []
    try:
        for side, (connection, command) in (("source", source), ("target", target)):
            ends.append(await _started(side, connection, command))
        given = ends[0].process.stdin
        given.write(source[1].stdin_bytes())
        given.write_eof()
        return await _run(*ends, limit_bytes=limit_bytes, told=told)
    finally:
        for end in ends:
            end.process.close()


async def pour(
    connection: Starting, command: HostCommand, into: Callable[[bytes], Awaitable[None]], *, limit_bytes: int
) -> CommandResult:
    """Run a command, hand on what it writes piece by piece, and return what it said beside that.

    Nothing more is read of it while `into` waits; what `into` raises ends the command.

    Raises:
        Broken: the connection broke, or nothing came for three minutes. TooMuch: it is more than `limit_bytes`.
    """
    end = await _started("source", connection, command)
    listening = asyncio.ensure_future(_listen(end.process.stderr, end.err))
    try:
        end.process.stdin.write(command.stdin_bytes())
        end.process.stdin.write_eof()
        taken = 0
        while data := await _unless_stalled("source", end.process.stdout.read(CHUNK_BYTES)):
            taken += len(data)
            if taken > limit_bytes:
                raise TooMuch(str(taken))
            await into(data)
        await _unless_stalled("source", end.process.wait_closed())
        await asyncio.wait([listening], timeout=STALL_S)
        return end.said()
    finally:
        end.process.close()
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)


async def _started(side: str, connection: Starting, command: HostCommand) -> _End:
    starting = connection.create_process(command.remote_line, encoding=None)
    return _End(side, cast(_Process, await _unless_stalled(side, starting)), bytearray(), bytearray())


async def _run(source: _End, target: _End, *, limit_bytes: int, told: Callable[[int], None]) -> Piped:
    listening = [
        asyncio.ensure_future(_listen(source.process.stderr, source.err)),
        asyncio.ensure_future(_listen(target.process.stderr, target.err)),
        asyncio.ensure_future(_listen(target.process.stdout, target.out)),
    ]
    try:
        sent, whole = await _pumped(source, target, limit_bytes=limit_bytes, told=told)
        if not whole:
            # it waits for room that nobody makes any more
            source.process.close()
        for end in (source, target) if whole else (target,):
            await _unless_stalled(end.side, end.process.wait_closed())
        await asyncio.wait(listening, timeout=STALL_S)
        return Piped(source.said() if whole else None, target.said(), sent)
    finally:
        for task in listening:
            task.cancel()
        await asyncio.gather(*listening, return_exceptions=True)


async def _pumped(source: _End, target: _End, *, limit_bytes: int, told: Callable[[int], None]) -> tuple[int, bool]:
    """Return how many bytes went over, and whether that was all: a target that ends takes nothing more."""
    sent, into = 0, target.process.stdin
    while data := await _unless_stalled("source", source.process.stdout.read(CHUNK_BYTES)):
        sent += len(data)
        if sent > limit_bytes:
            raise TooMuch(str(sent))
        try:
            into.write(data)
            await _unless_stalled("target", into.drain())
        except BrokenPipeError:
            return sent, False
        if target.process.returncode is not None:
            return sent, False
        told(sent)
    with suppress(BrokenPipeError):
        into.write_eof()
    return sent, True


async def _listen(reader: _Reader, kept: bytearray) -> None:
    """Keep the end of what is said; reading on is what keeps the channel open."""
    with suppress(OSError, asyncssh.Error):
        while data := await reader.read(CHUNK_BYTES):
            kept += data
            del kept[:-_KEPT_BYTES]


async def _unless_stalled(side: str, waited_for: Awaitable[T]) -> T:
    try:
        with anyio.fail_after(STALL_S):
            return await waited_for
    except BrokenPipeError:
        raise
    except (OSError, asyncssh.Error) as error:
        raise Broken(side, reason(error, STALL_S)) from error
