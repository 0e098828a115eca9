"""connect_private_network is killed with SIGKILL on its way; the next process finishes it, and does it once."""

from pathlib import Path

import pytest

from ink_infra_mcp.cli.opening import sandbox_fleet
from ink_infra_mcp.settings.fleet_text import dump_fleet
from ink_infra_mcp.settings.loading import FLEET_FILE
from tests.engine.aftermath import kept, once, workflows
from tests.engine.killing import CHECKPOINT, Moment, Scene, at_once, begin_forking
from tests.tools.test_connect_private_network import AFTER, COOLIFY_KEY, FACTORY_AT, networked, standing

WALK = {
    "attach": [Moment("reached", "attach_to_network"), Moment("statement", CHECKPOINT, "attach_to_network")],
    "proof": [Moment("before", "hosts.prove_private_way"), Moment("reached", "ink-login widen")],
    "moved": [Moment("reached", "PATCH"), Moment("statement", CHECKPOINT, "coolify_address")],
    "end": [Moment("reached", "/validate"), Moment("after", "fleet.set_private_address")],
}


@pytest.fixture(scope="module", autouse=True)
def forks() -> None:
    """Have processes forked from one that has imported everything already."""
    begin_forking()


def connected(it: Scene) -> None:
    """Let the Factory be in the network, as the world and the fleet's own file say, and Coolify's key be limited."""
    with it.world.change() as state:
        networked(state)
        muscle = state.hosts["muscle-1"]
        muscle.logins.keys = [muscle.login_public_key, COOLIFY_KEY]
        addresses = {name: host.address for name, host in state.hosts.items()}
    fleet = sandbox_fleet(it.ends.coolify_url, addresses, dict(it.ends.host_keys))
    factory = fleet.factory.model_copy(update={"private_address": FACTORY_AT})
    file = it.folder / "state" / FLEET_FILE
    file.parent.mkdir(mode=0o700)
    file.write_text(dump_fleet(fleet.model_copy(update={"factory": factory})))


@pytest.mark.anyio
@pytest.mark.parametrize("where", WALK)
async def test_a_killed_connection_is_finished_once_by_the_next_process(tmp_path: Path, where: str) -> None:
    """The server is attached once and Coolify moved once, whenever the first process dies."""

    async def die_and_succeed(it: Scene, dies: Moment) -> None:
        connected(it)
        await it.kill("connect_private_network", {"server": "muscle-1"}, dies=dies)
        await it.succeed()

        state = it.world.read()
        acts = ("attach_to_network", "PATCH", "detach", "narrow")
        made = {act: sum(act in line for line in state.journal) for act in acts}
        assert (dies, standing(state, it.folder / "state" / FLEET_FILE)) == (dies, AFTER)
        assert (dies, made) == (dies, {"attach_to_network": 1, "PATCH": 1, "detach": 0, "narrow": 0})
        assert (dies, kept(it.folder), workflows(it.folder)) == (dies, [once()], ["SUCCESS"])

    await at_once(tmp_path, WALK[where], die_and_succeed)
