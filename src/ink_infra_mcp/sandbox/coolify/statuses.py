"""How Coolify learns the state of containers: not at once, and wrongly when it cannot reach the server."""

from collections.abc import Iterable

from ink_infra_mcp.sandbox.coolify import rows
from ink_infra_mcp.sandbox.coolify.containers import PROXY, PROXY_IMAGE, infrastructure, of_app, of_service, place
from ink_infra_mcp.sandbox.coolify.crashes import note_crashes
from ink_infra_mcp.sandbox.state import WorldState
from ink_infra_mcp.sandbox.state_coolify import Application, Server, Service
from ink_infra_mcp.sandbox.state_hosts import Container, HostState

CHECK_S = 60.0
"""Seconds between two checks of a server."""
EXITED = "exited:unhealthy"


def refresh(state: WorldState, server: Server | None, *, at: float) -> None:
    """Read the state of every container of a server, if it can be reached."""
    host = rows.machine_of(state, server)
    if server is None or host is None:
        return
    for thing in rows.residents(state.coolify, server.uuid):
        if isinstance(thing, Application):
            _refresh_app(host, thing, at)
        else:
            _refresh_service(host, thing)


def check(state: WorldState, server: Server, *, at: float) -> None:
    """Do what Coolify does every minute: look at the server, then at its containers.

    A server that cannot be reached makes all its applications `exited`, although they may well run
    (seen in Server.php of coollabsio/coolify).
    """
    server.next_check_at = at + CHECK_S
    if server.workers_hang:
        return
    host = rows.machine_of(state, server)
    if host is None:
        server.settings.is_reachable = server.settings.is_usable = False
        server.unreachable_count += 1
        _give_up(state, server)
        return
    server.unreachable_count = 0
    server.settings.is_reachable = True
    server.settings.is_usable = bool(host.docker_version)
    if host.docker_version:
        server.settings.docker_version = host.docker_version
        server.settings.docker_version_checked_at = at
        ensure_proxy(host, server, at)
    refresh(state, server, at=at)


def ensure_proxy(host: HostState, server: Server, at: float) -> None:
    """Start the proxy and the watcher where they are missing; build servers get none.

    An image that the machine is `without` cannot be pulled there.
    """
    if rows.is_functional(server) and not server.settings.is_build_server:
        _start_missing(host, server, at)
        server.proxy_applied = server.proxy_applied or server.proxy_type != "NONE"
    server.proxy_status = _proxy_status(host, server)


def restart_proxy(host: HostState, server: Server, at: float) -> None:
    """Remove the proxy and start it anew, pulling its image (RestartProxyJob, since 4.3.0).

    It does not look at the ports before: Docker makes the container, and cannot start it.
    """
    host.containers = [container for container in host.containers if container.name != PROXY]
    new = [c for c in infrastructure(server, at) if c.name == PROXY and c.image not in host.without]
    if _has_no_ports(host):
        new = [container.model_copy(update={"state": "created", "health": ""}) for container in new]
    place(host, new)
    server.proxy_applied = True
    server.proxy_status = _proxy_status(host, server)


def _start_missing(host: HostState, server: Server, at: float) -> None:
    """With a port taken the proxy is not started, and nobody is told (CheckProxy.php)."""
    taken = [PROXY] if _has_no_ports(host) else []
    present = {*(container.name for container in host.containers), *taken}
    place(host, [c for c in infrastructure(server, at) if c.name not in present and c.image not in host.without])


def _has_no_ports(host: HostState) -> bool:
    return bool({80, 443, 8080} & {*host.taken_ports})


def _proxy_status(host: HostState, server: Server) -> str:
    """A proxy whose image cannot be pulled is shown as starting for good (seen on 4.3.11)."""
    proxy = _proxy(host)
    if proxy is not None:
        return proxy.state
    return "starting" if server.proxy_applied and PROXY_IMAGE in host.without else "exited"


def _proxy(host: HostState) -> Container | None:
    return next((container for container in host.containers if container.name == PROXY), None)


def status_of(containers: Iterable[Container]) -> str:
    """Return Coolify's word for a set of containers: state and health."""
    found = list(containers)
    states = {container.state for container in found}
    if states <= {"exited"}:
        return EXITED
    if states == {"running"}:
        return f"running:{_health_of(found)}"
    return _status_of_some(states)


def _status_of_some(states: set[str]) -> str:
    is_mixed = "restarting" in states or {"running", "exited"} <= states
    return "degraded:unhealthy" if is_mixed else f"{min(states)}:unknown"


def _health_of(containers: list[Container]) -> str:
    healths = {container.health for container in containers}
    if "unhealthy" in healths:
        return "unhealthy"
    return "healthy" if healths == {"healthy"} else "unknown"


def _refresh_app(host: HostState, app: Application, at: float) -> None:
    note_crashes(host, app, at=at)
    app.status = status_of(of_app(host, app, pull_request_id=0))
    if app.status.startswith("running"):
        app.last_online_at = at


def _refresh_service(host: HostState, service: Service) -> None:
    mine = of_service(host, service)
    for part in service.parts:
        part.status = status_of(c for c in mine if c.labels.get("coolify.service.subId") == str(part.id))


def _give_up(state: WorldState, server: Server) -> None:
    for thing in rows.residents(state.coolify, server.uuid):
        if isinstance(thing, Application):
            thing.status = EXITED
        else:
            for part in thing.parts:
                part.status = EXITED
