"""What Coolify's workers do in the background: stop, delete, start services, validate servers, refresh statuses."""

from collections.abc import Callable, Mapping
from contextlib import suppress

from ink_infra_mcp.sandbox.compose.project import project
from ink_infra_mcp.sandbox.compose.reader import Refused
from ink_infra_mcp.sandbox.coolify import rows
from ink_infra_mcp.sandbox.coolify.builds import containers_of, image_of, repository_of
from ink_infra_mcp.sandbox.coolify.compose import BadCompose, ComposeService, parse_compose, running_parts
from ink_infra_mcp.sandbox.coolify.containers import (
    compose_container,
    compose_labels,
    of_app,
    of_service,
    place,
    remove,
)
from ink_infra_mcp.sandbox.coolify.dotenv import Unreadable
from ink_infra_mcp.sandbox.coolify.php import Broken
from ink_infra_mcp.sandbox.coolify.service_file import generate
from ink_infra_mcp.sandbox.coolify.service_files import given_of
from ink_infra_mcp.sandbox.coolify.statuses import refresh, restart_proxy
from ink_infra_mcp.sandbox.coolify.symfony_read import BadYaml
from ink_infra_mcp.sandbox.coolify.up import brought_up
from ink_infra_mcp.sandbox.coolify.validation import begin_install, validate
from ink_infra_mcp.sandbox.state import WorldState
from ink_infra_mcp.sandbox.state_coolify import Application, Deployment, Job, Service
from ink_infra_mcp.sandbox.state_hosts import Container, HostState

STOP_S = 3.0
DELETE_S = 4.0
LOAD_COMPOSE_S = 3.0
REFRESH_S = 5.0
"""How long the workers take, in seconds of the world."""


def work(state: WorldState, job: Job) -> None:
    """Do a job that is due; one whose target is gone is dropped."""
    state.coolify.jobs.remove(job)
    _WORK[job.kind](state, job)


def _stop_app(state: WorldState, job: Job) -> None:
    app = rows.by_uuid(state.coolify.applications, job.target)
    host = _workplace(state, app)
    if app is None or host is None:
        return
    remove(host, of_app(host, app, pull_request_id=0))
    app.status = "exited:unhealthy"
    if job.cleanup:
        _prune_images(app)


def _prune_images(app: Application) -> None:
    keep = int(str(app.settings.get("docker_images_to_keep") or 0))
    app.images = sorted(app.images, key=lambda image: image.created_at)[len(app.images) - keep :] if keep else []


def _delete_app(state: WorldState, job: Job) -> None:
    app = rows.by_uuid(state.coolify.applications, job.target)
    if app is None:
        return
    host = _workplace(state, app)
    if host is not None:
        owned = [volume.name for volume in app.volumes]
        _clear(host, of_app(host, app), owned, with_volumes=job.volumes)
    state.coolify.applications.remove(app)


def _start_service(state: WorldState, job: Job) -> None:
    """Nobody tells Coolify how it went but the next check of the server."""
    service = rows.by_uuid(state.coolify.services, job.target)
    host = _workplace(state, service)
    if service is None or host is None:
        return
    if not service.compose_says:
        _run_service(state, host, service, job.due)


def _run_service(state: WorldState, host: HostState, service: Service, at: float) -> None:
    try:
        new = _service_containers(state, host, service, at)
    except (BadCompose, BadYaml, Broken, Refused, Unreadable):
        # nothing starts, and only the log of Coolify's worker would say so
        return
    remove(host, of_service(host, service))
    place(host, new)


def _stop_service(state: WorldState, job: Job) -> None:
    service = rows.by_uuid(state.coolify.services, job.target)
    host = _workplace(state, service)
    if service is not None and host is not None:
        remove(host, of_service(host, service))
        for part in service.parts:
            part.status = "exited"


def _delete_service(state: WorldState, job: Job) -> None:
    service = rows.by_uuid(state.coolify.services, job.target)
    if service is None:
        return
    host = _workplace(state, service)
    if host is not None:
        _clear(host, of_service(host, service), [], with_volumes=job.volumes)
    state.coolify.services.remove(service)


def _load_compose(state: WorldState, job: Job) -> None:
    app = rows.by_uuid(state.coolify.applications, job.target)
    if app is not None:
        load_compose(state, app)


def load_compose(state: WorldState, app: Application) -> None:
    """Copy the compose file of the repository into the application; without a good one nothing happens."""
    repo = repository_of(state, app)
    text = repo.files.get(app.text("docker_compose_location").lstrip("/")) if repo else None
    if text is None:
        return
    try:
        parse_compose(text)
    except BadCompose:
        return
    app.columns["docker_compose_raw"] = app.columns["docker_compose"] = text


def replace_containers(
    state: WorldState, host: HostState, app: Application, deployment: Deployment, *, at: float
) -> None:
    """Put the containers of a deployment that finishes in the place of those before; later where those linger.

    Raises:
        BuildTrouble: the compose file cannot be read.
        Unreadable: Compose cannot read the variables.
    """
    new = containers_of(state, app, deployment, image=image_of(app, deployment, deployment.commit), at=at)
    if app.lingers_s and at < (deployment.ends_at or at) + app.lingers_s:
        state.coolify.jobs.append(Job(kind="replace", due=at + app.lingers_s, target=deployment.deployment_uuid))
        return
    remove(host, of_app(host, app, pull_request_id=deployment.pull_request_id))
    place(host, new)


def _replace(state: WorldState, job: Job) -> None:
    deployment = _deployment(state, job.target)
    app = rows.by_uuid(state.coolify.applications, deployment.application_uuid) if deployment else None
    host = _workplace(state, app)
    if deployment is not None and app is not None and host is not None:
        with suppress(Unreadable):
            replace_containers(state, host, app, deployment, at=job.due)


def _deployment(state: WorldState, uuid: str) -> Deployment | None:
    return next((d for d in state.coolify.deployments if d.deployment_uuid == uuid), None)


def _refresh(state: WorldState, job: Job) -> None:
    refresh(state, rows.by_uuid(state.coolify.servers, job.target), at=job.due)


def _restart_proxy(state: WorldState, job: Job) -> None:
    server = rows.by_uuid(state.coolify.servers, job.target)
    host = rows.machine_of(state, server)
    if server is not None and host is not None and not server.workers_hang:
        restart_proxy(host, server, job.due)


def _workplace(state: WorldState, thing: Application | Service | None) -> HostState | None:
    return rows.workplace_of(state, rows.server_of(state.coolify, thing) if thing else None)


def _clear(host: HostState, gone: list[Container], owned: list[str], *, with_volumes: bool) -> None:
    remove(host, gone)
    if with_volumes:
        unused = set(owned).union(*(container.volumes for container in gone))
        host.volumes = [volume for volume in host.volumes if volume not in unused]
        host.volume_contents = {name: kept for name, kept in host.volume_contents.items() if name not in unused}


def _service_containers(state: WorldState, host: HostState, service: Service, at: float) -> list[Container]:
    """The file is made once more, with today's variables and domains, before it runs.

    Raises:
        Refused: Compose says something against it, and starts nothing.
    """
    server = rows.server_of(state.coolify, service)
    if server is None:
        return []
    generate(state.coolify, service, server, now=at)
    service.on_server = service.docker_compose
    made: list[tuple[ComposeService, Container]] = []
    for part in running_parts(project(given_of(service))):
        if 0 < part.memory_bytes < part.reserved_bytes:
            raise Refused("Minimum memory limit can not be less than memory reservation limit, see usage")
        container = compose_container(part, service, part.container_name, at)
        container.labels = {**part.labels, **compose_labels(service.uuid, part.name)}
        made.append((part, container))
    return brought_up(host, made).containers


_WORK: Mapping[str, Callable[[WorldState, Job], None]] = {
    "stop_app": _stop_app,
    "delete_app": _delete_app,
    "start_service": _start_service,
    "stop_service": _stop_service,
    "delete_service": _delete_service,
    "load_compose": _load_compose,
    "refresh": _refresh,
    "replace": _replace,
    "begin_install": begin_install,
    "validate": validate,
    "restart_proxy": _restart_proxy,
}
