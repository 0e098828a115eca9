"""remove_muscle with apps_to: every app serves elsewhere before anything of the Muscle goes, or nothing of it goes."""

import json
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from ink_infra_mcp.sandbox.seed import DOCS
from ink_infra_mcp.sandbox.state import Fault, WorldState
from ink_infra_mcp.sandbox.state_hosts import Container
from tests.clock import FakeClock
from tests.ink import ink, says_yes
from tests.tools.arrivals import approved, written
from tests.tools.calls import Before, app_named, call, deploy, unknown
from tests.tools.drained import DOCS_MOVED, DRAIN, GONE, ONE, WEB_MOVED, WHOLE, Left, left, with_web
from tests.tools.moved import BEFORE, places, with_pages

pytestmark = pytest.mark.anyio
LIMIT_S = 180
COMPOSE = "services:\n  web: {image: 'registry.example.com/web:1'}\n"
PROOFS = ("deployment", "isolation", "variables", "dns", "tls", "http")
ALL_PROVED = {f"{app} {proof}": "passed" for app in ("web", "docs") for proof in PROOFS}


async def test_one_yes_moves_every_app_and_then_the_muscle_goes(tmp_path: Path) -> None:
    """Each serves from the other Muscle with its data, its variables and its name before the first of it is deleted;
    nothing is left behind, and every app is proved once more at the end.
    """
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=with_pages, clock=FakeClock()) as it:
            async with it.client(says_yes()) as client:
                await with_web(client)
            async with it.client() as client:
                before = len(it.journal)
                said = await approved(it, client, "remove_muscle", **DRAIN)
            state, fleet, lost = it.state, [*written(it)], unknown(it)
            journal = it.journal[before:]

    assert (said.outcome, said.checks) == (
        "applied",
        {**ALL_PROVED, "fleet": "passed", "coolify": "passed"},
    ), said.text
    assert said.data["result"] == {
        "name": "muscle-2",
        "given_back": [],
        "moved": ["web", "docs"],
        "not_moved": [],
    }
    assert (places(state, "docs"), places(state, "web"), left(state)) == ([DOCS_MOVED], [WEB_MOVED], GONE)
    assert (fleet, lost) == (["muscle-1"], [])
    deletes = [number for number, line in enumerate(journal) if " DELETE /api/v1/applications/" in line]
    deploys = [number for number, line in enumerate(journal) if line.endswith("/deploy")]
    assert (len(deletes), max(deploys) < min(deletes)) == (2, True)


def copy_breaks(state: WorldState) -> None:
    """Let the build of the copy that is under way fail."""
    copy = next(app for app in state.coolify.applications if "-moving-" in app.text("name"))
    copy.fails_because = "manifest unknown"


async def test_a_move_that_fails_takes_nothing_of_the_muscle_and_the_same_call_goes_on(tmp_path: Path) -> None:
    """The app that has moved stays where it is, the other runs on in the very same container, and the Muscle is whole;
    the answer does not call that undone, and says which app is where. The next call moves only what is left.
    """
    wrap = Before(tmp_path, "hosts.copy_volume", copy_breaks)
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=with_pages, wrap_handler=wrap, clock=FakeClock()) as it:
            async with it.client(says_yes()) as client:
                await with_web(client)
            ids = {c.id for c in it.state.hosts["muscle-2"].containers if DOCS in c.name}
            async with it.client() as client:
                said = await approved(it, client, "remove_muscle", **DRAIN)
                half, same = it.state, {c.id for c in it.state.hosts["muscle-2"].containers if DOCS in c.name}
                fleet = [*written(it)]
                again = await approved(it, client, "remove_muscle", **DRAIN)
                state, last = it.state, [*written(it)]

    assert (said.outcome, said.data["result"]["moved"], said.data["result"]["not_moved"]) == (
        "failed",
        ["web"],
        ["docs"],
    ), said.text
    assert "Step app2__deploy failed" in said.text
    assert (places(half, "docs"), same, WEB_MOVED in places(half, "web")) == (BEFORE, ids, True)
    assert (left(half), fleet) == (Left(server=True, in_coolify=True, web=ONE), ["muscle-1", "muscle-2"])
    assert (again.outcome, again.checks["docs http"], again.checks["web http"]) == ("applied", "passed", "passed")
    assert (again.data["result"]["moved"], again.data["result"]["not_moved"]) == (["web", "docs"], [])
    assert (places(state, "docs"), places(state, "web"), left(state)) == ([DOCS_MOVED], [WEB_MOVED], GONE)
    assert last == ["muscle-1"]


async def test_what_one_call_of_move_app_has_left_goes_only_while_its_copy_serves(tmp_path: Path) -> None:
    """An app that was moved before is known by what the switch has set; while its copy does not run it stays."""
    asked = {**DRAIN, "volumes": "refuse"}
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=with_pages, clock=FakeClock()) as it:
            async with it.client(says_yes()) as client:
                await call(client, "move_app", app="docs", to="muscle-1", volumes="copy", wait_s=3600)
            async with it.client() as client:
                uuid = app_named(it.state, "docs").uuid
                with it.world.change() as state:
                    mine = [c for c in state.hosts["muscle-1"].containers if uuid in c.name]
                    for container in mine:
                        container.state = "exited"
                down = await call(client, "remove_muscle", **asked)
                with it.world.change() as state:
                    for container in state.hosts["muscle-1"].containers:
                        container.state = "running"
                said = await approved(it, client, "remove_muscle", **asked)
                state = it.state

    assert "docs-was-on-muscle-2: it is left from a move, and no app docs runs isolated on another Muscle" in down.text
    assert (said.outcome, said.checks["docs isolation"], said.checks["docs http"]) == ("applied", "passed", "passed")
    assert (places(state, "docs"), left(state).server) == ([DOCS_MOVED], False), said.text


def stranger(state: WorldState) -> None:
    """Let somebody have started a container by hand on muscle-2."""
    state.hosts["muscle-2"].containers.append(Container(id="a" * 64, name="cron-by-hand", image="x:1"))


def database(state: WorldState) -> None:
    """Let Coolify tell of a database on a server."""
    body = json.dumps([{"uuid": "d" * 24, "name": "orders", "type": "standalone-postgresql", "status": "running"}])
    fault = {"system": "coolify", "match": "/resources", "kind": "status", "status": 200, "body": body, "times": 9}
    state.faults.append(Fault.model_validate(fault))


async def test_whatever_cannot_go_is_told_at_once_and_nothing_is_changed(tmp_path: Path) -> None:
    """Data that may not be copied, a compose app, a name that is not ours to set, a database, a container of nobody's:
    each with its reason, in one refusal, before anything is planned.
    """
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=with_pages, clock=FakeClock()) as it:
            async with it.client(says_yes()) as client:
                await deploy(client, name="stack", compose=COMPOSE, muscle="muscle-2")
                image = "registry.example.com/web:1"
                await deploy(client, name="far", image=image, muscle="muscle-2", domain="far.example.net")
            with it.world.change() as state:
                stranger(state)
                database(state)
            async with it.client() as client:
                before = it.journal
                said = await call(client, "remove_muscle", **{**DRAIN, "volumes": "refuse"})
                after = it.journal

    told = (
        "docs has data: ",
        "stack is a compose app",
        "far.example.net would not lead to muscle-1 (192.0.2.11), and is not ours to set",
        "orders: it is no app but a standalone-postgresql of Coolify's",
        "cron-by-hand: this container runs there, and Coolify knows no app of it",
    )
    assert [words for words in told if words not in said.text] == [], said.text
    assert ("muscle-2 cannot be emptied." in said.text, after) == (True, before)


def crowded(share: float) -> Callable[[WorldState], None]:
    """Return a change after which muscle-1 has room for its own apps, and for that much of docs and web together."""

    def changed(state: WorldState) -> None:
        own = (512 + 1024) * 2**20
        docs_and_web = (256 + 512) * 2**20
        state.hosts["muscle-1"].memory_bytes = int(own + share * docs_and_web)

    return changed


async def test_two_apps_that_only_fit_one_by_one_do_not_both_go(tmp_path: Path) -> None:
    """What is promised to the first is no room for the second: the plan is refused before either moves."""
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=with_pages, clock=FakeClock()) as it:
            async with it.client(says_yes()) as client:
                await with_web(client)
            with it.world.change() as state:
                crowded(0.9)(state)
            async with it.client() as client:
                said = await call(client, "remove_muscle", **DRAIN)
                with it.world.change() as state:
                    crowded(1.1)(state)
                roomy = await call(client, "remove_muscle", **DRAIN)

    assert "muscle-2 cannot be emptied. web: No Muscle can take the app: muscle-1" in said.text, said.text
    assert roomy.outcome == "approval_required", roomy.text


async def test_apps_go_to_another_muscle_of_the_fleet_only(tmp_path: Path) -> None:
    """To itself and to nobody is refused, in words that say where they can go."""
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, clock=FakeClock()) as it, it.client() as client:
            itself = await call(client, "remove_muscle", name="muscle-2", apps_to="muscle-2")
            nobody = await call(client, "remove_muscle", name="muscle-2", apps_to="muscle-9")
            whole = left(it.state)

    assert "Apps of muscle-2 cannot move to itself." in itself.text
    assert "There is no Muscle 'muscle-9'. Nothing was changed. The fleet has: muscle-1, muscle-2." in nobody.text
    assert (whole.server, whole.in_coolify) == (WHOLE.server, WHOLE.in_coolify)


async def test_two_apps_of_one_name_are_not_taken_for_each_other(tmp_path: Path) -> None:
    """The second would get the name that the first leaves behind: both stay."""

    def twins(state: WorldState) -> None:
        app_named(state, "legacy").columns["name"] = "docs"

    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=twins, clock=FakeClock()) as it, it.client() as client:
            said = await call(client, "remove_muscle", name="muscle-2", apps_to="muscle-1")

    assert "docs: another app is called docs, too. Rename one of them in Coolify" in said.text, said.text


async def test_what_rolled_out_each_of_several_apps_is_kept_apart_in_the_record(tmp_path: Path) -> None:
    """An app that moved beside another is next compared with what it ran itself: nothing of it was changed since."""
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=with_pages, clock=FakeClock()) as it:
            async with it.client(says_yes()) as client:
                await with_web(client)
            async with it.client() as client:
                await approved(it, client, "remove_muscle", **DRAIN)
            told: list[tuple[str, int, str]] = []
            for name in ("docs", "web"):
                person = says_yes()
                async with it.client(person) as client:
                    said = await call(client, "control_app", app=name, action="restart", wait_s=3600)
                lines = [line for line in "".join(person.asked).splitlines() if line.startswith("Warning: ")]
                told.append((said.outcome, len(person.asked), "".join(lines)))

    assert told == [("applied", 1, "")] * 2
