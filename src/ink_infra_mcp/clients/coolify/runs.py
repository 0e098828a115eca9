"""What Coolify would run of an app if it were started now, by facets.

Every field that Coolify shows of an app, its settings, its variables and its mounts counts, a field of a later version
too: left out is only what stands here with its reason. Read in the models, ApplicationDeploymentJob and the parsers of
version 4.3.11.
"""

import json
from collections.abc import Iterable, Mapping

from pydantic import JsonValue

from ink_infra_mcp.clients.coolify.apps import same_spelling
from ink_infra_mcp.core.compose.reading import read_compose
from ink_infra_mcp.core.errors import InputError
from ink_infra_mcp.core.fingerprint import UNREADABLE, Pinning
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.shapes import items, table

VARIABLE, PART, STORAGE, COMPOSE = "variable ", "part ", "storage ", "compose file"
"""How the facets are called that are no fields of an application: the first three are followed by a name."""
COMMANDS = frozenset(
    {
        "install_command",
        "build_command",
        "start_command",
        "pre_deployment_command",
        "post_deployment_command",
        "health_check_command",
        "custom_docker_run_options",
        "docker_compose_custom_build_command",
        "docker_compose_custom_start_command",
    }
)
"""Fields whose text runs, or becomes options of what runs; a new app has those only that its plan sets."""
PLAIN = COMMANDS | {
    "git_repository",
    "git_branch",
    "git_commit_sha",
    "docker_registry_image_name",
    "docker_registry_image_tag",
    "build_pack",
    "base_directory",
    "dockerfile_location",
    "domains",
}
"""Facets that a plan holds as they are, since a person reads them; it has digests of all others."""
_SHARED = "{{"
"""A value with it has a variable of the team, the project or the environment in it (EnvironmentVariable.php)."""
_LISTS = frozenset({"domains", "ports_exposes"})
"""What we give Coolify as a list it keeps as a text with commas."""
_PEOPLE = "a word for people"
_LISTED = "says which app it is and where it is listed"
_BECAME = "what became of it"
_MADE = "Coolify makes it of the other fields"
_PREVIEWS = "previews are other containers"
_ASKED = "who else may ask for a deployment; each request of ours looks anew at what would run"
_KEPT = "what is kept or logged beside it"
NOT_OF_APPS: Mapping[str, str] = {
    **dict.fromkeys(("name", "description", "tags"), _PEOPLE),
    **dict.fromkeys(
        ("id", "uuid", "application_id", "environment", "environment_id", "repository_project_id"), _LISTED
    ),
    **dict.fromkeys(("status", "server_status", "last_online_at", "restart_count"), _BECAME),
    **dict.fromkeys(("last_restart_at", "last_restart_type"), _BECAME),
    **dict.fromkeys(("created_at", "updated_at", "deleted_at"), _BECAME),
    **dict.fromkeys(("config_hash", "docker_compose", "custom_healthcheck_found", "domain_dns_statuses"), _MADE),
    **dict.fromkeys(("preview_url_template", "is_preview_deployments_enabled"), _PREVIEWS),
    "is_pr_deployments_public_enabled": _PREVIEWS,
    **dict.fromkeys((f"manual_webhook_secret_{at}" for at in ("github", "gitlab", "bitbucket", "gitea")), _ASKED),
    **dict.fromkeys(("watch_paths", "is_auto_deploy_enabled"), _ASKED),
    **dict.fromkeys(("docker_images_to_keep", "is_debug_enabled"), _KEPT),
    "destination": "the facets server and network say where it runs",
    "settings": "each of its fields is a facet",
}
"""Fields of an application and of its settings that decide nothing of what runs, each with its reason."""
NOT_OF_SERVICES: Mapping[str, str] = {
    **dict.fromkeys(("name", "description"), _PEOPLE),
    **dict.fromkeys(("id", "uuid", "environment", "environment_id", "service_type"), _LISTED),
    **dict.fromkeys(("status", "server_status", "created_at", "updated_at", "deleted_at"), _BECAME),
    "config_hash": _MADE,
    "docker_compose": "made of the file at each start; the steps judge and judge_started read it",
    "docker_compose_raw": "the facet `compose file` is what it says",
    **dict.fromkeys(("applications", "databases"), "each field of each container is a facet"),
    **dict.fromkeys(("destination", "server"), "the facet server_id says where it runs"),
}
NOT_OF_PARTS: Mapping[str, str] = {
    **dict.fromkeys(("name", "human_name", "description"), _PEOPLE),
    **dict.fromkeys(("id", "uuid", "service_id", "service"), _LISTED),
    **dict.fromkeys(("status", "server_status", "last_online_at", "created_at", "updated_at", "deleted_at"), _BECAME),
    **dict.fromkeys(("image", "ports", "exposes", "is_migrated", "domain_dns_statuses"), _MADE),
    "is_include_timestamps": "how its log is shown",
}
NOT_OF_VARIABLES: Mapping[str, str] = {
    "comment": _PEOPLE,
    **dict.fromkeys(("id", "uuid", "key", "resourceable_type", "resourceable_id"), _LISTED),
    **dict.fromkeys(("created_at", "updated_at", "version"), "when and by which Coolify it was written"),
    **dict.fromkeys(("value", "real_value"), "a digest of its own"),
    **dict.fromkeys(("is_preview", "is_shared", "is_coolify", "is_buildpack_control"), "follows from the rest"),
    **dict.fromkeys(("is_required", "is_really_required"), "what Coolify's pages ask for"),
}
NOT_OF_STORAGES: Mapping[str, str] = {
    **dict.fromkeys(("id", "uuid", "resource_type", "resource_id", "resource"), _LISTED),
    **dict.fromkeys(("created_at", "updated_at"), _BECAME),
}


def of_application(row: JsonObject, pinning: Pinning) -> dict[str, str]:
    """Return the facets of an application's row, its settings included; what is empty has none."""
    fields = _less(row, NOT_OF_APPS) | _less(table(row.get("settings")), NOT_OF_APPS)
    fields |= _place(table(row.get("destination")))
    fields["domains"] = fields.pop("fqdn", fields.get("domains"))
    found = {name: of_setting(name, value, pinning) for name, value in fields.items()}
    hidden = {name: f"{UNREADABLE}/" for name in _hidden_in(row)}
    return {name: text for name, text in (found | hidden).items() if text}


def of_setting(name: str, value: JsonValue, pinning: Pinning) -> str:
    """Return the facet of one field of an application, whichever way it is spelled; empty for nothing."""
    text = _spelled(name, value)
    return text if not text or name in PLAIN else pinning.of(text)


def of_service(row: JsonObject, pinning: Pinning) -> dict[str, str]:
    """Return the facets of a service's row: its file, and what can be set of it and of its containers beside that."""
    found = {name: pinning.of_json(value) for name, value in _less(row, NOT_OF_SERVICES).items() if not _empty(value)}
    parts = [table(part) for kind in ("applications", "databases") for part in items(row.get(kind))]
    for part in parts:
        for name, value in _less(part, NOT_OF_PARTS).items():
            if not _empty(value):
                found[f"{PART}{part.get('name')} {name}"] = pinning.of_json(value)
    compose = row.get("docker_compose_raw")
    return found | {COMPOSE: _document(compose, pinning) if isinstance(compose, str) else f"{UNREADABLE}/"}


def of_variables(rows: Iterable[JsonObject], pinning: Pinning) -> dict[str, str]:
    """Return a facet of each variable: the digest of its value, a slash, and that of its flags.

    Of a value that the token may not read only the time of its last change counts.
    """
    return {
        f"{VARIABLE}{row.get('key')}": f"{_value(row, pinning)}/{_flags(row, pinning)}"
        for row in rows
        if row.get("is_preview") is not True
    }


def of_storages(answer: JsonObject, pinning: Pinning) -> dict[str, str]:
    """Return a facet of each place where something is mounted in the container; contents of files count."""
    found: dict[str, list[JsonValue]] = {}
    for kind in ("persistent_storages", "file_storages"):
        for row in map(table, items(answer.get(kind))):
            found.setdefault(f"{STORAGE}{row.get('mount_path')}", []).append(_less(row, NOT_OF_STORAGES))
    return {place: pinning.of_json(mounts[0] if len(mounts) == 1 else mounts) for place, mounts in found.items()}


def _less(row: JsonObject, left_out: Mapping[str, str]) -> JsonObject:
    return {name: value for name, value in row.items() if name not in left_out}


def _place(destination: JsonObject) -> JsonObject:
    return {"server": table(destination.get("server")).get("uuid"), "network": destination.get("network")}


def _empty(value: JsonValue) -> bool:
    return value is None or value is False or value in ("", [], {})


def _spelled(name: str, value: JsonValue) -> str:
    """Return a value in one spelling: Coolify cuts repositories and commands down, and writes lists as texts."""
    if _empty(value):
        return ""
    if isinstance(value, list) and name in _LISTS:
        value = ",".join(map(str, value))
    if name == "git_repository":
        return same_spelling(str(value))
    return value.strip() if isinstance(value, str) else json.dumps(value, sort_keys=True)


def _document(compose: str, pinning: Pinning) -> str:
    """Coolify writes the file anew as often as it reads it: what it says counts, not its text."""
    try:
        return pinning.of_json(read_compose(compose))
    except InputError:
        return pinning.of(compose)


def _hidden_in(row: JsonObject) -> set[str]:
    """Return the columns that Coolify keeps from tokens without `read:sensitive`."""
    password = {"http_basic_auth_password"} if row.get("is_http_basic_auth_enabled") else set[str]()
    return {"custom_labels", "dockerfile", *password} - row.keys()


def _value(row: JsonObject, pinning: Pinning) -> str:
    value = row.get("value")
    return pinning.of(value) if isinstance(value, str) else UNREADABLE


def _flags(row: JsonObject, pinning: Pinning) -> str:
    flags: JsonObject = {name: value for name, value in _less(row, NOT_OF_VARIABLES).items() if not _empty(value)}
    value = row.get("value")
    if not isinstance(value, str):
        flags["updated_at"] = row.get("updated_at")
    elif _SHARED in value:
        flags["real_value"] = row.get("real_value")
    return pinning.of_json(flags)[1:9]
