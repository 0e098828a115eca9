"""Looks at one app from end to end, with the readers of other tools; what cannot be read is kept as unknown."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import anyio

from ink_infra_mcp.areas.apps.app import App, find_app, host_of
from ink_infra_mcp.areas.apps.log_lines import masked, redacted
from ink_infra_mcp.areas.apps.own_values import OwnValues, own_values
from ink_infra_mcp.areas.apps.services import NO_SERVICES, Services, promised_by
from ink_infra_mcp.areas.apps.web import Reached, reached
from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.areas.machines.drift import HERE, Drift
from ink_infra_mcp.areas.machines.health import muscle_drifts, room_drifts
from ink_infra_mcp.areas.ports.providers import server_of
from ink_infra_mcp.areas.ports.web_ports import shut_to_web
from ink_infra_mcp.areas.visited import bare_page, bare_words, or_unread, page_of, visit_words, with_zone
from ink_infra_mcp.clients.coolify.apps import Application
from ink_infra_mcp.clients.coolify.buildlog import Deployment
from ink_infra_mcp.clients.coolify.causes import is_of_image, probable_cause
from ink_infra_mcp.core.diagnosis_facts import (
    Answer,
    Box,
    CoolifySaid,
    Finding,
    Machine,
    NotAsked,
    Page,
    Rollout,
    Seen,
    Unread,
)
from ink_infra_mcp.core.errors import VendorError
from ink_infra_mcp.core.untrusted import clean_name
from ink_infra_mcp.hosts.docker.causes import Why, why_not_up
from ink_infra_mcp.hosts.docker.containers import belongs_to, is_preview, service_of
from ink_infra_mcp.hosts.docker.proxies import NAME as PROXY
from ink_infra_mcp.hosts.docker.rollouts import Promise, missing
from ink_infra_mcp.hosts.facts.container_facts import ContainerFacts
from ink_infra_mcp.hosts.facts.gathering import HostFacts, gather
from ink_infra_mcp.hosts.upkeep.upkeep_facts import UpkeepFacts, gather_upkeep

MOST_URLS = 10
LOG_LINES, LINE = 30, 300
FRESH = timedelta(minutes=2)
_NOT_YET = Unread("nobody asked")
_NO_NEED = NotAsked("its URLs are answered, or none was visited")
_RUNS = frozenset({"running", "starting", "restarting", "degraded"})
_ELSEWHERE = "not in fleet.toml"
_OF_APP = frozenset({"no_runtime", "proxy", "not_isolated", "disk_full", "read_only"})


@dataclass(frozen=True, slots=True)
class Looked:
    """What was seen of an app, what was asked for it and from where, and the last lines that tell why it fell.

    `untrusted_log` is the build's, or that of the containers that fell; `note` says what of it is not masked.
    """

    seen: Seen
    asked: tuple[str, ...]
    untrusted_log: tuple[str, ...] = ()
    note: str = ""


async def looked_at(look: Look, wanted: str) -> Looked:
    """Return all that can be seen of the app that is called so, or of that host name where Coolify cannot be asked.

    Raises:
        UnknownName: there is no such app. AmbiguousName: there are several. ConfigError: Coolify's token is missing.
    """
    try:
        app = await find_app(look, wanted)
    except VendorError as error:
        return await _without_coolify(look, wanted, Unread(error.failed, error.next))
    looking = _Looking(look, app)
    await looking.run()
    return await looking.told()


@dataclass(slots=True)
class _Looking:
    """One look at one app: its fields fill while it goes on."""

    look: Look
    app: App
    facts: HostFacts | Unread = _NOT_YET
    upkeep: UpkeepFacts | Unread = _NOT_YET
    last: Deployment | NotAsked | Unread | None = _NOT_YET
    services: Services | Unread = NO_SERVICES
    pages: dict[str, Page] = field(default_factory=dict[str, Page])
    shut: tuple[str, ...] | NotAsked | Unread = _NO_NEED
    why: Why = field(default_factory=Why)
    own: OwnValues | None = None
    visits: dict[str, str] = field(default_factory=dict[str, str])

    async def run(self) -> None:
        """Look at everything, side by side; then at what only matters where something is wrong."""
        async with anyio.create_task_group() as group:
            for part in (self._coolify, self._server, self._rooms):
                group.start_soon(part)
            for url in self.app.urls[:MOST_URLS]:
                group.start_soon(self._page, url)
        if any(isinstance(page.answer, Answer) and page.answer.status is None for page in self.pages.values()):
            self.shut = await self._asked_door()
        if self._may_tell_more():
            await self._why_not_up()

    async def told(self) -> Looked:
        """Return what was seen."""
        seen = self._seen()
        lines = self._log()
        if not lines:
            return Looked(seen, tuple(self._asked()))
        own = await self._own_values()
        # all lines are masked before the last are taken: nobody knows the half of a secret
        last = masked(own, lines)[-LOG_LINES:]
        return Looked(seen, tuple(self._asked()), redacted(self.look, last, limit=LINE), own.note)

    async def _why_not_up(self) -> None:
        own = await self._own_values()
        promise = self._promise()
        found = await or_unread(lambda: why_not_up(self.look.hosts, self.app.muscle, promise, mask=own.mask))
        self.why = Why() if isinstance(found, Unread) else found

    async def _own_values(self) -> OwnValues:
        if self.own is None:
            self.look.learn_secrets()
            service = self.app.kind == "service"
            self.own = await own_values(self.look.coolify, self.app.uuid, service=service)
        return self.own

    def _asked(self) -> Iterator[str]:
        yield f"Coolify: the app ({self.app.status}) and its last deployment"
        if self.app.muscle:
            yield f"{self.app.muscle} over SSH: containers, Docker, memory, disks"
        yield from (self.visits[url] for url in self.app.urls if url in self.visits)
        if self.shut is not _NO_NEED:
            yield f"{self.app.muscle} and its provider: who gets in at ports 80 and 443"

    async def _coolify(self) -> None:
        """A compose app has no deployments in Coolify, but parts that it promises."""
        if self.app.kind == "service":
            self.last = NotAsked("Coolify keeps none of a compose app")
            self.services = await or_unread(self._promised)
        else:
            self.last = await or_unread(self._last_deployment)

    async def _promised(self) -> Services:
        return promised_by(await self.look.coolify.service(self.app.uuid))

    async def _last_deployment(self) -> Deployment | Unread | None:
        found = await self.look.coolify.deployments_of(self.app.uuid, take=3)
        own = [deployment for deployment in found if not deployment.is_preview]
        if found and not own:
            return Unread("the last three deployments are of pull requests")
        return own[0] if own else None

    async def _server(self) -> None:
        if not self.app.muscle:
            self.facts = Unread(f"its server is {_ELSEWHERE}", "add_muscle")
            return
        found = await or_unread(lambda: gather(self.look.hosts, self.app.muscle))
        self.facts = await _with_power(self.look, self.app.muscle, found) if isinstance(found, Unread) else found

    async def _rooms(self) -> None:
        if self.app.muscle:
            self.upkeep = await or_unread(lambda: gather_upkeep(self.look.hosts, self.app.muscle))

    async def _page(self, url: str) -> None:
        if not self.app.muscle:
            self.pages[url] = page = await bare_page(self.look, url)
            self.visits[url] = bare_words(page)
            return
        found = await or_unread(lambda: reached(self.look, self.app.muscle, url, within_s=0))
        self.pages[url] = page = page_of(url, found) if isinstance(found, Reached) else Page(url, found, found, found)
        self.visits[url] = visit_words(url, found)
        if page.leads in ("nowhere", "elsewhere"):
            self.pages[url] = await with_zone(self.look, page)

    async def _asked_door(self) -> tuple[str, ...] | Unread:
        if isinstance(self.facts, Unread):
            return self.facts
        return await or_unread(lambda: shut_to_web(self.look, self.app.muscle))

    def _may_tell_more(self) -> bool:
        """An app of one container without any has nobody who could tell."""
        found = self._own()
        if isinstance(found, Unread):
            return False
        return bool(missing(found, self._promise())) and bool(found or self.app.kind == "service")

    def _promise(self) -> Promise:
        services = NO_SERVICES if isinstance(self.services, Unread) else self.services
        return Promise(app=self.app.uuid, services=services.must_run, once=services.may_end)

    def _own(self) -> tuple[ContainerFacts, ...] | Unread:
        """Return the app's containers, without those of pull requests."""
        if isinstance(self.facts, Unread):
            return self.facts
        if self.facts.containers is None:
            return Unread(self.facts.unknown.get("containers", "its Docker does not say why"))
        uuid = self.app.uuid
        return tuple(c for c in self.facts.containers if belongs_to(c, uuid) and not is_preview(c, uuid))

    def _seen(self) -> Seen:
        own, promise = self._own(), self._promise()
        boxes = own if isinstance(own, Unread) else tuple(_box(c, promise, self._now()) for c in own)
        return Seen(
            name=self.app.name,
            muscle=self.app.muscle,
            coolify=_said(self.app),
            rollout=_rollout(self.last),
            boxes=self.services if isinstance(self.services, Unread) else boxes,
            machine=self._machine(own),
            pages=(*(self.pages[url] for url in self.app.urls[:MOST_URLS]), *_unvisited(self.app)),
            missing="" if isinstance(own, Unread) else missing(own, promise),
            refused="" if boxes else self.why.cause,
            shut=self.shut,
            skipped=tuple(_skipped(self.app)),
        )

    def _now(self) -> datetime:
        """By the server's own clock, where it told one."""
        now, said = self.look.clock.now(), self.facts.epoch_s if isinstance(self.facts, HostFacts) else None
        return now if said is None else datetime.fromtimestamp(said, now.tzinfo)

    def _machine(self, own: tuple[ContainerFacts, ...] | Unread) -> Machine | Unread:
        facts, upkeep = self.facts, self.upkeep
        if isinstance(facts, Unread):
            return facts
        drifts = [] if isinstance(upkeep, Unread) else [*room_drifts(upkeep)]
        drifts += muscle_drifts(_only(facts, own), self.look.isolation, (self.app,))
        available, total = facts.memory_available_bytes, facts.memory_total_bytes
        return Machine(
            name=facts.host,
            troubles=tuple(_trouble(drift) for drift in drifts if drift.code in _OF_APP),
            memory=None if available is None or total is None else (available, total),
            unread=dict(_untold(facts, upkeep)),
        )

    def _log(self) -> list[str]:
        """The containers tell more of why it is down than a build that is over."""
        if self.why.untrusted_log:
            return [*self.why.untrusted_log]
        if not isinstance(self.last, Deployment) or not _rollout_of(self.last).failed:
            return []
        return [part for line in self.last.lines or () for part in line.untrusted_text.splitlines()]


async def _with_power(look: Look, muscle: str, why: Unread) -> Unread:
    """Return why a server could not be asked, with what its provider says of it, where that can be asked."""
    host, cloud = look.fleet.host(muscle), look.hetzner
    if host.provider != "hetzner_cloud" or cloud is None:
        return why
    found = await or_unread(cloud.servers)
    if isinstance(found, Unread):
        return Unread(f"{why.why}; what Hetzner Cloud says of it is not known: {found.why}", why.next)
    server = server_of(host, found)
    words = (
        f"Hetzner Cloud says that it is {clean_name(server.status)}" if server else "Hetzner Cloud has no such server"
    )
    return Unread(f"{why.why.rstrip('.')}; {words}", why.next)


def _only(facts: HostFacts, own: tuple[ContainerFacts, ...] | Unread) -> HostFacts:
    """Of other apps there nothing is told here."""
    if facts.containers is None or isinstance(own, Unread):
        return facts
    kept = (*own, *(container for container in facts.containers if container.name == PROXY))
    return facts.model_copy(update={"containers": kept})


def _untold(facts: HostFacts, upkeep: UpkeepFacts | Unread) -> Iterator[tuple[str, Unread]]:
    lacks = {"memory": "memory_available_bytes", "all memory": "memory_total_bytes", "Docker": "docker_version"}
    yield from ((name, Unread(facts.unknown[fact])) for name, fact in lacks.items() if fact in facts.unknown)
    if facts.containers is None:
        yield "Docker", Unread(facts.unknown.get("containers", "it does not say why"))
    if isinstance(upkeep, Unread):
        yield "disks", upkeep
        return
    yield from (("disks", Unread(upkeep.unknown[fact])) for fact in ("rooms", "read_only") if fact in upkeep.unknown)


def _trouble(drift: Drift) -> Finding:
    code = "disk_filling" if (drift.code, drift.severity) == ("disk_full", "warning") else drift.code
    mend = drift.mend.replace(HERE, drift.server)
    return Finding(code=code, what=f"{drift.server}: {drift.what}", evidence=drift.evidence, mend=mend)


def _box(container: ContainerFacts, promise: Promise, now: datetime) -> Box:
    return Box(
        name=clean_name(service_of(container, promise.app) or container.name),
        state=container.state,
        health=container.health,
        exit_code=container.exit_code,
        out_of_memory=container.oom_killed,
        restarts=container.restart_count,
        fresh=container.started_at is not None and now - container.started_at < FRESH,
        may_end=service_of(container, promise.app) in promise.once,
    )


def _said(app: App) -> CoolifySaid:
    source, runs = app.source, app.status.state in _RUNS
    if not isinstance(source, Application):
        return CoolifySaid(status=str(app.status), runs=runs)
    return CoolifySaid(
        status=str(app.status),
        runs=runs,
        crashes=source.restart_count or 0 if source.last_restart_type == "crash" else 0,
        port=clean_name(source.ports_exposes),
        memory=source.limits_memory if source.limits_memory != "0" else "",
    )


def _rollout(last: Deployment | NotAsked | Unread | None) -> Rollout | NotAsked | Unread | None:
    return _rollout_of(last) if isinstance(last, Deployment) else last


def _rollout_of(last: Deployment) -> Rollout:
    cause = probable_cause([line.untrusted_text for line in last.lines or ()])
    if last.lines is None:
        cause = "the Coolify token may not read its log (read:sensitive)"
    return Rollout(
        uuid=last.uuid,
        status=clean_name(last.status),
        at=last.created_at.strftime("%Y-%m-%dT%H:%M:%SZ") if last.created_at else "",
        cause=cause,
        of_image=is_of_image(cause),
        active=last.is_active,
    )


def _unvisited(app: App) -> Iterator[Page]:
    """What is beyond the first URLs is not known, and keeps the app from being called up."""
    if more := max(0, len(app.urls) - MOST_URLS):
        why = Unread(f"only the first {MOST_URLS} are visited")
        yield Page(f"{more} more of its URLs", why, why, why)


def _skipped(app: App) -> Iterator[str]:
    if not app.urls:
        yield "names, certificates and answers: Coolify has no URL for it"
    if isinstance(app.source, Application) and app.source.more_servers_count:
        yield f"its copies on {app.source.more_servers_count} more servers"
    yield "other pages than those of its URLs, and other places of the internet"


async def _without_coolify(look: Look, wanted: str, why: Unread) -> Looked:
    """Return what can be seen of a host name, where that is what the app was called by."""
    name = host_of(wanted)
    url = wanted if "://" in wanted else f"https://{name}"
    pages = (await bare_page(look, url),) if "." in name else ()
    untold = Unread("Coolify does not tell it", why.next)
    asked = ("Coolify: no good answer", *map(bare_words, pages))
    skipped = () if pages else ("names, certificates and answers: give the app's domain in place of its name",)
    shut = NotAsked("its server is not known")
    seen = Seen(clean_name(wanted), "", why, untold, untold, untold, pages, shut=shut, skipped=skipped)
    return Looked(seen, asked)
