"""A hundred real SSH servers at once: each answers for itself, over one login, and one that is sick holds up nobody."""

import os

import anyio
import pytest

from ink_infra_mcp.core.errors import HostLoginRefused, HostUnreachable
from ink_infra_mcp.hosts.facts import HostFacts, gather_all
from ink_infra_mcp.hosts.pool import HostPool
from tests.hosts.openssh import new_key
from tests.lab.bed import Bed, host_of, meanwhile
from tests.lab.ground.hosts import Server
from tests.lab.ground.lab import Lab

pytestmark = pytest.mark.anyio

COUNT = 100
LIMIT_S = 90
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
        async with fleet(bed, many, timeout_s=3) as pool:
            with anyio.fail_after(LIMIT_S):
                found = await gather_all(pool, [server.name for server in many])
    finally:
        await meanwhile(lambda: [server.thaw() for server in frozen])
    assert [server.name for server in well if not own(server, found[server.name])] == []
    assert {type(found[server.name]) for server in cut + frozen} == {HostUnreachable}
    assert sum(logins.new().values()) == len(well)


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
    assert refusals(many) - before == COUNT


def refusals(servers: list[Server]) -> int:
    """Return how many connections ended before a login, on all of them."""
    logs = [(server.home / "console.log").read_text(encoding="utf-8") for server in servers]
    return sum(log.count("[preauth]") for log in logs)
