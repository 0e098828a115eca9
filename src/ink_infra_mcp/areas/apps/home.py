"""Where an app lives or will live: project and environment in Coolify, Muscle, URL, and the state it is in there."""

from dataclasses import dataclass

from ink_infra_mcp.areas.apps import placing
from ink_infra_mcp.areas.apps.app import App, host_of
from ink_infra_mcp.areas.apps.judged import File
from ink_infra_mcp.areas.apps.rollout import RolloutFacts, name_lock
from ink_infra_mcp.areas.apps.services import NO_SERVICES, Services
from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.clients.coolify.models import Project as ShownProject
from ink_infra_mcp.core.errors import InputError
from ink_infra_mcp.core.fleet import Muscle
from ink_infra_mcp.core.placement import Placement
from ink_infra_mcp.core.plan import JsonObject, Plan, Step
from ink_infra_mcp.core.step import result_of


@dataclass(frozen=True, slots=True)
class Project:
    """The project and environment that apps go to; an empty uuid or a missing environment is made by the plan."""

    name: str
    uuid: str
    environment: str
    environment_id: int | None


@dataclass(frozen=True, slots=True)
class Home:
    """Where the app goes: the choice of Muscle is pinned by the approved plan."""

    project: Project
    muscle: Muscle
    placement: Placement
    url: str
    domains: tuple[str, ...] = ()
    """The host names that the app has in Coolify now."""
    keeps_domains: bool = False
    """Whether it keeps them; else the URL takes their place."""

    def rollout(
        self, known: tuple[str, ...] = (), services: Services = NO_SERVICES, file: File | None = None
    ) -> RolloutFacts:
        """Return what the rollout steps need to know."""
        return RolloutFacts(
            muscle=self.muscle.name,
            url=self.url,
            known=known,
            production=self.muscle.production,
            services=services,
            file=file,
            hosts=self.hosts,
        )

    @property
    def hosts(self) -> tuple[str, ...]:
        """Return the host names that shall lead to the app."""
        return tuple(dict.fromkeys((host_of(self.url), *(self.domains if self.keeps_domains else ()))))


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the caller wants of the home."""

    name: str
    muscle: str | None
    domain: str | None
    need_bytes: int


async def find_project(look: Look) -> Project:
    """Return the project and environment that fleet.toml names, as far as they exist.

    Raises:
        InputError: Coolify has several projects of that name.
    """
    name, environment = look.fleet.coolify.project, look.fleet.coolify.environment
    found = await _projects_named(look, name)
    if not found:
        return Project(name=name, uuid="", environment=environment, environment_id=None)
    detail = await look.coolify.project(found[0].uuid)
    ids = [e.id for e in detail.environments if e.name == environment]
    return Project(name=name, uuid=detail.uuid, environment=environment, environment_id=ids[0] if ids else None)


async def _projects_named(look: Look, name: str) -> list[ShownProject]:
    """Return the one project of that name, or none; raises InputError where there are several."""
    found = [p for p in await look.coolify.projects() if p.name == name]
    if len(found) > 1:
        raise InputError(
            f"Coolify has {len(found)} projects named {name!r}.", next="Rename all but one, or change fleet.toml."
        )
    return found


def existing(name: str, apps: tuple[App, ...], project: Project) -> App | None:
    """Return the app of that name in the environment, or None.

    Raises:
        InputError: several have the name.
    """
    same = _namesakes(name, apps, project)
    if len(same) > 1:
        raise InputError(
            f"{len(same)} apps are named {name!r}: {', '.join(app.uuid for app in same)}.",
            next="Delete or rename all but one.",
        )
    return same[0] if same else None


def _namesakes(name: str, apps: tuple[App, ...], project: Project) -> list[App]:
    return [app for app in apps if app.name == name and app.environment_id in (project.environment_id, None)]


async def find_home(
    look: Look, wanted: Wanted, project: Project, *, app: App | None, apps: tuple[App, ...], approved: Plan | None
) -> Home:
    """Return where the app is, or where a new one goes.

    Raises:
        InputError: no Muscle can take it, its domain belongs to another app, or it would have to move.
    """
    placement = _where_it_is(wanted, app) if app else await _placement(look, wanted, approved)
    if app is not None:
        await placing.check_growth(look, placement, app, need_bytes=wanted.need_bytes)
    muscle = next(m for m in look.fleet.muscles if m.name == placement.muscle)
    url = _url(look, wanted, app, muscle)
    _refuse_taken(url, apps, app)
    domains = app.domains if app is not None else ()
    keeps = wanted.domain is None
    return Home(project=project, muscle=muscle, placement=placement, url=url, domains=domains, keeps_domains=keeps)


def home_steps(project: Project) -> tuple[Step, ...]:
    """Return the steps that make the project and the environment, where they are missing."""
    steps: list[Step] = []
    if not project.uuid:
        steps.append(
            Step(
                id="create_project",
                kind="coolify.create_project",
                target=project.name,
                summary=f"Create the Coolify project {project.name}",
                params={"name": project.name},
                undo_words="an empty project costs nothing",
            )
        )
    # a new project comes with an environment named production (source, version 4.3.11)
    if project.environment_id is None and (project.uuid or project.environment != "production"):
        steps.append(
            Step(
                id="create_environment",
                kind="coolify.create_environment",
                target=project.environment,
                summary=f"Create the environment {project.environment}",
                params={"project": project_ref(project), "name": project.environment},
                undo_words="an empty environment costs nothing",
            )
        )
    return tuple(steps)


def project_ref(project: Project) -> str | JsonObject:
    """Return the project's uuid, or the reference to what the step that makes it returns."""
    return project.uuid or result_of("create_project", "uuid")


def locks(name: str, project: Project, app: App | None) -> tuple[str, ...]:
    """Return what a deployment locks: the name beside the app, as two creations have no uuid yet to meet on.

    A project that is still to be made is locked too: Coolify would make a second one of the same name.
    """
    named = name_lock(name)
    new = () if project.uuid else (f"project:{project.name}",)
    return (f"app:{app.uuid}", named, *new) if app else (named, *new)


async def _placement(look: Look, wanted: Wanted, approved: Plan | None) -> Placement:
    need, runsc = wanted.need_bytes, not look.isolation.allow_without
    pinned = approved.pinned.get("placement") if approved else None
    if isinstance(pinned, dict):
        earlier = Placement.model_validate(pinned)
        try:
            now = await placing.choose(look, muscle=earlier.muscle, need_bytes=need, need_runsc=runsc)
        except InputError:
            return await placing.choose(look, muscle=wanted.muscle, need_bytes=need, need_runsc=runsc)
        return earlier if now.server_uuid == earlier.server_uuid else now
    return await placing.choose(look, muscle=wanted.muscle, need_bytes=need, need_runsc=runsc)


def _where_it_is(wanted: Wanted, app: App) -> Placement:
    if not app.muscle:
        raise InputError(f"{app.name} runs on a server that fleet.toml does not name.", next="Add it as a Muscle.")
    if wanted.muscle not in (None, app.muscle):
        raise InputError(f"{app.name} is on {app.muscle}; deploy_app does not move apps.", next="Leave `muscle` out.")
    return Placement(muscle=app.muscle, server_uuid=app.server_uuid, why="it is there already")


def _url(look: Look, wanted: Wanted, app: App | None, muscle: Muscle) -> str:
    """Without a wanted domain an app keeps its URL as it is, scheme and path included."""
    if wanted.domain is None and app is not None and app.urls:
        return app.urls[0]
    return f"https://{wanted.domain or _default_domain(look, wanted.name, muscle)}"


def _default_domain(look: Look, name: str, muscle: Muscle) -> str:
    parent = muscle.wildcard_domain or look.fleet.domains.fleet
    if parent is None:
        raise InputError(
            f"{muscle.name} has no wildcard domain and the fleet has no domain.",
            next="Give `domain`, or set wildcard_domain in fleet.toml.",
        )
    return f"{name}.{parent}"


def _refuse_taken(url: str, apps: tuple[App, ...], own: App | None) -> None:
    """Coolify compares whole URLs, so http and https of one host do not conflict there; here the host alone counts."""
    host = host_of(url)
    for app in apps:
        if host in app.domains and (own is None or app.uuid != own.uuid):
            raise InputError(f"{host} belongs to the app {app.name} ({app.uuid}).", next="Choose another domain.")
