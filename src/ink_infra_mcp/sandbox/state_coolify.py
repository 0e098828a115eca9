"""The Coolify section of the world: what its database holds, and the jobs that its workers have still to do.

Field names are the columns of Coolify (coollabsio/coolify at v4.3.10); times are Unix seconds of the world.
"""

from typing import Literal

from pydantic import JsonValue

from ink_infra_mcp.sandbox.part import Part
from ink_infra_mcp.sandbox.state_factory import FactoryDisk

JobKind = Literal[
    "stop_app",
    "delete_app",
    "start_service",
    "stop_service",
    "delete_service",
    "begin_install",
    "validate",
    "load_compose",
    "refresh",
    "replace",
    "restart_proxy",
]
DeploymentStatus = Literal["queued", "in_progress", "finished", "failed", "cancelled-by-user"]


class Token(Part):
    """An API token of a user; its value is `<id>|<secret>`. An ability implies no other, save root."""

    id: int
    secret: str
    name: str = "token"
    abilities: list[str] = ["root"]
    role: Literal["owner", "admin", "member"] = "owner"
    user_id: int = 0
    expires_at: float | None = None


class RateWindow(Part):
    """The minute in which requests of one user (or address) are counted."""

    began: float
    hits: int = 0


class PrivateKey(Part):
    """A key under Security > Keys."""

    id: int
    uuid: str
    name: str
    description: str = ""
    private_key: str = ""
    public_key: str = ""
    fingerprint: str = ""
    is_git_related: bool = False
    created_at: float = 0.0
    updated_at: float = 0.0


class GithubApp(Part):
    """A GitHub source. `repositories` are those that its installation may read."""

    id: int
    uuid: str
    name: str
    organization: str | None = None
    api_url: str = "https://api.github.com"
    html_url: str = "https://github.com"
    app_id: int | None = None
    installation_id: int | None = None
    client_id: str | None = None
    private_key_id: int | None = None
    is_public: bool = False
    is_system_wide: bool = False
    repositories: list[str] = []
    created_at: float = 0.0
    updated_at: float = 0.0


class Destination(Part):
    """A Docker network of a server."""

    id: int
    uuid: str
    name: str = "coolify"
    network: str = "coolify"


class ServerSettings(Part):
    """The settings row of a server."""

    is_reachable: bool = False
    is_usable: bool = False
    is_build_server: bool = False
    force_disabled: bool = False
    concurrent_builds: int = 2
    deployment_queue_limit: int = 25
    dynamic_timeout: int = 3600
    connection_timeout: int = 10
    wildcard_domain: str | None = None
    is_terminal_enabled: bool = True
    server_disk_usage_notification_threshold: int = 80
    server_disk_usage_check_frequency: str = "0 23 * * *"
    docker_cleanup_frequency: str = "0 0 * * *"
    docker_cleanup_threshold: int = 80
    force_docker_cleanup: bool = True
    delete_unused_volumes: bool = False
    delete_unused_networks: bool = False
    disable_application_image_retention: bool = False
    docker_version: str | None = None
    docker_version_checked_at: float | None = None


class Server(Part):
    """A server. `host` names the machine in WorldState.hosts; empty means: the machine with this address.

    Knob of the sandbox: `workers_hang` is a server that no worker comes to an end with, whatever it is asked for.
    """

    id: int
    uuid: str
    name: str
    description: str | None = None
    ip: str
    port: int = 22
    user: str = "root"
    private_key_id: int | None = None
    host: str = ""
    is_coolify_host: bool = False
    proxy_type: str = "TRAEFIK"
    proxy_status: str = "exited"
    proxy_applied: bool = False
    """Whether the proxy's own file has been written on the machine."""
    workers_hang: bool = False
    is_validating: bool = False
    validation_logs: str | None = None
    unreachable_count: int = 0
    ip_previous: str | None = None
    settings: ServerSettings
    destinations: list[Destination] = []
    next_check_at: float = 0.0
    created_at: float = 0.0
    updated_at: float = 0.0


class Environment(Part):
    """An environment of a project."""

    id: int
    uuid: str
    name: str
    description: str | None = None
    created_at: float = 0.0
    updated_at: float = 0.0


class Project(Part):
    """A project with its environments."""

    id: int
    uuid: str
    name: str
    description: str | None = None
    environments: list[Environment] = []
    created_at: float = 0.0
    updated_at: float = 0.0


class EnvVar(Part):
    """A variable of an application or a service. None is what an omitted flag becomes on an update."""

    id: int
    uuid: str
    key: str
    value: str | None = None
    comment: str | None = None
    is_preview: bool = False
    is_literal: bool | None = False
    is_multiline: bool | None = False
    is_shown_once: bool | None = False
    is_runtime: bool = True
    is_buildtime: bool = True
    created_at: float = 0.0
    updated_at: float = 0.0


class Volume(Part):
    """A persistent storage: a Docker volume, or a folder of the host; `is_file`: a file storage at `host_path`."""

    id: int
    uuid: str
    name: str
    mount_path: str
    host_path: str | None = None
    is_file: bool = False


class AppImage(Part):
    """An image that a build left on a server."""

    repository: str
    tag: str
    created_at: float


class Application(Part):
    """An application. `columns` and `settings` hold its two rows in the database, by column name.

    Knobs of the sandbox: `build_seconds` is how long a build takes, `fails_because` makes every build fail with these
    words, `healthy` is what its health check finds, `log_lines` is what its container prints; for `lingers_s` seconds
    after a deployment is called finished the server still shows the containers from before.
    """

    id: int
    uuid: str
    environment_uuid: str
    server_uuid: str
    destination_uuid: str
    columns: dict[str, JsonValue]
    settings: dict[str, JsonValue]
    github_app_uuid: str | None = None
    private_key_uuid: str | None = None
    status: str = "exited:unhealthy"
    last_online_at: float = 0.0
    tags: list[str] = []
    envs: list[EnvVar] = []
    volumes: list[Volume] = []
    images: list[AppImage] = []
    built_with: str = ""
    created_at: float = 0.0
    updated_at: float = 0.0
    build_seconds: float = 6.0
    fails_because: str = ""
    healthy: bool = True
    log_lines: list[str] = []
    lingers_s: float = 0.0

    def text(self, column: str) -> str:
        """Return a column as text; empty when it is null."""
        value = self.columns.get(column)
        return "" if value is None else str(value)

    def is_on(self, setting: str) -> bool:
        """Return a switch of the settings row."""
        return bool(self.settings.get(setting))


class ScriptLine(Part):
    """A line that the build log will get `after` seconds from the start."""

    after: float
    output: str
    type: Literal["stdout", "stderr"] = "stdout"
    hidden: bool = False
    command: str | None = None


class LogEntry(Part):
    """A line of a build log."""

    command: str | None
    output: str
    type: str
    timestamp: float
    hidden: bool
    batch: int = 1
    order: int


class Deployment(Part):
    """A deployment of an application. While it runs, `script` holds the rest of its log and `ends_at` its end.

    `head` is the commit that HEAD turns into at `resolves_at`, when the builder has asked the repository.
    """

    id: int
    deployment_uuid: str
    application_uuid: str
    application_name: str
    server_uuid: str
    server_name: str
    status: DeploymentStatus = "queued"
    commit: str = "HEAD"
    commit_message: str | None = None
    pull_request_id: int = 0
    docker_registry_image_tag: str | None = None
    force_rebuild: bool = False
    restart_only: bool = False
    rollback: bool = False
    is_api: bool = True
    is_webhook: bool = False
    logs: list[LogEntry] = []
    script: list[ScriptLine] = []
    outcome: Literal["finished", "failed"] = "finished"
    head: str | None = None
    resolves_at: float = 0.0
    started_at: float | None = None
    ends_at: float | None = None
    finished_at: float | None = None
    created_at: float = 0.0
    updated_at: float = 0.0


class ServicePart(Part):
    """One container of a service."""

    id: int
    uuid: str
    name: str
    image: str
    fqdn: str | None = None
    status: str = "exited"
    exclude_from_status: bool = False
    is_database: bool = False


class Service(Part):
    """A service: a compose file that Coolify runs as it is, without build and without deployments.

    Knobs of the sandbox: `start_seconds` is how long a start or restart takes until the server shows it;
    `compose_says` is what Docker Compose has against its file, and then nothing starts; `log_lines` is what its
    containers print.
    """

    id: int
    uuid: str
    name: str
    description: str | None = None
    environment_uuid: str
    server_uuid: str
    destination_uuid: str
    docker_compose_raw: str
    docker_compose: str | None = None
    """The file that is put on the server, made anew at creation, change and start."""
    on_server: str | None = None
    """The file as the last start wrote it to the server."""
    connect_to_docker_network: bool = False
    is_container_label_escape_enabled: bool = True
    parts: list[ServicePart] = []
    envs: list[EnvVar] = []
    tags: list[str] = []
    created_at: float = 0.0
    updated_at: float = 0.0
    start_seconds: float = 5.0
    compose_says: str = ""
    log_lines: list[str] = []


class Job(Part):
    """Work that a worker of Coolify does at `due`; `target` is the uuid of what it is done to."""

    kind: JobKind
    due: float
    target: str
    volumes: bool = True
    cleanup: bool = True
    install: bool = False


class CoolifyState(Part):
    """One Coolify with one team. `supports_runtime_option` is the fork with `--runtime` and `--pids-limit`."""

    version: str = "4.3.10"
    supports_runtime_option: bool = False
    installed: bool = True
    users: int = 1
    is_registration_enabled: bool = False
    is_api_enabled: bool = True
    allowed_ips: str = ""
    down_until: float = 0.0
    rate_limit: int = 200
    last_id: int = 0
    public_ipv4: str | None = None
    fqdn: str | None = None
    tokens: list[Token] = []
    rate: dict[str, RateWindow] = {}
    keys: list[PrivateKey] = []
    github_apps: list[GithubApp] = []
    servers: list[Server] = []
    projects: list[Project] = []
    applications: list[Application] = []
    services: list[Service] = []
    deployments: list[Deployment] = []
    jobs: list[Job] = []
    factory: FactoryDisk = FactoryDisk()
