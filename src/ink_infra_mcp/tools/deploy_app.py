"""deploy_app: create or update an app and follow its deployment to a proved end."""

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

from pydantic import Field

from ink_infra_mcp.areas.apps import compose_apps, proofs
from ink_infra_mcp.areas.apps.app import App, all_apps
from ink_infra_mcp.areas.apps.built_apps import BuiltApp
from ink_infra_mcp.areas.apps.compose_apps import At, ComposeApp, ComposeFile
from ink_infra_mcp.areas.apps.env_values import Owner
from ink_infra_mcp.areas.apps.envs import EnvArgs, env_warnings, envs_now
from ink_infra_mcp.areas.apps.history import waits_for_rollout
from ink_infra_mcp.areas.apps.home import Home, Wanted, existing, find_home, find_project, locks
from ink_infra_mcp.areas.apps.isolation import beyond_settings, check_judgeable, factory_isolates, refuse_factory
from ink_infra_mcp.areas.apps.named import NOTHING, Named, names_of, steps_of
from ink_infra_mcp.areas.apps.pinning import Present, present, warnings_of
from ink_infra_mcp.areas.apps.rollout import KNOWN
from ink_infra_mcp.areas.apps.services import NO_SERVICES, Services, promised
from ink_infra_mcp.areas.apps.settings import SettingArgs, refuse_unfit, wanted_settings
from ink_infra_mcp.areas.apps.source import image_source, refuse_without_source, resolve
from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.clients.coolify.apps import Application, Service
from ink_infra_mcp.core.arguments import Mark
from ink_infra_mcp.core.errors import RefusedByPolicy
from ink_infra_mcp.core.fleet import Name, memory_bytes
from ink_infra_mcp.core.operation import Check, Mutation, Results, Toolset
from ink_infra_mcp.core.plan import JsonObject, Plan, Step, placed
from ink_infra_mcp.core.systems import DNS, FACTORY, GITHUB, OPTION, SENSITIVE, STARTS_APPS, WRITE, Needs

PublishedPort = Annotated[str, Field(pattern=r"^[1-9][0-9]{0,4}(?:/(?:tcp|udp))?$")]


class Args(SettingArgs):
    """What deploy_app takes."""

    name: Annotated[Name, Field(description="Of the app")]
    muscle: Annotated[Name | None, Field(description="Else the best")] = None
    env: EnvArgs = {}
    publish: Annotated[
        tuple[PublishedPort, ...],
        Field(max_length=20, description="compose ports"),
        Mark.OPTION,
    ] = ()
    redeploy: Annotated[bool, Mark.OPTION] = False
    wait_s: Annotated[int, Field(ge=0, le=3600), Mark.OPTION] = 45


@dataclass(frozen=True, slots=True)
class Facts:
    """The app as it shall be and as it is, of either kind."""

    app: BuiltApp | ComposeApp
    found: App | None
    names: Named = NOTHING


class DeployApp(Mutation[Args, Look, Facts]):
    """Create or update an app from git, an image, a Dockerfile or a compose file, up to a proved URL. Use it for every
    deployment. It leaves gVisor only where policy says so, and never its Muscle.
    """

    name: ClassVar[str] = "deploy_app"
    title: ClassVar[str] = "Deploy an app"
    hint: ClassVar[str] = (
        "deploy, put online, bring up, ship, launch, host or run a GitHub repo, website, project, docker image, "
        "container; newest commit"
    )
    entry: ClassVar[bool] = True
    toolset: ClassVar[Toolset] = "apps"
    needs: ClassVar[Needs] = Needs((*STARTS_APPS, WRITE, FACTORY), (OPTION, GITHUB, SENSITIVE, DNS))
    args = Args
    kinds: ClassVar[tuple[str, ...]] = (
        "coolify.create_project",
        "coolify.create_environment",
        "coolify.create_application",
        "coolify.create_service",
        "coolify.update_application",
        "coolify.update_service",
        "coolify.set_env_new",
        "coolify.set_env",
        "coolify.settle_service",
        "hosts.judge_compose",
        "hosts.judge_started",
        "coolify.note_deployments",
        "hosts.note_containers",
        "registry.same_image",
        "coolify.first_deploy",
        "coolify.deploy",
        "coolify.restart",
        "hosts.prove_isolation",
        "hetzner_dns.set_records",
        "cloudflare.set_records",
        "nameservers.prove_records",
    )

    async def observe(self, args: Args, look: Look, approved: Plan | None) -> Facts:
        """Return what there is: the app, its Muscle, its source, its variables, and whether isolation is possible.

        Raises:
            InputError: the caller asks for something that cannot be. RefusedByPolicy: nothing could isolate the app.
        """
        refuse_unfit(args, look)
        project, apps = await find_project(look), await all_apps(look)
        found = existing(args.name, apps, project)
        refuse_without_source(args, args.name, kind=found.kind if found else "")
        args = await _isolable(args, look, found)
        file = _compose_file(args, look)
        need = file.memory_bytes if file else _need_bytes(args, look, is_new=found is None)
        wanted = Wanted(name=args.name, muscle=args.muscle, domain=args.domain, need_bytes=need)
        home = await find_home(look, wanted, project, app=found, apps=apps, approved=approved)
        uuid = found.uuid if found else ""
        service, values = file is not None, args.env.values()
        now = await present(look, uuid, args.name, service=service, values=values, image=args.image)
        if file is not None:
            app = await _compose_app(args, look, home, file, found, now)
        else:
            app = await _built_app(args, look, home, found, now)
        return Facts(app=app, found=found, names=await names_of(look, app))

    def plan(self, args: Args, facts: Facts) -> Plan:
        """Return the steps: what is missing is created, what differs is changed, then deployed and proved."""
        app, home, new = facts.app, facts.app.home, facts.found is None
        steps = placed(steps_of(app, facts.names), servers=[home.muscle.name], apps=[app.name])
        return Plan(
            tool=self.name,
            title=f"{'Deploy' if new else 'Update'} {app.name} on {home.muscle.name}",
            target=app.name,
            locks=(*locks(app.name, home.project, facts.found), *facts.names.locks),
            steps=steps,
            production=home.muscle.production,
            blast_radius=_blast_radius(home, new=new) if steps else "",
            keeps=() if new or not steps else ("volumes and other variables of the app",),
            warnings=(*_notes(facts, steps), *env_warnings(app.env), *warnings_of(steps, app.present)),
            pinned={"placement": home.placement.model_dump(mode="json")} if new else {},
            phrase=app.name,
            reason="" if steps else f"{app.name} runs what was asked for at {home.url}, isolated.",
        )

    async def verify(self, plan: Plan, results: Results, look: Look) -> list[Check]:
        """Return the proofs: deployment, isolation, DNS, TLS and HTTP."""
        return await proofs.of_deployment(plan, results, look)

    def summary(self, plan: Plan, results: Results, checks: list[Check]) -> JsonObject:
        """Return url, app uuid, Muscle, deployment and commit."""
        return proofs.summary_of_deployment(plan, results)


async def _isolable(args: Args, look: Look, found: App | None) -> Args:
    """Return the arguments as they can be isolated: an image becomes a compose app where the Factory drops --runtime.

    Raises:
        RefusedByPolicy: what is built from source there would run without gVisor.
    """
    service = found is not None and found.kind == "service"
    if args.compose is not None or (not service and await factory_isolates(look)):
        return args
    if args.image is None or (found is not None and not service):
        raise refuse_factory()
    image_source(args.image)
    existing_port = compose_apps.port_of(found.source) if found and isinstance(found.source, Service) else None
    port = args.port or existing_port or look.fleet.defaults.port
    return args.model_copy(update={"compose": compose_apps.as_image(args.image, port=port), "image": None})


def _compose_file(args: Args, look: Look) -> ComposeFile | None:
    publish = frozenset(port if "/" in port else f"{port}/tcp" for port in args.publish)
    if args.compose is None:
        compose_apps.refuse_published(publish)
        return None
    compose_apps.refuse_published(publish - look.ports().publishable())
    memory, cpus = args.memory or look.fleet.defaults.memory, args.cpus or look.fleet.defaults.cpus
    return compose_apps.prepared(args.compose, look.isolation, memory=memory, cpus=cpus, publish=publish)


def _need_bytes(args: Args, look: Look, *, is_new: bool) -> int:
    """Return the memory that is asked for; an app that exists and is given none keeps what it has."""
    memory = args.memory or (look.fleet.defaults.memory if is_new else None)
    return memory_bytes(memory) if memory else 0


async def _compose_app(
    args: Args, look: Look, home: Home, file: ComposeFile, found: App | None, seen: Present
) -> ComposeApp:
    await check_judgeable(look)
    now = await look.coolify.service(found.uuid) if found else None
    uuid = now.uuid if now else ""
    env = await envs_now(look, Owner(uuid, args.name, home.muscle.name, service=True, compose=file.text), args.env)
    front = compose_apps.front_of(file, args.compose_service)
    urls = compose_apps.urls_of(now, front, home, At(args.domain, args.port, look.fleet.defaults.port))
    return ComposeApp(
        name=args.name,
        home=replace(home, url=compose_apps.without_port(urls[0])),
        compose=file.text,
        front=front,
        urls=urls,
        existing=now,
        env=env,
        present=seen,
        as_wanted=now is not None and await _runs(look, home, uuid, promised(file.text)),
        redeploy=args.redeploy,
        notes=(*file.notes, *compose_apps.blanks(file, env)),
    )


async def _runs(look: Look, home: Home, uuid: str, services: Services = NO_SERVICES) -> bool:
    """Return whether it runs isolated, with everything that was changed before; the host is asked, not Coolify."""
    isolated = await proofs.is_isolated(look, home.muscle.name, uuid, home.domains, services)
    return isolated and not await waits_for_rollout(look, uuid)


async def _built_app(args: Args, look: Look, home: Home, found: App | None, seen: Present) -> BuiltApp:
    now = await look.coolify.application(found.uuid) if found else None
    source = await resolve(args, look, default_branch=look.fleet.defaults.branch, now=now)
    app = BuiltApp(
        name=args.name,
        home=home,
        settings=wanted_settings(args, look, home, source, now),
        source=source,
        existing=now,
        env=await envs_now(look, Owner(found.uuid if found else "", args.name, home.muscle.name), args.env),
        present=seen,
        known=(),
        as_wanted=False,
        redeploy=args.redeploy,
    )
    return app if now is None else await _as_it_is(app, now, look)


async def _as_it_is(app: BuiltApp, now: Application, look: Look) -> BuiltApp:
    if not look.isolation.allow_without and (why := await beyond_settings(look, now)):
        raise RefusedByPolicy(f"{app.name} would {why}.", next="Change that in Coolify, then call again.")
    last = await look.coolify.deployments_of(now.uuid, take=KNOWN)
    commit = app.source.commit if app.source else ""
    deployed = bool(last) and last[0].status == "finished" and commit in ("", last[0].commit)
    runs = await _runs(look, app.home, now.uuid)
    return replace(app, known=tuple(d.uuid for d in last), as_wanted=deployed and runs)


def _blast_radius(home: Home, *, new: bool) -> str:
    if new:
        return f"nobody yet; {home.muscle.name} was chosen: {home.placement.why}"
    return f"users of {home.url} while it restarts"


def _notes(facts: Facts, steps: tuple[Step, ...]) -> tuple[str, ...]:
    own = facts.app.notes if isinstance(facts.app, ComposeApp) and steps else ()
    return (*own, *facts.names.notes)
