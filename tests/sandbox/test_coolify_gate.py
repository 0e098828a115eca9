"""Who may ask the pretend Coolify, how often, and what stands in the way: its refusals, limits and scripted trouble."""

from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from ink_infra_mcp.sandbox.coolify.gate import EVERYONE
from ink_infra_mcp.sandbox.seed import READ_TOKEN, SHOP, TOKEN
from ink_infra_mcp.sandbox.state import Fault, WorldState
from ink_infra_mcp.sandbox.state_coolify import Token
from tests.sandbox.worlds import BEGAN, coolify_api, make_world, pretend_coolify

pytestmark = pytest.mark.anyio

NOT_FOUND = {"message": "Not found.", "docs": "https://coolify.io/docs"}
NO_WHOLE_ANSWER = AssertionError
"""How ASGITransport says that the connection ended before the answer did."""
UNAUTHENTICATED = (401, {"message": "Unauthenticated."})


def with_token(token: Token) -> Callable[[WorldState], None]:
    """Return what adds a token to a world."""
    return lambda state: state.coolify.tokens.append(token)


def with_fault(**fault: object) -> Callable[[WorldState], None]:
    """Return what adds scripted trouble to a world."""
    return lambda state: state.faults.append(Fault.model_validate({"system": "coolify", **fault}))


@pytest.mark.parametrize("token", ["", "1|wrong", TOKEN.split("|")[1], f"2|{TOKEN.split('|')[1]}"])
async def test_only_a_whole_token_with_its_number_opens_the_api(tmp_path: Path, token: str) -> None:
    """A missing, wrong, halved or renumbered token is 401."""
    async with pretend_coolify(tmp_path, token=token) as coolify:
        assert await coolify.ask("GET", "/version") == UNAUTHENTICATED


async def test_a_token_stops_working_when_it_expires(tmp_path: Path) -> None:
    """Tokens have an end, and after it they are unknown."""
    token = Token(id=9, secret="short", abilities=["read"], expires_at=BEGAN + 5)
    async with pretend_coolify(tmp_path, with_token(token), token="9|short") as coolify:
        assert (await coolify.send("GET", "/version")).text == "4.3.10"
        coolify.clock.advance(6)
        assert await coolify.ask("GET", "/version") == UNAUTHENTICATED


async def test_an_ability_implies_no_other(tmp_path: Path) -> None:
    """A token with `write` can neither read nor deploy, and the answer names what it lacks."""
    token = Token(id=9, secret="s", abilities=["write"])
    async with pretend_coolify(tmp_path, with_token(token), token="9|s") as coolify:
        assert [await coolify.ask("GET", "/servers"), await coolify.ask("POST", f"/deploy?uuid={SHOP}")] == [
            (403, {"message": "Missing required permissions: read"}),
            (403, {"message": "Missing required permissions: deploy"}),
        ]
        assert (await coolify.ask("POST", "/projects", {"name": "more"}))[0] == 201


async def test_a_member_may_have_no_token_that_does_more_than_read(tmp_path: Path) -> None:
    """The role of the user beats the abilities of the token."""
    token = Token(id=9, secret="s", abilities=["read", "deploy"], role="member")
    async with pretend_coolify(tmp_path, with_token(token), token="9|s") as coolify:
        assert await coolify.ask("GET", "/servers") == (403, {"message": "Missing required team role."})


async def test_a_disabled_api_says_success_and_can_be_enabled_again(tmp_path: Path) -> None:
    """The 403 of a disabled API claims `success: true`; POST /enable answers all the same."""
    async with pretend_coolify(tmp_path) as coolify:
        assert await coolify.ask("POST", "/disable") == (200, {"message": "API disabled."})
        assert await coolify.ask("GET", "/servers") == (403, {"success": True, "message": "API is disabled."})
        assert await coolify.ask("POST", "/enable") == (200, {"message": "API enabled."})
        assert (await coolify.ask("GET", "/servers"))[0] == 200


@pytest.mark.parametrize(("allowed", "status"), [("198.51.100.0/24", 403), ("127.0.0.1", 200), (EVERYONE, 200)])
async def test_the_allow_list_knows_addresses_networks_and_everyone(tmp_path: Path, allowed: str, status: int) -> None:
    """An address that is not listed gets the same 403 with `success: true`."""

    def allow(state: WorldState) -> None:
        state.coolify.allowed_ips = allowed

    async with pretend_coolify(tmp_path, allow) as coolify:
        assert (await coolify.send("GET", "/servers")).status_code == status


async def test_the_rate_limit_is_counted_per_user_and_minute(tmp_path: Path) -> None:
    """All tokens of a user share the minute; past the limit comes 429 with Retry-After, and then it starts anew."""

    def limit(state: WorldState) -> None:
        state.coolify.rate_limit = 2

    async with pretend_coolify(tmp_path, limit) as coolify, coolify_api(coolify.world, token=READ_TOKEN) as other:
        first = await coolify.send("GET", "/version")
        await other.get("version")
        coolify.clock.advance(20)
        refused = await coolify.send("GET", "/version")
        assert (first.headers["x-ratelimit-limit"], first.headers["x-ratelimit-remaining"]) == ("2", "1")
        assert (refused.status_code, refused.json()) == (429, {"message": "Too Many Attempts."})
        assert (refused.headers["retry-after"], refused.headers["x-ratelimit-remaining"]) == ("40", "0")
        coolify.clock.advance(40)
        assert (await coolify.send("GET", "/version")).status_code == 200


async def test_an_unknown_path_or_method_is_not_found_and_noted(tmp_path: Path) -> None:
    """Coolify's catch-all answers both alike, asks for no token, and the journal says what was asked."""
    async with pretend_coolify(tmp_path, token="") as coolify:
        asked = [("GET", "/nonsense"), ("PUT", "/servers"), ("POST", f"/applications/{SHOP}")]
        assert [await coolify.ask(method, path) for method, path in asked] == [(404, NOT_FOUND)] * 3
        assert coolify.state().journal == [f"coolify UNKNOWN {method} /api/v1{path}" for method, path in asked]


async def test_other_paths_are_the_web_interface(tmp_path: Path) -> None:
    """Whoever forgets /api/v1 gets a redirect to a login page, and that page."""
    async with pretend_coolify(tmp_path) as coolify:
        away = await coolify.http.get("http://coolify.example.com/servers")
        page = await coolify.http.get("http://coolify.example.com/login")
        assert (away.status_code, away.headers["location"]) == (302, "/login")
        assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")


async def test_version_and_health_are_plain_text(tmp_path: Path) -> None:
    """Health needs no token and looks at nothing; version needs one."""
    async with pretend_coolify(tmp_path, token="") as coolify:
        health = [await coolify.http.get("http://coolify.example.com/api/health"), await coolify.send("GET", "/health")]
        assert [(answer.status_code, answer.text) for answer in health] == [(200, "OK")] * 2
        assert await coolify.ask("GET", "/version") == UNAUTHENTICATED


async def test_an_accepted_write_is_journalled_and_a_refused_one_is_not(tmp_path: Path) -> None:
    """The journal is the list of writes that took effect."""
    async with pretend_coolify(tmp_path) as coolify:
        await coolify.ask("POST", "/projects", {"name": "x"})
        await coolify.ask("POST", "/projects", {"name": "more"})
        await coolify.ask("GET", "/projects")
        assert coolify.state().journal == ["coolify POST /api/v1/projects"]


async def test_a_scripted_status_comes_instead_of_the_answer(tmp_path: Path) -> None:
    """A fault has its own status, body and headers, is used up, and the request is not carried out."""
    fault = with_fault(match="POST /api/v1/projects", kind="status", status=503, body='{"message": "down"}')
    async with pretend_coolify(tmp_path, fault) as coolify:
        assert await coolify.ask("POST", "/projects", {"name": "more"}) == (503, {"message": "down"})
        assert coolify.state().journal == []
        assert (await coolify.ask("POST", "/projects", {"name": "more"}))[0] == 201


@pytest.mark.parametrize(("kind", "projects"), [("drop", 1), ("drop_after", 2)])
async def test_a_dropped_answer_may_hide_a_write_that_happened(tmp_path: Path, kind: str, projects: int) -> None:
    """`drop` does nothing, `drop_after` acts; both end without an answer."""
    async with pretend_coolify(tmp_path, with_fault(match="/projects", kind=kind)) as coolify:
        with pytest.raises(NO_WHOLE_ANSWER):
            await coolify.send("POST", "/projects", {"name": "more"})
        assert len(coolify.state().coolify.projects) == projects


async def test_a_hanging_answer_hangs(tmp_path: Path) -> None:
    """`hang` gives no answer for as long as it was told."""
    async with pretend_coolify(tmp_path, with_fault(match="/version", kind="hang", seconds=5)) as coolify:
        with anyio.move_on_after(0.05) as waited:
            await coolify.send("GET", "/version")
        assert waited.cancelled_caught


async def test_a_web_page_can_stand_where_the_api_was(tmp_path: Path) -> None:
    """`html` answers a login page."""
    async with pretend_coolify(tmp_path, with_fault(match="/version", kind="html")) as coolify:
        assert (await coolify.send("GET", "/version")).headers["content-type"].startswith("text/html")


def _stop_container(state: WorldState) -> None:
    next(c for c in state.hosts["factory"].containers if c.name == "coolify").state = "exited"


def _switch_off(state: WorldState) -> None:
    state.hosts["factory"].up = False


@pytest.mark.parametrize("trouble", [_stop_container, _switch_off])
async def test_no_answer_comes_from_a_coolify_that_does_not_run(
    tmp_path: Path, trouble: Callable[[WorldState], None]
) -> None:
    """The API is only there while its machine and its container are."""
    async with pretend_coolify(tmp_path, trouble) as coolify:
        with pytest.raises(NO_WHOLE_ANSWER):
            await coolify.send("GET", "/version")


async def test_two_openers_of_the_file_see_one_world(tmp_path: Path) -> None:
    """What one process writes, another reads: all state is in the file."""
    async with pretend_coolify(tmp_path) as coolify:
        uuid = await coolify.made("/projects", {"name": "more"})
        async with coolify_api(make_world(tmp_path, clock=coolify.clock)) as second:
            assert (await second.get(f"projects/{uuid}")).status_code == 200
