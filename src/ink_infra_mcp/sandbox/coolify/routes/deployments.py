"""Deployments: those that wait or run, one, those of an application, their cancelling; and POST /deploy."""

from pydantic import JsonValue

from ink_infra_mcp.sandbox.coolify import rows, shape
from ink_infra_mcp.sandbox.coolify.call import Answer, Call, JsonObject, Refusal, found, refusal
from ink_infra_mcp.sandbox.coolify.endpoint import Endpoint
from ink_infra_mcp.sandbox.coolify.ids import new_uuid
from ink_infra_mcp.sandbox.coolify.queue import RUNNING, Wish, enqueue, start_next
from ink_infra_mcp.sandbox.state_coolify import Application, Deployment, Job, LogEntry, Service

TAKE = 10
NOT_FOUND = "Deployment not found."


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
    row = found(_row(call), NOT_FOUND)
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
    for misused, words in _misuses(call, preview):
        if misused:
            raise refusal(400, words)


def _misuses(call: Call, preview: int) -> tuple[tuple[bool, str], ...]:
    has_tag, has_uuid, has_docker_tag = (bool(call.text(name)) for name in ("tag", "uuid", "docker_tag"))
    return (
        (has_tag and has_uuid, "You can only use uuid or tag, not both."),
        (has_tag and preview != 0, "You can only use tag or pr, not both."),
        (has_docker_tag and preview == 0, "docker_tag requires pull_request_id."),
    )


def _by_uuids(call: Call, uuids: list[str], preview: int) -> Answer:
    things = filter(None, (_resource(call, uuid) for uuid in uuids))
    done = [_deploy_one(call, thing, preview) for thing in things]
    if not done:
        raise refusal(404, "No resources found.")
    return Answer({"deployments": list[JsonValue](done)})


def _by_tags(call: Call, tags: str) -> Answer:
    done = [_deploy_one(call, thing, 0) for thing in _tagged(call, set(tags.split(",")))]
    if not done:
        raise refusal(404, "No resources found with this tag.")
    queued = _queued(done)
    body: JsonObject = {"message": [entry["message"] for entry in done]}
    return Answer({**body, "details": queued} if queued else body)


def _queued(done: list[JsonObject]) -> list[JsonValue]:
    return [_without_message(entry) for entry in done if "deployment_uuid" in entry]


def _tagged(call: Call, tags: set[str]) -> list[Application | Service]:
    everything: list[Application | Service] = [*call.coolify.applications, *call.coolify.services]
    return [thing for thing in everything if tags & set(thing.tags)]


def _without_message(entry: JsonObject) -> JsonObject:
    return {name: value for name, value in entry.items() if name != "message"}


def _deploy_one(call: Call, thing: Application | Service, preview: int) -> JsonObject:
    """What is said of one resource; the id is there also when it was skipped, and then no deployment has it."""
    entry: JsonObject = {"resource_uuid": thing.uuid}
    if isinstance(thing, Service):
        call.coolify.jobs.append(Job(kind="start_service", due=call.now + thing.start_seconds, target=thing.uuid))
        return {"message": f"Service {thing.name} started. It could take a while, be patient.", **entry}
    refused = _preview_trouble(call, thing, preview)
    if refused:
        return {"message": refused, **entry}
    return {"message": "", **entry, **_deploy_app(call, thing, preview)}


def _deploy_app(call: Call, app: Application, preview: int) -> JsonObject:
    docker_tag = call.text("docker_tag") or None
    wish = Wish(force_rebuild=call.switch("force"), pull_request_id=preview, docker_tag=docker_tag)
    uuid = new_uuid(call.coolify)
    queued = enqueue(call.state, app, uuid, wish, now=call.now)
    if queued.status == "queue_full":
        raise Refusal(Answer({"message": queued.message}, 429, {"Retry-After": "60"}))
    said = f"Application {app.text('name')} deployment queued."
    return {"message": queued.message if queued.status == "skipped" else said, "deployment_uuid": uuid}


def _preview_trouble(call: Call, app: Application, preview: int) -> str:
    docker_tag = call.text("docker_tag")
    if preview and not docker_tag:
        return f"Pull request {preview} not found for this resource."
    wrong = docker_tag and app.text("build_pack") != "dockerimage"
    return "docker_tag can only be used with Docker Image applications." if wrong else ""


def _preview(call: Call) -> int:
    wanted = call.text("pull_request_id") or call.text("pr")
    return int(wanted) if wanted.isdigit() else 0


def _resource(call: Call, uuid: str) -> Application | Service | None:
    return rows.by_uuid(call.coolify.applications, uuid) or rows.by_uuid(call.coolify.services, uuid)


def _number(call: Call, name: str, default: int, *, low: int) -> int:
    """Checked by Laravel's own validation, whose message is not `Validation failed.`"""
    value = call.text(name) or str(default)
    if value.isdigit() and int(value) >= low:
        return int(value)
    what = f"at least {low}" if value.lstrip("-").isdigit() else "an integer"
    words = f"The {name} field must be {what}."
    raise refusal(422, words, errors={name: [words]})


def _deployment(call: Call) -> Deployment:
    """A deployment whose application is gone is not found either."""
    row = found(_row(call), NOT_FOUND)
    found(rows.by_uuid(call.coolify.applications, row.application_uuid), NOT_FOUND)
    return row


def _row(call: Call) -> Deployment | None:
    return next((d for d in call.coolify.deployments if d.deployment_uuid == call.path["uuid"]), None)


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
