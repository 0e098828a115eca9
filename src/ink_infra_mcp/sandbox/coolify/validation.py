"""Validates servers in the background, and installs Docker when it was asked to."""

import re

from ink_infra_mcp.sandbox.coolify import rows
from ink_infra_mcp.sandbox.coolify.statuses import ensure_proxy
from ink_infra_mcp.sandbox.state import WorldState
from ink_infra_mcp.sandbox.state_coolify import Job, Server
from ink_infra_mcp.sandbox.state_hosts import HostState

VALIDATE_S = 4.0
DEAD_S = 15.0
BEGIN_S = 1.0
INSTALL_S = 40.0
"""How long the workers take, in seconds of the world."""
INSTALLED_DOCKER = "28.5.1"
OLDEST_DOCKER = 24
PREREQUISITES = ("git", "curl", "jq")
NO_DOCKER = "Docker Engine is not installed."
DEBIAN = {"ubuntu", "debian", "raspbian", "pop"}
RED_HAT = {"centos", "fedora", "rhel", "ol", "rocky", "amzn", "almalinux"}
SUPPORTED_OS = DEBIAN | RED_HAT | {"sles", "opensuse-leap", "opensuse-tumbleweed", "arch", "alpine"}
DOCS = '<a target="_blank" class="underline" href="https://coolify.io/docs">documentation</a>'


def begin_install(state: WorldState, job: Job) -> None:
    """Mark a server as being validated; the installation ends with the validation."""
    server = rows.by_uuid(state.coolify.servers, job.target)
    if server is None:
        return
    server.is_validating = True
    ends = job.due + INSTALL_S
    state.coolify.jobs.append(Job(kind="validate", due=ends, target=job.target, install=True))


def validate(state: WorldState, job: Job) -> None:
    """Look at a server and note what is wrong with it, as HTML, in `validation_logs`.

    The logs of an earlier run are cleared first, but not by a run that installs (seen in ValidateAndInstallServerJob).
    """
    server = rows.by_uuid(state.coolify.servers, job.target)
    if server is None:
        return
    if server.workers_hang:
        return
    if not job.install:
        server.validation_logs = None
    server.is_validating = False
    server.updated_at = job.due
    host = rows.machine_of(state, server)
    if host is None:
        _note_unreachable(state, server)
        return
    if job.install:
        _install(host)
    _judge(server, host, job)


def refused_key(server: Server) -> str:
    """Return what ssh says of a key that the machine does not know."""
    return f"{server.user}@{server.ip}: Permission denied (publickey,password)."


def _install(host: HostState) -> None:
    """What is there already stays."""
    host.docker_version = host.docker_version or INSTALLED_DOCKER
    host.without = [name for name in host.without if name not in PREREQUISITES]


def _note_unreachable(state: WorldState, server: Server) -> None:
    server.settings.is_reachable = server.settings.is_usable = False
    host = rows.host_of(state, server)
    no_route = f"ssh: connect to host {server.ip} port {server.port}: No route to host"
    error = refused_key(server) if host is not None and host.up else no_route
    server.validation_logs = (
        f'Server is not reachable.<br>See the {DOCS}.<br><br><div class="text-error">Error: {error}</div>'
    )


def _judge(server: Server, host: HostState, job: Job) -> None:
    """What comes before Docker leaves `is_usable` as it was (ValidateServer.php of coollabsio/coolify, 4.3.11)."""
    server.settings.is_reachable = True
    trouble = _trouble_before_docker(host)
    if not trouble:
        trouble = _trouble_of_docker(host, install=job.install)
        server.settings.is_usable = not trouble
    if trouble:
        server.validation_logs = f"{trouble} See the {DOCS}."
        return
    server.settings.docker_version = host.docker_version
    server.settings.docker_version_checked_at = job.due
    if job.install:
        ensure_proxy(host, server, job.due)


def _trouble_before_docker(host: HostState) -> str:
    if host.os_id not in SUPPORTED_OS:
        return "Server OS type is not supported."
    missing = [name for name in PREREQUISITES if name in host.without]
    return f"Prerequisites ({', '.join(missing)}) are not installed." if missing else ""


def _trouble_of_docker(host: HostState, *, install: bool) -> str:
    """Without `install`, an engine that is too old is called not installed."""
    if host.docker_version and not _is_too_old(host.docker_version):
        return ""
    return f"Minimum Docker Engine version {OLDEST_DOCKER} is not installed." if install else NO_DOCKER


def _is_too_old(docker_version: str) -> bool:
    major = re.match(r"\d+", docker_version)
    return major is None or int(major[0]) < OLDEST_DOCKER
