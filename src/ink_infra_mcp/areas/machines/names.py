"""Whether apps are reached by their names: DNS, certificate and answer, each looked at once."""

from collections.abc import AsyncIterator, Collection, Iterator, Mapping
from datetime import datetime, timedelta

from ink_infra_mcp.areas.apps.app import App, host_of
from ink_infra_mcp.areas.apps.reach import is_address, leads_only, why_not_public
from ink_infra_mcp.areas.apps.web import by_address, is_unrouted
from ink_infra_mcp.areas.dns.addresses import Addresses
from ink_infra_mcp.areas.dns.both_kinds import beside
from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.areas.machines.drift import Drift, distinct
from ink_infra_mcp.areas.visited import visitable
from ink_infra_mcp.clients.probe import HttpSeen, TlsSeen
from ink_infra_mcp.core.dns.services import diverted
from ink_infra_mcp.core.fleet import Host
from ink_infra_mcp.core.untrusted import clean_name

SOON, NOW = timedelta(days=20), timedelta(days=3)
"""Traefik renews a certificate of three months when thirty days are left: with fewer it has tried in vain."""
_SERVER_ERRORS = 500


def is_looked_at(app: App) -> bool:
    """Return whether an app is meant to answer: one that somebody stopped is not."""
    return bool(app.urls) and bool(app.muscle) and app.status.state not in ("exited", "created")


async def name_drifts(look: Look, app: App, url: str, known: Mapping[str, Addresses]) -> AsyncIterator[Drift]:
    """Yield what is wrong with one URL of an app: its name, its certificate, its answer.

    Where the app is not of the public internet it is not looked at, and that is said. `known` are the public addresses
    of the fleet's servers, as far as they are known.
    """
    visited = visitable(url)
    if not visited:
        yield _odd(app, url)
        return
    host, server = host_of(visited), await by_address(look, look.fleet.host(app.muscle))
    found = await look.resolver.addresses(host)
    addresses = (*found.ipv4, *found.ipv6)
    if why := why_not_public(host, server.address, addresses):
        what = "apps are not visited from here, since they have no public address"
        yield Drift(app.muscle, "info", "not_visited", what, f"{app.name}: {why}", f"get_app app={app.name}", host)
        return
    if not is_address(server.address):
        yield _unplaced(app, host, server)
        return
    if not leads_only(addresses, (server.address,)):
        yield _elsewhere(app, host, server.address, addresses, found.status)
    elif (drift := await _diverted(look, app, host, {server.address, *addresses})) is not None:
        yield drift
    for drift in _beside(app, host, server, addresses, known):
        yield drift
    seen = await look.probe.http(visited, address=server.address)
    for drift in _seen(app, host, seen, look.clock.now()):
        yield drift


def _odd(app: App, url: str) -> Drift:
    """The URL is not shown: a login may stand in it."""
    what = "an app has in Coolify what is no URL of http or https with a plain host name: it is not visited"
    mend = "give the app a plain URL in Coolify, or by deploy_app"
    return Drift(app.muscle, "warning", "odd_url", what, app.name, mend, distinct(f"{app.uuid} {url}"), unknown=True)


def _unplaced(app: App, host: str, server: Host) -> Drift:
    what = f"whether {host} leads to its server is not known: {server.address} has no address that was seen"
    mend = "write the server's address into fleet.toml in place of its name"
    return Drift(app.muscle, "warning", "dns_unknown", what, app.name, mend, host, unknown=True)


def _beside(
    app: App, host: str, server: Host, addresses: Collection[str], known: Mapping[str, Addresses]
) -> Iterator[Drift]:
    """Yield where a name leads over the version of IP of which fleet.toml has no address of its server."""
    it, mend = beside(server, addresses, known), f"set the records of {host} to {server.name} at its DNS provider"
    if it.strange:
        what, where = f"{host} leads elsewhere, too", f"{app.name}: it leads to {', '.join(it.strange)}"
        yield Drift(app.muscle, "high", "dns", what, where, mend, f"{host}+")
    if it.unknown:
        what = f"whether {host} leads to its server alone is not known"
        why = f"{app.name}: nothing tells whether {', '.join(it.unknown)} is {server.name}"
        yield Drift(app.muscle, "warning", "dns_unknown", what, why, mend, f"{host}+", unknown=True)


def _elsewhere(app: App, host: str, wanted: str, addresses: tuple[str, ...], status: str) -> Drift:
    mend = f"point the A record of {host} at {wanted} at its DNS provider"
    if status == "failed":
        what = f"where {host} leads is not known: no name server answers"
        return Drift(app.muscle, "warning", "dns_unknown", what, app.name, mend, host, unknown=True)
    seen = ", ".join(addresses) or "nowhere"
    return Drift(app.muscle, "high", "dns", f"{host} leads elsewhere", f"{app.name}: it leads to {seen}", mend, host)


async def _diverted(look: Look, app: App, host: str, addresses: Collection[str]) -> Drift | None:
    """A browser goes where an HTTPS record says, past the right address (RFC 9460, 3)."""
    told = await look.dns.nameservers.world(host, "HTTPS")
    mend = f"take the HTTPS record of {host} away at its DNS provider"
    if told.status == "failed":
        what = f"whether browsers follow an HTTPS record of {host} is not known: no name server answers"
        return Drift(app.muscle, "warning", "dns_unknown", what, app.name, mend, host, unknown=True)
    if words := diverted(told.values, host, addresses):
        return Drift(app.muscle, "high", "dns", f"browsers do not come to {host}", f"{app.name}: {words}", mend, host)
    return None


def _seen(app: App, host: str, seen: HttpSeen, now: datetime) -> Iterator[Drift]:
    if seen.tls is not None:
        yield from _certificate(app, host, seen.tls, now)
    if seen.status is None or seen.status >= _SERVER_ERRORS or is_unrouted(seen):
        why = f"answers {seen.status}" if seen.status is not None else clean_name(seen.error, limit=120)
        mend = f"diagnose_app app={app.name}"
        yield Drift(app.muscle, "high", "app_down", f"{app.name} does not answer", f"GET of {host}: {why}", mend, host)


def _certificate(app: App, host: str, tls: TlsSeen, now: datetime) -> Iterator[Drift]:
    mend = f"look at the log of the proxy on {{server}} for why {host} is not renewed, and at its DNS"
    if not tls.trusted:
        why = clean_name(tls.problem, limit=120)
        yield Drift(app.muscle, "high", "certificate", f"the certificate of {host} is not trusted", why, mend, host)
    elif tls.not_after is None:
        what = f"when the certificate of {host} ends is not known"
        yield Drift(app.muscle, "warning", "certificate_unknown", what, app.name, mend, host, unknown=True)
    elif tls.not_after - now < SOON:
        severity = "high" if tls.not_after - now < NOW else "warning"
        what, when = f"the certificate of {host} ends soon and was not renewed", f"ends {tls.not_after:%Y-%m-%d}"
        yield Drift(app.muscle, severity, "certificate_ends", what, when, mend, host)
