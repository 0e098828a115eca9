"""Looks at the whole fleet at once: every server, its ports, Coolify, the apps' names, and what is paid for."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

import anyio

from ink_infra_mcp.areas.apps.app import App, all_apps, hosts_of, muscle_by_server
from ink_infra_mcp.areas.baseline import judged
from ink_infra_mcp.areas.dns.addresses import Addresses, fleet_addresses
from ink_infra_mcp.areas.dns.strays import kept_books
from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.areas.machines.audits import audit_drifts, idle_drifts
from ink_infra_mcp.areas.machines.baselines import baseline_drifts, not_judged
from ink_infra_mcp.areas.machines.drift import FLEET, Drift, distinct
from ink_infra_mcp.areas.machines.health import health_drifts, login_drifts, muscle_drifts, room_drifts
from ink_infra_mcp.areas.machines.in_coolify import settings_drifts
from ink_infra_mcp.areas.machines.names import is_looked_at, name_drifts
from ink_infra_mcp.areas.machines.orphans import (
    coolify_drifts,
    hetzner_drifts,
    record_drifts,
    token_drift,
    unwatched_drifts,
)
from ink_infra_mcp.areas.machines.patches import patch_drifts
from ink_infra_mcp.areas.ports.boot_findings import boot_findings
from ink_infra_mcp.areas.ports.findings import Finding, findings_of, rows_of
from ink_infra_mcp.areas.ports.ground import ground_of
from ink_infra_mcp.areas.ports.providers import in_front_of
from ink_infra_mcp.areas.ports.ways_in import neighbours_of
from ink_infra_mcp.core.errors import HostError, InkError
from ink_infra_mcp.core.fleet import Host, Muscle
from ink_infra_mcp.hosts.facts.gathering import HostFacts, gather
from ink_infra_mcp.hosts.firewall.network_facts import gather_networks
from ink_infra_mcp.hosts.machine.auditing import Audit, audit
from ink_infra_mcp.hosts.upkeep.upkeep_facts import gather_upkeep

AT_ONCE = 32
SERVER_S, SERVERS_S, PORTS_S, NAMES_S, VENDOR_S = 90.0, 300.0, 150.0, 90.0, 60.0
"""One server, all of them, their ports, all apps' names, a vendor: what has not answered by then is not known."""

Part = Callable[[], Awaitable[None]]


@dataclass(slots=True)
class Survey:
    """One look at the fleet: `found` grows while it goes on. `apps` is None until, and unless, Coolify tells them.

    `of_factory` finds what is wrong with the Factory, and `of_apps` with the apps of a Muscle at a moment, from the
    apps as Coolify told them.
    """

    look: Look
    of_factory: Callable[[Look, tuple[App, ...] | None], Awaitable[Iterable[Drift]]]
    of_apps: Callable[[HostFacts, tuple[App, ...], datetime], Iterable[Drift]]
    found: list[Drift] = field(default_factory=list[Drift])
    seen: set[str] = field(default_factory=set[str])
    away: set[str] = field(default_factory=set[str])
    apps: tuple[App, ...] | None = None
    visited: int = 0

    async def run(self) -> None:
        """Look at everything, side by side; whatever cannot be read becomes a finding."""
        await self._limited("Coolify", VENDOR_S, self._coolify)
        parts: tuple[tuple[str, float, Part], ...] = (
            ("servers", SERVERS_S, self._servers),
            ("ports", PORTS_S, self._ports),
            ("names of apps", NAMES_S, self._names),
            ("records of names", VENDOR_S, self._records),
            ("Hetzner Cloud", VENDOR_S, self._hetzner),
            ("Coolify's image", SERVER_S, self._factory),
            ("auditors' judgement", SERVERS_S, self._auditors),
            ("baselines", SERVERS_S, self._baselines),
        )
        async with anyio.create_task_group() as group:
            for name, limit_s, part in parts:
                group.start_soon(self._limited, name, limit_s, part)
        for host in self.look.fleet.hosts:
            if host.name not in self.seen | self.away:
                self._not_read("the server", host.name, f"not asked within {SERVERS_S:.0f} seconds", "call again")
        # a server that does not answer is told once
        self.found = [d for d in self.found if d.server not in self.away or d.code == "not_reached" or not d.unknown]

    async def _limited(self, name: str, limit_s: float, part: Part, *, server: str = FLEET) -> None:
        try:
            with anyio.fail_after(limit_s):
                await part()
        except InkError as error:
            self._not_read(name, server, error.failed, error.next)
        except TimeoutError:
            self._not_read(name, server, f"no answer in {limit_s:.0f} seconds", "call again")

    def _not_read(self, name: str, server: str, why: str, mend: str) -> None:
        if server == FLEET:
            what = f"{name} could not be looked at: nobody knows what is wrong there"
            self.found.append(Drift(FLEET, "high", "not_looked_at", what, why, mend or "doctor", name, unknown=True))
            return
        self.away.add(server)
        what = "the server could not be asked: what is wrong there is not known"
        self.found.append(Drift(server, "high", "not_reached", what, why, mend or "doctor", unknown=True))

    async def _coolify(self) -> None:
        servers, era = await self.look.coolify.servers(), await self.look.coolify.era()
        self.found += coolify_drifts(self.look.fleet, servers)
        known = await muscle_by_server(self.look.coolify, self.look.fleet)
        self.found += settings_drifts(self.look, servers, known, era)
        if not era.supported:
            self.found.append(Drift(FLEET, "warning", "coolify_era", era.words, "its version", "update Coolify"))
        self.apps = await all_apps(self.look)
        self.found += (token_drift(), *unwatched_drifts(self.apps))

    async def _servers(self) -> None:
        limiter = anyio.CapacityLimiter(AT_ONCE)

        async def one(host: Host) -> None:
            async with limiter:
                await self._limited("the server", SERVER_S, lambda: self._server(host), server=host.name)

        async with anyio.create_task_group() as group:
            for host in self.look.fleet.hosts:
                group.start_soon(one, host)

    async def _server(self, host: Host) -> None:
        fleet = self.look.fleet
        upkeep = await gather_upkeep(self.look.hosts, host.name)
        self.found += (*patch_drifts(upkeep), *room_drifts(upkeep), *login_drifts(upkeep))
        areas = ("system",) if host in fleet.bastions else ("system", "docker", "containers")
        facts = await gather(self.look.hosts, host.name, areas=areas)
        known = {name: why for name, why in facts.unknown.items() if why != "not asked"}
        facts = facts.model_copy(update={"unknown": _asked(known, muscle=isinstance(host, Muscle))})
        self.found += health_drifts(facts, factory=host == fleet.factory, now=self.look.clock.now())
        if isinstance(host, Muscle):
            self.found += muscle_drifts(facts, self.look.isolation, self.apps)
            self.found += self.of_apps(facts, self.apps or (), self.look.clock.now())
        self.seen.add(host.name)

    async def _ports(self) -> None:
        look = self.look
        facts, silent = await gather_networks(look.hosts)
        self.found += map(_ports_untold, silent.items())
        hosts = tuple(host for host in look.fleet.hosts if host.name in facts)
        front, neighbours = await in_front_of(look, hosts), neighbours_of(look.fleet, facts)
        for host in hosts:
            ground = ground_of(look, host, facts[host.name], front[host.name], neighbours)
            rows = rows_of(ground)
            self.found += map(_of_port, (*findings_of(ground, rows), *boot_findings(ground, rows)))
            # judging takes a few milliseconds of the processor each: others are let in between
            await anyio.lowlevel.checkpoint()

    async def _names(self) -> None:
        limiter = anyio.CapacityLimiter(AT_ONCE)
        if self.apps is None:
            what, why = "whether apps are reached by their names is not known", "Coolify does not tell them"
            self.found.append(Drift(FLEET, "high", "no_apps", what, why, "call again", unknown=True))
            return

        known = await self._addresses()

        async def one(app: App, url: str) -> None:
            async with limiter:
                self.found += await _all(name_drifts(self.look, app, url, known))
                self.visited += 1

        async with anyio.create_task_group() as group:
            for app, url in _urls(self.apps):
                group.start_soon(one, app, url)

    async def _addresses(self) -> dict[str, Addresses]:
        """Return the servers' public addresses; where Hetzner does not tell them nobody knows whose another one is."""
        try:
            return await fleet_addresses(self.look)
        except InkError:
            return {}

    async def _records(self) -> None:
        books = await kept_books(self.look) if self.apps is not None else None
        if books is not None:
            self.found += record_drifts(books, hosts_of(self.apps or ()))

    async def _hetzner(self) -> None:
        cloud, fleet = self.look.hetzner, self.look.fleet
        if cloud is None:
            if any(host.provider == "hetzner_cloud" for host in fleet.hosts):
                what, why = "what is paid for at Hetzner Cloud is not known", "no Hetzner Cloud token is stored"
                mend = "ink-infra-mcp secret set hetzner_cloud_token"
                self.found.append(Drift(FLEET, "warning", "no_cloud_token", what, why, mend, unknown=True))
            return
        self.found += hetzner_drifts(fleet, await cloud.servers(), await cloud.volumes(), await cloud.primary_ips())

    async def _auditors(self) -> None:
        limiter, baseline, seen = anyio.CapacityLimiter(AT_ONCE), self.look.baseline(), list[Audit]()

        async def one(host: Host) -> None:
            async with limiter:
                try:
                    with anyio.fail_after(SERVER_S):
                        seen.append(await audit(self.look.hosts, host.name, kept=True))
                except (InkError, TimeoutError) as error:
                    what, why = "auditors could not be asked", getattr(error, "failed", "no answer in time")
                    self.found.append(Drift(host.name, "warning", "not_audited", what, why, "call again", unknown=True))

        async with anyio.create_task_group() as group:
            for host in self.look.fleet.hosts:
                group.start_soon(one, host)
        self.found += (drift for audited in seen for drift in audit_drifts(audited, baseline))
        self.found += idle_drifts(seen, baseline)

    async def _baselines(self) -> None:
        limiter = anyio.CapacityLimiter(AT_ONCE)

        async def one(host: Host) -> None:
            async with limiter:
                try:
                    with anyio.fail_after(SERVER_S):
                        self.found += baseline_drifts(await judged(self.look, host))
                except (InkError, TimeoutError) as error:
                    self.found.append(not_judged(host.name, error))

        async with anyio.create_task_group() as group:
            for host in self.look.fleet.hosts:
                group.start_soon(one, host)

    async def _factory(self) -> None:
        self.found += await self.of_factory(self.look, self.apps)


def _asked(unknown: dict[str, str], *, muscle: bool) -> dict[str, str]:
    """Only a Muscle needs runsc."""
    return {name: why for name, why in unknown.items() if muscle or name != "runsc_version"}


def _urls(apps: Iterable[App]) -> Iterator[tuple[App, str]]:
    return ((app, url) for app in apps if is_looked_at(app) for url in app.urls)


async def _all(drifts: AsyncIterator[Drift]) -> list[Drift]:
    return [drift async for drift in drifts]


def _ports_untold(each: tuple[str, HostError]) -> Drift:
    server, error = each
    what = "who gets in at its ports is not known: it did not tell of its network"
    return Drift(server, "high", "ports_unknown", what, error.failed, error.next or "call again", unknown=True)


_UNKNOWN_PORTS = frozenset({"not_reached", "unreadable_layer", "not_known", "boot_unknown"})


def _of_port(finding: Finding) -> Drift:
    here = f"server={finding.server}"
    return Drift(
        server=finding.server,
        severity=finding.severity,
        code=finding.code,
        what=finding.what.replace(f" {finding.server} ", " it "),
        evidence=finding.evidence,
        mend=finding.mend.replace(here, "server={server}"),
        subject=distinct(finding.what),
        unknown=finding.code in _UNKNOWN_PORTS,
    )
