"""Servers that do not behave: closed, silent, not SSH at all, full, or without a shell for us."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import anyio
import anyio.abc
import asyncssh
import pytest
from asyncssh.constants import OPEN_CONNECT_FAILED

from ink_infra_mcp.core.errors import ConfigError, HostKeyChanged, HostUnreachable
from ink_infra_mcp.core.fleet import Host
from tests.clock import FakeClock
from tests.ssh.openssh import new_key
from tests.ssh.servers import NAME, look, pool_of

pytestmark = pytest.mark.anyio

LIMIT_S = 60
KEY = new_key()
LOGIN = KEY.export_private_key().decode()
PIN = KEY.export_public_key().decode()
NOWHERE: dict[tuple[str, int], tuple[str, int]] = {}


def at(port: int) -> Host:
    """Return a server of the fleet on loopback."""
    return Host(name=NAME, address="127.0.0.1", ssh_port=port, host_key=PIN)


@dataclass
class Odd:
    """An SSH server with a will of its own: it turns away the first `full` sessions, and may run no commands at all."""

    full: int = 0
    runs: bool = True
    stderr: str = ""
    port: int = 0
    asked: int = 0
    now: int = 0
    most: int = 0
    connections: list[asyncssh.SSHServerConnection] = field(default_factory=list[asyncssh.SSHServerConnection])

    def begin(self, end: Callable[[], None]) -> None:
        """Note how many commands run at once, and end this one in a moment."""
        self.now += 1
        self.most = max(self.most, self.now)
        asyncio.get_running_loop().call_later(0.02, self._end, end)

    def _end(self, end: Callable[[], None]) -> None:
        self.now -= 1
        end()


class _Session(asyncssh.SSHServerSession[str]):
    def __init__(self, odd: Odd) -> None:
        self._odd = odd

    def connection_made(self, chan: asyncssh.SSHServerChannel[str]) -> None:
        self._chan = chan

    def exec_requested(self, command: str) -> bool:
        return self._odd.runs

    def session_started(self) -> None:
        self._chan.write_stderr(self._odd.stderr)
        self._odd.begin(partial(self._chan.exit, 0))


class _Door(asyncssh.SSHServer):
    def __init__(self, odd: Odd) -> None:
        self._odd = odd

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._odd.connections.append(conn)

    def begin_auth(self, username: str) -> bool:
        return True

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        return True

    def session_requested(self) -> asyncssh.SSHServerSession[str]:
        self._odd.asked += 1
        if self._odd.asked <= self._odd.full:
            raise asyncssh.ChannelOpenError(OPEN_CONNECT_FAILED, "open failed")
        return _Session(self._odd)


@asynccontextmanager
async def odd_server(odd: Odd) -> AsyncGenerator[Odd]:
    """Run it on a loopback port."""
    server = await asyncssh.create_server(lambda: _Door(odd), "127.0.0.1", 0, config=None, server_host_keys=[KEY])
    odd.port = server.get_port()
    try:
        yield odd
    finally:
        server.close()
        await server.wait_closed()
        for connection in odd.connections:
            connection.abort()
            await connection.wait_closed()


@asynccontextmanager
async def plain_server(says: bytes) -> AsyncGenerator[tuple[int, list[int]]]:
    """Accept connections, say something, and never anything more; give the port and a list that counts them."""
    accepted: list[int] = []

    async def greet(stream: anyio.abc.SocketStream) -> None:
        accepted.append(1)
        async with stream:
            await stream.send(says)
            # one that has not greeted hears nothing of us
            with suppress(anyio.EndOfStream):
                await stream.receive()
                await anyio.sleep_forever()

    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, greet)
        yield int(listener.extra_attributes[anyio.abc.SocketAttribute.local_port]()), accepted
        group.cancel_scope.cancel()


async def test_a_closed_port_is_unreachable_and_nothing_was_sent() -> None:
    """The message has the address and what to check."""
    async with plain_server(b"") as (port, _):
        pass
    async with pool_of(at(port), key=LOGIN, connect_to=NOWHERE) as pool:
        with anyio.fail_after(LIMIT_S), pytest.raises(HostUnreachable) as caught:
            await pool.run(NAME, look("true"))
    assert f"127.0.0.1 port {port}" in caught.value.failed
    assert (caught.value.done, caught.value.retryable) == ("Nothing was sent to it.", True)


@pytest.mark.parametrize("says", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"SSH-2.0-Odd\r\n"])
async def test_a_server_that_is_silent_or_speaks_something_else_is_given_up_in_time(says: bytes) -> None:
    """A frozen sshd, a web server on port 22, a half-dead peer: all end within the limit, for all who wait at once."""
    async with (
        plain_server(says) as (port, accepted),
        pool_of(at(port), key=LOGIN, connect_to=NOWHERE, connect_timeout_s=0.3) as pool,
    ):

        async def one() -> None:
            with pytest.raises(HostUnreachable):
                await pool.run(NAME, look("true"))

        with anyio.fail_after(LIMIT_S):
            async with anyio.create_task_group() as group:
                for _ in range(8):
                    group.start_soon(one)
        assert accepted == [1]


async def test_a_host_key_of_a_silent_server_is_not_waited_for() -> None:
    """A scan ends within the limit too, and names the address."""
    async with plain_server(b"") as (port, _), pool_of(key=LOGIN, connect_to=NOWHERE, connect_timeout_s=0.3) as pool:
        with anyio.fail_after(LIMIT_S), pytest.raises(HostUnreachable, match=r"127\.0\.0\.1 does not answer"):
            await pool.scan_host_key("127.0.0.1", port)


async def test_a_server_with_too_many_sessions_is_asked_again_a_little_later() -> None:
    """sshd frees a session later than the client sees it end; nothing ran, so asking again is safe."""
    clock = FakeClock()
    async with (
        odd_server(Odd(full=3)) as odd,
        pool_of(at(odd.port), key=LOGIN, connect_to=NOWHERE, clock=clock) as pool,
    ):
        with anyio.fail_after(LIMIT_S):
            assert (await pool.run(NAME, look("true"))).exit_status == 0
        assert (odd.asked, clock.slept) == (4, [0.05, 0.1, 0.2])


async def test_a_server_that_never_has_a_session_free_is_given_up() -> None:
    """There is an end to asking, and the message names the setting."""
    async with odd_server(Odd(full=1_000)) as odd, pool_of(at(odd.port), key=LOGIN, connect_to=NOWHERE) as pool:
        with anyio.fail_after(LIMIT_S), pytest.raises(HostUnreachable, match="runs no command") as caught:
            await pool.run(NAME, look("true"))
    assert "MaxSessions" in caught.value.next
    assert odd.asked == 6


async def test_a_server_that_runs_no_commands_for_us_is_asked_once() -> None:
    """An account without a shell stays one."""
    async with odd_server(Odd(runs=False)) as odd, pool_of(at(odd.port), key=LOGIN, connect_to=NOWHERE) as pool:
        with anyio.fail_after(LIMIT_S), pytest.raises(HostUnreachable, match="runs no command"):
            await pool.run(NAME, look("true"))
    assert odd.asked == 1


@pytest.mark.parametrize("before", ["", "bash: warning: setlocale: LC_ALL\n", "no new line"])
async def test_what_a_login_shell_says_first_does_no_harm(before: str) -> None:
    """The line about the process group is found and taken out wherever it stands; all else is the command's."""
    noisy = Odd(stderr=f"{before}ink-pid 4711\nink-pid 1\nerr")
    async with odd_server(noisy) as odd, pool_of(at(odd.port), key=LOGIN, connect_to=NOWHERE) as pool:
        with anyio.fail_after(LIMIT_S):
            assert (await pool.run(NAME, look("true"))).stderr == f"{before}ink-pid 1\nerr"


async def test_a_persons_own_ssh_configuration_changes_nothing(private_environment: Path) -> None:
    """Neither ~/.ssh/config nor ~/.ssh/known_hosts can send us elsewhere or make us trust a key."""
    folder = private_environment / ".ssh"
    folder.mkdir()
    (folder / "config").write_text("Host *\n  Port 1\n  User nobody\n  ProxyCommand false\n", encoding="utf-8")
    stranger = new_key().export_public_key().decode()
    async with odd_server(Odd()) as odd:
        (folder / "known_hosts").write_text(f"[127.0.0.1]:{odd.port} {PIN}\n", encoding="utf-8")
        wrong = at(odd.port).model_copy(update={"name": "muscle-2", "host_key": stranger})
        async with pool_of(at(odd.port), wrong, key=LOGIN, connect_to=NOWHERE) as pool:
            with anyio.fail_after(LIMIT_S):
                assert (await pool.run(NAME, look("true"))).exit_status == 0
                with pytest.raises(HostKeyChanged):
                    await pool.run("muscle-2", look("true"))


async def test_one_server_never_runs_more_than_four_commands_at_once() -> None:
    """OpenSSH allows ten sessions, and refuses some of them from six on."""
    async with odd_server(Odd()) as odd, pool_of(at(odd.port), key=LOGIN, connect_to=NOWHERE) as pool:
        with anyio.fail_after(LIMIT_S):
            async with anyio.create_task_group() as group:
                for _ in range(12):
                    group.start_soon(pool.run, NAME, look("true"))
        assert (odd.most, odd.asked, len(odd.connections)) == (4, 12, 1)


async def test_all_servers_together_run_no_more_than_the_fan_out() -> None:
    """The limit counts over all servers."""
    async with odd_server(Odd()) as odd:
        hosts = [at(odd.port).model_copy(update={"name": f"muscle-{n}"}) for n in range(5)]
        async with pool_of(*hosts, key=LOGIN, connect_to=NOWHERE, fan_out=2) as pool:
            with anyio.fail_after(LIMIT_S):
                async with anyio.create_task_group() as group:
                    for host in hosts:
                        group.start_soon(pool.run, host.name, look("true"))
        assert (odd.most, odd.asked, len(odd.connections)) == (2, 5, 5)


async def test_an_idle_connection_is_closed_although_nobody_calls() -> None:
    """A server that nobody asks for a while is left in peace."""
    clock = FakeClock()
    async with (
        odd_server(Odd()) as odd,
        pool_of(at(odd.port), key=LOGIN, connect_to=NOWHERE, clock=clock, keep_s=0.05) as pool,
    ):
        with anyio.fail_after(LIMIT_S):
            await pool.run(NAME, look("true"))
            clock.advance(1)
            await odd.connections[0].wait_closed()


@pytest.mark.parametrize(
    ("bastions", "words"), [({NAME: "b", "b": NAME}, "in a circle: muscle-1 -> b -> muscle-1"), ({NAME: "b"}, "'b'")]
)
async def test_bastions_that_lead_nowhere_are_a_mistake_in_the_configuration(
    bastions: dict[str, str], words: str
) -> None:
    """No connection is tried on a way that has no end."""
    hosts = [at(1).model_copy(update={"name": name, "bastion": bastion}) for name, bastion in bastions.items()]
    async with pool_of(*hosts, key=LOGIN, connect_to=NOWHERE) as pool:
        with anyio.fail_after(LIMIT_S), pytest.raises(ConfigError, match=words):
            await pool.run(NAME, look("true"))


async def test_trouble_with_a_bastion_is_named_as_the_bastions() -> None:
    """A person looks at the right machine."""
    bastion = at(1).model_copy(update={"name": "bastion-1"})
    async with pool_of(
        at(22).model_copy(update={"bastion": "bastion-1"}), bastion, key=LOGIN, connect_to=NOWHERE
    ) as pool:
        with anyio.fail_after(LIMIT_S), pytest.raises(HostUnreachable) as caught:
            await pool.run(NAME, look("true"))
    assert caught.value.host == "bastion-1"


def test_a_pool_can_be_made_before_the_event_loop_runs() -> None:
    """The one place that wires everything is no coroutine."""
    pool = pool_of(at(1), key=LOGIN, connect_to=NOWHERE)

    async def use() -> None:
        async with pool:
            with pytest.raises(HostUnreachable):
                await pool.run(NAME, look("true"))

    anyio.run(use)


def test_ssh_is_not_loaded_before_it_is_needed() -> None:
    """A server that never speaks SSH does not pay for its library."""
    code = (
        "import sys, ink_infra_mcp.ssh.pool, ink_infra_mcp.hosts.facts.gathering;"
        "import ink_infra_mcp.hosts.docker.containers;"
        "sys.exit('asyncssh' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0
