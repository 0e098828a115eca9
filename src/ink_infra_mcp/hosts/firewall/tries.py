"""Connects that are tried before and after a change: from here, from servers, and from inside a server's networks."""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from ink_infra_mcp.core.errors import HostError
from ink_infra_mcp.core.host_firewall.steps import HERE, Try
from ink_infra_mcp.hosts.firewall.knocking import MOST, Endpoint, Inside, knock_from, knock_inside
from ink_infra_mcp.ssh.pool import HostPool

Here = Callable[[Iterable[Endpoint]], Awaitable[Mapping[Endpoint, str]]]
"""Returns what each (IP address, port) answers to a connect from this machine; `open` where it gets through."""


@dataclass(slots=True)
class Tried:
    """What got through, and in words what could not be tried."""

    through: tuple[Try, ...] = ()
    untried: tuple[str, ...] = ()


async def tried_now(pool: HostPool, here: Here, tries: Iterable[Try]) -> Tried:
    """Return which connects get through now; who could not try is no error, and gets none through."""
    by_place: dict[tuple[str, bool], list[Try]] = {}
    for each in tries:
        by_place.setdefault((each.of, bool(each.network)), []).append(each)
    found = Tried()
    for (of, inside), wanted in by_place.items():
        for at in range(0, len(wanted), MOST):
            await _try(pool, here, wanted[at : at + MOST], found, of=of, inside=inside)
    return found


def _nobody(of: str, told: Inside) -> Iterator[str]:
    for name in sorted(told.nobody):
        yield f"{name}: nobody who is in it runs on {of}"


def _unmade(of: str, wanted: Iterable[Try], told: Inside) -> Iterator[str]:
    """Port 0 is no connect: it only asks whether somebody is there."""
    for each in wanted:
        made = (each.network, each.address, each.port) in told.met
        if each.port and not made and each.network not in told.nobody:
            yield f"{each.network}: a connect to {each.address} port {each.port} could not be made on {of}"


async def _try(pool: HostPool, here: Here, wanted: list[Try], found: Tried, *, of: str, inside: bool) -> None:
    endpoints = [(each.address, each.port) for each in wanted]
    try:
        if inside:
            told = await knock_inside(
                pool, of, [(each.network, *at) for each, at in zip(wanted, endpoints, strict=True)]
            )
            got = [each for each in wanted if told.met.get((each.network, each.address, each.port)) == "open"]
            found.untried += (*_nobody(of, told), *_unmade(of, wanted, told))
        else:
            met = await (here(endpoints) if of == HERE else knock_from(pool, of, endpoints))
            got = [each for each in wanted if met[each.address, each.port] == "open"]
    except HostError as error:
        found.untried += (f"{of}: {error.failed}",)
        return
    found.through += tuple(got)
