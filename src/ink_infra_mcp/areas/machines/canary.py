"""The canary of a new Muscle: a tiny app that is deployed to exactly this server, proved, visited, and deleted."""

from collections.abc import Iterable
from dataclasses import replace

from ink_infra_mcp.areas.apps import compose_apps
from ink_infra_mcp.areas.apps.app import App, all_apps
from ink_infra_mcp.areas.apps.compose_apps import At, ComposeApp
from ink_infra_mcp.areas.apps.env_values import Owner
from ink_infra_mcp.areas.apps.envs import envs_now
from ink_infra_mcp.areas.apps.home import Home, Project
from ink_infra_mcp.areas.apps.pinning import present
from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.core.fleet import Muscle
from ink_infra_mcp.core.placement import Placement
from ink_infra_mcp.core.plan import JsonObject, Step, Undo
from ink_infra_mcp.core.step import result_of

IMAGE = "docker.io/traefik/whoami:v1.11.0"
"""A web server of five megabytes that answers what it was asked, for amd64 and arm64 (Traefik's own)."""
PORT = 80
MEMORY, CPUS = "64m", "0.25"
VISIT_WITHIN_S = 240
"""Let's Encrypt answers within seconds, and Traefik asks again after a refusal."""
_CREATIONS = frozenset({"coolify.create_service", "coolify.create_application"})
SHARED = frozenset({"coolify.create_project", "coolify.create_environment"})
"""What the canaries of one plan have in common, which is made before all of them."""


def canary_name(muscle: str) -> str:
    """Return what the canary of a Muscle is called: a DNS label, whatever the Muscle's name."""
    return f"canary-{muscle}"[:63].rstrip("-")


async def canary_of(look: Look, muscle: Muscle, project: Project) -> ComposeApp:
    """Return the canary as it shall be: a compose app, which needs no fork to be isolated."""
    name = canary_name(muscle.name)
    file = compose_apps.prepared(
        compose_apps.as_image(IMAGE, port=PORT), look.isolation, memory=MEMORY, cpus=CPUS, publish=frozenset()
    )
    home = Home(
        project=project,
        muscle=muscle,
        placement=Placement(muscle=muscle.name, server_uuid="", why="it is what is proved"),
        url=f"https://{name}.{muscle.wildcard_domain}",
    )
    front = compose_apps.front_of(file, None)
    urls = compose_apps.urls_of(None, front, home, At(None, PORT, PORT))
    return ComposeApp(
        name=name,
        home=replace(home, url=compose_apps.without_port(urls[0])),
        compose=file.text,
        front=front,
        urls=urls,
        existing=None,
        env=await envs_now(look, Owner("", name, muscle.name, service=True, compose=file.text), {}),
        present=await present(look, "", name, service=True, values=(), image=None),
        as_wanted=False,
        redeploy=False,
        notes=file.notes,
    )


async def left_over(look: Look, muscle: str) -> tuple[App, ...]:
    """Return what an earlier call has left of this Muscle's canary."""
    name = canary_name(muscle)
    return tuple(app for app in await all_apps(look) if app.name == name)


def canary_steps(canary: ComposeApp, *, server: JsonObject | str, address: JsonObject | str) -> tuple[Step, ...]:
    """Return the steps: create, judge, start, prove isolation, visit by its name, delete with all that it had.

    `server` is Coolify's uuid of the server and `address` where it is visited; both may stand for results. Whichever
    step fails, the canary is deleted again.
    """
    gone = deletion(canary.name, kind="coolify.discard_service")
    own = [_on(step, server) for step in compose_apps.steps_of(canary) if step.kind not in SHARED]
    return (*proving((*own, _visit(canary, address)), gone), farewell(gone))


def proving(steps: Iterable[Step], gone: Undo, *, undoes: tuple[str, ...] = ()) -> tuple[Step, ...]:
    """Return the steps of a canary such that whichever fails deletes all of it, and takes back the earlier `undoes`."""
    made: list[Step] = []
    back = undoes
    for step in steps:
        made.append(_taken_back(step, gone).model_copy(update={"undoes": back}))
        if step.kind in _CREATIONS:
            back = (*undoes, step.id)
    return tuple(made)


def _taken_back(step: Step, gone: Undo) -> Step:
    """Of a canary there is one way back: all of it goes."""
    if step.kind in _CREATIONS:
        return step.model_copy(update={"undo": gone})
    if step.undo is not None:
        return step.model_copy(update={"undo": None, "undo_words": "deleted again with the canary"})
    return step


def farewell_steps(apps: tuple[App, ...]) -> tuple[Step, ...]:
    """Return the steps that delete what an earlier call left of a canary."""
    return tuple(
        Step(
            id=f"clear_canary_{number}",
            kind="coolify.discard_canary",
            target=app.name,
            apps=(app.name,),
            summary=f"Delete {app.name} ({app.uuid}), which an earlier call left",
            params={"app": app.uuid, "name": app.name},
            undo_words="it held nothing",
        )
        for number, app in enumerate(apps, 1)
    )


def _on(step: Step, server: JsonObject | str) -> Step:
    return step.model_copy(update={"params": {**step.params, "server": server}}) if step.kind in _CREATIONS else step


def _visit(canary: ComposeApp, address: JsonObject | str) -> Step:
    return Step(
        id="visit_canary",
        kind="web.visit",
        target=canary.name,
        summary=f"Visit {canary.home.url} from outside, over HTTP and HTTPS, until it answers with a certificate that "
        "browsers trust",
        params={"url": canary.home.url, "address": address, "deadline_s": VISIT_WITHIN_S},
        reads=True,
        undo_words="nothing to undo: it only reads",
    )


def deletion(name: str, *, kind: str) -> Undo:
    """Return what deletes a canary that the same plan has made."""
    return Undo(
        kind=kind,
        target=name,
        summary=f"delete {name} and all that it had",
        effect=f"{name} is deleted",
        params={"app": result_of("create_app", "uuid")},
    )


def farewell(gone: Undo) -> Step:
    """Return the step that deletes a canary which has proved what it was for."""
    return Step(
        id="delete_canary",
        kind=gone.kind,
        target=gone.target,
        summary=f"Delete {gone.target} and all that it had: it has proved what it was for",
        params=gone.params,
        undo_words="it held nothing",
    )
