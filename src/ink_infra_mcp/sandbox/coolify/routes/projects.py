"""Projects and their environments."""

from collections.abc import Iterable

from pydantic import JsonValue

from ink_infra_mcp.sandbox.coolify import laravel, rows, shape
from ink_infra_mcp.sandbox.coolify.call import Answer, Call, JsonObject, found, refusal
from ink_infra_mcp.sandbox.coolify.endpoint import Endpoint
from ink_infra_mcp.sandbox.coolify.ids import new_id, new_uuid
from ink_infra_mcp.sandbox.coolify.rules import Rules, text, validate
from ink_infra_mcp.sandbox.state_coolify import Application, CoolifyState, Environment, Project, Service

NAME = text(255, r"[\w\s\-.@/&()#,:+]+", low=3)
DESCRIPTION = text(255, r"[\w\s\-.,!?()'\"+=*@/&]+", nullable=True)
NEW_RULES: Rules = {"name": NAME.needed(), "description": DESCRIPTION}
CHANGE_RULES: Rules = {"name": NAME, "description": DESCRIPTION}
ENVIRONMENT_RULES: Rules = {"name": NAME.needed()}
NO_DATABASES: JsonObject = {kind: [] for kind in ("postgresqls", "redis", "mongodbs", "mysqls", "mariadbs")}
TAKEN = "Environment with this name already exists."


def new_environment(coolify: CoolifyState, name: str, now: float) -> Environment:
    """Return a new environment."""
    return Environment(id=new_id(coolify), uuid=new_uuid(coolify), name=name, created_at=now, updated_at=now)


def _all(call: Call) -> Answer:
    return Answer([_short(project) for project in call.coolify.projects])


def _one(call: Call) -> Answer:
    project = _project(call)
    environments = [_environment(project, environment) for environment in project.environments]
    times: JsonObject = {
        "created_at": laravel.stamp(project.created_at),
        "updated_at": laravel.stamp(project.updated_at),
    }
    return Answer(
        laravel.ordered({**_short(project), "team_id": laravel.TEAM_ID, "environments": list(environments), **times})
    )


def _create(call: Call) -> Answer:
    """An environment `production` comes with it."""
    call.require_json()
    validate(call, NEW_RULES, allowed=NEW_RULES, short=False)
    project = Project(
        id=new_id(call.coolify),
        uuid=new_uuid(call.coolify),
        name=call.text("name"),
        description=call.text("description") or None,
        environments=[new_environment(call.coolify, "production", call.now)],
        created_at=call.now,
        updated_at=call.now,
    )
    call.coolify.projects.append(project)
    return Answer({"uuid": project.uuid}, 201)


def _change(call: Call) -> Answer:
    call.require_json()
    validate(call, CHANGE_RULES, allowed=CHANGE_RULES, short=False)
    project = _project(call)
    project.name = call.text("name") or project.name
    if "description" in call.fields:
        project.description = call.text("description") or None
    project.updated_at = call.now
    return Answer({"uuid": project.uuid, "name": project.name, "description": project.description}, 201)


def _delete(call: Call) -> Answer:
    project = _project(call)
    if any(_contents(call, environment) for environment in project.environments):
        raise refusal(400, "Project has resources, so it cannot be deleted.")
    call.coolify.projects.remove(project)
    return Answer({"message": "Project deleted."})


def _environments(call: Call) -> Answer:
    return Answer([{"id": e.id, "uuid": e.uuid, "name": e.name} for e in _project(call).environments])


def _details(call: Call) -> Answer:
    project = _project(call)
    environment = _named(call, project)
    inside: dict[str, list[JsonValue]] = {"applications": [], "services": []}
    for thing in _contents(call, environment):
        if isinstance(thing, Application):
            inside["applications"].append(shape.application(call, thing, number=True))
        else:
            inside["services"].append(shape.service(call, thing, number=True))
    return Answer(laravel.ordered({**_environment(project, environment), **NO_DATABASES, **inside}))


def _create_environment(call: Call) -> Answer:
    call.require_json()
    validate(call, ENVIRONMENT_RULES, allowed=ENVIRONMENT_RULES, short=False)
    project = _project(call)
    _refuse_taken(call.text("name"), project.environments)
    environment = new_environment(call.coolify, call.text("name"), call.now)
    project.environments.append(environment)
    return Answer({"uuid": environment.uuid}, 201)


def _change_environment(call: Call) -> Answer:
    call.require_json()
    validate(call, CHANGE_RULES, allowed=CHANGE_RULES, short=False)
    project = _project(call)
    environment = _named(call, project)
    name = call.text("name") or environment.name
    _refuse_taken(name, _others(project, environment))
    environment.name = name
    if "description" in call.fields:
        environment.description = call.text("description") or None
    return Answer({"uuid": environment.uuid, "name": name, "description": environment.description})


def _others(project: Project, environment: Environment) -> list[Environment]:
    return [other for other in project.environments if other is not environment]


def _refuse_taken(name: str, environments: Iterable[Environment]) -> None:
    if any(environment.name == name for environment in environments):
        raise refusal(409, TAKEN)


def _delete_environment(call: Call) -> Answer:
    project = _project(call)
    environment = _named(call, project)
    if _contents(call, environment):
        raise refusal(400, "Environment has resources, so it cannot be deleted.")
    project.environments.remove(environment)
    return Answer({"message": "Environment deleted."})


def _project(call: Call) -> Project:
    return found(rows.by_uuid(call.coolify.projects, call.uuid), "Project not found.")


def _named(call: Call, project: Project) -> Environment:
    return found(rows.environment_named(project, call.path["environment"]), "Environment not found.")


def _contents(call: Call, environment: Environment) -> list[Application | Service]:
    everything: list[Application | Service] = [*call.coolify.applications, *call.coolify.services]
    return [thing for thing in everything if thing.environment_uuid == environment.uuid]


def _short(project: Project) -> JsonObject:
    return {"id": project.id, "uuid": project.uuid, "description": project.description, "name": project.name}


def _environment(project: Project, row: Environment) -> JsonObject:
    times: JsonObject = {"created_at": laravel.stamp(row.created_at), "updated_at": laravel.stamp(row.updated_at)}
    plain: JsonObject = row.model_dump(include={"id", "uuid", "name", "description"})
    return {**plain, "project_id": project.id, **times}


ENDPOINTS = (
    Endpoint("GET", "/projects", _all),
    Endpoint("POST", "/projects", _create, "write"),
    Endpoint("GET", "/projects/{uuid}", _one),
    Endpoint("PATCH", "/projects/{uuid}", _change, "write"),
    Endpoint("DELETE", "/projects/{uuid}", _delete, "write"),
    Endpoint("GET", "/projects/{uuid}/environments", _environments),
    Endpoint("POST", "/projects/{uuid}/environments", _create_environment, "write"),
    Endpoint("PATCH", "/projects/{uuid}/environments/{environment}", _change_environment, "write"),
    Endpoint("DELETE", "/projects/{uuid}/environments/{environment}", _delete_environment, "write"),
    Endpoint("GET", "/projects/{uuid}/{environment}", _details),
)
