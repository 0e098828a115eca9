"""The steps that roll an app out and prove it: deploy (or restart, or go back), then isolation on the host."""

from dataclasses import dataclass
from typing import Literal

from ink_infra_mcp.core.plan import JsonObject, Step, Undo
from ink_infra_mcp.tools.look import Look
from ink_infra_mcp.tools.shared.apps import App

BUILD_DEADLINE_S = 3600
KNOWN = 5


@dataclass(frozen=True, slots=True)
class RolloutFacts:
    """Where the app runs, its URL, and the deployments that were there before (newest first)."""

    muscle: str
    url: str
    known: tuple[str, ...] = ()
    production: bool = False


async def facts(look: Look, app: App) -> RolloutFacts:
    """Return what a rollout of an app that exists needs to know."""
    known = await look.coolify.deployments_of(app.uuid, take=KNOWN) if app.kind == "application" else ()
    muscle = next((m for m in look.fleet.muscles if m.name == app.muscle), None)
    return RolloutFacts(
        muscle=app.muscle,
        url=app.urls[0] if app.urls else "",
        known=tuple(d.uuid for d in known),
        production=muscle is not None and muscle.production,
    )


def locks(app: App) -> tuple[str, ...]:
    """Return the locks of an app that exists: every tool that changes it takes these.

    Its name is among them, since the deployment that creates an app does not know its uuid when it begins.
    """
    return (f"app:{app.uuid}", name_lock(app.name))


def name_lock(name: str) -> str:
    """Return the lock of the apps with that name, whatever their project and environment."""
    return f"name:{name}"


def steps(
    name: str,
    app: str | JsonObject,
    now: RolloutFacts,
    *,
    first: bool,
    how: Literal["deploy", "start", "restart", "rollback"] = "deploy",
    commit: str = "",
    force: bool = False,
    service: bool = False,
) -> list[Step]:
    """Return the step that rolls out and the one that proves isolation, whose failure stops the app again."""
    kind = "coolify.first_deploy" if first and how == "deploy" else f"coolify.{how}"
    at = f" at {commit[:12]}" if commit else ""
    words = {
        "deploy": f"Start {name}" if service else f"Build and deploy {name}{at}",
        "start": f"Start {name}",
        "restart": f"Restart {name}",
        "rollback": f"Go back to {commit} of {name}",
    }
    stop: JsonObject = {"app": app, "service": service}
    deploy = Step(
        id="deploy",
        kind=kind,
        target=name,
        summary=words[how],
        params={
            "app": app,
            "known": [*now.known],
            "force": force,
            "deadline_s": BUILD_DEADLINE_S,
            "commit": commit,
            "service": service,
        },
        undo=Undo(kind="coolify.stop_application", target=name, summary=f"stop {name}", params=stop),
    )
    prove = Step(
        id="prove_isolation",
        kind="hosts.prove_isolation",
        target=name,
        summary=f"Prove on {now.muscle} that every container of {name} runs isolated",
        params={"app": app, "muscle": now.muscle, "url": now.url},
        undoes=("deploy",),
        undo_words="nothing to undo: it only reads",
    )
    return [deploy, prove]
