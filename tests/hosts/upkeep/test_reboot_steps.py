"""Rebooting a pretend server, step by step: once only, whoever asks again, and never in the middle of an install."""

from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import pytest
from pydantic import JsonValue

from ink_infra_mcp.core.errors import HostKeyChanged, InkError, StepFailed
from ink_infra_mcp.core.fleet import Host
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.step import StepCall, result_of
from ink_infra_mcp.hosts.readings import READINGS
from ink_infra_mcp.hosts.upkeep.steps import UpkeepSteps
from ink_infra_mcp.sandbox.hosts import SshHosts, serve_hosts
from ink_infra_mcp.sandbox.hosts.reboot import settle_boot
from ink_infra_mcp.sandbox.state import Fault, WorldState
from ink_infra_mcp.sandbox.state_hosts import Container, HostState
from ink_infra_mcp.sandbox.world import World
from ink_infra_mcp.ssh.pool import HostPool
from tests.clock import FakeClock
from tests.permits import permit_here
from tests.ssh.servers import ADDRESS, NAME, pool_of, world_of

pytestmark = pytest.mark.anyio

LIMIT_S = 60
SETTLE_S = 10.0
FASTER = 20
WEB = Container(id="a1" * 32, name="web", image="web", runtime="runsc")
ONCE = Container(id="b2" * 32, name="once", image="once", host_config={"RestartPolicy": {"Name": "no"}})
MUSCLE = HostState(name=NAME, address=ADDRESS, role="muscle", containers=[WEB, ONCE])


class BootClock(FakeClock):
    """A clock by which a pretend server's time passes, too, and both pass faster than anybody waits."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world, self._passed = world, 0.0

    async def sleep(self, seconds: float) -> None:
        """Let the time pass for both."""
        await super().sleep(FASTER * seconds)
        self._passed += FASTER * seconds
        with self._world.change() as state:
            settle_boot(state.hosts[NAME], self._world.now(state) + self._passed)


@dataclass
class Ground:
    """A pretend Muscle, and one operation on it."""

    world: World
    ssh: SshHosts
    pool: HostPool
    clock: FakeClock
    results: dict[str, JsonObject] = field(default_factory=dict[str, JsonObject])
    said: list[str] = field(default_factory=list[str])

    async def run(self, kind: str, step_id: str, **params: JsonValue) -> JsonObject:
        """Run a step, and keep its result for those that follow."""
        given: JsonObject = {"host": NAME, "address": ADDRESS, **params}
        permit = permit_here("op-1", kind)
        call = StepCall("op-1", step_id, kind, NAME, given, self.results, permit, self.clock, self.said.append)
        with anyio.fail_after(LIMIT_S):
            self.results[step_id] = await UpkeepSteps(self.pool, SETTLE_S).handlers()[kind](call)
        return self.results[step_id]

    async def note(self) -> JsonObject:
        """Note what runs."""
        return await self.run("hosts.note_running", "note", urls=[])

    async def reboot(self) -> JsonObject:
        """Reboot it."""
        return await self.run("hosts.reboot", "reboot")

    async def back(self) -> JsonObject:
        """Wait until all is back."""
        return await self.run("hosts.await_apps", "await_apps", note=result_of("note", "note"))

    def change(self, how: Callable[[HostState], object]) -> None:
        """Change the server."""
        with self.world.change() as state:
            how(state.hosts[NAME])

    @property
    def host(self) -> HostState:
        """Return the server as it is."""
        return self.world.read().hosts[NAME]

    @property
    def asked(self) -> int:
        """Return how often it was told to reboot."""
        return sum("ink-reboot ask" in entry for entry in self.world.read().journal)


@pytest.fixture
async def ground(tmp_path: Path) -> AsyncGenerator[Ground]:
    """Run the server; its time passes while the product waits."""
    world = world_of(tmp_path, MUSCLE)
    clock = BootClock(world)
    async with await serve_hosts(world) as ssh:
        host = Host(name=NAME, address=ADDRESS, host_key=ssh.doors[NAME].host_public_key)
        key = ssh.login_private_key
        async with pool_of(host, key=key, reads=READINGS, connect_to=ssh.connect_to, clock=clock) as pool:
            yield Ground(world, ssh, pool, clock)


async def test_each_step_says_what_it_saw(ground: Ground) -> None:
    """Noted, rebooted and awaited: another boot, the containers that run again, and those that do not."""
    first = ground.host.boot_id
    noted, rebooted, back = await ground.note(), await ground.reboot(), await ground.back()
    assert (noted["boot_id"], noted["containers"]) == (first, 2)
    assert rebooted == {"before": first, "boot_id": ground.host.boot_id, "needed": True}
    ended = {"ended_at": ground.clock.now().isoformat()}
    assert back == {**ended, "containers": 2, "left_down": ["once"], "did_not_answer": []}
    assert ground.host.boots == 2


async def test_run_again_after_it_has_rebooted_it_does_not_reboot_again(ground: Ground) -> None:
    """The engine runs a step again whose end it did not see: the server knows by the step's name that it is done."""
    once = await ground.reboot()
    assert await ground.reboot() == once
    assert (ground.host.boots, ground.asked) == (2, 1)


async def test_run_again_while_it_shuts_down_one_boot_is_ended(ground: Ground) -> None:
    """Killed just after it asked, another run finds the same boot, asks again in it, and one boot comes of it."""
    ground.change(lambda host: host.reboots.update({"op-1-reboot": host.boot_id}))
    await ground.reboot()
    assert ground.host.boots == 2


async def test_an_answer_that_is_lost_is_settled_by_a_look(ground: Ground) -> None:
    """Where the connection breaks after the server was told, nobody counts that as a failure, and it reboots once."""

    def cut(state: WorldState) -> None:
        state.faults.append(Fault(system="ssh", match="ink-reboot ask", kind="drop_after"))

    with ground.world.change() as state:
        cut(state)
    await ground.reboot()
    assert ground.host.boots == 2


async def test_in_the_middle_of_an_install_nothing_is_rebooted(ground: Ground) -> None:
    """It waits as long as packages are being installed, and at last says so: nothing was changed."""
    ground.change(lambda host: setattr(host, "packages_busy", True))
    with pytest.raises(StepFailed, match="packages are being installed") as failed:
        await ground.reboot()
    assert (failed.value.done, ground.host.boots, ground.host.reboots) == ("Nothing was changed.", 1, {})


async def test_one_that_never_answered_was_not_told(ground: Ground) -> None:
    """A server that is away before it was asked is not said to have been told anything."""
    ground.change(lambda host: setattr(host, "up", False))
    with pytest.raises(InkError) as failed:
        await ground.reboot()
    assert failed.value.done == "Nothing was changed."


async def test_what_comes_back_with_another_key_is_another_system(ground: Ground) -> None:
    """A rescue system answers with a key of its own: that is said at once, and nothing is sent to it."""
    wrong = ground.pool.hosts[NAME].model_copy(update={"host_key": ground.host.login_public_key})
    key = ground.ssh.login_private_key
    async with pool_of(wrong, key=key, reads=READINGS, connect_to=ground.ssh.connect_to, clock=ground.clock) as pool:
        ground.pool = pool
        with pytest.raises(HostKeyChanged):
            await ground.reboot()


async def test_a_server_without_docker_has_nothing_to_wait_for(ground: Ground) -> None:
    """A bastion runs no containers: that Docker is not installed is known, and is no reason to wait for it."""
    ground.change(lambda host: setattr(host, "docker_version", ""))
    noted, _, back = await ground.note(), await ground.reboot(), await ground.back()
    assert (noted["containers"], back["containers"], ground.host.boots) == (0, 0, 2)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"runtimes": ["runc"]}, "Docker has no runtime runsc any more"),
        ({"containers": [ONCE]}, "web does not run"),
        ({"containers": [WEB.model_copy(update={"runtime": "runc"})]}, "web runs under runc, not runsc"),
    ],
    ids=["no runtime", "gone", "another runtime"],
)
async def test_what_is_not_as_before_is_named(ground: Ground, wrong: dict[str, object], words: str) -> None:
    """A runtime that is lost, a container that does not run, one under another runtime: none counts as back."""
    await ground.note()
    await ground.reboot()
    with ground.world.change() as state:
        state.hosts[NAME] = state.hosts[NAME].model_copy(update=wrong)
    with pytest.raises(StepFailed) as failed:
        await ground.back()
    assert words in failed.value.failed
