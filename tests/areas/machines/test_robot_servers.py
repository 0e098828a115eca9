"""A dedicated server as a machine: where it is reached, which host keys count, and why it may not be taken."""

from collections.abc import AsyncGenerator, Callable
from pathlib import Path

import anyio
import pytest

from ink_infra_mcp.areas.machines.robot_servers import RobotMachine, robot_server_of
from ink_infra_mcp.core.errors import InputError, UnknownName, VendorError
from ink_infra_mcp.core.told_keys import trusted
from ink_infra_mcp.sandbox.state import WorldState
from ink_infra_mcp.sandbox.state_robot import SERVER, RobotServer, RobotSystem
from tests.clients.robot_account import Account
from tests.clock import FakeClock
from tests.sandbox.pretend import pretend_world

pytestmark = pytest.mark.anyio
HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"
RESCUE_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKh0UWB3vSNdNbxCZ5wCjLyPZiVcOcAdXtHTkHNsc9IU"
INSTALLED = RobotSystem(system="Debian 12 base", lang="en", password="x", host_keys=[HOST_KEY], booted_at=1.0)


@pytest.fixture
async def robot(tmp_path: Path) -> AsyncGenerator[Account]:
    """Give a fresh account whose time is the clock's."""
    clock = FakeClock()
    with anyio.fail_after(30):
        yield Account(world=pretend_world(tmp_path, lambda: clock.now().timestamp()), clock=clock)


def _change(robot: Account, change: Callable[[RobotServer], object]) -> None:
    def apply(state: WorldState) -> None:
        change(state.robot.servers[0])

    robot.arrange(apply)


async def test_a_server_that_robot_installed_is_told_whole(robot: Account) -> None:
    """Name, product, place, address, what it can be installed with, how it is reset, and whence its host keys are."""
    _change(robot, lambda server: setattr(server, "last_linux", INSTALLED.model_copy()))
    machine = await robot_server_of(robot.look, SERVER)
    assert machine == RobotMachine(
        number=SERVER,
        name="metal-1",
        product="AX42",
        datacenter="FSN1-DC8",
        address="192.0.2.21",
        ipv6="2001:db8:21::1",
        host_keys=machine.host_keys,
        host_keys_from="Robot told them of its installation of Debian 12 base; a system installed since by other means "
        "has others",
        dists=machine.dists,
        languages=("en",),
        resets=("sw", "hw", "man"),
    )
    assert trusted([HOST_KEY], machine.host_keys) == HOST_KEY
    assert "Debian 13 base" in machine.dists
    assert machine.words == f"server {SERVER} metal-1 (AX42, FSN1-DC8, 192.0.2.21)"
    assert {line.split()[0] for line in robot.asked} == {"GET"}


async def test_a_server_without_ipv4_is_reached_at_the_first_address_of_its_network(robot: Account) -> None:
    """Never at the network itself, as Robot names it."""
    _change(robot, lambda server: setattr(server, "ipv4", None))
    machine = await robot_server_of(robot.look, SERVER)
    assert (machine.address, machine.ipv6) == ("2001:db8:21::1", "2001:db8:21::1")


async def test_a_server_without_any_address_is_refused(robot: Account) -> None:
    """A network that is none is no address."""
    _change(robot, lambda server: (setattr(server, "ipv4", None), setattr(server, "ipv6_net", "")))
    with pytest.raises(InputError, match="tells no address"):
        await robot_server_of(robot.look, SERVER)


async def test_host_keys_that_cannot_be_known_are_none_with_the_reason(robot: Account) -> None:
    """Never installed by Robot, or installed without telling keys: a person has to give the fingerprint."""
    machine = await robot_server_of(robot.look, SERVER)
    assert (machine.host_keys, "knows no installation" in machine.host_keys_from) == ((), True)
    silent = INSTALLED.model_copy(update={"host_keys": []})
    _change(robot, lambda server: setattr(server, "last_linux", silent))
    machine = await robot_server_of(robot.look, SERVER)
    assert (machine.host_keys, "tells no host key" in machine.host_keys_from) == ((), True)


async def test_the_rescue_systems_host_key_is_never_one_of_the_servers(robot: Account) -> None:
    """A server that shows it is in the rescue system, which is no system to become a Muscle."""
    rescue = RobotSystem(system="linux", password="x", host_keys=[RESCUE_KEY], booted_at=2.0)
    _change(robot, lambda s: (setattr(s, "last_linux", INSTALLED.model_copy()), setattr(s, "last_rescue", rescue)))
    machine = await robot_server_of(robot.look, SERVER)
    assert trusted([RESCUE_KEY], machine.host_keys) is None


async def test_host_keys_of_an_installation_that_is_still_to_come_do_not_count(robot: Account) -> None:
    """What runs now is another system."""
    _change(robot, lambda server: setattr(server, "linux", INSTALLED.model_copy(update={"booted_at": None})))
    machine = await robot_server_of(robot.look, SERVER, purpose="install")
    assert (machine.host_keys, machine.armed, machine.armed_system) == ((), ("linux",), "Debian 12 base")


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("cancelled_to", "2026-12-31", "is cancelled"),
        ("status", "in process", "is in process, not ready"),
        ("status", "", "in an unknown state"),
        ("boots", False, "no dedicated server"),
        ("vnc", True, "wipes it and installs another system"),
        ("linux", INSTALLED.model_copy(), "wipes it and installs Debian 12 base"),
        ("rescue", INSTALLED.model_copy(), "boots the rescue system"),
    ],
)
async def test_a_server_that_is_not_fit_is_refused_with_the_reason(
    robot: Account, name: str, value: object, words: str
) -> None:
    """One that ends, is not handed over, or would be another system after its next start, is no Muscle to be."""
    _change(robot, lambda server: setattr(server, name, value))
    with pytest.raises(InputError, match=words) as refused:
        await robot_server_of(robot.look, SERVER)
    assert (refused.value.done, refused.value.next != "") == ("Nothing was changed.", True)
    leaving = await robot_server_of(robot.look, SERVER, purpose="leave")
    assert leaving.number == SERVER


async def test_a_server_that_leaves_tells_its_days(robot: Account) -> None:
    """To which day it is cancelled already, and from which one on it can be."""
    assert (await robot_server_of(robot.look, SERVER, purpose="leave")).cancellable_from == "2026-01-02"
    _change(robot, lambda server: setattr(server, "cancelled_to", "2026-12-31"))
    assert (await robot_server_of(robot.look, SERVER, purpose="leave")).cancelled_to == "2026-12-31"


async def test_another_number_is_nobodys(robot: Account) -> None:
    """It is not taken for an address, and nothing near it is offered."""
    with pytest.raises(UnknownName, match="no server 7"):
        await robot_server_of(robot.look, 7)


async def test_trouble_at_robot_is_no_absence(robot: Account) -> None:
    """A server whose boot settings cannot be read now is neither fit nor unfit."""
    robot.trouble("status", match="GET /boot", status=500, body='{"error": {"status": 500, "code": "X"}}', times=9)
    with pytest.raises(VendorError):
        await robot_server_of(robot.look, SERVER)
