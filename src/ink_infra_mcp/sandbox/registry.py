"""Image registries, as far as a client asks for the digest of a tag: the distribution API, and its tokens."""

import re

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ink_infra_mcp.sandbox.state import WorldState
from ink_infra_mcp.sandbox.state_registry import REGISTRIES
from ink_infra_mcp.sandbox.trouble import answered
from ink_infra_mcp.sandbox.world import World

_MANIFEST = re.compile(r"/v2/(?P<repository>.+)/manifests/(?P<tag>[^/]+)")
_TOKEN = "anonymous-{}"
_INDEX = "application/vnd.oci.image.index.v1+json"
_GONE = "missing"
"""A word in an image's name or tag: no registry has it."""


def build_registry(world: World) -> Starlette:
    """Return the registries, by the host that is asked; serve it with TLS. A manifest is shown to whoever has a token,
    and a token is given to anybody, but for what is private (as Docker Hub and GitHub do it)."""

    async def answer(request: Request) -> Response:
        what = f"{request.method} {request.url.hostname}{request.url.path}"
        return await answered(world, "registry", what, lambda state: _answer(state, request))

    return Starlette(routes=[Route("/{path:path}", answer, methods=["GET", "HEAD"])])


def _answer(state: WorldState, request: Request) -> Response:
    host = (request.url.hostname or "").lower()
    if host not in REGISTRIES:
        return _error(404, "NAME_UNKNOWN")
    if request.url.path == "/token":
        return JSONResponse({"token": _TOKEN.format(request.query_params.get("scope", "")), "expires_in": 300})
    found = _MANIFEST.fullmatch(request.url.path)
    if found is None:
        return _error(404, "UNSUPPORTED")
    scope = f"repository:{found['repository']}:pull"
    if request.headers.get("authorization") != f"Bearer {_TOKEN.format(scope)}":
        return _challenge(host, scope)
    return _manifest(state, request, f"{host}/{found['repository']}", found["tag"])


def _manifest(state: WorldState, request: Request, name: str, tag: str) -> Response:
    """Without the newer kinds a registry gives an older manifest, of another digest."""
    if _GONE in f"{name}:{tag}":
        return _error(404, "MANIFEST_UNKNOWN")
    if name in state.registry.private:
        return _error(401, "UNAUTHORIZED")
    if not state.registry.has(name, tag):
        return _error(404, "MANIFEST_UNKNOWN")
    digest = state.registry.digest(name, tag)
    if _INDEX not in request.headers.get("accept", ""):
        digest = f"sha256:{digest[7:][::-1]}"
    return Response(status_code=200, headers={"docker-content-digest": digest, "content-type": _INDEX})


def _challenge(host: str, scope: str) -> Response:
    value = f'Bearer realm="https://{host}/token",service="{host}",scope="{scope}"'
    return _error(401, "UNAUTHORIZED", {"www-authenticate": value})


def _error(status: int, code: str, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse({"errors": [{"code": code, "message": code.lower()}]}, status, headers=headers)
