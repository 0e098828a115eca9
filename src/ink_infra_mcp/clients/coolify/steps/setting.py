"""Changes the settings of apps that exist."""

from ink_infra_mcp.clients.coolify.bodies import (
    AppChanges,
    ServiceChanges,
    ServiceUrl,
    update_body,
    update_service_body,
)
from ink_infra_mcp.clients.coolify.steps.context import CoolifyStep, urls_given
from ink_infra_mcp.core.plan import JsonObject


async def update_application(step: CoolifyStep) -> JsonObject:
    """Set the given settings; setting them again changes nothing."""
    settings = AppChanges.model_validate(step.call.params["settings"])
    uuid = step.call.given("app")
    await step.coolify.update_application(uuid, update_body(settings))
    return {"uuid": uuid, "fields": [*sorted(settings.model_fields_set)]}


async def update_service(step: CoolifyStep) -> JsonObject:
    """Set the compose file and the URL of a compose app; setting them again changes nothing."""
    text, uuid = step.call.text, step.call.given("app")
    changes = ServiceChanges(compose=text("compose"), urls=(ServiceUrl(name=text("front"), urls=urls_given(step)),))
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
