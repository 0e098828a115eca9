"""connect_private_network of a dedicated server: vSwitch, VLAN on probation, proof, and only then what relies on it."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from ink_infra_mcp.core.fleet import Fleet
from ink_infra_mcp.sandbox.state import WorldState
from ink_infra_mcp.sandbox.state_robot import SERVER, VSwitch
from tests.ink import Ink, ink, says_yes
from tests.tools.calls import Said, call, unknown
from tests.tools.test_connect_private_network import MUSCLE_PUBLIC, inner, networked, standing

pytestmark = pytest.mark.anyio

LIMIT_S = 55
AT, VSWITCH = "10.250.1.10", 4321


def rented(state: WorldState) -> None:
    """Let muscle-1 be a dedicated server, and the account have a vSwitch that is coupled to the Factory's network."""
    networked(state)
    state.robot.servers[0].ipv4 = MUSCLE_PUBLIC
    side: dict[str, int | str] = {"id": 71, "ip": "10.250.1.0", "mask": 24, "gateway": "10.250.1.1"}
    state.robot.vswitches.append(VSwitch(id=VSWITCH, name="inner", vlan=4000, cloud_networks=[side]))


def dedicated(fleet: Fleet) -> Fleet:
    """Return the fleet in which it is one."""
    found = inner(fleet)
    first, *others = found.muscles
    words = {"provider": "hetzner_robot", "provider_id": str(SERVER)}
    return found.model_copy(update={"muscles": (first.model_copy(update=words), *others)})


def as_it_is(state: WorldState) -> None:
    """Change nothing."""


@asynccontextmanager
async def opened(folder: Path, change: Callable[[WorldState], object] = as_it_is) -> AsyncGenerator[Ink]:
    """Give such a fleet."""

    def arranged(state: WorldState) -> None:
        rented(state)
        change(state)

    with anyio.fail_after(LIMIT_S):
        async with ink(folder, change_world=arranged, change_fleet=dedicated) as it:
            yield it


async def connect(it: Ink, **more: object) -> Said:
    """Call the tool with a person who says yes, and wait for its end."""
    async with it.client(says_yes()) as client:
        return await call(client, "connect_private_network", server="muscle-1", wait_s=1800, **more)


def stand(it: Ink) -> dict[str, object]:
    """Return all that the tool may have changed."""
    return standing_at_robot(it.state, it.app.settings.fleet_path)


def standing_at_robot(state: WorldState, path: Path) -> dict[str, object]:
    """Return the same of a world and the file of its fleet."""
    vlan = state.hosts["muscle-1"].vlan
    both = standing(state, path)
    return {
        "vswitch": state.robot.vswitches[0].servers,
        "vlan": (vlan.number, vlan.kept) if vlan else None,
        **{key: both[key] for key in ("coolify", "fleet")},
    }


BEFORE: dict[str, object] = {"vswitch": [], "vlan": None, "coolify": MUSCLE_PUBLIC, "fleet": None}
AFTER = {"vswitch": [SERVER], "vlan": (4000, True), "coolify": AT, "fleet": AT}


async def test_a_dedicated_server_is_proved_over_its_vlan_and_then_used(tmp_path: Path) -> None:
    """Robot, the host, Coolify and fleet.toml follow each other; a second call, without the address, plans nothing."""
    async with opened(tmp_path) as it:
        before = stand(it)
        said = await connect(it, address=AT)
        again = await connect(it)
        assert said.outcome == "applied", said.text
        assert (before, stand(it), again.outcome) == (BEFORE, AFTER, "already_so"), again.text
        assert said.checks == dict.fromkeys(("private way", "Coolify", "fleet.toml"), "passed")
        assert unknown(it) == []


def deaf(state: WorldState) -> None:
    """Take ping away from the Factory: nothing can be proved."""
    state.hosts["factory"].without.append("ping")


async def test_a_vlan_that_is_not_proved_goes_and_the_vswitch_with_it(tmp_path: Path) -> None:
    """All is as it was, without waiting for the server's own switch."""
    async with opened(tmp_path, deaf) as it:
        said = await connect(it, address=AT)
        assert (said.outcome, stand(it)) == ("undone", BEFORE), said.text
        assert "factory has no ping" in said.text


def strange(state: WorldState) -> None:
    """Let nobody known rule the server's card."""
    state.hosts["muscle-1"].network_manager = "NetworkManager"


def uncoupled(state: WorldState) -> None:
    """Let the vSwitch have no Cloud network."""
    state.robot.vswitches[0].cloud_networks = []


@pytest.mark.parametrize(
    ("change", "address", "words"),
    [
        (strange, AT, "who rules eth0 is not known"),
        (uncoupled, AT, "Couple the vSwitch to the Cloud network of the Factory first"),
        (rented, AT, "Which vSwitch is meant is not clear"),
        (as_it_is, "10.250.0.9", "Give `address`, one of 10.250.1.0/24 that no other server has."),
        (as_it_is, None, "Give `address`, one of 10.250.1.0/24 that no other server has."),
    ],
)
async def test_what_cannot_be_done_is_refused_before_anything(
    tmp_path: Path, change: Callable[[WorldState], object], address: str | None, words: str
) -> None:
    """Each refusal says what to give or to mend; nothing is changed."""
    async with opened(tmp_path, change) as it:
        said = await connect(it, address=address)
        assert (words in said.text, stand(it)) == (True, BEFORE), said.text
