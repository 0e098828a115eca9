"""What a new application's two rows hold before anybody says otherwise.

Source: the migrations of coollabsio/coolify at v4.3.10.
"""

from pydantic import JsonValue

from ink_infra_mcp.sandbox.coolify.app_fields import COLUMN_RULES, SETTING_RULES
from ink_infra_mcp.sandbox.coolify.ids import uuid_of

WEBHOOK_SECRETS = tuple(name for name in COLUMN_RULES if name.startswith("manual_webhook_secret_"))
BUILD_SERVER = {"use_build_server": "is_build_server_enabled"}
"""Fields of the API whose column has another name."""

_COLUMNS: dict[str, JsonValue] = {
    "git_commit_sha": "HEAD",
    "static_image": "nginx:alpine",
    "redirect": "both",
    "base_directory": "/",
    "health_check_enabled": False,
    "health_check_type": "http",
    "health_check_path": "/",
    "health_check_host": "localhost",
    "health_check_method": "GET",
    "health_check_return_code": 200,
    "health_check_scheme": "http",
    "health_check_interval": 5,
    "health_check_timeout": 5,
    "health_check_retries": 10,
    "health_check_start_period": 5,
    "limits_memory": "0",
    "limits_memory_swap": "0",
    "limits_memory_swappiness": 60,
    "limits_memory_reservation": "0",
    "limits_cpus": "0",
    "limits_cpu_shares": 1024,
    "docker_compose_location": "/docker-compose.yaml",
    "preview_url_template": "{{pr_id}}.{{domain}}",
    "max_restart_count": 10,
    "is_http_basic_auth_enabled": False,
}
_ELSEWHERE: dict[str, JsonValue] = {
    "fqdn": None,
    "git_full_url": None,
    "dockerfile": None,
    "docker_compose": None,
    "docker_compose_raw": None,
    "docker_compose_domains": None,
    "compose_parsing_version": "5",
    "config_hash": None,
    "custom_healthcheck_found": False,
    "repository_project_id": None,
    "restart_count": 0,
    "last_restart_type": None,
    "last_restart_at": None,
    "source_id": None,
    "source_type": None,
    "swarm_replicas": 1,
    "swarm_placement_constraints": None,
}
_ON = frozenset(
    {
        "is_auto_deploy_enabled",
        "is_force_https_enabled",
        "is_container_label_escape_enabled",
        "is_git_submodules_enabled",
        "is_git_lfs_enabled",
        "is_git_shallow_clone_enabled",
        "is_gzip_enabled",
        "is_stripprefix_enabled",
        "is_env_sorting_enabled",
        "inject_build_args_to_dockerfile",
    }
)


def new_columns(uuid: str) -> dict[str, JsonValue]:
    """Return the columns of the new application of that uuid.

    Each forge has a secret of its own for webhooks from the beginning, of 40 signs (Application.php, 4.3.11).
    """
    secrets: dict[str, JsonValue] = {name: _secret(f"{name} {uuid}") for name in WEBHOOK_SECRETS}
    return {**dict.fromkeys(COLUMN_RULES), **_ELSEWHERE, **_COLUMNS, **secrets}


def _secret(name: str) -> str:
    return f"{uuid_of(name)}{uuid_of(f'more {name}')}"[:40]


def new_settings() -> dict[str, JsonValue]:
    """Return the settings of a new application."""
    named = {setting_column(name): name in _ON for name, rule in SETTING_RULES.items() if rule.kind == "boolean"}
    others: dict[str, JsonValue] = {name: None for name, rule in SETTING_RULES.items() if rule.kind != "boolean"}
    return {**named, **others, "docker_images_to_keep": 2, "is_container_label_readonly_enabled": True}


def setting_column(field: str) -> str:
    """Return the column behind a settings field of the API."""
    return BUILD_SERVER.get(field, field)
