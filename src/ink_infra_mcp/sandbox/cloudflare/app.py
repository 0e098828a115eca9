"""The API's front door: which route, whose token, and the envelope of every answer."""

import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route as WebRoute

from ink_infra_mcp.sandbox.cloudflare import records
from ink_infra_mcp.sandbox.cloudflare.call import Call, CfError, Handler, Json, Reply, paged
from ink_infra_mcp.sandbox.state import WorldState
from ink_infra_mcp.sandbox.state_cloudflare import CloudflareState, CloudflareZone
from ink_infra_mcp.sandbox.trouble import answered
from ink_infra_mcp.sandbox.world import World

METHODS = ["GET", "POST", "PUT", "DELETE", "PATCH"]
BASE = "/client/v4"


def _zone(zone: CloudflareZone) -> Json:
    return {
        "id": zone.id,
        "name": zone.name,
        "status": zone.status,
        "paused": zone.paused,
        "type": zone.type,
        "development_mode": 0,
        "name_servers": zone.name_servers,
        "original_name_servers": None,
        "account": {"id": "9c" * 16, "name": "example"},
        "meta": {},
        "owner": {},
        "plan": {},
        "created_on": "2026-01-01T00:00:00Z",
        "modified_on": "2026-01-01T00:00:00Z",
    }


def _zones(call: Call) -> Reply:
    if unknown := call.query.keys() - {"name", "page", "per_page"}:
        raise CfError(400, 6003, f"the sandbox does not know the filters {sorted(unknown)}")
    name = call.query.get("name", "")
    return paged(call, [_zone(z) for z in call.account.zones if not name or z.name == name], default=20, most=50)


def _one_zone(call: Call) -> Reply:
    return Reply(_zone(call.zone))


_RECORDS = "/zones/{zone}/dns_records"
ROUTES: tuple[tuple[str, str, Handler], ...] = (
    ("GET", "/zones", _zones),
    ("GET", "/zones/{zone}", _one_zone),
    ("GET", _RECORDS, records.list_records),
    ("POST", _RECORDS, records.create_record),
    ("POST", f"{_RECORDS}/batch", records.batch),
    ("GET", f"{_RECORDS}/{{record}}", records.get_record),
    ("PATCH", f"{_RECORDS}/{{record}}", records.edit_record),
    ("PUT", f"{_RECORDS}/{{record}}", records.replace_record),
    ("DELETE", f"{_RECORDS}/{{record}}", records.delete_record),
)
_TABLE = [
    (method, re.compile(BASE + re.sub(r"\{(\w+)\}", r"(?P<\1>[0-9a-f]{32})", path)), handler)
    for method, path, handler in ROUTES
]


@dataclass(frozen=True, slots=True)
class _Asked:
    method: str
    path: str
    token: str
    query: Mapping[str, str]
    raw: bytes

    @property
    def line(self) -> str:
        return f"{self.method} {self.path}"


def build_cloudflare(world: World) -> Starlette:
    """Return the API at /client/v4 over `world`."""

    async def answer(request: Request) -> Response:
        asked = await _asked(request)
        return await answered(world, "cloudflare", asked.line, lambda state: _answer(state, world.now(state), asked))

    return Starlette(routes=[WebRoute("/{path:path}", answer, methods=METHODS)])


async def _asked(request: Request) -> _Asked:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return _Asked(
        method=request.method,
        path=str(request.scope["path"]),
        token=token if scheme.lower() == "bearer" else "",
        query=dict(request.query_params.items()),
        raw=await request.body(),
    )


def _answer(state: WorldState, now: float, asked: _Asked) -> Response:
    try:
        reply = _handled(state, now, asked)
    except CfError as error:
        said = [{"code": error.code, "message": error.message}]
        return _response(error.status, {"success": False, "errors": said, "messages": [], "result": None})
    if asked.method != "GET":
        state.journal.append(f"cloudflare {asked.line}")
    body: Json = {"success": True, "errors": [], "messages": [], "result": reply.result}
    return _response(200, body | ({"result_info": reply.info} if reply.info is not None else {}))


def _handled(state: WorldState, now: float, asked: _Asked) -> Reply:
    _admit(state.cloudflare, asked)
    handler, parts = _routed(state, asked)
    call = Call(account=state.cloudflare, now=now, parts=parts, query=asked.query, body=_json(asked.raw))
    return handler(call)


def _routed(state: WorldState, asked: _Asked) -> tuple[Handler, Mapping[str, str]]:
    for method, pattern, handler in _TABLE:
        match = pattern.fullmatch(asked.path)
        if match is not None and method == asked.method:
            return handler, match.groupdict()
    state.journal.append(f"cloudflare UNKNOWN {asked.line}")
    raise CfError(404, 7003, f"Could not route to {asked.path}, perhaps your object identifier is invalid?")


def _admit(account: CloudflareState, asked: _Asked) -> None:
    """A token that the vendor does not know is an authentication error; one that may not do it too, with 403."""
    if not asked.token:
        raise CfError(400, 9106, "Missing X-Auth-Key, X-Auth-Email or Authorization headers")
    token = next((t for t in account.tokens if secrets.compare_digest(t.value, asked.token)), None)
    if token is None:
        raise CfError(401, 1000, "Invalid API Token")
    if token.read_only and asked.method != "GET":
        raise CfError(403, 10000, "Authentication error")


def _json(raw: bytes) -> Json:
    try:
        body: Any = json.loads(raw) if raw else {}
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise CfError(400, 9207, "Request body is invalid.")
    return body  # pyright: ignore[reportUnknownVariableType] - JSON: its keys are texts


def _response(status: int, body: Json) -> Response:
    headers = {"cf-ray": secrets.token_hex(8)}
    return Response(json.dumps(body), status, headers=headers, media_type="application/json")
