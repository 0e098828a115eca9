"""Whether apps are reached by their names: DNS, certificate and answer, each looked at once."""

from collections.abc import AsyncIterator, Collection, Iterator
from datetime import datetime, timedelta

from ink_infra_mcp.areas.apps.app import App, host_of
from ink_infra_mcp.areas.apps.reach import is_address, leads_only, why_not_public
from ink_infra_mcp.areas.apps.web import is_unrouted
from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.areas.machines.drift import Drift
from ink_infra_mcp.clients.probe import HttpSeen, TlsSeen
from ink_infra_mcp.core.dns.services import diverted
from ink_infra_mcp.core.untrusted import clean_name

SOON, NOW = timedelta(days=20), timedelta(days=3)
"""Traefik renews a certificate of three months when thirty days are left: with fewer it has tried in vain."""
_SERVER_ERRORS = 500


def is_looked_at(app: App) -> bool:
    """Return whether an app is meant to answer: one that somebody stopped is not."""
    return bool(app.urls) and bool(app.muscle) and app.status.state not in ("exited", "created")


async def name_drifts(look: Look, app: App, url: str) -> AsyncIterator[Drift]:
    """Yield what is wrong with one URL of an app: its name, its certificate, its answer.

    Where the app is not of the public internet it is not looked at, and that is said.
    """
    host, server = host_of(url), look.fleet.host(app.muscle)
    found = await look.resolver.addresses(host)
    addresses = (*found.ipv4, *found.ipv6)
    if why := why_not_public(host, server.address, addresses):
        what = "apps are not visited from here, since they have no public address"
        yield Drift(app.muscle, "info", "not_visited", what, f"{app.name}: {why}", f"get_app app={app.name}", host)
        return
    if is_address(server.address) and not leads_only(addresses, (server.address,)):
        yield _elsewhere(app, host, server.address, addresses, found.status)
    elif (drift := await _diverted(look, app, host, {server.address, *addresses})) is not None:
        yield drift
    seen = await look.probe.http(url, address=server.address if is_address(server.address) else None)
    for drift in _seen(app, host, seen, look.clock.now()):
        yield drift


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
        mend = f"get_app_logs app={app.name}, then control_app app={app.name} action=restart"
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
