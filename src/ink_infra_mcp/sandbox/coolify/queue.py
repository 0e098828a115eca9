"""The deployment queue: what is taken, skipped or refused, and what may run now.

Source: bootstrap/helpers/applications.php of coollabsio/coolify at v4.3.10.
"""

from dataclasses import dataclass
from typing import Literal

from ink_infra_mcp.sandbox.coolify import rows
from ink_infra_mcp.sandbox.coolify.builds import foresee
from ink_infra_mcp.sandbox.coolify.ids import new_id
from ink_infra_mcp.sandbox.state import WorldState
from ink_infra_mcp.sandbox.state_coolify import Application, CoolifyState, Deployment

RUNNING = frozenset({"queued", "in_progress"})
RESOLVED = 0.3
"""The share of a deployment after which HEAD is known to be a commit (seen in check_git_if_build_needed)."""


@dataclass(frozen=True, slots=True)
class Wish:
    """How an application is to be deployed, and who asks: a call of the API, a webhook, or a person at the UI.

    `now_or_never` ignores locks and the number of builds at once.
    """

    force_rebuild: bool = False
    restart_only: bool = False
    rollback: bool = False
    now_or_never: bool = False
    commit: str = ""
    pull_request_id: int = 0
    docker_tag: str | None = None
    asked_by: Literal["api", "webhook", "ui"] = "api"

    @property
    def may_be_skipped(self) -> bool:
        """Return whether a deployment of the same commit makes this one needless."""
        return not (self.force_rebuild or self.rollback or self.now_or_never)


@dataclass(frozen=True, slots=True)
class Queued:
    """What became of a wish. Only when it is `queued` does a deployment with the caller's uuid exist."""

    status: Literal["queued", "skipped", "queue_full"]
    message: str


def enqueue(state: WorldState, app: Application, uuid: str, wish: Wish, *, now: float) -> Queued:
    """Queue a deployment under `uuid`, and start it at once when it may run.

    Skipped when one of the same commit and pull request waits or runs, unless it is forced, a rollback, or
    now-or-never. Refused when as many wait on the server as its `deployment_queue_limit`.
    """
    coolify = state.coolify
    deployment = _new(coolify, app, uuid, wish, now)
    turned_away = _turned_away(coolify, app, deployment, wish)
    if turned_away is not None:
        return turned_away
    coolify.deployments.append(deployment)
    if wish.now_or_never or may_start(coolify, deployment):
        start(state, deployment, at=now)
    return Queued("queued", "Deployment queued.")


def _turned_away(coolify: CoolifyState, app: Application, deployment: Deployment, wish: Wish) -> Queued | None:
    if _is_full(coolify, app):
        return Queued("queue_full", "Deployment queue is full. Please wait for existing deployments to complete.")
    if wish.may_be_skipped and _has_twin(coolify, deployment):
        return Queued("skipped", "Deployment already queued for this commit.")
    return None


def _new(coolify: CoolifyState, app: Application, uuid: str, wish: Wish, now: float) -> Deployment:
    server = rows.server_of(coolify, app)
    return Deployment(
        id=new_id(coolify),
        deployment_uuid=uuid,
        application_uuid=app.uuid,
        application_name=app.text("name"),
        server_uuid=app.server_uuid,
        server_name=server.name if server else "",
        commit=wish.commit or app.text("git_commit_sha") or "HEAD",
        pull_request_id=wish.pull_request_id,
        docker_registry_image_tag=wish.docker_tag,
        force_rebuild=wish.force_rebuild,
        restart_only=wish.restart_only,
        rollback=wish.rollback,
        is_api=wish.asked_by == "api",
        is_webhook=wish.asked_by == "webhook",
        created_at=now,
        updated_at=now,
    )


def _is_full(coolify: CoolifyState, app: Application) -> bool:
    server = rows.server_of(coolify, app)
    waiting = [d for d in _on(coolify, app.server_uuid) if d.status == "queued"]
    return server is not None and len(waiting) >= server.settings.deployment_queue_limit


def _on(coolify: CoolifyState, server_uuid: str) -> list[Deployment]:
    return [d for d in coolify.deployments if d.server_uuid == server_uuid]


def may_start(coolify: CoolifyState, deployment: Deployment) -> bool:
    """Return whether a deployment may run now.

    One at a time for each application and pull request, and `concurrent_builds` at a time on the server.
    """
    running = [d for d in _on(coolify, deployment.server_uuid) if d.status == "in_progress"]
    lock = (deployment.application_uuid, deployment.pull_request_id)
    if lock in [(d.application_uuid, d.pull_request_id) for d in running]:
        return False
    return len(running) < _builds_at_once(coolify, deployment)


def _builds_at_once(coolify: CoolifyState, deployment: Deployment) -> int:
    server = rows.server_of(coolify, deployment)
    return server.settings.concurrent_builds if server else 1


def start(state: WorldState, deployment: Deployment, *, at: float) -> None:
    """Put a deployment to work at that time; what will come of it is settled now."""
    app = rows.by_uuid(state.coolify.applications, deployment.application_uuid)
    deployment.status = "in_progress"
    deployment.started_at = deployment.updated_at = deployment.ends_at = at
    if app is None:
        deployment.outcome = "failed"
        return
    plan = foresee(state, app, deployment, at)
    deployment.head = plan.commit
    deployment.resolves_at = at + plan.seconds * RESOLVED
    deployment.script = plan.script()
    deployment.outcome = plan.outcome
    deployment.ends_at = at + plan.seconds


def start_next(state: WorldState, server_uuid: str, *, at: float) -> None:
    """Start every waiting deployment of a server that may run now, the oldest first."""
    for deployment in _on(state.coolify, server_uuid):
        if deployment.status == "queued" and may_start(state.coolify, deployment):
            start(state, deployment, at=at)


def _has_twin(coolify: CoolifyState, deployment: Deployment) -> bool:
    under_way = [d for d in _on(coolify, deployment.server_uuid) if d.status in RUNNING]
    return _identity(deployment) in map(_identity, under_way)


def _identity(deployment: Deployment) -> tuple[str, str, int, str | None]:
    return (
        deployment.application_uuid,
        deployment.commit,
        deployment.pull_request_id,
        deployment.docker_registry_image_tag,
    )
