"""What the API accepts for an application: its fields, their rules, and from which version each exists.

Source: ApplicationsController and helpers/api.php of coollabsio/coolify, v4.3.10 and the tags from 4.0.0-beta.463.
"""

import re

from pydantic import JsonValue

from ink_infra_mcp.sandbox.coolify.call import Call
from ink_infra_mcp.sandbox.coolify.domains import domain_errors
from ink_infra_mcp.sandbox.coolify.git_rules import branch_errors, repository_errors
from ink_infra_mcp.sandbox.coolify.release import OLDEST, V4_0, V4_2, V4_3, Release
from ink_infra_mcp.sandbox.coolify.rules import Rule, Rules, choice, switch, text, whole

PORTS = r"(\d+)(,\d+)*"
FILE = r"/[a-zA-Z0-9._\-/~@+]+"
FOLDER = r"/([a-zA-Z0-9._\-/~@+]*)?"
NAME = r"[a-zA-Z0-9][a-zA-Z0-9._-]*"
IMAGE_PART = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
IMAGE = rf"(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?(?::[0-9]+)?/)?{IMAGE_PART}(?:/{IMAGE_PART})*(?:@sha256)?"
TAG = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"
COMMAND = r"""(?:[ \t]+|&&|\|\||"[^"$`\\\n\r]*"|'[^'\n\r]*'|[a-zA-Z0-9._\-/=:@,+\[\]{}#%^~*?!]+)+"""
WHOLE_IMAGE = rf"{IMAGE}(:{TAG}|@sha256:[a-fA-F0-9]{{64}})?"
KEY = r"[A-Za-z_][A-Za-z0-9_.]*"
BUILD_PACKS = ("nixpacks", "static", "dockerfile", "dockercompose", "railpack")


def image_errors(name: str, value: JsonValue) -> list[str]:
    """Return what is wrong with a whole image, as DockerImageFormat of coollabsio/coolify (4.3.11) words it."""
    label = name.replace("_", " ")
    if re.search(r":sha256?:", str(value), re.IGNORECASE):
        return [f"The {label} must use @ before sha256 digest (e.g., image@sha256:hash, not image:sha256:hash)."]
    shaped = re.fullmatch(WHOLE_IMAGE, str(value))
    return [] if shaped else [f"The {label} format is invalid. Use image:tag or image@sha256:hash format."]


def _command(high: int = 1000) -> Rule:
    return text(high, COMMAND, nullable=True)


def _file() -> Rule:
    return text(255, FILE, nullable=True)


def _folder() -> Rule:
    return text(255, FOLDER, nullable=True)


def _note() -> Rule:
    return text(nullable=True)


def _number() -> Rule:
    return Rule("numeric")


COLUMN_RULES: Rules = {
    "name": text(255),
    "description": _note(),
    "git_repository": text(),
    "git_branch": Rule("string", check=branch_errors),
    "git_commit_sha": text(pattern=r"[a-zA-Z0-9][a-zA-Z0-9._\-/]*"),
    "build_pack": choice(*BUILD_PACKS),
    "static_image": choice("nginx:alpine"),
    "redirect": choice("both", "www", "non-www"),
    "docker_registry_image_name": text(255, IMAGE, nullable=True),
    "docker_registry_image_tag": text(128, TAG, nullable=True),
    "install_command": _command(),
    "build_command": _command(),
    "start_command": _command(),
    "ports_exposes": text(pattern=PORTS),
    "ports_mappings": text(pattern=r"(\d+:\d+)(,\d+:\d+)*", nullable=True),
    "custom_network_aliases": _note(),
    "base_directory": _folder(),
    "publish_directory": _folder(),
    "health_check_enabled": switch(),
    "health_check_type": choice("http", "cmd"),
    "health_check_command": text(1000, r"[a-zA-Z0-9 \-_./:=@,+]+", nullable=True),
    "health_check_path": text(pattern=r"[a-zA-Z0-9/\-_.~%,;]+"),
    "health_check_port": whole(1, 65535, nullable=True),
    "health_check_host": text(pattern=r"[a-zA-Z0-9.\-_]+"),
    "health_check_method": choice("GET", "HEAD", "POST", "OPTIONS"),
    "health_check_return_code": _number(),
    "health_check_scheme": choice("http", "https"),
    "health_check_response_text": _note(),
    "health_check_interval": _number(),
    "health_check_timeout": _number(),
    "health_check_retries": _number(),
    "health_check_start_period": _number(),
    "limits_memory": text(),
    "limits_memory_swap": text(),
    "limits_memory_swappiness": _number(),
    "limits_memory_reservation": text(),
    "limits_cpus": text(),
    "limits_cpuset": _note(),
    "limits_cpu_shares": _number(),
    "custom_labels": _note(),
    "custom_docker_run_options": _command(2000),
    "post_deployment_command": _note(),
    "post_deployment_command_container": text(255, NAME),
    "pre_deployment_command": _note(),
    "pre_deployment_command_container": text(255, NAME),
    "manual_webhook_secret_github": _note(),
    "manual_webhook_secret_gitlab": _note(),
    "manual_webhook_secret_bitbucket": _note(),
    "manual_webhook_secret_gitea": _note(),
    "dockerfile_location": _file(),
    "dockerfile_target_build": text(128, NAME, nullable=True),
    "docker_compose_location": _file(),
    "docker_compose_custom_start_command": _command(),
    "docker_compose_custom_build_command": _command(),
    "watch_paths": _note(),
    "custom_nginx_configuration": _note(),
    "is_http_basic_auth_enabled": switch(nullable=True),
    "http_basic_auth_username": _note(),
    "http_basic_auth_password": _note(),
    "noindex_domains": Rule("array", nullable=True),
    "preview_url_template": text(),
    "max_restart_count": whole(0),
}
"""Rules of the fields that are columns of the application itself."""

SETTING_RULES: Rules = {
    **{
        name: switch()
        for name in [
            "is_static",
            "is_spa",
            "is_auto_deploy_enabled",
            "is_force_https_enabled",
            "is_preview_deployments_enabled",
            "use_build_server",
            "use_build_secrets",
            "connect_to_docker_network",
            "is_container_label_escape_enabled",
            "is_preserve_repository_enabled",
            "is_git_submodules_enabled",
            "is_git_lfs_enabled",
            "is_git_shallow_clone_enabled",
            "disable_build_cache",
            "inject_build_args_to_dockerfile",
            "include_source_commit_in_build",
            "is_env_sorting_enabled",
            "is_pr_deployments_public_enabled",
            "is_gzip_enabled",
            "is_stripprefix_enabled",
            "is_raw_compose_deployment_enabled",
            "is_log_drain_enabled",
            "is_gpu_enabled",
            "is_consistent_container_name_enabled",
        ]
    },
    "stop_grace_period": whole(1, 3600, nullable=True),
    "docker_images_to_keep": whole(0, 100),
    "gpu_driver": _note(),
    "gpu_count": _note(),
    "gpu_device_ids": _note(),
    "gpu_options": _note(),
    "custom_internal_name": _note(),
}
"""Rules of the fields that are columns of the application's settings."""

PLACE_RULES: Rules = {
    "project_uuid": text().needed(),
    "environment_name": _note(),
    "environment_uuid": _note(),
    "server_uuid": text().needed(),
    "destination_uuid": text(),
    "autogenerate_domain": switch(),
    "tags": Rule("array", nullable=True),
}
"""Rules of the fields that say where a new application goes."""

BY_TYPE: dict[str, Rules] = {
    "public": {
        "git_repository": Rule("string", required=True, check=repository_errors),
        "git_branch": COLUMN_RULES["git_branch"].needed(),
        "build_pack": COLUMN_RULES["build_pack"].needed(),
    },
    "private-github-app": {
        "git_repository": text().needed(),
        "git_branch": COLUMN_RULES["git_branch"].needed(),
        "build_pack": COLUMN_RULES["build_pack"].needed(),
        "github_app_uuid": text().needed(),
    },
    "private-deploy-key": {
        "git_repository": Rule("string", required=True, check=repository_errors),
        "git_branch": COLUMN_RULES["git_branch"].needed(),
        "build_pack": COLUMN_RULES["build_pack"].needed(),
        "private_key_uuid": text().needed(),
    },
    "dockerfile": {"dockerfile": text().needed()},
    "dockerimage": {"docker_registry_image_name": Rule("string", required=True, high=255, check=image_errors)},
}
"""What each way of creating asks for beyond the shared rules."""

SINCE: dict[str, Release] = {
    **dict.fromkeys(["health_check_type", "health_check_command", "is_preserve_repository_enabled"], V4_0),
    "dockerfile_target_build": V4_0,
    **dict.fromkeys(
        [
            "tags",
            "is_preview_deployments_enabled",
            "use_build_secrets",
            "disable_build_cache",
            "docker_images_to_keep",
            "include_source_commit_in_build",
            "inject_build_args_to_dockerfile",
            "is_env_sorting_enabled",
            "is_git_lfs_enabled",
            "is_git_shallow_clone_enabled",
            "is_git_submodules_enabled",
            "is_gzip_enabled",
            "is_pr_deployments_public_enabled",
            "is_raw_compose_deployment_enabled",
            "is_stripprefix_enabled",
            "stop_grace_period",
        ],
        V4_2,
    ),
    **dict.fromkeys(
        [
            "custom_internal_name",
            "gpu_count",
            "gpu_device_ids",
            "gpu_driver",
            "gpu_options",
            "is_consistent_container_name_enabled",
            "is_gpu_enabled",
            "is_log_drain_enabled",
            "max_restart_count",
            "noindex_domains",
            "preview_url_template",
        ],
        V4_3,
    ),
}
"""The first version that accepts a field; every other field is older than all versions pretended here."""

ONLY_NEW = [
    "project_uuid",
    "environment_name",
    "environment_uuid",
    "server_uuid",
    "destination_uuid",
    "type",
    "private_key_uuid",
    "github_app_uuid",
    "dockerfile",
    "docker_compose_raw",
    "autogenerate_domain",
    "tags",
]
ONLY_PATCH = ("dockerfile_target_build",)
ALWAYS = ("domains", "docker_compose_domains", "instant_deploy", "force_domain_override")


def create_fields(call: Call) -> list[str]:
    """Return the fields that this version accepts for a new application."""
    names = [*COLUMN_RULES, *SETTING_RULES, *ALWAYS, *ONLY_NEW]
    return [name for name in names if name not in ONLY_PATCH and _exists(call, name)]


def patch_fields(call: Call) -> list[str]:
    """Return the fields that this version accepts for a change of an application."""
    return [name for name in (*COLUMN_RULES, *SETTING_RULES, *ALWAYS) if _exists(call, name)]


def _exists(call: Call, name: str) -> bool:
    return call.is_at_least(SINCE.get(name, OLDEST))


def domain_rule(_: str, value: JsonValue) -> list[str]:
    """Return what is wrong with a list of URLs."""
    return domain_errors(value)


DOMAIN_RULES: Rules = {
    "domains": Rule("string", nullable=True, high=2048, check=domain_rule),
    "docker_compose_domains": Rule("array", nullable=True),
}
SHARED_RULES: Rules = {**COLUMN_RULES, **SETTING_RULES, **DOMAIN_RULES}
PATCH_RULES: Rules = {**SHARED_RULES, "http_basic_auth_username": text(), "http_basic_auth_password": text()}
