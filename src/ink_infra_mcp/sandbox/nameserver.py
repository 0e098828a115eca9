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
from ink_infra_mcp.sandbox.state import Fault, WorldState, take_fault
from ink_infra_mcp.sandbox.state_hetzner import RRset, Zone
from ink_infra_mcp.sandbox.world import World

MAX_CHAIN = 8
DELEGATED = frozenset({"valid", "partially-valid"})
Close = Callable[[], Awaitable[None]]
Answer = Callable[[WorldState, dns.message.Message], dns.message.Message]
Handled = Callable[[bytes], bytes | None]


async def serve(
    world: World,
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    answer: Answer | None = None,
    system: str = "dns",
    says: str = "",
) -> tuple[int, Close]:
    """Answer over UDP and TCP on one port (0: the system chooses); return the port and what stops it.

    Without an `answer` it is a resolver of the Hetzner zones. A fault of the `system` matches `says` and `A name`: kind
    status answers SERVFAIL, every other kind answers nothing.
    """
    loop = asyncio.get_running_loop()
    speaks = _Speaks(world, answer or _of_hetzner, system, says)
    tcp = await asyncio.start_server(lambda r, w: _converse(speaks.handled, r, w), sock=loopback_socket(host, port))
    bound: int = tcp.sockets[0].getsockname()[1]
    udp, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(speaks.handled), local_addr=(host, bound))

    async def close() -> None:
        udp.close()
        tcp.close()
        await tcp.wait_closed()

    return bound, close


def reply(zones: Sequence[Zone], query: dns.message.Message) -> dns.message.Message:
    """Return the answer to a query: wildcards, CNAME chains, NXDOMAIN, and no data with the zone's SOA.

    A zone to which the internet does not delegate does not exist for a resolver.
    """
    return answer_from([zone for zone in zones if zone.delegation_status in DELEGATED], query)


def answer_from(zones: Sequence[Zone], query: dns.message.Message) -> dns.message.Message:
    """Return the answer to a query from these zones; where one gives a name away, only to whom."""
    answer = dns.message.make_response(query, recursion_available=True)
    question = query.question[0]
    name = question.name
    for _ in range(MAX_CHAIN):
        if (cut := _given_away(zones, name)) is not None:
            answer.authority.append(cut)
            return answer
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


def _given_away(zones: Sequence[Zone], name: dns.name.Name) -> dns.rrset.RRset | None:
    """Return the NS records, below the top of the zone, at a name or above it."""
    text = name.to_text(omit_final_dot=True).lower()
    zone = _closest(zones, text)
    while zone is not None and text != zone.name:
        found = _of_type(_at(zone, text), "NS")
        if found is not None:
            return _wire(zone, dns.name.from_text(text), found)
        text = text.partition(".")[2]
    return None


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
    holding = [z for z in zones if f".{name}".endswith(f".{z.name}")]
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


def _of_hetzner(state: WorldState, query: dns.message.Message) -> dns.message.Message:
    return reply(state.hetzner.zones, query)


@dataclass(frozen=True, slots=True)
class _Speaks:
    """One server: what it answers from the world, and how trouble is scripted for it."""

    world: World
    answer: Answer
    system: str
    says: str

    def handled(self, packet: bytes) -> bytes | None:
        """Return the wire form of the answer, or None when there is none."""
        try:
            query = dns.message.from_wire(packet)
        except dns.exception.DNSException:
            return None
        if len(query.question) != 1:
            return None
        question = query.question[0]
        asked = f"{self.says}{dns.rdatatype.to_text(question.rdtype)} {question.name.to_text(omit_final_dot=True)}"
        with self.world.change() as state:
            fault = take_fault(state, self.system, asked)
            settle_hetzner(state, self.world.now(state))
            return _spoilt(fault, query) if fault else self.answer(state, query).to_wire()


def _spoilt(fault: Fault, query: dns.message.Message) -> bytes | None:
    if fault.kind != "status":
        return None
    answer = dns.message.make_response(query, recursion_available=True)
    answer.set_rcode(dns.rcode.SERVFAIL)
    return answer.to_wire()


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, handled: Handled) -> None:
        self._handled = handled
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """In Python 3.11 the transport is not an instance of its own abstract class."""
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        answer = self._handled(data)
        if answer is not None and self._transport is not None:
            self._transport.sendto(answer, addr)


async def _converse(handled: Handled, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Over TCP every message has its length in front."""
    try:
        while True:
            (length,) = struct.unpack("!H", await reader.readexactly(2))
            answer = handled(await reader.readexactly(length))
            if answer is None:
                return
            writer.write(struct.pack("!H", len(answer)) + answer)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        return
    finally:
        writer.close()
