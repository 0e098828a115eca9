"""Proofs that an app is reached by its name: DNS, certificate and answer, seen from here or from a named server."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from ink_infra_mcp.areas.apps.app import host_of
from ink_infra_mcp.areas.apps.reach import is_address, leads_only, why_not_public
from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.clients.outside import seems_public
from ink_infra_mcp.clients.probe import HttpSeen, TlsSeen
from ink_infra_mcp.core.dns.services import diverted
from ink_infra_mcp.core.errors import HostError
from ink_infra_mcp.core.fleet import HERE, Host
from ink_infra_mcp.core.operation import Check
from ink_infra_mcp.core.untrusted import clean_name
from ink_infra_mcp.hosts.web.visiting import Visit, addresses_from, visit_from

WEB_READY_S = 60.0
_EVERY_S = 3.0
_NOT_FOUND, _NO_ROUTE = 404, "404 page not found"
NO_ANSWER = "no answer"
"""Why nothing is known of where a name leads: no name server gave a usable answer."""
_FOR_GOOD = frozenset({"refused_by_us", "unresolved"})
"""Kinds of answer that waiting does not change: they are about addresses, not about what comes up."""

Visiting = Callable[[], Awaitable[HttpSeen]]


@dataclass(frozen=True, slots=True)
class Place:
    """From where an app is looked at. `server` is a server of the fleet; empty: here. `inside` admits private ones."""

    server: str = ""
    inside: bool = False

    @property
    def words(self) -> str:
        """Return what stands behind a sentence about what was seen from there."""
        return f" (from {self.server})" if self.server else ""


@dataclass(frozen=True, slots=True)
class _Resolved:
    """What a name was seen to have; `why` says why that is nothing."""

    addresses: tuple[str, ...]
    why: str = ""


@dataclass(frozen=True, slots=True)
class Reached:
    """How a URL was reached: where its name leads, judged, and what answered at its server.

    `addresses` are those that the name was seen to have, and `why` says why there are none. `seen` is None where nobody
    visited it, for the `reason`.
    """

    dns: Check
    addresses: tuple[str, ...]
    why: str = ""
    seen: HttpSeen | None = None
    reason: str = ""
    place: Place = Place()


async def web(look: Look, muscle: str, url: str) -> list[Check]:
    """Return the checks of name, certificate and answer; waits up to a minute for routing and certificate.

    Where the app's address is not public they are made from where `[access] proof_from` says, else skipped with the
    reason. A verdict that no waiting can change ends the waiting.
    """
    found = await reached(look, muscle, url, within_s=WEB_READY_S)
    if found.seen is None:
        tls = _skipped("tls", found.reason) if url.startswith("https://") else _plain()
        return [found.dns, tls, _skipped("http", found.reason)]
    return [found.dns, _tls(found.seen, url, found.place), _http(found.seen, url, found.place)]


async def reached(look: Look, muscle: str, url: str, *, within_s: float) -> Reached:
    """Return how a URL of an app on that server is reached, from where `web` looks; waits up to `within_s` for a good
    answer, 0: it is visited once.
    """
    server, host = await by_address(look, look.fleet.host(muscle)), host_of(url)
    resolved = await _resolved(look, host)
    reason = why_not_public(host, server.address, resolved.addresses)
    if not reason:
        dns = await _followed(look, host, (server.address,), resolved, Place())
        seen = await _visited(look, url, server.address, Place(), within_s)
        return Reached(dns, resolved.addresses, resolved.why, seen)
    if not (wanted := look.fleet.access.proof_from):
        return await _unseen(look, url, server, resolved, reason)
    try:
        return await _from(look, Place(server="" if wanted == HERE else wanted, inside=True), server, url, within_s)
    except HostError as error:
        return await _unseen(look, url, server, resolved, f"{reason}; {error.failed.rstrip('.')}")


def is_unrouted(seen: HttpSeen) -> bool:
    """Return whether Traefik itself answers that it has no router for the name."""
    return seen.status == _NOT_FOUND and seen.untrusted_start.strip() == _NO_ROUTE


async def by_address(look: Look, server: Host) -> Host:
    """Return a server that fleet.toml knows by a name with its first address in place of that, where it can be told."""
    if is_address(server.address):
        return server
    found = (await _resolved(look, server.address)).addresses
    return server.model_copy(update={"address": found[0]}) if found else server


async def _resolved(look: Look, host: str) -> _Resolved:
    found = await look.resolver.addresses(host)
    words = {"nxdomain": "no such name", "none": "no address"}
    return _Resolved((*found.ipv4, *found.ipv6), words.get(found.status, NO_ANSWER))


async def _from(look: Look, place: Place, muscle: Host, url: str, within_s: float) -> Reached:
    host, own = host_of(url), _own(muscle)
    resolved = await _resolved_from(look, place, host)
    target = next((address for address in own if address in resolved.addresses), muscle.address)
    dns = await _followed(look, host, own, resolved, place)
    if dns.status == "failed" and _behind_another(muscle, resolved):
        dns = _skipped("dns", f"nothing tells whether {resolved.addresses[0]} leads to {muscle.address}")
    seen = await _visited(look, url, target, place, within_s)
    return Reached(dns, resolved.addresses, resolved.why, seen, place=place)


async def _resolved_from(look: Look, place: Place, host: str) -> _Resolved:
    if place.server:
        return _Resolved(await addresses_from(look.hosts, place.server, host), "no such name")
    return await _resolved(look, host)


def _behind_another(muscle: Host, resolved: _Resolved) -> bool:
    """A name may lead to what stands in front of a private server, which fleet.toml does not know."""
    return not seems_public(muscle.address) and any(map(seems_public, resolved.addresses))


async def _visited(look: Look, url: str, address: str, place: Place, within_s: float) -> HttpSeen:
    """Return the answer, as soon as it is good or nothing more can come."""

    async def visit() -> HttpSeen:
        if place.server:
            return await _from_server(look, place.server, url, address)
        return await look.probe.http(url, address=address, inside=place.inside)

    return await _settled(look, visit, within_s)


async def _settled(look: Look, visit: Visiting, within_s: float) -> HttpSeen:
    end = look.clock.monotonic() + within_s
    while not _good(seen := await visit()) and seen.kind not in _FOR_GOOD and look.clock.monotonic() < end:
        await look.clock.sleep(_EVERY_S)
    return seen


async def _from_server(look: Look, server: str, url: str, address: str) -> HttpSeen:
    if not is_address(address):
        return HttpSeen(kind="unresolved", error=f"{address} has no address")
    return _as_seen(await visit_from(look.hosts, server, url, address=address), url)


def _as_seen(visit: Visit, url: str) -> HttpSeen:
    tls = TlsSeen(trusted=not visit.refused, problem=visit.refused) if url.startswith("https://") else None
    return HttpSeen(
        status=visit.status,
        location=visit.location,
        untrusted_start=visit.untrusted_start,
        tls=tls if visit.refused or visit.status is not None else None,
        error=visit.error,
        kind="answered" if visit.status is not None else "unreachable",
    )


def _own(server: Host) -> tuple[str, ...]:
    return tuple(filter(None, (server.address, server.private_address)))


async def _unseen(look: Look, url: str, server: Host, resolved: _Resolved, reason: str) -> Reached:
    """A name that is seen to lead to the server is proved, whoever may follow it; one that is seen to lead past a
    public server is wrong."""
    dns = await _followed(look, host_of(url), _own(server), resolved, Place())
    if dns.status == "failed" and not (resolved.addresses and seems_public(server.address)):
        dns = _skipped("dns", reason)
    return Reached(dns, resolved.addresses, resolved.why, reason=reason)


def _skipped(name: str, reason: str) -> Check:
    return Check(name=name, status="skipped", evidence=f"not looked at: {reason}")


def _plain() -> Check:
    return Check(name="tls", status="skipped", evidence="the URL is plain http")


async def _followed(look: Look, host: str, own: Sequence[str], resolved: _Resolved, place: Place) -> Check:
    """A browser that finds an HTTPS record goes where that says, and not to the addresses (RFC 9460, 3)."""
    dns = _dns(host, own, resolved, place)
    if dns.status != "passed":
        return dns
    told = await look.dns.nameservers.world(host, "HTTPS")
    if told.status == "failed":
        return _skipped("dns", f"whether {host} has an HTTPS record, which browsers follow; {dns.evidence}")
    words = diverted(told.values, host, {*own, *resolved.addresses})
    return Check(name="dns", status="failed", evidence=f"{dns.evidence}, but {words}") if words else dns


def _dns(host: str, own: Sequence[str], resolved: _Resolved, place: Place) -> Check:
    if leads_only(resolved.addresses, own):
        found = next(address for address in own if address in resolved.addresses)
        return Check(name="dns", status="passed", evidence=f"{host} is {found}{place.words}")
    seen = ", ".join(resolved.addresses) or resolved.why
    return Check(name="dns", status="failed", evidence=f"{host} should be {own[0]}; seen{place.words}: {seen}")


def _good(seen: HttpSeen) -> bool:
    return _http_status(seen) == "passed" and (seen.tls is None or seen.tls.trusted)


def _http_status(seen: HttpSeen) -> Literal["passed", "failed"]:
    return "failed" if seen.status is None or seen.status >= 500 or is_unrouted(seen) else "passed"


def _http(seen: HttpSeen, url: str, place: Place) -> Check:
    if seen.status is None:
        return Check(name="http", status="failed", evidence=f"GET {url}{place.words}: {seen.error}")
    words = f"GET {url}{place.words} answers {seen.status}"
    if _http_status(seen) == "failed" and seen.status == 404:
        words += ": Traefik has no route for it"
    return Check(name="http", status=_http_status(seen), evidence=words)


def _tls(seen: HttpSeen, url: str, place: Place) -> Check:
    if url.startswith("http://"):
        return _plain()
    if seen.tls is None:
        return Check(name="tls", status="failed", evidence=seen.error or "no TLS connection")
    if not seen.tls.trusted:
        words = f"certificate not trusted{place.words}: {seen.tls.problem}"
        return Check(name="tls", status="failed", evidence=words)
    return Check(name="tls", status="passed", evidence=_trusted(seen.tls, place))


def _trusted(tls: TlsSeen, place: Place) -> str:
    if place.server:
        return f"{place.server} trusts the certificate"
    until = f" until {tls.not_after:%Y-%m-%d}" if tls.not_after else ""
    return f"certificate of {clean_name(tls.issuer)}{until}"
