"""The pretend servers behave towards foreign SSH clients as servers do: logins, limits, refusals and trouble."""

import shutil
import subprocess
from collections.abc import AsyncGenerator
from pathlib import Path

import anyio
import anyio.to_thread
import asyncssh
import pytest

from ink_infra_mcp.sandbox.hosts import SshHosts, serve_hosts
from ink_infra_mcp.sandbox.state import Fault
from ink_infra_mcp.sandbox.state_hosts import HostState
from ink_infra_mcp.sandbox.world import World
from tests.hosts.servers import ADDRESS, NAME, new_key, world_of

pytestmark = pytest.mark.anyio

LIMIT_S = 20
NEIGHBOUR = HostState(name="muscle-2", address="192.0.2.12", role="muscle", cpus=4)


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Return a world with two Muscles."""
    return world_of(tmp_path, HostState(name=NAME, address=ADDRESS, role="muscle"), NEIGHBOUR)


@pytest.fixture
async def ssh(world: World) -> AsyncGenerator[SshHosts]:
    """Run its servers."""
    async with await serve_hosts(world) as servers:
        yield servers


def login(ssh: SshHosts, name: str = NAME, *, key: str = "", user: str = "root") -> "asyncssh.misc.ACMWrapper":
    """Connect with asyncssh's own client, with the host key checked."""
    door = ssh.doors[name]
    return asyncssh.connect(
        door.host,
        door.port,
        config=None,
        username=user,
        client_keys=[asyncssh.import_private_key(key or ssh.login_private_key)],
        agent_path=None,
        known_hosts=([asyncssh.import_public_key(door.host_public_key)], [], []),
    )
