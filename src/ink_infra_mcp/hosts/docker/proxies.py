"""Coolify's proxy on a server, by which its apps are reached: whether it is there and runs, as Docker says it."""

import re
from collections.abc import Iterable, Mapping

from ink_infra_mcp.core.routing import Proxy
from ink_infra_mcp.hosts.facts.container_facts import ContainerFacts

NAME = "coolify-proxy"
"""The container's name on every server, whichever proxy it is (source, version 4.3.11)."""
_IMAGES: Mapping[str, Proxy] = {"traefik": "traefik", "caddy-docker-proxy": "caddy"}


def proxy_problem(containers: Iterable[ContainerFacts] | None) -> str:
    """Return why no app there can be reached by its domain, in words that follow a server's name; empty where one can.

    What Docker says counts: Coolify's own word stays `starting` for good where the image cannot be pulled (seen on
    4.3.11). Where Docker could not be asked nothing is said here.
    """
    if containers is None:
        return ""
    proxy = _proxy_among(containers)
    if proxy is None:
        return "it has no proxy"
    return "" if proxy.state == "running" else f"its proxy does not run ({proxy.state})"


def proxy_doubt(containers: Iterable[ContainerFacts] | None) -> str:
    """Return what a proxy that runs has against it, in the same words; empty where nothing, or where none runs.

    Coolify has Docker ask the proxy itself every four seconds (source, version 4.3.11): one that hangs runs on, and one
    that falls after each start has never passed.
    """
    proxy = _proxy_among(containers or ())
    if proxy is None or proxy.state != "running":
        return ""
    return _DOUBTS.get(proxy.health, "")


_DOUBTS = {
    "unhealthy": "its proxy runs and fails its health check",
    "starting": "its proxy has not passed its health check since it was started",
}


def proxy_of(containers: Iterable[ContainerFacts] | None) -> Proxy:
    """Return which proxy reads the labels of containers there, by the image that it runs from."""
    proxy = _proxy_among(containers or ())
    image = proxy.image.rpartition("/")[2] if proxy is not None else ""
    return _IMAGES.get(re.split("[:@]", image, maxsplit=1)[0], "")


def networks_of_proxy(containers: Iterable[ContainerFacts] | None) -> frozenset[str] | None:
    """Return the names of the networks from which the proxy there reaches containers; None: of all, or not known."""
    proxy = _proxy_among(containers or ())
    return None if proxy is None or proxy.network_mode == "host" else frozenset(proxy.networks)


def _proxy_among(containers: Iterable[ContainerFacts]) -> ContainerFacts | None:
    return next((container for container in containers if container.name == NAME), None)
