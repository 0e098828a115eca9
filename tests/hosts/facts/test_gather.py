"""Facts of one server in one round trip, and of many at once, each with its own end."""

from collections.abc import AsyncGenerator
from pathlib import Path

import anyio
import pytest

from ink_infra_mcp.core.errors import (
    CommandFailed,
    ConfigError,
    HostError,
    HostKeyChanged,
    HostLoginRefused,
    HostUnreachable,
    UnknownName,
)
from ink_infra_mcp.core.fleet import Host
from ink_infra_mcp.hosts.facts.gathering import HostFacts, gather, gather_all
from ink_infra_mcp.hosts.readings import READINGS
from ink_infra_mcp.sandbox.hosts import SshHosts, serve_hosts
from ink_infra_mcp.sandbox.state import Fault
from ink_infra_mcp.sandbox.state_hosts import HostState
from ink_infra_mcp.sandbox.world import World
from tests.ssh.openssh import new_key
from tests.ssh.servers import pool_of, world_of

pytestmark = pytest.mark.anyio

LIMIT_S = 60
NAMES = ("muscle-1", "muscle-2", "muscle-3")


def fleet(ssh: SshHosts) -> list[Host]:
    """Return the servers as the fleet knows them."""
    return [
        Host(name=name, address=f"192.0.2.{n}", host_key=ssh.doors[name].host_public_key)
        for n, name in enumerate(NAMES, 11)
    ]


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Return a world with three Muscles."""
    return world_of(
        tmp_path, *(HostState(name=name, address=f"192.0.2.{n}", role="muscle") for n, name in enumerate(NAMES, 11))
    )


@pytest.fixture
async def ssh(world: World) -> AsyncGenerator[SshHosts]:
    """Run them."""
    async with await serve_hosts(world) as servers:
        yield servers


def kind(outcome: HostFacts | HostError) -> str:
    """Return what became of one server, in a word."""
    return type(outcome).__name__


async def test_all_facts_of_a_pretend_server_are_known(ssh: SshHosts, world: World) -> None:
    """The sandbox answers all that the script asks, and nothing of it was unknown there."""
    async with pool_of(*fleet(ssh), key=ssh.login_private_key, reads=READINGS, connect_to=ssh.connect_to) as pool:
        with anyio.fail_after(LIMIT_S):
            facts = await gather(pool, "muscle-1")
    assert (facts.unknown, facts.containers, facts.docker_version) == ({}, (), "28.5.1")
    assert (facts.memory_total_bytes, facts.memory_available_bytes) == (32 * 2**30, 30 * 2**30)
    assert world.read().journal == []


async def test_many_servers_are_asked_at_once_and_each_has_its_own_end(ssh: SshHosts, world: World) -> None:
    """One that is down, one that shows a wrong key and one that nobody pinned do not spoil the others."""
    with world.change() as state:
        state.hosts["muscle-2"].up = False
    one, two, three = fleet(ssh)
    wrong = three.model_copy(update={"host_key": new_key().export_public_key().decode()})
    bare = one.model_copy(update={"name": "muscle-4", "host_key": ""})
    async with pool_of(
        one, two, wrong, bare, key=ssh.login_private_key, reads=READINGS, connect_to=ssh.connect_to
    ) as pool:
        with anyio.fail_after(LIMIT_S):
            found = await gather_all(pool, (*NAMES, "muscle-4", "muscle-1"))
    assert {name: kind(outcome) for name, outcome in found.items()} == {
        "muscle-1": "HostFacts",
        "muscle-2": "HostUnreachable",
        "muscle-3": "HostKeyChanged",
        "muscle-4": "HostError",
    }
    assert isinstance(found["muscle-3"], HostKeyChanged)
    assert isinstance(found["muscle-2"], HostUnreachable)


async def test_what_concerns_every_server_is_raised_once(ssh: SshHosts) -> None:
    """A missing login key is not the fault of any server, and a name that nobody has is the caller's."""
    async with pool_of(*fleet(ssh), key="no key", reads=READINGS, connect_to=ssh.connect_to) as pool:
        with anyio.fail_after(LIMIT_S):
            with pytest.raises(ConfigError):
                await gather_all(pool, NAMES)
            with pytest.raises(UnknownName):
                await gather_all(pool, ("muscle-9",))


async def test_a_login_that_every_server_refuses_is_tried_once_on_each(ssh: SshHosts) -> None:
    """A fan-out with a wrong key does not hammer, and neither does the next one."""
    stranger = new_key().export_private_key().decode()
    async with pool_of(*fleet(ssh), key=stranger, reads=READINGS, connect_to=ssh.connect_to) as pool:
        with anyio.fail_after(LIMIT_S):
            for _ in range(3):
                found = await gather_all(pool, NAMES)
                assert all(isinstance(outcome, HostLoginRefused) for outcome in found.values())
    assert sorted(ssh.logins) == [f"{name} root refused" for name in NAMES]


async def test_a_server_without_a_posix_shell_says_so(ssh: SshHosts, world: World) -> None:
    """An account that cannot run the script gives an error, not a page of unknown facts."""
    with world.change() as state:
        state.faults = [Fault(system="ssh", match="sh -s", kind="status", status=127, body="sh: not found")]
    async with pool_of(*fleet(ssh), key=ssh.login_private_key, reads=READINGS, connect_to=ssh.connect_to) as pool:
        with anyio.fail_after(LIMIT_S), pytest.raises(CommandFailed) as caught:
            await gather(pool, "muscle-1")
    assert (caught.value.exit_status, caught.value.untrusted_output) == (127, "sh: not found")
