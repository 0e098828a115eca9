"""What Coolify and a server told of an app, in the facts of a diagnosis: what they did not tell is unknown."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from ink_infra_mcp.areas.apps.app import App
from ink_infra_mcp.areas.apps.rollout import BUILD_DEADLINE_S
from ink_infra_mcp.areas.apps.services import NO_SERVICES, Services, promised, promised_by
from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.areas.machines.drift import HERE, Drift
from ink_infra_mcp.areas.machines.health import muscle_drifts, room_drifts
from ink_infra_mcp.clients.coolify.apps import Application
from ink_infra_mcp.clients.coolify.buildlog import Deployment
from ink_infra_mcp.clients.coolify.causes import is_of_image, probable_cause
from ink_infra_mcp.core.diagnosis_facts import FRESH, Box, CoolifySaid, Finding, Machine, Rollout
from ink_infra_mcp.core.diagnosis_pages import Door, Unread, closest
from ink_infra_mcp.core.routing import port_in, riddles_in, routes_in
from ink_infra_mcp.core.shapes import table
from ink_infra_mcp.core.untrusted import clean_name
from ink_infra_mcp.hosts.docker.containers import belongs_to, is_preview, service_of
from ink_infra_mcp.hosts.docker.proxies import NAME as PROXY
from ink_infra_mcp.hosts.docker.proxies import networks_of_proxy, proxy_of
from ink_infra_mcp.hosts.docker.rollouts import Promise, missing
from ink_infra_mcp.hosts.facts.container_facts import ContainerFacts
from ink_infra_mcp.hosts.facts.gathering import HostFacts
from ink_infra_mcp.hosts.upkeep.upkeep_facts import UpkeepFacts

LASTING = timedelta(seconds=BUILD_DEADLINE_S)
"""No deployment of ours is waited for any longer."""
_RUNS = frozenset({"running", "starting", "restarting", "degraded"})
_OF_APP = frozenset({"no_runtime", "proxy", "proxy_ill", "not_isolated", "disk_full", "read_only"})
_OF_ONE_CONTAINER = frozenset({"nixpacks", "static", "dockerfile", "dockerimage", "railpack"})
_NO_FILE = Unread("Coolify does not tell its compose file", "give the Coolify token read:sensitive")


@dataclass(frozen=True, slots=True)
class Containers:
    """The containers of an app, without those of pull requests, and how each of them stands; `missing` in words.

    `rivals` are the routes to all else that runs there, `riddles` those rules of it that are not read. `proxied` are
    the networks of the proxy, None where it is in all.
    """

    own: tuple[ContainerFacts, ...]
    boxes: tuple[Box, ...]
    missing: str
    rivals: frozenset[str] = frozenset()
    riddles: frozenset[str] = frozenset()
    proxied: frozenset[str] | None = None

    @property
    def fallen(self) -> bool:
        """Return whether one that is promised does not run, or one of them is not as it should be."""
        return bool(self.missing) or not all(box.well for box in self.boxes)


async def parts_of(look: Look, app: App) -> Services | Unread:
    """Return the services that an app promises, none for an app of one container; raises like Coolify's client."""
    if isinstance(app.source, Application) and app.source.build_pack in _OF_ONE_CONTAINER:
        return NO_SERVICES
    found = await _parts(look, app)
    return found if found.must_run + found.may_end else _NO_FILE


async def _parts(look: Look, app: App) -> Services:
    if app.kind == "service":
        return promised_by(await look.coolify.service(app.uuid))
    return promised((await look.coolify.application(app.uuid)).docker_compose_raw)


async def last_deployment(look: Look, app: App) -> Deployment | Unread | None:
    """Return an application's last deployment that is not of a pull request; raises like Coolify's client."""
    found = await look.coolify.deployments_of(app.uuid, take=3)
    own = next((deployment for deployment in found if not deployment.is_preview), None)
    return Unread("the last three deployments are of pull requests") if found and own is None else own


def containers_in(
    facts: HostFacts | Unread, app: str, services: Services | Unread, now: datetime
) -> Containers | Unread:
    """Return the containers of an app on its server, held against what it promises, or why they are not known."""
    found = facts if isinstance(facts, Unread) else own_in(facts, app, services, now)
    if isinstance(found, Unread) or isinstance(facts, Unread):
        return found
    return _with_rivals(found, facts)


def _with_rivals(found: Containers, facts: HostFacts) -> Containers:
    labels, kind = [container.labels for container in _beside(facts, found.own)], proxy_of(facts.containers)
    rivals, riddles = (
        frozenset[str]().union(*(read(each, kind) for each in labels)) for read in (routes_in, riddles_in)
    )
    return replace(found, rivals=rivals, riddles=riddles, proxied=networks_of_proxy(facts.containers))


def own_in(facts: HostFacts, app: str, services: Services | Unread, now: datetime) -> Containers | Unread:
    """Return the same without the routes to all else, which are not read anew for each app of a server."""
    if facts.containers is None:
        return Unread(facts.unknown.get("containers", "its Docker does not say why"))
    promise = promise_of(app, services)
    own = tuple(c for c in facts.containers if belongs_to(c, app) and not is_preview(c, app))
    boxes = tuple(_box(container, promise, facts, now) for container in own)
    return Containers(own, boxes, missing(own, promise))


def door_of(containers: Containers, url: str) -> Door | None:
    """Return the door of the running container to which the proxy leads a URL; None where that is not said."""
    for container in _led(containers, url)[:1]:
        port = port_in(container.labels)
        if container.addresses and port:
            return Door(container.addresses[0], port, _apart(container, containers.proxied))
    return None


def _apart(container: ContainerFacts, proxied: frozenset[str] | None) -> str:
    own = sorted(container.networks)
    if proxied is None or proxied & set(own):
        return ""
    return clean_name(f"it is in {', '.join(own)}, the proxy in {', '.join(sorted(proxied)) or 'none'}", limit=200)


def _led(containers: Containers, url: str) -> list[ContainerFacts]:
    """Return the containers that run and that the proxy leads the URL to, the closest route first."""
    both = zip(containers.own, containers.boxes, strict=True)
    ways = [(closest(box.routes, url), container) for container, box in both if box.runs and box.is_led(url)]
    return [container for _, container in sorted(ways, key=lambda way: -way[0])]


def _beside(facts: HostFacts, own: Collection[ContainerFacts]) -> Iterator[ContainerFacts]:
    """Yield what else runs there, but for the proxy: its own labels open its own pages."""
    running = (each for each in facts.containers or () if each.state == "running" and each.name != PROXY)
    return (each for each in running if each not in own)


def promise_of(app: str, services: Services | Unread) -> Promise:
    """Return what shall run of an app; where its parts are not known, anything of it."""
    known = NO_SERVICES if isinstance(services, Unread) else services
    return Promise(app=app, services=known.must_run, once=known.may_end)


def _box(container: ContainerFacts, promise: Promise, facts: HostFacts, now: datetime) -> Box:
    service = service_of(container, promise.app)
    return Box(
        name=clean_name(service or container.name),
        state=container.state,
        health=container.health,
        exit_code=container.exit_code,
        out_of_memory=container.oom_killed,
        restarts=container.restart_count,
        fresh=container.started_at is not None and clock_of(facts, now) - container.started_at < FRESH,
        may_end=service in promise.once or (bool(service) and _ends(container)),
        routes=routes_in(container.labels, proxy_of(facts.containers)),
    )


def _ends(container: ContainerFacts) -> bool:
    """Return whether Docker never starts it again: Coolify writes that only where the compose file says so."""
    return table(container.host_config.get("RestartPolicy")).get("Name") == "no"


def clock_of(facts: HostFacts, now: datetime) -> datetime:
    """Return the moment by the server's own clock, where it told one."""
    return now if facts.epoch_s is None else datetime.fromtimestamp(facts.epoch_s, now.tzinfo)


def machine_of(
    look: Look, app: App, facts: HostFacts | Unread, upkeep: UpkeepFacts | Unread, own: Containers | Unread
) -> Machine | Unread:
    """Return the app's server as it tells of itself: of other apps there nothing is told."""
    if isinstance(facts, Unread):
        return facts
    drifts = [] if isinstance(upkeep, Unread) else [*room_drifts(upkeep)]
    drifts += muscle_drifts(_only(facts, own), look.isolation, (app,))
    available, total = facts.memory_available_bytes, facts.memory_total_bytes
    return Machine(
        name=facts.host,
        troubles=tuple(_trouble(drift) for drift in drifts if drift.code in _OF_APP),
        memory=None if available is None or total is None else (available, total),
        unread=dict(_untold(facts, upkeep)),
    )


def _only(facts: HostFacts, own: Containers | Unread) -> HostFacts:
    if facts.containers is None or isinstance(own, Unread):
        return facts
    kept = (*own.own, *(container for container in facts.containers if container.name == PROXY))
    return facts.model_copy(update={"containers": kept})


def _untold(facts: HostFacts, upkeep: UpkeepFacts | Unread) -> Iterator[tuple[str, Unread]]:
    lacks = {"memory": "memory_available_bytes", "all memory": "memory_total_bytes", "Docker": "docker_version"}
    yield from ((name, Unread(facts.unknown[fact])) for name, fact in lacks.items() if fact in facts.unknown)
    if facts.containers is None:
        yield "Docker", Unread(facts.unknown.get("containers", "it does not say why"))
    if isinstance(upkeep, Unread):
        yield "disks", upkeep
        return
    yield from (
        ("disks", Unread(upkeep.unknown[fact])) for fact in ("rooms", "inodes", "read_only") if fact in upkeep.unknown
    )


def _trouble(drift: Drift) -> Finding:
    code = "disk_filling" if (drift.code, drift.severity) == ("disk_full", "warning") else drift.code
    mend = drift.mend.replace(HERE, drift.server)
    return Finding(code=code, what=f"{drift.server}: {drift.what}", evidence=drift.evidence, mend=mend)


def said_of(app: App) -> CoolifySaid:
    """Return what Coolify says of an app."""
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


def rollout_of(last: Deployment, now: datetime) -> Rollout:
    """Return a deployment as the last one of an app."""
    cause, at = _cause(last), last.created_at
    return Rollout(
        uuid=last.uuid,
        status=clean_name(last.status),
        at=at.strftime("%Y-%m-%dT%H:%M:%SZ") if at else "",
        cause=cause,
        of_image=is_of_image(cause),
        active=last.is_active,
        lasting=at is not None and now - at > LASTING,
    )


def _cause(last: Deployment) -> str:
    if last.lines is None:
        return "the Coolify token may not read its log (read:sensitive)"
    return probable_cause([line.untrusted_text for line in last.lines])


def copies_of(app: App) -> Iterator[tuple[str, Unread]]:
    """Yield what runs of an app on other servers than its own, where nobody looks."""
    source = app.source
    count = max(len(source.more_servers), source.more_servers_count or 0) if isinstance(source, Application) else 0
    if count:
        yield f"its copies on {count} more servers", Unread("only its first server is looked at")


def skipped_of(app: App) -> Iterator[str]:
    """Yield what nobody looks at of an app."""
    if not app.urls:
        yield "names, certificates and answers: Coolify has no URL for it"
    if isinstance(app.source, Application) and app.source.is_preview_deployments_enabled is not False:
        yield "its preview deployments, if it has any"
    yield "other pages than those of its URLs, and other places of the internet"
