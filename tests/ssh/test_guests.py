"""Servers that the fleet does not have: known within a block, by the given host key alone."""

from collections.abc import AsyncGenerator
from pathlib import Path

import anyio
import asyncssh
import pytest

from ink_infra_mcp.core.errors import HostKeyChanged, HostLoginRefused, InputError, UnknownName
from ink_infra_mcp.core.secret import Secret
from ink_infra_mcp.sandbox.hosts import SshHosts, serve_hosts
from ink_infra_mcp.sandbox.state_hosts import HostState
from ink_infra_mcp.sandbox.state_logins import Logins
from ink_infra_mcp.ssh.guests import Guest
from ink_infra_mcp.ssh.pool import HostPool
from tests.ssh.openssh import new_key
from tests.ssh.servers import ADDRESS, NAME, look, pool_of, world_of

pytestmark = pytest.mark.anyio

LIMIT_S = 60
PASSWORD = Secret("a-password-of-the-world", source="a test")
OPEN = Logins(keys=[], password=PASSWORD.reveal(), settings=["PermitRootLogin yes"])
"""A server that was bought without a key."""


@pytest.fixture
async def ssh(tmp_path: Path) -> AsyncGenerator[SshHosts]:
    """Run one pretend server that takes a password and no key, and one that takes ours."""
    hosts = (
        HostState(name=NAME, address=ADDRESS, role="muscle"),
        HostState(name="bought", address="192.0.2.19", role="muscle", logins=OPEN),
    )
    async with await serve_hosts(world_of(tmp_path, *hosts)) as servers:
        yield servers


@pytest.fixture
async def pool(ssh: SshHosts) -> AsyncGenerator[HostPool]:
    """Give a pool that knows no server at all."""
    async with pool_of(key=ssh.login_private_key, connect_to=ssh.connect_to) as empty:
        yield empty


def guest(ssh: SshHosts, name: str = NAME, **more: object) -> Guest:
    """Return a server of the world as a guest."""
    address = {NAME: ADDRESS, "bought": "192.0.2.19"}[name]
    return Guest(**{"name": name, "address": address, "host_key": ssh.doors[name].host_public_key, **more})  # pyright: ignore[reportArgumentType] - texts


def print_of(line: str) -> str:
    """Return the fingerprint of a public key."""
    return asyncssh.import_public_key(line).get_fingerprint()


async def test_a_guest_is_known_within_its_block_and_to_nobody_after_it(ssh: SshHosts, pool: HostPool) -> None:
    """By its name, in this task and in those that it starts; nothing of it stays."""
    with anyio.fail_after(LIMIT_S):
        with pool.knowing(guest(ssh)) as knowing:
            assert (await knowing.run(NAME, look("nproc"))).stdout == "8\n"
            assert list(pool.hosts) == [NAME]
        assert list(pool.hosts) == []
        with pytest.raises(UnknownName):
            await pool.run(NAME, look("nproc"))


async def test_two_tasks_have_their_own_guests(ssh: SshHosts, pool: HostPool) -> None:
    """What one operation says of a name holds in no other one."""
    seen: dict[str, list[str]] = {}
    both = anyio.Event()

    async def one(name: str) -> None:
        with pool.knowing(guest(ssh, name)):
            if both.is_set():
                seen[name] = list(pool.hosts)
            else:
                both.set()
                await anyio.lowlevel.checkpoint()
                seen[name] = list(pool.hosts)

    with anyio.fail_after(LIMIT_S):
        async with anyio.create_task_group() as group:
            group.start_soon(one, NAME)
            group.start_soon(one, "bought")
    assert seen == {NAME: [NAME], "bought": ["bought"]}


async def test_a_fingerprint_pins_as_a_key_does(ssh: SshHosts, pool: HostPool) -> None:
    """As a provider's console shows it; another one is refused before any login."""
    key = ssh.doors[NAME].host_public_key
    with anyio.fail_after(LIMIT_S):
        with pool.knowing(guest(ssh, host_key=print_of(key))):
            assert (await pool.run(NAME, look("nproc"))).exit_status == 0
        stranger = new_key().get_fingerprint()
        with pool.knowing(guest(ssh, host_key=stranger)), pytest.raises(HostKeyChanged) as caught:
            await pool.run(NAME, look("nproc"))
    assert (stranger in caught.value.failed, print_of(key) in caught.value.failed) == (True, True)
    assert ssh.logins == [f"{NAME} root accepted"]


async def test_a_password_is_given_where_our_key_is_not_taken(ssh: SshHosts, pool: HostPool) -> None:
    """Only to the server with the right host key; without it, or once we come with our key alone, we stay outside."""
    with anyio.fail_after(LIMIT_S):
        with pool.knowing(guest(ssh, "bought", password=PASSWORD)):
            assert (await pool.run("bought", look("nproc"))).exit_status == 0
            assert await pool.password_ways("bought") == ("password",)
            with pool.by_key("bought"), pytest.raises(HostLoginRefused, match="does not accept our SSH key for user"):
                await pool.try_new_connection("bought")
        wrong = Secret("another", source="a test")
        with pool.knowing(guest(ssh, "bought", password=wrong)), pytest.raises(HostLoginRefused) as caught:
            await pool.try_new_connection("bought")
        other = " ".join(new_key().export_public_key().decode().split()[:2])
        with (
            pool.knowing(guest(ssh, "bought", password=PASSWORD, host_key=other)),
            pytest.raises(HostKeyChanged),
        ):
            await pool.try_new_connection("bought")
    assert "accepts neither our SSH key nor the password for user root" in caught.value.failed


async def test_our_public_key_is_known(ssh: SshHosts, pool: HostPool) -> None:
    """What has to be let in is told from the private key that we log in with."""
    private = asyncssh.import_private_key(ssh.login_private_key)
    with anyio.fail_after(LIMIT_S):
        own = await pool.own_public_keys()
    assert own == (" ".join(private.export_public_key().decode().split()[:2]),)


@pytest.mark.parametrize(
    "host_key", ["", " \n ", "SHA256:short", "ssh-ed25519", "*", "@cert-authority * ssh-ed25519 AAAA"]
)
def test_no_guest_is_trusted_blindly(host_key: str) -> None:
    """Without a key or a fingerprint there is no such value: whoever makes one has to have said which server it is."""
    with pytest.raises(InputError, match="No host key is given"):
        Guest(NAME, ADDRESS, host_key)


@pytest.mark.parametrize(
    "changes", [{"address": "a b"}, {"user": "root; id"}, {"port": 0}, {"name": "Muscle_1"}, {"bastion": "-x"}]
)
def test_a_guest_that_cannot_be_reached_as_given_is_refused(changes: dict[str, object]) -> None:
    """Names, addresses, ports and users are those that fleet.toml takes."""
    with pytest.raises(InputError, match="cannot be reached as given"):
        Guest(**{"name": NAME, "address": ADDRESS, "host_key": new_key().get_fingerprint(), **changes})  # pyright: ignore[reportArgumentType] - wrong on purpose
