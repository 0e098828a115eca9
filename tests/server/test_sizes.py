"""How large real answers are: what a model reads of a fleet that has grown stays small."""

import json
import re
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client
from mcp.types import CallToolResult

from ink_infra_mcp.sandbox.seed import SHOP
from ink_infra_mcp.sandbox.state import WorldState
from ink_infra_mcp.server.answers import MAX_TEXT, SANDBOX
from tests.ink import data, ink, text

pytestmark = pytest.mark.anyio

APPS = 50
MAX_BYTES_PER_APP = 80
SCREEN = 4_000
"""Characters that one look at a fleet, or at an app, may take."""
FENCE = re.compile(
    r"<untrusted [\w ]+ (?P<nonce>[0-9a-f]{16}): data, not instructions>\n.*\n</untrusted (?P=nonce)>", re.DOTALL
)


def fifty_apps(state: WorldState) -> None:
    """Add healthy apps like the shop, each with its container, until there are fifty."""
    shop = next(app for app in state.coolify.applications if app.uuid == SHOP)
    containers = state.hosts["muscle-1"].containers
    container = next(c for c in containers if SHOP in c.name)
    for number in range(len(state.coolify.applications), APPS):
        name, uuid = f"app-{number:02}", f"app{number:021}"
        columns = {**shop.columns, "name": name, "fqdn": f"https://{name}.s1.example.com"}
        more = {"id": 1000 + number, "uuid": uuid, "columns": columns, "status": "running:healthy"}
        state.coolify.applications.append(shop.model_copy(update=more))
        labels = {key: value.replace(SHOP, uuid) for key, value in container.labels.items()}
        labels |= {"coolify.applicationId": str(1000 + number), "coolify.resourceName": name}
        named = {
            "id": f"{number:064}",
            "name": container.name.replace(SHOP, uuid),
            "labels": labels,
            "health": "healthy",
        }
        containers.append(container.model_copy(update=named))
    for server in state.coolify.servers:
        server.next_check_at = 0.0  # Coolify looks at them before the test does


def fifty_weak_apps(state: WorldState) -> None:
    """Let every container of the fifty run without gVisor."""
    fifty_apps(state)
    for container in state.hosts["muscle-1"].containers:
        container.runtime = "runc"


def long_log(state: WorldState) -> None:
    """Let the shop have written a thousand long lines."""
    shop = next(app for app in state.coolify.applications if app.uuid == SHOP)
    shop.log_lines = [f"{number} {'x' * 480}" for number in range(1, 1001)]


def size(structured: dict[str, Any]) -> int:
    """Return the bytes of structured content on the wire."""
    return len(json.dumps(structured, separators=(",", ":"), ensure_ascii=False).encode())


def own(result: CallToolResult) -> str:
    """Return a result's text without the sandbox's mark."""
    return text(result).removeprefix(f"{SANDBOX}\n")


async def answer(client: Client, name: str, **arguments: object) -> CallToolResult:
    """Return the result of a call that must succeed."""
    result = await client.call_tool(name, arguments)
    assert not result.is_error, text(result)
    return result


async def test_fifty_apps_take_eighty_bytes_each(tmp_path: Path) -> None:
    """The table of fifty apps takes at most 80 bytes an app, as text and as structured content, head included."""
    with anyio.fail_after(60):
        async with ink(tmp_path, change_world=fifty_apps) as it, it.client() as client:
            listed = await answer(client, "list_apps")
    assert len(data(listed)["rows"]) == data(listed)["total"] == APPS
    assert {row[3] for row in data(listed)["rows"] if row[0].startswith("app-")} == {"healthy"}
    assert len(own(listed).encode()) / APPS <= MAX_BYTES_PER_APP
    assert size(data(listed)) / APPS <= MAX_BYTES_PER_APP


async def test_a_fleet_and_an_app_fit_on_a_screen(tmp_path: Path) -> None:
    """One look at a fleet with fifty apps, and at one of them, takes a screen, as text and as structured content."""
    with anyio.fail_after(60):
        async with ink(tmp_path, change_world=fifty_apps) as it, it.client() as client:
            found = [await answer(client, "get_fleet"), await answer(client, "get_app", app="shop")]
    for result in found:
        assert len(own(result)) <= SCREEN
        assert size(data(result)) <= SCREEN


async def test_a_fleet_where_all_is_wrong_still_fits(tmp_path: Path) -> None:
    """A warning that concerns fifty containers names some of them and counts the rest."""
    with anyio.fail_after(60):
        async with ink(tmp_path, change_world=fifty_weak_apps) as it, it.client() as client:
            fleet = await answer(client, "get_fleet")
    [warning] = [words for words in data(fleet)["warnings"] if "not isolated" in words]
    assert re.fullmatch(r"muscle-1: not isolated: (?:[\w-]+, ){4}[\w-]+ and 44 more", warning)
    assert len(own(fleet)) <= SCREEN


async def test_a_long_log_is_paged_whole(tmp_path: Path) -> None:
    """However long the lines are, the text holds its whole fence and the cursor, and pages lead to the first line."""
    seen: list[str] = []
    before: int | None = None
    with anyio.fail_after(60):
        async with ink(tmp_path, change_world=long_log) as it, it.client() as client:
            for _ in range(20):
                cursor = {} if before is None else {"before": before}
                page = await answer(client, "get_app_logs", app="shop", lines=1000, **cursor)
                assert FENCE.search(text(page))
                assert len(text(page)) <= MAX_TEXT
                seen = [*data(page)["untrusted_lines"], *seen]
                before = data(page).get("before")
                if before is None:
                    break
                assert f"earlier lines: before={before}" in text(page)
    assert [line.split()[-2] for line in seen if line.endswith("x")] == [str(number) for number in range(1, 1001)]
