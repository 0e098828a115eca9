"""list_apps: every app with its Muscle, domain, status, isolation and limits, as a compact table."""

from datetime import datetime
from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from ink_infra_mcp.areas.apps.app import App, all_apps, limits_of
from ink_infra_mcp.areas.apps.isolation import weaknesses
from ink_infra_mcp.areas.apps.standing import UNKNOWN, standing
from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.areas.told import clock_of
from ink_infra_mcp.core.errors import HostError
from ink_infra_mcp.core.fleet import Name
from ink_infra_mcp.core.operation import Query, Toolset
from ink_infra_mcp.core.plan import Frozen
from ink_infra_mcp.core.systems import MUSCLE, READ, Needs
from ink_infra_mcp.hosts.docker.containers import belongs_to
from ink_infra_mcp.hosts.facts.container_facts import ContainerFacts
from ink_infra_mcp.hosts.facts.gathering import HostFacts, gather_all
from ink_infra_mcp.tools.paging import page

COLUMNS = ("name", "muscle", "domain", "status", "runtime", "limits")


class Args(BaseModel):
    """What list_apps takes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    muscle: Annotated[Name | None, Field(description="Only there")] = None
    search: Annotated[str | None, Field(max_length=100, description="In name or domain")] = None
    limit: Annotated[int, Field(ge=1, le=200, description="At most")] = 50
    cursor: Annotated[str | None, Field(max_length=400, description="Page")] = None


class Report(Frozen):
    """The table. Status is the host's word, what is healthy or unhealthy runs; Coolify's stands beside it where it is
    another, and where the host did not tell; `?` is not known.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    total: int
    next_cursor: str | None = None
    unknown: dict[str, str] = {}


class ListApps(Query[Args, Look, Report]):
    """List apps: Muscle, domain, status, runtime (runsc: isolated), limits. Use it for exact names. It changes nothing;
    `?` is not known.
    """

    name: ClassVar[str] = "list_apps"
    title: ClassVar[str] = "List apps"
    hint: ClassVar[str] = "which apps and sites are running, deployed and hosted, where they live, how many; isolated"
    entry: ClassVar[bool] = True
    long: ClassVar[bool] = True
    toolset: ClassVar[Toolset] = "apps"
    needs: ClassVar[Needs] = Needs((READ,), (MUSCLE,))
    args = Args
    report = Report

    async def observe(self, args: Args, look: Look) -> Report:
        """Return one page of the table; what a host says is read in one round trip each."""
        apps = [app for app in await all_apps(look) if _wanted(app, args)]
        shown, cursor = page(apps, key=lambda app: f"{app.name} {app.uuid}", limit=args.limit, cursor=args.cursor)
        facts = await gather_all(look.hosts, sorted({app.muscle for app in shown if app.muscle}))
        return Report(
            columns=COLUMNS,
            rows=tuple(_row(app, facts.get(app.muscle), look) for app in shown),
            total=len(apps),
            next_cursor=cursor,
            unknown={name: why for name, seen in facts.items() if (why := _untold(seen))},
        )

    def render(self, report: Report) -> str:
        """Return the table with tabs."""
        lines = ["\t".join(report.columns), *("\t".join(row) for row in report.rows)]
        lines += [f"{name} could not be read: {why}" for name, why in report.unknown.items()]
        if report.next_cursor:
            lines.append(f"more of {report.total}: narrow with search, or pass the cursor {report.next_cursor}")
        return "\n".join(lines)


def _wanted(app: App, args: Args) -> bool:
    if args.muscle is not None and app.muscle != args.muscle:
        return False
    needle = (args.search or "").lower()
    return needle in app.name.lower() or any(needle in domain for domain in app.domains)


def _row(app: App, facts: HostFacts | HostError | None, look: Look) -> tuple[str, ...]:
    containers = _containers(app, facts)
    domain = app.domains[0] if app.domains else "-"
    return (
        app.name,
        app.muscle or UNKNOWN,
        domain,
        standing(app, containers, _now(facts, look)),
        _runtime(app, containers, look),
        limits_of(app),
    )


def _untold(facts: HostFacts | HostError) -> str:
    """Return why the containers of a server are not known, empty where they are."""
    if isinstance(facts, HostError):
        return facts.failed
    return "" if facts.containers is not None else f"its containers: {facts.unknown.get('containers', 'not told')}"


def _now(facts: HostFacts | HostError | None, look: Look) -> datetime:
    return clock_of(facts, look.clock.now()) if isinstance(facts, HostFacts) else look.clock.now()


def _containers(app: App, facts: HostFacts | HostError | None) -> list[ContainerFacts] | None:
    if facts is None or isinstance(facts, HostError) or facts.containers is None:
        return None
    return [c for c in facts.containers if belongs_to(c, app.uuid)]


def _runtime(app: App, containers: list[ContainerFacts] | None, look: Look) -> str:
    if containers is None:
        return UNKNOWN
    running = [container for container in containers if container.state == "running"]
    if not running:
        return "-"
    runtimes = sorted({c.runtime or "runc" for c in running})
    weak = any(weaknesses(look, app, container) for container in running)
    return ",".join(runtimes) + ("!" if weak else "")
