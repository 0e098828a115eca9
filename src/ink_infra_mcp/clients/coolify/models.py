"""What Coolify answers, as frozen values: servers, projects, keys, environment variables and who has a domain."""

from typing import Literal

from pydantic import AliasChoices, AliasPath, Field

from ink_infra_mcp.clients.coolify.fields import Domains, Flag, Sent, StatusField, Text, When
from ink_infra_mcp.clients.coolify.status import Status
from ink_infra_mcp.core.secret import Secret

Known = Literal["yes", "no", "unknown"]


def _also_in_settings(name: str) -> AliasChoices:
    return AliasChoices(name, AliasPath("settings", name))


class Server(Sent):
    """A server that Coolify manages. The list and the detail name their fields differently; both are read.

    What the list leaves out (proxy, metadata, validation) has its default there.
    """

    uuid: str
    name: Text = ""
    description: Text = ""
    ip: Text = ""
    port: int = 22
    user: Text = "root"
    reachable: Flag = Field(default=False, validation_alias=_also_in_settings("is_reachable"))
    usable: Flag = Field(default=False, validation_alias=_also_in_settings("is_usable"))
    is_coolify_host: Flag = False
    is_build_server: Flag = Field(default=False, validation_alias=_also_in_settings("is_build_server"))
    concurrent_builds: int = Field(default=2, validation_alias=_also_in_settings("concurrent_builds"))
    deployment_queue_limit: int = Field(default=25, validation_alias=_also_in_settings("deployment_queue_limit"))
    wildcard_domain: Text = Field(default="", validation_alias=_also_in_settings("wildcard_domain"))
    force_disabled: Flag = Field(default=False, validation_alias=_also_in_settings("force_disabled"))
    cleanup_threshold: int | None = Field(default=None, validation_alias=_also_in_settings("docker_cleanup_threshold"))
    cleanup_always: bool | None = Field(default=None, validation_alias=_also_in_settings("force_docker_cleanup"))
    """Whether it is cleaned up however full its disk is: then the threshold counts for nothing (DockerCleanupJob)."""
    docker_checked_at: When = Field(default=None, validation_alias=_also_in_settings("docker_version_checked_at"))
    """When Coolify last saw Docker there (since 4.3.2)."""
    proxy_type: Text = Field(default="", validation_alias=AliasPath("proxy", "type"))
    proxy_status: Text = Field(default="", validation_alias=AliasPath("proxy", "status"))
    is_validating: Flag = False
    untrusted_validation_logs: Text = Field(default="", validation_alias="validation_logs")
    cpus: int | None = Field(default=None, validation_alias=AliasPath("server_metadata", "cpus"))
    memory_bytes: int | None = Field(default=None, validation_alias=AliasPath("server_metadata", "memory_bytes"))


class Destination(Sent):
    """A Docker network of a server, which apps are put into; `type` is standalone or swarm."""

    uuid: str
    name: Text = ""
    network: Text = ""
    type: Text = ""


class Environment(Sent):
    """A part of a project, such as production. Old versions send no uuid."""

    id: int | None = None
    uuid: Text = ""
    name: Text


class Project(Sent):
    """A group of apps; `environments` is filled only by a look at one project."""

    uuid: str
    name: Text = ""
    description: Text = ""
    environments: tuple[Environment, ...] = ()


class Resource(Sent):
    """An app, service or database in a list of everything; `id` is the number in Docker's labels, where it is sent."""

    id: int | None = None
    uuid: str
    name: Text = ""
    type: Text = ""
    status: StatusField = Status()


class ServerDomains(Sent):
    """The host names that point at one address, without scheme, port and path."""

    ip: Text = ""
    domains: tuple[Text, ...] = ()


class EnvVar(Sent):
    """An environment variable. `value` is None unless the token may read it; preview rows are copies for previews."""

    uuid: str
    key: Text
    value: Secret | None = None
    is_preview: Flag = False
    is_literal: Flag = False
    is_multiline: Flag = False
    is_shown_once: Flag = False
    is_runtime: Flag = True
    is_buildtime: Flag = Field(default=True, validation_alias=AliasChoices("is_buildtime", "is_build_time"))
    is_shared: Flag = False
    comment: Text = ""


class PrivateKey(Sent):
    """A key pair that Coolify holds; the private half is never taken over, even where Coolify sends it."""

    uuid: str
    name: Text = ""
    description: Text = ""
    public_key: Text = ""
    fingerprint: Text = ""
    is_git_related: Flag = False


class GithubApp(Sent):
    """A GitHub App through which Coolify reads repositories; one without `installation_id` reads public ones only."""

    uuid: str
    name: Text = ""
    organization: Text = ""
    html_url: Text = ""
    app_id: int | None = None
    installation_id: int | None = None
    is_public: Flag = False
    is_system_wide: Flag = False


class RollbackImage(Sent):
    """An image of an app that is still on its server; `created_at` is Docker's own text."""

    tag: Text
    created_at: Text = ""
    is_current: Flag = False


class RollbackImages(Sent):
    """What an app can go back to.

    `current` is None for normal rolling containers, whose names Coolify does not find here (source, version 4.3.11).
    """

    current: str | None = None
    images: tuple[RollbackImage, ...] = ()


class Storage(Sent):
    """Something that is mounted into an app: a volume, a folder of its server (`host_path`), or a file there."""

    name: Text = ""
    host_path: Text = ""
    fs_path: Text = ""
    mount_path: Text = ""

    @property
    def source(self) -> str:
        """Return where it comes from: a path of the server, or the name of a volume."""
        return self.host_path or self.fs_path or self.name


class Storages(Sent):
    """What is mounted into an app; a file storage is always a path of the server."""

    persistent_storages: tuple[Storage, ...] = ()
    file_storages: tuple[Storage, ...] = ()


class DeployQueued(Sent):
    """The answer to a request to deploy. The uuid, where there is one, may name nothing: `follow` finds out."""

    deployment_uuid: str | None = None
    message: Text = ""


class Created(Sent):
    """What a creation returns: the uuid, and the domains that the new thing got."""

    uuid: str
    domains: Domains = ()


class DomainConflict(Sent):
    """Something that has a wanted domain already; Coolify compares over all servers, and exactly, scheme included."""

    domain: Text
    resource_name: Text = ""
    resource_uuid: Text = ""
    type: Text = Field(default="", validation_alias=AliasChoices("resource_type", "type"))

    @property
    def sentence(self) -> str:
        """Return who has it, in words."""
        owner = f"{self.type or 'resource'} {self.resource_name!r}"
        return f"{self.domain} belongs to {owner}" + (f" ({self.resource_uuid})" if self.resource_uuid else "")


class Abilities(Sent):
    """What the token may do, as far as reading alone can tell."""

    read: Known
    read_sensitive: Known
    write: Known
    deploy: Known
