"""patch_fleet with return_apps: apps go back once their server is patched, as proved as they went, or they stay."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from ink_infra_mcp.sandbox.seed import SHOP
from ink_infra_mcp.sandbox.state import WorldState
from ink_infra_mcp.sandbox.state_coolify import Application, EnvVar
from tests.clock import FakeClock
from tests.ink import ink
from tests.tools.arrivals import approved, trouble
from tests.tools.calls import Before, Said, call, unknown
from tests.tools.drained import ONE, TWO, left, with_named_shop, with_own_records
from tests.tools.moved import BEFORE, Place, places
from tests.tools.test_patch_drained import MOVED, MOVED_SHOP, OVERLAY
from tests.tools.test_patch_drained import SHOP as SHOP_AT_HOME
from tests.tools.test_patch_fleet import pending

LIMIT_S = 360
pytestmark = [pytest.mark.anyio, pytest.mark.timeout(LIMIT_S + 10)]
BACK = {"drain_to": "muscle-1", "return_apps": True, "wait_s": 3600}
STOPPED_SHOP = Place("shop-was-on-muscle-2", "muscle-2", f"http://{SHOP}.moved.invalid", False, 0, None)
OTHER = "https://another.example.com"
STRANGER = ("192.0.2.99",)


async def test_apps_go_back_once_their_server_is_patched(tmp_path: Path) -> None:
    """The same app as before serves there again, under its own name; its copy is gone, what has data never went."""
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=due, clock=FakeClock()) as it:
            async with it.client() as client:
                plan = await call(client, "patch_fleet", **BACK)
                said = await approved(it, client, "patch_fleet", **BACK)
                again = await call(client, "patch_fleet", **BACK)
            state, lost = it.state, unknown(it)
            order = [
                line.split()[1]
                for line in it.journal
                if " ink-patch ask " in line or " DELETE /api/v1/app" in line or line.endswith("/clone")
            ]

    assert "shop: where its way back fails it serves on from muscle-1" in _whole(plan), plan.text
    assert (said.outcome, again.outcome) == ("applied", "already_so"), said.text
    proofs = {name: said.checks[f"shop {name}"] for name in MOVED}
    gone = {name: said.checks[f"shop-was-on-muscle-1 {name}"] for name in ("gone from Coolify", "no container left")}
    assert (proofs, {*gone.values()}) == (dict.fromkeys(MOVED, "passed"), {"passed"})
    assert _told(said) == {"moved": ["shop"], "not_moved": [], "returned": ["shop"], "not_returned": []}
    assert (places(state, "shop"), places(state, "docs"), left(state).web) == ([SHOP_AT_HOME], BEFORE, TWO)
    assert ([app.uuid for app in state.coolify.applications if app.text("name") == "shop"], lost) == ([SHOP], [])
    assert (state.hosts["muscle-2"].boots, order) == (2, ["muscle-1", "POST", "muscle-2", "DELETE"])


def due(state: WorldState) -> None:
    """Both Muscles lack updates; shop has no data, and a name whose records are ours, and docs has data."""
    with_own_records(state)
    pending(state)


def _whole(plan: Said) -> str:
    """Return what a person reads, without the breaks of its lines."""
    return " ".join(plan.text.replace("...", " ").split())


def _told(said: Said) -> dict[str, object]:
    return {name: value for name, value in said.data["result"].items() if name != "installed"}


def does_not_build(state: WorldState) -> None:
    """Let Coolify take no deployment any more."""
    trouble("coolify", "/deploy", status=500, times=99)(state)


def is_taken(state: WorldState) -> None:
    """Let somebody lead the app's name elsewhere meanwhile."""
    (zone,) = state.hetzner.zones
    for records in zone.rrsets:
        if (records.name, records.type) == ("web", "A"):
            records.records[0].value = STRANGER[0]


@pytest.mark.parametrize(
    ("kind", "change", "web"),
    [("coolify.deploy", does_not_build, ONE), ("hosts.reboot", is_taken, (*STRANGER, ONE[1]))],
)
async def test_an_app_that_cannot_go_back_stays_where_it_serves(
    tmp_path: Path, kind: str, change: Callable[[WorldState], None], web: tuple[str, ...]
) -> None:
    """Its server is patched all the same, nothing of the way back is left, and the answer names it."""
    asked, clock = {**BACK, "servers": ["muscle-2"]}, FakeClock()
    with anyio.fail_after(LIMIT_S):
        broken = Before(tmp_path, kind, change, clock)
        async with ink(tmp_path, change_world=due, clock=clock, wrap_handler=broken) as it:
            async with it.client() as client:
                said = await approved(it, client, "patch_fleet", **asked)
            state = it.state

    assert said.outcome == "failed", said.text
    assert _told(said) == {"moved": ["shop"], "not_moved": [], "returned": [], "not_returned": ["shop"]}
    assert (places(state, "shop"), left(state).web) == ([MOVED_SHOP, STOPPED_SHOP], web)
    assert (state.hosts["muscle-2"].updates, state.hosts["muscle-2"].boots) == ({}, 2)


def changes_a_variable(state: WorldState) -> None:
    """Let a person give the app a variable in the dashboard, while it serves from its copy."""
    _serving(state).envs.append(EnvVar(id=990, uuid="e" * 24, key="ADDED", value="later"))


def changes_the_domains(state: WorldState) -> None:
    """Let a person give the app another domain in the dashboard."""
    _serving(state).columns["fqdn"] = OTHER


def is_pushed(state: WorldState) -> None:
    """Let a push be deployed there."""
    now = state.coolify.deployments
    (newest,) = [each for each in now if each.application_uuid == _serving(state).uuid]
    now.append(newest.model_copy(update={"id": 990, "deployment_uuid": "p" * 24}))


def _serving(state: WorldState) -> Application:
    return next(app for app in state.coolify.applications if app.text("name") == "shop")


@pytest.mark.parametrize(
    ("kind", "change", "why", "domains"),
    [
        ("hosts.reboot", changes_a_variable, "variable ADDED was added", MOVED_SHOP.domains),
        ("coolify.deploy", changes_the_domains, f"domains is '{OTHER}' and not '{MOVED_SHOP.domains}'", OTHER),
        ("coolify.deploy", is_pushed, f"deployment {'p' * 24}", MOVED_SHOP.domains),
    ],
)
async def test_a_copy_that_was_changed_meanwhile_is_kept_with_its_change(
    tmp_path: Path, kind: str, change: Callable[[WorldState], None], why: str, domains: str
) -> None:
    """Before the way back or on it: what a person or a push has brought there is nowhere else, and so it serves on."""
    asked, clock = {**BACK, "servers": ["muscle-2"]}, FakeClock()
    with anyio.fail_after(LIMIT_S):
        meanwhile = Before(tmp_path, kind, change, clock)
        async with ink(tmp_path, change_world=due, clock=clock, wrap_handler=meanwhile) as it:
            async with it.client() as client:
                said = await approved(it, client, "patch_fleet", **asked)
            state = it.state

    assert (said.outcome, why in said.text) == ("failed", True), said.text
    assert _told(said) == {"moved": ["shop"], "not_moved": [], "returned": [], "not_returned": ["shop"]}
    assert places(state, "shop") == [replace(MOVED_SHOP, domains=domains), STOPPED_SHOP]


async def test_an_app_whose_data_was_copied_away_stays_there(tmp_path: Path) -> None:
    """Its first volume knows nothing of what is written since: a person reads in the plan that it does not go back."""
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "baseline.toml").write_text(OVERLAY, encoding="utf-8")
    asked = {**BACK, "servers": ["muscle-2"]}
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=due, clock=FakeClock(), policies=tmp_path / "policies") as it:
            async with it.client() as client:
                plan = await call(client, "patch_fleet", **asked)
                said = await approved(it, client, "patch_fleet", **asked)
            state = it.state

    assert "docs: stays on muscle-1: its data was copied there" in _whole(plan), plan.text
    assert (said.outcome, said.data["result"]["returned"]) == ("applied", ["shop"]), said.text
    assert [place.server for place in (*places(state, "docs"), *places(state, "shop"))] == ["muscle-1", "muscle-2"]


async def test_an_app_whose_name_has_no_record_to_put_back_stays_there(tmp_path: Path) -> None:
    """Nobody could prove that its name leads back: a person reads in the plan that it stays, and it does."""

    def nameless(state: WorldState) -> None:
        with_named_shop(state)
        pending(state)

    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=nameless, clock=FakeClock()) as it, it.client() as client:
            plan = await call(client, "patch_fleet", **BACK)

    words = "shop: stays on muscle-1: web.example.com does not lead to muscle-2 by a record that could be put back"
    assert words in _whole(plan), plan.text


async def test_nothing_goes_back_that_did_not_go(tmp_path: Path) -> None:
    """return_apps without drain_to is refused, with what to give."""
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=due, clock=FakeClock()) as it, it.client() as client:
            said = await call(client, "patch_fleet", return_apps=True)

    assert "return_apps brings back what drain_to moves. Nothing was changed. Give drain_to, too." in said.text
