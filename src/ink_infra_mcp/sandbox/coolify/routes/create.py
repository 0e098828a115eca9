"""New applications: from git (three ways), from a Dockerfile, from an image; and, in old versions, from compose."""

import json
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from pydantic import JsonValue

from ink_infra_mcp.sandbox.coolify import rows, variables
from ink_infra_mcp.sandbox.coolify.app_checks import (
    check_data,
    check_nginx,
    check_no_domains,
    check_raw_compose,
    decoded,
    put_columns,
    put_settings,
    write_labels,
)
from ink_infra_mcp.sandbox.coolify.app_fields import (
    BY_TYPE,
    COLUMN_RULES,
    PLACE_RULES,
    SETTING_RULES,
    SHARED_RULES,
    create_fields,
)
from ink_infra_mcp.sandbox.coolify.call import Answer, Call, JsonObject, found, refusal
from ink_infra_mcp.sandbox.coolify.defaults import new_columns, new_settings
from ink_infra_mcp.sandbox.coolify.domains import compose_domains, normalized, own_domain
from ink_infra_mcp.sandbox.coolify.endpoint import Endpoint
from ink_infra_mcp.sandbox.coolify.git_rules import github_name
from ink_infra_mcp.sandbox.coolify.ids import new_id, new_uuid
from ink_infra_mcp.sandbox.coolify.images import split_image
from ink_infra_mcp.sandbox.coolify.jobs import LOAD_COMPOSE_S
from ink_infra_mcp.sandbox.coolify.places import Place, place_for
from ink_infra_mcp.sandbox.coolify.queue import Wish, enqueue
from ink_infra_mcp.sandbox.coolify.release import V4_1
from ink_infra_mcp.sandbox.coolify.routes import services
from ink_infra_mcp.sandbox.coolify.rules import check_tags, validate
from ink_infra_mcp.sandbox.state_coolify import Application, Job

GIT_TYPES = frozenset({"public", "private-github-app", "private-deploy-key"})
ONLY_GIT = frozenset({"is_static", "is_spa", "is_auto_deploy_enabled", "is_preserve_repository_enabled"})
"""Settings that create_application applies to what comes from git only (read in ApplicationsController, 4.3.11)."""
NO_REPOSITORY = "Repository not found or not accessible by the GitHub App."
Fill = Callable[[Call, Application], None]


def _create(call: Call, kind: str) -> Answer:
    call.require_json()
    validate(call, PLACE_RULES, allowed=create_fields(call))
    check_tags(call)
    build_pack = call.text("build_pack") if kind in GIT_TYPES else kind
    check_raw_compose(call, build_pack)
    check_nginx(call)
    place = place_for(call)
    given = validate(call, {**SHARED_RULES, **BY_TYPE[kind]}, short=kind not in GIT_TYPES)
    check_no_domains(call, build_pack)
    check_data(call, place.server)
    app = _row(call, place, build_pack)
    put_columns(app, given, COLUMN_RULES)
    put_settings(app, _applied(given, kind), SETTING_RULES)
    _FILL[kind](call, app)
    _address(call, app, place)
    call.coolify.applications.append(app)
    _first_variable(call, app)
    _first_deployment(call, app)
    return Answer({"uuid": app.uuid, "domains": app.columns["fqdn"]}, 201)


def _applied(given: JsonObject, kind: str) -> JsonObject:
    """Return the settings that this way of creating applies; the others are taken, and lost without a word."""
    return given if kind in GIT_TYPES else {name: value for name, value in given.items() if name not in ONLY_GIT}


def _row(call: Call, place: Place, build_pack: str) -> Application:
    number, uuid = new_id(call.coolify), new_uuid(call.coolify)
    return Application(
        id=number,
        uuid=uuid,
        environment_uuid=place.environment.uuid,
        server_uuid=place.server.uuid,
        destination_uuid=place.destination.uuid,
        columns={**new_columns(uuid), "build_pack": build_pack},
        settings=new_settings(),
        tags=[str(tag) for tag in call.items("tags")],
        created_at=call.now,
        updated_at=call.now,
    )


def _fill_public(call: Call, app: Application) -> None:
    address = call.text("git_repository")
    if urlsplit(address).hostname == "github.com":
        app.columns["git_repository"] = "/".join(urlsplit(address).path.strip("/").split("/")[:2])
        app.columns |= {"source_id": 0, "source_type": "App\\Models\\GithubApp"}
    _fill_git(call, app)


def _fill_github_app(call: Call, app: Application) -> None:
    """Coolify asks GitHub whether the installation may read the repository."""
    source = rows.by_uuid(call.coolify.github_apps, call.text("github_app_uuid"))
    source = found(source, "Github App not found.")
    name = github_name(call.text("git_repository"))
    readable = name in source.repositories or "*" in source.repositories
    if not readable or name not in call.state.github.repos:
        raise refusal(404, NO_REPOSITORY)
    app.columns["git_repository"] = name
    app.github_app_uuid = source.uuid
    _fill_git(call, app)


def _fill_deploy_key(call: Call, app: Application) -> None:
    key = rows.by_uuid(call.coolify.keys, call.text("private_key_uuid"))
    app.private_key_uuid = found(key, "Private Key not found.").uuid
    _fill_git(call, app)


def _fill_git(call: Call, app: Application) -> None:
    repository = github_name(app.text("git_repository")).split("/")[-1]
    app.columns["name"] = call.text("name") or f"{repository}:{call.text('git_branch')}-{new_uuid(call.coolify)}"
    if app.text("build_pack") != "dockercompose":
        return
    app.columns["ports_exposes"] = "80"
    if "docker_compose_domains" in call.fields:
        app.columns["docker_compose_domains"] = json.dumps(compose_domains(call))


def _fill_dockerfile(call: Call, app: Application) -> None:
    """The port is looked for in the base64 text, where no EXPOSE stands, so it is always 80 (seen there)."""
    app.columns["dockerfile"] = decoded(call, "dockerfile")
    app.columns["ports_exposes"] = _exposed(call.text("dockerfile"))
    app.columns["name"] = call.text("name") or f"dockerfile-{new_uuid(call.coolify)}"
    _fill_placeholder(app)


def _fill_image(call: Call, app: Application) -> None:
    name, tag = split_image(call.text("docker_registry_image_name"), call.text("docker_registry_image_tag"))
    app.columns |= {"docker_registry_image_name": name, "docker_registry_image_tag": tag}
    app.columns["name"] = call.text("name") or f"docker-image-{new_uuid(call.coolify)}"
    _fill_placeholder(app)


def _fill_placeholder(app: Application) -> None:
    """Applications without git carry Coolify's own repository in these columns."""
    app.columns |= {"git_repository": "coollabsio/coolify", "git_branch": "main"}


def _exposed(text: str) -> str:
    ports = [line.strip().removeprefix("EXPOSE").strip() for line in text.splitlines() if line.startswith("EXPOSE")]
    return ports[0] if ports else "80"


def _address(call: Call, app: Application, place: Place) -> None:
    app.columns["fqdn"] = normalized(call.fields.get("domains"))
    if app.columns["fqdn"] is None and call.switch("autogenerate_domain", default=True):
        app.columns["fqdn"] = own_domain(call.coolify, place.server, app.uuid)
    write_labels(app)


def _first_variable(call: Call, app: Application) -> None:
    if app.text("build_pack") == "nixpacks":
        node: dict[str, JsonValue] = {"key": "NIXPACKS_NODE_VERSION", "value": "22", "is_runtime": False}
        variables.add(call.coolify, app, node, now=call.now)


def _first_deployment(call: Call, app: Application) -> None:
    """A full queue is not noticed: the application is made, and no deployment (seen in the controller)."""
    if call.switch("instant_deploy"):
        enqueue(call.state, app, new_uuid(call.coolify), Wish(now_or_never=True), now=call.now)
    elif app.text("build_pack") == "dockercompose":
        job = Job(kind="load_compose", due=call.now + LOAD_COMPOSE_S, target=app.uuid)
        call.coolify.jobs.append(job)


_FILL: Mapping[str, Fill] = {
    "public": _fill_public,
    "private-github-app": _fill_github_app,
    "private-deploy-key": _fill_deploy_key,
    "dockerfile": _fill_dockerfile,
    "dockerimage": _fill_image,
}


def _creator(kind: str) -> Callable[[Call], Answer]:
    return lambda call: _create(call, kind)


ENDPOINTS = (
    *(Endpoint("POST", f"/applications/{kind}", _creator(kind), "write") for kind in _FILL),
    Endpoint("POST", "/applications/dockercompose", services.create_from_compose, "write", until=V4_1),
)
