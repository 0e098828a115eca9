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
_NO_ROUTE = "404 page not found"
_FOR_GOOD = frozenset({"refused_by_us", "unresolved"})
"""Kinds of answer that waiting does not change: they are about addresses, not about what comes up."""

Visiting = Callable[[], Awaitable[HttpSeen]]


@dataclass(frozen=True, slots=True)
class _Place:
    """From where an app is looked at. `server` is a server of the fleet; empty: here. `inside` admits private ones."""

    server: str = ""
    inside: bool = False

    @property
    def words(self) -> str:
        return f" (from {self.server})" if self.server else ""


@dataclass(frozen=True, slots=True)
class _Resolved:
    """What a name was seen to have; `why` says why that is nothing."""

    addresses: tuple[str, ...]
    why: str = ""


async def web(look: Look, muscle: str, url: str) -> list[Check]:
    """Return the checks of name, certificate and answer; waits up to a minute for routing and certificate.

    Where the app's address is not public they are made from where `[access] proof_from` says, else skipped with the
    reason. A verdict that no waiting can change ends the waiting.
    """
    server, host = await _by_address(look, look.fleet.host(muscle)), host_of(url)
    resolved = await _resolved(look, host)
    reason = why_not_public(host, server.address, resolved.addresses)
    if not reason:
        dns = await _followed(look, host, (server.address,), resolved, _Place())
        return [dns, *await _visited(look, url, server.address, _Place())]
    if not (wanted := look.fleet.access.proof_from):
        return await _unseen(look, url, server, resolved, reason)
    try:
        return await _from(look, _Place(server="" if wanted == HERE else wanted, inside=True), server, url)
    except HostError as error:
        return await _unseen(look, url, server, resolved, f"{reason}; {error.failed.rstrip('.')}")


async def _by_address(look: Look, server: Host) -> Host:
    """A server that fleet.toml knows by a name is looked at by its first address, where that can be told."""
    if is_address(server.address):
        return server
    found = (await _resolved(look, server.address)).addresses
    return server.model_copy(update={"address": found[0]}) if found else server


async def _resolved(look: Look, host: str) -> _Resolved:
    found = await look.resolver.addresses(host)
    words = {"nxdomain": "no such name", "none": "no address"}
    return _Resolved((*found.ipv4, *found.ipv6), words.get(found.status, "no answer"))


async def _from(look: Look, place: _Place, muscle: Host, url: str) -> list[Check]:
    host, own = host_of(url), _own(muscle)
    resolved = await _resolved_from(look, place, host)
    target = next((address for address in own if address in resolved.addresses), muscle.address)
    dns = await _followed(look, host, own, resolved, place)
    if dns.status == "failed" and _behind_another(muscle, resolved):
        dns = _skipped("dns", f"nothing tells whether {resolved.addresses[0]} leads to {muscle.address}")
    return [dns, *await _visited(look, url, target, place)]


async def _resolved_from(look: Look, place: _Place, host: str) -> _Resolved:
    if place.server:
        return _Resolved(await addresses_from(look.hosts, place.server, host), "no such name")
    return await _resolved(look, host)


def _behind_another(muscle: Host, resolved: _Resolved) -> bool:
    """A name may lead to what stands in front of a private server, which fleet.toml does not know."""
    return not seems_public(muscle.address) and any(map(seems_public, resolved.addresses))


async def _visited(look: Look, url: str, address: str, place: _Place) -> list[Check]:
    """Return the checks of certificate and answer, as soon as they are good or nothing more can come."""

    async def visit() -> HttpSeen:
        if place.server:
            return await _from_server(look, place.server, url, address)
        return await look.probe.http(url, address=address, inside=place.inside)

    seen = await _settled(look, visit)
    return [_tls(seen, url, place), _http(seen, url, place)]


async def _settled(look: Look, visit: Visiting) -> HttpSeen:
    end = look.clock.monotonic() + WEB_READY_S
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
        untrusted_start=visit.untrusted_start,
        tls=tls if visit.refused or visit.status is not None else None,
        error=visit.error,
        kind="answered" if visit.status is not None else "unreachable",
    )


def _own(server: Host) -> tuple[str, ...]:
    return tuple(filter(None, (server.address, server.private_address)))


async def _unseen(look: Look, url: str, server: Host, resolved: _Resolved, reason: str) -> list[Check]:
    """A name that is seen to lead to the server is proved, whoever may follow it; one that is seen to lead past a
    public server is wrong."""
    dns = await _followed(look, host_of(url), _own(server), resolved, _Place())
    if dns.status == "failed" and not (resolved.addresses and seems_public(server.address)):
        dns = _skipped("dns", reason)
    return [dns, _skipped("tls", reason) if url.startswith("https://") else _plain(), _skipped("http", reason)]


def _skipped(name: str, reason: str) -> Check:
    return Check(name=name, status="skipped", evidence=f"not looked at: {reason}")


def _plain() -> Check:
    return Check(name="tls", status="skipped", evidence="the URL is plain http")


async def _followed(look: Look, host: str, own: Sequence[str], resolved: _Resolved, place: _Place) -> Check:
    """A browser that finds an HTTPS record goes where that says, and not to the addresses (RFC 9460, 3)."""
    dns = _dns(host, own, resolved, place)
    if dns.status != "passed":
        return dns
    told = await look.dns.nameservers.world(host, "HTTPS")
    if told.status == "failed":
        return _skipped("dns", f"whether {host} has an HTTPS record, which browsers follow; {dns.evidence}")
    words = diverted(told.values, host, {*own, *resolved.addresses})
    return Check(name="dns", status="failed", evidence=f"{dns.evidence}, but {words}") if words else dns


def _dns(host: str, own: Sequence[str], resolved: _Resolved, place: _Place) -> Check:
    if leads_only(resolved.addresses, own):
        found = next(address for address in own if address in resolved.addresses)
        return Check(name="dns", status="passed", evidence=f"{host} is {found}{place.words}")
    seen = ", ".join(resolved.addresses) or resolved.why
    return Check(name="dns", status="failed", evidence=f"{host} should be {own[0]}; seen{place.words}: {seen}")


def _good(seen: HttpSeen) -> bool:
    return _http_status(seen) == "passed" and (seen.tls is None or seen.tls.trusted)


def _http_status(seen: HttpSeen) -> Literal["passed", "failed"]:
    no_route = seen.status == 404 and seen.untrusted_start.strip() == _NO_ROUTE
    return "failed" if seen.status is None or seen.status >= 500 or no_route else "passed"


def _http(seen: HttpSeen, url: str, place: _Place) -> Check:
    if seen.status is None:
        return Check(name="http", status="failed", evidence=f"GET {url}{place.words}: {seen.error}")
    words = f"GET {url}{place.words} answers {seen.status}"
    if _http_status(seen) == "failed" and seen.status == 404:
        words += ": Traefik has no route for it"
    return Check(name="http", status=_http_status(seen), evidence=words)


def _tls(seen: HttpSeen, url: str, place: _Place) -> Check:
    if url.startswith("http://"):
        return _plain()
    if seen.tls is None:
        return Check(name="tls", status="failed", evidence=seen.error or "no TLS connection")
    if not seen.tls.trusted:
        words = f"certificate not trusted{place.words}: {seen.tls.problem}"
        return Check(name="tls", status="failed", evidence=words)
    return Check(name="tls", status="passed", evidence=_trusted(seen.tls, place))


def _trusted(tls: TlsSeen, place: _Place) -> str:
    if place.server:
        return f"{place.server} trusts the certificate"
    until = f" until {tls.not_after:%Y-%m-%d}" if tls.not_after else ""
    return f"certificate of {clean_name(tls.issuer)}{until}"
