"""What the pool promises, tried on a pretend server and on a real OpenSSH server alike."""

import os
import signal
from collections.abc import AsyncGenerator
from pathlib import Path

import anyio
import asyncssh
import pytest

from ink_infra_mcp.core.errors import (
    CommandFailed,
    HostError,
    HostKeyChanged,
    HostLoginRefused,
    HostUnreachable,
    InkError,
    UnknownName,
    WriteRefused,
)
from ink_infra_mcp.core.fleet import Host
from ink_infra_mcp.core.redact import Redactor
from ink_infra_mcp.core.secret import MASK, Secret
from ink_infra_mcp.hosts.command import CommandResult, HostCommand
from ink_infra_mcp.hosts.wire import OUTPUT_CAP_BYTES
from tests.clock import FakeClock
from tests.hosts.servers import NAME, Far, far, permit, pool_of

pytestmark = pytest.mark.anyio

LIMIT_S = 20
SECRET = "correct-horse-battery-staple"


def new_key() -> asyncssh.SSHKey:
    """Return a fresh key that no server knows."""
    return asyncssh.generate_private_key("ssh-ed25519")  # pyright: ignore[reportUnknownMemberType] - its **kwargs


def look(*words: str, timeout_s: float = 10, stdin: bytes | Secret | None = None) -> HostCommand:
    """Return a command that changes nothing."""
    return HostCommand(words, changes=False, timeout_s=timeout_s, stdin=stdin)


def script(text: str, *arguments: str, timeout_s: float = 10, changes: bool = False) -> HostCommand:
    """Return a command that runs a small script."""
    return HostCommand(("sh", "-c", text, "sh", *arguments), changes=changes, timeout_s=timeout_s)


@pytest.fixture(params=["sandbox", "openssh"])
async def server(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[Far]:
    """Give each test both kinds of server."""
    async with far(str(request.param), tmp_path) as there:
        yield there


async def until_gone(pid: int) -> None:
    """Wait until no process has that number."""
    while True:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        await anyio.sleep(0.01)


async def test_a_command_runs_and_says_how_it_ended(server: Far) -> None:
    """Both outputs and the exit status come back as they are."""
    async with pool_of(server.host, key=server.key, connect_to=server.connect_to) as pool:
        with anyio.fail_after(LIMIT_S):
            said = await pool.run(NAME, script("echo out; echo err >&2; exit 7"))
    assert said == CommandResult(exit_status=7, stdout="out\n", stderr="err\n")


async def test_hostile_words_reach_the_program_unchanged(server: Far) -> None:
    """What was proved for a shell holds for the whole way through SSH."""
    words = ("$(id)", "a'b\"c", "x\ny", "*", "", "; exit 9", "é😀")
    async with pool_of(server.host, key=server.key, connect_to=server.connect_to) as pool:
        with anyio.fail_after(LIMIT_S):
            said = await pool.run(NAME, script(r'printf "%s\0" "$@"', *words))
    assert said.stdout == "".join(f"{word}\0" for word in words)


async def test_twenty_commands_at_once_share_one_connection(server: Far) -> None:
    """Commands are multiplexed: one login, and none of them is turned away for want of a session."""
    async with pool_of(server.host, key=server.key, connect_to=server.connect_to) as pool:
        said: dict[int, str] = {}

        async def one(number: int) -> None:
            said[number] = (await pool.run(NAME, look("cat", stdin=str(number).encode()))).stdout

        with anyio.fail_after(LIMIT_S):
            async with anyio.create_task_group() as group:
                for number in range(20):
                    group.start_soon(one, number)
        assert said == {number: str(number) for number in range(20)}
        assert server.logins() == 1


async def test_a_command_that_changes_something_needs_a_live_permit(server: Far) -> None:
    """Without a permit, or with one that has ended, nothing is sent: no connection is even made."""
    ended = permit()
    ended.revoke()
    change = script("echo changed", changes=True)
    async with pool_of(server.host, key=server.key, connect_to=server.connect_to) as pool:
        with anyio.fail_after(LIMIT_S):
            for bad in (None, ended):
                with pytest.raises(WriteRefused):
                    await pool.run(NAME, change, permit=bad)
            assert (server.logins(), server.refusals()) == (0, 0)
            assert (await pool.run(NAME, change, permit=permit())).stdout == "changed\n"


async def test_another_host_key_than_the_pinned_one_stops_everything(server: Far) -> None:
    """Nothing is sent to a server that shows another key, and the message has both fingerprints."""
    other = new_key()
    wrong = server.host.model_copy(update={"host_key": other.export_public_key().decode()})
    async with pool_of(wrong, key=server.key, connect_to=server.connect_to) as pool:
        with anyio.fail_after(LIMIT_S), pytest.raises(HostKeyChanged) as caught:
            await pool.run(NAME, look("cat"))
    shown = asyncssh.import_public_key(server.host.host_key).get_fingerprint()
    assert caught.value.done == "Nothing was sent to it."
    assert shown in caught.value.failed
    assert other.get_fingerprint() in caught.value.failed
    assert (server.logins(), server.refusals()) == (0, 0)


async def test_a_pinned_key_of_another_kind_is_named_too(server: Far) -> None:
    """A server that no longer has the kind of key that is pinned is a changed server, not an unreachable one."""
    ecdsa = asyncssh.generate_private_key("ecdsa-sha2-nistp256")  # pyright: ignore[reportUnknownMemberType] - its **kwargs
    wrong = server.host.model_copy(update={"host_key": ecdsa.export_public_key().decode()})
    async with pool_of(wrong, key=server.key, connect_to=server.connect_to) as pool:
        with anyio.fail_after(LIMIT_S), pytest.raises(HostKeyChanged):
            await pool.run(NAME, look("cat"))


async def test_one_of_several_pinned_keys_is_enough(server: Far) -> None:
    """A server may have several keys, one a line."""
    two = server.host.model_copy(
        update={"host_key": f"{new_key().export_public_key().decode()}\n{server.host.host_key} host"}
    )
    async with pool_of(two, key=server.key, connect_to=server.connect_to) as pool:
        with anyio.fail_after(LIMIT_S):
            assert (await pool.run(NAME, look("cat", stdin=b"x"))).stdout == "x"


@pytest.mark.parametrize(("pin", "words"), [("", "no pinned host key"), ("ssh-ed25519 nonsense", "is not an OpenSSH")])
async def test_a_server_without_a_usable_pin_is_never_connected_to(server: Far, pin: str, words: str) -> None:
    """There is no trust on first use; the message tells how to pin."""
    bare = server.host.model_copy(update={"host_key": pin})
    async with pool_of(bare, key=server.key, connect_to=server.connect_to) as pool:
        with anyio.fail_after(LIMIT_S), pytest.raises(HostError, match=words) as caught:
            await pool.run(NAME, look("cat"))
    assert "ink-infra-mcp init" in caught.value.next
    assert (server.logins(), server.refusals()) == (0, 0)


async def test_a_wrong_key_is_tried_once_and_not_again_for_a_minute(server: Far) -> None:
    """Servers lock out who keeps on asking: ten calls at once and one later make one attempt, the next minute one more."""
    clock = FakeClock()
    stranger = new_key().export_private_key().decode()
    async with pool_of(server.host, key=stranger, connect_to=server.connect_to, clock=clock) as pool:
        caught: list[InkError] = []

        async def one() -> None:
            with pytest.raises(HostLoginRefused) as refused:
                await pool.run(NAME, look("cat"))
            caught.append(refused.value)

        with anyio.fail_after(LIMIT_S):
            async with anyio.create_task_group() as group:
                for _ in range(10):
                    group.start_soon(one)
            clock.advance(59)
            await one()
            assert server.refusals() == 1
            assert "59 s ago" in caught[-1].failed
            clock.advance(2)
            await one()
            assert server.refusals() == 2
    assert len(caught) == 12


async def test_a_new_login_key_is_tried_at_once(server: Far) -> None:
    """The memory of a refusal is about that key: a person who mends the key need not wait."""
    keys = [new_key().export_private_key().decode(), server.key]
    pool = pool_of(server.host, key="", connect_to=server.connect_to)
    async with pool_of(server.host, key=keys[0], connect_to=server.connect_to) as pool:
        pool._login = lambda: Secret(keys[0])  # pyright: ignore[reportPrivateUsage]
        with anyio.fail_after(LIMIT_S):
            with pytest.raises(HostLoginRefused):
                await pool.run(NAME, look("cat"))
            assert (await pool.run(NAME, look("cat", stdin=b"x"))).stdout == "x"
