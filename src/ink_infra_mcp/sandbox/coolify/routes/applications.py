"""Applications that exist: their list, one of them, its log, its images and storages, its change and its end."""

import json
from datetime import UTC, datetime

from pydantic import JsonValue

from ink_infra_mcp.sandbox.coolify import rows, shape
from ink_infra_mcp.sandbox.coolify.app_checks import (
    check_data,
    check_nginx,
    check_no_domains,
    check_raw_compose,
    put_columns,
    put_settings,
    write_labels,
)
from ink_infra_mcp.sandbox.coolify.app_fields import COLUMN_RULES, PATCH_RULES, SETTING_RULES, patch_fields
from ink_infra_mcp.sandbox.coolify.call import Answer, Call, JsonObject, found, invalid, refusal
from ink_infra_mcp.sandbox.coolify.compose import BadCompose, parse_compose
from ink_infra_mcp.sandbox.coolify.containers import of_app
from ink_infra_mcp.sandbox.coolify.domains import compose_domains, normalized
from ink_infra_mcp.sandbox.coolify.endpoint import Endpoint
from ink_infra_mcp.sandbox.coolify.ids import new_uuid
from ink_infra_mcp.sandbox.coolify.jobs import DELETE_S
from ink_infra_mcp.sandbox.coolify.logs import container_log
from ink_infra_mcp.sandbox.coolify.queue import Wish, enqueue
from ink_infra_mcp.sandbox.coolify.release import V4_0, V4_3
from ink_infra_mcp.sandbox.coolify.rules import validate
from ink_infra_mcp.sandbox.state_coolify import AppImage, Application, Job, Server
from ink_infra_mcp.sandbox.state_hosts import HostState

BASIC_AUTH = ("http_basic_auth_username", "http_basic_auth_password")
NO_RAW = (
    "Cannot set docker_compose_domains without docker_compose_raw. "
    "Reload the compose file from the git repository first."
)


def _all(call: Call) -> Answer:
    tag = call.query.get("tag")
    apps = [app for app in call.coolify.applications if tag is None or tag in app.tags]
    return Answer([shape.application(call, app) for app in sorted(apps, key=lambda app: app.text("name"))])


def _one(call: Call) -> Answer:
    return Answer(shape.application(call, _app(call, "Application not found."), settings=True))


def _logs(call: Call) -> Answer:
    """The first container only; text, not lines."""
    app = _app(call, "Application not found.")
    host = rows.machine_of(call.state, rows.server_of(call.coolify, app))
    containers = of_app(host, app, pull_request_id=0) if host else []
    if [container.state for container in containers[:1]] != ["running"]:
        raise refusal(400, "Application is not running.")
    return Answer({"logs": container_log(call, app.log_lines, containers[0])})


def _storages(call: Call) -> Answer:
    app = _app(call, "Application not found")
    volumes: list[JsonValue] = [v.model_dump(exclude={"is_file"}) for v in app.volumes if not v.is_file]
    files: list[JsonValue] = [
        {"id": v.id, "uuid": v.uuid, "fs_path": v.host_path, "mount_path": v.mount_path, "is_directory": False}
        for v in app.volumes
        if v.is_file
    ]
    return Answer({"persistent_storages": volumes, "file_storages": files})


def _rollback_images(call: Call) -> Answer:
    """Every local tag of the repository is listed, whoever brought it there (seen on 4.3.11).

    `current` is read from a container named like the application, which rolling updates never leave.
    """
    app = _app(call, "Application not found.")
    host = rows.workplace_of(call.state, rows.server_of(call.coolify, app))
    if host is None:
        return Answer({"current": None, "images": []})
    current = _tag_of(host, app.uuid)
    images: list[JsonValue] = [
        {"tag": image.tag, "created_at": _docker_time(image.created_at), "is_current": image.tag == current}
        for image in _local_images(call, app)
    ]
    return Answer({"current": current, "images": images})


def _local_images(call: Call, app: Application) -> list[AppImage]:
    """Return the images of the repository on the application's server, the newest first, one to a tag."""
    repository = app.text("docker_registry_image_name") or app.uuid
    by_tag = {image.tag: image for image in _images_on(call, app.server_uuid) if image.repository == repository}
    return sorted(by_tag.values(), key=lambda image: -image.created_at)


def _images_on(call: Call, server_uuid: str) -> list[AppImage]:
    return [image for each in call.coolify.applications if each.server_uuid == server_uuid for image in each.images]


def _tag_of(host: HostState, container: str) -> str | None:
    images = [c.image for c in host.containers if c.name == container and "@" not in c.image]
    return images[0].rpartition(":")[2] if images else None


def _delete(call: Call) -> Answer:
    """Everything goes unless it is spared by name: volumes too. It is done in the background."""
    app = _app(call, "Application not found")
    volumes = call.switch("delete_volumes", default=True)
    call.coolify.jobs.append(Job(kind="delete_app", due=call.now + DELETE_S, target=app.uuid, volumes=volumes))
    return Answer({"message": "Application deletion request queued."})


def _change(call: Call) -> Answer:
    call.require_json()
    app = _app(call, "Application not found")
    server = found(rows.server_of(call.coolify, app), "Server not found.")
    _check_early(call)
    check_data(call, server, own_uuid=call.uuid)
    given = validate(call, PATCH_RULES, allowed=patch_fields(call), short=False)
    check_raw_compose(call, call.text("build_pack") or app.text("build_pack"))
    _check_basic_auth(call, app)
    check_no_domains(call, app.text("build_pack"))
    domains = _compose_domains(call, app)
    _leave_build_pack(call, app)
    put_settings(app, given, SETTING_RULES)
    put_columns(app, given, COLUMN_RULES)
    _readdress(call, app, server, domains)
    app.updated_at = call.now
    if call.switch("instant_deploy"):
        queued = enqueue(call.state, app, new_uuid(call.coolify), Wish(), now=call.now)
        if queued.status == "skipped":
            return Answer({"message": queued.message})
    return Answer({"uuid": app.uuid})


def _check_early(call: Call) -> None:
    """These come before the rules, and word their errors as a text instead of a list."""
    ports = call.text("ports_exposes")
    if ports and not all(port.isdigit() for port in ports.split(",")):
        raise invalid({"ports_exposes": "The ports_exposes should be a comma separated list of numbers."})
    check_nginx(call)


def _check_basic_auth(call: Call, app: Application) -> None:
    """Both must come along when they are not both there already."""
    if call.fields.get("is_http_basic_auth_enabled") is not True or all(map(app.text, BASIC_AUTH)):
        return
    missing = _missing_basic_auth(call)
    if missing:
        raise invalid(missing)


def _missing_basic_auth(call: Call) -> JsonObject:
    return {name: f"The {name} is required." for name in BASIC_AUTH if not call.text(name)}


def _compose_domains(call: Call, app: Application) -> dict[str, JsonObject]:
    if "docker_compose_domains" not in call.fields:
        return {}
    if not app.text("docker_compose_raw"):
        raise invalid({"docker_compose_domains": NO_RAW})
    known, before = _service_names(app), _redirects(app)
    found = compose_domains(call, own_uuid=app.uuid)
    return {name: {**before.get(name, {}), **entry} for name, entry in found.items() if name in known}


def _redirects(app: Application) -> dict[str, JsonObject]:
    """An entry that says nothing of it keeps the redirect that it had."""
    stored: dict[str, JsonObject] = json.loads(app.text("docker_compose_domains") or "{}")
    return {name: {"redirect": entry["redirect"]} for name, entry in stored.items() if entry.get("redirect")}


def _service_names(app: Application) -> set[str]:
    try:
        return {part.name for part in parse_compose(app.text("docker_compose_raw"))}
    except BadCompose:
        return set()


def _leave_build_pack(call: Call, app: Application) -> None:
    old, new = app.text("build_pack"), call.text("build_pack")
    if not new or new == old:
        return
    if old == "dockercompose":
        app.columns |= {"docker_compose_domains": None, "docker_compose_raw": None}
    if old == "dockerfile":
        app.columns |= {"dockerfile": None, "dockerfile_location": None, "dockerfile_target_build": None}


def _readdress(call: Call, app: Application, server: Server, domains: dict[str, JsonObject]) -> None:
    """Without a proxy on the server, `domains` is ignored without a word."""
    if domains:
        app.columns["docker_compose_domains"] = json.dumps(domains)
    if "domains" in call.fields and rows.has_proxy(server):
        app.columns["fqdn"] = normalized(call.fields["domains"])
        write_labels(app)


def _app(call: Call, missing: str) -> Application:
    return found(rows.by_uuid(call.coolify.applications, call.path["uuid"]), missing)


def _docker_time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S +0000 UTC")


ENDPOINTS = (
    Endpoint("GET", "/applications", _all),
    Endpoint("GET", "/applications/{uuid}", _one),
    Endpoint("PATCH", "/applications/{uuid}", _change, "write"),
    Endpoint("DELETE", "/applications/{uuid}", _delete, "write"),
    Endpoint("GET", "/applications/{uuid}/logs", _logs),
    Endpoint("GET", "/applications/{uuid}/storages", _storages, since=V4_0),
    Endpoint("GET", "/applications/{uuid}/rollback-images", _rollback_images, since=V4_3),
)
