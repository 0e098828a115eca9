"""TCP connects to a server from every place of the lab, and whether they come to what the product computes of them."""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import anyio.to_thread

from ink_infra_mcp.app import App
from ink_infra_mcp.areas.ports.findings import Ground
from ink_infra_mcp.areas.ports.ground import ground_of
from ink_infra_mcp.areas.ports.knocks import Knocked, computed
from ink_infra_mcp.areas.ports.providers import in_front_of
from ink_infra_mcp.areas.ports.ways_in import neighbours_of
from ink_infra_mcp.core.firewall.exposure import State
from ink_infra_mcp.hosts.firewall.network_facts import gather_network
from tests.lab.bed import Bed
from tests.lab.ground.site import OUTSIDE_IPV4, OUTSIDE_IPV6
from tests.lab.tools_bed import NAMES

SEEN_S = 0.4
AT_LEISURE_S = 3.0
AT_ONCE = 24


def knocks(bed: Bed, name: str, ports: Sequence[int]) -> list[Knocked]:
    """Return every connect that is tried: from each place, with its address, to each address and port."""
    return [
        Knocked(server=name, origin=place, source=source, address=address, port=port, answer="silent")
        for place, source, address in _ways(bed, name)
        for port in ports
    ]


def _ways(bed: Bed, name: str) -> Iterator[tuple[str, str, str]]:
    site, target = bed.lab.site, bed.lab.server(name).machine
    yield from (
        ("outside", OUTSIDE_IPV4, target.ipv4),
        ("outside", OUTSIDE_IPV6, target.ipv6),
        ("admin", site.admin_ipv4, target.ipv4),
        ("admin", site.admin_ipv6, target.ipv6),
    )
    for other in NAMES:
        machine = bed.lab.server(other).machine
        if other != name:
            yield from (
                (other, machine.ipv4, target.ipv4),
                (other, machine.ipv6, target.ipv6),
                (other, machine.private_ipv4, target.private_ipv4),
                (other, machine.private_ipv6, target.private_ipv6),
            )


def observed(bed: Bed, tried: Iterable[Knocked], *, limit_s: float = SEEN_S) -> list[Knocked]:
    """Return what each connect really comes to, tried side by side."""

    def one(knocked: Knocked) -> Knocked:
        met = bed.connect(knocked.origin, knocked.address, knocked.port, limit_s=limit_s)
        return knocked.model_copy(update={"answer": met})

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(one, tried))


async def judged(app: App, name: str) -> Ground:
    """Return what the product judges a server by."""
    look = app.look
    facts = {each: await gather_network(look.hosts, each) for each in NAMES}
    host = look.fleet.host(name)
    front = await in_front_of(look, (host,))
    return ground_of(look, host, facts[name], front[name], neighbours_of(look.fleet, facts))


async def met(bed: Bed, app: App, name: str, ports: Sequence[int]) -> tuple[list[Knocked], list[str]]:
    """Return what connects from everywhere come to, and which of them came to something else than is computed now."""
    first = await anyio.to_thread.run_sync(observed, bed, knocks(bed, name, ports))
    ground = await judged(app, name)
    seen = await anyio.to_thread.run_sync(_at_leisure, bed, ground, first)
    return seen, _wrong(ground, seen)


def differing(bed: Bed, ground: Ground, seen: Iterable[Knocked]) -> list[str]:
    """Return the connects that came to something else than computed, in words; what is unknown differs, too."""
    return _wrong(ground, _at_leisure(bed, ground, seen))


def _at_leisure(bed: Bed, ground: Ground, seen: Iterable[Knocked]) -> list[Knocked]:
    """Try those again that were silent and should not be: a busy machine is late."""
    found = {(each.origin, each.address, each.port): each for each in seen}
    late = [each for each in found.values() if each.answer == "silent" and computed(ground, each) is State.OPEN]
    found |= {(each.origin, each.address, each.port): each for each in observed(bed, late, limit_s=AT_LEISURE_S)}
    return list(found.values())


def _wrong(ground: Ground, seen: Iterable[Knocked]) -> list[str]:
    told = ((knocked, computed(ground, knocked)) for knocked in seen)
    return [
        f"{k.origin} {k.source} -> {k.address}:{k.port}: computed {state}, observed {k.answer}"
        for k, state in told
        if state is not (State.OPEN if k.answer == "open" else State.CLOSED)
    ]
