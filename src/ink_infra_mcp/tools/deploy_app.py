"""deploy_app: create or update an app and follow its deployment to a proved end."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import Field, field_validator

from ink_infra_mcp.clients.coolify.apps import Application, same_repository
from ink_infra_mcp.clients.coolify.bodies import AppChanges
from ink_infra_mcp.core.errors import InputError
from ink_infra_mcp.core.fleet import Cpus, Domain, Memory, Muscle, Name, Port, memory_bytes
from ink_infra_mcp.core.isolation import run_options, weakening
from ink_infra_mcp.core.operation import Check, Mutation, Results, Toolset
from ink_infra_mcp.core.placement import Placement
from ink_infra_mcp.core.plan import JsonObject, Plan, Step
from ink_infra_mcp.core.step import result_of
from ink_infra_mcp.tools.look import Look
from ink_infra_mcp.tools.shared import placing, proofs, rollout
from ink_infra_mcp.tools.shared.apps import App, all_apps, host_of
from ink_infra_mcp.tools.shared.envs import EnvArgs, EnvNow, env_steps, envs_now
from ink_infra_mcp.tools.shared.isolating import check_factory
from ink_infra_mcp.tools.shared.rollout import RolloutFacts
from ink_infra_mcp.tools.shared.source import ResolvedSource, SourceArgs, resolve


class Args(SourceArgs):
    """What deploy_app takes."""

    name: Annotated[Name, Field(description="App name: a DNS label")]
    muscle: Annotated[Name | None, Field(description="Muscle; default: the one with room and the fewest apps")] = None
    domain: Annotated[Domain | None, Field(description="Default: <name>.<the Muscle's wildcard domain>")] = None
    port: Annotated[Port | None, Field(description="Port the app listens on")] = None
    memory: Memory | None = None
    cpus: Cpus | None = None
    env: Annotated[EnvArgs, Field(description="Plain values, or secret:NAME for a stored secret")] = {}
    build_command: Annotated[str | None, Field(max_length=1000, pattern=r"^[^\r\n]*$")] = None
    start_command: Annotated[str | None, Field(max_length=1000, pattern=r"^[^\r\n]*$")] = None
    run_options: Annotated[
        str | None, Field(max_length=1000, description="More docker run options; weakening ones are refused")
    ] = None
    health_path: Annotated[str | None, Field(pattern=r"^/[\w/.~%-]*$", max_length=255)] = None
    redeploy: Annotated[bool, Field(description="Build and deploy even if nothing differs")] = False
    wait_s: Annotated[int, Field(ge=0, le=3600, description="Seconds to wait before answering `running`")] = 45

    @field_validator("run_options")
    @classmethod
    def _one_line(cls, value: str | None) -> str | None:
        if value is not None and any(ord(c) < 32 for c in value):
            raise ValueError("one line, no control characters")
        return value


@dataclass(frozen=True, slots=True)
class Facts:
    """What deploy_app's plan is made from."""

    project: str
    project_uuid: str
    environment: str
    environment_exists: bool
    existing: Application | None
    known_deployments: tuple[str, ...]
    deployed: bool
    muscle: Muscle
    placement: Placement
    url: str
    source: ResolvedSource | None
    options: str
    memory: str | None
    cpus: str | None
    port: int | None
    env: EnvNow
    isolated: bool


class DeployApp(Mutation[Args, Look, Facts]):
    """Create or update an app from a git repository, an image, a Dockerfile or a compose file, and follow it to a URL
    that is proved. Use it for the first deployment and for every later one; the same call twice does the work once. It
    never deploys outside gVisor unless the operator's policy allows it, and it does not move apps between Muscles.
    """

    name: ClassVar[str] = "deploy_app"
    title: ClassVar[str] = "Deploy an app"
    toolset: ClassVar[Toolset] = "apps"
    args = Args
    kinds: ClassVar[tuple[str, ...]] = (
        "coolify.create_project",
        "coolify.create_environment",
        "coolify.create_application",
        "coolify.update_application",
        "coolify.set_env_new",
        "coolify.set_env",
        "coolify.first_deploy",
        "coolify.deploy",
        "hosts.prove_isolation",
    )

    async def observe(self, args: Args, look: Look, approved: Plan | None) -> Facts:
        """Return what there is: the app, its Muscle, its source, its variables, and whether isolation is possible."""
        project, environment = look.fleet.coolify.project, look.fleet.coolify.environment
        project_uuid, environment_id = await _project(look, project, environment)
        apps = await all_apps(look)
        existing = await _existing(look, args.name, apps, environment_id)
        _refuse_weakening(args, look)
        await check_factory(look)
        source = await resolve(args, look, default_branch=look.fleet.defaults.branch)
        if source is None and existing is None:
            raise InputError(
                f"There is no app {args.name!r} yet.", next="Give repository, image, dockerfile or compose."
            )
        placement = await _placement(args, look, existing, approved)
        muscle = next(m for m in look.fleet.muscles if m.name == placement.muscle)
        url = f"https://{args.domain or _default_domain(args, look, existing, muscle)}"
        _refuse_taken(url, apps, existing)
        uuid = existing.uuid if existing else ""
        last = (await look.coolify.deployments_of(uuid, take=5)) if uuid else ()
        defaults = None if existing else look.fleet.defaults
        return Facts(
            project=project,
            project_uuid=project_uuid,
            environment=environment,
            environment_exists=environment_id is not None or not project_uuid,
            existing=existing,
            known_deployments=tuple(d.uuid for d in last),
            deployed=bool(last) and last[0].status == "finished" and _same_commit(source, last[0].commit),
            muscle=muscle,
            placement=placement,
            url=url,
            source=source,
            options=" ".join(filter(None, (run_options(look.isolation), args.run_options))),
            memory=args.memory or (defaults.memory if defaults else None),
            cpus=args.cpus or (defaults.cpus if defaults else None),
            port=args.port or (defaults.port if defaults else None),
            env=await envs_now(look, uuid, args.env),
            isolated=await proofs.is_isolated(look, muscle.name, uuid) if uuid else False,
        )

    def plan(self, args: Args, facts: Facts) -> Plan:
        """Return the steps: what is missing is created, what differs is changed, then deployed and proved."""
        steps = _update_steps(args, facts, facts.existing) if facts.existing else _create_steps(args, facts)
        return Plan(
            tool=self.name,
            title=f"{'Update' if facts.existing else 'Deploy'} {args.name} on {facts.muscle.name}",
            target=args.name,
            locks=_locks(args, facts),
            steps=steps,
            production=facts.muscle.production,
            blast_radius=_blast_radius(facts) if steps else "",
            keeps=("volumes and other variables of the app",) if facts.existing and steps else (),
            pinned={"placement": facts.placement.model_dump(mode="json")} if not facts.existing else {},
            phrase=args.name,
            reason="" if steps else f"{args.name} runs what was asked for at {facts.url}, under isolation.",
        )

    async def verify(self, plan: Plan, results: Results, look: Look) -> list[Check]:
        """Return the proofs: deployment, isolation, DNS, TLS and HTTP."""
        return await proofs.of_deployment(plan, results, look)

    def summary(self, plan: Plan, results: Results, checks: list[Check]) -> JsonObject:
        """Return url, app uuid, Muscle and deployment."""
        return proofs.summary_of_deployment(plan, results)


def _locks(args: Args, facts: Facts) -> tuple[str, ...]:
    """The name is locked beside the app: two creations of one name have no uuid yet to meet on."""
    name = f"name:{facts.project}/{facts.environment}/{args.name}"
    return (f"app:{facts.existing.uuid}", name) if facts.existing else (name,)


async def _project(look: Look, project: str, environment: str) -> tuple[str, int | None]:
    found = [p for p in await look.coolify.projects() if p.name == project]
    if len(found) > 1:
        raise InputError(
            f"Coolify has {len(found)} projects named {project!r}.", next="Rename all but one, or change fleet.toml."
        )
    if not found:
        return "", None
    detail = await look.coolify.project(found[0].uuid)
    ids = [e.id for e in detail.environments if e.name == environment]
    return detail.uuid, ids[0] if ids else None


async def _existing(look: Look, name: str, apps: tuple[App, ...], environment_id: int | None) -> Application | None:
    same = [app for app in apps if app.name == name and app.environment_id in (environment_id, None)]
    if len(same) > 1:
        raise InputError(
            f"{len(same)} apps are named {name!r}: {', '.join(app.uuid for app in same)}.",
            next="Delete or rename all but one.",
        )
    if same and same[0].kind == "service":
        raise InputError(f"{name!r} is a compose app already.", next="Give its compose file, or another name.")
    return await look.coolify.application(same[0].uuid) if same else None


def _refuse_weakening(args: Args, look: Look) -> None:
    if args.run_options and (reasons := weakening(args.run_options, look.isolation)):
        raise InputError(f"run_options would weaken isolation: {'; '.join(reasons)}.", next="Leave them out.")


async def _placement(args: Args, look: Look, existing: Application | None, approved: Plan | None) -> Placement:
    if existing is not None:
        return await _where_it_is(args, look, existing)
    need = memory_bytes(args.memory or look.fleet.defaults.memory)
    runsc = not look.isolation.allow_without
    pinned = approved.pinned.get("placement") if approved else None
    if isinstance(pinned, dict):
        earlier = Placement.model_validate(pinned)
        try:
            await placing.choose(look, muscle=earlier.muscle, need_bytes=need, need_runsc=runsc)
        except InputError:
            return await placing.choose(look, muscle=args.muscle, need_bytes=need, need_runsc=runsc)
        return earlier
    return await placing.choose(look, muscle=args.muscle, need_bytes=need, need_runsc=runsc)


async def _where_it_is(args: Args, look: Look, existing: Application) -> Placement:
    apps = await all_apps(look)
    here = next((app.muscle for app in apps if app.uuid == existing.uuid), "")
    if not here:
        raise InputError(f"{args.name} runs on a server that fleet.toml does not name.", next="Add it as a Muscle.")
    if args.muscle not in (None, here):
        raise InputError(f"{args.name} is on {here}; deploy_app does not move apps.", next="Leave `muscle` out.")
    return Placement(muscle=here, server_uuid=existing.server_uuid, why="it is there already")


def _default_domain(args: Args, look: Look, existing: Application | None, muscle: Muscle) -> str:
    if existing is not None and existing.domains:
        return host_of(existing.domains[0])
    parent = muscle.wildcard_domain or look.fleet.domains.fleet
    if parent is None:
        raise InputError(
            f"{muscle.name} has no wildcard domain and the fleet has no domain.",
            next="Give `domain`, or set wildcard_domain in fleet.toml.",
        )
    return f"{args.name}.{parent}"


def _refuse_taken(url: str, apps: tuple[App, ...], existing: Application | None) -> None:
    """Coolify compares whole URLs, so http and https of one host do not conflict there; here the host alone counts."""
    host = host_of(url)
    for app in apps:
        if host in app.domains and (existing is None or app.uuid != existing.uuid):
            raise InputError(f"{host} belongs to the app {app.name} ({app.uuid}).", next="Choose another domain.")


def _same_commit(source: ResolvedSource | None, commit: str) -> bool:
    return source is None or not source.commit or source.commit == commit


def _blast_radius(facts: Facts) -> str:
    if facts.existing:
        return f"users of {facts.url} while it restarts"
    return f"nobody yet; {facts.muscle.name} was chosen: {facts.placement.why}"


def _settings(args: Args, facts: Facts) -> AppChanges:
    """What the app shall be; for an app that exists, only what the caller or the policy says."""
    source = facts.source
    return AppChanges(
        domains=(facts.url,),
        git_repository=source.git_repository if source else None,
        git_branch=source.git_branch if source else None,
        build_pack=source.build_pack if source else None,
        base_directory=source.base_directory if source else None,
        docker_registry_image_name=source.image_name if source else None,
        docker_registry_image_tag=source.image_tag if source else None,
        build_command=args.build_command,
        start_command=args.start_command,
        ports_exposes=(facts.port,) if facts.port else None,
        limits_memory=facts.memory,
        limits_cpus=facts.cpus,
        custom_docker_run_options=facts.options,
        health_check_enabled=True if args.health_path else None,
        health_check_path=args.health_path,
    )


def _create_steps(args: Args, facts: Facts) -> tuple[Step, ...]:
    source = facts.source
    if source is None:
        raise InputError(f"There is no app {args.name!r} yet.", next="Give a source.")
    app = "create_app"
    create = Step(
        id=app,
        kind="coolify.create_application",
        target=args.name,
        summary=f"Create {args.name} on {facts.muscle.name} from {source.label}{_at(source)}, "
        f"{facts.memory} memory, {facts.cpus} CPU, isolated by gVisor",
        after=facts.url,
        params={
            "source": source.kind,
            "name": args.name,
            "project": facts.project_uuid or result_of("create_project", "uuid"),
            "environment": facts.environment,
            "server": facts.placement.server_uuid,
            "settings": _settings(args, facts).model_dump(mode="json", exclude_none=True),
            "github_app": source.github_app_uuid or "",
            "private_key": source.private_key_uuid or "",
            "dockerfile": source.dockerfile or "",
        },
        undo_words="delete_app removes it",
    )
    ref = result_of(app, "uuid")
    return (
        *_home_steps(facts),
        create,
        *env_steps(args.env, facts.env, target=args.name, app=ref, new=True),
        *_rollout(args, facts, app=ref, first=True),
    )


def _home_steps(facts: Facts) -> tuple[Step, ...]:
    steps: list[Step] = []
    if not facts.project_uuid:
        steps.append(
            Step(
                id="create_project",
                kind="coolify.create_project",
                target=facts.project,
                summary=f"Create the Coolify project {facts.project}",
                params={"name": facts.project},
                undo_words="an empty project costs nothing",
            )
        )
    if not facts.environment_exists or (not facts.project_uuid and facts.environment != "production"):
        steps.append(
            Step(
                id="create_environment",
                kind="coolify.create_environment",
                target=facts.environment,
                summary=f"Create the environment {facts.environment}",
                params={
                    "project": facts.project_uuid or result_of("create_project", "uuid"),
                    "name": facts.environment,
                },
                undo_words="an empty environment costs nothing",
            )
        )
    return tuple(steps)


def _update_steps(args: Args, facts: Facts, existing: Application) -> tuple[Step, ...]:
    wanted = _settings(args, facts)
    changes = _differences(existing, wanted)
    steps: list[Step] = []
    if changes:
        steps.append(
            Step(
                id="update_app",
                kind="coolify.update_application",
                target=args.name,
                summary=f"Change {', '.join(changes)} of {args.name}",
                before="; ".join(f"{field}={was or '(none)'}" for field, (was, _) in changes.items()),
                after="; ".join(f"{field}={now}" for field, (_, now) in changes.items()),
                params={
                    "app": existing.uuid,
                    "settings": wanted.model_dump(mode="json", exclude_none=True, include=set(changes)),
                },
                undo_words="call deploy_app with the earlier values",
            )
        )
    steps += env_steps(args.env, facts.env, target=args.name, app=existing.uuid, new=False)
    running = existing.state == "running" and facts.deployed and facts.isolated
    if steps or args.redeploy or not running:
        steps += _rollout(args, facts, app=existing.uuid, first=False)
    return tuple(steps)


def _differences(existing: Application, wanted: AppChanges) -> dict[str, tuple[str, str]]:
    """Return field -> (now, wanted) where they differ, in a fixed order."""
    found: dict[str, tuple[str, str]] = {}
    for field in sorted(wanted.model_fields_set):
        value = getattr(wanted, field)
        if value is None:
            continue
        now, then = _text(getattr(existing, field)), _text(value)
        same = same_repository(now, then) if field == "git_repository" else now == then
        if not same:
            found[field] = (now, then)
    return found


def _text(value: object) -> str:
    if isinstance(value, tuple):
        return ",".join(str(part) for part in value)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType] - a tuple of any
    return str(value).lower() if isinstance(value, bool) else str(value)


def _rollout(args: Args, facts: Facts, *, app: str | JsonObject, first: bool) -> list[Step]:
    now = RolloutFacts(muscle=facts.muscle.name, url=facts.url, known=facts.known_deployments)
    commit = facts.source.commit if facts.source else ""
    return rollout.steps(args.name, app, now, first=first, commit=commit, force=args.redeploy)


def _at(source: ResolvedSource) -> str:
    return f" at {source.commit[:12]}" if source.commit else ""
