"""What Coolify made of a file is held against what was approved: its known additions pass, all else is named."""

import copy
from typing import Any

import pytest

from ink_infra_mcp.core.compose.made import Front, Making, differences

UUID = "abcdefghijklmnopqrstuvwx"
MAKING = Making(UUID, (Front("web", "https", "x.example.com", "", "3000"),))
ROUTER = f"https-0-{UUID}-web-2567"
APPROVED: dict[str, Any] = {
    "name": UUID,
    "services": {
        "web": {
            "image": "ghcr.io/example/hello:1",
            "mem_limit": "512m",
            "runtime": "runsc",
            "environment": {"A": "1", "KEY": "${SECRET}", "B": "${B:-none}"},
            "networks": {"default": None},
            "volumes": [{"type": "volume", "source": "my_data", "target": "/data", "volume": {}}],
        }
    },
    "networks": {"default": {"name": f"{UUID}_default", "ipam": {}}},
    "volumes": {"my_data": {"name": f"{UUID}_my_data"}},
}
STORED: dict[str, Any] = {
    "name": UUID,
    "services": {
        "web": {
            "image": "ghcr.io/example/hello:1",
            "mem_limit": "512m",
            "runtime": "runsc",
            "container_name": f"web-{UUID}",
            "restart": "unless-stopped",
            "environment": {
                "A": "1",
                "KEY": "${SECRET}",
                "SECRET": "hidden",
                "B": "what the app's variable has",
                "COOLIFY_RESOURCE_UUID": UUID,
                "COOLIFY_FQDN": "x.example.com",
                "SERVICE_NAME_WEB": "web",
            },
            "env_file": [{"path": "/root/.env", "required": True}],
            "labels": [
                "coolify.managed=true",
                "coolify.service.subType=application",
                f"traefik.docker.network={UUID}",
                "traefik.enable=true",
                "traefik.http.middlewares.gzip.compress=true",
                f"traefik.http.routers.{ROUTER}.rule=Host(`x.example.com`) && PathPrefix(`/`)",
                f"traefik.http.routers.{ROUTER}.entryPoints=https",
                f"traefik.http.routers.{ROUTER}.middlewares=gzip",
                f"traefik.http.routers.{ROUTER}.tls.certresolver=letsencrypt",
                f"traefik.http.services.{ROUTER}.loadbalancer.server.port=3000",
                "caddy_0=https://x.example.com",
                "caddy_0.encode=zstd gzip",
                f"caddy_ingress_network={UUID}",
            ],
            "networks": {UUID: None},
            "volumes": [{"type": "volume", "source": f"{UUID}_my-data", "target": "/data", "volume": {}}],
        }
    },
    "networks": {UUID: {"name": UUID, "external": True}},
    "volumes": {f"{UUID}_my-data": {"name": f"{UUID}_my-data"}},
}


def test_what_coolify_is_known_to_add_is_no_difference() -> None:
    """As seen with Coolify's own parser of 4.3.11 and Docker Compose 2.26."""
    assert differences(APPROVED, STORED, MAKING) == ()


@pytest.mark.parametrize("value", ["${B:-x} ${A} }", "${B:-x}}", "${B:-${A}}", "a${B:-x}"])
def test_only_a_single_reference_to_itself_may_become_what_the_variable_has(value: str) -> None:
    """Coolify writes in the value of `B: ${B:-none}`; more text than that has to arrive as it was approved."""
    approved = copy.deepcopy(APPROVED)
    approved["services"]["web"]["environment"]["B"] = value
    assert differences(approved, STORED, MAKING) == ("web: the variable B is not as it was approved",)


def changed(*path: str, value: object) -> dict[str, Any]:
    """Return what Coolify stored with one value of it set, or taken away (None)."""
    stored = copy.deepcopy(STORED)
    place = stored
    for key in path[:-1]:
        place = place.setdefault(key, {})
    if value is None:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return stored


def with_label(label: str) -> dict[str, Any]:
    """Return what Coolify stored with a label more."""
    return changed("services", "web", "labels", value=[*STORED["services"]["web"]["labels"], label])


CHANGES = {
    "another runtime": (changed("services", "web", "runtime", value="runc"), "web: runtime is runc and not runsc"),
    "no runtime": (changed("services", "web", "runtime", value=None), "web: runtime is left out and not runsc"),
    "privileged": (changed("services", "web", "privileged", value=True), "web: privileged is True and not left out"),
    "a bind": (
        changed("services", "web", "volumes", value=[{"type": "bind", "source": "/", "target": "/data"}]),
        "web: volumes are not those that were approved",
    ),
    "a value": (
        changed("services", "web", "environment", "A", value="2"),
        "web: the variable A is not as it was approved",
    ),
    "a variable": (
        changed("services", "web", "environment", "LD_PRELOAD", value="/x"),
        "web: the variable LD_PRELOAD is not as it was approved",
    ),
    "a name": (
        changed("services", "web", "container_name", value="coolify"),
        "web: container_name is coolify and not left out",
    ),
    "another app's host": (
        with_label(f"traefik.http.routers.{ROUTER}.rule=Host(`shop.example.com`)"),
        f"web: the label traefik.http.routers.{ROUTER}.rule is Host(`shop.example.com`), which was not approved",
    ),
    "a router of nobody": (
        with_label("traefik.http.routers.x.priority=100000"),
        "web: the label traefik.http.routers.x.priority is 100000, which was not approved",
    ),
    "a second domain": (
        with_label("caddy_1=https://shop.example.com"),
        "web: the label caddy_1 is https://shop.example.com, which was not approved",
    ),
    "a name of Docker Compose's": (
        with_label("com.docker.compose.project=other"),
        "web: the label com.docker.compose.project has a value of its own, which was not approved",
    ),
    "a path in other letters": (
        with_label(f"traefik.http.routers.{ROUTER}.rule=Host(`x.example.com`) && PathPrefix(`/A`)"),
        f"web: the label traefik.http.routers.{ROUTER}.rule is Host(`x.example.com`) && PathPrefix(`/A`), "
        "which was not approved",
    ),
    "another network": (
        changed("services", "web", "networks", "coolify", value={}),
        "web: is in the network coolify, which was not approved",
    ),
    "a port": (
        changed("services", "web", "ports", value=[{"target": 80}]),
        "web: ports is [{'target': 80}] and not left out",
    ),
    "a service": (changed("services", "more", value={"image": "x"}), "more: was not approved"),
    "no service": (changed("services", "web", value=None), "web: is not in what Coolify stored"),
    "a file": (changed("secrets", value={"s": {"file": "/etc/shadow"}}), "secrets is not as it was approved"),
    "a driver": (
        changed("volumes", f"{UUID}_my-data", value={"name": f"{UUID}_my-data", "driver_opts": {"device": "/"}}),
        f"the volume {UUID}_my-data is not as it was approved",
    ),
    "a network of others": (
        changed("networks", UUID, value={"name": "coolify", "external": True}),
        f"the network {UUID} is not the app's own",
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_whatever_else_differs_is_named(name: str) -> None:
    """What somebody slipped in, or another version of Coolify makes of a file, starts nothing."""
    stored, words = CHANGES[name]
    assert words in differences(APPROVED, stored, MAKING)
