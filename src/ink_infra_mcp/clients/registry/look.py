"""Asks an image registry which image a tag names, as Docker asks it before a pull; without a login."""

import asyncio
import re
import ssl
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field

import httpx2
from pydantic import BaseModel, ConfigDict, ValidationError

from ink_infra_mcp.clients.outside import Endpoint, way_to
from ink_infra_mcp.core.effects import Clock
from ink_infra_mcp.core.fleet import Images
from ink_infra_mcp.core.images import Source, reference_of, source_of
from ink_infra_mcp.core.untrusted import clean
from ink_infra_mcp.core.words import of_connection

TIMEOUT_S = 10.0
_HUB_API = "registry-1.docker.io"
"""Where Docker Hub answers; a HEAD of a manifest does not count as a pull there (its documentation on limits)."""
_KINDS = ", ".join(
    (
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    )
)
"""Without these a registry answers with an old form of the manifest, which has another digest."""
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_CHALLENGE = re.compile(r'(?P<key>[a-z]{1,20})="(?P<value>[^"]{0,1000})"', re.ASCII)
_LONGEST = 64 * 1024
_OK, _UNAUTHORIZED = 200, 401
_MAY_PASS = frozenset({500, 502, 503, 504})
_PAUSES_S = (0.2, 0.8)
_WHY = {
    401: "it shows that image to nobody without a login",
    403: "it shows that image to nobody without a login",
    404: "it shows nobody such an image without a login",
    429: "it answers no more requests for now",
}


@dataclass(frozen=True, slots=True)
class ImageSeen:
    """What a registry says of an image: its digest (`sha256:` and 64 hex digits), or `why` it says none."""

    digest: str = ""
    why: str = ""


class _Token(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    token: str = ""
    access_token: str = ""


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes


class _Silent(Exception):
    """Nobody answered; the words say why."""


class _Refused(Exception):
    """Nobody is asked, and never will be; the words say why."""


@dataclass(frozen=True)
class RegistryLook:
    """The read side of image registries: those that `images` names, and no others.

    `connect_to` sends connections for (host, port) elsewhere; `confined` lets none go anywhere else. `trust` replaces
    the system's certificate authorities.
    """

    images: Images
    clock: Clock
    connect_to: Mapping[Endpoint, Endpoint] = field(default_factory=dict[Endpoint, Endpoint])
    trust: ssl.SSLContext | None = None
    confined: bool = False

    async def image(self, reference: str) -> ImageSeen:
        """Return which image a reference such as `ghcr.io/example/shop:1` names now; trouble is told in `why`.

        For several platforms it is the digest of their index: the same that Docker keeps of what it pulled by a tag.
        """
        found = reference_of(reference)
        if found is None:
            return ImageSeen(why="it is no reference of an image")
        if found.digest:
            return ImageSeen(digest=f"sha256:{found.digest}")
        source = source_of(found.name)
        if source.registry not in self.images.known:
            return ImageSeen(why=f"{source.registry} is not among the registries of fleet.toml")
        try:
            async with asyncio.timeout(TIMEOUT_S):
                return await self._told(source, found.tag or "latest")
        except TimeoutError:
            return ImageSeen(why=f"{source.registry} gave no answer within {TIMEOUT_S:g} seconds")
        except (_Silent, _Refused) as error:
            return ImageSeen(why=str(error))

    async def _told(self, source: Source, tag: str) -> ImageSeen:
        """Trouble that may pass is waited for: a plan without a digest is another plan than the one with it."""
        for pause_s in _PAUSES_S:
            with suppress(_Silent):
                answer = await self._asked(source, tag)
                if answer.status not in _MAY_PASS:
                    return _seen(source, answer)
            await self.clock.sleep(pause_s)
        return _seen(source, await self._asked(source, tag))

    async def _asked(self, source: Source, tag: str) -> _Answer:
        host = _HUB_API if source.registry == "docker.io" else source.registry
        url = httpx2.URL(f"https://{host}/v2/{source.repository}/manifests/{tag}")
        inside = source.registry in self.images.inner
        answer = await self._send("HEAD", url, {"Accept": _KINDS}, inside=inside)
        if answer.status == _UNAUTHORIZED:
            token = await self._token(answer.headers.get("www-authenticate", ""), source, inside=inside)
            if token:
                headers = {"Accept": _KINDS, "Authorization": f"Bearer {token}"}
                answer = await self._send("HEAD", url, headers, inside=inside)
        return answer

    async def _token(self, challenge: str, source: Source, *, inside: bool) -> str:
        """Ask for what everybody gets: no login is sent, so that a realm that somebody else runs learns nothing."""
        scheme, _, rest = challenge.partition(" ")
        given = {match["key"]: match["value"] for match in _CHALLENGE.finditer(rest)}
        realm = _realm(given.get("realm", "")) if scheme.lower() == "bearer" else None
        if realm is None:
            return ""
        asked = {"service": given.get("service", ""), "scope": f"repository:{source.repository}:pull"}
        answer = await self._send("GET", realm.copy_merge_params(asked), {}, inside=inside)
        try:
            found = _Token.model_validate_json(answer.body)
        except ValidationError:
            return ""
        token = found.token or found.access_token
        return token if token.isascii() and token.isprintable() else ""

    async def _send(self, method: str, url: httpx2.URL, headers: Mapping[str, str], *, inside: bool) -> _Answer:
        endpoint = await self._way(url, inside=inside)
        target = url.copy_with(host=endpoint[0], port=endpoint[1])
        every = {"Host": url.netloc.decode("ascii"), "User-Agent": "ink-infra-mcp", "Accept-Encoding": "identity"}
        verify = self.trust or ssl.create_default_context()
        try:
            async with (
                httpx2.AsyncClient(verify=verify, trust_env=False, follow_redirects=False, timeout=None) as client,
                client.stream(
                    method, target, headers={**every, **headers}, extensions={"sni_hostname": url.host}
                ) as response,
            ):
                return _Answer(response.status_code, response.headers, await _body(response))
        except httpx2.TransportError as error:
            why = clean(of_connection(str(error)), limit=200) or type(error).__name__
            raise _Silent(f"{url.host} cannot be reached: {why}") from error

    async def _way(self, url: httpx2.URL, *, inside: bool) -> Endpoint:
        at = (url.host, url.port or 443)
        if self.confined and at not in self.connect_to:
            raise _Refused(f"{url.host} is none of the sandbox's registries")
        endpoint = await way_to(*at, self.connect_to, inside=inside)
        if endpoint is None:
            raise _Refused(f"{url.host} has no public address")
        return endpoint


def _realm(text: str) -> httpx2.URL | None:
    try:
        url = httpx2.URL(text)
    except httpx2.InvalidURL:
        return None
    return url if url.scheme == "https" and url.host and not url.userinfo else None


def _seen(source: Source, answer: _Answer) -> ImageSeen:
    if answer.status != _OK:
        return ImageSeen(why=f"{source.registry}: {_WHY.get(answer.status, f'it answered {answer.status}')}")
    digest = answer.headers.get("docker-content-digest", "")
    if not _DIGEST.fullmatch(digest):
        return ImageSeen(why=f"{source.registry} names no digest")
    return ImageSeen(digest=digest)


async def _body(response: httpx2.Response) -> bytes:
    body = b""
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > _LONGEST:
            return b""
    return body
