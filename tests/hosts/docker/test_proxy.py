"""What a server tells of its proxy: whether it runs, of which image, and which Traefik answers in it."""

from pathlib import Path

import anyio
import pytest

from ink_infra_mcp.core.errors import HostError
from ink_infra_mcp.core.proxy import ProxySeen
from ink_infra_mcp.hosts.docker.proxy import proxy_on
from ink_infra_mcp.sandbox.state import WorldState
from tests.clock import FakeClock
from tests.ink import ink

pytestmark = pytest.mark.anyio
HOST = "muscle-1"


async def seen(folder: Path, **changes: str) -> ProxySeen:
    """Return what is told of a proxy that was altered."""

    def alter(state: WorldState) -> None:
        (proxy,) = [c for c in state.hosts[HOST].containers if c.name == "coolify-proxy"]
        for name, value in changes.items():
            setattr(proxy, name, value)

    with anyio.fail_after(60):
        async with ink(folder, change_world=alter, clock=FakeClock()) as here:
            return await proxy_on(here.app.hosts, HOST)


async def test_a_running_proxy_tells_its_version(tmp_path: Path) -> None:
    """State and image are Docker's word, the version is Traefik's own."""
    found = await seen(tmp_path)
    assert (found.state, found.image, found.version) == ("running", "traefik:v3.6", "3.6.2")
    assert found.since


async def test_a_proxy_that_does_not_run_tells_no_version(tmp_path: Path) -> None:
    """Nothing is asked of a container that is down."""
    found = await seen(tmp_path, state="exited")
    assert (found.state, found.version) == ("exited", "")


async def test_another_program_tells_no_version(tmp_path: Path) -> None:
    """A proxy that is no Traefik runs, and its version stays empty."""
    found = await seen(tmp_path, image="caddy:2")
    assert (found.state, found.image, found.version) == ("running", "caddy:2", "")


async def test_no_proxy_is_an_empty_state(tmp_path: Path) -> None:
    """A container of another name is none."""
    assert await seen(tmp_path, name="proxy") == ProxySeen()


async def test_containers_that_cannot_be_listed_are_unknown(tmp_path: Path) -> None:
    """Without Docker nobody can say whether a proxy is there."""

    def alter(state: WorldState) -> None:
        state.hosts[HOST].docker_version = ""

    with anyio.fail_after(60):
        async with ink(tmp_path, change_world=alter, clock=FakeClock()) as here:
            with pytest.raises(HostError):
                await proxy_on(here.app.hosts, HOST)
