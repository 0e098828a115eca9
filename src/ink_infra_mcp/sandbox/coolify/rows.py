"""Finds rows of Coolify's database, and the machines behind its servers."""

import ipaddress
from collections.abc import Iterable
from typing import Protocol, TypeVar

from ink_infra_mcp.sandbox.state import WorldState
from ink_infra_mcp.sandbox.state_coolify import (
    Application,
    CoolifyState,
    Deployment,
    Environment,
    PrivateKey,
    Project,
    Server,
    Service,
    ServicePart,
)
from ink_infra_mcp.sandbox.state_hosts import HostState


class _HasUuid(Protocol):
    uuid: str


Row = TypeVar("Row", bound=_HasUuid)


def by_uuid(rows: Iterable[Row], uuid: str) -> Row | None:
    """Return the row with that uuid."""
    return next((row for row in rows if row.uuid == uuid), None)


def server_of(coolify: CoolifyState, thing: Application | Service | Deployment) -> Server | None:
    """Return the server of an application, a service or a deployment."""
    return by_uuid(coolify.servers, thing.server_uuid)


def host_of(state: WorldState, server: Server | None) -> HostState | None:
    """Return the machine that a server reaches, whether it is up or not."""
    if server is None:
        return None
    if server.host:
        return state.hosts.get(server.host)
    return next((host for host in state.hosts.values() if _is_at(host, server.ip)), None)


def _is_at(host: HostState, address: str) -> bool:
    """A server may be entered by any of its machine's addresses, and by any spelling of one."""
    own = (host.address, host.ipv6, host.private_address, host.private_ipv6)
    return address in own or any(at and _same(at, address) for at in own)


def _same(one: str, other: str) -> bool:
    try:
        return ipaddress.ip_address(one) == ipaddress.ip_address(other)
    except ValueError:
        return False


def machine_of(state: WorldState, server: Server | None) -> HostState | None:
    """Return the machine that a server reaches, if it is up and takes the server's key."""
    host = host_of(state, server)
    if server is None or host is None or not host.up:
        return None
    return host if takes_key(state.coolify, server, host) else None


def takes_key(coolify: CoolifyState, server: Server, host: HostState) -> bool:
    """Return whether the machine lets in who shows the server's key; one that nobody described takes every key."""
    key = key_of(coolify, server)
    if host.authorized_keys is None:
        return True
    lines = [*host.authorized_keys, *(host.logins.keys or [])]
    return key is not None and any(" ".join(key.public_key.split()[:2]) in line for line in lines)


def workplace_of(state: WorldState, server: Server | None) -> HostState | None:
    """Return the machine, if it is up and Coolify would go there: it does not when it holds the server unfit."""
    return machine_of(state, server) if is_functional(server) else None


def is_functional(server: Server | None) -> bool:
    """Return whether Coolify holds the server fit for work."""
    return server is not None and server.settings.is_reachable and server.settings.is_usable


def has_proxy(server: Server) -> bool:
    """Return whether Coolify runs a proxy on the server."""
    return server.proxy_type != "NONE" and not server.settings.is_build_server


def key_of(coolify: CoolifyState, server: Server) -> PrivateKey | None:
    """Return the key that the server is entered with."""
    return next((key for key in coolify.keys if key.id == server.private_key_id), None)


def place_of(coolify: CoolifyState, environment_uuid: str) -> tuple[Project, Environment] | None:
    """Return the project and the environment with that uuid."""
    for project in coolify.projects:
        environment = by_uuid(project.environments, environment_uuid)
        if environment is not None:
            return project, environment
    return None


def environment_named(project: Project, name_or_uuid: str) -> Environment | None:
    """Return the environment with that name, else the one with that uuid."""
    named = next((env for env in project.environments if env.name == name_or_uuid), None)
    return named or by_uuid(project.environments, name_or_uuid)


def residents(coolify: CoolifyState, server_uuid: str) -> list[Application | Service]:
    """Return what lives on a server."""
    everything: list[Application | Service] = [*coolify.applications, *coolify.services]
    return [thing for thing in everything if thing.server_uuid == server_uuid]


def name_of(thing: Application | Service) -> str:
    """Return the name of an application or a service."""
    return thing.text("name") if isinstance(thing, Application) else thing.name


def service_status(service: Service) -> str:
    """Return the status of a whole service: the worst of its parts decides, those apart that are excluded."""
    counted = _counted(service)
    status = _worst(counted or service.parts)
    return f"{status}:excluded" if not counted and status != "exited" else status


def _counted(service: Service) -> list[ServicePart]:
    return [part for part in service.parts if not part.exclude_from_status]


def _worst(parts: list[ServicePart]) -> str:
    states = {part.status.split(":")[0] for part in parts}
    if states & {"restarting", "degraded"} or {"running", "exited"} <= states:
        return "degraded:unhealthy"
    return _worst_health(parts) if "running" in states else "exited"


def _worst_health(parts: list[ServicePart]) -> str:
    healths = {part.status.partition(":")[2] for part in parts}
    worst = next((health for health in ("unhealthy", "unknown") if health in healths), "healthy")
    return f"running:{worst}"
