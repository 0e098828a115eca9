"""How applications of the pretend Coolify change and go."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import JsonValue

from ink_infra_mcp.sandbox.seed import PROJECT, READ_TOKEN, SERVERS, SHOP
from ink_infra_mcp.sandbox.state import WorldState
from tests.sandbox.worlds import PretendCoolify, fields, pretend_coolify

pytestmark = pytest.mark.anyio

COMPOSE: dict[str, JsonValue] = {
    "project_uuid": PROJECT,
    "environment_name": "production",
    "server_uuid": SERVERS["muscle-1"],
    "git_repository": "https://github.com/example/hello",
    "git_branch": "main",
    "build_pack": "dockercompose",
}
FILE = """
services:
  web:
    image: nginx
    runtime: runsc
    volumes: ["data:/data"]
  db:
    image: redis
"""


def errors(reply: tuple[int, JsonValue]) -> JsonValue:
    """Return the errors of a 422."""
    status, answer = reply
    assert (status, fields(answer)["message"]) == (422, "Validation failed.")
    return fields(answer)["errors"]


def compose_repo(state: WorldState) -> None:
    """Put a compose file into the public repository."""
    state.github.repos["example/hello"].files["docker-compose.yaml"] = FILE


async def compose_app(coolify: PretendCoolify) -> str:
    """Make a compose application from the public repository."""
    return await coolify.made("/applications/public", COMPOSE)


async def test_a_compose_file_is_loaded_some_time_after_creation(tmp_path: Path) -> None:
    """Until then its domains cannot be set; unknown services are left out; `domains` is refused for ever."""
    domains = {"docker_compose_domains": [{"name": n, "domain": f"https://{n}.example.com"} for n in ("web", "none")]}
    async with pretend_coolify(tmp_path, compose_repo) as coolify:
        uuid = await compose_app(coolify)
        path = f"/applications/{uuid}"
        early = await coolify.ask("PATCH", path, domains)
        coolify.clock.advance(4)
        assert await coolify.ask("PATCH", path, domains) == (200, {"uuid": uuid})
        refused = await coolify.ask("PATCH", path, {"domains": "https://x.example.com"})
        assert "without docker_compose_raw" in str(errors(early))
        assert "cannot be used for dockercompose" in str(errors(refused))
        assert (await coolify.row(path))["docker_compose_domains"] == '{"web": {"domain": "https://web.example.com"}}'


async def test_domains_of_a_compose_file_are_checked_one_by_one(tmp_path: Path) -> None:
    """Errors stand under the place in the list; the same URL twice is refused; a redirect stays that is not named."""
    at = "docker_compose_domains"
    good = {"name": "web", "domain": "https://web.example.com"}
    async with pretend_coolify(tmp_path, compose_repo) as coolify:
        path = f"/applications/{await compose_app(coolify)}"
        coolify.clock.advance(4)
        for entries, said in (
            ([good, {"name": "web", "domain": "web"}], {f"{at}.1.domain": ["Invalid URL: web"]}),
            ([{**good, "redirect": "maybe"}], {f"{at}.0.redirect": [f"The selected {at}.0.redirect is invalid."]}),
            ([{"domain": "https://x.example.com"}], {f"{at}.0.name": [f"The {at}.0.name field is required."]}),
        ):
            assert errors(await coolify.ask("PATCH", path, {at: entries})) == said
        assert "conflicting URLs: https://web.example.com Use" in str(
            errors(await coolify.ask("PATCH", path, {at: [good, {**good, "name": "other"}]}))
        )
        for redirect in ({"redirect": "www"}, {}):
            assert (await coolify.ask("PATCH", path, {at: [{**good, **redirect}]}))[0] == 200
        kept = json.loads(str((await coolify.row(path))[at]))
        assert kept == {"web": {"domain": "https://web.example.com", "redirect": "www"}}


def no_proxy(state: WorldState) -> None:
    """Take the proxy away from the first Muscle."""
    state.coolify.servers[1].proxy_type = "NONE"


@pytest.mark.parametrize(
    ("arrange", "fqdn"), [(None, "https://new.example.com"), (no_proxy, "https://shop.s1.example.com")]
)
async def test_a_change_of_domains_is_ignored_without_a_proxy(
    tmp_path: Path, arrange: Callable[[WorldState], None] | None, fqdn: str
) -> None:
    """200 both times."""
    async with pretend_coolify(tmp_path, arrange) as coolify:
        reply = await coolify.ask("PATCH", f"/applications/{SHOP}", {"domains": "https://new.example.com"})
        assert (reply, (await coolify.row(f"/applications/{SHOP}"))["fqdn"]) == ((200, {"uuid": SHOP}), fqdn)


async def test_wrong_domains_make_errors_a_bare_list_in_a_change(tmp_path: Path) -> None:
    """Its own domain is no conflict, another's is."""
    async with pretend_coolify(tmp_path) as coolify:
        path = f"/applications/{SHOP}"
        wrong = await coolify.ask("PATCH", path, {"domains": "ftp://x.example.com"})
        own = await coolify.ask("PATCH", path, {"domains": "https://shop.s1.example.com"})
        taken = await coolify.ask("PATCH", path, {"domains": "https://legacy.s1.example.com"})
        assert errors(wrong) == ["Invalid URL: ftp://x.example.com"]
        assert (own[0], taken[0]) == (200, 409)


@pytest.mark.parametrize(
    "field", ["project_uuid", "server_uuid", "environment_name", "destination_uuid", "dockerfile", "docker_compose_raw"]
)
async def test_some_fields_can_never_be_changed(tmp_path: Path, field: str) -> None:
    """Where an application lives, and its inline files."""
    async with pretend_coolify(tmp_path) as coolify:
        reply = await coolify.ask("PATCH", f"/applications/{SHOP}", {field: "x"})
        assert errors(reply) == {field: ["This field is not allowed."]}


async def test_a_change_takes_columns_and_settings_alike(tmp_path: Path) -> None:
    """And basic auth only with a name and a password."""
    async with pretend_coolify(tmp_path) as coolify:
        path = f"/applications/{SHOP}"
        body = {
            "limits_memory": "1g",
            "is_auto_deploy_enabled": False,
            "use_build_server": True,
            "health_check_port": 81,
        }
        assert await coolify.ask("PATCH", path, body) == (200, {"uuid": SHOP})
        row = await coolify.row(path)
        settings = fields(row["settings"])
        assert (row["limits_memory"], row["health_check_port"]) == ("1g", 81)
        assert (settings["is_auto_deploy_enabled"], settings["is_build_server_enabled"]) == (False, True)
        auth = await coolify.ask("PATCH", path, {"is_http_basic_auth_enabled": True, "http_basic_auth_username": "me"})
        assert errors(auth) == {"http_basic_auth_password": "The http_basic_auth_password is required."}


async def test_an_application_that_is_not_there_is_worded_in_two_ways(tmp_path: Path) -> None:
    """With a full stop or without one, by route."""
    async with pretend_coolify(tmp_path) as coolify:
        body = {"name": "x"}
        asked = [("GET", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/start"), ("GET", "/envs"), ("GET", "/storages")]
        replies = [await coolify.ask(m, f"/applications/none{p}", body if m == "PATCH" else None) for m, p in asked]
        stops = [str(fields(answer)["message"]) for _, answer in replies]
        assert {status for status, _ in replies} == {404}
        assert stops == [f"Application not found{end}" for end in (".", "", "", ".", "", "")]


@pytest.mark.parametrize(("query", "left"), [({}, []), ({"delete_volumes": "false"}, [f"{SHOP}_data"])])
async def test_a_deletion_takes_a_while_and_the_volumes_unless_told(
    tmp_path: Path, query: dict[str, str], left: list[str]
) -> None:
    """200 at once, the application is still there; then container, volume and row are gone, and GET says 404."""

    def volume(state: WorldState) -> None:
        host = state.hosts["muscle-1"]
        host.volumes.append(f"{SHOP}_data")
        next(c for c in host.containers if SHOP in c.name).volumes.append(f"{SHOP}_data")

    async with pretend_coolify(tmp_path, volume) as coolify:
        path = f"/applications/{SHOP}"
        deleted = await coolify.ask("DELETE", path, query=query)
        assert deleted == (200, {"message": "Application deletion request queued."})
        assert (await coolify.ask("GET", path))[0] == 200
        coolify.clock.advance(5)
        assert (await coolify.ask("GET", path))[0] == 404
        assert coolify.containers("muscle-1", SHOP) == []
        assert coolify.state().hosts["muscle-1"].volumes == left


async def test_secrets_of_an_application_need_the_right_to_see_them(tmp_path: Path) -> None:
    """Labels, files and webhook secrets are hidden from a plain reader."""

    def reader(state: WorldState) -> None:
        state.coolify.tokens[1].abilities = ["read"]

    async with (
        pretend_coolify(tmp_path, reader) as coolify,
        pretend_coolify(tmp_path, token=READ_TOKEN) as plain,
    ):
        secret = {"custom_labels", "dockerfile", "docker_compose_raw", "manual_webhook_secret_github"}
        assert secret <= (await coolify.row(f"/applications/{SHOP}")).keys()
        assert not secret & (await plain.row(f"/applications/{SHOP}")).keys()
