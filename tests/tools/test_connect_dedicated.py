"""connect_private_network of a dedicated server: vSwitch, VLAN on probation, proof, and only then what relies on it."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from ink_infra_mcp.core.fleet import Fleet
from ink_infra_mcp.sandbox.state import WorldState
from ink_infra_mcp.sandbox.state_hetzner import PrivateNet
from ink_infra_mcp.sandbox.state_robot import SERVER, VSwitch
from ink_infra_mcp.settings.fleet_file import load_fleet
from tests.ink import Ink, ink, says_yes
from tests.tools.calls import Before, Said, call, unknown
from tests.tools.test_connect_private_network import MUSCLE_PUBLIC, NETWORK, inner, networked, standing

pytestmark = pytest.mark.anyio

LIMIT_S = 165
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


def has_it(state: WorldState) -> None:
    """Let the card of a Cloud server have the address."""
    card = PrivateNet(network=NETWORK, ip=AT, mac_address="86:00:00:00:00:09")
    next(server for server in state.hetzner.servers if server.name == "muscle-2").private_net.append(card)


@pytest.mark.parametrize(
    ("change", "address", "words"),
    [
        (strange, AT, "who rules eth0 is not known"),
        (uncoupled, AT, "Couple the vSwitch to the Cloud network of the Factory first"),
        (rented, AT, "Which vSwitch is meant is not clear"),
        (as_it_is, "10.250.0.9", "Give `address`, one of 10.250.1.0/24 that no other server has."),
        (as_it_is, "10.250.1.0", "Give `address`, one of 10.250.1.0/24 that no other server has."),
        (as_it_is, "10.250.1.255", "Give `address`, one of 10.250.1.0/24 that no other server has."),
        (has_it, AT, f"muscle-2 has the address {AT}."),
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


async def test_an_address_that_another_server_of_the_fleet_has_is_refused(tmp_path: Path) -> None:
    """By fleet.toml, whoever provides that server; nothing is changed."""

    def beside(fleet: Fleet) -> Fleet:
        found = dedicated(fleet)
        first, second, *others = found.muscles
        second = second.model_copy(update={"private_address": AT})
        return found.model_copy(update={"muscles": (first, second, *others)})

    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=rented, change_fleet=beside) as it:
            said = await connect(it, address=AT)
            assert (f"muscle-2 has the address {AT}." in said.text, stand(it)) == (True, BEFORE), said.text


FACTORY_PUBLIC, FREE = "192.0.2.10", "10.250.0.2"


def at_robot(state: WorldState) -> None:
    """Let the Factory be the dedicated server, and in no network yet; the Muscles are the Cloud's."""
    rented(state)
    state.robot.servers[0].ipv4 = FACTORY_PUBLIC
    state.hetzner.servers[0].private_net.clear()
    factory = state.hosts["factory"]
    factory.private_address = factory.private_network = ""


def of_robot(fleet: Fleet, number: str = str(SERVER)) -> Fleet:
    """Return the fleet in which it is so."""
    factory = fleet.factory.model_copy(update={"provider": "hetzner_robot", "provider_id": number})
    return inner(fleet).model_copy(update={"factory": factory})


async def test_a_factory_at_robot_comes_in_by_its_vlan_and_a_cloud_muscle_is_proved_from_there(tmp_path: Path) -> None:
    """It is connected first, and a person reads that nothing proves its own way; the Muscle's packets then have to fit
    the vSwitch, and a second call plans nothing for either.
    """
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=at_robot, change_fleet=of_robot) as it:
            async with it.client() as client:
                plan = await call(client, "connect_private_network", server="factory", address=AT)
            async with it.client(says_yes()) as client:
                ends = [
                    await call(client, "connect_private_network", server=server, wait_s=1800, **more)
                    for server, more in (
                        ("factory", {"address": AT}),
                        ("muscle-1", {}),
                        ("factory", {}),
                        ("muscle-1", {}),
                    )
                ]
            state, file = it.state, load_fleet(it.app.settings.fleet_path)
            vlan, lost = state.hosts["factory"].vlan, unknown(it)

    assert "nothing proves that packets get through the vSwitch" in " ".join(plan.text.replace("...", " ").split())
    assert [said.outcome for said in ends] == ["applied", "applied", "already_so", "already_so"], ends[1].text
    assert (state.robot.vswitches[0].servers, vlan and (vlan.number, vlan.kept)) == ([SERVER], (4000, True))
    assert [host.private_address for host in (file.factory, file.muscles[0])] == [AT, FREE]
    assert ("packets of 1400 bytes come back whole" in ends[1].text, lost) == (True, []), ends[1].text


async def test_a_factory_at_robot_that_lets_nobody_in_is_as_it_was(tmp_path: Path) -> None:
    """Where the VLAN is not kept it goes, and the vSwitch with it; one whose number nobody knows is refused before."""
    refuses, other = Before(tmp_path, "hosts.keep_vlan", gone), tmp_path / "nameless"
    other.mkdir()
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=at_robot, change_fleet=of_robot, wrap_handler=refuses) as it:
            async with it.client(says_yes()) as client:
                said = await call(client, "connect_private_network", server="factory", address=AT, wait_s=1800)
            state = it.state
        async with (
            ink(other, change_world=at_robot, change_fleet=nameless) as it,
            it.client() as client,
        ):
            refused = await call(client, "connect_private_network", server="factory", address=AT)

    assert (said.outcome, state.robot.vswitches[0].servers, state.hosts["factory"].vlan) == ("undone", [], None)
    assert "fleet.toml does not say which server at Robot factory is" in refused.text


def gone(state: WorldState) -> None:
    """Let the server have taken the VLAN back."""
    vlan = state.hosts["factory"].vlan
    assert vlan is not None
    vlan.until = 0.0


def nameless(fleet: Fleet) -> Fleet:
    """Return the fleet in which nobody knows the Factory's number."""
    return of_robot(fleet, "")
