"""Changes apps that exist: settings and variables."""

from ink_infra_mcp.clients.coolify.bodies import (
    AppChanges,
    EnvSpec,
    ServiceChanges,
    ServiceUrl,
    update_body,
    update_service_body,
)
from ink_infra_mcp.clients.coolify.models import EnvVar
from ink_infra_mcp.clients.coolify.steps.context import CoolifyStep
from ink_infra_mcp.core.errors import NotFound
from ink_infra_mcp.core.plan import Frozen, JsonObject
from ink_infra_mcp.core.secret import Secret

_SECRET = "secret:"


class _EnvParams(Frozen):
    variables: dict[str, str]


class _NamesParams(Frozen):
    names: frozenset[str]


async def update_application(step: CoolifyStep) -> JsonObject:
    """Set the given settings; setting them again changes nothing."""
    settings = AppChanges.model_validate(step.call.params["settings"])
    uuid = step.call.given("app")
    await step.coolify.update_application(uuid, update_body(settings))
    return {"uuid": uuid, "fields": [*sorted(settings.model_fields_set)]}


async def update_service(step: CoolifyStep) -> JsonObject:
    """Set the compose file and the URL of a compose app; setting them again changes nothing."""
    text, uuid = step.call.text, step.call.given("app")
    changes = ServiceChanges(compose=text("compose"), urls=(ServiceUrl(name=text("front"), urls=(text("url"),)),))
    await step.coolify.update_service(uuid, update_service_body(changes))
    return {"uuid": uuid}


async def settle_service(step: CoolifyStep) -> JsonObject:
    """Have Coolify make the generated file of a compose app anew, by setting the name that it has.

    After a creation or a change of its URLs the generated file is that from before them; each further change makes it
    anew (ServicesController and serviceParser, version 4.3.11), and so does the start.
    """
    uuid = step.call.given("app")
    await step.coolify.update_service(uuid, update_service_body(ServiceChanges(name=step.call.text("name"))))
    return {"uuid": uuid}


async def set_env(step: CoolifyStep) -> JsonObject:
    """Set variables, each with all its flags; a value `secret:NAME` is resolved now and goes to the wire only."""
    params = _EnvParams.model_validate({"variables": step.call.params["variables"]})
    uuid, app = step.call.given("app"), step.app_calls
    known = {row.key: row for row in await app.envs(uuid) if not row.is_preview}
    for key, value in params.variables.items():
        spec = _spec(key, _value(step, value), known.get(key))
        await app.upsert_env(uuid, spec, exists=key in known)
    return {"names": [*sorted(params.variables)]}


async def delete_env(step: CoolifyStep) -> JsonObject:
    """Remove variables with their copies for previews; what is gone already counts as removed."""
    wanted = _NamesParams.model_validate({"names": step.call.params["names"]}).names
    uuid, app = step.call.given("app"), step.app_calls
    for row in await app.envs(uuid):
        if row.key not in wanted:
            continue
        try:
            await app.delete_env(uuid, row.uuid)
        except NotFound:
            step.call.say(f"{row.key} is gone already")
    return {"names": [*sorted(wanted)]}


def _value(step: CoolifyStep, value: str) -> Secret:
    if value.startswith(_SECRET):
        return step.need_secret(f"app:{value.removeprefix(_SECRET)}")
    return Secret(value)


def _spec(key: str, value: Secret, now: EnvVar | None) -> EnvSpec:
    """Coolify resets each flag that is left out, so the present ones are sent again."""
    if now is None:
        return EnvSpec(key=key, value=value)
    return EnvSpec(
        key=key,
        value=value,
        is_literal=now.is_literal,
        is_multiline=now.is_multiline,
        is_shown_once=now.is_shown_once,
        is_runtime=now.is_runtime,
        is_buildtime=now.is_buildtime,
        comment=now.comment,
    )
