"""A new server's host key is noted when its provider told it, whole, and never otherwise; over real SSH servers."""

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import anyio
import pytest

from ink_infra_mcp.core.errors import HostUnreachable, StepFailed
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.redact import Redactor
from ink_infra_mcp.core.step import result_of
from ink_infra_mcp.core.told_keys import ToldKey, md5_fingerprint, seen_key
from ink_infra_mcp.hosts.host_keys.steps import HostKeySteps
from ink_infra_mcp.hosts.host_keys.telling import told_host_key
from ink_infra_mcp.sandbox.hosts import serve_hosts
from ink_infra_mcp.sandbox.hosts.serve import SshHosts
from ink_infra_mcp.sandbox.state_hosts import HostState
from ink_infra_mcp.ssh.pool import HostPool
from tests.clients.steps import Steps
from tests.clock import FakeClock
from tests.sandbox.pretend import pretend_world

pytestmark = pytest.mark.anyio
ADDRESS = "192.0.2.21"
KIND = "hosts.note_told_host_key"
OTHER = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"


@pytest.fixture
async def hosts(tmp_path: Path) -> AsyncGenerator[SshHosts]:
    """Give a real SSH server with a fresh host key."""
    clock = FakeClock()
    world = pretend_world(tmp_path, lambda: clock.now().timestamp())
    with world.change() as state:
        state.hosts = {"metal-1": HostState(name="metal-1", address=ADDRESS, role="muscle")}
    with anyio.fail_after(90):
        async with await serve_hosts(world) as served:
            yield served


@pytest.fixture
async def pool(hosts: SshHosts) -> AsyncGenerator[HostPool]:
    """Give the way there, without any login key."""
    async with HostPool(
        {}, login=lambda: None, clock=FakeClock(), redact=Redactor([]), connect_to=hosts.connect_to
    ) as pool:
        yield pool


def _told(public: str) -> ToldKey:
    return ToldKey(kind="ed25519", bits=256, fingerprint=f"MD5:{md5_fingerprint(public)}")


async def _note(pool: HostPool, *told: ToldKey, results: JsonObject | None = None, **other: Any) -> JsonObject:
    steps = Steps(HostKeySteps(pool).handlers(), FakeClock())
    keys: list[Any] = [key.model_dump(mode="json") for key in told]
    steps.results["noted"] = {"host_keys": keys}
    params: JsonObject = {"address": ADDRESS, "host_keys": result_of("noted", "host_keys"), **other}
    return await steps.run(KIND, params)


async def test_the_told_key_is_noted_whole(hosts: SshHosts, pool: HostPool) -> None:
    """What is pinned afterwards is the public key itself, and nobody logged in to learn it."""
    public = hosts.doors["metal-1"].host_public_key
    assert await _note(pool, _told(OTHER), _told(public)) == {"host_key": public}
    assert await told_host_key(pool, ADDRESS, [_told(public)]) == public
    seen = seen_key(public)
    assert seen is not None
    assert await told_host_key(pool, ADDRESS, [seen]) == public
    assert hosts.logins == []


async def test_a_server_that_shows_another_key_is_given_up_and_never_trusted(pool: HostPool) -> None:
    """After twenty minutes the error names what was told; nothing is returned that could be pinned."""
    with pytest.raises(StepFailed, match=md5_fingerprint(OTHER)) as failed:
        await _note(pool, _told(OTHER))
    assert failed.value.done == "Nobody has logged in."
    assert await told_host_key(pool, ADDRESS, [_told(OTHER)]) is None


async def test_nothing_told_is_nothing_trusted(pool: HostPool) -> None:
    """Neither at once nor after waiting."""
    with pytest.raises(StepFailed, match="No host key was told"):
        await _note(pool)
    assert await told_host_key(pool, ADDRESS, []) is None


async def test_a_server_that_never_answers_is_unreachable(pool: HostPool, hosts: SshHosts) -> None:
    """It is waited for, and then said so."""
    await hosts.aclose()
    with pytest.raises(HostUnreachable):
        await _note(pool, _told(OTHER))
