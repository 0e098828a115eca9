"""Cloudflare's emulator, asked as its API reference says: pages, batches that are all or nothing, and refusals."""

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from ink_infra_mcp.sandbox.cloudflare import build_cloudflare
from ink_infra_mcp.sandbox.state_cloudflare import CLOUDFLARE_READ_TOKEN, CLOUDFLARE_TOKEN
from ink_infra_mcp.sandbox.world import World
from tests.sandbox.pretend import SteppingTime, caller, pretend_world

pytestmark = pytest.mark.anyio

ZONE = "/client/v4/zones/" + "5a" * 16
RECORDS = f"{ZONE}/dns_records"
NEW = {"name": "*.s1.example.org", "type": "A", "content": "192.0.2.11", "ttl": 300, "proxied": False}


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Give a fresh world."""
    return pretend_world(tmp_path, SteppingTime())


@pytest.fixture
async def api(world: World) -> AsyncGenerator[httpx2.AsyncClient]:
    """Give a client with the token that may edit."""
    async with caller(build_cloudflare(world), token=CLOUDFLARE_TOKEN) as client:
        yield client


async def made(api: httpx2.AsyncClient, **fields: object) -> dict[str, Any]:
    """Make a record and return it."""
    answer = await api.post(RECORDS, json={**NEW, **fields})
    assert answer.status_code == 200, answer.text
    return answer.json()["result"]


async def code(answer: httpx2.Response) -> tuple[int, int]:
    """Return status and first error code of a refusal."""
    body = answer.json()
    assert (body["success"], body["result"]) == (False, None)
    return answer.status_code, body["errors"][0]["code"]


async def test_records_are_made_listed_by_name_in_pages_and_deleted(api: httpx2.AsyncClient, world: World) -> None:
    """A name is compared whole and without regard to case."""
    ids = [(await made(api, content=f"192.0.2.{number}"))["id"] for number in (11, 12, 13)]
    query = {"name.exact": "*.S1.example.org", "per_page": 2}
    first, second = [(await api.get(RECORDS, params={**query, "page": page})).json() for page in (1, 2)]
    assert [record["id"] for record in (*first["result"], *second["result"])] == ids
    assert first["result_info"] == {"page": 1, "per_page": 2, "count": 2, "total_count": 3, "total_pages": 2}
    assert (await api.delete(f"{RECORDS}/{ids[0]}")).json()["result"] == {"id": ids[0]}
    assert await code(await api.get(f"{RECORDS}/{ids[0]}")) == (404, 81044)
    assert len(world.read().journal) == 4


async def test_a_batch_is_all_or_nothing(api: httpx2.AsyncClient) -> None:
    """Deletes come before posts; where one part fails, no part has happened."""
    old = await made(api)
    body = {"deletes": [{"id": old["id"]}], "posts": [NEW]}
    done = (await api.post(f"{RECORDS}/batch", json=body)).json()["result"]
    assert [len(done[part]) for part in ("deletes", "patches", "puts", "posts")] == [1, 0, 0, 1]
    lost = await api.post(f"{RECORDS}/batch", json={"deletes": [{"id": done["posts"][0]["id"]}, {"id": old["id"]}]})
    assert await code(lost) == (404, 81044)
    listed = (await api.get(RECORDS, params={"name": "*.s1.example.org"})).json()["result"]
    assert [record["id"] for record in listed] == [done["posts"][0]["id"]]


@pytest.mark.parametrize(
    ("fields", "refusal"),
    [
        ({}, (400, 81058)),
        ({"type": "CNAME", "content": "www.example.org"}, (400, 81053)),
        ({"content": "2001:db8::1"}, (400, 9005)),
        ({"type": "AAAA"}, (400, 9005)),
        ({"ttl": 30, "content": "192.0.2.12"}, (400, 9021)),
        ({"type": "TXT", "proxied": True}, (400, 9004)),
    ],
)
async def test_what_cannot_be_is_refused(
    api: httpx2.AsyncClient, fields: dict[str, object], refusal: tuple[int, int]
) -> None:
    """Twice the same, beside a CNAME, of the wrong family, with a TTL out of range, or a proxy for text."""
    await made(api)
    assert await code(await api.post(RECORDS, json={**NEW, **fields})) == refusal


async def test_a_proxied_record_has_the_vendor_s_ttl(api: httpx2.AsyncClient) -> None:
    """The TTL that was asked for is not kept."""
    assert (await made(api, proxied=True))["ttl"] == 1


@pytest.mark.parametrize(
    ("token", "refusal"), [("", (400, 9106)), ("wrong", (401, 1000)), (CLOUDFLARE_READ_TOKEN, (403, 10000))]
)
async def test_a_token_that_may_not_changes_nothing(world: World, token: str, refusal: tuple[int, int]) -> None:
    """None, an unknown one, and one that may only read."""
    async with caller(build_cloudflare(world), token=token) as api:
        assert await code(await api.post(RECORDS, json=NEW)) == refusal
    assert world.read().journal == []


async def test_what_is_not_emulated_fails_loudly(api: httpx2.AsyncClient, world: World) -> None:
    """An unknown address is in the journal, and an unknown filter is refused, not overlooked."""
    assert await code(await api.get(f"{ZONE}/settings")) == (404, 7003)
    assert await code(await api.get(RECORDS, params={"search": "x"})) == (400, 9207)
    assert world.read().journal == [f"cloudflare UNKNOWN GET {ZONE}/settings"]
