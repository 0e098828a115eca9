"""Puts containers on the pretend machines as Coolify's compose files would, and takes them away."""

import hashlib
import re
from collections.abc import Iterable
from datetime import UTC, datetime

from ink_infra_mcp.sandbox.compose.interpolate import BadVariable, interpolate
from ink_infra_mcp.sandbox.coolify import dotenv
from ink_infra_mcp.sandbox.coolify.compose import ComposeService
from ink_infra_mcp.sandbox.coolify.domains import app_urls
from ink_infra_mcp.sandbox.coolify.proxy_labels import Front, application_labels, image_labels
from ink_infra_mcp.sandbox.coolify.quantities import NANO, bytes_of, nano_cpus_of
from ink_infra_mcp.sandbox.coolify.rows import place_of
from ink_infra_mcp.sandbox.coolify.run_options import ComposeOptions, compose_options, first, values
from ink_infra_mcp.sandbox.state_coolify import Application, CoolifyState, EnvVar, Server, Service
from ink_infra_mcp.sandbox.state_hosts import Container, HostState

PROXY, PROXY_IMAGE = "coolify-proxy", "traefik:v3.6"
SECURITY_OPTION = re.compile(r".*[=:].*|no-new-privileges|disable")
_REFERS = re.compile(r"\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?P<rest>(?::?[-?].*)?)\}", re.DOTALL)
CRASHES = "crash"
"""A word in an image's name: its container starts and exits at once."""
MISSING = "missing"
"""A word in an image's name or tag: no registry has it."""
ENDS = "one-shot"
"""A word in an image's name: its container has done its work at once, and stays ended."""


def app_container(coolify: CoolifyState, app: Application, image: str, *, pull_request_id: int, at: float) -> Container:
    """Return the container that a finished deployment of an application starts.

    Raises:
        Unreadable: Compose cannot read its variables.
    """
    name = container_name(app, pull_request_id=pull_request_id, at=at)
    options = effective_options(coolify, app, pull_request_id=pull_request_id)
    container = _started(name, image, at)
    own = {**app_labels(coolify, app, pull_request_id), **routing_labels(app)}
    container.labels = {**image_labels(app.text("dockerfile")), **own}
    container.env = _env(app, name, preview=pull_request_id != 0)
    container.runtime = first(options, "runtime", "runc")
    container.pids_limit = int(first(options, "pids_limit", "0"))
    container.cap_add = values(options, "cap_add")
    container.cap_drop = values(options, "cap_drop")
    container.security_opt = values(options, "security_opt")
    container.privileged = options.get("privileged") is True
    container.memory_bytes = bytes_of(app.columns.get("limits_memory"))
    container.nano_cpus = nano_cpus_of(app.columns.get("limits_cpus"))
    container.ports = [_published(port) for port in app.text("ports_mappings").split(",") if port]
    container.volumes = [f"{v.host_path}:{v.mount_path}" if v.host_path else v.name for v in app.volumes]
    container.health = _checked_health(app)
    return container


def _checked_health(app: Application) -> str:
    if not app.columns.get("health_check_enabled"):
        return ""
    return "healthy" if app.healthy else "unhealthy"


def effective_options(coolify: CoolifyState, app: Application, *, pull_request_id: int) -> ComposeOptions:
    """Return the run options that are applied.

    None are to previews, nor with a consistent container name and an internal name together
    (issue 11478 of coollabsio/coolify), nor to compose applications.
    """
    both_names = app.is_on("is_consistent_container_name_enabled") and app.is_on("custom_internal_name")
    if pull_request_id or both_names or app.text("build_pack") == "dockercompose":
        return {}
    return compose_options(app.text("custom_docker_run_options"), fork=coolify.supports_runtime_option)


def container_name(app: Application, *, pull_request_id: int = 0, at: float) -> str:
    """Return `<uuid>-<time of day in digits>`, or the fixed name of a preview or of the consistent-name setting."""
    if pull_request_id:
        return f"{app.uuid}-pr-{pull_request_id}"
    if app.is_on("is_consistent_container_name_enabled"):
        return app.uuid
    return f"{app.uuid}-{datetime.fromtimestamp(at, UTC).strftime('%H%M%S%f')}"


def compose_container(part: ComposeService, owner: Application | Service, name: str, at: float) -> Container:
    """Return the container of one service of a compose file, which keeps its own runtime and limits.

    Raises:
        Unreadable: Compose cannot read its variables.
    """
    container = _started(name, part.image or f"{owner.uuid}_{part.name}:latest", at)
    container.env = _of_part(part, owner, name)
    container.runtime = part.runtime
    container.memory_bytes = part.memory_bytes
    container.nano_cpus = part.nano_cpus
    container.host_config = {"CpusetCpus": part.cpuset} if part.cpuset else {}
    container.pids_limit = part.pids_limit
    container.privileged = part.privileged
    container.cap_add, container.cap_drop, container.security_opt = part.cap_add, part.cap_drop, part.security_opt
    container.ports = part.ports
    container.volumes = [*part.binds, *(_volume(owner, volume) for volume in part.volumes)]
    container.networks = [owner.uuid]
    container.health = "healthy" if part.has_health_check else ""
    return container


def _filled(value: str, values: dict[str, str]) -> str:
    try:
        return interpolate(value, values)
    except BadVariable:
        return value


def row_values(service: Service) -> dict[str, str]:
    """Return what the rows of a service are worth to its containers, by way of its `.env`.

    Raises:
        Unreadable: Compose cannot read the file.
    """
    return _read(service, preview=False)


def _volume(owner: Application | Service, volume: str) -> str:
    """The file of a service has the whole name already."""
    return volume if isinstance(owner, Service) else f"{owner.uuid}_{slug(volume)}"


def app_labels(coolify: CoolifyState, app: Application, pull_request_id: int) -> dict[str, str]:
    """Return Coolify's own labels of an application's container."""
    base = _labels(coolify, "application", app.id, app.environment_uuid, app.text("name"))
    return {**base, "coolify.name": app.uuid, "coolify.pullRequestId": str(pull_request_id)}


def compose_labels(project: str, part_name: str) -> dict[str, str]:
    """Return the labels by which Docker Compose knows its own."""
    return {"com.docker.compose.project": project, "com.docker.compose.service": part_name}


def of_app(host: HostState, app: Application, *, pull_request_id: int | None = None) -> list[Container]:
    """Return the containers of an application: of one pull request (0: its own), or all."""
    mine = _labelled(host, "coolify.applicationId", app.id)
    if pull_request_id is None:
        return mine
    return [c for c in mine if c.labels.get("coolify.pullRequestId", "0") == str(pull_request_id)]


def of_service(host: HostState, service: Service) -> list[Container]:
    """Return the containers of a service."""
    return _labelled(host, "coolify.serviceId", service.id)


def _labelled(host: HostState, label: str, id_: int) -> list[Container]:
    return [c for c in host.containers if c.labels.get(label) == str(id_)]


def remove(host: HostState, gone: Iterable[Container]) -> None:
    """Take containers away from a machine."""
    ids = {container.id for container in gone}
    host.containers = [container for container in host.containers if container.id not in ids]


def place(host: HostState, new: Iterable[Container]) -> None:
    """Put containers and their volumes on a machine."""
    for container in new:
        host.containers.append(container)
        host.images = sorted({*host.images, tagged(container.image)})
        host.volumes += _new_volumes(host, container)


def tagged(image: str) -> str:
    """Return the whole name of an image: `latest` is the tag of one that has none."""
    return image if ":" in image.rpartition("/")[2] else f"{image}:latest"


def _new_volumes(host: HostState, container: Container) -> list[str]:
    named = [volume for volume in container.volumes if not volume.startswith("/")]
    return [volume for volume in named if volume not in host.volumes]


def refused_by_docker(host: HostState, container: Container) -> str:
    """Return why Docker would not create the container, or nothing."""
    if container.runtime not in host.runtimes:
        return f"Error response from daemon: unknown or invalid runtime name: {container.runtime}"
    if reason := _beyond_processors(host, container):
        return f"Error response from daemon: {reason}"
    if (nameless := container.env.get("")) is not None:
        # opts.ValidateEnv of moby, 26.1.3
        return f"Error response from daemon: invalid environment variable: ={nameless}"
    wrong = next((option for option in container.security_opt if not SECURITY_OPTION.fullmatch(option)), None)
    return "" if wrong is None else f'Error response from daemon: invalid --security-opt 1: "{wrong}"'


def _beyond_processors(host: HostState, container: Container) -> str:
    """In the words of verifyPlatformContainerResources of moby (26.1.3, seen)."""
    if container.nano_cpus > host.cpus * NANO:
        return f"Range of CPUs is from 0.01 to {host.cpus}.00, as there are only {host.cpus} CPUs available"
    wanted = str(container.host_config.get("CpusetCpus") or "")
    if any(int(number) >= host.cpus for number in re.findall(r"[0-9]+", wanted)):
        return f"Requested CPUs are not available - requested {wanted}, available: 0-{host.cpus - 1}"
    return ""


def infrastructure(server: Server, at: float) -> list[Container]:
    """Return the proxy and the watcher that Coolify keeps on a server."""
    proxy = _started(PROXY, PROXY_IMAGE, at)
    proxy.labels = {"coolify.managed": "true", "coolify.proxy": "true"}
    proxy.health = "healthy"
    proxy.ports = ["0.0.0.0:80->80/tcp", "0.0.0.0:443->443/tcp", "0.0.0.0:443->443/udp", "0.0.0.0:8080->8080/tcp"]
    sentinel = _started("coolify-sentinel", "ghcr.io/coollabsio/sentinel:0.0.18", at)
    sentinel.labels = {"coolify.managed": "true"}
    return [proxy, sentinel] if server.proxy_type != "NONE" else [sentinel]


def slug(text: str) -> str:
    """Return lower-case words joined by hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def container_id(name: str, at: float) -> str:
    """Return the id that Docker gives: 64 hexadecimal digits."""
    return hashlib.sha256(f"{name} {at}".encode()).hexdigest()


def _started(name: str, image: str, at: float) -> Container:
    crashed, ended = CRASHES in image, ENDS in image
    return Container(
        id=container_id(name, at),
        name=name,
        image=image,
        image_id="sha256:" + hashlib.sha256(image.encode()).hexdigest(),
        state="restarting" if crashed else "exited" if ended else "running",
        exit_code=1 if crashed else 0,
        restart_count=3 if crashed else 0,
        created_at=at,
        started_at=at,
    )


def _labels(coolify: CoolifyState, kind: str, id_: int, environment_uuid: str, name: str) -> dict[str, str]:
    place_ = place_of(coolify, environment_uuid)
    project, environment = (place_[0].name, place_[1].name) if place_ else ("", "")
    return {
        "coolify.managed": "true",
        "coolify.version": coolify.version,
        f"coolify.{kind}Id": str(id_),
        "coolify.type": kind,
        "coolify.resourceName": slug(name),
        "coolify.projectName": slug(project),
        "coolify.serviceName": slug(name),
        "coolify.environmentName": slug(environment),
    }


def routing_labels(app: Application) -> dict[str, str]:
    """Return the labels by which a proxy finds an application, in the network that it shares with the proxy."""
    port = app.text("ports_exposes").split(",")[0]
    image = app.text("docker_registry_image_name")
    front = Front(app.uuid, "", image, tuple(app_urls(app)), "coolify", int(port) if port.isdecimal() else None)
    return application_labels(front)


def _env(owner: Application | Service, name: str, *, preview: bool) -> dict[str, str]:
    """Return the variables of a container of the owner, by way of its `.env` file; Coolify's own win.

    Raises:
        Unreadable: Compose cannot read the file.
    """
    own = {"COOLIFY_RESOURCE_UUID": owner.uuid, "COOLIFY_CONTAINER_NAME": name}
    return {**_read(owner, preview=preview), **own}


def _read(owner: Application | Service, *, preview: bool) -> dict[str, str]:
    """Coolify's own lines come first, a port and an address last (generate_runtime_environment_variables, 4.3.11)."""
    own = _ordered(owner, [v for v in owner.envs if v.is_preview == preview and _is_at_runtime(owner, v)])
    given = {var.key for var in own}
    first, last = ({}, {}) if isinstance(owner, Service) else (_about(owner), _listening(owner))
    return dotenv.read([*_lines(first, given), *map(dotenv.line, own), *_lines(last, given)])


def _is_at_runtime(owner: Application | Service, var: EnvVar) -> bool:
    """What steers a build pack reaches no application's container (Application::runtime_environment_variables)."""
    steers = isinstance(owner, Application) and var.key.startswith(("NIXPACKS_", "RAILPACK_"))
    return var.is_runtime and not steers


def _ordered(owner: Application | Service, rows: list[EnvVar]) -> list[EnvVar]:
    """By name where the application says so; those that refer to Coolify's own variables after these, with
    applications after all others (generate_runtime_environment_variables and saveComposeConfigs, 4.3.11).
    """
    if isinstance(owner, Service):
        return sorted(rows, key=lambda row: 0 if row.key.startswith("SERVICE_") else 1 if _begins_with_one(row) else 2)
    if owner.is_on("is_env_sorting_enabled"):
        rows = sorted(rows, key=lambda row: row.key)
    return sorted(rows, key=lambda row: (row.value or "").startswith("$SERVICE_") or "${SERVICE_" in (row.value or ""))


def _begins_with_one(row: EnvVar) -> bool:
    return (row.value or "").startswith(("$SERVICE_", "${SERVICE_"))


def _about(app: Application) -> dict[str, str]:
    return {"COOLIFY_URL": app.text("fqdn"), "COOLIFY_BRANCH": app.text("git_branch")}


def _listening(app: Application) -> dict[str, str]:
    return {"PORT": app.text("ports_exposes").split(",")[0], "HOST": "0.0.0.0"}  # noqa: S104 - what Coolify sets


def _lines(values: dict[str, str], given: set[str]) -> list[str]:
    return [f"{key}={value}" for key, value in values.items() if key not in given]


def _of_part(part: ComposeService, owner: Application | Service, name: str) -> dict[str, str]:
    """Return the variables of one service of a compose file: all of the `.env` file, and over them what the file says.

    Compose has filled those of a service already. Into the file of an application a `${VAR}` or `${VAR:-x}` under
    another name than VAR brings VAR's raw value, where Compose expands it once more (seen in applicationParser).
    """
    said = {key: value for key, value in part.env.items() if value is not None}
    if isinstance(owner, Service):
        return said
    found = _env(owner, name, preview=False)
    said |= _from_rows(said, _raw_values(owner))
    return {**found, **{key: _filled(value, found) for key, value in said.items()}}


def _raw_values(app: Application) -> dict[str, str]:
    return {var.key: var.value or "" for var in app.envs if not var.is_preview}


def _from_rows(said: dict[str, str], rows: dict[str, str]) -> dict[str, str]:
    more: dict[str, str] = {}
    for key, value in said.items():
        more |= _from_other_row(key, value, rows)
        if not value and rows.get(key):
            more[key] = rows[key]
    return more


def _from_other_row(key: str, value: str, rows: dict[str, str]) -> dict[str, str]:
    refers = _REFERS.fullmatch(value)
    if refers and refers["name"] + refers["rest"] != key and refers["name"] in rows:
        return {refers["name"]: rows[refers["name"]]}
    return {}


def _published(mapping: str) -> str:
    host, _, inner = mapping.rpartition(":")
    address = host if ":" in host else f"0.0.0.0:{host}"
    return f"{address}->{inner}/tcp"
