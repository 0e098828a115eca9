"""What we ask Coolify to make or change: typed requests, and the JSON bodies of exactly the fields that are set."""

import base64
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Literal, TypeVar

from pydantic import Field, JsonValue, StringConstraints

from ink_infra_mcp.core.errors import InputError
from ink_infra_mcp.core.fleet import Cpus, Memory, Port
from ink_infra_mcp.core.plan import Frozen, JsonObject
from ink_infra_mcp.core.secret import Secret

T = TypeVar("T")

Source = Literal["public", "private-github-app", "private-deploy-key", "dockerfile", "dockerimage"]
BuildPack = Literal["nixpacks", "static", "dockerfile", "dockercompose", "railpack"]


def _text(pattern: str, limit: int) -> StringConstraints:
    return StringConstraints(pattern=pattern, max_length=limit)


Uuid = Annotated[str, _text(r"^[A-Za-z0-9][A-Za-z0-9_-]*$", 64)]
Label = Annotated[str, _text(r"^[\w\s.@/&()#,:+-]+$", 255)]
Url = Annotated[str, _text(r"^https?://[A-Za-z0-9.-]+(:\d{1,5})?(/[A-Za-z0-9._~/%-]*)?$", 300)]
Commit = Annotated[str, _text(r"^[a-zA-Z0-9][a-zA-Z0-9._/-]*$", 255)]
Branch = Annotated[str, _text(r"^[A-Za-z0-9._/][A-Za-z0-9._/@+#-]*$", 255)]
Image = Annotated[str, _text(r"^[a-z0-9][a-z0-9._:/@-]*$", 255)]
ImageTag = Annotated[str, _text(r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$", 128)]
Command = Annotated[str, _text(r"^[^\r\n]*$", 1000)]
RunOptions = Annotated[str, _text(r"^[^\r\n]*$", 2000)]
Directory = Annotated[str, _text(r"^/[a-zA-Z0-9._/~@+-]*$", 255)]
HttpPath = Annotated[str, _text(r"^/[a-zA-Z0-9/_.~%,;-]*$", 255)]
EnvKey = Annotated[str, _text(r"^[A-Za-z_][A-Za-z0-9_.]*$", 255)]
Seconds = Annotated[int, Field(ge=1, le=3600)]


class ComposeDomain(Frozen):
    """The URLs of one service of a compose app."""

    name: Annotated[str, _text(r"^[A-Za-z0-9][A-Za-z0-9._-]*$", 128)]
    urls: Annotated[tuple[Url, ...], Field(min_length=1)]


class AppChanges(Frozen):
    """Settings of an app. None means: leave it as it is (or as Coolify sets it). Empty text clears a text.

    `docker_registry_image_tag` of a digest is the digest's hex, with a name that ends in `@sha256`.
    """

    name: Label | None = None
    description: Annotated[str, _text(r"^[^\x00]*$", 2000)] | None = None
    domains: Annotated[tuple[Url, ...], Field(min_length=1)] | None = None
    docker_compose_domains: tuple[ComposeDomain, ...] | None = None
    git_repository: Annotated[str, _text(r"^\S+$", 500)] | None = None
    git_branch: Branch | None = None
    git_commit_sha: Commit | None = None
    docker_registry_image_name: Image | None = None
    docker_registry_image_tag: ImageTag | None = None
    build_pack: BuildPack | None = None
    install_command: Command | None = None
    build_command: Command | None = None
    start_command: Command | None = None
    pre_deployment_command: Command | None = None
    post_deployment_command: Command | None = None
    base_directory: Directory | None = None
    publish_directory: Directory | None = None
    dockerfile_location: Directory | None = None
    docker_compose_location: Directory | None = None
    ports_exposes: Annotated[tuple[Port, ...], Field(min_length=1)] | None = None
    limits_memory: Memory | None = None
    limits_memory_swap: Memory | None = None
    limits_cpus: Cpus | None = None
    custom_docker_run_options: RunOptions | None = None
    health_check_enabled: bool | None = None
    health_check_type: Literal["http", "cmd"] | None = None
    health_check_command: Annotated[str, _text(r"^[a-zA-Z0-9 \-_./:=@,+]*$", 1000)] | None = None
    health_check_path: HttpPath | None = None
    health_check_port: Port | None = None
    health_check_method: Literal["GET", "HEAD", "POST", "OPTIONS"] | None = None
    health_check_scheme: Literal["http", "https"] | None = None
    health_check_return_code: Annotated[int, Field(ge=100, le=599)] | None = None
    health_check_interval: Seconds | None = None
    health_check_timeout: Seconds | None = None
    health_check_retries: Annotated[int, Field(ge=1, le=100)] | None = None
    health_check_start_period: Annotated[int, Field(ge=0, le=3600)] | None = None
    redirect: Literal["both", "www", "non-www"] | None = None
    is_static: bool | None = None
    is_spa: bool | None = None
    is_auto_deploy_enabled: bool | None = None
    is_force_https_enabled: bool | None = None
    is_preview_deployments_enabled: bool | None = None
    use_build_server: bool | None = None
    connect_to_docker_network: bool | None = None
    force_domain_override: bool | None = None
    disable_build_cache: bool | None = None
    stop_grace_period: Seconds | None = None
    docker_images_to_keep: Annotated[int, Field(ge=0, le=100)] | None = None
    max_restart_count: Annotated[int, Field(ge=0)] | None = None


class NewApp(AppChanges):
    """An app to create, in one project, environment and server; the source adds what it needs.

    Deploying is a request of its own (`instant_deploy` is false by default), because the answer to a creation names no
    deployment. Without `domains` and with `autogenerate_domain` false, the app gets none.
    """

    project_uuid: Uuid
    environment_uuid: Uuid | None = None
    environment_name: Label | None = None
    server_uuid: Uuid
    destination_uuid: Uuid | None = None
    github_app_uuid: Uuid | None = None
    private_key_uuid: Uuid | None = None
    dockerfile: Annotated[str, Field(min_length=1, max_length=500_000)] | None = None
    autogenerate_domain: bool = False
    instant_deploy: bool = False
    tags: tuple[Annotated[str, Field(min_length=2, max_length=64)], ...] | None = None


class ServiceUrl(Frozen):
    """The URLs of one container of a service."""

    name: Annotated[str, _text(r"^[A-Za-z0-9][A-Za-z0-9._-]*$", 128)]
    urls: tuple[Url, ...]


class ServiceChanges(Frozen):
    """What can be changed of a service; None leaves it as it is. `compose` is the YAML text."""

    name: Label | None = None
    description: Annotated[str, _text(r"^[^\x00]*$", 2000)] | None = None
    compose: Annotated[str, Field(min_length=1, max_length=500_000)] | None = None
    urls: tuple[ServiceUrl, ...] | None = None
    force_domain_override: bool | None = None


class NewService(ServiceChanges):
    """A compose file to run as a service; `compose` must be given."""

    project_uuid: Uuid
    environment_uuid: Uuid | None = None
    environment_name: Label | None = None
    server_uuid: Uuid
    destination_uuid: Uuid | None = None
    instant_deploy: bool = False


class EnvSpec(Frozen):
    """An environment variable as it shall be. Every flag is always sent: Coolify resets those that are left out.

    `is_literal` keeps `$` in the value from being expanded.
    """

    key: EnvKey
    value: Secret
    is_preview: bool = False
    is_literal: bool = True
    is_multiline: bool = False
    is_shown_once: bool = False
    is_runtime: bool = True
    is_buildtime: bool = True
    comment: Annotated[str, Field(max_length=256)] = ""


_GIT = ("git_repository", "git_branch", "build_pack")
_NEEDED: Mapping[Source, tuple[str, ...]] = {
    "public": _GIT,
    "private-github-app": (*_GIT, "github_app_uuid"),
    "private-deploy-key": (*_GIT, "private_key_uuid"),
    "dockerfile": ("dockerfile",),
    "dockerimage": ("docker_registry_image_name", "ports_exposes"),
}
_ONLY_FOR: Mapping[str, frozenset[Source]] = {
    "github_app_uuid": frozenset({"private-github-app"}),
    "private_key_uuid": frozenset({"private-deploy-key"}),
    "dockerfile": frozenset({"dockerfile"}),
}


def create_body(source: Source, app: NewApp) -> JsonObject:
    """Return the body of `POST /applications/{source}`.

    For the source dockerfile Coolify takes the exposed port from the still encoded file, so that it is always 80
    (source, version 4.3.11): send `ports_exposes` again with an update before the first deployment.

    Raises:
        InputError: a field that the source needs is missing, or one is set that belongs to another source.
    """
    body = _app_fields(app)
    _one_environment(app.environment_uuid, app.environment_name)
    _need(body, _NEEDED[source], f"an app from {source}")
    if foreign := sorted(f for f, sources in _ONLY_FOR.items() if f in body and source not in sources):
        raise InputError(f"An app from {source} cannot have {', '.join(foreign)}.", next="Leave it out.")
    _compose_or_domains(app)
    return body


def update_body(changes: AppChanges) -> JsonObject:
    """Return the body of `PATCH /applications/{uuid}`; most changes show only after the next deployment.

    Raises:
        InputError: nothing is set (Coolify refuses an empty body), or both kinds of domains are.
    """
    _compose_or_domains(changes)
    body = _app_fields(changes)
    if not body:
        raise InputError("There is nothing to change.", next="Set at least one field.")
    return body


def create_service_body(service: NewService) -> JsonObject:
    """Return the body of `POST /services`; raises InputError without a compose file or an environment."""
    body = _service_fields(service)
    _one_environment(service.environment_uuid, service.environment_name)
    _need(body, ("docker_compose_raw",), "a service")
    return body


def update_service_body(changes: ServiceChanges) -> JsonObject:
    """Return the body of `PATCH /services/{uuid}`; raises InputError when nothing is set."""
    body = _service_fields(changes)
    if not body:
        raise InputError("There is nothing to change.", next="Set at least one field.")
    return body


def env_flags(env: EnvSpec) -> JsonObject:
    """Return the body for a variable of an app without its value, which only the wire adds.

    A value with a line break is multi-line whether said or not. `comment` (since 4.0.0) is sent only when it has text.
    """
    flags = service_env_flags(env)
    return {**flags, "is_preview": env.is_preview, "is_runtime": env.is_runtime, "is_buildtime": env.is_buildtime}


def service_env_flags(env: EnvSpec) -> JsonObject:
    """Return the same for a variable of a service, which has no previews and no build (source, version 4.3.11)."""
    flags: JsonObject = {
        "key": env.key,
        "is_literal": env.is_literal,
        "is_multiline": env.is_multiline or "\n" in env.value.reveal(),
        "is_shown_once": env.is_shown_once,
    }
    return flags | ({"comment": env.comment} if env.comment else {})


def _app_fields(app: AppChanges) -> JsonObject:
    body: JsonObject = app.model_dump(mode="json", exclude_none=True)
    _put(body, "domains", app.domains, ",".join)
    _put(body, "ports_exposes", app.ports_exposes, _ports)
    _put(body, "docker_compose_domains", app.docker_compose_domains, _compose_domains)
    if isinstance(app, NewApp):
        _put(body, "dockerfile", app.dockerfile, _base64)
    return body


def _service_fields(service: ServiceChanges) -> JsonObject:
    body: JsonObject = service.model_dump(mode="json", exclude_none=True, exclude={"compose", "urls"})
    _put(body, "docker_compose_raw", service.compose, _base64)
    _put(body, "urls", service.urls, _service_urls)
    return body


def _put(body: JsonObject, name: str, value: T | None, form: Callable[[T], JsonValue]) -> None:
    """Coolify wants these values in another form than ours."""
    if value is not None:
        body[name] = form(value)


def _ports(ports: Iterable[int]) -> str:
    return ",".join(str(port) for port in ports)


def _compose_domains(entries: Iterable[ComposeDomain]) -> list[JsonValue]:
    return [{"name": entry.name, "domain": ",".join(entry.urls)} for entry in entries]


def _service_urls(entries: Iterable[ServiceUrl]) -> list[JsonValue]:
    return [{"name": entry.name, "url": ",".join(entry.urls)} for entry in entries]


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _need(body: JsonObject, fields: Iterable[str], what: str) -> None:
    if missing := [field for field in fields if not body.get(field)]:
        raise InputError(f"To make {what}, {', '.join(missing)} must be given.", next="Add it and call again.")


def _one_environment(uuid: str | None, name: str | None) -> None:
    if (uuid is None) == (name is None):
        raise InputError("Name the environment by its uuid or by its name.", next="Give exactly one of the two.")


def _compose_or_domains(app: AppChanges) -> None:
    if app.domains and (app.docker_compose_domains or app.build_pack == "dockercompose"):
        raise InputError(
            "A compose app has no domains of its own.", next="Give the domains of its services: docker_compose_domains."
        )
