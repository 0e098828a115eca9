"""Coolify's front door: from a request on the wire to a handler, and back."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from pydantic import JsonValue
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from ink_infra_mcp.sandbox.coolify import rows
from ink_infra_mcp.sandbox.coolify.call import Answer, Call, JsonObject, Refusal, tidy
from ink_infra_mcp.sandbox.coolify.endpoint import Endpoint
from ink_infra_mcp.sandbox.coolify.gate import (
    HEALTH_LIMIT,
    Visitor,
    check_ability,
    check_open,
    check_role,
    count,
    token_of,
)
from ink_infra_mcp.sandbox.coolify.routes import ENDPOINTS
from ink_infra_mcp.sandbox.state import WorldState
from ink_infra_mcp.sandbox.state_coolify import Server, Token
from ink_infra_mcp.sandbox.state_hosts import HostState
from ink_infra_mcp.sandbox.trouble import CutOff, answered
from ink_infra_mcp.sandbox.world import World

METHODS = ["GET", "POST", "PATCH", "PUT", "DELETE", "OPTIONS"]
UNKNOWN: JsonObject = {"message": "Not found.", "docs": "https://coolify.io/docs"}
STACK = {"coolify", "coolify-db", "coolify-redis"}
LOGIN = "<!DOCTYPE html>\n<html><head><title>Coolify</title></head><body>Login</body></html>"


@dataclass(frozen=True, slots=True)
class _Asked:
    method: str
    path: str
    visitor: Visitor
    parts: dict[str, str]
    query: JsonObject
    raw: bytes
    content_type: str

    @property
    def line(self) -> str:
        return f"{self.method} {self.path}"


def build_coolify(world: World) -> Starlette:
    """Return Coolify over `world`: its API at /api/v1, /api/health, and a login page at every other path.

    Several processes may serve the same world. An unknown route answers Coolify's 404 and is noted in the journal as
    `coolify UNKNOWN METHOD /path`; every accepted write as `coolify METHOD /path`.
    """
    known = [Route(f"/api/v1{e.path}", _server(world, e), methods=e.methods) for e in ENDPOINTS]
    health = Endpoint("GET", "/health", _health, ability=None)
    rest = Route("/{path:path}", _server(world, None), methods=METHODS)
    return Starlette(routes=[*known, Route("/api/health", _server(world, health), methods=["GET"]), rest])


def is_up(state: WorldState, now: float) -> bool:
    """Return whether Coolify answers: its machine is up, its container runs, and it is not just restarting."""
    host = rows.host_of(state, _own_server(state))
    runs = host is None or (host.up and _stack_runs(host))
    return runs and state.coolify.installed and now >= state.coolify.down_until


def _own_server(state: WorldState) -> Server | None:
    return next((server for server in state.coolify.servers if server.is_coolify_host), None)


def _stack_runs(host: HostState) -> bool:
    """A machine that shows no part of Coolify is taken for one that nobody described."""
    stack = {c.name: c.state for c in host.containers if c.name in STACK}
    return not stack or stack.get("coolify") == "running"


def _server(world: World, endpoint: Endpoint | None) -> Callable[[Request], Awaitable[Response]]:
    async def serve(request: Request) -> Response:
        asked = await _read(request)

        def answer(state: WorldState) -> Response:
            now = world.now(state)
            return _response(_answer(state, now, asked, endpoint)) if is_up(state, now) else CutOff()

        return await answered(world, "coolify", asked.line, answer)

    return serve


async def _read(request: Request) -> _Asked:
    return _Asked(
        method="GET" if request.method == "HEAD" else request.method,
        path=request.url.path,
        visitor=Visitor(request.headers.get("authorization", ""), request.client.host if request.client else ""),
        parts={name: str(value) for name, value in request.path_params.items()},
        query=dict(request.query_params),
        raw=await request.body(),
        content_type=request.headers.get("content-type", ""),
    )


def _answer(state: WorldState, now: float, asked: _Asked, endpoint: Endpoint | None) -> Answer:
    """The rate-limit headers go on every answer that came past the count."""
    headers: dict[str, str] = {}
    try:
        answer = _handled(state, now, asked, endpoint, headers)
    except Refusal as refused:
        answer = refused.answer
    if endpoint is not None and endpoint.method != "GET" and answer.status < 400:
        state.journal.append(f"coolify {asked.line}")
    return Answer(answer.body, answer.status, {**headers, **answer.headers}, plain=answer.plain)


def _handled(
    state: WorldState, now: float, asked: _Asked, endpoint: Endpoint | None, headers: dict[str, str]
) -> Answer:
    version = state.coolify.version
    meaning = endpoint.meaning(asked.method, version) if endpoint else "unknown"
    if endpoint is None or meaning == "unknown":
        return _unknown(state, asked)
    token = _admitted(state, now, asked, endpoint, headers)
    if meaning == "post_required":
        raise Refusal(Answer({"message": "This endpoint has changed to a POST request."}, 405, {"Allow": "POST"}))
    return endpoint.handler(_call(state, now, asked, token))


def _admitted(
    state: WorldState, now: float, asked: _Asked, endpoint: Endpoint, headers: dict[str, str]
) -> Token | None:
    coolify = state.coolify
    ability = endpoint.ability_in(coolify.version)
    if ability is None:
        limit = HEALTH_LIMIT if asked.path == "/api/health" else coolify.rate_limit
        headers.update(count(coolify, f"address {asked.visitor.address}", now, limit=limit))
        return None
    token = token_of(coolify, asked.visitor, now)
    headers.update(count(coolify, f"user {token.user_id}", now, limit=coolify.rate_limit))
    check_role(token)
    if not endpoint.always:
        check_open(coolify, asked.visitor)
    check_ability(token, ability)
    return token


def _unknown(state: WorldState, asked: _Asked) -> Answer:
    if not asked.path.startswith("/api/"):
        is_login = asked.path == "/login"
        return Answer(LOGIN, 200 if is_login else 302, {} if is_login else {"Location": "/login"}, plain=True)
    state.journal.append(f"coolify UNKNOWN {asked.line}")
    return Answer(UNKNOWN, 404)


def _call(state: WorldState, now: float, asked: _Asked, token: Token | None) -> Call:
    query = {name: tidy(value) for name, value in asked.query.items()}
    return Call(
        state=state,
        now=now,
        token=token,
        path=asked.parts,
        query=query,
        fields={**query, **_body(asked)},
        raw=asked.raw,
        content_type=asked.content_type,
    )


def _body(asked: _Asked) -> JsonObject:
    """A body that is no JSON object adds no fields; whether that is an error is the handler's business."""
    if "json" not in asked.content_type:
        return {}
    try:
        value: JsonValue = json.loads(asked.raw)
    except ValueError:
        return {}
    return {name: tidy(part) for name, part in value.items()} if isinstance(value, dict) else {}


def _response(answer: Answer) -> Response:
    if answer.plain:
        return HTMLResponse(str(answer.body), answer.status, headers=dict(answer.headers))
    return JSONResponse(answer.body, answer.status, headers=dict(answer.headers))


def _health(_: Call) -> Answer:
    return Answer("OK", plain=True)
