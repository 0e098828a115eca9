"""Start, stop, restart and roll back an application."""

import re

from ink_infra_mcp.sandbox.coolify import rows
from ink_infra_mcp.sandbox.coolify.call import Answer, Call, JsonObject, found, invalid, refusal
from ink_infra_mcp.sandbox.coolify.endpoint import Endpoint
from ink_infra_mcp.sandbox.coolify.ids import new_uuid
from ink_infra_mcp.sandbox.coolify.jobs import STOP_S
from ink_infra_mcp.sandbox.coolify.queue import Wish, enqueue
from ink_infra_mcp.sandbox.coolify.release import V4_3
from ink_infra_mcp.sandbox.coolify.rules import Rules, text, validate
from ink_infra_mcp.sandbox.state_coolify import Application, Job

GIT_REF = r"[a-zA-Z0-9][a-zA-Z0-9._\-/]*"
ROLLBACK_RULES: Rules = {"commit": text().needed()}


def _start(call: Call) -> Answer:
    wish = Wish(force_rebuild=call.switch("force"), now_or_never=call.switch("instant_deploy"))
    return _queue(call, wish, "Deployment request queued.")


def _restart(call: Call) -> Answer:
    return _queue(call, Wish(restart_only=True), "Restart request queued.")


def _queue(call: Call, wish: Wish, message: str) -> Answer:
    """A full queue is not noticed: the answer carries an id that no deployment has (seen in the controller)."""
    app, uuid = _app(call), new_uuid(call.coolify)
    queued = enqueue(call.state, app, uuid, wish, now=call.now)
    if queued.status == "skipped":
        return Answer({"message": queued.message})
    return Answer({"message": message, "deployment_uuid": uuid})


def _stop(call: Call) -> Answer:
    cleanup = call.switch("docker_cleanup", default=True)
    job = Job(kind="stop_app", due=call.now + STOP_S, target=_app(call).uuid, cleanup=cleanup)
    call.coolify.jobs.append(job)
    return Answer({"message": "Application stopping request queued."})


def _rollback(call: Call) -> Answer:
    """Whether an image of that commit exists is not looked at."""
    call.require_json()
    validate(call, ROLLBACK_RULES, allowed=ROLLBACK_RULES)
    app = found(rows.by_uuid(call.coolify.applications, call.path["uuid"]), "Application not found.")
    commit = call.text("commit")
    if not re.fullmatch(GIT_REF, commit):
        raise invalid({"commit": ["Invalid rollback commit: only letters, digits and ._-/ are allowed."]})
    uuid = new_uuid(call.coolify)
    queued = enqueue(call.state, app, uuid, Wish(rollback=True, commit=commit), now=call.now)
    if queued.status == "queue_full":
        raise refusal(400, queued.message)
    body: JsonObject = {"message": "Rollback deployment queued.", "deployment_uuid": uuid}
    return Answer(body)


def _app(call: Call) -> Application:
    """By `call.uuid`: a `?uuid=` in the query selects another application than the path."""
    return found(rows.by_uuid(call.coolify.applications, call.uuid), "Application not found.")


ENDPOINTS = (
    Endpoint("POST", "/applications/{uuid}/start", _start, "deploy", was="both", old_ability="write"),
    Endpoint("POST", "/applications/{uuid}/restart", _restart, "deploy", was="both", old_ability="write"),
    Endpoint("POST", "/applications/{uuid}/stop", _stop, "deploy", was="both", old_ability="write"),
    Endpoint("POST", "/applications/{uuid}/rollback", _rollback, "deploy", since=V4_3),
)
