"""What happens when a command or its connection goes wrong, on a pretend server and on a real OpenSSH server alike."""

import os
import signal
from collections.abc import AsyncGenerator, Awaitable
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from ink_infra_mcp.core.errors import CommandFailed, ConfigError, HostUnreachable
from ink_infra_mcp.core.redact import Redactor
from ink_infra_mcp.core.secret import Secret
from ink_infra_mcp.ssh.command import CommandResult
from ink_infra_mcp.ssh.exchange import OUTPUT_CAP_BYTES
from tests.clock import FakeClock
from tests.ssh.openssh import openssh
from tests.ssh.servers import NAME, Far, PretendServer, RealServer, eventually, far, look, permit, pool_of, script

pytestmark = pytest.mark.anyio

LIMIT_S = 60
SECRET = "correct-horse-battery-staple"


@pytest.fixture(params=["sandbox", "openssh"])
async def server(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[Far]:
    """Give each test both kinds of server."""
    async with far(str(request.param), tmp_path) as there:
        yield there


@pytest.fixture
async def real(tmp_path: Path) -> AsyncGenerator[RealServer]:
    """Give a real OpenSSH server."""
    with openssh(tmp_path) as sshd:
        yield RealServer(sshd)


async def until_gone(pid: int) -> None:
    """Wait until no process has that number."""
    while True:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        await anyio.sleep(0.01)


def fifo(folder: Path) -> Path:
    """Return a pipe with a name, through which a command says that it has begun."""
    path = folder / "begun"
    os.mkfifo(path)
    return path


async def first_words(pipe: Path) -> str:
    """Wait until somebody writes into the pipe, and return what."""
    return await anyio.to_thread.run_sync(lambda: pipe.read_text(encoding="utf-8"), abandon_on_cancel=True)


async def cut(server: Far) -> None:
    """Break every connection of the server, as a crash does."""
    if isinstance(server, PretendServer):
        await server.ssh.aclose()
    elif isinstance(server, RealServer):
        server.sshd.signal_connections(signal.SIGKILL)


async def test_a_command_that_does_not_end_is_killed_on_the_server(server: Far, tmp_path: Path) -> None:
    """After its time limit the command is gone from the server, and its words until then are kept."""
    endless = script('echo $$; trap "" TERM; while :; do sleep 30; done', timeout_s=0.5)
    async with pool_of(server.host, key=server.key, connect_to=server.connect_to) as pool:
        with anyio.fail_after(LIMIT_S):
            with pytest.raises(CommandFailed, match=r"did not end within 0\.5 s\.") as caught:
                await pool.run(NAME, endless)
            await until_gone(int(caught.value.untrusted_output))
            assert (await pool.run(NAME, look("cat", stdin=b"x"))).stdout == "x"
    assert (caught.value.done, caught.value.exit_status) == ("Nothing was changed.", None)


async def test_a_changing_command_out_of_time_says_that_it_was_stopped_part_way(server: Far) -> None:
    """Nobody may believe that nothing happened."""
    slow = script("sleep 30", timeout_s=0.2, changes=True)
    async with pool_of(server.host, key=server.key, connect_to=server.connect_to) as pool:
        with anyio.fail_after(LIMIT_S), pytest.raises(CommandFailed) as caught:
            await pool.run(NAME, slow, permit=permit())
    assert caught.value.done == "It was stopped part-way: what it had changed until then stays changed."


async def test_a_caller_that_goes_away_leaves_no_command_behind(server: Far, tmp_path: Path) -> None:
    """A cancelled call kills its command, and the connection stays good for others."""
    begun, pid = fifo(tmp_path), 0
    async with pool_of(server.host, key=server.key, connect_to=server.connect_to) as pool:
        with anyio.fail_after(LIMIT_S):
            async with anyio.create_task_group() as group:
                group.start_soon(pool.run, NAME, script(f"echo $$ >{begun}; exec sleep 30"))
                pid = int(await first_words(begun))
                group.cancel_scope.cancel()
            await until_gone(pid)
            assert (await pool.run(NAME, look("cat", stdin=b"x"))).stdout == "x"
            await eventually(server.logins, 1)


@pytest.mark.parametrize("changes", [False, True])
async def test_a_connection_that_breaks_mid_command_is_reported_and_never_repeated(
    server: Far, tmp_path: Path, changes: bool
) -> None:
    """A command that may have started is not sent again; for a change the message says that nobody knows."""
    begun, ran = fifo(tmp_path), tmp_path / "ran"
    command = script(f"echo ran >>{ran}; echo begun >{begun}; sleep 5", changes=changes)
    async with pool_of(server.host, key=server.key, connect_to=server.connect_to) as pool:
        with anyio.fail_after(LIMIT_S):
            async with anyio.create_task_group() as group:
                group.start_soon(_breaks, pool.run(NAME, command, permit=permit()), changes)
                assert await first_words(begun) == "begun\n"
                await cut(server)
    assert ran.read_text(encoding="utf-8") == "ran\n"


async def _breaks(call: Awaitable[object], changes: bool) -> None:
    with pytest.raises(HostUnreachable, match="broke while") as caught:
        await call
    unsure = "The command had been sent: it is not known whether it ran to its end."
    assert caught.value.done == (unsure if changes else "Nothing was changed.")


async def test_output_beyond_the_cap_is_dropped_and_said_to_be(server: Far) -> None:
    """Of standard output the beginning is kept, of standard error the end; the command still runs to its end."""
    text = (
        'i=0; while [ $i -lt 1200 ]; do printf "%01024d" $i; printf "%01024d" $i >&2; i=$((i+1)); done; printf end >&2'
    )
    async with pool_of(server.host, key=server.key, connect_to=server.connect_to) as pool:
        with anyio.fail_after(LIMIT_S):
            said = await pool.run(NAME, script(text))
    assert (said.exit_status, said.truncated) == (0, True)
    assert (len(said.stdout), len(said.stderr)) == (OUTPUT_CAP_BYTES, OUTPUT_CAP_BYTES)
    assert said.stdout.startswith("0" * 1024 + "0" * 1023 + "1")
    assert said.stderr.endswith("1199end")


async def test_bytes_that_are_not_text_do_no_harm(server: Far) -> None:
    """A program may say anything."""
    async with pool_of(server.host, key=server.key, connect_to=server.connect_to) as pool:
        with anyio.fail_after(LIMIT_S):
            said = await pool.run(NAME, script(r'printf "a\377b"'))
    assert said == CommandResult(exit_status=0, stdout="a\ufffdb", stderr="")


async def test_a_command_ended_by_a_signal_has_the_status_that_a_shell_would_say(server: Far) -> None:
    """128 and the number of the signal."""
    async with pool_of(server.host, key=server.key, connect_to=server.connect_to) as pool:
        with anyio.fail_after(LIMIT_S):
            said = await pool.run(NAME, script("kill -9 $$"))
    assert said.exit_status in (128 + signal.SIGKILL, 137)


async def test_a_checked_command_fails_with_its_own_words_cleaned_and_redacted(server: Far) -> None:
    """The error carries the end of what the command said, without control characters and without secrets."""
    redact = Redactor([Secret(SECRET)])
    split = SECRET[:9] + r"\033[31m" + SECRET[9:]
    async with pool_of(server.host, key=server.key, connect_to=server.connect_to, redact=redact) as pool:
        with anyio.fail_after(LIMIT_S), pytest.raises(CommandFailed) as caught:
            await pool.run(NAME, script(rf'printf "no: {split}\n" >&2; exit 3'), check=True)
    assert (caught.value.exit_status, caught.value.untrusted_output) == (3, "no: (28 characters hidden)")
    assert caught.value.done == "Nothing was changed."


async def test_a_secret_goes_through_stdin_and_is_in_no_list_of_processes(server: Far) -> None:
    """What a command reads arrives whole, and no process that can be seen has it among its words."""
    listing = 'read -r got; printf "%s\\n" "$got"; for f in /proc/[0-9]*/cmdline; do cat "$f" 2>/dev/null; done'
    processes = script(listing)
    if isinstance(server, PretendServer):
        processes = script('read -r got; printf "%s\\n" "$got"')
    command = type(processes)(processes.words, changes=False, stdin=Secret(f"{SECRET}\n"))
    async with pool_of(server.host, key=server.key, connect_to=server.connect_to) as pool:
        with anyio.fail_after(LIMIT_S):
            said = await pool.run(NAME, command)
    first, _, rest = said.stdout.partition("\n")
    assert first == SECRET
    assert SECRET not in rest
    assert SECRET not in command.line


async def test_a_command_that_reads_nothing_may_get_much(server: Far) -> None:
    """A program that ends before it has read its input is no error of ours."""
    async with pool_of(server.host, key=server.key, connect_to=server.connect_to) as pool:
        with anyio.fail_after(LIMIT_S):
            said = await pool.run(NAME, look("true", stdin=b"x" * 3_000_000))
    assert said.exit_status == 0


async def test_a_dead_kept_connection_is_replaced_before_anything_is_sent(real: RealServer) -> None:
    """The server's process for our connection died: the next command simply gets a new one."""
    async with pool_of(real.host, key=real.key, connect_to=real.connect_to) as pool:
        with anyio.fail_after(LIMIT_S):
            await pool.run(NAME, look("true"))
            real.sshd.signal_connections(signal.SIGKILL)
            assert (await pool.run(NAME, look("cat", stdin=b"x"))).stdout == "x"
            await eventually(real.logins, 2)


async def test_a_dead_bastion_connection_is_replaced_with_what_led_through_it(real: RealServer) -> None:
    """When the way to a server died, both its halves are made anew."""
    bastion = real.host.model_copy(update={"name": "bastion-1"})
    inner = real.host.model_copy(update={"bastion": "bastion-1"})
    async with pool_of(bastion, inner, key=real.key, connect_to=real.connect_to) as pool:
        with anyio.fail_after(LIMIT_S):
            await pool.run(NAME, look("true"))
            real.sshd.signal_connections(signal.SIGKILL)
            assert (await pool.run(NAME, look("cat", stdin=b"x"))).stdout == "x"
            await eventually(real.logins, 4)


async def test_a_kept_connection_that_is_silent_is_replaced_too(real: RealServer) -> None:
    """Nobody said that the connection is dead (a frozen peer, a router that forgot): it does not answer, so it is."""
    async with pool_of(real.host, key=real.key, connect_to=real.connect_to, connect_timeout_s=1) as pool:
        with anyio.fail_after(LIMIT_S):
            await pool.run(NAME, look("true"))
            real.sshd.signal_connections(signal.SIGSTOP)
            assert (await pool.run(NAME, look("cat", stdin=b"x"))).stdout == "x"
            await eventually(real.logins, 2)


async def test_an_idle_connection_is_not_used_again(server: Far) -> None:
    """A connection that nobody used for the time it may be kept is replaced."""
    clock = FakeClock()
    async with pool_of(server.host, key=server.key, connect_to=server.connect_to, clock=clock, keep_s=300) as pool:
        with anyio.fail_after(LIMIT_S):
            await pool.run(NAME, look("true"))
            clock.advance(299)
            await pool.run(NAME, look("true"))
            await eventually(server.logins, 1)
            clock.advance(300)
            await pool.run(NAME, look("true"))
            await eventually(server.logins, 2)


async def test_a_login_key_that_cannot_be_read_is_named_without_its_text(server: Far) -> None:
    """The message says where the key came from, not what it is."""
    async with pool_of(server.host, key=f"{SECRET} is no key", connect_to=server.connect_to) as pool:
        with anyio.fail_after(LIMIT_S), pytest.raises(ConfigError, match="a test") as caught:
            await pool.run(NAME, look("true"))
    assert SECRET not in str(caught.value)
