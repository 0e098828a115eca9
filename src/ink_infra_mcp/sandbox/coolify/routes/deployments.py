"""Deployments: those that wait or run, one, those of an application, their cancelling; and POST /deploy."""

from pydantic import JsonValue

from ink_infra_mcp.sandbox.coolify import rows, shape
from ink_infra_mcp.sandbox.coolify.call import Answer, Call, JsonObject, Refusal, found, refusal
from ink_infra_mcp.sandbox.coolify.endpoint import Endpoint
from ink_infra_mcp.sandbox.coolify.ids import new_uuid
from ink_infra_mcp.sandbox.coolify.jobs import START_SERVICE_S
from ink_infra_mcp.sandbox.coolify.queue import RUNNING, Wish, enqueue, start_next
from ink_infra_mcp.sandbox.state_coolify import Application, Deployment, Job, LogEntry, Service

TAKE = 10


def _active(call: Call) -> Answer:
    """A list, or an object with numbers as keys when the database had the rows in another order than their ids.

    Laravel's sortBy keeps the keys, and JSON makes a list of keys 0, 1, 2 only (seen in DeployController). Rows that
    are written to move to the end in PostgreSQL, so here those that run come after those that wait.
    """
    active = sorted((row for row in call.coolify.deployments if row.status in RUNNING), key=lambda row: row.id)
    stored = sorted(active, key=lambda row: row.status == "in_progress")
    keyed: JsonObject = {str(stored.index(row)): shape.deployment(call, row) for row in active}
    return Answer(list(keyed.values()) if stored == active else keyed)


def _one(call: Call) -> Answer:
    return Answer(shape.deployment(call, _deployment(call), with_application=True))


def _of_app(call: Call) -> Answer:
    app = found(rows.by_uuid(call.coolify.applications, call.path["uuid"]), "Application not found")
    mine = [row for row in call.coolify.deployments if row.application_uuid == app.uuid]
    mine.sort(key=lambda row: (-row.created_at, -row.id))
    skip, take = _number(call, "skip", 0, low=0), _number(call, "take", TAKE, low=1)
    page: list[JsonValue] = [shape.deployment(call, row) for row in mine[skip : skip + take]]
    return Answer({"count": len(mine), "deployments": page})


def _cancel(call: Call) -> Answer:
    row = found(
        next((d for d in call.coolify.deployments if d.deployment_uuid == call.path["uuid"]), None),
        "Deployment not found.",
    )
    if row.status not in RUNNING:
        raise refusal(400, f"Deployment cannot be cancelled. Current status: {row.status}")
    row.status, row.script, row.ends_at = "cancelled-by-user", [], None
    row.updated_at = row.finished_at = call.now
    _note(row, "Deployment cancelled by user via API.", call.now)
    start_next(call.state, row.server_uuid, at=call.now)
    message = "Deployment cancelled successfully."
    return Answer({"message": message, "deployment_uuid": row.deployment_uuid, "status": row.status})


def _deploy(call: Call) -> Answer:
    uuids, tags, preview = call.text("uuid"), call.text("tag"), _preview(call)
    _refuse_misuse(call, preview)
    if tags:
        return _by_tags(call, tags)
    if uuids:
        return _by_uuids(call, [uuid for uuid in uuids.split(",") if uuid], preview)
    raise refusal(400, "You must provide uuid or tag.")


def _refuse_misuse(call: Call, preview: int) -> None:
    uuids, tags, docker_tag = call.text("uuid"), call.text("tag"), call.text("docker_tag")
    if uuids and tags:
        raise refusal(400, "You can only use uuid or tag, not both.")
    if tags and preview:
        raise refusal(400, "You can only use tag or pr, not both.")
    if docker_tag and not preview:
        raise refusal(400, "docker_tag requires pull_request_id.")


def _by_uuids(call: Call, uuids: list[str], preview: int) -> Answer:
    done: list[JsonValue] = []
    for uuid in uuids:
        thing = _resource(call, uuid)
        if thing is not None:
            message, deployment = _deploy_one(call, thing, preview)
            entry: JsonObject = {"message": message, "resource_uuid": uuid}
            done.append({**entry, "deployment_uuid": deployment} if deployment else entry)
    if not done:
        raise refusal(404, "No resources found.")
    return Answer({"deployments": done})


def _by_tags(call: Call, tags: str) -> Answer:
    messages: list[JsonValue] = []
    details: list[JsonValue] = []
    wanted = {tag for tag in tags.split(",") if tag}
    for thing in (*call.coolify.applications, *call.coolify.services):
        if wanted & set(thing.tags):
            message, deployment = _deploy_one(call, thing, 0)
            messages.append(message)
            if deployment:
                details.append({"resource_uuid": thing.uuid, "deployment_uuid": deployment})
    if not messages:
        raise refusal(404, "No resources found with this tag.")
    return Answer({"message": messages, **({"details": details} if details else {})})


def _deploy_one(call: Call, thing: Application | Service, preview: int) -> tuple[str, str]:
    """What is said of one resource, and the id: also when it was skipped, and then no deployment has it."""
    if isinstance(thing, Service):
        call.coolify.jobs.append(Job(kind="start_service", due=call.now + START_SERVICE_S, target=thing.uuid))
        return f"Service {thing.name} started. It could take a while, be patient.", ""
    docker_tag = call.text("docker_tag") or None
    if preview and docker_tag is None:
        return f"Pull request {preview} not found for this resource.", ""
    if docker_tag and thing.text("build_pack") != "dockerimage":
        return "docker_tag can only be used with Docker Image applications.", ""
    wish = Wish(force_rebuild=call.switch("force"), pull_request_id=preview, docker_tag=docker_tag)
    uuid = new_uuid(call.coolify)
    queued = enqueue(call.state, thing, uuid, wish, now=call.now)
    if queued.status == "queue_full":
        raise Refusal(Answer({"message": queued.message}, 429, {"Retry-After": "60"}))
    if queued.status == "skipped":
        return queued.message, uuid
    return f"Application {thing.text('name')} deployment queued.", uuid


def _preview(call: Call) -> int:
    wanted = call.text("pull_request_id") or call.text("pr")
    return int(wanted) if wanted.isdigit() else 0


def _resource(call: Call, uuid: str) -> Application | Service | None:
    return rows.by_uuid(call.coolify.applications, uuid) or rows.by_uuid(call.coolify.services, uuid)


def _number(call: Call, name: str, default: int, *, low: int) -> int:
    """Checked by Laravel's own validation, whose message is not `Validation failed.`"""
    value = call.text(name)
    if not value:
        return default
    if not value.isdigit() or int(value) < low:
        what = f"at least {low}" if value.lstrip("-").isdigit() else "an integer"
        words = f"The {name} field must be {what}."
        raise refusal(422, words, errors={name: [words]})
    return int(value)


def _deployment(call: Call) -> Deployment:
    """A deployment whose application is gone is not found either."""
    row = next((d for d in call.coolify.deployments if d.deployment_uuid == call.path["uuid"]), None)
    known = row is not None and rows.by_uuid(call.coolify.applications, row.application_uuid) is not None
    return found(row if known else None, "Deployment not found.")


def _note(row: Deployment, words: str, now: float) -> None:
    entry = LogEntry(command=None, output=words, type="stderr", timestamp=now, hidden=False, order=len(row.logs) + 1)
    row.logs.append(entry)


ENDPOINTS = (
    Endpoint("POST", "/deploy", _deploy, "deploy", was="both"),
    Endpoint("GET", "/deployments", _active),
    Endpoint("GET", "/deployments/applications/{uuid}", _of_app),
    Endpoint("GET", "/deployments/{uuid}", _one),
    Endpoint("POST", "/deployments/{uuid}/cancel", _cancel, "deploy"),
)
