"""What really answers: TCP connects from here and from other servers, each held against what was computed for it."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import anyio

from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.areas.ports.findings import Finding, Ground
from ink_infra_mcp.areas.ports.ways_in import PRIVATE, PUBLIC, Neighbours, ways_of
from ink_infra_mcp.core.errors import HostError
from ink_infra_mcp.core.firewall.addresses import V4, V6, Family, family_of, split
from ink_infra_mcp.core.firewall.answer import Unreadable
from ink_infra_mcp.core.firewall.exposure import HostFacts, SourceClass, State, WayIn, exposures, ports_that_matter
from ink_infra_mcp.core.firewall.interfaces import Interfaces
from ink_infra_mcp.core.firewall.outside import INTERNET4, INTERNET6
from ink_infra_mcp.core.fleet import Fleet, Host
from ink_infra_mcp.core.host_firewall.steps import HERE
from ink_infra_mcp.core.plan import Frozen
from ink_infra_mcp.hosts.firewall.knocking import MOST, knock_from
from ink_infra_mcp.hosts.firewall.network_facts import NetworkFacts

MOST_OF_ALL = 20 * MOST
"""Connects from one server in one call: a minute's worth, where none answers."""
Answer = Literal["open", "refused", "silent", "unreachable"]
Endpoint = tuple[str, int]


class Knocked(Frozen):
    """One connect to a server: from where, with which source address, to what, and what came of it."""

    server: str
    origin: str
    source: str
    address: str
    port: int
    answer: Answer


@dataclass(frozen=True, slots=True)
class Origin:
    """A server that knocks: its own addresses by the way that they lie on, and what lies behind each of its links."""

    name: str
    ways: tuple[WayIn, ...]
    interfaces: Interfaces | None = None

    def towards(self, way: WayIn, address: str) -> str | None:
        """Return the address that a connect to `address` comes from, or None where there is no such way."""
        same = [own for own in self.ways if own.name == way.name]
        family = family_of(address)
        if self._has_elsewhere(address, {own.interface for own in same}):
            return None
        return next((text for own in same for text in _of_family(own.addresses, family)), None)

    def _has_elsewhere(self, address: str, cards: set[str | None]) -> bool:
        """Return whether the origin itself has the address, or its network behind another of its links."""
        if self.interfaces is None:
            return False
        (number, _), *_ = split([address])[family_of(address) is Family.V6].spans
        behind = self.interfaces.towards(number, family_of(address))
        return self.interfaces.has(number, family_of(address)) or (behind is not None and behind not in cards)


def origin_of(host: Host, facts: NetworkFacts, neighbours: Neighbours) -> Origin:
    """Return a server of the fleet as one that knocks."""
    interfaces = facts.interfaces if isinstance(facts.interfaces, Interfaces) else None
    return Origin(host.name, ways_of(host, facts, neighbours), interfaces)


async def knocked(
    look: Look, grounds: Sequence[Ground], *, sources: dict[str, str], origins: Iterable[Origin]
) -> tuple[list[Knocked], list[str]]:
    """Return what connects from here and from other servers come to, tried at once; and why a server could not try.

    `sources` are our own addresses as each server saw them on its SSH connection.
    """
    here: list[Knocked] = []
    there: list[Knocked] = []
    failed: list[str] = []

    async def from_here() -> None:
        here.extend(await _from_here(look, grounds, sources))

    async def from_there(origin: Origin) -> None:
        wanted = [each for target in grounds for each in _from(origin, target, look.fleet)]
        if len(wanted) > MOST_OF_ALL:
            failed.append(f"{origin.name} left out {len(wanted) - MOST_OF_ALL} connects: ask for one server")
        try:
            for round_trip in _round_trips(wanted[:MOST_OF_ALL]):
                there.extend(await _from_server(look, origin, round_trip))
        except HostError as error:
            failed.append(error.failed)

    async with anyio.create_task_group() as group:
        group.start_soon(from_here)
        for origin in origins:
            group.start_soon(from_there, origin)
    return [*here, *sorted(there, key=_place)], sorted(failed)


def _round_trips(wanted: Sequence[Knocked]) -> Iterator[Sequence[Knocked]]:
    return (wanted[at : at + MOST] for at in range(0, len(wanted), MOST))


def _place(knocked: Knocked) -> tuple[str, str, str, int]:
    return knocked.server, knocked.origin, knocked.address, knocked.port


async def _from_here(look: Look, grounds: Iterable[Ground], sources: dict[str, str]) -> list[Knocked]:
    """Return what every TCP port that matters answers to this machine, where we know the address that we come from."""
    wanted = [
        Knocked(server=ground.facts.name, origin=HERE, source=source, address=address, port=port, answer="silent")
        for ground in grounds
        if (source := sources.get(ground.facts.name, ""))
        for address in _of_family(routed_to(look.fleet.host(ground.facts.name), ground.facts), family_of(source))
        for port in _ports(ground)
        if look.knock.may_try((address, port))
    ]
    answers = await look.knock.all((each.address, each.port) for each in wanted)
    return [each.model_copy(update={"answer": answers[each.address, each.port]}) for each in wanted]


async def _from_server(look: Look, origin: Origin, wanted: Sequence[Knocked]) -> list[Knocked]:
    answers = await knock_from(look.hosts, origin.name, ((each.address, each.port) for each in wanted))
    return [each.model_copy(update={"answer": answers[each.address, each.port]}) for each in wanted]


def routed_to(host: Host, facts: HostFacts) -> tuple[str, ...]:
    """Return the public addresses that are known to lead to a server from anywhere.

    The one that fleet.toml names, and those of the internet on the same link: what else it calls its own, an address of
    a bridge or of a private network, may be somebody else's where a connect is made from.
    """
    public = [way for way in facts.ways if way.name == PUBLIC]
    cards = {way.interface for way in public if host.address in way.addresses}
    return tuple(
        address
        for way in public
        for address in way.addresses
        if address == host.address or (way.interface in cards and _is_of_internet(address))
    )


def _is_of_internet(address: str) -> bool:
    v4, v6 = split([address])
    return bool(v4 & INTERNET4) or bool(v6 & INTERNET6)


def _from(origin: Origin, target: Ground, fleet: Fleet) -> Iterator[Knocked]:
    if origin.name == target.facts.name:
        return
    routed = routed_to(fleet.host(target.facts.name), target.facts)
    for way in target.facts.ways:
        for address in way.addresses if way.name == PRIVATE else (a for a in way.addresses if a in routed):
            if source := origin.towards(way, address):
                yield from _to_each_port(origin, target, source, address)


def _to_each_port(origin: Origin, target: Ground, source: str, address: str) -> Iterator[Knocked]:
    for port in _ports(target):
        yield Knocked(
            server=target.facts.name,
            origin=origin.name,
            source=source,
            address=address,
            port=port,
            answer="silent",
        )


def _of_family(addresses: Iterable[str], family: Family) -> Iterator[str]:
    return (address for address in addresses if family_of(address) is family)


def _ports(ground: Ground) -> list[int]:
    return [
        port
        for protocol, port in ports_that_matter(ground.facts, ground.policy.ports(ground.role))
        if protocol == "tcp"
    ]


def contradicting(ground: Ground, tried: Iterable[Knocked]) -> tuple[Finding, ...]:
    """Return the disagreements of connects with what was computed for sure, in both directions."""
    return tuple(
        finding
        for each in tried
        if computed(ground, each) is not State.UNKNOWN
        for finding in disagreements([ground], [each])
    )


def disagreements(grounds: Iterable[Ground], knocked: Iterable[Knocked]) -> tuple[Finding, ...]:
    """Return a finding for each connect that came to something else than what was computed for exactly it."""
    by_name = {ground.facts.name: ground for ground in grounds}
    found = (_disagreement(by_name[each.server], each) for each in knocked)
    return tuple(finding for finding in found if finding)


def _disagreement(ground: Ground, knocked: Knocked) -> Finding | None:
    state = computed(ground, knocked)
    answered = knocked.answer == "open"
    if (state is State.OPEN and answered) or (state is State.CLOSED and not answered):
        return None
    if state is State.UNKNOWN and not answered:
        return None
    what = f"{knocked.port}/tcp at {knocked.address} "
    if answered:
        closed = state is State.CLOSED
        what += f"answers {knocked.origin}, though " + (
            "no layer should let it" if closed else "that could not be told"
        )
    else:
        what += f"does not answer {knocked.origin} ({knocked.answer}), though every layer known here lets it through"
    return Finding(
        server=knocked.server,
        severity="critical" if answered and state is State.CLOSED else "warning",
        code="probe_differs",
        what=what,
        evidence=f"computed {state} for {knocked.source}, observed {knocked.answer}",
        mend="Trust what was observed; report the rules of the server, which were read wrong or not at all.",
    )


def computed(ground: Ground, knocked: Knocked) -> State:
    """Return what the layers say of one connect: one source, one address, one port.

    Where several ways lead to the address and do not come to the same, it is unknown; so it is where none does.
    """
    told = {_by(ground, knocked, way) for way in _leading_to(ground, knocked)}
    return told.pop() if len(told) == 1 else State.UNKNOWN


def _leading_to(ground: Ground, knocked: Knocked) -> list[WayIn]:
    """Return the ways by which an address is called from a source: those of the interfaces that lead to the source.

    Where none does, or it is not told which, it is all that answer for the address.
    """
    having = [way for way in ground.facts.ways if way.has(knocked.address)]
    interfaces = ground.facts.interfaces
    if isinstance(interfaces, Unreadable):
        return having
    source = (V4 if family_of(knocked.source) is Family.V4 else V6).parse(knocked.source)
    number, family = source.spans[0][0], source.FAMILY
    wires = {own.interface for own in interfaces.addresses if own.family is family and number in own.network}
    wires |= {interfaces.towards(number, family) or ""}
    return [way for way in having if way.interface in wires] or having


def _by(ground: Ground, knocked: Knocked, way: WayIn) -> State:
    facts = replace(ground.facts, ways=(way.only(knocked.address),))
    four = family_of(knocked.source) is Family.V4
    source = SourceClass(
        knocked.origin,
        V4.parse(knocked.source) if four else V4(),
        V6() if four else V6.parse(knocked.source),
        way.name,
    )
    return next((each.state for each in exposures(facts, [source], [("tcp", knocked.port)])), State.UNKNOWN)
