"""Image registries: the distribution API, as far as images, what refers to them and blobs are asked for."""

import hashlib
import json
import re
from collections.abc import Iterator
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ink_infra_mcp.sandbox.state import WorldState
from ink_infra_mcp.sandbox.state_registry import REGISTRIES, Content
from ink_infra_mcp.sandbox.trouble import answered
from ink_infra_mcp.sandbox.world import World

_PATH = re.compile(r"/v2/(?P<repository>.+)/(?P<what>manifests|blobs|referrers)/(?P<tag>[^/]+)")
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
    found = _PATH.fullmatch(request.url.path)
    if found is None:
        return _error(404, "UNSUPPORTED")
    scope = f"repository:{found['repository']}:pull"
    if request.headers.get("authorization") != f"Bearer {_TOKEN.format(scope)}":
        return _challenge(host, scope)
    name = f"{host}/{found['repository']}"
    if found["what"] == "manifests":
        return _manifest(state, request, name, found["tag"])
    content = state.registry.contents.get(name, Content())
    return _blob(content, found["tag"]) if found["what"] == "blobs" else _referrers(content, found["tag"])


def _blob(content: Content, digest: str) -> Response:
    if digest not in content.blobs:
        return _error(404, "BLOB_UNKNOWN")
    return Response(content.blobs[digest], headers={"content-type": "application/octet-stream"})


def _referrers(content: Content, digest: str) -> Response:
    """A registry that does not know this part of the API answers 404 (distribution-spec 1.1, "Listing Referrers")."""
    if not content.lists:
        return _error(404, "UNSUPPORTED")
    listed = {"schemaVersion": 2, "mediaType": _INDEX, "manifests": [*_referring(content, digest)]}
    return Response(json.dumps(listed), headers={"content-type": _INDEX})


def _referring(content: Content, digest: str) -> Iterator[dict[str, Any]]:
    """The type of what refers is its artifactType, else that of its config (ibid., "Listing Referrers")."""
    for text in content.manifests.values():
        manifest = json.loads(text)
        if manifest.get("subject", {}).get("digest") == digest:
            yield {
                "mediaType": manifest["mediaType"],
                "digest": _digest_of(text),
                "size": len(text),
                "artifactType": manifest.get("artifactType") or manifest["config"]["mediaType"],
            }


def _digest_of(text: str) -> str:
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def _manifest(state: WorldState, request: Request, name: str, tag: str) -> Response:
    """Without the newer kinds a registry gives an older manifest, of another digest."""
    if _GONE in f"{name}:{tag}":
        return _error(404, "MANIFEST_UNKNOWN")
    if name in state.registry.private:
        return _error(401, "UNAUTHORIZED")
    stored = state.registry.contents.get(name, Content()).manifests.get(tag)
    if stored is not None:
        named = tag if tag.startswith("sha256:") else _digest_of(stored)
        kind = json.loads(stored)["mediaType"]
        return Response(stored, headers={"docker-content-digest": named, "content-type": kind})
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
