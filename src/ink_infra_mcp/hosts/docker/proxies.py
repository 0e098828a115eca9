"""Coolify's proxy on a server, by which its apps are reached: whether it is there and runs, as Docker says it."""

from collections.abc import Iterable

from ink_infra_mcp.hosts.facts.container_facts import ContainerFacts

NAME = "coolify-proxy"
"""The container's name on every server, whichever proxy it is (source, version 4.3.11)."""


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


def _proxy_among(containers: Iterable[ContainerFacts]) -> ContainerFacts | None:
    return next((container for container in containers if container.name == NAME), None)
