"""Lets time pass in the pretend world: deployments run and end, workers do their jobs, servers are checked."""

from collections.abc import Callable, Iterator

from ink_infra_mcp.sandbox.coolify import rows
from ink_infra_mcp.sandbox.coolify.build_log import STOPPED_FIRST
from ink_infra_mcp.sandbox.coolify.builds import (
    BuildTrouble,
    build_hash,
    image_of,
    kept_image,
    may_reuse,
)
from ink_infra_mcp.sandbox.coolify.containers import of_app, remove
from ink_infra_mcp.sandbox.coolify.crashes import forget_crashes
from ink_infra_mcp.sandbox.coolify.dotenv import Unreadable
from ink_infra_mcp.sandbox.coolify.jobs import REFRESH_S, load_compose, replace_containers, work
from ink_infra_mcp.sandbox.coolify.queue import RUNNING, start_next
from ink_infra_mcp.sandbox.coolify.statuses import check
from ink_infra_mcp.sandbox.hetzner.settling import settle_hetzner
from ink_infra_mcp.sandbox.hosts.reboot import settle_boot
from ink_infra_mcp.sandbox.robot.settling import settle_robot
from ink_infra_mcp.sandbox.state import WorldState
from ink_infra_mcp.sandbox.state_coolify import Application, Deployment, Job, LogEntry, ScriptLine
from ink_infra_mcp.sandbox.state_hosts import HostState

RESTART_S = 20.0
"""Seconds for which a Coolify that restarts does not answer."""
Event = tuple[float, Callable[[], None]]


def settle(state: WorldState, now: float) -> None:
    """Bring the world to `now`, event by event in the order of time; doing it twice changes nothing more."""
    settle_hetzner(state, now)
    for host in state.hosts.values():
        settle_boot(host, now)
    settle_robot(state, now)
    while (event := _next_event(state, now)) is not None:
        event[1]()
    for deployment in state.coolify.deployments:
        _progress(deployment, now)
    for server in state.coolify.servers:
        if server.next_check_at <= now:
            check(state, server, at=now)


def restart_coolify(
    state: WorldState,
    now: float,
    *,
    version: str | None = None,
    supports_runtime_option: bool | None = None,
    down_s: float = RESTART_S,
) -> None:
    """Restart Coolify, with another version or image if given: it is silent for `down_s` seconds.

    Its start marks every waiting and running deployment as failed (seen in Init.php of coollabsio/coolify).
    """
    coolify = state.coolify
    coolify.down_until = now + down_s
    coolify.version = version or coolify.version
    if supports_runtime_option is not None:
        coolify.supports_runtime_option = supports_runtime_option
    for deployment in coolify.deployments:
        if deployment.status in RUNNING:
            _close(deployment, "failed", now)


def _next_event(state: WorldState, now: float) -> Event | None:
    jobs: list[Event] = [(job.due, _working(state, job)) for job in state.coolify.jobs]
    due = [event for event in (*_endings(state), *jobs) if event[0] <= now]
    return min(due, key=lambda event: event[0], default=None)


def _endings(state: WorldState) -> Iterator[Event]:
    for deployment in state.coolify.deployments:
        if deployment.status == "in_progress" and deployment.ends_at is not None:
            yield deployment.ends_at, _ending(state, deployment, deployment.ends_at)


def _ending(state: WorldState, deployment: Deployment, at: float) -> Callable[[], None]:
    return lambda: _end(state, deployment, at)


def _working(state: WorldState, job: Job) -> Callable[[], None]:
    return lambda: work(state, job)


def _end(state: WorldState, deployment: Deployment, at: float) -> None:
    _progress(deployment, at)
    app = rows.by_uuid(state.coolify.applications, deployment.application_uuid)
    host = rows.machine_of(state, rows.server_of(state.coolify, deployment))
    if app is None or host is None:
        _close(deployment, "failed", at)
    elif deployment.outcome == "failed":
        _fail(host, app, deployment, at)
    else:
        _finish(state, host, app, deployment, at)
    state.coolify.jobs.append(Job(kind="refresh", due=at + REFRESH_S, target=deployment.server_uuid))
    start_next(state, deployment.server_uuid, at=at)


def _fail(host: HostState, app: Application, deployment: Deployment, at: float) -> None:
    """The old container stays, unless it had already gone to make room for the new one."""
    if any(entry.output == STOPPED_FIRST for entry in deployment.logs):
        remove(host, of_app(host, app, pull_request_id=deployment.pull_request_id))
    _close(deployment, "failed", at)


def _finish(state: WorldState, host: HostState, app: Application, deployment: Deployment, at: float) -> None:
    image = image_of(app, deployment, deployment.commit)
    try:
        replace_containers(state, host, app, deployment, at=at)
    except (BuildTrouble, Unreadable):
        _fail(host, app, deployment, at)
        return
    if not may_reuse(app, deployment, image):
        _remember(app, image, at)
    if deployment.pull_request_id == 0:
        forget_crashes(app)
        _note_success(state, app)
    _close(deployment, "finished", at)


def _note_success(state: WorldState, app: Application) -> None:
    """With a health check the status is written without its health, which then reads as unhealthy; restarts count
    anew.
    """
    app.columns |= {"restart_count": 0, "last_restart_type": None, "last_restart_at": None}
    if app.text("build_pack") == "dockercompose":
        load_compose(state, app)
    elif app.columns.get("health_check_enabled"):
        app.status = "running:unhealthy"


def _remember(app: Application, image: str, at: float) -> None:
    kept = kept_image(image, at)
    app.images = [i for i in app.images if (i.repository, i.tag) != (kept.repository, kept.tag)] + [kept]
    app.built_with = build_hash(app)


def _close(deployment: Deployment, status: str, at: float) -> None:
    deployment.status = "finished" if status == "finished" else "failed"
    deployment.script = []
    deployment.updated_at = deployment.finished_at = at


def _progress(deployment: Deployment, now: float) -> None:
    _resolve_commit(deployment, now)
    _write_log(deployment, now)


def _resolve_commit(deployment: Deployment, now: float) -> None:
    """Once the branch is fetched, the deployment shows which commit its head was."""
    if deployment.status == "in_progress" and deployment.head and now >= deployment.resolves_at:
        deployment.commit = deployment.head


def _write_log(deployment: Deployment, now: float) -> None:
    """Append what is due; a deployment that does not run has nothing due."""
    began = deployment.started_at or now
    while deployment.script and began + deployment.script[0].after <= now:
        line = deployment.script.pop(0)
        deployment.logs.append(_entry(line, began, order=len(deployment.logs) + 1))


def _entry(line: ScriptLine, began: float, *, order: int) -> LogEntry:
    return LogEntry(
        command=line.command,
        output=line.output,
        type=line.type,
        timestamp=began + line.after,
        hidden=line.hidden,
        order=order,
    )
