"""What the pool promises, tried on a pretend server and on a real OpenSSH server alike."""

from collections.abc import AsyncGenerator
from pathlib import Path

import anyio
import asyncssh
import pytest

from ink_infra_mcp.core.errors import HostError, HostKeyChanged, HostLoginRefused, InkError, UnknownName, WriteRefused
from ink_infra_mcp.core.secret import Secret
from ink_infra_mcp.ssh.command import CommandResult
from tests.clock import FakeClock
from tests.ssh.openssh import new_key
from tests.ssh.servers import NAME, Far, eventually, far, look, permit, pool_of, script

pytestmark = pytest.mark.anyio

LIMIT_S = 60


@pytest.fixture(params=["sandbox", "openssh"])
async def server(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[Far]:
    """Give each test both kinds of server."""
    async with far(str(request.param), tmp_path) as there:
        yield there


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
        with anyio.fail_after(LIMIT_S):
            await eventually(server.logins, 1)


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
    """Servers lock out who keeps on asking: ten calls at once make one attempt, and a minute later one more."""
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
            await eventually(server.refusals, 1)
            assert "59 s ago" in caught[-1].failed
            clock.advance(2)
            await one()
            await eventually(server.refusals, 2)
    assert len(caught) == 12


async def test_a_new_login_key_is_tried_at_once(server: Far) -> None:
    """The memory of a refusal is about that key: a person who mends the key need not wait."""
    keys = [new_key().export_private_key().decode(), server.key]
    async with pool_of(server.host, key=lambda: Secret(keys[0]), connect_to=server.connect_to) as pool:
        with anyio.fail_after(LIMIT_S):
            with pytest.raises(HostLoginRefused):
                await pool.run(NAME, look("cat"))
            keys.pop(0)
            assert (await pool.run(NAME, look("cat", stdin=b"x"))).stdout == "x"


async def test_a_wrong_user_is_refused_like_a_wrong_key(server: Far) -> None:
    """The message names the user, which is the other thing that may be wrong."""
    nobody = server.host.model_copy(update={"ssh_user": "nobody9"})
    async with pool_of(nobody, key=server.key, connect_to=server.connect_to) as pool:
        with anyio.fail_after(LIMIT_S):
            with pytest.raises(HostLoginRefused, match="nobody9"):
                await pool.run(NAME, look("cat"))
            await eventually(server.refusals, 1)
    assert server.logins() == 0


async def test_a_host_key_is_read_without_logging_in(server: Far) -> None:
    """What `init` shows and pins is the key that the server really has, and no login is attempted for it."""
    async with pool_of(server.host, key=server.key, connect_to=server.connect_to) as pool:
        with anyio.fail_after(LIMIT_S):
            line = await pool.scan_host_key(server.host.address, server.host.ssh_port)
    assert line.split()[:2] == server.host.host_key.split()[:2]
    assert (server.logins(), server.refusals()) == (0, 0)


async def test_an_unknown_server_is_named_with_those_that_exist(server: Far) -> None:
    """A wrong name is the caller's mistake, and the message helps."""
    async with pool_of(server.host, key=server.key, connect_to=server.connect_to) as pool:
        with pytest.raises(UnknownName, match=f"'muscle-9'.*{NAME}"):
            await pool.run("muscle-9", look("cat"))


async def test_a_server_behind_a_bastion_is_reached_through_it(server: Far) -> None:
    """Both ends are pinned and logged in to; several commands use the same two connections."""
    bastion = server.host.model_copy(update={"name": "bastion-1"})
    inner = server.host.model_copy(update={"bastion": "bastion-1"})
    async with pool_of(bastion, inner, key=server.key, connect_to=server.connect_to) as pool:
        with anyio.fail_after(LIMIT_S):
            for _ in range(2):
                assert (await pool.run(NAME, look("cat", stdin=b"x"))).stdout == "x"
            await eventually(server.logins, 2)
