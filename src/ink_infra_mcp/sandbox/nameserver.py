"""A DNS server over the zones of the pretend world, as a recursive resolver of the internet would answer from them."""

import asyncio
import struct
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import cast

import dns.exception
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from ink_infra_mcp.sandbox.hetzner.settling import settle_hetzner
from ink_infra_mcp.sandbox.listen import loopback_socket
from ink_infra_mcp.sandbox.state import Fault, take_fault
from ink_infra_mcp.sandbox.state_hetzner import RRset, Zone
from ink_infra_mcp.sandbox.world import World

MAX_CHAIN = 8
DELEGATED = frozenset({"valid", "partially-valid"})
Close = Callable[[], Awaitable[None]]


async def serve(world: World, host: str = "127.0.0.1", port: int = 0) -> tuple[int, Close]:
    """Answer over UDP and TCP on one port (0: the system chooses); return the port and what stops it.

    A fault of the system `dns` matches `A name`: kind status answers SERVFAIL, every other kind answers nothing.
    """
    loop = asyncio.get_running_loop()
    tcp = await asyncio.start_server(lambda r, w: _converse(world, r, w), sock=loopback_socket(host, port))
    bound: int = tcp.sockets[0].getsockname()[1]
    udp, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(world), local_addr=(host, bound))

    async def close() -> None:
        udp.close()
        tcp.close()
        await tcp.wait_closed()

    return bound, close


def reply(zones: Sequence[Zone], query: dns.message.Message) -> dns.message.Message:
    """Return the answer to a query: wildcards, CNAME chains, NXDOMAIN, and no data with the zone's SOA.

    A zone to which the internet does not delegate does not exist for a resolver.
    """
    answer = dns.message.make_response(query, recursion_available=True)
    question = query.question[0]
    name = question.name
    for _ in range(MAX_CHAIN):
        seen = _look(zones, name)
        if seen is None:
            answer.set_rcode(dns.rcode.NXDOMAIN)
            return answer
        wanted = _of_type(seen, dns.rdatatype.to_text(question.rdtype))
        if wanted is not None:
            answer.answer.append(_wire(seen.zone, name, wanted))
            return answer
        alias = _of_type(seen, "CNAME")
        if alias is None:
            break
        answer.answer.append(_wire(seen.zone, name, alias))
        name = dns.name.from_text(alias.records[0].value, origin=dns.name.from_text(seen.zone.name))
    _negative(answer, zones, name)
    return answer


@dataclass(frozen=True, slots=True)
class _Node:
    zone: Zone
    rrsets: tuple[RRset, ...]
    exists: bool


def _look(zones: Sequence[Zone], name: dns.name.Name) -> _Node | None:
    """Return what is at a name, by its own records or the wildcard of its closest encloser (RFC 4592), or None."""
    text = name.to_text(omit_final_dot=True).lower()
    zone = _closest(zones, text)
    if zone is None:
        return None
    node = _at(zone, text)
    if node.exists:
        return node
    parent = text
    while not _at(zone, parent).exists:
        parent = parent.partition(".")[2]
    wildcard = _at(zone, f"*.{parent}")
    return wildcard if wildcard.rrsets else None


def _closest(zones: Sequence[Zone], name: str) -> Zone | None:
    holding = [z for z in zones if z.delegation_status in DELEGATED and f".{name}".endswith(f".{z.name}")]
    return max(holding, key=lambda zone: len(zone.name), default=None)


def _at(zone: Zone, name: str) -> _Node:
    """A name without records exists when there is something below it."""
    own = tuple(rrset for rrset in zone.served if _absolute(zone, rrset) == name)
    exists = any(f".{_absolute(zone, rrset)}".endswith(f".{name}") for rrset in zone.served)
    return _Node(zone=zone, rrsets=own, exists=exists or name == zone.name)


def _absolute(zone: Zone, rrset: RRset) -> str:
    return zone.name if rrset.name == "@" else f"{rrset.name}.{zone.name}"


def _of_type(node: _Node, type: str) -> RRset | None:
    return next((rrset for rrset in node.rrsets if rrset.type == type), None)


def _wire(zone: Zone, name: dns.name.Name, rrset: RRset) -> dns.rrset.RRset:
    values = [record.value for record in rrset.records]
    ttl = zone.ttl if rrset.ttl is None else rrset.ttl
    return dns.rrset.from_text_list(
        name,
        ttl,
        dns.rdataclass.IN,
        dns.rdatatype.from_text(rrset.type),
        values,
        origin=dns.name.from_text(zone.name),
        relativize=False,
    )


def _negative(answer: dns.message.Message, zones: Sequence[Zone], name: dns.name.Name) -> None:
    zone = _closest(zones, name.to_text(omit_final_dot=True).lower())
    if zone is None:
        return
    for rrset in zone.served:
        if (rrset.name, rrset.type) == ("@", "SOA"):
            answer.authority.append(_wire(zone, dns.name.from_text(zone.name), rrset))


def _handled(world: World, packet: bytes) -> bytes | None:
    """Return the wire form of the answer, or None when there is none."""
    try:
        query = dns.message.from_wire(packet)
    except dns.exception.DNSException:
        return None
    if len(query.question) != 1:
        return None
    question = query.question[0]
    asked = f"{dns.rdatatype.to_text(question.rdtype)} {question.name.to_text(omit_final_dot=True)}"
    with world.change() as state:
        fault = take_fault(state, "dns", asked)
        settle_hetzner(state, world.now(state))
        return _spoilt(fault, query) if fault else reply(state.hetzner.zones, query).to_wire()


def _spoilt(fault: Fault, query: dns.message.Message) -> bytes | None:
    if fault.kind != "status":
        return None
    answer = dns.message.make_response(query, recursion_available=True)
    answer.set_rcode(dns.rcode.SERVFAIL)
    return answer.to_wire()


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, world: World) -> None:
        self._world = world
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """In Python 3.11 the transport is not an instance of its own abstract class."""
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        answer = _handled(self._world, data)
        if answer is not None and self._transport is not None:
            self._transport.sendto(answer, addr)


async def _converse(world: World, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Over TCP every message has its length in front."""
    try:
        while True:
            (length,) = struct.unpack("!H", await reader.readexactly(2))
            answer = _handled(world, await reader.readexactly(length))
            if answer is None:
                return
            writer.write(struct.pack("!H", len(answer)) + answer)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        return
    finally:
        writer.close()
