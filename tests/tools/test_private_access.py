"""A Muscle whose SSH is on the private network only: check_firewall judges it so, apply_firewall makes it so."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from ink_infra_mcp.core.fleet import Fleet
from ink_infra_mcp.core.key_pair import fingerprint_of
from ink_infra_mcp.sandbox.hosts.ways import Came, lets_in
from ink_infra_mcp.sandbox.state import WorldState
from ink_infra_mcp.sandbox.state_hetzner import PrivateNet
from ink_infra_mcp.sandbox.state_hosts import Ufw
from tests.clock import FakeClock
from tests.ink import Ink, ink, says_yes
from tests.tools.arrivals import all_proved, approved, bare, bought, existing, written
from tests.tools.calls import Said, call, unknown
from tests.tools.test_connect_private_network import (
    FACTORY_AT,
    MUSCLE_AT,
    MUSCLE_PUBLIC,
    NETWORK,
    RANGE,
    inner,
    networked,
)

pytestmark = pytest.mark.anyio

LIMIT_S = 165
ADMIN, FACTORY, STRANGER = "198.51.100.7", "192.0.2.10", "203.0.113.9"
OPEN = (
    "ssh_open_to_neighbours",
    "22/tcp is open over ipv4 to admin-outside, factory-outside, fleet, though policy wants it closed",
)
WAYS = {
    "stranger": Came(STRANGER, MUSCLE_PUBLIC),
    "admin": Came(ADMIN, MUSCLE_PUBLIC),
    "factory": Came(FACTORY, MUSCLE_PUBLIC),
    "factory inside": Came(FACTORY_AT, MUSCLE_AT),
    "neighbour inside": Came("10.250.0.9", MUSCLE_AT),
}


def joined(state: WorldState) -> None:
    """Let muscle-1 be in the network, too."""
    networked(state)
    state.hetzner.servers[1].private_net.append(
        PrivateNet(network=NETWORK, ip=MUSCLE_AT, mac_address="86:00:00:00:00:02")
    )
    muscle = state.hosts["muscle-1"]
    muscle.private_address, muscle.private_network = MUSCLE_AT, RANGE


def private(fleet: Fleet) -> Fleet:
    """Return the fleet in which muscle-1 takes SSH over the private network only, and we pass through the Factory."""
    found = inner(fleet)
    words = {"access": "private", "private_address": MUSCLE_AT, "bastion": "factory"}
    first, *others = found.muscles
    return found.model_copy(update={"muscles": (first.model_copy(update=words), *others)})


@asynccontextmanager
async def opened(folder: Path) -> AsyncGenerator[Ink]:
    """Give such a fleet."""
    with anyio.fail_after(LIMIT_S):
        async with ink(folder, change_world=joined, change_fleet=private) as it:
            yield it


async def asked(it: Ink, tool: str, **more: object) -> Said:
    """Call a tool about muscle-1 with a person who says yes."""
    async with it.client(says_yes()) as client:
        return await call(client, tool, server="muscle-1", **more)


def ssh_findings(said: Said) -> list[tuple[str, str]]:
    """Return what is found of SSH."""
    return [(f["code"], f["what"]) for f in said.data.get("findings", ()) if f["code"].startswith(("ssh_", "factory_"))]


def let_in(it: Ink) -> dict[str, bool]:
    """Return who gets in by SSH through the server's own firewall."""
    return {name: lets_in(it.state.hosts["muscle-1"], came, 22) for name, came in WAYS.items()}


async def test_ssh_over_the_public_address_is_a_finding_and_then_closed(tmp_path: Path) -> None:
    """Strangers, admins and the Factory itself get in there at first; afterwards the Factory over the private network
    alone, through both layers, and websites are open to the same people as before.
    """
    async with opened(tmp_path) as it:
        before = await asked(it, "check_firewall")
        refused = await asked(it, "apply_firewall")
        connected = await asked(it, "connect_private_network", wait_s=600)
        done = await asked(it, "apply_firewall", wait_s=600)
        after = await asked(it, "check_firewall")
        rules = next(f.rules for f in it.state.hetzner.firewalls if any(a.server == 4_710_002 for a in f.at))
        assert ssh_findings(before) == [OPEN], before.text
        assert "Call connect_private_network muscle-1 first" in refused.text
        assert connected.outcome == "applied", connected.text
        assert done.outcome == "applied", done.text
        assert (ssh_findings(after), after.text.split("verdict: ")[1].split()[0]) == ([], "clean"), after.text
        assert let_in(it) == {**dict.fromkeys(WAYS, False), "factory inside": True}
        assert sorted({(rule.port, *rule.source_ips) for rule in rules}) == [
            ("443", "0.0.0.0/0", "::/0"),
            ("80", "0.0.0.0/0", "::/0"),
        ]
        assert unknown(it) == []


async def test_a_bought_muscle_never_takes_ssh_from_the_internet(tmp_path: Path) -> None:
    """With private access it is reached through the Factory from its first login on: its firewall in front lets SSH in
    from nobody, Coolify has it by its private address after the way was proved, and fleet.toml says all of it.
    """
    arguments = {**bought("s3", network=NETWORK), "access": "private"}
    with anyio.fail_after(LIMIT_S):
        async with (
            ink(tmp_path, change_world=networked, change_fleet=inner, clock=FakeClock()) as it,
            it.client() as client,
        ):
            said = await approved(it, client, "add_muscle", **arguments)
            again = await call(client, "add_muscle", **arguments)
            assert said.outcome == "applied", said.text
            state, file = it.state, written(it)["s3"]
            server = next(server for server in state.hetzner.servers if server.name == "s3")
            front = next(firewall for firewall in state.hetzner.firewalls if firewall.name == "ink-s3")
            assert (said.outcome, said.checks) == ("applied", all_proved("s3")), said.text
            assert (file.access, file.bastion, file.address) == ("private", "factory", server.ipv4)
            inside = server.private_net[0].ip
            assert (file.private_address, [s.ip for s in state.coolify.servers if s.name == "s3"]) == (inside, [inside])
            assert {rule.port for rule in front.rules} == {"80", "443"}
            assert (again.outcome, unknown(it)) == ("already_so", []), again.text


async def test_private_access_takes_a_network_with_the_factory_in_it(tmp_path: Path) -> None:
    """Without a network, or before the Factory is in it, nothing is bought: nobody could log in."""

    def without(fleet: Fleet) -> Fleet:
        return inner(fleet).model_copy(update={"factory": fleet.factory})

    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=networked, change_fleet=without) as it, it.client() as client:
            none = await call(client, "add_muscle", **{**bought("s3"), "access": "private"})
            early = await call(client, "add_muscle", **{**bought("s3", network=NETWORK), "access": "private"})
            assert [said.text.split()[0] for said in (none, early)] == ["[invalid_input]", "[refused_by_policy]"]
            assert "connect_private_network factory" in early.text


INSIDE, PUBLIC = "10.250.0.9", "198.51.100.40"
WAYS_IN = {
    "stranger": Came(STRANGER, PUBLIC),
    "admin": Came(ADMIN, PUBLIC),
    "factory": Came(FACTORY, PUBLIC),
    "factory inside": Came(FACTORY_AT, INSIDE),
}


def inner_machine(it: Ink, **more: object) -> dict[str, Any]:
    """Return the arguments that take in a bare server over the private network alone."""
    return {**existing(it, "s3", **{"inner": INSIDE, **more}), "access": "private"}


def spare(state: WorldState) -> None:
    """Let there be a bare server in the network, which takes SSH there only."""
    networked(state)
    bare("s3", PUBLIC, private_address=INSIDE, private_network=RANGE)(state)
    state.hosts["spare-s3"].firewall.ufw = Ufw(active=True, rules4=[f"allow tcp 22 0.0.0.0/0 any {FACTORY_AT} in"])


async def test_an_existing_server_becomes_a_muscle_over_the_private_network_alone(tmp_path: Path) -> None:
    """It is reached through the Factory from its first login on, the way is proved before Coolify gets its private
    address, its names lead to its public one, and fleet.toml says all of it.
    """
    with anyio.fail_after(LIMIT_S):
        async with (
            ink(tmp_path, change_world=spare, change_fleet=inner, clock=FakeClock()) as it,
            it.client() as client,
        ):
            said = await approved(it, client, "add_muscle", **inner_machine(it))
            again = await call(client, "add_muscle", **inner_machine(it))
            state, file, lost = it.state, written(it).get("s3"), unknown(it)
            way = {name: lets_in(state.hosts["spare-s3"], came, 22) for name, came in WAYS_IN.items()}

    assert (said.outcome, said.checks, again.outcome) == ("applied", all_proved("s3"), "already_so"), said.text
    assert file is not None
    assert (file.access, file.bastion, file.address, file.private_address) == ("private", "factory", PUBLIC, INSIDE)
    assert ([s.ip for s in state.coolify.servers if s.name == "s3"], lost) == ([INSIDE], [])
    assert way == {"stranger": False, "admin": False, "factory": False, "factory inside": True}


async def test_a_server_inside_is_taken_in_only_where_all_is_known_of_the_way(tmp_path: Path) -> None:
    """Without private access, outside the fleet's networks, by a public address that it has not, or by a fingerprint
    that nobody can look up, it is not.
    """
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=spare, change_fleet=inner) as it, it.client() as client:
            key = fingerprint_of(it.ends.host_keys["spare-s3"])
            arguments = {
                "inner= goes with access=private": {**inner_machine(it), "access": "public"},
                "10.9.0.1 lies in none of the private networks": inner_machine(it, inner="10.9.0.1"),
                "s3 has no card with the address 198.51.100.41": inner_machine(it, address="198.51.100.41"),
                "nobody can look up the key of a fingerprint": inner_machine(it, host_key=key),
            }
            said = {words: await call(client, "add_muscle", **given) for words, given in arguments.items()}

    assert {words: words in one.text and one.is_error for words, one in said.items()} == dict.fromkeys(said, True)


async def test_another_way_into_a_muscle_of_the_fleet_is_refused_and_not_ignored(tmp_path: Path) -> None:
    """It would not be given: neither private access nor a private address that fleet.toml has not."""
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=joined, change_fleet=inner) as it, it.client() as client:
            machine = {"address": MUSCLE_PUBLIC, "host_key": it.ends.host_keys["muscle-1"], "inner": MUSCLE_AT}
            source = {"kind": "existing", "machines": [machine]}
            said = await call(client, "add_muscle", names=["muscle-1"], source=source, access="private")

    assert (said.is_error, "Call connect_private_network muscle-1" in said.text) == (True, True), said.text
