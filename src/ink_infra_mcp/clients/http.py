"""The one importer of the HTTP library: auth, time-outs, retries, error mapping, redaction and the write gate."""

import json
import random
import re
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from types import TracebackType
from typing import Protocol, Self, cast
from urllib.parse import urlencode

import anyio
import httpx2
from pydantic import JsonValue

from ink_infra_mcp.core.effects import Clock
from ink_infra_mcp.core.errors import (
    BadAnswer,
    Conflict,
    Forbidden,
    NotFound,
    RateLimited,
    Rejected,
    Unauthorized,
    Unavailable,
    Unreachable,
    VendorError,
)
from ink_infra_mcp.core.permit import Permit, refuse_without_permit
from ink_infra_mcp.core.redact import Redactor
from ink_infra_mcp.core.secret import Secret
from ink_infra_mcp.core.shapes import table
from ink_infra_mcp.core.untrusted import clean

Query = Mapping[str, str | int | bool]
Form = Sequence[tuple[str, str]]
Transport = httpx2.AsyncBaseTransport
READS = frozenset({"GET", "HEAD"})
ATTEMPTS = 4
CAP_S = 60.0
MAX_BODY_BYTES = 64 * 2**20
FORM_HEADER = {"Content-Type": "application/x-www-form-urlencoded"}
_PERMIT = "ink_permit"


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer: status, lower-case headers, text, and the JSON in it (None when there is none)."""

    method: str
    path: str
    status: int
    headers: Mapping[str, str]
    text: str
    json: JsonValue

    @property
    def is_html(self) -> bool:
        """Return whether a web page came back where an API was expected.

        The body decides: Coolify itself sends its version and health as bare text with the content type of HTML.
        """
        return self.text.lstrip()[:1] == "<"


class WriteGate(httpx2.AsyncBaseTransport):
    """A transport that lets reads pass and refuses every write without a live permit, whoever calls."""

    def __init__(self, inner: httpx2.AsyncBaseTransport) -> None:
        self._inner = inner

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Pass the request on.

        Raises:
            WriteRefused: it is not GET or HEAD and carries no live permit.
        """
        if request.method not in READS:
            permit = request.extensions.get(_PERMIT)
            refuse_without_permit(
                permit if isinstance(permit, Permit) else None, f"{request.method} {request.url.path}"
            )
        return await self._inner.handle_async_request(request)

    async def aclose(self) -> None:
        """Close the transport below."""
        await self._inner.aclose()


class Classify(Protocol):
    """Turns an error answer into the right VendorError; a vendor adds what only its API says."""

    def __call__(self, service: str, answer: Answer) -> VendorError:
        """Return the error to raise."""
        ...


@dataclass(frozen=True, slots=True)
class HttpSettings:
    """How to reach one vendor. Times are seconds; `whole_s` bounds one exchange, however slowly it drips.

    `hint` ends the message of an Unauthorized error.
    """

    service: str
    base_url: str
    token: Secret | None = None
    scheme: str = "Bearer"
    connect_s: float = 5.0
    read_s: float = 30.0
    whole_s: float = 120.0
    hint: str = ""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


class Http:
    """One vendor's HTTP door. `get` retries; `send` needs a permit and is never blindly repeated.

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
        self._clock = clock
        self._redact = redact
        self._classify = classify or classify_plainly
        self._jitter = jitter
        self._client = httpx2.AsyncClient(
            base_url=settings.base_url,
            headers={"Accept": "application/json", "User-Agent": "ink-infra-mcp", **settings.headers},
            timeout=httpx2.Timeout(settings.read_s, connect=settings.connect_s),
            transport=WriteGate(transport or httpx2.AsyncHTTPTransport(verify=_trust(), retries=0)),
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
                if attempt == ATTEMPTS or not _may_repeat(method, error):
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
        answer = await self._wire(method, path, request)
        if answer.status >= 400:
            raise self._classify(self.service, answer)
        if answer.is_html or answer.status >= 300:
            raise not_the_api(self.service, answer)
        return answer

    async def _wire(self, method: str, path: str, request: httpx2.Request) -> Answer:
        try:
            with anyio.fail_after(self._settings.whole_s):
                response = await self._client.send(request, stream=True)
                body = await _body(response)
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout) as error:
            raise self._unreachable(error, method, sent=False) from error
        except (httpx2.RequestError, TimeoutError) as error:
            raise self._unreachable(error, method, sent=True) from error
        if len(body) > MAX_BODY_BYTES:
            raise self._too_large(method, path, response.status_code)
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
        )

    def _auth(self) -> dict[str, str]:
        token = self._settings.token
        return {"Authorization": f"{self._settings.scheme} {token.reveal()}"} if token else {}

    def _too_large(self, method: str, path: str, status: int) -> BadAnswer:
        return BadAnswer(
            f"{self.service} answered {method} {path} with more than {MAX_BODY_BYTES // 2**20} MiB.",
            service=self.service,
            status=status,
            done="Nothing was changed." if method in READS else "It is not known whether the change happened.",
            next="Look at what stands there in the service itself.",
        )

    def _unreachable(self, error: Exception, method: str, *, sent: bool) -> Unreachable:
        why = clean(self._redact(str(error)), limit=200) or type(error).__name__
        unsure = sent and method not in READS
        return Unreachable(
            f"{self.service} did not answer at {self._settings.base_url}: {why}.",
            service=self.service,
            done="It is not known whether the change happened." if unsure else "Nothing was changed.",
            next=f"Check that {self.service} is up and reachable from this machine, then call again.",
            vendor_code="maybe_sent" if unsure else "not_sent",
        )


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


def _may_repeat(method: str, error: VendorError) -> bool:
    if isinstance(error, RateLimited):
        return error.retry_after_s is None or error.retry_after_s <= CAP_S
    if isinstance(error, Unreachable):
        return method in READS or error.vendor_code == "not_sent"
    return method in READS and isinstance(error, Unavailable) and error.status in {502, 503, 504}


def _pause(attempt: int, retry_after_s: float | None, jitter: float) -> float:
    if retry_after_s is not None:
        return min(retry_after_s, CAP_S) + jitter
    return min(2.0 ** (attempt - 1), CAP_S) * (0.5 + jitter / 2)


_BY_STATUS: Mapping[int, type[VendorError]] = {
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    423: Conflict,
    429: RateLimited,
}


def classify_plainly(service: str, answer: Answer) -> VendorError:
    """Return the VendorError that the status alone calls for, with the vendor's own words where they are JSON."""
    if answer.is_html and answer.status < 500:
        return not_the_api(service, answer)
    kind = _BY_STATUS.get(answer.status, Unavailable if answer.status >= 500 else Rejected)
    return kind(
        f"{service} answered {answer.status} to {answer.method} {answer.path}: {vendor_words(answer)}",
        service=service,
        status=answer.status,
        done=done_words(answer),
        next=_ADVICE.get(kind, ""),
        request_id=answer.headers.get("x-correlation-id") or answer.headers.get("x-request-id"),
        retry_after_s=retry_after_s(answer),
        body=answer.json,
    )


def vendor_words(answer: Answer, *, limit: int = 300) -> str:
    """Return the vendor's message as one clean sentence, without its HTML."""
    message = table(answer.json).get("message")
    if isinstance(message, str) and message:
        return clean(" ".join(message.split()), limit=limit).rstrip(".") + "."
    return "no explanation." if answer.is_html or not answer.text else clean(answer.text, limit=limit)


def done_words(answer: Answer) -> str:
    """Return what is known of the change: a 5xx to a write may have acted."""
    if answer.status >= 500 and answer.method not in READS:
        return "It is not known whether the change happened."
    return "Nothing was changed."


def retry_after_s(answer: Answer) -> float | None:
    """Return the seconds of Retry-After, or None when there is none (or a date, which these vendors do not send)."""
    value = answer.headers.get("retry-after", "")
    return float(value) if re.fullmatch(r"[0-9]{1,9}", value) else None


def not_the_api(service: str, answer: Answer) -> BadAnswer:
    """Return the error for a web page, a redirect or a proxy's login in front of the API."""
    where = f" (it points to {clean(answer.headers['location'], limit=120)})" if "location" in answer.headers else ""
    return BadAnswer(
        f"What answers for {service} at {answer.path} is not its API: "
        f"status {answer.status}, {answer.headers.get('content-type', 'no content type')}{where}.",
        service=service,
        status=answer.status,
        done=done_words(answer),
        next="Check the address in fleet.toml; a login page or proxy may stand in front of the API.",
    )


_ADVICE: Mapping[type[VendorError], str] = {
    Unauthorized: "Check or renew the token; `ink-infra-mcp doctor` shows which one is used.",
    Forbidden: "Give the token the ability it lacks; `ink-infra-mcp doctor` shows what it may do.",
    RateLimited: "Wait, then call again.",
    Unavailable: "Try again later; if it stays, look at the service's own logs.",
}
