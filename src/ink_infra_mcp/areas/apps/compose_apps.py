"""Apps from a compose file (Coolify's services): gVisor is named in the file itself, so that no fork is needed."""

import math
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import cast
from urllib.parse import urlsplit

from pydantic import JsonValue

from ink_infra_mcp.areas.apps import rollout
from ink_infra_mcp.areas.apps.envs import EnvNow, env_steps, with_values_back
from ink_infra_mcp.areas.apps.home import Home, home_steps, project_ref
from ink_infra_mcp.areas.apps.limits import promised_bytes, services_of, with_limits
from ink_infra_mcp.areas.apps.services import promised
from ink_infra_mcp.clients.coolify.apps import Service
from ink_infra_mcp.core.compose import compose_problems, with_runtime
from ink_infra_mcp.core.errors import InputError
from ink_infra_mcp.core.fleet import memory_bytes
from ink_infra_mcp.core.isolation import Isolation
from ink_infra_mcp.core.plan import JsonObject, Step
from ink_infra_mcp.core.step import result_of
from ink_infra_mcp.core.untrusted import clean_name

MAX_VALUES = 50_000
_SERVICE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


@dataclass(frozen=True, slots=True)
class ComposeApp:
    """A compose app as it shall be, and as it is. `compose` is the file as it will run, isolation included."""

    name: str
    home: Home
    compose: str
    front: str
    """Which of its services gets the URL."""
    port: int
    existing: Service | None
    env: EnvNow
    as_wanted: bool
    redeploy: bool


@dataclass(frozen=True, slots=True)
class ComposeFile:
    """A compose file made safe: the text to run, its services by name, and the memory that it promises them in all."""

    text: str
    services: tuple[str, ...]
    memory_bytes: int


def prepared(text: str, isolation: Isolation, *, memory: str, cpus: str) -> ComposeFile:
    """Return the compose file with isolation and limits put into every service.

    Raises:
        InputError: it is no compose file, or something in it would weaken isolation.
    """
    import yaml

    isolated = with_runtime(_parsed(text), isolation)
    if problems := compose_problems(isolated, isolation):
        raise InputError(f"The compose file would weaken isolation: {'; '.join(problems)}.", next="Take that out.")
    limited = with_limits(isolated, memory=memory, cpus=cpus)
    return ComposeFile(
        text=yaml.safe_dump(limited, sort_keys=False),
        services=tuple(services_of(limited)),
        memory_bytes=promised_bytes(limited, otherwise=memory_bytes(memory)),
    )


def _parsed(text: str) -> JsonObject:
    import yaml

    try:
        loaded: object = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}" if mark is not None else ""
        raise InputError(f"The compose file is not YAML{where}.", next="Mend it and call again.") from error
    if _written_out(loaded) > MAX_VALUES:
        raise InputError("The compose file grows too large where its aliases are written out.", next="Use fewer.")
    services = cast(JsonObject, loaded).get("services") if isinstance(loaded, dict) else None
    if not isinstance(services, dict) or not services:
        raise InputError("The compose file has no services.", next="Give a file with `services:`.")
    if bad := [str(name) for name in services if not _SERVICE.fullmatch(str(name))]:
        raise InputError(
            f"{clean_name(bad[0])!r} is no name for a service of a compose file.",
            next="Use letters, digits, hyphens, dots and underscores.",
        )
    return {
        **cast(JsonObject, loaded),
        "services": {str(name): _restarts(service) for name, service in services.items()},
    }


def _restarts(service: JsonValue) -> JsonValue:
    """A bare `no` is false to YAML 1.1 and a word to Docker Compose, which refuses the other."""
    if isinstance(service, dict) and service.get("restart") is False:
        return service | {"restart": "no"}
    return service


def _written_out(value: object, counted: dict[int, float] | None = None) -> float:
    """Return how many values a YAML document has once each alias is written out; infinite where one holds itself."""
    counted = {} if counted is None else counted
    if not isinstance(value, Collection) or isinstance(value, str | bytes):
        return 1
    value = cast(Collection[object], value)
    if id(value) not in counted:
        counted[id(value)] = math.inf
        counted[id(value)] = 1 + sum(_written_out(part, counted) for part in _parts(value))
    return counted[id(value)]


def _parts(value: Collection[object]) -> Collection[object]:
    return cast(Mapping[object, object], value).values() if isinstance(value, Mapping) else value


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


def as_image(image: str, *, port: int) -> str:
    """Return the compose file of a single image, for a Factory that cannot isolate images by a run option."""
    import yaml

    return yaml.safe_dump({"services": {"app": {"image": image, "restart": "unless-stopped", "expose": [str(port)]}}})


def contents(compose: str) -> str:
    """Return what a compose file runs, in words: each service with its image, command and volumes."""
    import yaml

    try:
        loaded: object = yaml.safe_load(compose)
        services = services_of(cast(JsonObject, loaded)) if isinstance(loaded, dict) else {}
    except (yaml.YAMLError, InputError):
        return "(no compose file)"
    return ", ".join(clean_name(_runs(name, service), limit=300) for name, service in services.items())


def _runs(name: str, service: JsonObject) -> str:
    parts = [f"{name} from {service.get('image') or 'a build'}"]
    parts += [
        f"{word} {service[key]}" for key, word in (("command", "running"), ("volumes", "with")) if service.get(key)
    ]
    return " ".join(parts)


def steps_of(app: ComposeApp) -> tuple[Step, ...]:
    """Return the steps: create or change the file, set variables, start and prove."""
    if app.existing is None:
        ref = result_of("create_app", "uuid")
        return (
            *home_steps(app.home.project),
            _creation(app),
            *env_steps(app.env, target=app.name, app=ref, new=True, service=True),
            *rollout.steps(app.name, ref, _now(app), first=True, service=True),
        )
    uuid = app.existing.uuid
    steps = [] if _same(app, app.existing) else [_change(app, app.existing)]
    env = env_steps(app.env, target=app.name, app=uuid, new=False, service=True)
    steps += env
    if steps or app.redeploy or not app.as_wanted:
        how = "restart" if app.existing.status.state == "running" else "deploy"
        rolled_out = rollout.steps(app.name, uuid, _now(app), first=False, how=how, service=True)
        steps += with_values_back(env, rolled_out)
    return tuple(steps)


def _now(app: ComposeApp) -> rollout.RolloutFacts:
    return app.home.rollout(services=promised(app.compose))


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
            "url": _url(app),
        },
        undo_words="delete_app removes it",
    )


def _change(app: ComposeApp, existing: Service) -> Step:
    return Step(
        id="update_app",
        kind="coolify.update_service",
        target=app.name,
        summary=f"Change the compose file of {app.name}",
        before=contents(existing.docker_compose_raw) if existing.docker_compose_raw else "(not readable)",
        after=contents(app.compose),
        params={
            "app": existing.uuid,
            "compose": app.compose,
            "front": app.front,
            "url": _url(app),
        },
        undo_words="call deploy_app with the earlier file",
    )


def _same(app: ComposeApp, existing: Service) -> bool:
    """A token that may not read the file cannot compare it: then it is written again."""
    return existing.docker_compose_raw.strip() == app.compose.strip() and _url(app) in existing.urls


def _url(app: ComposeApp) -> str:
    """The URL with the port that the container listens on, which is how Coolify takes it for services."""
    return f"{app.home.url}:{app.port}"


def port_of(existing: Service | None) -> int | None:
    """Return the container's port in the first URL of a compose app, or None."""
    ports = (urlsplit(url).port for url in existing.urls) if existing else iter(())
    return next((port for port in ports if port), None)
