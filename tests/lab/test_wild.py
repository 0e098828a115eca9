"""Random servers, built out of everything that decides who gets in: what connects through was never called closed."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import anyio
import pytest

from ink_infra_mcp.areas.ports.knocks import Knocked
from ink_infra_mcp.core.firewall.exposure import State
from ink_infra_mcp.core.fleet import Access, CoolifySettings, Fleet, Muscle
from tests.lab.bed import Bed, meanwhile
from tests.lab.conftest import ENVIRONMENT
from tests.lab.run import SEED
from tests.lab.tools_bed import app_of
from tests.lab.wild.judging import Judged, Tally, shrunk, verdict
from tests.lab.wild.stage import Stage
from tests.lab.wild.worlds import LIGHT, WHOLE, Parts, World, world

pytestmark = pytest.mark.anyio

FIRST = 1_100
"""The first seed of those that every run tries; they follow one another."""
FEW_LIGHT, FEW_WHOLE = 14, 4
LIGHT_CHUNK, LIGHT_CHUNKS = 50, 8
WHOLE_CHUNK, WHOLE_CHUNKS = 10, 10
"""Together 500 servers, in tests of some minutes each, so that two labs share them."""
LONG_S = 3600
FACTORY, TARGET, FLEET = "l000", "l001", "l002"
Record = Callable[[str, object], None]


@pytest.fixture
async def light(bed: Bed, tmp_path: Path) -> AsyncIterator[Stage]:
    """Give a light server, as a Muscle of a fleet of light servers; it is left as it was."""
    await meanwhile(lambda: bed.lab.light(3))
    fleet = Fleet(
        coolify=CoolifySettings(url="https://coolify.example.com"),
        factory=bed.host(FACTORY),
        muscles=tuple(Muscle.model_validate(bed.host(name).model_dump()) for name in (TARGET, FLEET)),
        access=Access(admin=(bed.lab.site.admin_ipv4, bed.lab.site.admin_ipv6)),
    )
    app = app_of(bed, tmp_path / "state", fleet)
    try:
        yield Stage(bed, app, TARGET, factory=FACTORY, fleet=FLEET)
    finally:
        await app.aclose()
        await meanwhile(lambda: bed.clean(TARGET))


@pytest.fixture
async def whole(bed: Bed, tmp_path: Path) -> AsyncIterator[Stage]:
    """Give a server with systemd, Docker and two cards, as a Muscle."""
    app = app_of(bed, tmp_path / "state")
    try:
        yield Stage(bed, app, "muscle-2", factory="factory", fleet="muscle-1")
    finally:
        await app.aclose()


async def held(stage: Stage, seeds: range, parts: Parts, record: Record) -> None:
    """Make the server of each seed; fail where what was computed closed is open, or the admin's way in is lost."""
    tally = Tally()
    for seed in seeds:
        await stage.held(world(seed, parts), tally)
    record("random servers", f"seeds {seeds[0]} to {seeds[-1]}: {tally.said}")
    assert tally.wrong == []
    assert tally.refused * 2 < tally.steps
    assert tally.connects["right"] > tally.connects["unknown"]


async def test_what_connects_through_to_a_random_server_was_not_called_closed(
    light: Stage, record_property: Record
) -> None:
    """Filters of every tool, translations, addresses, routes and listeners at once, over both families."""
    await held(light, range(FIRST, FIRST + FEW_LIGHT), LIGHT, record_property)


async def test_nor_to_a_random_server_with_docker_ufw_and_firewalld(whole: Stage, record_property: Record) -> None:
    """The same with containers and managers of firewalls, and over the private network."""
    await held(whole, range(FIRST, FIRST + FEW_WHOLE), WHOLE, record_property)


@pytest.mark.long
@pytest.mark.timeout(LONG_S)
@pytest.mark.parametrize("chunk", range(LIGHT_CHUNKS))
async def test_nor_to_any_of_hundreds(light: Stage, record_property: Record, chunk: int) -> None:
    """As many as a release is worth, from a seed that is given or new each time."""
    first = int(ENVIRONMENT.get(SEED, "0")) + chunk * LIGHT_CHUNK
    await held(light, range(first, first + LIGHT_CHUNK), LIGHT, record_property)


@pytest.mark.long
@pytest.mark.timeout(LONG_S)
@pytest.mark.parametrize("chunk", range(WHOLE_CHUNKS))
async def test_nor_to_any_of_a_hundred_with_docker(whole: Stage, record_property: Record, chunk: int) -> None:
    """As many as a release is worth, with all that a server can have."""
    first = int(ENVIRONMENT.get(SEED, "0")) + chunk * WHOLE_CHUNK
    await held(whole, range(first, first + WHOLE_CHUNK), WHOLE, record_property)


def test_a_seed_is_one_server() -> None:
    """The same seed gives the same steps, in any order of asking; a hundred seeds give a hundred servers."""
    seeds = [world(seed).told for seed in range(100)]
    assert [world(seed).told for seed in reversed(range(100))] == seeds[::-1]
    assert len(set(seeds)) == len(seeds)


WORDS = (
    *(
        "nft ",
        "iptables ",
        "ip6tables ",
        "iptables-legacy ",
        "ufw ",
        "ipset ",
        "dormant",
        "notrack",
        "tproxy",
        "fwd to",
    ),
    *("dup to", "redirect", "dnat", "vmap", "timeout", "route_localnet", "rp_filter", "accept_local", "bridge-nf-call"),
    *("dev lo", "dev v0", "br-wan", "mac0", "route add local", "INPUT -m", "--comment", "SYNPROXY", "tc filter"),
    *(
        "mptcp",
        "docker run",
        "docker pause",
        "docker network create",
        "macvlan",
        "firewall-cmd",
        "NFQUEUE",
        "ip filter",
    ),
)


def test_every_kind_of_thing_is_drawn() -> None:
    """Within the 500 servers of a long run there is each tool and each kind of rule, address and listener."""
    drawn = "\n".join([*(world(seed).told for seed in range(400)), *(world(seed, WHOLE).told for seed in range(100))])
    assert [word for word in WORDS if word not in drawn] == []


CONNECT = Knocked(server="a", origin="outside", source="192.0.2.1", address="192.0.2.2", port=80, answer="open")


def test_a_connect_that_comes_through_is_wrong_exactly_where_closed_was_said_or_nothing() -> None:
    """Closed and not even named are the two that must not be; unknown is counted apart, and open too much as well."""
    silent = CONNECT.model_copy(update={"answer": "silent"})
    states = (State.CLOSED, None, State.OPEN, State.UNKNOWN)
    assert [verdict(state, CONNECT) for state in states] == ["wrong closed", "wrong closed", "right", "unknown"]
    assert [verdict(state, silent) for state in states] == ["right", "right", "wrong open", "unknown"]


def test_servers_are_summed_up_with_what_was_refused() -> None:
    """The figures of a run stand on one line."""
    tally = Tally()
    tally.add(Judged(World(1, ("a", "b"), ()), ((CONNECT, State.OPEN), (CONNECT, None)), ("b",)))
    assert tally.said == ("1 servers, 2 steps (1 refused), connects: 1 right, 1 wrong closed, 0 wrong open, 0 unknown")


async def test_the_least_that_shows_it_is_found() -> None:
    """Of many steps and listeners those are left that are needed together, and the number of tries is kept."""
    tried: list[World] = []

    async def shows(candidate: World) -> bool:
        await anyio.lowlevel.checkpoint()
        tried.append(candidate)
        return {"c", "f"} <= set(candidate.steps) and "y" in candidate.listens

    whole_world = World(7, tuple("abcdefghij"), ("x", "y"))
    assert await shrunk(whole_world, shows, most=100) == World(7, ("c", "f"), ("y",))
    tried.clear()
    assert set((await shrunk(whole_world, shows, most=3)).steps) >= {"c", "f"}
    assert len(tried) == 3
