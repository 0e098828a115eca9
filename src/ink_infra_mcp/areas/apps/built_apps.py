"""Apps that Coolify builds or pulls by itself (git, image, Dockerfile): what they shall be, and the steps there."""

from dataclasses import dataclass

from ink_infra_mcp.areas.apps import rollout
from ink_infra_mcp.areas.apps.envs import EnvNow, env_steps, with_values_back
from ink_infra_mcp.areas.apps.home import Home, home_steps, project_ref
from ink_infra_mcp.areas.apps.pinning import Present, pinned
from ink_infra_mcp.areas.apps.source import ResolvedSource
from ink_infra_mcp.clients.coolify.apps import Application, same_repository
from ink_infra_mcp.clients.coolify.bodies import AppChanges
from ink_infra_mcp.core.plan import Change, Step
from ink_infra_mcp.core.step import result_of

BY_GVISOR = ", isolated by gVisor"
"""What the summary of a creation ends with."""


@dataclass(frozen=True, slots=True)
class BuiltApp:
    """An app as it shall be, and as it is: `existing` is None for a new one, `source` None for an unchanged one."""

    name: str
    home: Home
    settings: AppChanges
    source: ResolvedSource | None
    existing: Application | None
    env: EnvNow
    present: Present
    known: tuple[str, ...]
    """Uuids of the app's last deployments."""
    as_wanted: bool
    """Its last deployment finished at the wanted commit, it runs, and every container is isolated."""
    redeploy: bool


def steps_of(app: BuiltApp) -> tuple[Step, ...]:
    """Return the steps: what is missing is created, what differs is changed, then it is deployed and proved."""
    steps = _update(app, app.existing) if app.existing else _create(app, app.source)
    return pinned(steps, app.present)


def _create(app: BuiltApp, source: ResolvedSource | None) -> tuple[Step, ...]:
    if source is None:
        raise ValueError("a new app has a source")
    ref = result_of("create_app", "uuid")
    return (
        *home_steps(app.home.project),
        _creation(app, source),
        *env_steps(app.env, target=app.name, app=ref, new=True),
        *_rollout(app, ref, first=True),
    )


def _creation(app: BuiltApp, source: ResolvedSource) -> Step:
    limits = f"{app.settings.limits_memory} memory, {app.settings.limits_cpus} CPU"
    at = f" at {source.commit[:12]}" if source.commit else ""
    return Step(
        id="create_app",
        kind="coolify.create_application",
        target=app.name,
        summary=f"Create {app.name} on {app.home.muscle.name} from {source.label}{at}, {limits}{BY_GVISOR}",
        after=app.home.url,
        params={
            "source": source.kind,
            "name": app.name,
            "project": project_ref(app.home.project),
            "environment": app.home.project.environment,
            "server": app.home.placement.server_uuid,
            "settings": app.settings.model_dump(mode="json", exclude_none=True),
            "github_app": source.github_app_uuid or "",
            "private_key": source.private_key_uuid or "",
            "dockerfile": source.dockerfile or "",
        },
        undo_words="delete_app removes it",
    )


def _update(app: BuiltApp, existing: Application) -> tuple[Step, ...]:
    changes = differences(existing, app.settings)
    steps = [_change(app, existing, changes)] if changes else []
    env = env_steps(app.env, target=app.name, app=existing.uuid, new=False)
    steps += env
    if steps or app.redeploy or not app.as_wanted:
        steps += with_values_back(env, _rollout(app, existing.uuid, first=False))
    return tuple(steps)


def _change(app: BuiltApp, existing: Application, changes: dict[str, tuple[str, str]]) -> Step:
    return Step(
        id="update_app",
        kind="coolify.update_application",
        target=app.name,
        summary=f"Change {', '.join(changes)} of {app.name}",
        changes=tuple(Change(name=field, before=was or None, after=now) for field, (was, now) in changes.items()),
        params={
            "app": existing.uuid,
            "settings": app.settings.model_dump(mode="json", exclude_none=True, include=set(changes)),
        },
        undo_words="call deploy_app with the earlier values",
    )


def differences(existing: Application, wanted: AppChanges) -> dict[str, tuple[str, str]]:
    """Return field -> (now, wanted) for what is wanted and differs, in the order of the names."""
    found: dict[str, tuple[str, str]] = {}
    for field, value in sorted(wanted.model_dump(exclude_none=True).items()):
        now, then = _text(getattr(existing, field)), _text(value)
        same = same_repository(now, then) if field == "git_repository" else now == then
        if not same:
            found[field] = (now, then)
    return found


def _text(value: object) -> str:
    if isinstance(value, tuple | list):
        return ",".join(map(str, value))  # pyright: ignore[reportUnknownArgumentType] - items of any type
    return str(value).lower() if isinstance(value, bool) else str(value)


def rollout_of(app: BuiltApp) -> rollout.RolloutFacts:
    """Return what its rollout needs to know."""
    return app.home.rollout(app.known)


def _rollout(app: BuiltApp, ref: str | rollout.JsonObject, *, first: bool) -> list[Step]:
    commit = app.source.commit if app.source else ""
    return rollout.steps(app.name, ref, rollout_of(app), first=first, commit=commit, force=app.redeploy)
