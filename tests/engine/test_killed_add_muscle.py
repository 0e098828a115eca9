"""add_muscle is killed with SIGKILL at moments of its lane; the next process ends it: bought once, entered once."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest

from ink_infra_mcp.sandbox.state import WorldState
from ink_infra_mcp.sandbox.state_hetzner import HETZNER_TOKEN
from ink_infra_mcp.settings.fleet_file import load_fleet
from tests.engine.aftermath import Kept, kept, once, workflows
from tests.engine.killing import Moment, Scene, at_once, begin_forking
from tests.tools.arrivals import ADDRESS, all_of, bare, trouble

NAME = "s3"
BUY = {"names": [NAME], "source": {"kind": "hetzner_cloud", "server_type": "cx53", "location": "fsn1"}}
BOUGHT = {
    Moment("reached", "POST /v1/servers"): Moment("after", "hosts.rotate_host_keys"),
    Moment("after", "hetzner_cloud.create_server"): Moment("reached", "POST /api/v1/servers"),
}
"""When the buying process dies, and when the one that takes it over."""
JOINING = {
    "joining": [Moment("reached", "POST /api/v1/servers"), Moment("after", "coolify.create_service")],
    "end": [Moment("after", "coolify.discard_service"), Moment("after", "fleet.add_muscle")],
}
# the first of these lies between the record of the lane's failure and its undo
UNDOING = [Moment("before", "coolify.discard_service"), Moment("after", "coolify.discard_service")]
FIRST = ("muscle-1", "muscle-2")
NOWHERE = trouble("edge", f"canary-{NAME}", status=502, times=100_000)


@pytest.fixture(scope="module", autouse=True)
def forks() -> None:
    """Have processes forked from one that has imported everything already."""
    begin_forking()


@dataclass(frozen=True, slots=True)
class Made:
    """How often each thing is there, and how often it was asked for; `fleet` is what fleet.toml says."""

    servers: int
    firewalls: int
    keys: int
    coolify: int
    coolify_keys: int
    canaries: int
    purchases: int
    fleet: tuple[str, ...]


ONCE = Made(servers=1, firewalls=1, keys=1, coolify=1, coolify_keys=1, canaries=0, purchases=1, fleet=(*FIRST, NAME))
TAKEN_IN = replace(ONCE, servers=0, firewalls=0, keys=0, purchases=0)
"""A server that was there already."""


def proved(*, resumed: int = 1) -> Kept:
    """Return what the store says when it was applied: here no auditor is installed, so their proof is skipped."""
    return replace(once(resumed=resumed), checks=frozenset({"passed", "skipped"}))


def count(names: Iterable[object], name: str) -> int:
    """Return how many have a name."""
    return [*names].count(name)


def made(state: WorldState, folder: Path) -> Made:
    """Return what there is of the Muscle, counted in the world and in the file."""
    cloud, coolify = state.hetzner, state.coolify
    return Made(
        servers=count((server.name for server in cloud.servers), NAME),
        firewalls=count((firewall.name for firewall in cloud.firewalls), f"ink-{NAME}"),
        keys=count((key.name for key in cloud.ssh_keys), "ink-infra"),
        coolify=count((server.name for server in coolify.servers), NAME),
        coolify_keys=count((key.name for key in coolify.keys), f"ink-{NAME}"),
        canaries=len(coolify.services),
        purchases=sum(line.endswith(" POST /v1/servers") for line in state.journal),
        fleet=muscles(folder),
    )


def muscles(folder: Path) -> tuple[str, ...]:
    """Return the Muscles of fleet.toml; before its first edit the sandbox has none."""
    path = folder / "state" / "fleet.toml"
    return tuple(muscle.name for muscle in load_fleet(path).muscles) if path.exists() else FIRST


def existing(it: Scene) -> dict[str, Any]:
    """Return the call that takes in the bare server."""
    machine = {"address": ADDRESS, "host_key": it.ends.host_keys[f"spare-{NAME}"]}
    return {"names": [NAME], "source": {"kind": "existing", "machines": [machine]}}


async def arrived(it: Scene) -> None:
    """Wait until what was bought answers: processes that start now know the way to it."""
    headers = {"Authorization": f"Bearer {HETZNER_TOKEN}"}
    async with httpx2.AsyncClient(base_url=f"{it.ends.hetzner_url}/", headers=headers) as api:
        while not any(address.startswith("203.0.113.") for address, _ in it.ends.connect_to):
            await api.get("servers")
            # the emulator opens the doors when it is asked after the boot
            await anyio.sleep(0.02)


@pytest.mark.anyio
async def test_a_killed_purchase_is_ended_once_whoever_takes_it_over_dies_too(tmp_path: Path) -> None:
    """One server, one firewall, one key, one Muscle and no canary, though two processes died on the way."""

    async def die_twice_and_succeed(it: Scene, dies: Moment) -> None:
        await it.kill("add_muscle", BUY, dies=dies)
        await arrived(it)
        await it.kill_successor(BOUGHT[dies])
        await it.succeed()

        assert (dies, made(it.world.read(), it.folder)) == (dies, ONCE)
        assert (dies, kept(it.folder), workflows(it.folder)) == (dies, [proved(resumed=2)], ["SUCCESS"])

    await at_once(tmp_path, BOUGHT, die_twice_and_succeed)


@pytest.mark.anyio
@pytest.mark.parametrize("where", JOINING)
async def test_a_killed_addition_is_ended_once_by_the_next_process(tmp_path: Path, where: str) -> None:
    """Entered once, proved once and written once, whenever the first process dies."""

    async def die_and_succeed(it: Scene, dies: Moment) -> None:
        await it.kill("add_muscle", existing(it), dies=dies)
        await it.succeed()

        assert (dies, made(it.world.read(), it.folder)) == (dies, TAKEN_IN)
        assert (dies, kept(it.folder), workflows(it.folder)) == (dies, [proved()], ["SUCCESS"])

    await at_once(tmp_path, JOINING[where], die_and_succeed, bare())


@pytest.mark.anyio
async def test_a_killed_undo_of_a_canary_is_ended_by_the_next_process(tmp_path: Path) -> None:
    """Nobody gets to the canary, and the process dies round its deletion: the next one deletes it, and says so."""

    async def die_and_succeed(it: Scene, dies: Moment) -> None:
        await it.kill("add_muscle", existing(it), dies=dies)
        await it.succeed()

        assert (dies, made(it.world.read(), it.folder)) == (dies, replace(TAKEN_IN, fleet=FIRST))
        assert (dies, [one.outcome for one in kept(it.folder)], workflows(it.folder)) == (dies, ["undone"], ["SUCCESS"])

    await at_once(tmp_path, UNDOING, die_and_succeed, all_of(bare(), NOWHERE))
