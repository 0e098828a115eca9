"""Rows as the API shows them: the keys of Coolify 4.3.10 and its hidden fields."""

import json

from pydantic import JsonValue

from ink_infra_mcp.sandbox.coolify import dotenv, rows
from ink_infra_mcp.sandbox.coolify.call import Call, JsonObject
from ink_infra_mcp.sandbox.coolify.laravel import TEAM_ID, ordered, stamp
from ink_infra_mcp.sandbox.coolify.release import V4_2
from ink_infra_mcp.sandbox.coolify.server_shape import server_full
from ink_infra_mcp.sandbox.state_coolify import (
    Application,
    Deployment,
    EnvVar,
    GithubApp,
    LogEntry,
    PrivateKey,
    Server,
    Service,
    ServicePart,
)

SECRET_COLUMNS = frozenset(
    {
        "custom_labels",
        "docker_compose",
        "docker_compose_raw",
        "dockerfile",
        "http_basic_auth_password",
        "manual_webhook_secret_bitbucket",
        "manual_webhook_secret_gitea",
        "manual_webhook_secret_github",
        "manual_webhook_secret_gitlab",
    }
)


def resource(thing: Application | Service) -> JsonObject:
    """Return an entry of GET /servers/{uuid}/resources."""
    is_app = isinstance(thing, Application)
    return {
        "id": thing.id,
        "uuid": thing.uuid,
        "name": rows.name_of(thing),
        "type": "application" if is_app else "service",
        "created_at": stamp(thing.created_at),
        "updated_at": stamp(thing.updated_at),
        "status": thing.status if isinstance(thing, Application) else rows.service_status(thing),
    }


def application(call: Call, app: Application, *, settings: bool = False, number: bool = False) -> JsonObject:
    """Return an application; its number is only in lists over everything, its secrets for those who may read them.

    The destination with its server comes along because the computed `server_status` loads it [seen in Application.php].
    """
    server = rows.server_of(call.coolify, app)
    row: JsonObject = {
        **_columns(call, app),
        **_whereabouts(call, app, server),
        "uuid": app.uuid,
        "status": app.status,
        "last_online_at": stamp(app.last_online_at),
        "server_status": rows.is_functional(server),
        "additional_servers": [],
        "created_at": stamp(app.created_at),
        "updated_at": stamp(app.updated_at),
        "deleted_at": None,
    }
    if settings:
        row["environment"] = _environment(call, app)
    if settings and call.is_at_least(V4_2):
        row["settings"] = dict(app.settings)
    return ordered({**row, "id": app.id} if number else row)


def _environment(call: Call, app: Application) -> JsonValue:
    place = rows.place_of(call.coolify, app.environment_uuid)
    if place is None:
        return None
    project, found = place
    times: JsonObject = {"created_at": stamp(found.created_at), "updated_at": stamp(found.updated_at)}
    return {**found.model_dump(exclude={"created_at", "updated_at"}), "project_id": project.id, **times}


def _columns(call: Call, app: Application) -> JsonObject:
    if not call.sees_secrets:
        return _public_columns(app)
    key = rows.by_uuid(call.coolify.keys, app.private_key_uuid or "")
    return {**app.columns, "private_key_id": key.id if key else None}


def _public_columns(app: Application) -> JsonObject:
    return {name: value for name, value in app.columns.items() if name not in SECRET_COLUMNS}


def deployment(call: Call, row: Deployment, *, with_application: bool = False) -> JsonObject:
    """Return a deployment; its log is JSON inside a text, and only for those who may read secrets."""
    app = rows.by_uuid(call.coolify.applications, row.application_uuid)
    server = rows.server_of(call.coolify, row)
    shown: JsonObject = {
        **row.model_dump(include=_PLAIN_DEPLOYMENT),
        **dict.fromkeys(_NULL_IN_DEPLOYMENT),
        "application_id": str(app.id) if app else None,
        **_server_ids(server),
        "deployment_url": f"{_page_of(call, app)}/deployment/{row.deployment_uuid}",
        "only_this_server": False,
        "finished_at": stamp(row.finished_at),
        "created_at": stamp(row.created_at),
        "updated_at": stamp(row.updated_at),
    }
    if call.sees_secrets:
        shown["logs"] = _logs(row)
    return ordered({**shown, "application": application(call, app, number=True)} if with_application and app else shown)


def _server_ids(server: Server | None) -> JsonObject:
    if server is None:
        return {"server_id": None, "destination_id": None}
    return {"server_id": server.id, "destination_id": str(server.destinations[0].id)}


def _page_of(call: Call, app: Application | None) -> str:
    place = rows.place_of(call.coolify, app.environment_uuid) if app else None
    if app is None or place is None:
        return ""
    return f"/project/{place[0].uuid}/environment/{place[1].uuid}/application/{app.uuid}"


def _logs(row: Deployment) -> str | None:
    return json.dumps([_log(entry) for entry in row.logs]) if row.logs else None


def env(call: Call, owner: Application | Service, var: EnvVar) -> JsonObject:
    """Return a variable; its value is hidden without the right to secrets, and for ever when it is shown once."""
    kind = "Application" if isinstance(owner, Application) else "Service"
    row: JsonObject = {
        **var.model_dump(exclude={"id", "value", "created_at", "updated_at"}),
        "order": None,
        "is_shared": _is_reference(var.value),
        "is_required": False,
        "is_really_required": False,
        "is_buildpack_control": var.key.startswith(("NIXPACKS_", "RAILPACK_")),
        "is_coolify": var.key.startswith("SERVICE_"),
        "version": call.coolify.version,
        "created_at": stamp(var.created_at),
        "updated_at": stamp(var.updated_at),
    }
    if call.sees_secrets and not var.is_shown_once:
        written = dotenv.line(var).partition("=")[2]
        row |= {"value": var.value, "real_value": written, "resourceable_type": rf"App\Models\{kind}"}
    return ordered(row)


def key(call: Call, row: PrivateKey) -> JsonObject:
    """Return a private key; the private half only for those who may read secrets."""
    shown: JsonObject = {
        **row.model_dump(exclude={"private_key", "created_at", "updated_at"}),
        "team_id": TEAM_ID,
        "created_at": stamp(row.created_at),
        "updated_at": stamp(row.updated_at),
    }
    return ordered(shown | ({"private_key": row.private_key} if call.sees_secrets else {}))


def github_app(row: GithubApp) -> JsonObject:
    """Return a GitHub source, without its secrets."""
    shown: JsonObject = row.model_dump(exclude={"repositories", "created_at", "updated_at"})
    times: JsonObject = {"created_at": stamp(row.created_at), "updated_at": stamp(row.updated_at)}
    return ordered({**shown, "team_id": TEAM_ID, "custom_user": "git", "custom_port": 22, **times})


def service(call: Call, row: Service, *, number: bool = False) -> JsonObject:
    """Return a service; its compose file only for those who may read secrets.

    Its server and its containers come along in lists too, because the computed `server_status` and `status` load them
    [seen in Service.php].
    """
    server = rows.server_of(call.coolify, row)
    place = rows.place_of(call.coolify, row.environment_uuid)
    shown: JsonObject = {
        **row.model_dump(include=_PLAIN_SERVICE),
        "is_container_label_readonly_enabled": False,
        "environment_id": place[1].id if place else None,
        **_home_of_service(call, server),
        "applications": _parts(row, databases=False),
        "databases": _parts(row, databases=True),
        "destination_type": "App\\Models\\StandaloneDocker",
        "service_type": None,
        "config_hash": None,
        "compose_parsing_version": "5",
        "server_status": rows.is_functional(server),
        "status": rows.service_status(row),
        "created_at": stamp(row.created_at),
        "updated_at": stamp(row.updated_at),
        "deleted_at": None,
    }
    if call.sees_secrets:
        shown |= {"docker_compose_raw": row.docker_compose_raw, "docker_compose": row.docker_compose}
    return ordered({**shown, "id": row.id} if number else shown)


def _home_of_service(call: Call, server: Server | None) -> JsonObject:
    if server is None:
        return {"server_id": None, "server": None, "destination_id": None}
    return {"server_id": server.id, "server": server_full(call, server), "destination_id": server.destinations[0].id}


def _parts(row: Service, *, databases: bool) -> list[JsonValue]:
    return [_part(part) for part in row.parts if part.is_database == databases]


_PLAIN_SERVICE = {"uuid", "name", "description", "connect_to_docker_network", "is_container_label_escape_enabled"}
_NULL_IN_DEPLOYMENT = (
    "git_type",
    "current_process_id",
    "build_server_id",
    "configuration_hash",
    "horizon_job_id",
    "horizon_job_worker",
)
_PLAIN_DEPLOYMENT = {
    "id",
    "deployment_uuid",
    "application_name",
    "server_name",
    "status",
    "commit",
    "commit_message",
    "pull_request_id",
    "docker_registry_image_tag",
    "force_rebuild",
    "restart_only",
    "rollback",
    "is_api",
    "is_webhook",
}


def _whereabouts(call: Call, app: Application, server: Server | None) -> JsonObject:
    place = rows.place_of(call.coolify, app.environment_uuid)
    return {
        "environment_id": place[1].id if place else None,
        "destination_type": "App\\Models\\StandaloneDocker",
        **(_destination(call, server, app.destination_uuid) if server else {}),
    }


def _destination(call: Call, server: Server, uuid: str) -> JsonObject:
    row = rows.by_uuid(server.destinations, uuid) or server.destinations[0]
    nested: JsonObject = {**row.model_dump(), "server_id": server.id, "server": server_full(call, server)}
    return {"destination_id": row.id, "destination": nested}


def _log(entry: LogEntry) -> JsonObject:
    return {**entry.model_dump(exclude={"timestamp"}), "timestamp": stamp(entry.timestamp)}


def _is_reference(value: str | None) -> bool:
    """A value in double braces is taken for a variable that is shared (read in EnvironmentVariable.php, 4.3.11)."""
    return (value or "").startswith("{{") and (value or "").endswith("}}")


def _part(part: ServicePart) -> JsonObject:
    """A database has no domain."""
    hidden = {"is_database", "fqdn"} if part.is_database else {"is_database"}
    return {**part.model_dump(exclude=hidden), "human_name": None}
