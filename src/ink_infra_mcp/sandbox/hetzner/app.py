"""The Cloud API's front door: which route, who asks, how often, and what goes back over the wire."""

import json
import re
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence, Set
from dataclasses import dataclass

from pydantic import JsonValue
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route as WebRoute

from ink_infra_mcp.sandbox.hetzner import (
    actions,
    addresses,
    catalogue,
    firewalls,
    networks,
    new_server,
    placement_groups,
    power,
    rrsets,
    servers,
    ssh_keys,
    volumes,
    zones,
)
from ink_infra_mcp.sandbox.hetzner.attaching import reconcile
from ink_infra_mcp.sandbox.hetzner.call import ApiError, Call, JsonObject, Reply, Route
from ink_infra_mcp.sandbox.hetzner.settling import settle_hetzner
from ink_infra_mcp.sandbox.state import WorldState
from ink_infra_mcp.sandbox.state_hetzner import HetznerState, Token
from ink_infra_mcp.sandbox.trouble import answered
from ink_infra_mcp.sandbox.world import World

ROUTES: tuple[Route, ...] = (
    *actions.ROUTES,
    *addresses.ROUTES,
    *catalogue.ROUTES,
    *firewalls.ROUTES,
    *servers.ROUTES,
    *networks.ROUTES,
    *new_server.ROUTES,
    *placement_groups.ROUTES,
    *power.ROUTES,
    *ssh_keys.ROUTES,
    *volumes.ROUTES,
    *zones.ROUTES,
    *rrsets.ROUTES,
)
METHODS = ["GET", "POST", "PUT", "DELETE", "PATCH"]
LEAKED = 32
"""How many characters of the token the vendor's rate-limit message shows (seen in public issue threads)."""


def _pattern(template: str) -> re.Pattern[str]:
    ids = template.replace("{id}", r"(?P<id>\d+)")
    return re.compile("/v1" + re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", ids))


_TABLE = [(_pattern(route.path), route) for route in ROUTES]


@dataclass(frozen=True, slots=True)
class _Asked:
    method: str
    path: str
    token: str
    query: Mapping[str, Sequence[str]]
    raw: bytes

    @property
    def line(self) -> str:
        return f"{self.method} {self.path}"


Arrived = Callable[[Set[str]], Awaitable[None]]
"""Told, before each answer, which servers are in the world: some may have come up or gone since."""


async def _nobody(_: Set[str]) -> None:
    pass


def build_hetzner(world: World, *, arrived: Arrived = _nobody) -> Starlette:
    """Return the Cloud API at /v1 over `world`; a server that comes up is told to `arrived` before the answer."""

    async def answer(request: Request) -> Response:
        asked = await _asked(request)
        hosts: set[str] = set()

        def work(state: WorldState) -> Response:
            response = _answer(state, world.now(state), asked)
            hosts.update(state.hosts)
            return response

        response = await answered(world, "hetzner", asked.line, work)
        if hosts:
            await arrived(hosts)
        return response

    return Starlette(routes=[WebRoute("/{path:path}", answer, methods=METHODS)])


async def _asked(request: Request) -> _Asked:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    query: dict[str, list[str]] = {}
    for name, value in request.query_params.multi_items():
        query.setdefault(name, []).append(value)
    return _Asked(
        method=request.method,
        path=str(request.scope["path"]),
        token=token if scheme.lower() == "bearer" else "",
        query=query,
        raw=await request.body(),
    )


def _answer(state: WorldState, now: float, asked: _Asked) -> Response:
    settle_hetzner(state, now)
    try:
        reply = _handled(state, now, asked)
    except ApiError as error:
        details: JsonObject = {"code": error.code, "message": error.message, "details": error.details}
        reply = Reply(error.status, {"error": details})
    else:
        if asked.method != "GET":
            state.journal.append(f"hetzner {asked.line}")
            reconcile(state.hetzner, now)
    return _response(state.hetzner, now, reply)


def _handled(state: WorldState, now: float, asked: _Asked) -> Reply:
    """An unknown route is 404 before the token is looked at."""
    route, parts = _routed(state, asked)
    _spend(state.hetzner, now, asked.token)
    _admit(state.hetzner, asked)
    return route.handler(Call(state=state, now=now, parts=parts, query=asked.query, body=_json(asked.raw)))


def _routed(state: WorldState, asked: _Asked) -> tuple[Route, Mapping[str, str]]:
    by_method = {
        route.method: (route, match.groupdict())
        for pattern, route in _TABLE
        if (match := pattern.fullmatch(asked.path))
    }
    if not by_method:
        state.journal.append(f"hetzner UNKNOWN {asked.line}")
        raise ApiError(404, "not_found", "not found")
    if asked.method not in by_method:
        raise ApiError(405, "method_not_allowed", "method not allowed")
    return by_method[asked.method]


def _spend(project: HetznerState, now: float, token: str) -> None:
    """The bucket refills at the limit for each hour; requests without a token count too."""
    refilled = project.rate_left + max(0.0, now - project.rate_at) * project.rate_limit / 3600
    project.rate_left = min(float(project.rate_limit), refilled)
    project.rate_at = now
    if project.rate_left < 1:
        shown = f"Limit of '{project.rate_limit}' requests per hour for token '{token[:LEAKED]}...' reached."
        raise ApiError(429, "rate_limit_exceeded", shown)
    project.rate_left -= 1


def _admit(project: HetznerState, asked: _Asked) -> None:
    token = _known(project, asked.token)
    if token is None:
        raise ApiError(401, "unauthorized", "unable to authenticate")
    if token.read_only and asked.method != "GET":
        raise ApiError(403, "token_readonly", "the token is only allowed to perform GET requests")


def _known(project: HetznerState, value: str) -> Token | None:
    return next((token for token in project.tokens if secrets.compare_digest(token.value, value)), None)


def _json(raw: bytes) -> JsonValue:
    if not raw:
        return None
    try:
        return json.loads(raw)
    except ValueError as error:
        raise ApiError(400, "json_error", "invalid JSON in the request body") from error


def _response(project: HetznerState, now: float, reply: Reply) -> Response:
    missing = project.rate_limit - project.rate_left
    headers = {
        "X-Correlation-Id": secrets.token_hex(8),
        "RateLimit-Limit": str(project.rate_limit),
        "RateLimit-Remaining": str(int(project.rate_left)),
        "RateLimit-Reset": str(int(now + missing * 3600 / project.rate_limit) + 1),
    }
    if reply.body is None:
        return Response(status_code=reply.status, headers=headers)
    return Response(json.dumps(reply.body), reply.status, headers=headers, media_type="application/json")
