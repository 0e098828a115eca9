"""The one importer of the HTTP library: auth, time-outs, retries, error mapping, redaction and the write gate."""

import json
import random
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from types import TracebackType
from typing import Self, cast
from urllib.parse import urlencode

import anyio
import httpx2
from pydantic import JsonValue

from ink_infra_mcp import __version__
from ink_infra_mcp.clients.answers import READS, Answer, Classify, classify_plainly, may_have_acted, not_the_api
from ink_infra_mcp.clients.reading import Reads
from ink_infra_mcp.core.effects import Clock
from ink_infra_mcp.core.errors import (
    MAYBE_DONE,
    NOTHING_DONE,
    BadAnswer,
    RateLimited,
    Unavailable,
    Unreachable,
    VendorError,
)
from ink_infra_mcp.core.permit import Permit, refuse_without_permit
from ink_infra_mcp.core.redact import Redactor
from ink_infra_mcp.core.secret import Secret
from ink_infra_mcp.core.untrusted import clean
from ink_infra_mcp.core.words import of_connection

Query = Mapping[str, str | int | bool]
Form = Sequence[tuple[str, str]]
Transport = httpx2.AsyncBaseTransport
ATTEMPTS = 4
CAP_S = 60.0
MAX_BODY_BYTES = 64 * 2**20
FORM_HEADER = {"Content-Type": "application/x-www-form-urlencoded"}
_PERMIT = "ink_permit"
_PLAIN = frozenset({_PERMIT, "timeout"})
"""What a read may have beside it: others steer the transport, one of them (`target`) to another path."""


class WriteGate(httpx2.AsyncBaseTransport):
    """A transport that lets listed reads pass and refuses all else without a live permit, whoever calls.

    A read is a GET or HEAD without a body, of an address that `reads` has below `base_url`, compared as it is sent.
    """

    def __init__(self, inner: httpx2.AsyncBaseTransport, reads: Reads, *, base_url: str) -> None:
        self._inner = inner
        self._reads = reads
        self._base = httpx2.URL(base_url)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Pass the request on.

        Raises:
            WriteRefused: it is no listed read and carries no live permit.
        """
        if not self._only_reads(request):
            permit = request.extensions.get(_PERMIT)
            refuse_without_permit(
                permit if isinstance(permit, Permit) else None, f"{request.method} {request.url.path}"
            )
        return await self._inner.handle_async_request(request)

    def _only_reads(self, request: httpx2.Request) -> bool:
        return (
            request.method in READS
            and _has_no_body(request)
            and request.extensions.keys() <= _PLAIN
            and _origin(request.url) == _origin(self._base)
            and self._reads.allow(request.url.raw_path.decode(errors="replace"), below=self._base.raw_path.decode())
        )

    async def aclose(self) -> None:
        """Close the transport below."""
        await self._inner.aclose()


@dataclass(frozen=True, slots=True)
class HttpSettings:
    """How to reach one vendor. Times are seconds; `whole_s` bounds one exchange, however slowly it drips.

    `reads` are the addresses that may be had without a permit. `hint` ends the message of an Unauthorized error. A
    token that may come later is asked of `find_token` at each request until there is one; what that raises is raised.
    """

    service: str
    base_url: str
    reads: Reads = field(default_factory=Reads)
    token: Secret | None = None
    find_token: Callable[[], Secret] | None = None
    scheme: str = "Bearer"
    connect_s: float = 5.0
    read_s: float = 30.0
    whole_s: float = 120.0
    hint: str = ""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


class Http:
    """One vendor's HTTP door. `get` retries; `send` needs a permit and is never blindly repeated, whatever its method.

    Retried: reads on connect and read errors, 429 and 502-504; writes only when the vendor surely did not act (no
    connection was made, or 429). An authentication failure is never retried. Redirects are not followed.
    """

    def __init__(
        self,
        settings: HttpSettings,
        *,
        clock: Clock,
        redact: Redactor,
        classify: Classify | None = None,
        transport: Transport | None = None,
        jitter: Callable[[], float] = random.random,  # noqa: S311 - spreads retries, guards nothing
    ) -> None:
        self.service = settings.service
        self._settings = settings
        self._token = settings.token
        self._clock = clock
        self._redact = redact
        self._classify = classify or classify_plainly
        self._jitter = jitter
        self._client = httpx2.AsyncClient(
            base_url=settings.base_url,
            headers={"Accept": "application/json", "User-Agent": f"ink-infra-mcp/{__version__}", **settings.headers},
            timeout=httpx2.Timeout(settings.read_s, connect=settings.connect_s),
            transport=WriteGate(
                transport or httpx2.AsyncHTTPTransport(verify=_trust(), retries=0),
                settings.reads,
                base_url=settings.base_url,
            ),
            trust_env=False,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def get(self, path: str, query: Query | None = None) -> Answer:
        """Return a good answer to a read, retried where the trouble may pass.

        Raises:
            WriteRefused: it is not one of the vendor's listed reads; nothing was sent.
            VendorError: the subclass says what kind of trouble.
        """
        return await self._ask("GET", path, query=query)

    async def send(
        self,
        method: str,
        path: str,
        *,
        permit: Permit,
        body: JsonValue = None,
        form: Form | None = None,
        query: Query | None = None,
    ) -> Answer:
        """Return a good answer to a write, which needs a live permit; `form` goes as form fields, `body` as JSON.

        Raises:
            WriteRefused: the permit has ended.
            VendorError: with `done` saying whether the write may have happened.
        """
        return await self._ask(method, path, query=query, body=body, form=form, permit=permit)

    async def _ask(
        self,
        method: str,
        path: str,
        *,
        query: Query | None,
        body: JsonValue = None,
        form: Form | None = None,
        permit: Permit | None = None,
    ) -> Answer:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return await self._once(method, path, query=query, body=body, form=form, permit=permit)
            except VendorError as error:
                if attempt == ATTEMPTS or not _may_repeat(error, reads=permit is None):
                    raise
                await self._clock.sleep(_pause(attempt, error.retry_after_s, self._jitter()))
        raise AssertionError("unreachable")

    async def _once(
        self,
        method: str,
        path: str,
        *,
        query: Query | None,
        body: JsonValue,
        form: Form | None,
        permit: Permit | None,
    ) -> Answer:
        request = self._client.build_request(
            method,
            path.lstrip("/"),
            params=_query(query),
            json=body,
            content=None if form is None else urlencode(form),
            headers=self._auth() | ({} if form is None else FORM_HEADER),
            extensions={_PERMIT: permit},
        )
        answer = await self._wire(method, path, request, reads=permit is None)
        if answer.status >= 400:
            raise _marked(self._classify(self.service, answer), answer)
        if answer.is_html or answer.status >= 300:
            raise _marked(not_the_api(self.service, answer), answer)
        return answer

    async def _wire(self, method: str, path: str, request: httpx2.Request, *, reads: bool) -> Answer:
        try:
            with anyio.fail_after(self._settings.whole_s):
                response = await self._client.send(request, stream=True)
                body = await _body(response)
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout) as error:
            raise self._unreachable(error, reads=reads, unsure=False) from error
        except (httpx2.RequestError, TimeoutError) as error:
            raise self._unreachable(error, reads=reads, unsure=not reads) from error
        if len(body) > MAX_BODY_BYTES:
            raise self._too_large(method, path, response.status_code, reads=reads)
        text = (
            self._redact(body.decode(errors="replace"))
            if response.status_code >= 400
            else body.decode(errors="replace")
        )
        return Answer(
            method=method,
            path=path,
            status=response.status_code,
            headers={k.lower(): v for k, v in response.headers.items()},
            text=text,
            json=_json(text),
            permitted=not reads,
        )

    def _auth(self) -> dict[str, str]:
        if self._token is None and self._settings.find_token is not None:
            self._token = self._settings.find_token()
        return {"Authorization": f"{self._settings.scheme} {self._token.reveal()}"} if self._token else {}

    def _too_large(self, method: str, path: str, status: int, *, reads: bool) -> BadAnswer:
        return BadAnswer(
            f"{self.service} answered {method} {path} with more than {MAX_BODY_BYTES // 2**20} MiB.",
            service=self.service,
            status=status,
            done=NOTHING_DONE if reads else MAYBE_DONE,
            next="Look at what stands there in the service itself.",
            unsure=not reads,
            of_read=reads,
        )

    def _unreachable(self, error: Exception, *, reads: bool, unsure: bool) -> Unreachable:
        why = clean(of_connection(self._redact(str(error))), limit=200) or type(error).__name__
        return Unreachable(
            f"{self.service} did not answer at {self._settings.base_url}: {why}.",
            service=self.service,
            done=MAYBE_DONE if unsure else NOTHING_DONE,
            next=f"Check that {self.service} is up and reachable from this machine, then call again.",
            vendor_code="maybe_sent" if unsure else "not_sent",
            unsure=unsure,
            of_read=reads,
        )


def _marked(error: VendorError, answer: Answer) -> VendorError:
    error.unsure, error.of_read = may_have_acted(answer), answer.only_read
    return error


def _has_no_body(request: httpx2.Request) -> bool:
    """Coolify takes fields from the JSON body of a GET, too (Laravel, Request::json)."""
    return request.headers.get("content-length", "0") == "0" and "transfer-encoding" not in request.headers


def _origin(url: httpx2.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


async def _body(response: httpx2.Response) -> bytes:
    """Return the body, unpacked; of one that is too large, only so much that this can be seen."""
    body = bytearray()
    try:
        async for part in response.aiter_bytes():
            body += part
            if len(body) > MAX_BODY_BYTES:
                break
    finally:
        with anyio.CancelScope(shield=True):
            await response.aclose()
    return bytes(body)


@cache
def _trust() -> ssl.SSLContext:
    """Return whom we trust, read once: a machine's authorities take as long to load as ten answers to arrive."""
    return httpx2.create_ssl_context()


def _query(query: Query | None) -> dict[str, str | int] | None:
    """Booleans go as `true`/`false`; httpx would also do that, but this is part of what Coolify's tests pin."""
    if query is None:
        return None
    return {k: ("true" if v else "false") if isinstance(v, bool) else v for k, v in query.items()}


def _json(text: str) -> JsonValue:
    try:
        return cast(JsonValue, json.loads(text))
    except (ValueError, RecursionError):
        return None


def _may_repeat(error: VendorError, *, reads: bool) -> bool:
    if isinstance(error, RateLimited):
        return error.retry_after_s is None or error.retry_after_s <= CAP_S
    if isinstance(error, Unreachable):
        return reads or error.vendor_code == "not_sent"
    return reads and isinstance(error, Unavailable) and error.status in {502, 503, 504}


def _pause(attempt: int, retry_after_s: float | None, jitter: float) -> float:
    if retry_after_s is not None:
        return min(retry_after_s, CAP_S) + jitter
    return min(2.0 ** (attempt - 1), CAP_S) * (0.5 + jitter / 2)
