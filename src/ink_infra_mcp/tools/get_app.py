"""get_app: one app in full."""

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from ink_infra_mcp.areas.apps.app import App, find_app, is_inline, limits_of
from ink_infra_mcp.areas.apps.isolation import weaknesses
from ink_infra_mcp.areas.apps.proofs import commit_of, restarts_of
from ink_infra_mcp.areas.apps.standing import standing
from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.areas.told import clock_of, copies_of
from ink_infra_mcp.clients.coolify.apps import Application
from ink_infra_mcp.clients.coolify.buildlog import Deployment
from ink_infra_mcp.core.errors import HostError
from ink_infra_mcp.core.operation import Query, Toolset
from ink_infra_mcp.core.plan import Frozen
from ink_infra_mcp.core.systems import MUSCLE, READ, Needs
from ink_infra_mcp.core.untrusted import clean_name
from ink_infra_mcp.hosts.docker.containers import belongs_to
from ink_infra_mcp.hosts.facts.container_facts import ContainerFacts
from ink_infra_mcp.hosts.facts.gathering import gather


class Args(BaseModel):
    """What get_app takes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    app: Annotated[str, Field(min_length=1, max_length=300, description="Name, uuid or domain")]


class DeploymentSeen(Frozen):
    """A deployment; times are ISO 8601."""

    uuid: str
    status: str
    commit: str = ""
    at: str = ""


class ContainerSeen(Frozen):
    """A container as docker inspect shows it."""

    name: str
    state: str
    health: str = ""
    runtime: str = ""
    restarts: int = 0
    problems: tuple[str, ...] = ()


class Report(Frozen):
    """One app. `unknown` says what could not be read and why; it is never silently left out."""

    name: str
    uuid: str
    kind: str
    muscle: str
    urls: tuple[str, ...]
    status: str
    source: str
    port: str = ""
    limits: str
    run_options: str = ""
    restarts: str = ""
    variables: tuple[str, ...] = ()
    deployments: tuple[DeploymentSeen, ...] = ()
    containers: tuple[ContainerSeen, ...] = ()
    isolated: bool | None = None
    unknown: dict[str, str] = {}


class GetApp(Query[Args, Look, Report]):
    """Show one app: urls, status, source, limits, variable names, last deployments, containers and their isolation. Use
    it before changing an app. It shows no variables' values.
    """

    name: ClassVar[str] = "get_app"
    title: ClassVar[str] = "Show an app"
    hint: ClassVar[str] = "tell about one app: details, its url, health, when last deployed, which env variables it has"
    toolset: ClassVar[Toolset] = "apps"
    needs: ClassVar[Needs] = Needs((READ,), (MUSCLE,))
    args = Args
    report = Report

    async def observe(self, args: Args, look: Look) -> Report:
        """Return what Coolify and the host say of the app."""
        app = await find_app(look, args.app)
        containers, why_not, now = await _containers(look, app)
        source = app.source if isinstance(app.source, Application) else None
        return Report(
            name=app.name,
            uuid=app.uuid,
            kind=app.kind,
            muscle=app.muscle or "?",
            urls=app.urls,
            status=standing(app, containers, now),
            source=_source(app),
            port=source.ports_exposes if source else "",
            limits=limits_of(app),
            run_options=source.custom_docker_run_options if source else "",
            restarts=restarts_of(source) if source else "",
            variables=await _variables(look, app),
            deployments=await _deployments(look, app),
            containers=tuple(_seen(app, c, look) for c in containers or ()),
            isolated=_isolated(app, containers, look),
            unknown={**({"containers": why_not} if why_not else {}), **dict(_elsewhere(app))},
        )

    def render(self, report: Report) -> str:
        """Return the app as lines."""
        isolated = {True: "yes", False: "NO", None: "not known"}[report.isolated]
        lines = [
            f"{report.name} ({report.kind} {report.uuid}) on {report.muscle}: {report.status}",
            f"urls: {', '.join(report.urls) or '-'}",
            f"source: {report.source}",
            f"limits: {report.limits}  isolated: {isolated}  port: {report.port or '-'}",
            f"variables: {', '.join(report.variables) or '-'}",
        ]
        lines += [f"restarts: {report.restarts}"] if report.restarts else []
        lines += [f"deployment {d.at} {d.status} {d.commit[:12]} {d.uuid}" for d in report.deployments]
        lines += [_line(c) for c in report.containers]
        return "\n".join([*lines, *(f"unknown: {what}: {why}" for what, why in report.unknown.items())])


async def _containers(look: Look, app: App) -> tuple[tuple[ContainerFacts, ...] | None, str, datetime]:
    """Return the app's containers, or None and why they could not be seen, and the moment by its server's clock."""
    now = look.clock.now()
    if not app.muscle:
        return None, "its server is not in fleet.toml", now
    try:
        facts = await gather(look.hosts, app.muscle, areas=("system", "containers"))
    except HostError as error:
        return None, error.failed, now
    if facts.containers is None:
        return None, f"Docker on {app.muscle} did not tell them: {facts.unknown['containers']}", now
    return tuple(c for c in facts.containers if belongs_to(c, app.uuid)), "", clock_of(facts, now)


def _elsewhere(app: App) -> Iterator[tuple[str, str]]:
    """Yield what runs of it on servers that nobody asked."""
    yield from ((what, unread.why) for what, unread in copies_of(app))


async def _variables(look: Look, app: App) -> tuple[str, ...]:
    rows = await (look.coolify.service_envs(app.uuid) if app.kind == "service" else look.coolify.envs(app.uuid))
    return tuple(sorted({row.key for row in rows if not row.is_preview}))


async def _deployments(look: Look, app: App) -> tuple[DeploymentSeen, ...]:
    if app.kind == "service":
        return ()
    found = await look.coolify.deployments_of(app.uuid, take=3)
    return tuple(map(_deployment, found))


def _deployment(found: Deployment) -> DeploymentSeen:
    return DeploymentSeen(
        uuid=found.uuid,
        status=clean_name(found.status),
        commit=clean_name(commit_of(found.commit)),
        at=_iso(found.created_at),
    )


def _iso(at: datetime | None) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ") if at else ""


def _source(app: App) -> str:
    source = app.source
    if not isinstance(source, Application):
        return "compose file"
    if source.build_pack == "dockerimage":
        return clean_name(f"{source.docker_registry_image_name}:{source.docker_registry_image_tag}", limit=200)
    if is_inline(source):
        return "inline Dockerfile"
    return clean_name(f"{source.git_repository} branch {source.git_branch} ({source.build_pack})", limit=200)


def _seen(app: App, container: ContainerFacts, look: Look) -> ContainerSeen:
    return ContainerSeen(
        name=container.name,
        state=container.state,
        health=container.health or "",
        runtime=container.runtime or "",
        restarts=container.restart_count,
        problems=weaknesses(look, app, container),
    )


def _isolated(app: App, containers: tuple[ContainerFacts, ...] | None, look: Look) -> bool | None:
    if containers is None:
        return None
    running = [c for c in containers if c.state == "running"]
    if not running:
        return None
    return not any(weaknesses(look, app, container) for container in running)


def _line(container: ContainerSeen) -> str:
    bad = f" PROBLEM: {'; '.join(container.problems)}" if container.problems else ""
    health = f":{container.health}" if container.health else ""
    again = f" started again {container.restarts} times" if container.restarts else ""
    return f"container {container.name} {container.state}{health}{again} runtime {container.runtime}{bad}"
