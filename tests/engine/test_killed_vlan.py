"""connect_private_network of a dedicated server is killed with SIGKILL on its way: one VLAN at the end, or none."""

from pathlib import Path

import pytest

from ink_infra_mcp.cli.opening import sandbox_fleet
from ink_infra_mcp.sandbox.state import WorldState
from ink_infra_mcp.settings.fleet_text import dump_fleet
from ink_infra_mcp.settings.loading import FLEET_FILE
from tests.engine.aftermath import kept, once, workflows
from tests.engine.killing import CHECKPOINT, Moment, Scene, at_once, begin_forking
from tests.tools.test_connect_dedicated import AFTER, AT, BEFORE, VSWITCH, deaf, dedicated, rented, standing_at_robot
from tests.tools.test_connect_private_network import COOLIFY_KEY

CALL = {"server": "muscle-1", "address": AT}
ON = f"POST /vswitch/{VSWITCH}/server"
OFF = f"DELETE /vswitch/{VSWITCH}/server"
WALK = {
    "vswitch": [Moment("before", "hetzner_robot.attach_to_vswitch"), Moment("reached", ON)],
    "attached": [Moment("statement", CHECKPOINT, "attach_to_vswitch"), Moment("before", "hosts.set_vlan")],
    "made": [Moment("reached", "ink-vlan set"), Moment("statement", CHECKPOINT, "set_vlan")],
    "proof": [Moment("before", "hosts.await_private_card"), Moment("before", "hosts.prove_private_way")],
    "kept": [Moment("reached", "ink-vlan keep"), Moment("statement", CHECKPOINT, "keep_vlan")],
    "key": [Moment("reached", "ink-login widen"), Moment("statement", CHECKPOINT, "widen_key")],
    "moved": [Moment("reached", "PATCH"), Moment("statement", CHECKPOINT, "coolify_address")],
    "end": [Moment("reached", "/validate"), Moment("after", "fleet.set_private_address")],
}
ENDINGS = {
    "proof": [Moment("after", "hosts.set_vlan"), Moment("before", "hosts.prove_private_way")],
    "back": [Moment("before", "hosts.revert_vlan"), Moment("reached", "ink-vlan revert")],
    "off": [Moment("reached", OFF), Moment("after", "hetzner_robot.detach_from_vswitch")],
}
MADE = {ON: 1, "PATCH": 1, OFF: 0, "ink-vlan revert": 0, "narrow": 0}


@pytest.fixture(scope="module", autouse=True)
def forks() -> None:
    """Have processes forked from one that has imported everything already."""
    begin_forking()


def unproved(state: WorldState) -> None:
    """Let muscle-1 be a dedicated server, to which nothing can be proved."""
    rented(state)
    deaf(state)


def at_robot(it: Scene) -> Path:
    """Write the fleet in which muscle-1 is a dedicated server, limit Coolify's key there, and return the file."""
    with it.world.change() as state:
        muscle = state.hosts["muscle-1"]
        muscle.logins.keys = [muscle.login_public_key, COOLIFY_KEY]
        addresses = {name: host.address for name, host in state.hosts.items()}
    file = it.folder / "state" / FLEET_FILE
    file.parent.mkdir(mode=0o700)
    fleet = sandbox_fleet(it.ends.coolify_url, addresses, dict(it.ends.host_keys))
    file.write_text(dump_fleet(dedicated(fleet)))
    return file


def done(it: Scene) -> dict[str, int]:
    """Return how often each act that matters was accepted."""
    return {act: sum(act in line for line in it.world.read().journal) for act in MADE}


@pytest.mark.anyio
@pytest.mark.parametrize("where", WALK)
async def test_a_killed_vlan_is_finished_once_by_the_next_process(tmp_path: Path, where: str) -> None:
    """The server is on the vSwitch once and has the one VLAN, written once, whenever the first process dies."""

    async def die_and_succeed(it: Scene, dies: Moment) -> None:
        file = at_robot(it)
        await it.kill("connect_private_network", CALL, dies=dies)
        await it.succeed()

        state = it.world.read()
        assert (dies, standing_at_robot(state, file), done(it)) == (dies, AFTER, MADE)
        assert (dies, kept(it.folder), workflows(it.folder)) == (dies, [once()], ["SUCCESS"])

    await at_once(tmp_path, WALK[where], die_and_succeed, rented)


@pytest.mark.anyio
@pytest.mark.parametrize("where", ENDINGS)
async def test_a_killed_way_back_is_ended_by_the_next_process(tmp_path: Path, where: str) -> None:
    """What cannot be proved leaves no VLAN and no place on the vSwitch, whenever the first process dies."""

    async def die_and_succeed(it: Scene, dies: Moment) -> None:
        file = at_robot(it)
        await it.kill("connect_private_network", CALL, dies=dies)
        await it.succeed()

        state = it.world.read()
        assert (dies, standing_at_robot(state, file), done(it)[ON], done(it)[OFF]) == (dies, BEFORE, 1, 1)
        assert (dies, [one.outcome for one in kept(it.folder)]) == (dies, ["undone"])

    await at_once(tmp_path, ENDINGS[where], die_and_succeed, unproved)


@pytest.mark.anyio
async def test_a_server_that_took_its_vlan_back_meanwhile_is_as_it_was(tmp_path: Path) -> None:
    """The next process comes after the server's own switch: it uses nothing, and takes it off the vSwitch."""

    async def die_and_succeed(it: Scene, dies: Moment) -> None:
        file = at_robot(it)
        await it.kill("connect_private_network", CALL, dies=dies)
        with it.world.change() as state:
            vlan = state.hosts["muscle-1"].vlan
            assert vlan is not None
            vlan.until = 0.0
        await it.succeed()

        assert (dies, standing_at_robot(it.world.read(), file)) == (dies, BEFORE)
        assert (dies, [one.outcome for one in kept(it.folder)]) == (dies, ["undone"])

    late = [Moment("before", "hosts.await_private_card"), Moment("before", "hosts.keep_vlan")]
    await at_once(tmp_path, late, die_and_succeed, rented)
