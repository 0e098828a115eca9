"""The GitHub emulator: what is there for whom, and how limits look."""

import base64
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from ink_infra_mcp.sandbox.github import build_github
from ink_infra_mcp.sandbox.state import Fault
from ink_infra_mcp.sandbox.state_github import GITHUB_TOKEN, commit_sha
from ink_infra_mcp.sandbox.world import World
from tests.sandbox.pretend import SteppingTime, caller, pretend_world

pytestmark = pytest.mark.anyio
WITH_TOKEN = {"Authorization": f"Bearer {GITHUB_TOKEN}"}
HEAD = commit_sha("example/hello main")


@dataclass(frozen=True)
class Hub:
    """An emulated GitHub, its time, and an anonymous client."""

    world: World
    time: SteppingTime
    api: httpx2.AsyncClient


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncGenerator[Hub]:
    """Give a fresh GitHub in which time stands still."""
    time = SteppingTime()
    world = pretend_world(tmp_path, time)
    async with caller(build_github(world)) as api:
        yield Hub(world=world, time=time, api=api)


@pytest.mark.parametrize(
    ("path", "status", "told"),
    [
        ("/repos/example/hello", 200, {"full_name": "example/hello", "default_branch": "main", "private": False}),
        ("/repos/Example/HELLO", 200, {"full_name": "example/hello"}),
        ("/repos/example/hello/branches/main", 200, {"name": "main", "protected": False}),
        ("/repos/example/hello/branches/feature/greeting", 200, {"name": "feature/greeting"}),
        ("/repos/example/hello/branches/feature%2Fgreeting", 200, {"name": "feature/greeting"}),
        ("/repos/example/hello/branches/none", 404, {"message": "Branch not found", "status": "404"}),
        ("/repos/example/hello/commits/main", 200, {"sha": HEAD}),
        (f"/repos/example/hello/commits/{HEAD[:9]}", 200, {"sha": HEAD}),
        ("/repos/example/hello/commits/0000000", 422, {"message": "No commit found for SHA: 0000000"}),
        ("/repos/example/hello/contents/none", 404, {"message": "Not Found"}),
        ("/repos/example/none", 404, {"message": "Not Found"}),
        ("/repos/example/private-api", 404, {"message": "Not Found"}),
        ("/repos/coollabsio/coolify/pulls/8113", 200, {"number": 8113, "state": "open", "merged": False}),
        ("/repos/coollabsio/coolify/pulls/1", 404, {"message": "Not Found"}),
        ("/repos/coollabsio/coolify/compare/v4.3.10...abc", 200, {"status": "diverged"}),
        ("/repos/coollabsio/coolify/compare/v1...abc", 404, {"message": "Not Found"}),
        ("/user", 404, {"message": "Not Found"}),
    ],
)
async def test_an_anonymous_visitor_sees_what_is_public(
    hub: Hub, path: str, status: int, told: dict[str, object]
) -> None:
    """Repositories (whatever their case), branches with slashes, commits; a private repository is simply not found."""
    answer = await hub.api.get(path)
    assert answer.status_code == status
    assert {key: answer.json()[key] for key in told} == told


async def test_a_token_opens_the_repositories_that_it_may_read(hub: Hub) -> None:
    """A token for everything opens the private repository; one for another repository does not."""
    with hub.world.change() as state:
        state.github.tokens["ghp_narrow"] = ["example/hello"]
    path = "/repos/example/private-api"
    assert (await hub.api.get(path, headers=WITH_TOKEN)).json()["private"] is True
    assert (await hub.api.get(path, headers={"Authorization": "token ghp_narrow"})).status_code == 404


async def test_a_wrong_token_is_refused_even_for_what_is_public(hub: Hub) -> None:
    """Bad credentials are 401 on every route."""
    answer = await hub.api.get("/repos/example/hello", headers={"Authorization": "Bearer wrong"})
    assert (answer.status_code, answer.json()["message"]) == (401, "Bad credentials")


async def test_files_come_in_base64_and_folders_as_lists(hub: Hub) -> None:
    """A file's content decodes to what the repository holds; the root lists its files."""
    one = (await hub.api.get("/repos/example/hello/contents/package.json?ref=main")).json()
    assert base64.b64decode(one["content"]).startswith(b'{"name": "hello"')
    root = (await hub.api.get("/repos/example/hello/contents")).json()
    assert [entry["path"] for entry in root] == ["Dockerfile", "package.json"]


async def test_the_hour_has_sixty_requests_without_a_token_and_more_with_one(hub: Hub) -> None:
    """The sixty-first anonymous request is 403 with nothing remaining; a token still works; the next hour is new."""
    answers = [await hub.api.get("/repos/example/hello") for _ in range(60)]
    assert answers[-1].headers["x-ratelimit-remaining"] == "0"
    refused = await hub.api.get("/repos/example/hello")
    assert (refused.status_code, refused.json()["message"][:23]) == (403, "API rate limit exceeded")
    assert (await hub.api.get("/rate_limit")).json()["rate"]["remaining"] == 0
    assert (await hub.api.get("/repos/example/hello", headers=WITH_TOKEN)).status_code == 200
    hub.time.at += 3600
    assert (await hub.api.get("/repos/example/hello")).headers["x-ratelimit-remaining"] == "59"


async def test_a_request_without_a_user_agent_is_refused(hub: Hub) -> None:
    """GitHub demands a User-Agent."""
    assert (await hub.api.get("/repos/example/hello", headers={"User-Agent": ""})).status_code == 403


async def test_scripted_trouble_hits_github_too(hub: Hub) -> None:
    """A fault of the system github answers in its place, once."""
    with hub.world.change() as state:
        state.faults.append(Fault(system="github", match="/branches/", kind="html"))
    path = "/repos/example/hello/branches/main"
    assert "Sign in" in (await hub.api.get(path)).text
    assert (await hub.api.get(path)).json()["name"] == "main"
