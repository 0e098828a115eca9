"""The sandbox's servers have the ways in that real ones have: as facts of the network, and as connects meet them."""

from pathlib import Path

import anyio
import pytest

from ink_infra_mcp.hosts.firewall.knocking import knock_from
from ink_infra_mcp.hosts.firewall.network_facts import gather_network
from tests.lab.bed import Bed
from tests.lab.network_shapes import network_shape
from tests.lab.shapes import Shape, apart
from tests.lab.twins import NAME, NEIGHBOUR, PORTS, SITUATIONS, Situation, Twin, pretend, real

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(720)]

LIMIT_S = 660


CLOSED = {"refused": "closed", "silent": "closed"}


async def seen(twin: Twin, situation: Situation) -> dict[str, Shape]:
    """Return the shape of the facts, and what each connect from the neighbour comes to."""
    one = CLOSED if situation.rejects else dict[str, str]()
    facts = network_shape(await gather_network(twin.pool, NAME))
    places = {(kind, port): (address, port) for kind, address in twin.addresses.items() for port in PORTS}
    answers = await knock_from(twin.pool, NEIGHBOUR, places.values())
    knocks: dict[str, Shape] = {
        f"{kind} {port}": one.get(answers[place], answers[place]) for (kind, port), place in places.items()
    }
    return {**facts, "knocks": knocks}


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda situation: situation.name)
async def test_the_ways_into_a_pretend_server_are_those_into_a_real_one(
    situation: Situation, bed: Bed, tmp_path: Path
) -> None:
    """Filters rule by rule, sockets, cards, published ports and managers are alike; each connect meets the same."""
    with anyio.fail_after(LIMIT_S):
        async with real(situation, bed) as twin:
            wanted = await seen(twin, situation)
        async with pretend(situation, tmp_path) as twin:
            found = await seen(twin, situation)
    assert apart(found, wanted) == {}
