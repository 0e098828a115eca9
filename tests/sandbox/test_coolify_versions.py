"""What changed between the versions of Coolify that the sandbox can pretend to be."""

from collections.abc import Callable
from pathlib import Path

import pytest

from ink_infra_mcp.sandbox.coolify.release import release
from ink_infra_mcp.sandbox.seed import ENVIRONMENT, PROJECT, SERVERS, SHOP
from ink_infra_mcp.sandbox.state import WorldState
from ink_infra_mcp.sandbox.state_coolify import Token
from tests.sandbox.worlds import fields, pretend_coolify

pytestmark = pytest.mark.anyio

FORK_BASE = "4.0.0-beta.463"
UNKNOWN = (404, {"message": "Not found.", "docs": "https://coolify.io/docs"})
NOT_ALLOWED = ["This field is not allowed."]
LIFECYCLE = [f"/applications/{SHOP}/{verb}" for verb in ("start", "restart", "stop")]


def at(version: str) -> Callable[[WorldState], None]:
    """Return what makes a world's Coolify that version."""

    def change(state: WorldState) -> None:
        state.coolify.version = version

    return change


def test_a_beta_comes_before_its_release() -> None:
    """Versions sort as people mean them."""
    ordered = ["4.0.0-beta.463", "4.0.0", "4.1.2", "4.2.0", "4.3.0", "4.3.10"]
    assert sorted(ordered, key=release) == ordered


@pytest.mark.parametrize("path", [*LIFECYCLE, "/deploy", "/enable", f"/servers/{SERVERS['muscle-1']}/validate"])
async def test_since_4_2_a_get_that_would_change_something_is_refused(tmp_path: Path, path: str) -> None:
    """405 with Allow: POST, from a stub, and nothing happens."""
    async with pretend_coolify(tmp_path) as coolify:
        answer = await coolify.send("GET", path)
        assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
        assert answer.json() == {"message": "This endpoint has changed to a POST request."}
        assert coolify.state().journal == []


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_before_4_2_lifecycle_routes_take_both_methods(tmp_path: Path, method: str) -> None:
    """Old clients send GET, and it works; so does POST."""
    async with pretend_coolify(tmp_path, at("4.1.2")) as coolify:
        for path in (*LIFECYCLE, f"/deploy?uuid={SHOP}"):
            assert (await coolify.send(method, path)).status_code == 200


async def test_before_4_2_validate_and_enable_are_get_only(tmp_path: Path) -> None:
    """A POST there is an unknown route."""
    validate = f"/servers/{SERVERS['muscle-1']}/validate"
    async with pretend_coolify(tmp_path, at("4.1.2")) as coolify:
        assert [await coolify.ask("POST", "/enable"), await coolify.ask("POST", validate)] == [UNKNOWN, UNKNOWN]
        assert await coolify.ask("GET", validate) == (201, {"message": "Validation started."})
        assert await coolify.ask("GET", "/enable") == (200, {"message": "API enabled."})


async def test_rollback_came_with_4_3(tmp_path: Path) -> None:
    """Before it, both routes are unknown."""
    async with pretend_coolify(tmp_path, at("4.2.0")) as coolify:
        assert await coolify.ask("GET", f"/applications/{SHOP}/rollback-images") == UNKNOWN
        assert await coolify.ask("POST", f"/applications/{SHOP}/rollback", {"commit": "abc"}) == UNKNOWN


async def test_inline_compose_applications_went_with_4_1(tmp_path: Path) -> None:
    """The old route made a service; later it is unknown."""
    body = {
        "project_uuid": PROJECT,
        "environment_uuid": ENVIRONMENT,
        "server_uuid": SERVERS["muscle-1"],
        "docker_compose_raw": "c2VydmljZXM6CiAgd2ViOgogICAgaW1hZ2U6IG5naW54Cg==",
    }
    async with pretend_coolify(tmp_path, at(FORK_BASE)) as coolify:
        uuid = await coolify.made("/applications/dockercompose", body)
        assert fields(await coolify.row(f"/services/{uuid}"))["name"] == f"service-{uuid[:10]}"
    async with pretend_coolify(tmp_path, at("4.1.0")) as coolify:
        assert await coolify.ask("POST", "/applications/dockercompose", body) == UNKNOWN


@pytest.mark.parametrize(
    ("field", "value", "first"),
    [
        ("health_check_type", "http", "4.0.0"),
        ("is_preview_deployments_enabled", False, "4.2.0"),
        ("is_consistent_container_name_enabled", True, "4.3.0"),
    ],
)
async def test_a_field_is_refused_before_its_first_version(
    tmp_path: Path, field: str, value: str | bool, first: str
) -> None:
    """Each version has its own list of fields."""
    older = {"4.0.0": FORK_BASE, "4.2.0": "4.1.2", "4.3.0": "4.2.0"}[first]
    async with pretend_coolify(tmp_path, at(older)) as coolify:
        refused = await coolify.ask("PATCH", f"/applications/{SHOP}", {field: value})
        assert refused == (422, {"message": "Validation failed.", "errors": {field: NOT_ALLOWED}})
        with coolify.world.change() as state:
            state.coolify.version = first
        assert await coolify.ask("PATCH", f"/applications/{SHOP}", {field: value}) == (200, {"uuid": SHOP})


async def test_a_server_takes_its_advanced_settings_only_since_4_0(tmp_path: Path) -> None:
    """The fork's base knows just the fields of creation."""
    path = f"/servers/{SERVERS['muscle-1']}"
    async with pretend_coolify(tmp_path, at(FORK_BASE)) as coolify:
        status, answer = await coolify.ask("PATCH", path, {"concurrent_builds": 4})
        assert (status, fields(answer)["errors"]) == (422, {"concurrent_builds": NOT_ALLOWED})


async def test_betas_asked_for_other_abilities(tmp_path: Path) -> None:
    """There, `read` was enough to add and validate a server, and start asked for `write`."""
    token = Token(id=9, secret="s", abilities=["read"])

    def arrange(state: WorldState) -> None:
        at(FORK_BASE)(state)
        state.coolify.tokens.append(token)

    async with pretend_coolify(tmp_path, arrange, token="9|s") as coolify:
        assert (await coolify.ask("GET", f"/servers/{SERVERS['muscle-1']}/validate"))[0] == 201
        start = await coolify.ask("POST", LIFECYCLE[0])
        assert start == (403, {"message": "Missing required permissions: write"})


async def test_settings_are_shown_since_4_2(tmp_path: Path) -> None:
    """An application of an older Coolify has no `settings` in its answer."""
    async with pretend_coolify(tmp_path, at("4.1.2")) as coolify:
        assert "settings" not in await coolify.row(f"/applications/{SHOP}")
        with coolify.world.change() as state:
            state.coolify.version = "4.2.0"
        assert fields((await coolify.row(f"/applications/{SHOP}"))["settings"])["is_auto_deploy_enabled"] is True
