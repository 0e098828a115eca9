"""A vendor that answers a fixed list of calls, in order: an unexpected call fails at once, an unused one at the end."""

import json
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import cast

import httpx2
from pydantic import JsonValue

from ink_infra_mcp.clients.answers import Classify, classify_plainly
from ink_infra_mcp.clients.coolify.reads import READS
from ink_infra_mcp.clients.http import Http, HttpSettings
from ink_infra_mcp.clients.reading import Reads
from ink_infra_mcp.core.permit import Permit
from ink_infra_mcp.core.redact import Redactor
from ink_infra_mcp.core.secret import Secret
from tests.clock import FakeClock
from tests.permits import permit_here

TOKEN = "1|sixteenlettersatleastofasecrettoken00"


@dataclass(frozen=True, slots=True)
class Call:
    """One expected request and its answer.

    `target` is the path below the base address, with its query. `body` is the JSON that must be sent, None for none.
    The answer is `answer` as JSON, or `text` as it is; `breaks` is raised in place of an answer.
    """

    method: str
    target: str
    body: JsonValue = None
    answer: JsonValue = None
    status: int = 200
    text: str | None = None
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    breaks: type[httpx2.TransportError] | None = None

    def respond(self, request: httpx2.Request) -> httpx2.Response:
        """Return the answer, or break as told."""
        if self.breaks is not None:
            raise self.breaks("broken by the test", request=request)
        text = json.dumps(self.answer) if self.text is None else self.text
        return httpx2.Response(
            self.status, headers={"content-type": self.content_type, **self.headers}, content=text.encode()
        )


class Ordered:
    """Checks each request against the next expected call. `requests` keeps what was sent."""

    def __init__(self, calls: tuple[Call, ...], *, base_path: str) -> None:
        self._left = list(calls)
        self._base_path = base_path
        self.requests: list[httpx2.Request] = []

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        """Answer the next expected call; any other one is a failure of the test."""
        self.requests.append(request)
        asked = (request.method, request.url.raw_path.decode().removeprefix(self._base_path), _body(request))
        if not self._left:
            raise AssertionError(f"unexpected call: {asked}")
        expected = self._left.pop(0)
        assert asked == (expected.method, expected.target, expected.body)
        return expected.respond(request)

    def close(self) -> None:
        """Fail when an expected call was never made."""
        assert not self._left, f"calls that were never made: {[(c.method, c.target) for c in self._left]}"


@dataclass(frozen=True, slots=True)
class Wire:
    """What a test holds: the door to hand to a client, the clock behind it, and the requests that went through."""

    http: Http
    clock: FakeClock
    vendor: Ordered


@contextmanager
def ordered(
    *calls: Call,
    service: str = "Coolify",
    base_url: str = "https://factory.example.com/api/v1",
    classify: Classify = classify_plainly,
    reads: Reads = READS,
) -> Generator[Wire]:
    """Give the door to a vendor that expects exactly `calls`; without a permit only `reads` pass, Coolify's."""
    clock = FakeClock()
    vendor = Ordered(calls, base_path=httpx2.URL(base_url).path.rstrip("/"))
    token = Secret(TOKEN)
    http = Http(
        HttpSettings(service=service, base_url=base_url, reads=reads, token=token),
        clock=clock,
        redact=Redactor([token]),
        classify=classify,
        transport=httpx2.MockTransport(vendor),
        jitter=lambda: 0.0,
    )
    yield Wire(http=http, clock=clock, vendor=vendor)
    vendor.close()


def permit() -> Permit:
    """Return a live permit, as the guard would give one."""
    return permit_here()


def _body(request: httpx2.Request) -> JsonValue:
    return cast(JsonValue, json.loads(request.content)) if request.content else None
