"""Applications and services as Coolify answers them."""

import re

from pydantic import AliasChoices, AliasPath, Field

from ink_infra_mcp.clients.coolify.fields import ComposeDomains, Domains, Exact, Flag, Sent, StatusField, Text, When
from ink_infra_mcp.clients.coolify.status import Status

DIGEST_MARK = "@sha256"
"""Ends the name of an image whose tag is the hex of a digest: so Coolify keeps `name@sha256:...` (version 4.3.11)."""
_OF_GITHUB = re.compile(r"[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+")
"""How Coolify keeps a repository of GitHub."""
_GITHUB = re.compile(r"(?:https?://(?:www\.)?github\.com/|git@github\.com:|ssh://git@github\.com/)")
_SERVER_UUID = AliasChoices(AliasPath("destination", "server", "uuid"), AliasPath("server", "uuid"), "server_uuid")


class Application(Sent):
    """An app. Fields of `settings` are None in lists, which leave them out.

    `git_repository` is `owner/name` for GitHub and a URL otherwise: compare with `same_repository`. A limit of "0"
    means none. `restart_count` is how often Docker started its containers again since the last deployment, and
    `last_restart_type` then `crash` (source, version 4.3.11).

    `dockerfile` and `docker_compose_raw` are empty unless the token may read sensitive fields.
    """

    uuid: str
    name: Text = ""
    description: Text = ""
    domains: Domains = Field(default=(), validation_alias=AliasChoices("fqdn", "domains"))
    compose_domains: ComposeDomains = Field(
        default={}, validation_alias=AliasChoices("docker_compose_domains", "compose_domains")
    )
    status: StatusField = Status()
    server_functional: Flag = Field(default=False, validation_alias=AliasChoices("server_status", "server_functional"))
    server_uuid: Text = Field(default="", validation_alias=_SERVER_UUID)
    network: Text = Field(default="", validation_alias=AliasPath("destination", "network"))
    environment_id: int | None = None
    build_pack: Text = ""
    git_repository: Text = ""
    git_branch: Text = ""
    git_commit_sha: Text = "HEAD"
    docker_registry_image_name: Text = ""
    docker_registry_image_tag: Text = ""
    dockerfile: Exact = ""
    dockerfile_location: Text = ""
    docker_compose_location: Text = ""
    docker_compose_raw: Exact = ""
    install_command: Text = ""
    build_command: Text = ""
    start_command: Text = ""
    base_directory: Text = ""
    publish_directory: Text = ""
    ports_exposes: Text = ""
    ports_mappings: Text = ""
    limits_memory: Text = "0"
    limits_memory_swap: Text = "0"
    limits_cpus: Text = "0"
    custom_docker_run_options: Text = ""
    custom_labels: Exact = ""
    """Lines `name=value` in base64; empty unless the token may read sensitive fields."""
    health_check_enabled: Flag = False
    health_check_type: Text = "http"
    health_check_command: Text = ""
    health_check_path: Text = ""
    health_check_port: Text = ""
    health_check_method: Text = ""
    health_check_scheme: Text = ""
    redirect: Text = ""
    more_servers: tuple[Sent, ...] = Field(default=(), validation_alias="additional_servers")
    """Servers that it runs on beside its own."""
    more_servers_count: int | None = Field(default=None, validation_alias="additional_servers_count")
    restart_count: int | None = None
    last_restart_type: Text = ""
    last_restart_at: When = None
    created_at: When = None
    updated_at: When = None
    last_online_at: When = None
    is_auto_deploy_enabled: bool | None = Field(
        default=None, validation_alias=AliasPath("settings", "is_auto_deploy_enabled")
    )
    is_preview_deployments_enabled: bool | None = Field(
        default=None, validation_alias=AliasPath("settings", "is_preview_deployments_enabled")
    )
    is_consistent_container_name_enabled: bool | None = Field(
        default=None, validation_alias=AliasPath("settings", "is_consistent_container_name_enabled")
    )
    custom_internal_name: Text = Field(default="", validation_alias=AliasPath("settings", "custom_internal_name"))
    labels_are_coolifys: bool | None = Field(
        default=None, validation_alias=AliasPath("settings", "is_container_label_readonly_enabled")
    )
    use_build_server: bool | None = Field(
        default=None, validation_alias=AliasPath("settings", "is_build_server_enabled")
    )

    @property
    def state(self) -> str:
        """Return running, exited, restarting, starting, degraded ... or unknown."""
        return self.status.state

    @property
    def health(self) -> str:
        """Return healthy, unhealthy, starting or unknown."""
        return self.status.health

    @property
    def urls(self) -> tuple[str, ...]:
        """Return every URL of the app, those of its compose services included, in order and each once."""
        inner = (url for urls in self.compose_domains.values() for url in urls)
        return tuple(dict.fromkeys((*self.domains, *inner)))


class ServicePart(Sent):
    """One container of a service."""

    uuid: str
    name: Text = ""
    image: Text = ""
    domains: Domains = Field(default=(), validation_alias=AliasChoices("fqdn", "domains"))
    status: StatusField = Status()
    may_end: Flag = Field(default=False, validation_alias=AliasChoices("exclude_from_status", "may_end"))
    """Coolify leaves it out of the status of the whole, as the compose file says (exclude_from_hc, or restart: no)."""


class Service(Sent):
    """A compose file that Coolify runs; `applications` and `databases` are filled only by a look at one service."""

    uuid: str
    name: Exact = ""
    description: Text = ""
    status: StatusField = Status()
    server_uuid: Text = Field(default="", validation_alias=_SERVER_UUID)
    environment_id: int | None = None
    service_type: Text = ""
    docker_compose_raw: Exact = ""
    docker_compose: Exact = ""
    """What Coolify makes of the file and starts; empty, like the file, unless the token may read sensitive fields."""
    applications: tuple[ServicePart, ...] = ()
    databases: tuple[ServicePart, ...] = ()
    created_at: When = None
    updated_at: When = None

    @property
    def urls(self) -> tuple[str, ...]:
        """Return every URL of its containers, in order and each once."""
        return tuple(dict.fromkeys(url for part in self.applications for url in part.domains))


def same_repository(one: str, other: str) -> bool:
    """Return whether two spellings name one repository.

    Coolify cuts `https://github.com/owner/name.git` down to `owner/name` when it creates a public app (source,
    version 4.3.11). There case, a trailing `.git` and slashes do not count; elsewhere the server says what counts.
    """
    return same_spelling(one) == same_spelling(other)


def same_spelling(spelling: str) -> str:
    """Return the one spelling of a repository by which it is compared."""
    bare = spelling.strip()
    short = _GITHUB.sub("", bare, count=1)
    if short == bare and not _OF_GITHUB.fullmatch(bare):
        return bare
    return short.rstrip("/").removesuffix(".git").rstrip("/").lower()
