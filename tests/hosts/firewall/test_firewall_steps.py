"""Changing a pretend server's own firewall, step by step: what is asked first, what is refused, and the way back."""

import json
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import pytest

from ink_infra_mcp.clients import knock
from ink_infra_mcp.core.errors import HostUnreachable, InkError, StepFailed
from ink_infra_mcp.core.firewall.answer import Unreadable
from ink_infra_mcp.core.fleet import Host
from ink_infra_mcp.core.host_firewall.model import HostFirewall, HostRule, WayIn
from ink_infra_mcp.core.host_firewall.nftables import digest_of
from ink_infra_mcp.core.host_firewall.steps import HostChange, Knock, Try, steps_of
from ink_infra_mcp.core.plan import JsonObject, Step, Undo
from ink_infra_mcp.core.step import StepCall, result_of
from ink_infra_mcp.hosts.firewall import changes as changes
from ink_infra_mcp.hosts.firewall.network_facts import gather_network
from ink_infra_mcp.hosts.firewall.steps import FirewallSteps
from ink_infra_mcp.hosts.readings import READINGS
from ink_infra_mcp.sandbox.hosts import SshHosts, serve_hosts
from ink_infra_mcp.sandbox.hosts.ways import BRIDGE, GATEWAY
from ink_infra_mcp.sandbox.state import Fault
from ink_infra_mcp.sandbox.state_hosts import Container, HostState, Ufw
from ink_infra_mcp.sandbox.world import World
from ink_infra_mcp.ssh.pool import HostPool
from tests.clock import FakeClock
from tests.permits import permit_here
from tests.ssh.servers import ADDRESS, NAME, pool_of, world_of

pytestmark = pytest.mark.anyio

LIMIT_S = 60
OURS = "198.51.100.7"
"""Where the pretend people come from."""
FACTORY = HostState(name="factory", address="192.0.2.10", role="factory")
PUBLISHES = Container(id="a1" * 32, name="web", image="web", ports=["0.0.0.0:80->8080/tcp", "0.0.0.0:9000->9000/tcp"])
MUSCLE = HostState(name=NAME, address=ADDRESS, role="muscle", containers=[PUBLISHES])
SSH = HostRule(protocol="tcp", ports="22", sources=(f"{OURS}/32", "192.0.2.10/32"), why="SSH")
WEB = HostRule(protocol="tcp", ports="80", sources=("0.0.0.0/0", "::/0"), why="web")
WANTED = HostFirewall(rules=(SSH, WEB), outside=("eth0",))


@dataclass
class Ground:
    """A pretend Factory and Muscle, and one change of the Muscle's firewall."""

    world: World
    ssh: SshHosts
    pool: HostPool
    clock: FakeClock
    results: dict[str, JsonObject] = field(default_factory=dict[str, JsonObject])
    said: list[str] = field(default_factory=list[str])

    async def run(self, step: Step | Undo, *, id_: str = "undo") -> JsonObject:
        """Run a step, and keep its result for those that follow."""
        permit = permit_here("op-1", step.kind)
        id_ = step.id if isinstance(step, Step) else id_
        call = StepCall(
            "op-1", id_, step.kind, step.target, step.params, self.results, permit, self.clock, self.said.append
        )
        with anyio.fail_after(LIMIT_S):
            self.results[id_] = await FirewallSteps(self.pool, knock.Knock(confined=True).all).handlers()[step.kind](
                call
            )
        return self.results[id_]

    async def look(self) -> changes.Seen:
        """Look at the Muscle's firewall."""
        return await changes.look(self.pool, NAME)

    def met(self) -> dict[str, str]:
        """Return the state of every change on the Muscle."""
        return {name: change.state for name, change in self.world.read().hosts[NAME].firewall.changes.items()}


@pytest.fixture
async def ground(tmp_path: Path) -> AsyncGenerator[Ground]:
    """Run the servers; the pool's clock is the test's."""
    world, clock = world_of(tmp_path, MUSCLE, FACTORY), FakeClock()
    async with await serve_hosts(world) as ssh:
        hosts = [
            Host(name=name, address=door_address, host_key=ssh.doors[name].host_public_key)
            for name, door_address in ((NAME, ADDRESS), ("factory", FACTORY.address))
        ]
        key = ssh.login_private_key
        async with pool_of(*hosts, key=key, reads=READINGS, connect_to=ssh.connect_to, clock=clock) as pool:
            yield Ground(world, ssh, pool, clock)


def change_of(firewall: HostFirewall = WANTED, **more: object) -> HostChange:
    """Return a change of the Muscle's firewall."""
    knocks = (Knock(of="factory", address=ADDRESS, port=22),)
    ways = (WayIn(name="the admins", networks=(f"{OURS}/32",)), WayIn(name="the Factory", networks=("192.0.2.10/32",)))
    return HostChange(host=NAME, firewall=firewall, ways=ways, knocks=knocks).model_copy(update=more)


async def test_saved_set_and_kept_it_is_there_to_stay(ground: Ground) -> None:
    """Each step says what it left; the last look finds it loaded, on the disk and with nothing to do any more."""
    steps = steps_of(change_of(), before="open", after="closed")
    before = await ground.look()
    results = [await ground.run(step) for step in steps]
    digest = digest_of(WANTED)
    assert results == [
        {"change": "op-1", "before": "none", "manager": "nftables", "met": "[]", "untried": ""},
        {"live": digest, "state": "armed"},
        {"live": digest, "persisted": digest, "proved": 0},
    ]
    assert (before.is_already(WANTED), (await ground.look()).is_already(WANTED)) == (False, True)


async def test_what_is_loaded_is_what_the_facts_of_the_network_show(ground: Ground) -> None:
    """The pretend nft lists the table so that it is read as real ones are, beside Docker's rules and the sockets."""
    for step in steps_of(change_of(), before="open", after="closed"):
        await ground.run(step)
    facts = await gather_network(ground.pool, NAME)
    assert not any(isinstance(layer, Unreadable) for layer in (facts.v4, facts.v6, facts.interfaces, facts.sockets))
    assert isinstance(facts.v4, tuple)
    assert {table.name for table in facts.v4} >= {"nft inet ink"}
    assert (facts.came_from, facts.came_to, facts.ufw, facts.firewalld) == (OURS, ADDRESS, False, False)


async def test_a_server_that_speaks_german_is_read_all_the_same(ground: Ground) -> None:
    """Its login sets LANG and LANGUAGE; ufw says `Status: Aktiv` to whoever does not ask for plain words."""
    for active in (True, False):
        ufw = Ufw(active=active, rules4=["allow tcp 22 0.0.0.0/0 any 0.0.0.0/0 in"])
        with ground.world.change() as state:
            state.hosts[NAME].firewall.ufw = ufw
        assert (await gather_network(ground.pool, NAME)).ufw is active


async def test_every_step_may_run_twice(ground: Ground) -> None:
    """A process that was killed after a step and before its result was written runs it again."""
    for step in steps_of(change_of(), before="open", after="closed"):
        assert await ground.run(step) == await ground.run(step)
    undo = steps_of(change_of(), before="open", after="closed")[0].undo
    assert undo
    assert await ground.run(undo) == await ground.run(undo) == {"live": "none", "state": "reverted"}


async def test_a_firewall_that_shuts_us_out_is_refused_with_who_it_would_be(ground: Ground) -> None:
    """By the session's own source, the admins and the Factory; nothing was armed."""
    closed = HostFirewall(rules=(WEB,), outside=("eth0",))
    save, put, _ = steps_of(change_of(closed), before="open", after="closed")
    await ground.run(save)
    with pytest.raises(StepFailed) as caught:
        await ground.run(put)
    assert caught.value.failed == (
        f"The new firewall of {NAME} would shut out this very session ({OURS}/32 to tcp/22); "
        f"the admins ({OURS}/32 to tcp/22); the Factory (192.0.2.10/32 to tcp/22)."
    )
    assert (caught.value.done, caught.value.stage) == ("Nothing was changed.", "lockout")
    assert ground.met() == {"op-1": "saved"}


async def test_a_factory_that_does_not_get_in_stops_the_keep_and_is_undone(ground: Ground) -> None:
    """The rules may be right and a provider's firewall wrong: only the connect itself proves it."""
    without = HostFirewall(rules=(SSH.model_copy(update={"sources": (f"{OURS}/32",)}), WEB), outside=("eth0",))
    change = change_of(without, ways=())
    save, put, keep = steps_of(change, before="open", after="closed")
    await ground.run(save)
    await ground.run(put)
    with pytest.raises(StepFailed, match=f"no new connection gets through from factory to {ADDRESS} port 22"):
        await ground.run(keep)
    assert save.undo
    assert await ground.run(save.undo) == {"live": "none", "state": "reverted"}


def tries_of(*places: tuple[str, str, str, int]) -> tuple[Try, ...]:
    """Return connects, each as who makes it, from inside which network, to which address and port."""
    return tuple(Try(of=of, network=network, address=address, port=port) for of, network, address, port in places)


async def test_what_got_through_before_gets_through_again_or_all_is_taken_back(ground: Ground) -> None:
    """From the Factory, from the server and from inside its networks; what did not before, and what nobody can try,
    proves nothing, and is said.
    """
    tries = tries_of(
        ("factory", "", ADDRESS, 80),
        ("factory", "", ADDRESS, 81),
        (NAME, "", FACTORY.address, 22),
        (NAME, BRIDGE, GATEWAY, 22),
        (NAME, BRIDGE, FACTORY.address, 22),
        (NAME, "wg0", FACTORY.address, 22),
    )
    save, put, keep = steps_of(change_of(tries=tries), before="open", after="closed")
    saved = await ground.run(save)
    assert saved["untried"] == f"wg0: nobody who is in it runs on {NAME}"
    assert json.loads(str(saved["met"])) == [
        each.model_dump() for each in tries if each.port != 81 and each.network != "wg0"
    ]
    await ground.run(put)
    assert (await ground.run(keep))["proved"] == 4


@pytest.mark.parametrize(
    ("firewall", "lost"),
    [
        (WANTED.model_copy(update={"outside": ("eth0", BRIDGE)}), f"{BRIDGE} of {NAME} to {GATEWAY} port 22"),
        (WANTED.model_copy(update={"rules": (SSH,)}), f"factory to {ADDRESS} port 80"),
    ],
)
async def test_a_way_that_is_lost_is_named_and_given_back(ground: Ground, firewall: HostFirewall, lost: str) -> None:
    """A network that was taken for the outside, and a website: nothing is kept, and the undo loads the old rules."""
    tries = tries_of((NAME, BRIDGE, GATEWAY, 22), ("factory", "", ADDRESS, 80))
    save, put, keep = steps_of(change_of(firewall, tries=tries), before="open", after="closed")
    await ground.run(save)
    await ground.run(put)
    with pytest.raises(StepFailed) as caught:
        await ground.run(keep)
    assert (
        caught.value.failed
        == f"With the new rules these connections do not get through any more, and did before: {lost}."
    )
    assert ground.met() == {"op-1": "armed"}
    assert save.undo
    assert await ground.run(save.undo) == {"live": "none", "state": "reverted"}


async def test_a_firewall_that_is_not_kept_in_time_reverts_by_itself(ground: Ground) -> None:
    """The keep then finds the old one, says so, and the undo has nothing left to do."""
    save, put, keep = steps_of(change_of(), before="open", after="closed")
    await ground.run(save)
    await ground.run(put)
    with ground.world.change() as state:
        state.hosts[NAME].firewall.changes["op-1"].until = 0.0
    with pytest.raises(StepFailed, match="the switch has put the old firewall back"):
        await ground.run(keep)
    assert save.undo
    assert await ground.run(save.undo) == {"live": "none", "state": "reverted"}


async def test_the_undo_waits_for_a_server_that_is_out_of_reach(ground: Ground) -> None:
    """It reverts by itself meanwhile; when it answers again, that is seen."""
    save, put, _ = steps_of(change_of(), before="open", after="closed")
    await ground.run(save)
    await ground.run(put)
    with ground.world.change() as state:
        state.faults = [Fault(system="ssh", match=f"{NAME} ", kind="drop", times=3)]
    assert save.undo
    assert await ground.run(save.undo) == {"live": "none", "state": "reverted"}
    assert set(ground.said) == {f"waiting for {NAME}, which puts its old firewall back by itself"}


async def test_the_undo_ends_when_the_server_has_had_time_enough(ground: Ground) -> None:
    """After the probation and the time of a boot it is said that it was not seen, and where to look."""
    save, put, _ = steps_of(change_of(window_s=15), before="open", after="closed")
    await ground.run(save)
    await ground.run(put)
    began = ground.clock.monotonic()
    with ground.world.change() as state:
        state.hosts[NAME].up = False
    assert save.undo
    with pytest.raises(HostUnreachable) as caught:
        await ground.run(save.undo)
    assert "put its old firewall back by itself" in caught.value.done
    assert 165 <= ground.clock.monotonic() - began <= 170


async def test_an_answer_that_broke_off_counts_as_unknown(ground: Ground) -> None:
    """A set that was done, and whose answer got lost, fails; the undo takes it back."""
    save, put, _ = steps_of(change_of(), before="open", after="closed")
    await ground.run(save)
    with ground.world.change() as state:
        state.faults = [Fault(system="ssh", match="ink-firewall set", kind="drop_after")]
    with pytest.raises(InkError, match="it is not known whether"):
        await ground.run(put)
    assert ground.met() == {"op-1": "armed"}
    assert save.undo
    assert await ground.run(save.undo) == {"live": "none", "state": "reverted"}


async def test_a_new_connection_is_a_new_login_and_leaves_the_kept_one(ground: Ground) -> None:
    """What is kept goes on; a server whose firewall shuts us out refuses the new one only."""
    await ground.look()
    await ground.pool.try_new_connection(NAME)
    assert ground.ssh.logins == [f"{NAME} root accepted"] * 2
    with ground.world.change() as state:
        state.hosts[
            NAME
        ].firewall.table = "table inet ink {\n chain input {\n type filter hook input priority -5; policy drop;\n }\n}"
    with pytest.raises(HostUnreachable):
        await ground.pool.try_new_connection(NAME)
    assert (await ground.look()).live == "altered"


def links_step(**more: object) -> Step:
    """Return the step that reads the Muscle's links for a plan that could not."""
    params: JsonObject = {"host": NAME, "held": [ADDRESS], "others": [FACTORY.address], "private": []}
    return Step(
        id="note_links",
        kind="hosts.note_links",
        target=NAME,
        summary="Read links",
        params={**params, **more},  # pyright: ignore[reportArgumentType] - given by the tests below
        reads=True,
    )


async def test_links_are_read_when_a_step_runs_and_go_into_the_rules(ground: Ground) -> None:
    """What leads outside is the server's own word at that time; the rules with it are loaded, kept and already so."""
    noted = await ground.run(links_step())
    assert noted == {
        "links": {
            "manager": "nftables",
            "outside": ["eth0"],
            "inside": [],
            "bridged": [],
            "behind": [],
            "ufw_ipv6": True,
        },
        "manager": "nftables",
    }
    unknown = WANTED.model_copy(update={"outside": ()})
    links: JsonObject = {"links": result_of("note_links", "links")}
    save, put, keep = steps_of(change_of(unknown), before="open", after="closed")
    await ground.run(save.model_copy(update={"params": {**save.params, "manager": result_of("note_links", "manager")}}))
    await ground.run(put.model_copy(update={"params": {**put.params, **links}}))
    await ground.run(keep.model_copy(update={"params": {**keep.params, **links}}))
    assert (await ground.look()).is_already(WANTED)


async def test_networks_that_another_program_manages_are_told_with_the_manager(ground: Ground) -> None:
    """Where ufw keeps the rules, the networks behind the server are named, as its rules need them."""
    with ground.world.change() as state:
        state.hosts[NAME].firewall.ufw = Ufw(active=True, rules4=["allow tcp 22 0.0.0.0/0 any 0.0.0.0/0 in"])
    links = (await ground.run(links_step()))["links"]
    assert isinstance(links, dict)
    assert (links["manager"], links["behind"]) == ("ufw", [BRIDGE, "docker0"])
