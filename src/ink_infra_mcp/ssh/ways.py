"""Opens the way to a server: a TCP connection on which it has greeted, and on which SSH can begin when we like."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Protocol, cast

import anyio
import asyncssh

Connection = asyncssh.SSHClientConnection
Session = asyncssh.SSHTCPSession[bytes]
Channel = asyncssh.SSHTCPChannel[bytes]


class _Wire(Protocol):
    """What we use of a transport of asyncio and of a channel of asyncssh alike."""

    def write(self, data: bytes) -> None: ...
    def close(self) -> None: ...
    def abort(self) -> None: ...
    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...
    def get_extra_info(self, name: str, default: object = None) -> object: ...


class _Speaker(Protocol):
    """What we use of asyncssh's side of a connection."""

    def connection_made(self, transport: object) -> None: ...
    def data_received(self, data: bytes) -> None: ...
    def eof_received(self) -> object: ...
    def connection_lost(self, exc: Exception | None) -> None: ...


class Way(asyncio.Protocol):
    """An open way to one server, which has greeted: whoever is here is alive, and waits for us.

    To asyncssh it is the tunnel that it connects through. What asyncssh writes in one turn of the event loop leaves in
    one piece: it puts an empty message before each of its own (2.24), and each piece costs a call of the kernel here
    and wakes up the server there.
    """

    def __init__(self) -> None:
        self._heard = asyncio.Event()
        self._greeting = b""
        self._lost: Exception | None = None
        self._wire: _Wire | None = None
        self._speaker: _Speaker | None = None
        self._unsent: list[bytes] = []

    async def greeted(self) -> None:
        """Wait until the server has said something: it greets without being asked (RFC 4253, 4.2).

        Raises:
            ConnectionLost: it hung up instead.
        """
        await self._heard.wait()
        if self._lost:
            raise self._lost

    # The side of asyncssh

    async def create_connection(
        self, session_factory: Callable[[], object], remote_host: str, remote_port: int
    ) -> tuple[Channel, Session]:
        """Let SSH begin: it hears what the server has said until now, and then all the rest."""
        if self._lost:
            raise self._lost
        speaker = self._speaker = cast(_Speaker, session_factory())
        speaker.connection_made(self)
        speaker.data_received(self._greeting)
        if self._wire:
            self._wire.resume_reading()
        return cast(Channel, self), cast(Session, speaker)

    async def wait_closed(self) -> None:
        """Do nothing: asyncssh asks for it of a tunnel of its own only."""

    def get_extra_info(self, name: str, default: object = None) -> object:
        """Return what the connection below knows of itself."""
        return self._wire.get_extra_info(name, default) if self._wire else default

    def write(self, data: bytes) -> None:
        """Send, at the end of this turn of the event loop."""
        if not self._unsent:
            asyncio.get_running_loop().call_soon(self._send)
        self._unsent.append(data)

    def close(self) -> None:
        """Hang up after all has been sent."""
        self._send()
        if self._wire:
            self._wire.close()

    def abort(self) -> None:
        """Hang up."""
        self._send()
        if self._wire:
            self._wire.abort()

    def _send(self) -> None:
        pieces, self._unsent = self._unsent, []
        if pieces and self._wire:
            # that it is gone, the wire says by itself
            with suppress(ConnectionError):
                self._wire.write(b"".join(pieces))

    # The side of the wire

    def connection_made(self, transport: object) -> None:
        """Keep the connection."""
        self._wire = cast(_Wire, transport)

    def session_started(self) -> None:
        """Do nothing: a channel says so when it is open."""

    def data_received(self, data: bytes, datatype: object = None) -> None:
        """Take in the greeting, and stop listening until SSH begins; hand on what comes later."""
        if self._speaker:
            self._speaker.data_received(data)
            return
        self._greeting += data
        self._heard.set()
        if self._wire:
            self._wire.pause_reading()

    def eof_received(self) -> bool:
        """Hand on that the server has ended its side."""
        if self._speaker:
            self._speaker.eof_received()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Hand on that the connection is gone."""
        self._lost = exc or asyncssh.ConnectionLost("Connection lost")
        self._heard.set()
        self._wire = None
        if self._speaker:
            self._speaker.connection_lost(exc)


@asynccontextmanager
async def way_to(address: str, port: int, *, through: Connection | None, limit_s: float) -> AsyncGenerator[Way]:
    """Give the way to a server, straight or through the connection to its bastion, when the server has greeted.

    Who leaves with an error leaves no connection behind.

    Raises:
        OSError, asyncssh.Error: it did not greet within the limit.
    """
    way = Way()
    try:
        with anyio.fail_after(limit_s):
            await _dial(way, address, port, through)
            await way.greeted()
        yield way
    except BaseException:
        way.abort()
        raise


async def _dial(way: Way, address: str, port: int, through: Connection | None) -> None:
    if through:
        await through.create_connection(lambda: cast(Session, way), address, port)
    else:
        await asyncio.get_running_loop().create_connection(lambda: way, address, port)
