"""Our GitHub client against the emulated GitHub."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path

import anyio
import httpx2
import pytest

from ink_infra_mcp.clients.github import (
    HEADERS,
    READS,
    FileChange,
    GithubLook,
    PullRequest,
    Release,
    Repository,
    classify,
)
from ink_infra_mcp.clients.http import Http, HttpSettings
from ink_infra_mcp.core.errors import BadAnswer, Forbidden, InputError, NotFound, RateLimited, Unauthorized
from ink_infra_mcp.core.redact import Redactor
from ink_infra_mcp.core.secret import Secret
from ink_infra_mcp.sandbox import state_github
from ink_infra_mcp.sandbox.github import build_github
from ink_infra_mcp.sandbox.state import Fault
from ink_infra_mcp.sandbox.state_github import GITHUB_TOKEN, commit_sha
from ink_infra_mcp.sandbox.world import World
from tests.clock import FakeClock
from tests.sandbox.pretend import pretend_world

pytestmark = pytest.mark.anyio


@dataclass(frozen=True)
class Hub:
    """An emulated GitHub and its time."""

    world: World
    clock: FakeClock

    def look(self, token: str | None = None) -> GithubLook:
        """Return a client, anonymous or with a token."""
        settings = HttpSettings(
            service="github",
            base_url="http://github.example.com",
            reads=READS,
            token=Secret(token) if token else None,
            headers=HEADERS,
        )
        transport = httpx2.ASGITransport(app=build_github(self.world))
        return GithubLook(Http(settings, clock=self.clock, redact=Redactor(), classify=classify, transport=transport))


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncGenerator[Hub]:
    """Give a fresh GitHub."""
    clock = FakeClock()
    with anyio.fail_after(60):
        yield Hub(world=pretend_world(tmp_path, lambda: clock.now().timestamp()), clock=clock)


async def test_a_public_repository_is_seen_without_a_token(hub: Hub) -> None:
    """Name, default branch and whether it is private are told."""
    assert await hub.look().repository("example", "hello") == Repository(
        full_name="example/hello", default_branch="main", clone_url="https://github.com/example/hello.git"
    )


async def test_a_private_repository_exists_only_for_a_token_that_may_read_it(hub: Hub) -> None:
    """Without the token it is None, as is one that does not exist; with it, it is there and private."""
    assert await hub.look().repository("example", "private-api") is None
    assert await hub.look().repository("example", "none") is None
    seen = await hub.look(GITHUB_TOKEN).repository("example", "private-api")
    assert seen is not None
    assert seen.private


@pytest.mark.parametrize(("branch", "seen"), [("main", True), ("feature/greeting", True), ("none", False)])
async def test_the_head_of_a_branch_is_a_commit(hub: Hub, branch: str, seen: bool) -> None:
    """The full commit id, also of a branch with a slash in its name; None where there is no such branch."""
    expected = commit_sha(f"example/hello {branch}") if seen else None
    assert await hub.look().head("example", "hello", branch) == expected


@pytest.mark.parametrize(
    ("owner", "name", "branch"),
    [
        ("example", "..", "main"),
        ("../x", "hello", "main"),
        ("example", "hel lo", "main"),
        ("example", "hello", "../../user"),
        ("example", "hello", ""),
        ("example", "hello", "a b"),
    ],
)
async def test_a_name_that_could_lead_elsewhere_is_refused(hub: Hub, owner: str, name: str, branch: str) -> None:
    """Names that GitHub or git would not take never get into a path; nothing is asked."""
    with pytest.raises(InputError):
        await hub.look().head(owner, name, branch)
    assert hub.world.read().github.anonymous.used == 0


async def test_a_wrong_token_is_named_and_not_retried(hub: Hub) -> None:
    """401 is Unauthorized at once, with GitHub's request id."""
    with pytest.raises(Unauthorized) as refused:
        await hub.look("wrong").repository("example", "hello")
    assert refused.value.request_id
    assert hub.clock.slept == []


async def test_a_spent_limit_is_told_apart_from_a_missing_permission(hub: Hub) -> None:
    """A 403 with nothing remaining is RateLimited until the reset, too far away to wait; any other 403 is Forbidden."""
    with hub.world.change() as state:
        state.github.anonymous.used = 60
    with pytest.raises(RateLimited) as limited:
        await hub.look().repository("example", "hello")
    assert (limited.value.status, hub.clock.slept) == (403, [])
    assert 3590 < (limited.value.retry_after_s or 0) <= 3600
    with hub.world.change() as state:
        state.github.anonymous.used = 0
        state.faults.append(Fault(system="github", match="GET", kind="status", status=403, body='{"message": "SSO"}'))
    with pytest.raises(Forbidden, match="SSO"):
        await hub.look().repository("example", "hello")


async def test_a_short_limit_is_waited_out(hub: Hub) -> None:
    """A secondary limit with Retry-After is waited for and then the request is repeated."""
    headers = {"retry-after": "7"}
    with hub.world.change() as state:
        state.faults.append(Fault(system="github", match="GET", kind="status", status=403, body="{}", headers=headers))
    assert await hub.look().repository("example", "hello") is not None
    assert [7 <= pause <= 8 for pause in hub.clock.slept] == [True]


async def test_another_page_in_its_place_is_a_bad_answer(hub: Hub) -> None:
    """A login page, or JSON of another shape, is BadAnswer."""
    with hub.world.change() as state:
        state.faults.append(Fault(system="github", match="GET", kind="html"))
        state.faults.append(Fault(system="github", match="GET", kind="status", status=200, body="[1]"))
    for _ in range(2):
        with pytest.raises(BadAnswer):
            await hub.look().repository("example", "hello")


MERGED = commit_sha("coollabsio/coolify merged")
COOLIFY = ("coollabsio", "coolify")


async def test_a_pull_request_says_what_became_of_it(hub: Hub) -> None:
    """Open, or merged as a commit; None where there is no such one."""
    tried = commit_sha("coollabsio/coolify try of 8113")
    seen = await hub.look().pull_request(*COOLIFY, 8113)
    assert seen == PullRequest(number=8113, state="open", merged=False, merge_commit_sha=tried)
    with hub.world.change() as state:
        state.github.repos["coollabsio/coolify"].pulls[8113] = state_github.PullRequest(
            state="closed", merged_as=MERGED
        )
    seen = await hub.look().pull_request(*COOLIFY, 8113)
    assert seen == PullRequest(number=8113, state="closed", merged=True, merge_commit_sha=MERGED)
    assert await hub.look().pull_request(*COOLIFY, 1) is None


async def test_releases_are_told_without_candidates(hub: Hub) -> None:
    """A candidate is nothing to go back to."""
    assert await hub.look().releases(*COOLIFY) == tuple(
        Release(tag_name=tag) for tag in ("v4.3.11", "v4.3.10", "v4.3.9")
    )


async def test_a_release_contains_a_commit_where_it_lies_behind_it(hub: Hub) -> None:
    """Of a commit that is elsewhere it is no; of a tag that is not there nobody says no."""
    with hub.world.change() as state:
        state.github.repos["coollabsio/coolify"].releases = [state_github.Release(tag="v4.4.0", commits=[MERGED])]
    assert await hub.look().contains(*COOLIFY, "v4.4.0", MERGED)
    assert not await hub.look().contains(*COOLIFY, "v4.4.0", commit_sha("another"))
    with pytest.raises(NotFound):
        await hub.look().contains(*COOLIFY, "v4.5.0", MERGED)


@pytest.mark.parametrize(("tag", "commit"), [("..", MERGED), ("v1/../..", MERGED), ("v1...v2", MERGED), ("v1", "main")])
async def test_what_is_no_tag_and_commit_gets_into_no_path(hub: Hub, tag: str, commit: str) -> None:
    """Nothing is asked."""
    with pytest.raises(InputError):
        await hub.look().contains(*COOLIFY, tag, commit)


async def test_a_tag_is_the_commit_that_it_names(hub: Hub) -> None:
    """None where there is no such tag or repository; a branch of that name is no tag."""
    assert await hub.look().tag(*COOLIFY, "v4.3.10") == commit_sha("coollabsio/coolify v4.3.10")
    assert await hub.look().tag(*COOLIFY, "v9.9.9") is None
    assert await hub.look().tag(*COOLIFY, "v4.x") is None
    assert await hub.look().tag("example", "none", "v4.3.10") is None
    with pytest.raises(InputError):
        await hub.look().tag(*COOLIFY, "../heads/main")


async def test_the_files_of_a_patch_are_told_against_a_release_of_another_repository(hub: Hub) -> None:
    """Names and lines, of a commit of the fork; what is no commit is asked for nowhere."""
    commit = commit_sha("example/coolify runtime")
    assert await hub.look().changes("example", "coolify", "coollabsio:v4.3.10", commit) == (
        FileChange(filename="bootstrap/helpers/docker.php", additions=23, deletions=1),
        FileChange(filename="tests/Feature/DockerCustomCommandsTest.php", additions=28, deletions=0),
    )
    for base, what in (("v4.3.10", commit), ("coollabsio:v4...x", commit), ("coollabsio:v4.3.10", "main")):
        with pytest.raises(InputError):
            await hub.look().changes("example", "coolify", base, what)


async def test_a_file_is_told_as_it_is_at_a_commit(hub: Hub) -> None:
    """None where that commit has no such file; what is no commit and no plain path is asked for nowhere."""
    commit = commit_sha("coollabsio/coolify v4.3.11")
    text = await hub.look().text(*COOLIFY, commit, "config/constants.php")
    assert text == state_github.coolify_files("4.3.11")["config/constants.php"]
    assert (await hub.look().text(*COOLIFY, commit, ".env.production") or "").startswith("APP_KEY=\n")
    assert await hub.look().text(*COOLIFY, commit, "none.yml") is None
    for ref, path in (("main", "a"), (commit, "../a"), (commit, "a/../b"), (commit, "a/b/c"), (commit, "a?ref=b")):
        with pytest.raises(InputError):
            await hub.look().text(*COOLIFY, ref, path)
