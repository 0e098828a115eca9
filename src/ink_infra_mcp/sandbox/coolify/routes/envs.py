"""Variables of applications and services, one by one and in bulk."""

from collections.abc import Callable

from ink_infra_mcp.sandbox.coolify import rows, shape, variables
from ink_infra_mcp.sandbox.coolify.app_fields import KEY
from ink_infra_mcp.sandbox.coolify.call import Answer, Call, JsonObject, found, refusal
from ink_infra_mcp.sandbox.coolify.endpoint import Endpoint
from ink_infra_mcp.sandbox.coolify.release import V4_0
from ink_infra_mcp.sandbox.coolify.rules import SHORT, Rules, errors_of, refuse, stored_fields, switch, text, validate
from ink_infra_mcp.sandbox.state_coolify import Application, EnvVar, Service

Owner = Application | Service
Find = Callable[[Call], Owner]
RULES: Rules = {
    "key": text(255, KEY).needed(),
    "value": text(nullable=True),
    **{
        name: switch()
        for name in ("is_preview", "is_literal", "is_multiline", "is_shown_once", "is_runtime", "is_buildtime")
    },
    "comment": text(256, nullable=True),
}
ONLY_APPS = ("is_preview", "is_runtime", "is_buildtime")
EXISTS = "Environment variable already exists. Use PATCH request to update it."
MISSING = "Environment variable not found."


def _all(find: Find) -> Callable[[Call], Answer]:
    """Both sets in one list: first the normal ones, then the copies for previews."""

    def handle(call: Call) -> Answer:
        owner = find(call)
        in_order = sorted(owner.envs, key=lambda var: (var.is_preview, var.id))
        return Answer([shape.env(call, owner, var) for var in in_order])

    return handle


def _create(find: Find) -> Callable[[Call], Answer]:
    def handle(call: Call) -> Answer:
        owner = find(call)
        given = _given(call, owner)
        if variables.find(owner, str(given["key"]), preview=bool(given.get("is_preview"))):
            raise refusal(409, EXISTS)
        made = variables.add(call.coolify, owner, given, now=call.now)
        return Answer({"uuid": made.uuid} if isinstance(owner, Application) else shape.env(call, owner, made), 201)

    return handle


def _change(find: Find) -> Callable[[Call], Answer]:
    """By key, not by uuid; it never creates."""

    def handle(call: Call) -> Answer:
        call.require_json()
        owner = find(call)
        given = _given(call, owner)
        var = variables.find(owner, str(given["key"]), preview=bool(given.get("is_preview")))
        changed = found(var, MISSING)
        variables.overwrite(owner, changed, given, now=call.now)
        return Answer(shape.env(call, owner, changed), 201)

    return handle


def _bulk(find: Find) -> Callable[[Call], Answer]:
    """Not atomic: what came before a wrong item stays. Extra fields of an item are ignored."""

    def handle(call: Call) -> Answer:
        call.require_json()
        owner = find(call)
        done = [_upsert(call, owner, item) for item in _data(call)]
        return Answer([shape.env(call, owner, var) for var in done], 201)

    return handle


def _data(call: Call) -> list[JsonObject]:
    data = call.fields.get("data")
    if not isinstance(data, list) or not data:
        raise refusal(400, "Bulk data is required.")
    return [item if isinstance(item, dict) else {} for item in data]


def _upsert(call: Call, owner: Owner, item: JsonObject) -> EnvVar:
    refuse(errors_of(item, RULES, required=SHORT))
    given = stored_fields(item, RULES)
    var = variables.find(owner, str(given["key"]), preview=bool(given.get("is_preview")))
    if var is None:
        return variables.add(call.coolify, owner, given, now=call.now)
    variables.overwrite(owner, var, given, now=call.now)
    return var


def _delete(find: Find) -> Callable[[Call], Answer]:
    """The copy for previews stays."""

    def handle(call: Call) -> Answer:
        owner = find(call)
        owner.envs.remove(found(rows.by_uuid(owner.envs, call.path["env_uuid"]), MISSING))
        return Answer({"message": "Environment variable deleted."})

    return handle


def _given(call: Call, owner: Owner) -> JsonObject:
    """A service's variables have neither previews nor a build, and no field is too many (ServicesController)."""
    if isinstance(owner, Application):
        return validate(call, RULES, allowed=_fields(call))
    return validate(call, {name: rule for name, rule in RULES.items() if name not in ONLY_APPS})


def _fields(call: Call) -> list[str]:
    return [name for name in RULES if name != "comment" or call.is_at_least(V4_0)]


def _app(call: Call) -> Owner:
    return found(rows.by_uuid(call.coolify.applications, call.uuid), "Application not found")


def _service(call: Call) -> Owner:
    return found(rows.by_uuid(call.coolify.services, call.uuid), "Service not found.")


def _endpoints(root: str, find: Find) -> tuple[Endpoint, ...]:
    return (
        Endpoint("GET", f"{root}/envs", _all(find)),
        Endpoint("POST", f"{root}/envs", _create(find), "write"),
        Endpoint("PATCH", f"{root}/envs", _change(find), "write"),
        Endpoint("PATCH", f"{root}/envs/bulk", _bulk(find), "write"),
        Endpoint("DELETE", f"{root}/envs/{{env_uuid}}", _delete(find), "write"),
    )


ENDPOINTS = (*_endpoints("/applications/{uuid}", _app), *_endpoints("/services/{uuid}", _service))
