"""patch_fleet with drain_to and pause_s: apps serve elsewhere before their server reboots; between servers is rest."""

from datetime import timedelta
from pathlib import Path

import anyio
import pytest

from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.step import Handler, StepCall
from ink_infra_mcp.sandbox.state import WorldState
from tests.clock import BEGIN, FakeClock
from tests.ink import ink, says_yes
from tests.tools.arrivals import approved, trouble
from tests.tools.calls import call, unknown
from tests.tools.drained import ONE, left, with_named_shop
from tests.tools.moved import BEFORE, Place, places
from tests.tools.test_patch_fleet import OTHER, pending

LIMIT_S = 360
pytestmark = [pytest.mark.anyio, pytest.mark.timeout(LIMIT_S + 10)]
PAUSE_S = 600
SHOP = Place("shop", "muscle-2", "https://web.example.com", True, 1, None)
MOVED_SHOP = Place("shop", "muscle-1", "https://web.example.com", True, 1, None)
MOVED = ("isolation", "variables", "dns", "tls", "http", "deployment")
OVERLAY = """[drain]
volumes = { value = true, why = "x", override = "docs may be away for a minute" }
new_urls = { value = true, why = "x", override = "nobody has a bookmark" }
"""


def due(state: WorldState) -> None:
    """Both Muscles lack updates, and docs has data."""
    with_named_shop(state)
    pending(state)


async def test_apps_that_may_move_serve_elsewhere_before_their_server_reboots(tmp_path: Path) -> None:
    """The Muscle that they go to is patched first; what has data stays, is told before, and is back after the reboot;
    the same call again has nothing to do.
    """
    asked = {"drain_to": "muscle-1", "wait_s": 3600}
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=due, clock=FakeClock()) as it:
            async with it.client() as client:
                plan = await call(client, "patch_fleet", **asked)
                said = await approved(it, client, "patch_fleet", **asked)
                again = await call(client, "patch_fleet", **asked)
            state, lost = it.state, unknown(it)
            order = [
                line.split()[1] for line in it.journal if " ink-patch ask " in line or " DELETE /api/v1/app" in line
            ]

    assert "muscle-2: not moved away: docs has data" in plan.text, plan.text
    assert (said.outcome, again.outcome) == ("applied", "already_so"), said.text
    assert {name: said.checks[f"shop {name}"] for name in MOVED} == dict.fromkeys(MOVED, "passed")
    assert (said.data["result"]["moved"], said.data["result"]["not_moved"], lost) == (["shop"], [], [])
    assert (places(state, "shop"), places(state, "docs"), left(state).web) == ([MOVED_SHOP], BEFORE, ONE)
    assert (state.hosts["muscle-1"].boots, state.hosts["muscle-2"].boots) == (1, 2)
    assert order == ["muscle-1", "DELETE", "muscle-2"]


async def test_policy_says_which_apps_may_move(tmp_path: Path) -> None:
    """An operator who lets data be copied and URLs change has such apps moved, too; the plan shows his reason."""
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "baseline.toml").write_text(OVERLAY, encoding="utf-8")
    asked = {"servers": ["muscle-2"], "drain_to": "muscle-1", "wait_s": 3600}
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=due, clock=FakeClock(), policies=tmp_path / "policies") as it:
            async with it.client() as client:
                said = await approved(it, client, "patch_fleet", **asked)
            state = it.state

    assert (said.outcome, said.data["result"]["moved"]) == ("applied", ["shop", "docs"]), said.text
    assert [place.server for place in places(state, "docs")] == ["muscle-1"]


async def test_where_a_move_fails_its_server_is_not_touched(tmp_path: Path) -> None:
    """The app serves on where it was, and no update is begun there."""
    asked = {"servers": ["muscle-2"], "drain_to": "muscle-1", "wait_s": 3600}
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=due, clock=FakeClock()) as it:
            with it.world.change() as state:
                trouble("coolify", "/clone", status=500, times=9)(state)
            async with it.client() as client:
                said = await approved(it, client, "patch_fleet", **asked)
            state = it.state

    assert (said.outcome, said.data["result"]["not_moved"]) == ("undone", ["shop"]), said.text
    assert (places(state, "shop"), left(state).web, state.hosts["muscle-2"].patches) == ([SHOP], (), {})


async def test_apps_go_to_a_muscle_of_the_fleet_only(tmp_path: Path) -> None:
    """To nobody is refused before anything is looked at."""
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=due, clock=FakeClock()) as it, it.client() as client:
            said = await call(client, "patch_fleet", drain_to="muscle-9")

    assert "There is no Muscle 'muscle-9'." in said.text, said.text


async def test_between_two_servers_there_is_the_pause_that_was_asked_for(tmp_path: Path) -> None:
    """Before the first there is none, and a person reads of it in the plan."""
    begun: list[float] = []
    clock = FakeClock()

    def noting(kind: str, handler: Handler) -> Handler:
        async def noted(step: StepCall) -> JsonObject:
            begun.append(clock.monotonic())
            return await handler(step)

        return noted if kind in ("hosts.await_turn", "hosts.apply_security_updates") else handler

    person = says_yes()
    with anyio.fail_after(LIMIT_S):
        async with (
            ink(tmp_path, change_world=pending, clock=clock, wrap_handler=noting) as it,
            it.client(person) as client,
        ):
            said = await call(client, "patch_fleet", pause_s=PAUSE_S, wait_s=3600)

    assert (said.outcome, len(begun)) == ("applied", 3), said.text
    assert PAUSE_S - 1 <= begun[2] - begun[1] <= PAUSE_S
    assert "Wait for the turn of muscle-2: 600 s after the last server" in " ".join(
        "".join(person.asked).replace("...", " ").split()
    )


async def test_a_window_that_ends_within_the_pause_leaves_the_next_server_as_it_is(tmp_path: Path) -> None:
    """Its apps do not move either: its turn never comes, and only the same call plans what is left."""
    closing = (BEGIN + timedelta(seconds=PAUSE_S)).isoformat()
    asked = {"drain_to": "muscle-1", "pause_s": PAUSE_S, "not_after": closing, "wait_s": 3600}
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=due, clock=FakeClock()) as it:
            async with it.client() as client:
                said = await approved(it, client, "patch_fleet", **asked)
                resumed = await call(client, "resume_operation", operation=said.data["operation_id"])
            state = it.state

    assert "is of patch_fleet, which plans anew what is left. Nothing was changed. Call patch_fleet" in resumed.text
    assert (said.outcome, state.hosts["muscle-1"].updates) == ("failed", {"bash": OTHER}), said.text
    assert "The window in which updates may begin ended" in said.text
    assert (places(state, "shop"), state.hosts["muscle-2"].patches) == ([SHOP], {})
