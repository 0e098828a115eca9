"""The way to an image registry: over TLS, without a login, with the token that it gives to everybody."""

import re
import ssl
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus

import httpx2
from pydantic import BaseModel, ConfigDict, ValidationError

from ink_infra_mcp.clients.outside import Endpoint, way_to
from ink_infra_mcp.core.effects import Clock
from ink_infra_mcp.core.fleet import Images
from ink_infra_mcp.core.images import Source
from ink_infra_mcp.core.untrusted import clean
from ink_infra_mcp.core.words import of_connection

_HUB_API = "registry-1.docker.io"
"""Where Docker Hub answers; a HEAD of a manifest does not count as a pull there (its documentation on limits)."""
_CHALLENGE = re.compile(r'(?P<key>[a-z]{1,20})="(?P<value>[^"]{0,1000})"', re.ASCII)
LONGEST = 64 * 1024
_UNAUTHORIZED = 401
_MAY_PASS = frozenset({500, 502, 503, 504})
_PAUSES_S = (0.2, 0.8)
_ELSEWHERE = frozenset({301, 302, 303, 307, 308})
_HOPS = 3
_HTTPS, _LAST_PORT = 443, 65_535
_WHY = {
    401: "it shows that image to nobody without a login",
    403: "it shows that image to nobody without a login",
    404: "it shows nobody such an image without a login",
    429: "it answers no more requests for now",
}


class _Token(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    token: str = ""
    access_token: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a registry answered; the body is empty where it was longer than what was asked for."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def is_ok(self) -> bool:
        """Return whether it is what was asked for."""
        return self.status == HTTPStatus.OK

    @property
    def why_not(self) -> str:
        """Return in words why it is not."""
        return _WHY.get(self.status, f"it answered {self.status}")


class SilentError(Exception):
    """Nobody answered; the words say why."""


class RefusedError(Exception):
    """Nobody is asked, and never will be; the words say why."""


@dataclass(frozen=True)
class Registries:
    """The way to the registries that `images` names, and to no others.

    `connect_to` sends connections for (host, port) elsewhere; `confined` lets none go anywhere else. `trust` replaces
    the system's certificate authorities.
    """

    images: Images
    clock: Clock
    connect_to: Mapping[Endpoint, Endpoint] = field(default_factory=dict[Endpoint, Endpoint])
    trust: ssl.SSLContext | None = None
    confined: bool = False


class Visit:
    """Requests about one repository; the token that the registry gave for the first serves them all.

    Raises:
        RefusedError: its registry is not among those of fleet.toml.
    """

    def __init__(self, there: Registries, source: Source) -> None:
        if source.registry not in there.images.known:
            raise RefusedError(f"{source.registry} is not among the registries of fleet.toml")
        self._there, self.source = there, source
        self._inside = source.registry in there.images.inner
        self._token = ""

    async def ask(self, method: str, path: str, *, accept: str, limit: int = LONGEST) -> Answer:
        """Return what the registry answers for a path below the repository.

        Trouble that may pass is waited for: a plan that lacks an answer is another plan than the one with it.

        Raises:
            SilentError: nobody answered. RefusedError: it is at no address that we go to.
        """
        for pause_s in _PAUSES_S:
            with suppress(SilentError):
                answer = await self._once(method, path, accept, limit)
                if answer.status not in _MAY_PASS:
                    return answer
            await self._there.clock.sleep(pause_s)
        return await self._once(method, path, accept, limit)

    async def fetch(self, path: str, *, limit: int) -> Answer:
        """Return content of the repository; registries keep it elsewhere, and send whoever asks there.

        No token goes there. Whoever calls compares what came with the digest that it was asked for by.

        Raises:
            SilentError: nobody answered. RefusedError: it is at no address that we go to.
        """
        answer = await self.ask("GET", path, accept="*/*", limit=limit)
        for _ in range(_HOPS):
            to = _url(answer.headers.get("location", "")) if answer.status in _ELSEWHERE else None
            if to is None:
                return answer
            answer = await self._send("GET", to, {}, limit)
        return answer

    async def _once(self, method: str, path: str, accept: str, limit: int) -> Answer:
        registry = self.source.registry
        host = _HUB_API if registry == "docker.io" else registry
        url = httpx2.URL(f"https://{host}/v2/{self.source.repository}/{path}")
        answer = await self._send(method, url, {"Accept": accept, **self._login}, limit)
        if answer.status == _UNAUTHORIZED:
            self._token = await self._new_token(answer.headers.get("www-authenticate", ""))
            if self._token:
                answer = await self._send(method, url, {"Accept": accept, **self._login}, limit)
        return answer

    @property
    def _login(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._token}"} if self._token else {}

    async def _new_token(self, challenge: str) -> str:
        """Ask for what everybody gets: no login is sent, so that a realm that somebody else runs learns nothing."""
        scheme, _, rest = challenge.partition(" ")
        given = {match["key"]: match["value"] for match in _CHALLENGE.finditer(rest)}
        realm = _url(given.get("realm", "")) if scheme.lower() == "bearer" else None
        if realm is None:
            return ""
        asked = {"service": given.get("service", ""), "scope": f"repository:{self.source.repository}:pull"}
        answer = await self._send("GET", realm.copy_merge_params(asked), {}, LONGEST)
        try:
            found = _Token.model_validate_json(answer.body)
        except ValidationError:
            return ""
        token = found.token or found.access_token
        return token if token.isascii() and token.isprintable() else ""

    async def _send(self, method: str, url: httpx2.URL, headers: Mapping[str, str], limit: int) -> Answer:
        endpoint = await self._way(url)
        target = url.copy_with(host=endpoint[0], port=endpoint[1])
        every = {"Host": url.netloc.decode("ascii"), "User-Agent": "ink-infra-mcp", "Accept-Encoding": "identity"}
        verify = self._there.trust or ssl.create_default_context()
        try:
            async with (
                httpx2.AsyncClient(verify=verify, trust_env=False, follow_redirects=False, timeout=None) as client,
                client.stream(
                    method, target, headers={**every, **headers}, extensions={"sni_hostname": url.host}
                ) as response,
            ):
                return Answer(response.status_code, response.headers, await _body(response, limit))
        except httpx2.TransportError as error:
            why = clean(of_connection(str(error)), limit=200) or type(error).__name__
            raise SilentError(f"{url.host} cannot be reached: {why}") from error

    async def _way(self, url: httpx2.URL) -> Endpoint:
        at = (url.host, url.port or _HTTPS)
        if self._there.confined and at not in self._there.connect_to:
            raise RefusedError(f"{url.host} is none of the sandbox's registries")
        endpoint = await way_to(*at, self._there.connect_to, inside=self._inside)
        if endpoint is None:
            raise RefusedError(f"{url.host} has no public address")
        return endpoint


def _url(text: str) -> httpx2.URL | None:
    try:
        url = httpx2.URL(text)
    except httpx2.InvalidURL:
        return None
    good = url.scheme == "https" and url.host and not url.userinfo and 0 < (url.port or _HTTPS) <= _LAST_PORT
    return url if good else None


async def _body(response: httpx2.Response, limit: int) -> bytes:
    body = b""
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > limit:
            return b""
    return body
