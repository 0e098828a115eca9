"""Waiting for a new pretend server: what is waited for is said, and what does not end in time is named."""

from pathlib import Path

import pytest

from ink_infra_mcp.core.errors import HostKeyChanged, StepFailed
from ink_infra_mcp.core.login import steps
from ink_infra_mcp.sandbox.state_logins import Logins
from tests.hosts.machine.first_logins import NAME, ground_of
from tests.ssh.openssh import new_key

pytestmark = pytest.mark.anyio


async def test_a_first_boot_that_does_not_end_is_named(tmp_path: Path) -> None:
    """cloud-init, systemd and apt are said while there is time, and again when there is none left."""
    async with ground_of(tmp_path, Logins(boot_until=4e9)) as ground:
        with pytest.raises(StepFailed) as caught:
            await ground.run(steps.await_ready(NAME, ground.newcomer(), within_s=10))
    assert caught.value.failed == (
        "The first boot of muscle-9 was not over after 10 s: it waits for cloud-init (running), systemd (starting), "
        "apt-get, which holds /var/lib/dpkg/lock-frontend and 1 more."
    )
    assert set(ground.said) == {
        "muscle-9 waits for cloud-init (running), systemd (starting), apt-get, which holds "
        "/var/lib/dpkg/lock-frontend and 1 more"
    }


async def test_a_first_boot_that_failed_is_no_ready_server(tmp_path: Path) -> None:
    """What cloud-init did not do is not known: a person looks."""
    async with ground_of(tmp_path, Logins(cloud_init="error")) as ground:
        with pytest.raises(StepFailed, match="cloud-init ended with status 1 and says 'error'"):
            await ground.run(steps.await_ready(NAME, ground.newcomer()))


async def test_a_server_without_cloud_init_is_ready(tmp_path: Path) -> None:
    """A dedicated server has none."""
    async with ground_of(tmp_path, Logins(cloud_init="")) as ground:
        assert (await ground.run(steps.await_ready(NAME, ground.newcomer())))["state"] == "ready"


async def test_another_host_key_is_waited_for_a_moment_and_then_refused(tmp_path: Path) -> None:
    """cloud-init may put its key in place a little late; a stranger gets no login meanwhile."""
    async with ground_of(tmp_path, Logins()) as ground:
        before = ground.clock.monotonic()
        with pytest.raises(HostKeyChanged):
            await ground.run(steps.await_ready(NAME, ground.newcomer(host_key=new_key().get_fingerprint())))
        assert 75 < ground.clock.monotonic() - before < 95
        assert ground.ssh.logins == []
