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
DEBIAN = {"ubuntu", "debian", "raspbian", "pop"}
RED_HAT = {"centos", "fedora", "rhel", "ol", "rocky", "amzn", "almalinux"}
SUPPORTED_OS = DEBIAN | RED_HAT | {"sles", "opensuse", "arch", "alpine"}
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
    if not job.install:
        server.validation_logs = None
    server.is_validating = False
    server.updated_at = job.due
    host = rows.machine_of(state, server)
    if host is not None and job.install:
        _install_docker(host)
    _judge(server, host, job)


def _install_docker(host: HostState) -> None:
    """One that is there already stays."""
    host.docker_version = host.docker_version or INSTALLED_DOCKER


def _judge(server: Server, host: HostState | None, job: Job) -> None:
    if host is None:
        server.settings.is_reachable = server.settings.is_usable = False
        error = f"ssh: connect to host {server.ip} port {server.port}: No route to host"
        server.validation_logs = (
            f'Server is not reachable.<br>See the {DOCS}.<br><br><div class="text-error">Error: {error}</div>'
        )
        return
    server.settings.is_reachable = True
    trouble = _trouble(host)
    server.settings.is_usable = not trouble
    if trouble:
        server.validation_logs = f"{trouble} See the {DOCS}."
        return
    server.settings.docker_version = host.docker_version
    server.settings.docker_version_checked_at = job.due
    if job.install:
        ensure_proxy(host, server, job.due)


def _trouble(host: HostState) -> str:
    if host.os_id not in SUPPORTED_OS:
        return f"Server OS {host.os_id} is not supported."
    if "git" in host.without:
        return "Prerequisites (git) are not installed."
    if not host.docker_version:
        return "Docker Engine is not installed."
    if _is_too_old(host.docker_version):
        return f"Docker Engine {host.docker_version} is older than {OLDEST_DOCKER}."
    return ""


def _is_too_old(docker_version: str) -> bool:
    major = re.match(r"\d+", docker_version)
    return major is None or int(major[0]) < OLDEST_DOCKER
