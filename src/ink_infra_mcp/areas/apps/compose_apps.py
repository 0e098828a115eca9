"""Apps from a compose file (Coolify's services): gVisor is named in the file itself, so that no fork is needed."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from urllib.parse import urlsplit, urlunsplit

from ink_infra_mcp.areas.apps import rollout
from ink_infra_mcp.areas.apps.app import host_of
from ink_infra_mcp.areas.apps.env_values import digest
from ink_infra_mcp.areas.apps.envs import EnvNow, env_steps, with_values_back
from ink_infra_mcp.areas.apps.home import Home, home_steps, project_ref
from ink_infra_mcp.areas.apps.judged import File, file_of
from ink_infra_mcp.areas.apps.limits import compose_of, promised_bytes, services_of
from ink_infra_mcp.areas.apps.pinning import Present, pinned
from ink_infra_mcp.areas.apps.plain_values import refuse_secrets_in
from ink_infra_mcp.areas.apps.services import promised
from ink_infra_mcp.clients.coolify.apps import Service
from ink_infra_mcp.core.compose import preparing
from ink_infra_mcp.core.compose.judging import compose_problems
from ink_infra_mcp.core.compose.published import ports_in
from ink_infra_mcp.core.compose.reading import read_compose
from ink_infra_mcp.core.compose.reads import defaults_of, reads_of
from ink_infra_mcp.core.compose.writing import written
from ink_infra_mcp.core.errors import InputError, RefusedByPolicy
from ink_infra_mcp.core.fleet import memory_bytes
from ink_infra_mcp.core.isolation import Isolation
from ink_infra_mcp.core.plan import JsonObject, Step, Undo
from ink_infra_mcp.core.step import result_of
from ink_infra_mcp.core.untrusted import clean_name

_NO_FILE = "(no compose file)"


@dataclass(frozen=True, slots=True)
class ComposeApp:
    """A compose app as it shall be, and as it is. `compose` is the file as it will run, isolation included."""

    name: str
    home: Home
    compose: str
    front: str
    """Which of its services gets the URL."""
    urls: tuple[str, ...]
    """Those of the front, each with the port that its container listens on, which is how Coolify takes them."""
    existing: Service | None
    env: EnvNow
    present: Present
    as_wanted: bool
    redeploy: bool
    notes: tuple[str, ...] = ()
    """What of the file means something else than what was given."""


@dataclass(frozen=True, slots=True)
class ComposeFile:
    """A compose file made safe: the text to run, its services by name, the memory that it promises them in all, and in
    words what of it means something else than what was given.
    """

    text: str
    services: tuple[str, ...]
    memory_bytes: int
    notes: tuple[str, ...] = ()


def prepared(
    text: str, isolation: Isolation, *, memory: str, cpus: str, publish: frozenset[str] = frozenset()
) -> ComposeFile:
    """Return the compose file with isolation and limits put into every service, as it will be shown and sent.

    `publish` are the ports that it is to publish on its Muscle, each as `25/tcp`; whether it may is up to the caller.

    Raises:
        InputError: it is no compose file, something in it is not known to be harmless, it plainly holds a secret, or it
            does not publish a port that it is to publish.
    """
    made = preparing.prepared(read_compose(text), isolation, memory=memory, cpus=cpus, publish=publish)
    if missing := sorted(publish - ports_in(made.document)):
        raise InputError(
            f"The compose file does not publish {missing[0]}.",
            next="Write it there as `ports`, such as 25:25/tcp, or leave it out of `publish`.",
        )
    if problems := compose_problems(made.document, isolation, published=publish):
        raise InputError(f"The compose file would weaken isolation: {'; '.join(problems)}.", next="Take that out.")
    shown = written(made.document)
    refuse_secrets_in(shown, what="The compose file")
    return ComposeFile(
        text=shown,
        services=tuple(services_of(made.document)),
        memory_bytes=promised_bytes(made.document, otherwise=memory_bytes(memory)),
        notes=tuple(made.notes),
    )


def front_of(file: ComposeFile, wanted: str | None) -> str:
    """Return the service that gets the URL.

    Raises:
        InputError: there are several and none was named, or there is none of that name.
    """
    if wanted is None and len(file.services) == 1:
        return file.services[0]
    if wanted not in file.services:
        raise InputError(
            f"Which service gets the URL? The file has: {', '.join(file.services)}.", next="Name it as compose_service."
        )
    return wanted


def blanks(file: ComposeFile, env: EnvNow) -> tuple[str, ...]:
    """Return in words which variables the file reads that nobody gives a value, and which have another than it says.

    Raises:
        InputError: Docker Compose would not start the app without one of them.
    """
    given = {name for name, value in env.wanted.items() if value} | (env.digests.keys() - env.wanted.keys())
    compose = read_compose(file.text)
    reads = reads_of(compose)
    if missing := [name for name in reads.needed if name not in given]:
        raise InputError(
            f"The compose file needs a value for {', '.join(missing)}.", next="Give it as `env`, or secret:NAME."
        )
    empty = [f"{name} has no value: it is empty where the file reads it" for name in reads.plain if name not in given]
    kept = [
        f"{name} keeps the value that Coolify has for it, and not the file's default {default!r}; give it as `env`"
        for name, default in defaults_of(compose).items()
        if name not in env.wanted and env.digests.get(name) not in (None, digest(default))
    ]
    return (*empty, *kept)


def refuse_published(ports: Collection[str]) -> None:
    """Raise RefusedByPolicy where there is any: ports that an app wants to publish and policy does not open."""
    if ports:
        raise RefusedByPolicy(
            f"{sorted(ports)[0]} may not be published: users reach apps by the proxy of their Muscle.",
            next="For a port of a compose file, have an operator open it for the internet in policies/ports.toml.",
        )


def as_image(image: str, *, port: int) -> str:
    """Return the compose file of a single image, for a Factory that cannot isolate images by a run option."""
    return written({"services": {"app": {"image": image, "restart": "unless-stopped", "expose": [str(port)]}}})


def contents(compose: str) -> str:
    """Return what a compose file runs, in words: each service with its image and volumes.

    Commands are left to the file itself, which the plan shows: these words also stand in the audit, for good.
    """
    services = services_of(compose_of(compose) or {})
    return ", ".join(clean_name(_runs(name, service), limit=300) for name, service in services.items()) or _NO_FILE


def _runs(name: str, service: JsonObject) -> str:
    volumes = f" with {service['volumes']}" if service.get("volumes") else ""
    return f"{name} from {service.get('image') or 'a build'}{volumes}"


def steps_of(app: ComposeApp) -> tuple[Step, ...]:
    """Return the steps: create or change the file, set variables, start and prove."""
    return pinned(_steps_of(app), app.present)


def _steps_of(app: ComposeApp) -> tuple[Step, ...]:
    if app.existing is None:
        ref = result_of("create_app", "uuid")
        return (
            *home_steps(app.home.project),
            _creation(app),
            *env_steps(app.env, target=app.name, app=ref, new=True, service=True),
            *rollout.steps(app.name, ref, rollout_of(app), first=True, service=True, undoes=("create_app",)),
        )
    uuid = app.existing.uuid
    steps = [] if _same(app, app.existing) else [_change(app, app.existing)]
    env = env_steps(app.env, target=app.name, app=uuid, new=False, service=True)
    steps += env
    if steps or app.redeploy or not app.as_wanted:
        how = "restart" if app.existing.status.state == "running" else "deploy"
        undoes = tuple(step.id for step in steps if step.id == "update_app" and step.undo)
        rolled_out = rollout.steps(app.name, uuid, rollout_of(app), first=False, how=how, service=True, undoes=undoes)
        steps += with_values_back(env, rolled_out)
    return tuple(steps)


def rollout_of(app: ComposeApp) -> rollout.RolloutFacts:
    """Return what its rollout needs to know. Coolify sets the URLs of services that it is given: the others' stay."""
    there = services_of(compose_of(app.compose) or {})
    others = dict(file_of(app.existing).urls) if app.existing is not None else dict[str, tuple[str, ...]]()
    kept = {service: urls for service, urls in others.items() if service in there}
    file = File(app.compose, {**kept, app.front: app.urls})
    hosts = tuple(dict.fromkeys(host_of(url) for urls in file.urls.values() for url in urls))
    return replace(app.home.rollout(services=promised(app.compose), file=file), hosts=hosts)


def _creation(app: ComposeApp) -> Step:
    return Step(
        id="create_app",
        kind="coolify.create_service",
        target=app.name,
        summary=f"Create the compose app {app.name} on {app.home.muscle.name}: {contents(app.compose)}; "
        "every service isolated by gVisor",
        after=app.home.url,
        params={
            "name": app.name,
            "project": project_ref(app.home.project),
            "environment": app.home.project.environment,
            "server": app.home.placement.server_uuid,
            "compose": app.compose,
            "front": app.front,
            "urls": [*app.urls],
        },
        undo=Undo(
            kind="coolify.discard_service",
            target=app.name,
            summary=f"delete {app.name}, which has not run yet",
            effect=f"{app.name}, which has not run yet, is deleted",
            params={"app": result_of("create_app", "uuid")},
        ),
    )


def _change(app: ComposeApp, existing: Service) -> Step:
    return Step(
        id="update_app",
        kind="coolify.update_service",
        target=app.name,
        summary=f"Change the compose file of {app.name}",
        before=_told(existing.docker_compose_raw, _urls_of(existing, app.front)),
        after=_told(app.compose, app.urls),
        params={
            "app": existing.uuid,
            "compose": app.compose,
            "front": app.front,
            "urls": [*app.urls],
        },
        undo=_earlier(app, existing),
        undo_words="call deploy_app with the earlier file",
    )


def _earlier(app: ComposeApp, existing: Service) -> Undo | None:
    """A token that may not read the file cannot put it back."""
    if not existing.docker_compose_raw:
        return None
    params: JsonObject = {"app": existing.uuid, "compose": existing.docker_compose_raw, "front": app.front}
    return Undo(
        kind="coolify.update_service",
        target=app.name,
        summary=f"put back the earlier compose file of {app.name}",
        params={**params, "urls": [*(_urls_of(existing, app.front) or app.urls)]},
    )


def _same(app: ComposeApp, existing: Service) -> bool:
    """Documents are compared: Coolify writes the file anew, so its text is never the one that was sent.

    A token that may not read the file cannot compare it: then it is written again.
    """
    now = compose_of(existing.docker_compose_raw)
    if now is None or _urls_of(existing, app.front) != app.urls:
        return False
    wanted = read_compose(app.compose)
    publish = ports_in(wanted)
    made = preparing.shaped(now, publish)
    return not made.notes and made.document == preparing.shaped(wanted, publish).document


@dataclass(frozen=True, slots=True)
class At:
    """Where the front shall be reached: what the caller gives of it, and the port where nothing says another."""

    domain: str | None
    port: int | None
    usual_port: int


def urls_of(existing: Service | None, front: str, home: Home, at: At) -> tuple[str, ...]:
    """Return the URLs that the front shall have, each with the container's port.

    Those that it has stay, each with its own port, unless a domain or a port is given.
    """
    has = _urls_of(existing, front)
    if at.domain is None and has:
        return tuple(_with_port(url, at.port or urlsplit(url).port or at.usual_port) for url in has)
    return (_with_port(home.url, at.port or _port_of(has) or at.usual_port),)


def without_port(url: str) -> str:
    """Return a URL as users call it."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.hostname or ""))


def _with_port(url: str, port: int) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=f"{parts.hostname}:{port}"))


def _urls_of(existing: Service | None, front: str) -> tuple[str, ...]:
    return file_of(existing).urls.get(front, ()) if existing is not None else ()


def _told(compose: str, urls: Iterable[str]) -> str:
    at = f"; at {', '.join(urls)}" if urls else ""
    return f"{contents(compose) if compose else '(not readable)'}{at}"


def _port_of(urls: Iterable[str]) -> int | None:
    return next((port for url in urls if (port := urlsplit(url).port)), None)


def port_of(existing: Service | None) -> int | None:
    """Return the container's port in the first URL of a compose app that has one, or None."""
    return _port_of(existing.urls) if existing else None
