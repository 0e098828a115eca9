"""Servers as the API shows them: few columns in the list, all with the settings in the one.

Source: ServersController and the migrations of server_settings of coollabsio/coolify at v4.3.11.
"""

import hashlib

from pydantic import JsonValue

from ink_infra_mcp.sandbox.coolify.call import Call, JsonObject
from ink_infra_mcp.sandbox.coolify.laravel import TEAM_ID, ordered, stamp
from ink_infra_mcp.sandbox.coolify.release import V4_3_2
from ink_infra_mcp.sandbox.state_coolify import Server

_LOG_DRAIN_SECRETS = (
    "logdrain_axiom_api_key",
    "logdrain_custom_config",
    "logdrain_custom_config_parser",
    "logdrain_newrelic_license_key",
)
_FALSE_IN_SERVER = (
    "high_disk_usage_notification_sent",
    "log_drain_notification_sent",
    "unreachable_notification_sent",
)
_FALSE_IN_SETTINGS = (
    "generate_exact_labels",
    "is_sentinel_debug_enabled",
    "force_server_cleanup",
    "is_cloudflare_tunnel",
    "is_jump_server",
    "is_logdrain_axiom_enabled",
    "is_logdrain_custom_enabled",
    "is_logdrain_highlight_enabled",
    "is_logdrain_newrelic_enabled",
    "is_metrics_enabled",
    "is_swarm_manager",
    "is_swarm_worker",
)
_NULL_IN_SETTINGS = (
    "logdrain_axiom_dataset_name",
    "logdrain_highlight_project_id",
    "logdrain_newrelic_base_uri",
)
_NO_COLUMNS = {"id", "host", "workers_hang", "settings", "destinations", "next_check_at"} | {
    *("proxy_type", "proxy_status", "proxy_applied")
}
_DOCKER_SEEN = {"docker_version", "docker_version_checked_at"}
_NUMBERS_IN_SETTINGS: dict[str, JsonValue] = {
    "backup_compression_cpu_percentage": 25,
    "sentinel_metrics_history_days": 7,
    "sentinel_metrics_refresh_rate_seconds": 10,
    "sentinel_push_interval_seconds": 60,
}


def server_listed(call: Call, server: Server) -> JsonObject:
    """Return a server of GET /servers, which has few of its columns."""
    return ordered(
        {
            "uuid": server.uuid,
            "name": server.name,
            "description": server.description,
            "ip": server.ip,
            "user": server.user,
            "port": server.port,
            "is_coolify_host": server.is_coolify_host,
            "is_reachable": server.settings.is_reachable,
            "is_usable": server.settings.is_usable,
            "proxy": {"redirect_enabled": True},
            "settings": _settings(call, server),
        }
    )


def server_full(call: Call, server: Server) -> JsonObject:
    """Return a server of GET /servers/{uuid}."""
    return ordered({**_server(server), "settings": _settings(call, server)})


def _server(server: Server) -> JsonObject:
    plain = {
        "id",
        "host",
        "workers_hang",
        "settings",
        "destinations",
        "next_check_at",
        "proxy_type",
        "proxy_status",
        "proxy_applied",
    }
    return {
        **server.model_dump(exclude=plain),
        "team_id": TEAM_ID,
        "proxy": _proxy(server),
        **dict.fromkeys(_FALSE_IN_SERVER, False),
        "swarm_cluster": None,
        "cloud_provider_token_id": None,
        "hetzner_server_id": None,
        "hetzner_server_status": None,
        "server_metadata": None,
        "detected_traefik_version": None,
        "created_at": stamp(server.created_at),
        "updated_at": stamp(server.updated_at),
    }


def _proxy(server: Server) -> JsonObject:
    """What was applied last is there once its file is written, whether the proxy runs or not."""
    written = f"name: coolify-proxy\nservices:\n  {server.proxy_type.lower()}: {{}}\n"
    digest = hashlib.md5(written.encode(), usedforsecurity=False).hexdigest()
    applied = digest if server.proxy_applied or server.proxy_status == "running" else None
    return {
        "type": server.proxy_type,
        "status": server.proxy_status,
        "redirect_enabled": True,
        "last_saved_proxy_configuration": written if applied else None,
        "last_saved_settings": applied,
        "last_applied_settings": applied,
    }


def _settings(call: Call, server: Server) -> JsonObject:
    return ordered(
        {
            **(_secret_settings(call) if call.sees_secrets else {}),
            **server.settings.model_dump(exclude=_DOCKER_SEEN),
            "id": server.id,
            "server_id": server.id,
            **dict.fromkeys(_FALSE_IN_SETTINGS, False),
            **dict.fromkeys(_NULL_IN_SETTINGS),
            **_NUMBERS_IN_SETTINGS,
            "server_timezone": "UTC",
            "is_sentinel_enabled": True,
            **_seen_docker(call, server),
            "created_at": stamp(server.created_at),
            "updated_at": stamp(server.updated_at),
        }
    )


def _seen_docker(call: Call, server: Server) -> JsonObject:
    """The columns came with 4.3.2 (2026_08_13_085439_add_docker_version_to_server_settings_table)."""
    if not call.is_at_least(V4_3_2):
        return {}
    seen = server.settings
    return {
        "docker_version": seen.docker_version,
        "docker_version_checked_at": stamp(seen.docker_version_checked_at),
        "compose_version": None,
        "compose_version_checked_at": None,
    }


def _secret_settings(call: Call) -> JsonObject:
    """Servers push their state to Coolify's own address, with a token."""
    url = f"http://{call.coolify.public_ipv4}:8000" if call.coolify.public_ipv4 else None
    return {**dict.fromkeys(_LOG_DRAIN_SECRETS), "sentinel_token": "sandbox-sentinel", "sentinel_custom_url": url}
