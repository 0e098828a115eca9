"""Creates projects, environments and apps: looks for its own marker first, and never creates twice."""

from collections.abc import Awaitable, Callable
from functools import partial

from ink_infra_mcp.clients.coolify.bodies import (
    AppChanges,
    NewApp,
    NewService,
    ServiceUrl,
    Source,
    create_body,
    create_service_body,
    update_body,
)
from ink_infra_mcp.clients.coolify.models import Created
from ink_infra_mcp.clients.coolify.steps.context import CoolifyStep, urls_given
from ink_infra_mcp.clients.coolify.steps.once import make_once
from ink_infra_mcp.core.errors import Conflict, StepFailed
from ink_infra_mcp.core.plan import Frozen, JsonObject

DOCKERFILE_PORT = 80
_GIVEN = frozenset({"project", "server"})
"""What an earlier step of the same plan may have made."""


class _CreateParams(Frozen):
    source: Source
    name: str
    environment: str
    settings: AppChanges
    github_app: str
    private_key: str
    dockerfile: str


async def create_project(step: CoolifyStep) -> JsonObject:
    """Make the project unless one of that name is there; return its uuid."""
    name = step.call.text("name")

    async def there() -> str | None:
        return next((project.uuid for project in await step.coolify.projects() if project.name == name), None)

    make = partial(step.coolify.create_project, name, description=step.marker)
    return {"uuid": await make_once(step, there, make, whether="the project is there")}


async def create_environment(step: CoolifyStep) -> JsonObject:
    """Make the environment unless the project has one of that name."""
    project, name = step.call.given("project"), step.call.text("name")

    async def there() -> str | None:
        detail = await step.coolify.project(project)
        return next((environment.name for environment in detail.environments if environment.name == name), None)

    make = partial(step.coolify.create_environment, project, name)
    try:
        await make_once(step, there, make, whether="the environment is there")
    except Conflict:
        step.call.say(f"the environment {name} is there already")
    return {"name": name}


async def create_application(step: CoolifyStep) -> JsonObject:
    """Make the app, or find the one that an earlier run of this step made; return its uuid and domains.

    Raises:
        StepFailed: a domain is taken.
    """
    given = {k: v for k, v in step.call.params.items() if k not in _GIVEN}
    params = _CreateParams.model_validate(given)
    body = create_body(params.source, _new_app(step, params))

    async def there() -> Created | None:
        apps = await step.coolify.applications()
        return next(
            (
                Created(uuid=app.uuid, domains=app.domains)
                for app in apps
                if app.name == params.name and step.marker in app.description
            ),
            None,
        )

    made = await _made_once(step, there, lambda: step.coolify.create_application(params.source, body))
    port = params.settings.ports_exposes
    if params.source == "dockerfile" and port not in (None, (DOCKERFILE_PORT,)):
        # Coolify looks for EXPOSE in the still encoded file, so that the port is always 80 (source, 4.3.11)
        await step.coolify.update_application(made.uuid, update_body(AppChanges(ports_exposes=port)))
    return {"uuid": made.uuid, "domains": [*made.domains]}


def _new_app(step: CoolifyStep, params: _CreateParams) -> NewApp:
    return NewApp(
        **params.settings.model_dump(exclude_none=True),
        name=params.name,
        description=f"Deployed by ink-infra-mcp. {step.marker}",
        project_uuid=step.call.given("project"),
        environment_name=params.environment,
        server_uuid=step.call.given("server"),
        github_app_uuid=params.github_app or None,
        private_key_uuid=params.private_key or None,
        dockerfile=params.dockerfile or None,
    )


async def create_service(step: CoolifyStep) -> JsonObject:
    """Make the compose app, or find the one that an earlier run of this step made; return its uuid and domains.

    Raises:
        StepFailed: a domain is taken.
    """
    text = step.call.text
    new = NewService(
        name=text("name"),
        description=f"Deployed by ink-infra-mcp. {step.marker}",
        compose=text("compose"),
        urls=(ServiceUrl(name=text("front"), urls=urls_given(step)),),
        project_uuid=step.call.given("project"),
        environment_name=text("environment"),
        server_uuid=step.call.given("server"),
    )

    async def there() -> Created | None:
        # an operation that adds several Muscles makes several canaries
        own = (s for s in await step.coolify.services() if s.name == new.name and step.marker in s.description)
        return next((Created(uuid=s.uuid, domains=s.urls) for s in own), None)

    made = await _made_once(step, there, lambda: step.coolify.create_service(create_service_body(new)))
    return {"uuid": made.uuid, "domains": [*made.domains]}


async def _made_once(
    step: CoolifyStep, there: Callable[[], Awaitable[Created | None]], create: Callable[[], Awaitable[Created]]
) -> Created:
    try:
        return await make_once(step, there, create, whether="the app is there")
    except Conflict as error:
        raise StepFailed(error.failed, done="No app was created.", next=error.next, stage="create") from error
