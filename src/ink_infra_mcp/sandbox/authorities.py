"""The name servers of the pretend internet: both vendors' own, which answer from their zones, and the parents'."""

from collections.abc import Sequence

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from ink_infra_mcp.sandbox.listen import Close
from ink_infra_mcp.sandbox.nameserver import DELEGATED, Answer, answer_from, reply, serve
from ink_infra_mcp.sandbox.state import WorldState
from ink_infra_mcp.sandbox.state_cloudflare import CLOUDFLARE_SERVERS, PROXY, CloudflareState, CloudflareZone
from ink_infra_mcp.sandbox.state_hetzner import NAMESERVERS, Record, RRset, Zone
from ink_infra_mcp.sandbox.world import World

Endpoint = tuple[str, int]
PORT = 53
PARENT = "a.parents.example.net"
"""Serves every zone above those of the vendors."""
HETZNER = tuple(name.rstrip(".") for name in NAMESERVERS)
ADDRESSES = {
    name: f"198.51.100.{number}" for number, name in enumerate((PARENT, *HETZNER, *CLOUDFLARE_SERVERS), start=200)
}
"""Where each server is, in the pretend internet."""


async def serve_internet(world: World) -> tuple[int, dict[Endpoint, Endpoint], list[Close]]:
    """Serve the recursive resolver and every name server, each on a port of its own.

    Return the resolver's port, which loopback port stands for which server, and what stops them. A fault of the system
    `authority` matches `SERVER TYPE name`.
    """
    resolver, stop = await serve(world, answer=_recursive)
    closing, connect_to = [stop], dict[Endpoint, Endpoint]()
    for name, address in ADDRESSES.items():
        port, stop = await serve(world, answer=_answering(name), system="authority", says=f"{name} ")
        closing.append(stop)
        connect_to[address, PORT] = ("127.0.0.1", port)
    return resolver, connect_to, closing


def _recursive(state: WorldState, query: dns.message.Message) -> dns.message.Message:
    return reply((*_every(state), *_infrastructure(state)), query)


def _answering(server: str) -> Answer:
    def answer(state: WorldState, query: dns.message.Message) -> dns.message.Message:
        if server == PARENT:
            return _referred(state, query)
        zones = state.hetzner.zones if server in HETZNER else _cloudflare(state.cloudflare)
        return _own(zones, query)

    return answer


def _own(zones: Sequence[Zone], query: dns.message.Message) -> dns.message.Message:
    """A server refuses what is in none of its zones, and refers to others what a zone gives away."""
    name = query.question[0].name.to_text(omit_final_dot=True).lower()
    if not any(f".{name}".endswith(f".{zone.name}") for zone in zones):
        refused = dns.message.make_response(query)
        refused.set_rcode(dns.rcode.REFUSED)
        return refused
    answer = answer_from(zones, query)
    answer.flags &= ~dns.flags.RA
    if not _refers(answer):
        answer.flags |= dns.flags.AA
    return answer


def _refers(answer: dns.message.Message) -> bool:
    return not answer.answer and any(records.rdtype == dns.rdatatype.NS for records in answer.authority)


def _referred(state: WorldState, query: dns.message.Message) -> dns.message.Message:
    """A parent knows of each zone below it only whom it names."""
    answer = dns.message.make_response(query)
    asked = query.question[0].name.to_text(omit_final_dot=True).lower()
    for zone, named in _delegations(state).items():
        if named and f".{asked}".endswith(f".{zone}"):
            answer.authority.append(_ns(zone, named))
            return answer
    answer.flags |= dns.flags.AA
    answer.set_rcode(dns.rcode.NXDOMAIN)
    return answer


def _delegations(state: WorldState) -> dict[str, list[str]]:
    found = {zone.name: zone.delegated for zone in state.cloudflare.zones}
    return found | {zone.name: zone.delegated for zone in state.hetzner.zones if zone.delegated}


def _ns(zone: str, named: Sequence[str]) -> dns.rrset.RRset:
    values = [name if name.endswith(".") else f"{name}." for name in named]
    return dns.rrset.from_text_list(
        dns.name.from_text(zone), 172_800, dns.rdataclass.IN, dns.rdatatype.NS, sorted(values)
    )


def _every(state: WorldState) -> tuple[Zone, ...]:
    """A name that both vendors hold is served by the one that the parent names."""
    hetzner = [zone for zone in state.hetzner.zones if zone.delegation_status in DELEGATED]
    taken = {zone.name for zone in hetzner}
    return (*hetzner, *(zone for zone in _cloudflare(state.cloudflare) if zone.name not in taken))


def _infrastructure(state: WorldState) -> tuple[Zone, ...]:
    """The parents' zones, and the addresses of the name servers."""
    parents = {name.partition(".")[2] for name in _delegations(state)}
    hosts = [
        RRset(name=name.removesuffix(".example.net"), type="A", records=[Record(value=address)])
        for name, address in ADDRESSES.items()
    ]
    above = [_zone(parent, [RRset(name="@", type="NS", records=[Record(value=f"{PARENT}.")])]) for parent in parents]
    return (*above, _zone("example.net", hosts))


def _cloudflare(account: CloudflareState) -> list[Zone]:
    return [_zone(z.name, _sets(account, z), delegated=z.delegated == z.name_servers) for z in account.zones]


def _sets(account: CloudflareState, zone: CloudflareZone) -> list[RRset]:
    servers = [Record(value=f"{name}.") for name in zone.name_servers]
    soa = Record(value=f"{zone.name_servers[0]}. dns.example.net. 1 10000 2400 604800 1800")
    found = [RRset(name="@", type="NS", records=servers), RRset(name="@", type="SOA", records=[soa])]
    by_name: dict[tuple[str, str], RRset] = {}
    for record in zone.records:
        own = "@" if record.name == zone.name else record.name.removesuffix(f".{zone.name}")
        ttl = account.automatic_s if record.ttl == 1 else record.ttl
        at = by_name.setdefault((own, record.type), RRset(name=own, type=record.type, records=[], ttl=ttl))
        value = PROXY if record.proxied else record.content
        value = f"{record.priority} {value}" if record.priority is not None else value
        dotted = f"{value}." if record.type in {"CNAME", "NS", "MX"} and not value.endswith(".") else value
        if dotted not in {each.value for each in at.records}:
            at.records.append(Record(value=dotted))
    return [*found, *by_name.values()]


def _zone(name: str, served: list[RRset], *, delegated: bool = True) -> Zone:
    return Zone(id=0, name=name, created=0.0, served=served, delegation_status="valid" if delegated else "invalid")
