"""Robot's front door: HTTP Basic with a block after three failures, the limits by the hour, and the wire."""

import base64
import binascii
import json
import re
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from pydantic import JsonValue
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route as WebRoute

from ink_infra_mcp.sandbox.robot import boot, firewalls, keys, market, resets, servers, vswitches
from ink_infra_mcp.sandbox.robot.call import Call, RobotError, Route
from ink_infra_mcp.sandbox.robot.forms import Nested, parse_form
from ink_infra_mcp.sandbox.robot.settling import settle_robot
from ink_infra_mcp.sandbox.state import WorldState
from ink_infra_mcp.sandbox.state_hosts import HostState
from ink_infra_mcp.sandbox.state_robot import Count, RobotState
from ink_infra_mcp.sandbox.trouble import answered
from ink_infra_mcp.sandbox.world import World

ROUTES: tuple[Route, ...] = (
    *servers.ROUTES,
    *firewalls.ROUTES,
    *keys.ROUTES,
    *boot.ROUTES,
    *resets.ROUTES,
    *market.ROUTES,
    *vswitches.ROUTES,
)
METHODS = ["GET", "POST", "PUT", "DELETE"]
BLOCK_S = 600.0
TRIES = 3
HOUR_S = 3600
FORM = "application/x-www-form-urlencoded"
_TABLE = [(re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", route.path)), route) for route in ROUTES]


@dataclass(frozen=True, slots=True)
class _Asked:
    method: str
    path: str
    login: str
    form: Nested

    @property
    def line(self) -> str:
        return f"{self.method} {self.path}"


Arrived = Callable[[Mapping[str, HostState]], Awaitable[None]]
"""Told, before each answer, the servers of the world: some may have come up, gone, or been made anew since."""


async def _nobody(_: Mapping[str, HostState]) -> None:
    pass


def build_robot(world: World, *, arrived: Arrived = _nobody) -> Starlette:
    """Return Robot's webservice at the root, over `world`; a server that comes up is told to `arrived` first."""

    async def answer(request: Request) -> Response:
        asked = await _asked(request)
        hosts: dict[str, HostState] = {}

        def work(state: WorldState) -> Response:
            settle_robot(state, world.now(state))
            response = _answer(state, world.now(state), asked)
            hosts.update(state.hosts)
            return response

        response = await answered(world, "robot", asked.line, work)
        if hosts:
            await arrived(hosts)
        return response

    return Starlette(routes=[WebRoute("/{path:path}", answer, methods=METHODS)])


async def _asked(request: Request) -> _Asked:
    """A body of another type than a form is no body to PHP."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    raw = (await request.body()).decode(errors="replace")
    is_form = request.headers.get("content-type", "").partition(";")[0].strip().lower() == FORM
    return _Asked(
        method=request.method,
        path=str(request.scope["path"]),
        login=_login(token) if scheme.lower() == "basic" else "",
        form=parse_form(raw) if is_form else {},
    )


def _login(token: str) -> str:
    try:
        return base64.b64decode(token, validate=True).decode()
    except (binascii.Error, ValueError):
        return ""


def _answer(state: WorldState, now: float, asked: _Asked) -> Response:
    try:
        status, body = _handled(state, now, asked)
    except RobotError as error:
        return _response(error.status, error.body)
    if asked.method != "GET":
        state.journal.append(f"robot {asked.line}")
    return _response(status, body)


def _handled(state: WorldState, now: float, asked: _Asked) -> tuple[int, JsonValue]:
    _admit(state.robot, now, asked)
    route, parts = _routed(state, asked)
    _spend(state.robot, now, route)
    return route.status, route.handler(Call(state=state, now=now, parts=parts, form=asked.form))


def _admit(account: RobotState, now: float, asked: _Asked) -> None:
    """Three failures within ten minutes block the address for ten more, also for the right password."""
    right = secrets.compare_digest(asked.login.encode(), f"{account.user}:{account.password}".encode())
    if right and account.blocked_until <= now:
        account.failed = []
        return
    if not right:
        account.failed = [at for at in account.failed if at > now - BLOCK_S] + [now]
        if len(account.failed) >= TRIES:
            account.blocked_until = now + BLOCK_S
    raise RobotError(401, "UNAUTHORIZED", "Unauthorized")


def _routed(state: WorldState, asked: _Asked) -> tuple[Route, Mapping[str, str]]:
    for pattern, route in _TABLE:
        match = pattern.fullmatch(asked.path)
        if match is not None and route.method == asked.method:
            return route, match.groupdict()
    state.journal.append(f"robot UNKNOWN {asked.line}")
    raise RobotError(404, "NOT_FOUND", "Not found")


def _spend(account: RobotState, now: float, route: Route) -> None:
    limit = account.limits.get(route.name, route.limit)
    count = account.counts.get(route.name)
    if count is None or now >= count.began + HOUR_S:
        count = Count(began=now)
    count.used += 1
    account.counts[route.name] = count
    if count.used > limit:
        words = "rate limit exceeded"
        raise RobotError(403, "RATE_LIMIT_EXCEEDED", words, max_request=limit, interval=HOUR_S)


def _response(status: int, body: JsonValue) -> Response:
    """What the documentation calls no output is an empty body."""
    return Response("" if body is None else json.dumps(body), status, media_type="application/json")
