"""Knocking at ports: an answer is told from a refusal, and a refusal from silence."""

import socket
import struct
import threading
from collections.abc import Generator
from contextlib import ExitStack, contextmanager, suppress

import pytest

from ink_infra_mcp.clients.knock import Endpoint, Knock

pytestmark = pytest.mark.anyio


@contextmanager
def _listening(backlog: int) -> Generator[socket.socket]:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(backlog)
        yield server


@contextmanager
def _silent() -> Generator[Endpoint]:
    """Linux drops a SYN for a full queue of connections that nobody accepts: to the client that is silence."""
    with ExitStack() as stack:
        server = stack.enter_context(_listening(0))
        where: Endpoint = server.getsockname()
        for _ in range(2):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(where)
        yield where


async def test_every_port_is_told_as_it_answers() -> None:
    """A listener is open, nobody is refused, a dropped packet is silent, a name that leads nowhere is unreachable."""
    with _listening(5) as listener, _silent() as silent:
        with _listening(1) as gone:
            refused: Endpoint = gone.getsockname()
        here: Endpoint = listener.getsockname()
        nowhere = ("host.invalid", 80)
        knock = Knock({("192.0.2.1", 80): here}, timeout_s=0.5)
        assert await knock.all([here, refused, silent, nowhere, ("192.0.2.1", 80), here]) == {
            here: "open",
            refused: "refused",
            silent: "silent",
            nowhere: "unreachable",
            ("192.0.2.1", 80): "open",
        }


@contextmanager
def _breaking_off() -> Generator[Endpoint]:
    """A listener that takes each connection and resets it at once."""
    with _listening(200) as server:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    caller, _ = server.accept()
                    caller.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    caller.close()

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield server.getsockname()
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join(5)


async def test_a_port_whose_listener_breaks_off_at_once_is_open() -> None:
    """A reset that comes before anybody has looked at the connection makes no refusal of it: somebody listens."""
    with _breaking_off() as where:
        asked = [(f"192.0.2.{number}", 80) for number in range(250)]
        knock = Knock(dict.fromkeys(asked, where), at_once=100, timeout_s=10)
        assert set((await knock.all(asked)).values()) == {"open"}


async def test_many_ports_are_asked_a_few_at_a_time() -> None:
    """With two places, twenty ports are all asked, and each has its answer."""
    with _listening(50) as listener:
        where: Endpoint = listener.getsockname()
        asked = [(f"192.0.2.{number}", 80) for number in range(20)]
        knock = Knock(dict.fromkeys(asked, where), at_once=2, timeout_s=5)
        assert await knock.all(asked) == dict.fromkeys(asked, "open")


async def test_a_confined_one_never_dials_an_address_that_is_only_an_example() -> None:
    """Where nothing else is mapped, no connect is made, and it is known beforehand."""
    with _listening(5) as listener:
        here: Endpoint = listener.getsockname()
        knock = Knock({("192.0.2.1", 80): here}, confined=True, timeout_s=5)
        assert (knock.may_try(here), knock.may_try(("192.0.2.1", 80))) == (False, True)
        assert await knock.all([here, ("192.0.2.1", 80)]) == {here: "unreachable", ("192.0.2.1", 80): "open"}
