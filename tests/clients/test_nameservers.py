"""Asking name servers themselves, over real sockets: delegation, what a zone's servers say, and the waiting step."""

from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from pathlib import Path

import anyio
import pytest

from ink_infra_mcp.clients.nameservers import Nameservers
from ink_infra_mcp.clients.nameservers.steps import NameserverSteps
from ink_infra_mcp.core.dns.zones import Told
from ink_infra_mcp.core.errors import StepFailed
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.step import result_of
from ink_infra_mcp.sandbox.authorities import serve_internet
from ink_infra_mcp.sandbox.state import Fault, WorldState
from ink_infra_mcp.sandbox.state_hetzner import NAMESERVERS, Record, RRset
from ink_infra_mcp.sandbox.world import World
from tests.clients.steps import Steps
from tests.clock import FakeClock
from tests.sandbox.pretend import pretend_world

pytestmark = pytest.mark.anyio

HETZNER = tuple(sorted(name.rstrip(".") for name in NAMESERVERS))
CLOUDFLARE = ("ada.ns.example.net", "bob.ns.example.net")
PROVE = "nameservers.prove_records"
MUSCLE_1 = frozenset({"192.0.2.11"})


@dataclass(frozen=True)
class Internet:
    """The pretend internet's name servers, and our client of them."""

    world: World
    clock: FakeClock
    servers: Nameservers

    def arrange(self, change: Callable[[WorldState], object]) -> None:
        """Change the world."""
        with self.world.change() as state:
            change(state)

    def silent(self, match: str, *, times: int = 99, kind: str = "drop") -> None:
        """Let questions to one name server go unanswered."""
        fault = Fault(system="authority", match=match, kind=kind, times=times)
        self.arrange(lambda state: state.faults.append(fault))


@pytest.fixture
async def net(tmp_path: Path) -> AsyncGenerator[Internet]:
    """Give the internet of a fresh world."""
    clock = FakeClock()
    world = pretend_world(tmp_path, lambda: clock.now().timestamp())
    port, connect_to, closing = await serve_internet(world)
    servers = Nameservers((("127.0.0.1", port),), connect_to, confined=True, timeout_s=0.3)
    with anyio.fail_after(90):
        yield Internet(world, clock, servers)
    for close in closing:
        await close()


async def test_the_zone_above_tells_whom_the_world_asks(net: Internet) -> None:
    """Asked of its own server: both providers' zones, one that is delegated elsewhere, and one that is not at all."""
    assert await net.servers.named_by_parent("example.com") == HETZNER
    assert await net.servers.named_by_parent("example.org") == CLOUDFLARE
    net.arrange(lambda state: setattr(state.cloudflare.zones[0], "delegated", ["ns.elsewhere.example"]))
    assert await net.servers.named_by_parent("example.org") == ("ns.elsewhere.example",)
    assert await net.servers.named_by_parent("unregistered.com") == ()


@pytest.mark.parametrize("kind", ["drop", "status"])
async def test_a_parent_that_does_not_answer_leaves_it_unknown(net: Internet, kind: str) -> None:
    """Silence and a server's failure are never taken for "nobody"."""
    net.silent("a.parents", kind=kind)
    assert await net.servers.named_by_parent("example.com") is None


async def test_each_server_is_asked_itself(net: Internet) -> None:
    """What is found, what is not there, who refuses, who is silent, and who is no server at all."""
    net.silent("oxygen")
    told = await net.servers.ask((*HETZNER, "ada.ns.example.net", "nowhere.example.net"), "x.s1.example.com", "A")
    right = {"status": "found", "values": ("192.0.2.11",), "authoritative": True}
    assert told == (
        Told.model_validate({"server": "helium.ns.example.net", **right}),
        Told.model_validate({"server": "hydrogen.ns.example.net", **right}),
        Told(server="oxygen.ns.example.net", status="failed"),
        Told(server="ada.ns.example.net", status="failed"),
        Told(server="nowhere.example.net", status="failed"),
    )
    for name in ("x.s1.example.com", "nothing.example.com"):
        (none,) = await net.servers.ask(HETZNER[:1], name, "AAAA")
        assert none == Told(server=HETZNER[0], status="none", authoritative=True)


async def test_a_part_that_is_given_away_is_not_the_zone_s_own(net: Internet) -> None:
    """Records below an NS record are told by nobody: the server refers, and does not speak for itself."""
    records = [Record(value="ns.elsewhere.example.")]
    net.arrange(lambda state: state.hetzner.zones[0].rrsets.append(RRset(name="s1", type="NS", records=records)))
    (told,) = await net.servers.ask(HETZNER[:1], "x.s1.example.com", "A")
    assert told == Told(server=HETZNER[0], status="none")


def expected(name: str, *values: object, type: str = "A") -> JsonObject:
    """Return what a step expects of a name."""
    records = [{"value": value} for value in values]
    return {"name": name, "type": type, "set": {"name": name, "type": type, "records": records} if values else None}  # pyright: ignore[reportReturnType] - values as JSON


def params(*each: JsonObject) -> JsonObject:
    """Return the parameters of a proof in example.com."""
    zone: JsonObject = {"id": "1", "name": "example.com"}
    return {"zone": zone, "servers": [*HETZNER], "expected": [*each], "within_s": 60}


def steps(net: Internet) -> Steps:
    """Return the step."""
    return Steps(NameserverSteps(net.servers).handlers(), net.clock)


async def test_records_that_all_servers_give_are_proved(net: Internet) -> None:
    """A wildcard by a name below it, a value that an earlier step returned, and a type that shall not be there."""
    run = steps(net)
    run.results["buy"] = {"ipv4": "192.0.2.12"}
    done = await run.run(
        PROVE,
        params(
            expected("*.s1.example.com", "192.0.2.11"),
            expected("*.s2.example.com", result_of("buy", "ipv4")),
            expected("*.s1.example.com", type="AAAA"),
        ),
    )
    assert "this machine's resolver: 192.0.2.11" in str(done["seen"])


async def test_a_server_that_is_late_is_waited_for(net: Internet) -> None:
    """One that says something else at first is asked again; what is waited for is said."""
    net.silent("oxygen", times=2)
    run = steps(net)
    await run.run(PROVE, params(expected("*.s1.example.com", "192.0.2.11")))
    assert any("oxygen.ns.example.net: failed" in line for line in run.said)


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        (expected("*.s1.example.com", "192.0.2.99"), "do not all give 192.0.2.99"),
        (expected("*.s1.example.com"), "do not all give none"),
        (expected("*.s3.example.com", "192.0.2.13"), "hydrogen.ns.example.net: none"),
    ],
)
async def test_another_answer_is_no_proof(net: Internet, wanted: JsonObject, words: str) -> None:
    """After the time the step fails with what each server said; nothing is undone by it."""
    with pytest.raises(StepFailed, match="The records are set at the provider") as failed:
        await steps(net).run(PROVE, params(wanted))
    assert words in str(failed.value)


async def test_silence_of_one_server_is_no_proof(net: Internet) -> None:
    """Two that agree do not speak for the third."""
    net.silent("oxygen")
    with pytest.raises(StepFailed, match=r"oxygen\.ns\.example\.net: failed"):
        await steps(net).run(PROVE, {**params(expected("*.s1.example.com", "192.0.2.11")), "within_s": 10})


async def test_a_world_that_asks_elsewhere_is_no_proof(net: Internet) -> None:
    """The zone's own servers are right, and nobody asks them: the resolver tells."""
    net.arrange(lambda state: setattr(state.hetzner.zones[0], "delegation_status", "invalid"))
    with pytest.raises(StepFailed, match="this machine's resolver: none"):
        await steps(net).run(PROVE, {**params(expected("*.s1.example.com", "192.0.2.11")), "within_s": 10})
