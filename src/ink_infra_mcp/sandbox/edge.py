"""What answers on ports 80 and 443 of a run server: Traefik, which knows the apps that Coolify put there."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from pydantic import JsonValue
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from ink_infra_mcp.sandbox.state import WorldState
from ink_infra_mcp.sandbox.state_coolify import Application, Server, Service
from ink_infra_mcp.sandbox.state_hosts import Container, HostState
from ink_infra_mcp.sandbox.trouble import CutOff, answered
from ink_infra_mcp.sandbox.world import World

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
PROXY = "coolify-proxy"


@dataclass(frozen=True, slots=True)
class _Router:
    """A host name that leads to one app, or to one part of it; `force_https` sends plain HTTP away."""

    uuid: str
    server_uuid: str
    name: str
    host: str
    part: str = ""
    force_https: bool = False


def build_edge(world: World, host: str) -> Starlette:
    """Return the proxy of the pretend host with that name; serve it once plainly and once with TLS.

    A server that is off, or whose proxy does not run, closes every connection without an answer.
    """

    async def answer(request: Request) -> Response:
        asked = (request.url.hostname or "").lower()
        what = f"{request.method} {asked}{request.url.path}"
        return await answered(world, "edge", what, lambda state: page_of(state, host, request))

    return Starlette(routes=[Route("/{path:path}", answer, methods=METHODS)])


def page_of(state: WorldState, host: str, request: Request) -> Response:
    """Return what the proxy of the pretend host with that name answers; `CutOff` where it says nothing."""
    asked = (request.url.hostname or "").lower()
    machine = state.hosts.get(host)
    if machine is None or not _serves(machine):
        return CutOff()
    router = _router(state, machine, asked)
    if router is None:
        return PlainTextResponse("404 page not found\n", 404)
    return _routed_page(machine, router, request)


def _routed_page(machine: HostState, router: _Router, request: Request) -> Response:
    if router.force_https and request.url.scheme == "http":
        secure = str(request.url.replace(scheme="https", port=None))
        return RedirectResponse(secure, 302 if request.method == "GET" else 307)
    return _behind(router, _container(machine, router))


def _behind(router: _Router, container: Container | None) -> Response:
    if container is None or container.state not in {"running", "restarting"} or container.health not in {"", "healthy"}:
        return PlainTextResponse("no available server\n", 503)
    if container.state == "restarting" or _is_deaf(container):
        return PlainTextResponse("Bad Gateway", 502)
    return _page(router, container)


def asked_ports(container: Container) -> set[int]:
    """Return the ports at which labels tell the proxy to ask a container."""
    texts = (text for name, text in container.labels.items() if name.endswith(".loadbalancer.server.port"))
    return {int(text) for text in texts if text.isdecimal()}


def _is_deaf(container: Container) -> bool:
    return container.listens is not None and not asked_ports(container) & {*container.listens}


def _page(router: _Router, container: Container) -> Response:
    body: dict[str, JsonValue] = {"app": router.name, "host": router.host, "container": container.name}
    headers = {"x-sandbox-app": router.name}
    return Response(json.dumps(body), 200, headers=headers, media_type="application/json")


def _serves(machine: HostState) -> bool:
    return machine.up and any(c.name == PROXY and c.state == "running" for c in machine.containers)


def _router(state: WorldState, machine: HostState, asked: str) -> _Router | None:
    """A domain that was set after the last deployment is not on the container yet, and so not routed."""
    here = _servers_on(state, machine)
    for router in _known(state):
        if router.host == asked and router.server_uuid in here:
            return router if _is_deployed(machine, router) else None
    return None


def _is_deployed(machine: HostState, router: _Router) -> bool:
    container = _container(machine, router)
    return container is None or _routed(container, router.host)


def _servers_on(state: WorldState, machine: HostState) -> set[str]:
    return {server.uuid for server in state.coolify.servers if _is_on(server, machine)}


def _known(state: WorldState) -> Iterator[_Router]:
    for app in state.coolify.applications:
        yield from _of_app(app)
    for service in state.coolify.services:
        yield from _of_service(service)


def _is_on(server: Server, machine: HostState) -> bool:
    return server.host == machine.name if server.host else server.ip in (machine.address, machine.private_address)


def _of_app(app: Application) -> list[_Router]:
    """The domains of an app are in `fqdn`, with commas; those of a compose app are JSON, by service."""
    name, force = app.text("name") or app.uuid, app.is_on("is_force_https_enabled")
    hosts = [("", host) for host in _hosts(app.text("fqdn"))] + _compose_hosts(app.text("docker_compose_domains"))
    return [
        _Router(uuid=app.uuid, server_uuid=app.server_uuid, name=name, host=host, part=part, force_https=force)
        for part, host in hosts
    ]


def _of_service(service: Service) -> list[_Router]:
    hosts = [(part.name, host) for part in service.parts for host in _hosts(part.fqdn or "")]
    uuid, server_uuid = service.uuid, service.server_uuid
    return [
        _Router(uuid=uuid, server_uuid=server_uuid, name=service.name, host=host, part=part) for part, host in hosts
    ]


def _hosts(urls: str) -> list[str]:
    found = (urlsplit(url.strip()).hostname for url in urls.split(","))
    return [host for host in found if host]


def _compose_hosts(text: str) -> list[tuple[str, str]]:
    domains: JsonValue = json.loads(text) if text.startswith("{") else None
    entries = domains.items() if isinstance(domains, dict) else ()
    return [(part, host) for part, entry in entries for host in _hosts(_domain(entry))]


def _domain(entry: JsonValue) -> str:
    return str(entry.get("domain") or "") if isinstance(entry, dict) else ""


def _container(machine: HostState, router: _Router) -> Container | None:
    """Return the newest container, running ones first. Coolify puts the uuid into its name and labels."""
    own = [c for c in machine.containers if _belongs(c, router.uuid)]
    own = _of_part(own, router.part) or own
    return max(own, key=lambda c: (c.state == "running", c.created_at), default=None)


def _of_part(containers: list[Container], part: str) -> list[Container]:
    return [c for c in containers if part in {"", c.labels.get("com.docker.compose.service")}]


def _belongs(container: Container, uuid: str) -> bool:
    named = uuid in container.name or any(uuid in value for value in container.labels.values())
    return named and container.labels.get("coolify.pullRequestId", "0") == "0"


def _routed(container: Container, host: str) -> bool:
    """Traefik reads the rules on the container."""
    rules = [value for key, value in container.labels.items() if key.endswith(".rule")]
    return not rules or any(f"Host(`{host}`)" in rule for rule in rules)
