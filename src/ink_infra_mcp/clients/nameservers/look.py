"""Asking name servers themselves, past every cache, and the machine's resolver where that is what is wanted."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, cast

from ink_infra_mcp.clients.outside import is_public
from ink_infra_mcp.core.dns.names import above, canonical
from ink_infra_mcp.core.dns.records import value_of
from ink_infra_mcp.core.dns.zones import Told

if TYPE_CHECKING:
    import dns.asyncresolver
    import dns.message
    import dns.rrset

Endpoint = tuple[str, int]
PORT = 53
TIMEOUT_S = 4.0
PARENTS = 4
"""How many of a parent's servers are asked until one answers: com has thirteen."""
WORLD = "this machine's resolver"


class Nameservers:
    """Asks name servers of the internet. `resolvers` are asked for what leads to them (None: those of this machine).

    `connect_to` dials another endpoint in place of a server's own; where `confined`, no other server is asked.
    """

    def __init__(
        self,
        resolvers: Sequence[Endpoint] | None = None,
        connect_to: Mapping[Endpoint, Endpoint] | None = None,
        *,
        confined: bool = False,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._resolvers = None if resolvers is None else tuple(resolvers)
        self._connect_to = connect_to or {}
        self._confined = confined
        self._timeout_s = timeout_s

    async def named_by_parent(self, zone: str) -> tuple[str, ...] | None:
        """Return the name servers that the zone above names for `zone`, asked of its own servers.

        Nobody: it does not know the zone. None: no server of it gave a usable answer, so nothing is known.
        """
        for parent in above(zone):
            servers = await self._resolved(parent, "NS")
            for server in servers[:PARENTS]:
                answer = await self._asked(server, zone, "NS")
                if answer is not None and (named := _referral(answer, zone)) is not None:
                    return named
            if servers:
                return None
        return None

    async def ask(self, servers: Iterable[str], name: str, type: str) -> tuple[Told, ...]:
        """Return what each server answers from its own zones, without asking others."""
        return tuple(await asyncio.gather(*(self._told(server, name, type) for server in servers)))

    async def world(self, name: str, type: str) -> Told:
        """Return what this machine's resolver says, caches included."""
        import dns.exception
        import dns.resolver

        try:
            answer = await self._resolver().resolve(name, type, search=False, raise_on_no_answer=False)
        except dns.resolver.NXDOMAIN:
            return Told(server=WORLD, status="none", authoritative=True)
        except (dns.exception.DNSException, OSError, ValueError):
            return Told(server=WORLD, status="failed")
        return _told(WORLD, _values(answer.rrset, type), authoritative=True)

    async def _told(self, server: str, name: str, type: str) -> Told:
        import dns.flags
        import dns.rcode

        answer = await self._asked(server, name, type)
        if answer is None or answer.rcode() not in {dns.rcode.NOERROR, dns.rcode.NXDOMAIN}:
            return Told(server=server, status="failed")
        authoritative = bool(answer.flags & dns.flags.AA)
        return _told(server, _at(answer.answer, name, type), authoritative=authoritative)

    async def _asked(self, server: str, name: str, type: str) -> "dns.message.Message | None":
        """Ask one server, named or by its address, without recursion; of a name the first address that answers."""
        for address in await self._addresses(server):
            where = self._connect_to.get((address, PORT))
            if where is None and (self._confined or not is_public(address)):
                continue
            answer = await self._exchange(where or (address, PORT), name, type)
            if answer is not None:
                return answer
        return None

    async def _addresses(self, server: str) -> list[str]:
        return [*await self._resolved(server, "A"), *await self._resolved(server, "AAAA")]

    async def _exchange(self, where: Endpoint, name: str, type: str) -> "dns.message.Message | None":
        import dns.asyncquery
        import dns.exception
        import dns.flags
        import dns.message

        query = dns.message.make_query(name, type)
        query.flags &= ~dns.flags.RD
        host, port = where
        try:
            answer, _ = await dns.asyncquery.udp_with_fallback(query, host, timeout=self._timeout_s, port=port)
        except (dns.exception.DNSException, OSError, EOFError):
            return None
        return answer

    async def _resolved(self, name: str, type: str) -> list[str]:
        """Return what the resolver says of the very name; nothing where it says nothing."""
        import dns.exception

        try:
            answer = await self._resolver().resolve(name, type, search=False, raise_on_no_answer=False)
        except (dns.exception.DNSException, OSError, ValueError):
            return []
        return list(_values(answer.rrset, type))

    def _resolver(self) -> "dns.asyncresolver.Resolver":
        import dns.asyncresolver
        import dns.nameserver

        resolver = dns.asyncresolver.Resolver(configure=self._resolvers is None)
        if self._resolvers is not None:
            resolver.nameservers = [dns.nameserver.Do53Nameserver(host, port) for host, port in self._resolvers]
        resolver.lifetime = self._timeout_s
        resolver.timeout = self._timeout_s / 2
        return resolver


def _told(server: str, values: tuple[str, ...], *, authoritative: bool) -> Told:
    return Told(server=server, status="found" if values else "none", values=values, authoritative=authoritative)


def _referral(answer: "dns.message.Message", zone: str) -> tuple[str, ...] | None:
    """Return the servers that a parent refers to; one that serves the child too answers for it.

    None where the answer says nothing of the zone, as one that is broken or refused.
    """
    import dns.flags
    import dns.rcode

    named = _at([*answer.answer, *answer.authority], zone, "NS")
    if named:
        return named
    unknown = answer.rcode() == dns.rcode.NXDOMAIN and answer.flags & dns.flags.AA
    return () if unknown else None


def _at(sections: "Iterable[dns.rrset.RRset]", name: str, type: str) -> tuple[str, ...]:
    import dns.rdatatype

    wanted = dns.rdatatype.from_text(type)
    for rrset in sections:
        if rrset.rdtype == wanted and _bare(rrset.name.to_text()) == _bare(name):
            return _values(rrset, type)
    return ()


def _values(rrset: "dns.rrset.RRset | None", type: str) -> tuple[str, ...]:
    found = cast(Iterable[object], rrset or ())
    return tuple(sorted({value_of(type, str(rdata)) for rdata in found}))


def _bare(name: str) -> str:
    try:
        return canonical(name)
    except ValueError:
        return name.lower().rstrip(".")
