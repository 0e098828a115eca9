"""Where a new app goes: the documented rule over a measured world, pinned once a person has seen it."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from ink_infra_mcp.core.fleet import Fleet
from ink_infra_mcp.guard.caller import Answer
from ink_infra_mcp.sandbox.state import WorldState
from tests.ink import Ink, ink, says_yes
from tests.tools.calls import Said, app_named, call, creations, deploy

IMAGE: dict[str, Any] = {"image": "registry.example.com/web:1", "port": 80}
GIB = 2**30
Change = Callable[[WorldState], None]


def server(state: WorldState, name: str) -> Any:
    """Return a server as Coolify has it."""
    return next(s for s in state.coolify.servers if s.name == name)


def small(name: str, gib: float) -> Change:
    """Let a Muscle have that much memory."""

    def change(state: WorldState) -> None:
        state.hosts[name].memory_bytes = int(gib * GIB)

    return change


def without_runsc(name: str) -> Change:
    """Let Docker on a Muscle not know gVisor."""

    def change(state: WorldState) -> None:
        state.hosts[name].runtimes = ["runc"]

    return change


def unusable(name: str) -> Change:
    """Let Coolify hold a Muscle unfit."""

    def change(state: WorldState) -> None:
        server(state, name).settings.is_usable = False
        server(state, name).next_check_at += 1e9

    return change


def moved(app: str, to: str) -> Change:
    """Let an app be on another Muscle."""

    def change(state: WorldState) -> None:
        app_named(state, app).server_uuid = server(state, to).uuid

    return change


CHOICES: dict[str, tuple[tuple[Change, ...], dict[str, Any], str, str]] = {
    "the fewest apps": ((), {}, "muscle-2", "fewest apps (1) of 2 that fit"),
    "then the most headroom": (
        (small("muscle-1", 16), small("muscle-2", 8), moved("legacy", "muscle-2")),
        {},
        "muscle-1",
        "fewest apps (1) of 2 that fit",
    ),
    "no headroom there": ((small("muscle-2", 1),), {}, "muscle-1", "the only one that fits"),
    "no gVisor there": ((without_runsc("muscle-2"),), {}, "muscle-1", "the only one that fits"),
    "unusable there": ((unusable("muscle-2"),), {}, "muscle-1", "the only one that fits"),
    "the one that was named": ((), {"muscle": "muscle-1"}, "muscle-1", "the only one that fits"),
    "all services of a compose file count": (
        (small("muscle-2", 3),),
        {"compose": "services:\n  a: {image: 'a:1', mem_limit: 2g}\n  b: {image: 'b:1'}\n", "compose_service": "a"},
        "muscle-1",
        "the only one that fits",
    ),
}


@contextmanager
def other_world(it: Ink, changes: tuple[Change, ...]) -> Generator[None]:
    """Change the world for a while."""
    original = it.state
    with it.world.change() as state:
        for change in changes:
            change(state)
    yield
    with it.world.change() as state:
        again = original.model_copy(deep=True)
        state.hosts, state.coolify = again.hosts, again.coolify


@pytest.mark.anyio
async def test_the_muscle_follows_the_rule_and_the_plan_says_why(tmp_path: Path) -> None:
    """Healthy, with gVisor, with room for the whole limit; then fewest apps; then most headroom."""
    said: dict[str, Said] = {}
    with anyio.fail_after(90):
        async with ink(tmp_path) as it, it.client() as client:
            for number, (case, (changes, arguments, _, _)) in enumerate(CHOICES.items()):
                source = {} if "compose" in arguments else IMAGE
                with other_world(it, changes):
                    said[case] = await deploy(client, name=f"fresh-{number}", **source, **arguments)

    assert {case: answer.outcome for case, answer in said.items()} == dict.fromkeys(CHOICES, "approval_required")
    plans = {case: answer.data["plan"].replace("\n      ... ", " ") for case, answer in said.items()}
    chosen = {case: shown.partition("nobody yet; ")[2].partition(";")[0] for case, shown in plans.items()}
    assert chosen == {case: f"{muscle} was chosen: {why}" for case, (_, _, muscle, why) in CHOICES.items()}


@pytest.mark.anyio
async def test_where_nothing_fits_each_muscle_says_why(tmp_path: Path) -> None:
    """No headroom, no gVisor, unusable, unreachable, unknown to Coolify: one reason for each, and nothing is made."""

    def third(fleet: Fleet) -> Fleet:
        one, two = fleet.muscles
        strange = one.model_copy(update={"name": "muscle-3", "address": fleet.factory.address})
        return fleet.model_copy(update={"muscles": (one, two, strange)})

    with anyio.fail_after(120):
        async with ink(tmp_path, change_fleet=third) as it, it.client(says_yes()) as client:
            said: list[str] = []
            for changes in (
                (small("muscle-1", 1), without_runsc("muscle-2")),
                (unusable("muscle-1"), small("muscle-2", 2)),
            ):
                with other_world(it, changes):
                    said.append((await deploy(client, name="fresh", **IMAGE, memory="2g")).text)
            made = creations(it)

    assert (
        "muscle-1: no headroom: 2560 MiB short; muscle-2: Docker has no runsc runtime; muscle-3: Coolify does"
        in said[0]
    )
    assert "muscle-1: Coolify says it is not reachable or not usable; muscle-2: no headroom: 768 MiB short" in said[1]
    for text in said:
        assert "muscle-3: Coolify does not know it" in text
        assert "Nothing was changed. Lower the memory limit, name another Muscle, or add one." in text
    assert made == []


@pytest.mark.anyio
async def test_an_approved_placement_outlives_numbers_but_not_a_muscle_that_became_unfit(tmp_path: Path) -> None:
    """Between the yes and the run another app may fill the Muscle a bit: the choice stays. When the Muscle cannot take
    the app any more, nothing is done and the new plan is shown."""
    with anyio.fail_after(120):
        async with ink(tmp_path) as it, it.client() as client:
            proposed = await deploy(client, name="fresh", **IMAGE)
            other = await deploy(client, name="other", **IMAGE)
            for said in (proposed, other):
                await it.app.guarded.approvals.decide(
                    said.data["approval_id"], Answer(action="accept"), by="operator", channel="ticket"
                )
            with it.world.change() as state:
                moved("legacy", "muscle-2")(state)
                moved("shop", "muscle-2")(state)
            kept = await deploy(client, name="fresh", **IMAGE)
            with it.world.change() as state:
                without_runsc("muscle-2")(state)
            drifted = await deploy(client, name="other", **IMAGE)
            made = creations(it)
            elsewhere = await call(client, "deploy_app", name="other", **IMAGE)

    assert (kept.outcome, kept.data["result"]["muscle"]) == ("applied", "muscle-2"), kept.text
    assert (drifted.outcome, drifted.is_error, len(made)) == ("plan_drifted", True, 1)
    assert "Nothing was changed." in drifted.text
    assert "muscle-1 was chosen: the only one that fits" in drifted.data["plan"]
    assert elsewhere.outcome == "approval_required"


@pytest.mark.anyio
async def test_compose_apps_take_room_too(tmp_path: Path) -> None:
    """What compose apps were promised counts against their Muscle, as the fleet's headroom shows."""
    file = "services:\n  web: {image: 'registry.example.com/web:1', mem_limit: 3g}\n"
    with anyio.fail_after(90):
        async with ink(tmp_path, change_world=small("muscle-2", 5)) as it, it.client(says_yes()) as client:
            before = await call(client, "get_fleet")
            made = await deploy(client, name="stack", compose=file, muscle="muscle-2", port=80)
            after = await call(client, "get_fleet")
            full = await deploy(client, name="fresh", **IMAGE, memory="2g", muscle="muscle-2")

    room = [float(fleet.data["servers"][2]["headroom"]) for fleet in (before, after)]
    assert (made.outcome, room, after.data["servers"][2]["apps"]) == ("applied", [4.2, 1.2], "2")
    assert "No Muscle can take the app: muscle-2: no headroom: 768 MiB short." in full.text
