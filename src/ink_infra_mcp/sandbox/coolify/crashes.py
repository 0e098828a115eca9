"""A container that keeps crashing: Docker's waiting time between two starts, and what Coolify makes of it.

Source: GetContainersStatus of coollabsio/coolify at 379abb2526; the fields and the limit were seen on 4.3.11.
"""

import math

from ink_infra_mcp.sandbox.coolify.containers import of_app, remove
from ink_infra_mcp.sandbox.coolify.laravel import stamp
from ink_infra_mcp.sandbox.state_coolify import Application
from ink_infra_mcp.sandbox.state_hosts import Container, HostState

FIRST_WAIT_S = 0.1
"""Docker waits so long before the first restart, and twice as long before each further one."""


def note_crashes(host: HostState, app: Application, *, at: float) -> None:
    """Count the restarts of an application's containers; one that has crashed too often is stopped, and is gone."""
    crashing = _crashing(host, app, at)
    count = max((container.restart_count for container in of_app(host, app, pull_request_id=0)), default=0)
    if count <= _number(app, "restart_count"):
        return
    app.columns |= {"restart_count": count, "last_restart_type": "crash", "last_restart_at": stamp(at)}
    limit = _number(app, "max_restart_count")
    if limit and count >= limit:
        remove(host, crashing)


def _crashing(host: HostState, app: Application, at: float) -> list[Container]:
    """Return the containers that keep restarting, their restarts counted up to now."""
    crashing = [each for each in of_app(host, app, pull_request_id=0) if each.state == "restarting"]
    for container in crashing:
        container.restart_count = max(container.restart_count, _restarts(container, at))
    return crashing


def _number(app: Application, column: str) -> int:
    return int(str(app.columns.get(column) or 0))


def forget_crashes(app: Application) -> None:
    """Begin to count anew, as each deployment and each stop does."""
    app.columns |= {"restart_count": 0, "last_restart_type": None, "last_restart_at": None}


def _restarts(container: Container, at: float) -> int:
    return int(math.log2(max(0.0, at - container.started_at) / FIRST_WAIT_S + 1))
