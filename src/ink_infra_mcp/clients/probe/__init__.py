"""One request to a public URL, as a visitor makes it: status, certificate, and the first words of the answer."""

import asyncio
import ssl
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Literal, cast

import httpx2
from pydantic import BaseModel, ConfigDict

from ink_infra_mcp.clients.outside import Endpoint, addresses, is_admitted
from ink_infra_mcp.core.untrusted import clean
from ink_infra_mcp.core.words import of_connection

START_BYTES = 2048
START_CHARS = 200
DEFAULT_PORTS: Mapping[str, int] = {"http": 80, "https": 443}


class _Seen(BaseModel):
    model_config = ConfigDict(frozen=True)


class TlsSeen(_Seen):
    """The certificate shown for the name asked for. `problem` says why a visitor's browser would refuse it.

    Issuer, names and end are known only of a certificate that is trusted.
    """

    trusted: bool
    version: str = ""
    problem: str = ""
    issuer: str = ""
    names: tuple[str, ...] = ()
    not_after: datetime | None = None


class HttpSeen(_Seen):
    """What one GET saw; nothing is followed. `status` is None when there was no HTTP answer, and `error` says why.

    With an untrusted certificate the answer behind it is still told, and `tls.trusted` is false.
    """

    status: int | None = None
    location: str = ""
    server: str = ""
    untrusted_start: str = ""
    tls: TlsSeen | None = None
    error: str = ""
    kind: Literal["answered", "refused_by_us", "unresolved", "unreachable", "timeout", "tls"] = "answered"


class Probe:
    """Visits URLs. `connect_to` sends connections for (host or address, port) elsewhere, as curl's --connect-to does.

    Addresses that are not public (loopback, private, link-local with the metadata service, documentation) are refused
    unless `connect_to` names them. `verify` replaces the system's certificate authorities.
    """

    def __init__(
        self, connect_to: Mapping[Endpoint, Endpoint] | None = None, verify: ssl.SSLContext | None = None
    ) -> None:
        self._connect_to: Mapping[Endpoint, Endpoint] = connect_to if connect_to is not None else {}
        self._verify = verify

    async def http(
        self, url: str, *, address: str | None = None, inside: bool = False, timeout_s: float = 10.0
    ) -> HttpSeen:
        """Return what a GET of `url` sees, at `address` if given, else where its name leads; trouble is a value.

        `inside` lets the given address be a private one: the operator has said so. Loopback, link-local and metadata
        addresses stay refused.

        Raises:
            ValueError: the URL is not http or https with a host, or it carries a user name.
        """
        parts = _checked(url)
        try:
            async with asyncio.timeout(timeout_s):
                return await self._visit(parts, address, inside=inside and address is not None)
        except TimeoutError:
            return HttpSeen(kind="timeout", error=f"no answer within {timeout_s:g} seconds")

    async def _visit(self, url: httpx2.URL, address: str | None, *, inside: bool) -> HttpSeen:
        port = url.port or DEFAULT_PORTS[url.scheme]
        candidates = await self._candidates(url.host, address, port)
        if not candidates:
            return HttpSeen(kind="unresolved", error=f"{url.host} has no address")
        endpoints = (self._endpoint(candidate, port, inside=inside) for candidate in candidates)
        endpoint = next(filter(None, endpoints), None)
        if endpoint is None:
            return HttpSeen(kind="refused_by_us", error=f"{candidates[0]} is not a public address")
        return await self._ask(url, endpoint)

    async def _candidates(self, host: str, address: str | None, port: int) -> list[str]:
        """A host that is sent elsewhere needs no address of its own."""
        if address:
            return [address]
        return [host] if (host, port) in self._connect_to else await addresses(host, port)

    def _endpoint(self, address: str, port: int, *, inside: bool) -> Endpoint | None:
        """Return where to connect to for an address, or None where we do not go."""
        here = (address, port)
        return self._connect_to.get(here, here if is_admitted(address, inside=inside) else None)

    async def _ask(self, url: httpx2.URL, endpoint: Endpoint) -> HttpSeen:
        try:
            return await _get(url, endpoint, self._context(url))
        except httpx2.TransportError as error:
            refusal = _certificate_error(error)
            if refusal is None:
                return _unreachable(error, url)
        try:
            behind = await _get(url, endpoint, _blind())
        except httpx2.TransportError as error:
            behind = _unreachable(error, url)
        return behind.model_copy(
            update={"tls": TlsSeen(trusted=False, problem=refusal), "kind": "tls", "error": refusal}
        )

    def _context(self, url: httpx2.URL) -> ssl.SSLContext:
        if self._verify is None and url.scheme == "https":
            self._verify = ssl.create_default_context()
        return self._verify or _blind()


def _checked(url: str) -> httpx2.URL:
    try:
        parts = httpx2.URL(url)
    except httpx2.InvalidURL as error:
        raise ValueError(f"not a URL: {error}") from error
    if parts.scheme not in DEFAULT_PORTS or not parts.host or parts.userinfo:
        raise ValueError("use http:// or https:// with a host and no user name")
    return parts


async def _get(url: httpx2.URL, endpoint: Endpoint, context: ssl.SSLContext) -> HttpSeen:
    """The host of the URL goes into the Host header and the TLS server name; the connection goes to the endpoint."""
    netloc = url.netloc.decode("ascii")
    target = url.copy_with(host=endpoint[0], port=endpoint[1])
    async with (
        httpx2.AsyncClient(verify=context, trust_env=False, follow_redirects=False, timeout=None) as client,
        client.stream(
            "GET",
            target,
            headers={"Host": netloc, "User-Agent": "ink-infra-mcp", "Accept": "*/*", "Accept-Encoding": "identity"},
            extensions={"sni_hostname": url.host},
        ) as response,
    ):
        return HttpSeen(
            status=response.status_code,
            location=clean(response.headers.get("location", ""), limit=500),
            server=clean(response.headers.get("server", ""), limit=100),
            untrusted_start=await _start(response),
            tls=_tls(response) if url.scheme == "https" else None,
        )


async def _start(response: httpx2.Response) -> str:
    start = b""
    try:
        async for chunk in response.aiter_raw():
            start += chunk
            if len(start) >= START_BYTES:
                break
    except httpx2.TransportError:
        return _text(start)
    return _text(start)


def _text(start: bytes) -> str:
    return clean(" ".join(start[:START_BYTES].decode("utf-8", "replace").split()), limit=START_CHARS)


def _tls(response: httpx2.Response) -> TlsSeen:
    tls = response.extensions["network_stream"].get_extra_info("ssl_object")
    if not isinstance(tls, ssl.SSLObject):
        return TlsSeen(trusted=False, problem="no certificate could be read")
    shown = tls.getpeercert() or {}
    issuer = _named(shown.get("issuer"))
    end = shown.get("notAfter")
    return TlsSeen(
        trusted=True,
        version=tls.version() or "",
        issuer=clean(issuer.get("organizationName") or issuer.get("commonName", ""), limit=100),
        names=tuple(clean(value, limit=253) for _, value in _pairs(shown.get("subjectAltName"))),
        not_after=datetime.fromtimestamp(ssl.cert_time_to_seconds(end), UTC) if isinstance(end, str) else None,
    )


def _named(issuer: object) -> Mapping[str, str]:
    """Return a distinguished name, which Python gives as a tuple of tuples of pairs."""
    return {key: value for part in _tuple(issuer) for key, value in _pairs(part)}


def _pairs(value: object) -> list[tuple[str, str]]:
    return [(str(pair[0]), str(pair[1])) for pair in map(_tuple, _tuple(value)) if len(pair) == 2]


def _tuple(value: object) -> tuple[object, ...]:
    return cast(tuple[object, ...], value) if isinstance(value, tuple) else ()


def _certificate_error(error: BaseException) -> str | None:
    """Return what OpenSSL has against the certificate, when that is what broke the connection."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return clean(cause.verify_message, limit=200)
        cause = cause.__cause__ or cause.__context__
    return None


def _unreachable(error: httpx2.TransportError, url: httpx2.URL) -> HttpSeen:
    why = clean(of_connection(str(error)), limit=200) or type(error).__name__
    return HttpSeen(kind="unreachable", error=f"{url.host}: {why}")


def _blind() -> ssl.SSLContext:
    """Only for looking at what stands behind a certificate that was refused, and for plain HTTP: no secret is sent."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
