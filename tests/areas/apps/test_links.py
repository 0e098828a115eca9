"""Links to a folder of a repository: GitHub says where the branch's name ends; other pages are refused with words."""

from collections.abc import AsyncGenerator
from pathlib import Path

import anyio
import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ink_infra_mcp.areas.apps.links import Link, split_link
from ink_infra_mcp.clients.github import HEADERS, READS, GithubLook, classify
from ink_infra_mcp.clients.http import Http, HttpSettings
from ink_infra_mcp.core.errors import InputError
from ink_infra_mcp.core.redact import Redactor
from ink_infra_mcp.sandbox.github import build_github
from ink_infra_mcp.sandbox.state_github import GithubRepo, commit_sha
from ink_infra_mcp.sandbox.world import World
from tests.clock import FakeClock
from tests.ink import ink, says_yes
from tests.sandbox.pretend import pretend_world
from tests.tools.calls import app_named, deploy

HELLO = "https://github.com/example/hello"
PART = st.from_regex(r"[a-z0-9][a-z0-9-]{0,5}", fullmatch=True)
PARTS = st.lists(PART, min_size=1, max_size=4)
LIMIT_S = 60


@pytest.fixture
async def world(tmp_path: Path) -> AsyncGenerator[World]:
    """Give a fresh GitHub."""
    with anyio.fail_after(LIMIT_S):
        yield pretend_world(tmp_path, lambda: 1_700_000_000.0)


def github(world: World) -> GithubLook:
    """Return a client without a token."""
    url = "http://github.example.com"
    settings = HttpSettings(service="github", base_url=url, reads=READS, headers=HEADERS)
    transport = httpx2.ASGITransport(app=build_github(world))
    return GithubLook(Http(settings, clock=FakeClock(), redact=Redactor(), classify=classify, transport=transport))


async def split(world: World, url: str, *, branch: str = "", folder: str = "") -> Link | None:
    """Return what a link says."""
    return await split_link(url, github(world), branch=branch, folder=folder)


@given(branch=PARTS, folder=PARTS, others=st.lists(PARTS, max_size=5))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_link_is_split_where_github_says(
    tmp_path: Path, branch: list[str], folder: list[str], others: list[list[str]]
) -> None:
    """Whatever other branches there are that git allows beside it: none begins with another one and a slash."""
    name = "/".join(branch)
    branches = {name: commit_sha(name)}
    for other in map("/".join, others):
        if not any(
            f"{one}/".startswith(f"{two}/") for known in branches for one, two in ((known, other), (other, known))
        ):
            branches[other] = commit_sha(other)
    world = pretend_world(tmp_path, lambda: 1_700_000_000.0)
    with world.change() as state:
        state.github.repos["example/many"] = GithubRepo(branches=branches)
        state.github.anonymous.used = 0
    url = f"https://github.com/example/many/tree/{name}/{'/'.join(folder)}"
    assert anyio.run(split, world, url) == Link("https://github.com/example/many", name, f"/{'/'.join(folder)}")


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("path", "branch", "folder"),
    [
        ("tree/main", "main", ""),
        ("tree/main/", "main", ""),
        ("tree/feature/greeting", "feature/greeting", ""),
        ("tree/feature/greeting/apps/web", "feature/greeting", "/apps/web"),
        ("tree/main/a%2Bb", "main", "/a+b"),
    ],
)
async def test_branch_and_folder_are_told_apart(world: World, path: str, branch: str, folder: str) -> None:
    """Slashes in a branch's name, none behind it, escaped characters."""
    assert await split(world, f"{HELLO}/{path}") == Link(HELLO, branch, folder)
    assert await split(world, f"https://www.github.com/example/hello.git/{path}") == Link(HELLO, branch, folder)


@pytest.mark.anyio
@pytest.mark.parametrize(
    "url", [HELLO, f"{HELLO}.git", f"{HELLO}/", "git@github.com:example/hello.git", "example/hello"]
)
async def test_a_repository_is_no_link(world: World, url: str) -> None:
    """What Coolify takes as it is stays as it is, and so do other hosts."""
    assert await split(world, url) is None
    assert await split(world, "https://git.example.com/tree/hello/tree/main") is None


@pytest.mark.anyio
async def test_what_is_said_beside_the_link_counts_where_it_agrees(world: World) -> None:
    """A branch that the link begins with needs no answer of GitHub; a folder beside a link to a branch stands."""
    private = "https://github.com/example/private-api/tree"
    assert await split(world, f"{private}/a/b/c", branch="a/b") == Link(private[:-5], "a/b", "/c")
    assert await split(world, f"{HELLO}/tree/main", folder="/web") == Link(HELLO, "main", "")
    assert await split(world, f"{private}/main") == Link(private[:-5], "main", "")


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("path", "beside", "words"),
    [
        ("blob/main/server.js", {}, "a link to a file on GitHub"),
        (f"commit/{'a' * 40}", {}, "a link to a commit on GitHub"),
        ("pull/7", {}, "a link to a pull request on GitHub"),
        ("pull/7/files", {}, "the pull request's own branch"),
        ("issues", {}, "not a repository"),
        ("wiki/Home", {}, "not a repository"),
        ("tree", {}, "not a repository"),
        ("tree/gone/web", {}, "nobody can tell the branch from the folder"),
        ("tree/main/../../etc", {}, "no folder that Coolify takes"),
        ("tree/main/a%20b", {}, "no folder that Coolify takes"),
        (f"tree/{'/'.join('abcdefghijklmn')}", {}, "more than 12 parts"),
        ("tree/main/web", {"branch": "mai"}, "is not in the branch"),
        ("tree/main/web", {"branch": "other"}, "is not in the branch"),
        ("tree/main/web", {"folder": "/api"}, "and base_directory is /api"),
    ],
)
async def test_other_pages_and_contradictions_are_refused(
    world: World, path: str, beside: dict[str, str], words: str
) -> None:
    """Never the root of the repository in place of what the link shows."""
    with pytest.raises(InputError) as caught:
        await split(world, f"{HELLO}/{path}", **beside)
    assert words in f"{caught.value.failed} {caught.value.next}"
    with pytest.raises(InputError):
        await split(world, "https://github.com/example")
    with pytest.raises(InputError):
        await split(world, "https://gitlab.example.com/example/hello/-/tree/main/web")


@pytest.mark.anyio
async def test_an_app_from_a_link_is_that_folder_and_the_second_call_plans_nothing(tmp_path: Path) -> None:
    """The repository, the branch and the folder reach Coolify as three settings."""
    link = {"name": "web", "repository": f"{HELLO}/tree/feature/greeting/apps/web"}
    with anyio.fail_after(120):
        async with ink(tmp_path) as it, it.client(says_yes()) as client:
            first, again = await deploy(client, **link), await deploy(client, **link)
            app = app_named(it.world.read(), "web")
    assert (first.outcome, again.outcome) == ("applied", "already_so")
    assert (app.text("git_branch"), app.text("base_directory")) == ("feature/greeting", "/apps/web")
    assert app.text("git_repository").removeprefix("https://github.com/").removesuffix(".git") == "example/hello"
