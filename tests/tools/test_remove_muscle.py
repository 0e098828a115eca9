"""remove_muscle: a Muscle leaves without a trace, or stays as it is with the reason said."""

from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from ink_infra_mcp.core.fleet import Fleet
from ink_infra_mcp.sandbox.state import WorldState
from ink_infra_mcp.sandbox.state_hetzner import Record, RRset
from tests.clock import FakeClock
from tests.ink import ink
from tests.tools.arrivals import all_of, approved, trouble, vendors, written
from tests.tools.calls import call

pytestmark = pytest.mark.anyio
LIMIT_S = 120
GONE = {"fleet": "passed", "coolify": "passed"}


def emptied(state: WorldState) -> None:
    """Let no app live on muscle-2."""
    docs = next(app for app in state.coolify.applications if app.text("name") == "docs")
    state.coolify.applications.remove(docs)


def elsewhere(fleet: Fleet) -> Fleet:
    """Let muscle-2 be of a provider that nobody here knows."""
    one, two = fleet.muscles
    return fleet.model_copy(update={"muscles": (one, two.model_copy(update={"provider": "other"}))})


async def test_a_muscle_with_apps_stays_and_they_are_named(tmp_path: Path) -> None:
    """Nothing is changed, whatever shall become of the machine; a name that nobody has is told with those there are."""
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, clock=FakeClock()) as it, it.client() as client:
            before = vendors(it.state)
            said = [
                await call(client, "remove_muscle", name="muscle-1", machine=machine) for machine in ("keep", "delete")
            ]
            nobody = await call(client, "remove_muscle", name="muscle-9")
            after, journal = vendors(it.state), it.journal

    assert [one.text.count("2 apps live on muscle-1: legacy, shop.") for one in said] == [1, 1], said[0].text
    assert "Use one of: muscle-1, muscle-2." in nobody.text
    assert (after, journal) == (before, [])


async def test_an_empty_muscle_leaves_with_its_machine_and_nobody_else_does(tmp_path: Path) -> None:
    """Its names, its place in Coolify and its Cloud server are gone for good; all others are as they were. What fails
    on the way is told, and the same call goes on behind it.
    """
    world = all_of(emptied, trouble("coolify", "DELETE /api/v1/servers/", status=500, times=50))
    arguments = {"name": "muscle-2", "machine": "delete", "wait_s": 3600}
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=world, clock=FakeClock()) as it, it.client() as client:
            before = vendors(it.state)
            said = await approved(it, client, "remove_muscle", **arguments)
            half, file = vendors(it.state), [*written(it)]
            with it.world.change() as state:
                state.faults = []
            again = await approved(it, client, "remove_muscle", **arguments)
            end, last = vendors(it.state), [*written(it)]

    records = {name: values for name, values in before.records.items() if not name.startswith("*.s2")}
    assert "It is not known whether step coolify_deleted happened" in said.text, said.text
    assert (half, file) == (replace(before, records=records), ["muscle-1", "muscle-2"])
    assert (again.outcome, again.checks) == ("applied", GONE), again.text
    assert (end, last) == (
        replace(
            before,
            records=records,
            servers={name: at for name, at in before.servers.items() if name != "muscle-2"},
            coolify_servers={name: at for name, at in before.coolify_servers.items() if name != "muscle-2"},
        ),
        ["muscle-1"],
    )


def led(state: WorldState) -> None:
    """Let names lead to muscle-2: two that we made for apps that are gone, of which one has a record of a person's,
    too; one that a person made, one of an app.
    """
    ours = "ink-operation=op-aaaaaaaaaa 192.0.2.12"
    state.hetzner.zones[0].rrsets += [
        RRset(name=name, type="A", records=[Record(value="192.0.2.12", comment=comment)], ttl=60)
        for name, comment in (("gone", ours), ("half", ours), ("hand", ""), ("kept", ""))
    ]
    state.hetzner.zones[0].rrsets.append(RRset(name="half", type="AAAA", records=[Record(value="2001:db8:0:3::1")]))


async def test_names_that_still_lead_to_a_machine_that_goes_are_taken_away_or_told(tmp_path: Path) -> None:
    """What an operation of ours left behind goes; what is somebody's stays, and the plan names it: its address may be
    anybody's tomorrow.
    """
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=all_of(emptied, led), clock=FakeClock()) as it, it.client() as client:
            asked = await call(client, "remove_muscle", name="muscle-2", machine="delete")
            said = await approved(it, client, "remove_muscle", name="muscle-2", machine="delete", wait_s=3600)
            names = {(rrset.name, rrset.type) for rrset in it.state.hetzner.zones[0].rrsets}

    assert said.outcome == "applied", said.text
    words = " ".join(asked.text.replace("...", "").split())
    assert "half.example.com, hand.example.com, kept.example.com still lead to muscle-2" in words
    left = {(name, type) for name, type in names if name in {"gone", "half", "hand", "kept", "*.s2"}}
    assert left == {("half", "AAAA"), ("hand", "A"), ("kept", "A")}


async def test_a_machine_of_another_provider_is_not_deleted_from_here(tmp_path: Path) -> None:
    """The refusal says what to leave out; nothing was changed."""
    with anyio.fail_after(LIMIT_S):
        async with (
            ink(tmp_path, change_world=emptied, change_fleet=elsewhere, clock=FakeClock()) as it,
            it.client() as client,
        ):
            said = await call(client, "remove_muscle", name="muscle-2", machine="delete")
            journal = it.journal

    assert "muscle-2 is no server of Hetzner that fleet.toml knows by its number" in said.text
    assert "Leave `machine` out" in said.text
    assert journal == []


async def test_a_machine_that_stays_has_to_be_reached(tmp_path: Path) -> None:
    """While it is away what was set on it could not be taken back: the refusal says what else there is to do."""

    def away(state: WorldState) -> None:
        emptied(state)
        state.hosts["muscle-2"].up = False

    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=away, clock=FakeClock()) as it, it.client() as client:
            said = await call(client, "remove_muscle", name="muscle-2")
            journal = it.journal

    assert "give machine=delete, or take it out by hand" in said.text, said.text
    assert journal == []
