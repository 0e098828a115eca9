"""connect_private_network: proved from the Factory before anything relies on it, and taken back where it fails."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from ink_infra_mcp.core.fleet import Access, Fleet
from ink_infra_mcp.sandbox.state import WorldState
from ink_infra_mcp.sandbox.state_hetzner import Network, PrivateNet
from ink_infra_mcp.sandbox.state_hosts import Ufw
from ink_infra_mcp.settings.fleet_file import load_fleet
from tests.ink import Ink, ink, says_yes
from tests.tools.calls import After, Said, call, unknown

pytestmark = pytest.mark.anyio

LIMIT_S = 150
RANGE, NETWORK = "10.250.0.0/16", 71
FACTORY_AT, MUSCLE_AT, MUSCLE_PUBLIC = "10.250.0.2", "10.250.0.3", "192.0.2.11"
COOLIFY_KEY = (
    'from="192.0.2.10/32" ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKh0UWB3vSNdNbxCZ5wCjLyPZiVcOcAdXtHTkHNsc9IU ink-coolify'
)
WIDER_KEY = COOLIFY_KEY.replace('"192', f'"{FACTORY_AT}/32,192')


def networked(state: WorldState) -> None:
    """Let the project have a network that the Factory is in."""
    subnets = [("eu-central", "10.250.0.0/24")]
    state.hetzner.networks.append(Network(id=NETWORK, name="inner", ip_range=RANGE, created=0.0, subnets=subnets))
    state.hetzner.servers[0].private_net.append(
        PrivateNet(network=NETWORK, ip=FACTORY_AT, mac_address="86:00:00:00:00:01")
    )
    factory = state.hosts["factory"]
    factory.private_address, factory.private_network = FACTORY_AT, RANGE


def inner(fleet: Fleet) -> Fleet:
    """Return the fleet with the Factory in the network."""
    factory = fleet.factory.model_copy(update={"private_address": FACTORY_AT})
    access = Access(admin=fleet.access.admin, private=(RANGE,))
    return fleet.model_copy(update={"factory": factory, "access": access})


@asynccontextmanager
async def opened(
    folder: Path, change: Callable[[WorldState], object] = lambda _: None, **more: Any
) -> AsyncGenerator[Ink]:
    """Give a fleet whose Factory is in the network, and a Muscle that lets Coolify's key in from the Factory alone."""

    def arranged(state: WorldState) -> None:
        networked(state)
        change(state)

    with anyio.fail_after(LIMIT_S):
        async with ink(folder, change_world=arranged, change_fleet=inner, **more) as it:
            with it.world.change() as state:
                muscle = state.hosts["muscle-1"]
                muscle.logins.keys = [muscle.login_public_key, COOLIFY_KEY]
            yield it


async def connect(it: Ink, server: str = "muscle-1", **more: object) -> Said:
    """Call the tool with a person who says yes, and wait for its end."""
    async with it.client(says_yes()) as client:
        return await call(client, "connect_private_network", server=server, wait_s=1800, **more)


def stand(it: Ink, name: str = "muscle-1") -> dict[str, object]:
    """Return all that the tool may have changed of a server."""
    return standing(it.state, it.app.settings.fleet_path, name)


def standing(state: WorldState, path: Path, name: str = "muscle-1") -> dict[str, object]:
    """Return the same of a world and the file of its fleet."""
    machine = next(server for server in state.hetzner.servers if server.name == name)
    written = {m.name: m.private_address for m in load_fleet(path).muscles} if path.exists() else {}
    return {
        "cards": [net.ip for net in machine.private_net],
        "coolify": next(server.ip for server in state.coolify.servers if server.name == name),
        "keys": (state.hosts[name].logins.keys or [])[1:],
        "fleet": written.get(name),
    }


BEFORE = {"cards": [], "coolify": MUSCLE_PUBLIC, "keys": [COOLIFY_KEY], "fleet": None}
AFTER = {"cards": [MUSCLE_AT], "coolify": MUSCLE_AT, "keys": [WIDER_KEY], "fleet": MUSCLE_AT}


async def test_a_muscle_is_attached_proved_and_then_used(tmp_path: Path) -> None:
    """Card, Coolify's key, Coolify's address and fleet.toml follow each other; a second call plans nothing."""
    async with opened(tmp_path) as it:
        before = stand(it)
        said = await connect(it)
        again = await connect(it)
        assert said.outcome == "applied", said.text
        assert (before, stand(it), again.outcome) == (BEFORE, AFTER, "already_so"), again.text
        assert said.checks == dict.fromkeys(("private way", "Coolify", "fleet.toml"), "passed")
        assert unknown(it) == []


async def test_the_factory_is_connected_first_and_the_rest_of_the_file_stays(tmp_path: Path) -> None:
    """A Muscle is refused until the Factory is in the network; then its address is in force without a new start."""

    def alone(state: WorldState) -> None:
        networked(state)
        state.hetzner.servers[0].private_net = []
        state.hosts["factory"].private_address = state.hosts["factory"].private_network = ""

    def without(fleet: Fleet) -> Fleet:
        return inner(fleet).model_copy(update={"factory": fleet.factory})

    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=alone, change_fleet=without) as it:
            refused = await connect(it)
            said = await connect(it, "factory")
            muscle = await connect(it)
            assert "connect_private_network factory" in refused.text
            assert [one.outcome for one in (said, muscle)] == ["applied", "applied"], said.text + muscle.text
            file = load_fleet(it.app.settings.fleet_path)
            assert [host.private_address for host in (file.factory, *file.muscles)] == [FACTORY_AT, MUSCLE_AT, None]


def small(state: WorldState) -> None:
    """Let the card of the Muscle carry less than it should."""
    state.hosts["muscle-1"].private_mtu = 1400


def shut(state: WorldState) -> None:
    """Let the Muscle's own firewall let in the admin alone."""
    state.hosts["muscle-1"].firewall.ufw = Ufw(active=True, rules4=["allow tcp 22 0.0.0.0/0 any 198.51.100.7 in"])


def no_ping(state: WorldState) -> None:
    """Take ping away from the Factory."""
    state.hosts["factory"].without.append("ping")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (small, "no packet of 1450 bytes came back to factory from 10.250.0.3"),
        (shut, "port 22 of 10.250.0.3 is silent"),
        (no_ping, "factory has no ping (package iputils-ping)"),
    ],
)
async def test_what_is_not_proved_is_not_used_and_all_is_as_it_was(
    tmp_path: Path, change: Callable[[WorldState], None], words: str
) -> None:
    """The server is off the network again, and Coolify and fleet.toml never heard of it."""
    async with opened(tmp_path, change) as it:
        said = await connect(it)
        assert (said.outcome, stand(it)) == ("undone", BEFORE), said.text
        assert words in said.text


async def test_where_coolify_does_not_validate_it_there_it_goes_back(tmp_path: Path) -> None:
    """Coolify's address, its key's limits and the card are as they were, and fleet.toml has not heard of it."""

    def broken(state: WorldState) -> None:
        state.hosts["muscle-1"].docker_version = ""

    trouble = After(tmp_path, "coolify.set_server_address", broken)
    async with opened(tmp_path, wrap_handler=trouble) as it:
        said = await connect(it)
        assert (said.outcome, stand(it)) == ("undone", BEFORE), said.text


async def test_a_network_that_overlaps_what_docker_has_is_refused(tmp_path: Path) -> None:
    """The refusal names each end, the network and the pool; nothing is changed."""

    def overlaps(state: WorldState) -> None:
        networked(state)
        state.hetzner.networks[-1].ip_range = "172.17.0.0/16"

    def wide(fleet: Fleet) -> Fleet:
        found = inner(fleet)
        factory = found.factory.model_copy(update={"private_address": "172.17.0.2"})
        access = Access(admin=found.access.admin, private=("172.16.0.0/12",))
        return found.model_copy(update={"factory": factory, "access": access})

    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=overlaps, change_fleet=wide) as it:
            said = await connect(it)
            assert (said.text.split()[0], stand(it)["cards"]) == ("[refused_by_policy]", []), said.text
            assert "muscle-1: 172.17.0.0/16 leads to docker0" in said.text
            assert "muscle-1: Docker may take 172.17.0.0/16" in said.text


async def test_a_network_that_fleet_toml_does_not_name_is_not_used(tmp_path: Path) -> None:
    """Firewalls are judged by fleet.toml: a network that it does not name would be an open side door."""

    def unnamed(fleet: Fleet) -> Fleet:
        return inner(fleet).model_copy(update={"access": fleet.access})

    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=networked, change_fleet=unnamed) as it:
            said = await connect(it)
            assert (said.is_error, stand(it)["cards"]) == (True, [])
            assert "No network of the project lies in the private networks of fleet.toml (none)." in said.text
