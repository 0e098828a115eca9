"""A hundred real SSH servers at once: each answers for itself, over one login, and one that is sick holds up nobody."""

import os
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import anyio
import pytest

from ink_infra_mcp.core.errors import HostLoginRefused, HostUnreachable
from ink_infra_mcp.hosts.facts.gathering import HostFacts, gather, gather_all
from ink_infra_mcp.ssh.pool import HostPool
from tests.lab.bed import Bed, eventually, host_of, meanwhile
from tests.lab.ground.hosts import Server
from tests.lab.ground.lab import Lab
from tests.lab.peers.ours import Measured, measured
from tests.ssh.openssh import new_key

pytestmark = [pytest.mark.anyio, pytest.mark.xdist_group("a hundred servers")]

COUNT = 100
LIMIT_S = 270
NEVER_S = 600.0
FEW, SICK, ROUNDS = 25, 40, 6
GOAL_MS, BAR_MS = 5.0, 7.0
"""What a host may cost our process, on the machine that it was measured on; and on one that is slower by a third."""
MEMORY_MIB, GROWTH = 0.5, 1.5
WITHOUT_DOCKER = {
    "containers",
    "disk_data",
    "disk_docker",
    "docker_default_runtime",
    "docker_root",
    "docker_runtimes",
    "docker_version",
    "runsc_version",
}


@pytest.fixture(scope="module")
def many(lab: Lab) -> list[Server]:
    """Bring up a hundred light servers."""
    return lab.light(COUNT)


@pytest.fixture
def logins(many: list[Server]) -> "Logins":
    """Count the logins of this test."""
    return Logins(many)


class Logins:
    """The logins that each server has let in since the count began."""

    def __init__(self, servers: list[Server]) -> None:
        self._servers = servers
        self._before = self._counts()

    def new(self) -> dict[str, int]:
        """Return them by server."""
        return {name: count - self._before[name] for name, count in self._counts().items()}

    def _counts(self) -> dict[str, int]:
        logs = {server.name: server.home / "console.log" for server in self._servers}
        return {name: log.read_text(encoding="utf-8").count("Accepted publickey") for name, log in logs.items()}


def fleet(bed: Bed, many: list[Server], *, fan_out: int = 32, timeout_s: float = 20) -> HostPool:
    """Return the product's way to all of them."""
    return bed.pool(*map(host_of, many), fan_out=fan_out, connect_timeout_s=timeout_s)


def own(server: Server, facts: object) -> bool:
    """Return whether these are whole facts of that server: what it has is known, and what it lacks is said."""
    if not isinstance(facts, HostFacts) or set(facts.unknown) != WITHOUT_DOCKER:
        return False
    return (facts.host, facts.kernel) == (server.name, os.uname().release) and facts.disk_root is not None


@pytest.mark.parametrize("fan_out", [32, COUNT])
async def test_a_hundred_servers_answer_cold_and_warm_over_one_login_each(
    bed: Bed, many: list[Server], logins: Logins, fan_out: int
) -> None:
    """Facts of all of them, twice: the second time over the connections of the first, and nobody else's facts."""
    names = [server.name for server in many]
    async with fleet(bed, many, fan_out=fan_out) as pool:
        with anyio.fail_after(LIMIT_S):
            cold = await gather_all(pool, names)
            warm = await gather_all(pool, names)
    for found in (cold, warm):
        assert [server.name for server in many if not own(server, found[server.name])] == []
        assert list(found) == names
    assert logins.new() == dict.fromkeys(names, 1)


async def test_sick_servers_do_not_hold_up_the_others(bed: Bed, many: list[Server], logins: Logins) -> None:
    """Of a hundred, some are cut off, some are frozen: each has its own error, and the rest all their facts."""
    cut, frozen, well = many[:5], many[5:10], many[10:]
    for server in cut:
        bed.link(server.name, "drop")
    for server in frozen:
        server.freeze()
    try:
        async with fleet(bed, many, timeout_s=8) as pool:
            with anyio.fail_after(LIMIT_S):
                found = await gather_all(pool, [server.name for server in many])
    finally:
        await meanwhile(lambda: [server.thaw() for server in frozen])
    assert [server.name for server in well if not own(server, found[server.name])] == []
    assert {type(found[server.name]) for server in cut + frozen} == {HostUnreachable}
    assert sum(logins.new().values()) == len(well)


@asynccontextmanager
async def asked(pool: HostPool, servers: Sequence[Server], well: Sequence[Server]) -> AsyncGenerator[list[str]]:
    """Ask all servers at once, in this order, and begin when those that are well have answered with their own facts.

    Give the names of those that have answered. The others go on: at the end they are waited for.
    """
    answered: list[str] = []
    served = anyio.Event()

    async def one(server: Server) -> None:
        assert own(server, await gather(pool, server.name))
        answered.append(server.name)
        if {server.name for server in well} <= set(answered):
            served.set()

    async with anyio.create_task_group() as group:
        for server in servers:
            group.start_soon(one, server)
        with anyio.fail_after(LIMIT_S):
            await served.wait()
        yield answered


@pytest.mark.parametrize("known", [False, True], ids=["new", "kept"])
async def test_more_silent_servers_than_places_hold_up_nobody(bed: Bed, many: list[Server], known: bool) -> None:
    """Forty that are cut off or frozen are asked first, and have minutes to answer: the others answer long before that.

    So it is whether connections have to be made or are kept. The forty answer too, once they are well again.
    """
    cut, frozen, well = (many[:20], many[20:SICK], many[SICK:]) if not known else ([], many[:SICK], many[SICK:])
    async with fleet(bed, many, timeout_s=NEVER_S) as pool:
        if known:
            await gather_all(pool, [server.name for server in many])
        for server in cut:
            bed.link(server.name, "drop")
        for server in frozen:
            server.freeze()
        try:
            async with asked(pool, many, well) as answered:
                assert set(answered) == {server.name for server in well}
                await meanwhile(lambda: [server.thaw() for server in frozen])
                await meanwhile(bed.tidy)
        finally:
            await meanwhile(lambda: [server.thaw() for server in frozen])
    assert set(answered) == {server.name for server in many}


async def test_connections_that_died_meanwhile_are_made_anew(bed: Bed, many: list[Server], logins: Logins) -> None:
    """When every server has dropped its connection, the next round connects again by itself and loses no answer."""
    names = [server.name for server in many[:20]]
    async with fleet(bed, many) as pool:
        with anyio.fail_after(LIMIT_S):
            await gather_all(pool, names)
            await meanwhile(lambda: [server.run("pkill", "-KILL", "sshd-session") for server in many[:20]])
            again = await gather_all(pool, names)
    assert [server.name for server in many[:20] if not own(server, again[server.name])] == []
    assert {logins.new()[name] for name in names} == {2}


async def test_a_key_that_nobody_lets_in_is_tried_once_on_each(bed: Bed, many: list[Server]) -> None:
    """A wrong key against a hundred servers costs each of them one attempt, in two rounds."""
    stranger = new_key().export_private_key().decode()
    before = refusals(many)
    async with bed.pool(*map(host_of, many), key=stranger, connect_timeout_s=20) as pool:
        with anyio.fail_after(LIMIT_S):
            rounds = [await gather_all(pool, [server.name for server in many]) for _ in range(2)]
    assert {type(outcome) for found in rounds for outcome in found.values()} == {HostLoginRefused}
    # sshd notes the end of a connection after we have closed it
    await eventually(lambda: refusals(many) - before >= COUNT, what="each server has noted its attempt")
    assert refusals(many) - before == COUNT


def refusals(servers: list[Server]) -> int:
    """Return how many connections ended before a login, on all of them."""
    logs = [(server.home / "console.log").read_text(encoding="utf-8") for server in servers]
    return sum(log.count("[preauth]") for log in logs)


@dataclass(frozen=True)
class Best:
    """The lowest of what a host cost in several rounds: other work on the machine only ever adds to it."""

    cold_ms: float
    warm_ms: float
    memory_mib: float

    @classmethod
    def of(cls, rounds: Sequence[Measured]) -> "Best":
        """Return it."""
        cold, warm = min(one.cold.client_ms for one in rounds), min(one.warm.client_ms for one in rounds)
        return cls(cold, warm, min(one.memory_mib / one.cold.hosts for one in rounds))

    def is_good(self, few: "Best") -> bool:
        """Return whether no further round is needed, next to what a host costs in a small fleet."""
        grows = self.cold_ms > GROWTH * few.cold_ms or self.warm_ms > GROWTH * few.warm_ms
        return max(self.cold_ms, self.warm_ms) <= GOAL_MS and self.memory_mib < MEMORY_MIB and not grows


@pytest.fixture(scope="module")
def costs(lab: Lab, many: list[Server]) -> tuple[Best, Best]:
    """Measure our client in processes of its own: of a few servers, and of all."""
    few: list[Measured] = []
    whole: list[Measured] = []
    while len(whole) < ROUNDS and not (whole and Best.of(whole).is_good(Best.of(few))):
        few.append(measured(lab, many[:FEW]))
        whole.append(measured(lab, many))
    return Best.of(few), Best.of(whole)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_host_costs_few_milliseconds_of_processor_time(costs: tuple[Best, Best]) -> None:
    """Facts of a hundred servers, over new connections and over kept ones, with all that our process does for them.

    `make peers` prints the figures beside those of other clients; here a slower machine passes too.
    """
    _, whole = costs
    assert max(whole.cold_ms, whole.warm_ms) <= BAR_MS


@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_kept_connection_takes_little_memory(costs: tuple[Best, Best]) -> None:
    """What a process grows by for a hundred kept connections and their facts."""
    _, whole = costs
    assert whole.memory_mib < MEMORY_MIB


@pytest.mark.long
@pytest.mark.timeout(900)
def test_the_cost_of_a_host_does_not_grow_with_the_fleet(costs: tuple[Best, Best]) -> None:
    """One of a hundred costs what one of twenty-five does, cold and warm."""
    few, whole = costs
    assert whole.cold_ms <= GROWTH * few.cold_ms
    assert whole.warm_ms <= GROWTH * few.warm_ms
