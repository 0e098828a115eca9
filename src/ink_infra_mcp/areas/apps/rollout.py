"""The steps that roll an app out and prove it: judge, note what there is, deploy (or restart, or go back), prove."""

from dataclasses import dataclass, replace
from typing import Literal

from pydantic import JsonValue

from ink_infra_mcp.areas.apps import judged
from ink_infra_mcp.areas.apps.app import App
from ink_infra_mcp.areas.apps.judged import File
from ink_infra_mcp.areas.apps.services import NO_SERVICES, Services, promised_by
from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.core.plan import JsonObject, Step, Undo
from ink_infra_mcp.core.step import result_of

BUILD_DEADLINE_S = 3600
ISOLATED = "prove_isolation"
"""The id of the step that proves it."""
DEPLOYED = "deploy"
"""The id of the step that rolls out, however it does."""
KNOWN = 5
NOTES = frozenset({"coolify.note_deployments", "hosts.note_containers"})
"""The kinds of step that only note what there is before a rollout."""
ROLLOUTS = frozenset(f"coolify.{how}" for how in ("first_deploy", "deploy", "start", "restart", "rollback"))
"""The kinds of step that bring up containers."""


How = Literal["deploy", "start", "restart", "rollback"]
_READS = "nothing to undo: it only reads"


@dataclass(frozen=True, slots=True)
class RolloutFacts:
    """Where the app runs, its URL, the deployments that were there before (newest first), and what must run of it."""

    muscle: str
    url: str
    known: tuple[str, ...] = ()
    production: bool = False
    services: Services = NO_SERVICES
    file: File | None = None
    """What is judged before it starts: the file of a compose app, None for any other."""
    hosts: tuple[str, ...] = ()
    """The host names of its URLs: what its containers may ask a proxy for."""


async def facts(look: Look, app: App) -> RolloutFacts:
    """Return what a rollout of an app that exists needs to know."""
    url = app.urls[0] if app.urls else ""
    now = RolloutFacts(muscle=app.muscle, url=url, production=_is_production(look, app), hosts=app.domains)
    if app.kind == "application":
        known = await look.coolify.deployments_of(app.uuid, take=KNOWN)
        return replace(now, known=tuple(d.uuid for d in known))
    service = await look.coolify.service(app.uuid)
    file = None if look.isolation.allow_without else judged.file_of(service)
    return replace(now, services=promised_by(service), file=file)


def _is_production(look: Look, app: App) -> bool:
    muscle = next((m for m in look.fleet.muscles if m.name == app.muscle), None)
    return muscle is not None and muscle.production


def notes(name: str, app: str | JsonObject, *, muscle: str, seen: tuple[str, ...], service: bool) -> list[Step]:
    """Return the steps that note what is there before a rollout; a compose app has no deployments.

    They are steps because their results are kept: a rollout that dies half-way and goes on must not take its own
    containers for those from before. `seen` are the deployments that the plan was made with: another one since then
    makes another plan.
    """
    deployments = Step(
        id="note_deployments",
        kind="coolify.note_deployments",
        target=name,
        summary=f"Note which deployments of {name} Coolify has before, once none is under way",
        params={"app": app, "seen": [*seen]},
        reads=True,
        undo_words=_READS,
    )
    containers = Step(
        id="note_containers",
        kind="hosts.note_containers",
        target=name,
        summary=f"Note which containers of {name} are on {muscle} before, so that none of them counts as proof",
        params={"app": app, "muscle": muscle},
        reads=True,
        undo_words=_READS,
    )
    return [containers] if service else [deployments, containers]


def locks(app: App) -> tuple[str, ...]:
    """Return the locks of an app that exists: every tool that changes it takes these.

    Its name is among them, since the deployment that creates an app does not know its uuid when it begins.
    """
    return (f"app:{app.uuid}", name_lock(app.name))


def name_lock(name: str) -> str:
    """Return the lock of the apps with that name, whatever their project and environment."""
    return f"name:{name}"


def _stop(name: str, app: str | JsonObject, *, service: bool) -> Undo:
    return Undo(
        kind="coolify.stop_application",
        target=name,
        summary=f"stop {name}",
        effect=f"{name} is stopped",
        params={"app": app, "service": service},
    )


def steps(
    name: str,
    app: str | JsonObject,
    now: RolloutFacts,
    *,
    first: bool,
    how: How = "deploy",
    commit: str = "",
    force: bool = False,
    service: bool = False,
    undoes: tuple[str, ...] = (),
) -> list[Step]:
    """Return the judgement of a compose app, the notes, the step that rolls out, and the proof of isolation.

    The failure of the proof stops the app; that of the judgement takes back the steps `undoes`.
    """
    kind = "coolify.first_deploy" if first and how == "deploy" else f"coolify.{how}"
    deploy = Step(
        id=DEPLOYED,
        kind=kind,
        target=name,
        summary=_words(name, how, commit, service=service),
        params={
            "app": app,
            "known": [] if service else result_of("note_deployments", "known"),
            "force": force,
            "deadline_s": BUILD_DEADLINE_S,
            "commit": commit,
            "service": service,
            **(_promise(now, result_of("note_containers", "containers")) if service else {}),
        },
        undo=_stop(name, app, service=service),
    )
    proof = _proof(name, app, now, result_of("note_containers", "containers"))
    proof = proof.model_copy(update={"undoes": ("deploy",)})
    noted = notes(name, app, muscle=now.muscle, seen=now.known, service=service)
    if now.file is None:
        return [*noted, deploy, proof]
    before = judged.steps(name, app, now.file, muscle=now.muscle, undoes=undoes)
    return [*before, *noted, deploy, proof, judged.after(name, app, now.file, muscle=now.muscle)]


def prove(name: str, app: str, now: RolloutFacts, *, service: bool) -> Step:
    """Return the proof of an app that is not rolled out: what runs of it is all that was promised, and isolated."""
    step = _proof(name, app, now, [])
    words = f"Prove on {now.muscle} that every container of {name} runs isolated, as it is"
    return step.model_copy(update={"summary": words, "params": {**step.params, "service": service}})


def _proof(name: str, app: str | JsonObject, now: RolloutFacts, noted: JsonValue) -> Step:
    """`noted` are the containers from before, none of which counts."""
    return Step(
        id=ISOLATED,
        kind="hosts.prove_isolation",
        target=name,
        summary=f"Prove on {now.muscle} that every container of {name} is new and runs isolated",
        params={"app": app, "muscle": now.muscle, "url": now.url, **_promise(now, noted)},
        reads=True,
        undo_words=_READS,
    )


def _promise(now: RolloutFacts, noted: JsonValue) -> JsonObject:
    return {
        "muscle": now.muscle,
        "noted": noted,
        "services": [*now.services.must_run],
        "once": [*now.services.may_end],
        **({"ports": [*now.services.ports]} if now.services.ports else {}),
        "hosts": [*now.hosts],
    }


def _words(name: str, how: How, commit: str, *, service: bool) -> str:
    at = f" at {commit[:12]}" if commit else ""
    return {
        "deploy": f"Start {name}" if service else f"Build and deploy {name}{at}",
        "start": f"Start {name}{at}",
        "restart": f"Restart {name}",
        "rollback": f"Go back to {commit} of {name}",
    }[how]
