"""Servers that say nothing hold up nobody else: they take no place before they greet, and lend the one they have."""

import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import anyio.abc
import pytest

from ink_infra_mcp.core.errors import HostUnreachable
from ink_infra_mcp.core.fleet import Host
from ink_infra_mcp.ssh.places import Places
from tests.ssh.openssh import openssh
from tests.ssh.servers import NAME, RealServer, look, pool_of

pytestmark = pytest.mark.anyio

LIMIT_S = 60
NEVER_S = 600.0


@dataclass
class Quiet:
    """A port where connections are accepted and nothing is said, or one line: who came, and who is spoken to."""

    port: int = 0
    says: bytes = b""
    hangs_up: bool = False
    came: anyio.Event = field(default_factory=anyio.Event)
    heard: int = 0
    most: int = 0

    async def meet(self, stream: anyio.abc.SocketStream) -> None:
        """Meet one caller."""
        self.came.set()
        async with stream:
            if self.hangs_up:
                return
            await stream.send(self.says)
            with suppress(anyio.EndOfStream, anyio.BrokenResourceError):
                await stream.receive()
                self.heard += 1
                self.most = max(self.most, self.heard)
                while True:
                    await stream.receive()
        self.heard -= 1 if self.says else 0


@asynccontextmanager
async def quiet(*, says: bytes = b"", hangs_up: bool = False) -> AsyncGenerator[Quiet]:
    """Run one."""
    one = Quiet(says=says, hangs_up=hangs_up)
    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener, anyio.create_task_group() as group:
        one.port = int(listener.extra_attributes[anyio.abc.SocketAttribute.local_port]())
        group.start_soon(listener.serve, one.meet)
        yield one
        group.cancel_scope.cancel()


@pytest.fixture
def real(tmp_path: Path) -> Generator[RealServer]:
    """Give a real OpenSSH server."""
    with openssh(tmp_path) as sshd:
        yield RealServer(sshd)


def named(name: str, like: Host, **changes: object) -> Host:
    """Return another server on loopback."""
    return like.model_copy(update={"name": name, **changes})


@pytest.mark.parametrize("bastion", [None, NAME])
async def test_a_server_that_does_not_greet_takes_no_place_from_another(real: RealServer, bastion: str | None) -> None:
    """With a single place and a silent server asked first, others are served, also where both are behind a bastion."""
    async with quiet() as there:
        silent = named("muscle-8", real.host, ssh_port=there.port, bastion=bastion)
        well = named("muscle-9", real.host, bastion=bastion)
        async with pool_of(
            real.host, silent, well, key=real.key, connect_to=real.connect_to, fan_out=1, connect_timeout_s=NEVER_S
        ) as pool:
            with anyio.fail_after(LIMIT_S):
                async with anyio.create_task_group() as group:
                    group.start_soon(pool.run, "muscle-8", look("true"))
                    await there.came.wait()
                    for _ in range(2):
                        assert (await pool.run("muscle-9", look("cat", stdin=b"x"))).stdout == "x"
                    group.cancel_scope.cancel()


async def test_no_more_logins_than_places_go_on_at_once(real: RealServer) -> None:
    """Servers that have greeted are logged in to one after the other, where there is one place."""
    async with quiet(says=b"SSH-2.0-Odd\r\n") as there:
        hosts = [named(f"muscle-{n}", real.host, ssh_port=there.port) for n in range(4)]
        async with pool_of(*hosts, key=real.key, connect_to=real.connect_to, fan_out=1, connect_timeout_s=0.2) as pool:

            async def one(host: Host) -> None:
                with pytest.raises(HostUnreachable, match=r"no answer within 0\.2 s"):
                    await pool.run(host.name, look("true"))

            with anyio.fail_after(LIMIT_S):
                async with anyio.create_task_group() as group:
                    for host in hosts:
                        group.start_soon(one, host)
    # one that has just been left may not know it yet
    assert 1 <= there.most <= 2


async def test_a_server_that_hangs_up_without_a_greeting_is_not_waited_for(real: RealServer) -> None:
    """sshd does so with an address that it has shut out: that is an answer, and at once."""
    async with quiet(hangs_up=True) as there:
        host = named(NAME, real.host, ssh_port=there.port)
        async with pool_of(host, key=real.key, connect_to=real.connect_to, connect_timeout_s=NEVER_S) as pool:
            with anyio.fail_after(LIMIT_S), pytest.raises(HostUnreachable, match="Connection lost") as caught:
                await pool.run(NAME, look("true"))
    assert caught.value.done == "Nothing was sent to it."


async def test_the_place_of_a_silent_server_is_lent_until_it_answers() -> None:
    """Another one begins meanwhile; after the answer both count, and nobody else begins before both have ended."""
    places = Places(1, quiet_s=0)
    began = {name: anyio.Event() for name in "ab"}
    ends = {name: anyio.Event() for name in "ab"}

    async def other(name: str) -> None:
        async with places.taken() as answered:
            answered()
            began[name].set()
            await ends[name].wait()

    with anyio.fail_after(LIMIT_S):
        async with anyio.create_task_group() as group:
            async with places.taken() as answered:
                group.start_soon(other, "a")
                await began["a"].wait()
                answered()
                group.start_soon(other, "b")
                ends["a"].set()
                await anyio.wait_all_tasks_blocked()
                assert not began["b"].is_set()
            await began["b"].wait()
            ends["b"].set()


async def test_a_place_is_not_lent_once_the_server_has_answered() -> None:
    """A command that runs keeps its place however long it takes."""
    places = Places(1, quiet_s=0)
    began, later = anyio.Event(), anyio.Event()

    async def other() -> None:
        async with places.taken():
            began.set()

    with anyio.fail_after(LIMIT_S):
        async with anyio.create_task_group() as group, places.taken() as answered:
            answered()
            group.start_soon(other)
            # a timer of the place's own would have been due before this one
            asyncio.get_running_loop().call_later(0, later.set)
            await later.wait()
            await anyio.wait_all_tasks_blocked()
            assert not began.is_set()
