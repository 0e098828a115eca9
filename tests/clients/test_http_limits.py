"""What the HTTP door takes from a vendor: so many bytes, for so long, and no answer that breaks the reader."""

import gzip
import time
from collections.abc import AsyncIterator

import anyio
import httpx2
import pytest

from ink_infra_mcp.clients.http import MAX_BODY_BYTES, Http, HttpSettings
from ink_infra_mcp.clients.reading import Reads
from ink_infra_mcp.core.errors import BadAnswer, RateLimited, Unreachable
from ink_infra_mcp.core.redact import Redactor
from tests.clients.ordered import permit
from tests.clock import FakeClock

pytestmark = pytest.mark.anyio

LIMIT_S = 60
MIB = b"\0" * 2**20


class Drips(httpx2.AsyncByteStream):
    """Sends a byte now and then, for ever."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield a byte every 10 milliseconds."""
        while True:
            await anyio.sleep(0.01)
            yield b" "


def door(response: httpx2.Response, *, whole_s: float = 10.0) -> Http:
    """Return a door behind which everything is answered with `response`."""
    return Http(
        HttpSettings(service="Example", base_url="https://api.example.com/", reads=Reads("/apps"), whole_s=whole_s),
        clock=FakeClock(),
        redact=Redactor(),
        transport=httpx2.MockTransport(lambda _: response),
        jitter=lambda: 0.0,
    )


async def test_an_answer_that_unpacks_to_too_much_is_no_answer() -> None:
    """A small packed answer cannot fill our memory: reading stops at the limit."""
    packed = gzip.compress(MIB * (MAX_BODY_BYTES // 2**20 + 8), compresslevel=1)
    answer = httpx2.Response(200, headers={"content-encoding": "gzip"}, content=packed)
    with anyio.fail_after(LIMIT_S):
        async with door(answer) as http:
            with pytest.raises(BadAnswer, match=r"answered GET apps with more than 64 MiB\. Nothing was changed"):
                await http.get("apps")


async def test_an_answer_that_drips_for_ever_ends() -> None:
    """Each byte comes in time, the whole never would: the exchange has an end, and a write is then not known."""
    began = time.monotonic()
    with anyio.fail_after(LIMIT_S):
        async with door(httpx2.Response(200, stream=Drips()), whole_s=0.2) as http:
            with pytest.raises(Unreachable, match="It is not known whether the change happened"):
                await http.send("POST", "apps", permit=permit(), body={})
    assert time.monotonic() - began < 5


async def test_an_answer_that_is_packed_wrongly_is_told_as_trouble_of_the_vendor() -> None:
    """What cannot be unpacked is no fault of ours."""
    headers = {"content-encoding": "gzip"}
    answer = httpx2.Response(200, headers=headers, stream=httpx2.ByteStream(b"not packed"))
    with anyio.fail_after(LIMIT_S):
        async with door(answer) as http:
            with pytest.raises(Unreachable, match="Example did not answer"):
                await http.send("POST", "apps", permit=permit(), body={})


@pytest.mark.parametrize("said", ["²", "9" * 400, "soon", ""])
async def test_a_retry_after_that_is_no_number_is_ignored(said: str) -> None:
    """What a vendor writes there never breaks the call."""
    answer = httpx2.Response(429, headers=[(b"retry-after", said.encode("latin-1"))], content=b"{}")
    with anyio.fail_after(LIMIT_S):
        async with door(answer) as http:
            with pytest.raises(RateLimited) as caught:
                await http.get("apps")
    assert caught.value.retry_after_s is None


async def test_json_that_is_nested_without_end_is_no_json() -> None:
    """A text that would break the parser counts as none."""
    with anyio.fail_after(LIMIT_S):
        async with door(httpx2.Response(200, content=b"[" * 200_000)) as http:
            assert (await http.get("apps")).json is None
