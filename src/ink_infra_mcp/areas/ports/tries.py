"""What is tried before and after a server's firewall changes: required ports, its way out, and its inner networks."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.areas.ports.findings import Ground
from ink_infra_mcp.areas.ports.host_target import Lies, cut_off_inside, factory_address, is_address
from ink_infra_mcp.core.errors import HostError
from ink_infra_mcp.core.firewall.addresses import family_of, split
from ink_infra_mcp.core.firewall.outside import Inner
from ink_infra_mcp.core.firewall.policy import Intent
from ink_infra_mcp.core.firewall.sockets import Sockets
from ink_infra_mcp.core.fleet import Fleet, Host
from ink_infra_mcp.core.host_firewall.steps import HERE, Try
from ink_infra_mcp.core.untrusted import clean_name
from ink_infra_mcp.hosts.firewall.knocking import MOST, NOTHING, knock_inside

WEB_PORTS = (443, 80)
MOST_NEIGHBOURS = 2
MOST_PORTS, MOST_ADDRESSES = 6, 2
"""Of the server's own, tried from each inner network: enough to see whether it is reached at all."""
MOST_OF_ALL = 2 * MOST


def required_tries(fleet: Fleet, ground: Ground, came_from: str) -> tuple[Try, ...]:
    """Return connects to the TCP ports that must be open for us, and for the Factory, by the ways that both come."""
    host = fleet.host(ground.facts.name)
    found = [Try(of=HERE, address=host.ssh_address, port=port) for port in _required(ground, host, came_from)]
    factory = factory_address(fleet, host.name)
    if factory and is_address(factory):
        private = factory == fleet.factory.private_address and host.private_address
        address = private or host.address
        found += [Try(of=fleet.factory.name, address=address, port=port) for port in _required(ground, host, factory)]
    return tuple(each for each in found if is_address(each.address))


def _required(ground: Ground, host: Host, source: str) -> Iterator[int]:
    if not source or not is_address(source):
        return
    v4, v6 = split([source])
    classes = {known.name for known in ground.classes if (v4 and v4 <= known.v4) or (v6 and v6 <= known.v6)}
    family = family_of(source)
    for protocol, port in ground.policy.ports(ground.role):
        wanted = (
            ground.policy.intent(ground.role, (protocol, port), source_class=name, family=family) for name in classes
        )
        if protocol == "tcp" and Intent.MUST in wanted:
            yield port


def inner_tries(fleet: Fleet, ground: Ground, lies: Lies, reached: frozenset[str]) -> tuple[Try, ...]:
    """Return connects from the server, and from inside each network that one can be made from: out, and to it.

    Of many networks the first ones are tried, each wholly or not at all.
    """
    name = ground.facts.name
    out = tuple(_out(fleet, name))
    found = [Try(of=name, address=address, port=port) for address, port in out]
    for inner in (each for each in lies.inner if each.name in reached):
        to_host = ((address, port) for address in inner.addresses[:MOST_ADDRESSES] for port in _listening(ground))
        more = [Try(of=name, network=inner.name, address=at, port=port) for at, port in (*out, *to_host)]
        if len(found) + len(more) <= MOST_OF_ALL:
            found += more
    return tuple(found)


def _out(fleet: Fleet, server: str) -> Iterator[tuple[str, int]]:
    """Other servers of the fleet, where a connect harms nobody: by their public addresses, and by private ones."""
    others = [host for host in fleet.hosts if host.name != server][:MOST_NEIGHBOURS]
    for host in others:
        if is_address(host.address):
            yield from ((host.address, port) for port in (*WEB_PORTS, host.ssh_port))
        if host.private_address:
            yield host.private_address, host.ssh_port


def _listening(ground: Ground) -> tuple[int, ...]:
    sockets = ground.facts.sockets
    found = sockets.found if isinstance(sockets, Sockets) else ()
    ports = sorted({each.port for each in found if each.protocol == "tcp" and not each.loopback})
    return tuple(ports[:MOST_PORTS])


async def reached_from_inside(look: Look, server: str, inner: Iterable[Inner]) -> tuple[frozenset[str], str]:
    """Return the networks that a connect can be made from inside of, and why none can at all, if so."""
    names = [each.name for each in inner]
    if not names:
        return frozenset(), ""
    try:
        told = await knock_inside(look.hosts, server, ((name, *NOTHING) for name in names[:MOST]))
    except HostError as error:
        return frozenset(), error.failed
    return frozenset(names[:MOST]) - told.nobody, ""


def untried(inner: Iterable[Inner], tries: Iterable[Try]) -> tuple[str, ...]:
    """Return the names of the inner networks of which it is not tried what they reach."""
    tried = {each.network for each in tries}
    return tuple(each.name for each in inner if each.name not in tried)


@dataclass(frozen=True, slots=True)
class Kept:
    """What stays as it is while the rules of a server change, and what a person has to know of it.

    `inner` are the networks inside it, in words; `untried` are the names of those that nobody can try.
    """

    inner: tuple[str, ...] = ()
    untried: tuple[str, ...] = ()
    tries: tuple[Try, ...] = ()
    warnings: tuple[str, ...] = ()


async def kept_of(look: Look, ground: Ground, lies: Lies, came_from: str) -> Kept:
    """Return what stays as it is on a server; who can be asked there is looked at, and no connect is made yet."""
    reached, unable = await reached_from_inside(look, ground.facts.name, lies.inner)
    required = required_tries(look.fleet, ground, came_from)
    tries = (*required, *inner_tries(look.fleet, ground, lies, reached))
    why = clean_name(unable, limit=200)
    nobody = (f"nothing can be tried from inside the server's own networks: {why}",) if unable else ()
    return Kept(
        inner=tuple(map(str, lies.inner)),
        untried=untried(lies.inner, tries),
        tries=tries,
        warnings=(*cut_off_inside(lies), *nobody),
    )
