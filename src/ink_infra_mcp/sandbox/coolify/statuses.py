"""How Coolify learns the state of containers: not at once, and wrongly when it cannot reach the server."""

from collections.abc import Iterable
from datetime import UTC, datetime

from ink_infra_mcp.sandbox.coolify import rows
from ink_infra_mcp.sandbox.coolify.containers import infrastructure, of_app, of_service, place
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
    """Start the proxy and the watcher where they are missing; build servers get none."""
    if rows.is_functional(server) and not server.settings.is_build_server:
        present = _names(host)
        place(host, [c for c in infrastructure(server, at) if c.name not in present])
    server.proxy_status = "running" if "coolify-proxy" in _names(host) else "exited"


def _names(host: HostState) -> set[str]:
    return {container.name for container in host.containers}


def status_of(containers: Iterable[Container]) -> str:
    """Return Coolify's word for a set of containers: state and health."""
    found = list(containers)
    states = {container.state for container in found}
    if states <= {"exited"}:
        return EXITED
    if states == {"running"}:
        return f"running:{_health_of(found)}"
    is_mixed = "restarting" in states or {"running", "exited"} <= states
    return "degraded:unhealthy" if is_mixed else f"{min(states)}:unknown"


def _health_of(containers: list[Container]) -> str:
    healths = {container.health for container in containers}
    if "unhealthy" in healths:
        return "unhealthy"
    return "healthy" if healths == {"healthy"} else "unknown"


def _refresh_app(host: HostState, app: Application, at: float) -> None:
    mine = of_app(host, app, pull_request_id=0)
    app.status = status_of(mine)
    _count_restarts(app, max((c.restart_count for c in mine), default=0), at)
    if app.status.startswith("running"):
        app.last_online_at = at


def _count_restarts(app: Application, seen: int, at: float) -> None:
    """A count that has grown is a crash (GetContainersStatus of coollabsio/coolify)."""
    if seen > int(app.text("restart_count") or 0):
        moment = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.000000Z")
        app.columns |= {"restart_count": seen, "last_restart_type": "crash", "last_restart_at": moment}


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
