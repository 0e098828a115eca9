"""The instance itself: version, health, the API's switch, the team, GitHub sources, and lists over everything."""

from pydantic import JsonValue

from ink_infra_mcp.sandbox.coolify import laravel, shape
from ink_infra_mcp.sandbox.coolify.call import Answer, Call, JsonObject, refusal
from ink_infra_mcp.sandbox.coolify.endpoint import Endpoint

TEAM: JsonObject = {
    "id": laravel.TEAM_ID,
    "name": "Root Team",
    "description": "The root team",
    "personal_team": True,
    "show_boarding": False,
    "is_mcp_server_enabled": True,
}


def _version(call: Call) -> Answer:
    """Plain text, not JSON."""
    return Answer(call.coolify.version, plain=True)


def _health(_: Call) -> Answer:
    return Answer("OK", plain=True)


def _enable(call: Call) -> Answer:
    call.coolify.is_api_enabled = True
    return Answer({"message": "API enabled."})


def _disable(call: Call) -> Answer:
    call.coolify.is_api_enabled = False
    return Answer({"message": "API disabled."})


def _team(call: Call) -> Answer:
    return Answer(_stamped(call))


def _teams(call: Call) -> Answer:
    return Answer([_stamped(call)])


def _team_by_id(call: Call) -> Answer:
    if call.path["id"] != str(laravel.TEAM_ID):
        raise refusal(404, "Team not found.")
    return _team(call)


def _members(call: Call) -> Answer:
    began = laravel.stamp(call.state.began)
    member: JsonObject = {"id": 0, "name": "Root User", "email": "root@example.com", "created_at": began}
    return Answer([member])


def _github_apps(call: Call) -> Answer:
    return Answer([shape.github_app(row) for row in call.coolify.github_apps])


def _resources(call: Call) -> Answer:
    apps = [shape.application(call, app, number=True) for app in call.coolify.applications]
    services = [shape.service(call, row, number=True) for row in call.coolify.services]
    typed: list[JsonValue] = [{**row, "type": "application"} for row in apps]
    return Answer([*typed, *({**row, "type": "service"} for row in services)])


def _databases(_: Call) -> Answer:
    """The pretend world has none, and no way to make one."""
    return Answer([])


def _stamped(call: Call) -> JsonObject:
    began = laravel.stamp(call.state.began)
    return {**TEAM, "created_at": began, "updated_at": began}


ENDPOINTS = (
    Endpoint("GET", "/version", _version),
    Endpoint("GET", "/health", _health, ability=None),
    Endpoint("POST", "/enable", _enable, "write", was="get", always=True),
    Endpoint("POST", "/disable", _disable, "write", was="get", always=True),
    Endpoint("GET", "/team", _team),
    Endpoint("GET", "/team/members", _members),
    Endpoint("GET", "/teams", _teams),
    Endpoint("GET", "/teams/current", _team),
    Endpoint("GET", "/teams/current/members", _members),
    Endpoint("GET", "/teams/{id}", _team_by_id),
    Endpoint("GET", "/github-apps", _github_apps),
    Endpoint("GET", "/resources", _resources),
    Endpoint("GET", "/databases", _databases),
)
