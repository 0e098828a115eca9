"""move_app: an app serves from another Muscle with all that it had, or everything is as it was before."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from ink_infra_mcp.sandbox.seed import DOCS, SHOP
from ink_infra_mcp.sandbox.state import Fault, WorldState
from ink_infra_mcp.sandbox.state_coolify import Volume
from ink_infra_mcp.sandbox.state_hosts import Container
from tests.ink import Person, ink, says, says_yes
from tests.tools.calls import After, Before, Said, app_named, call, deploy, unknown
from tests.tools.moved import AFTER, BEFORE, FILES, PAGES, Place, places, with_pages

pytestmark = pytest.mark.anyio

Change = Callable[[WorldState], object]
CUSTOM = "https://shop.example.net"
MOVE = {"app": "docs", "to": "muscle-1", "volumes": "copy", "wait_s": 60}


def broken(system: str, match: str, kind: str = "status", **more: object) -> Change:
    """Return a change that scripts trouble."""
    fault = Fault.model_validate({"system": system, "match": match, "kind": kind, **more})
    return lambda state: state.faults.append(fault)


def docs(state: WorldState) -> None:
    """Let docs be built from an image that no registry has any more."""
    app_named(state, "docs").columns["docker_registry_image_tag"] = "missing"


async def test_an_app_without_data_moves_and_the_same_call_finds_it_there(tmp_path: Path) -> None:
    """It serves from the other Muscle under the name that it has there, isolated and with its variables; the old one is
    kept stopped, is deployed by no push, and the call that deletes it works.
    """
    person = Person([*says_yes().answers, *says_yes("shop-was-on-muscle-1").answers])
    with anyio.fail_after(150):
        async with ink(tmp_path) as it, it.client(person) as client:
            said = await call(client, "move_app", app="shop", to="muscle-2", wait_s=60)
            moved = places(it.state, "shop")
            again = await call(client, "move_app", app="shop", to="muscle-2")
            old = {v.key: v.value for v in app_named(it.state, "shop-was-on-muscle-1").envs}
            new = {v.key: v.value for v in app_named(it.state, "shop").envs}
            gone = await call(client, "delete_app", app=SHOP, wait_s=60)
            left, lost = places(it.state, "shop"), unknown(it)

    proved = ("deployment", "isolation", "variables", "dns", "tls", "http", "stopped")
    assert (said.outcome, said.checks) == ("applied", dict.fromkeys(proved, "passed")), said.text
    assert (said.data["result"]["url"], said.data["result"]["old_app"]) == ("https://shop.s2.example.com", SHOP)
    retired = Place("shop-was-on-muscle-1", "muscle-1", f"http://{SHOP}.moved.invalid", False, 0, None)
    here = Place("shop", "muscle-2", "https://shop.s2.example.com", True, 1, None)
    assert (moved, old) == ([retired, here], new)
    assert (again.outcome, gone.outcome, left, lost) == ("already_so", "applied", [here], [])
    assert "https://shop.s1.example.com becomes https://shop.s2.example.com" in person.asked[0]
    assert f"delete_app with app={SHOP}" in " ".join(person.asked[0].replace("...", "").split())


async def test_data_moves_whole_and_the_original_stays(tmp_path: Path) -> None:
    """The app is stopped first, its volume arrives to the last digest, and the old one is kept with its own."""
    person = says_yes()
    with anyio.fail_after(150):
        async with ink(tmp_path, change_world=with_pages) as it, it.client(person) as client:
            said = await call(client, "move_app", **MOVE)
            moved, lost = places(it.state, "docs"), unknown(it)

    assert (said.outcome, moved, lost) == ("applied", AFTER, []), said.text
    assert "users of docs.s2.example.com get errors from the stop" in " ".join(person.asked[0].split())
    stop, make = (next(n for n, line in enumerate(it.journal) if word in line) for word in (" stop ", " make "))
    assert stop < make


async def test_a_domain_that_leads_elsewhere_keeps_the_old_app_serving(tmp_path: Path) -> None:
    """While DNS leads users to the old Muscle the old app is not stopped; the plan names the record to change."""
    person = says_yes()
    with anyio.fail_after(165):
        async with ink(tmp_path) as it, it.client(person) as client:
            await deploy(client, name="shop", domain="shop.example.net")
            said = await call(client, "move_app", app="shop", to="muscle-2", wait_s=60)
            moved = places(it.state, "shop")

    assert [(place.name, place.domains, place.running) for place in moved] == [
        ("shop-was-on-muscle-1", f"http://{SHOP}.moved.invalid", 1),
        ("shop", CUSTOM, 1),
    ]
    asked = " ".join(person.asked[-1].replace("...", "").split())
    assert "shop.example.net does not lead to 192.0.2.12: no user comes to the new app until it does" in asked
    assert "the old app runs on as shop-was-on-muscle-1" in asked
    assert (said.checks["isolation"], said.checks["dns"]) == ("passed", "failed")


def mounts_folder(state: WorldState) -> None:
    """Let docs mount a folder of its server."""
    folder = Volume(id=901, uuid="f" * 24, name="x", mount_path="/etc/host", host_path="/etc")
    app_named(state, "docs").volumes.append(folder)


def shares(state: WorldState) -> None:
    """Let a stranger mount the volume of docs, too."""
    with_pages(state)
    stranger = Container(id="a" * 64, name="stranger", image="x:1", volumes=[PAGES])
    state.hosts["muscle-2"].containers.append(stranger)


def odd_volume(state: WorldState) -> None:
    """Let the volume of docs be a share in the network."""
    with_pages(state)
    state.hosts["muscle-2"].volume_options[PAGES] = {"type": "nfs"}


def own_labels(state: WorldState) -> None:
    """Let somebody have written the labels of docs."""
    app_named(state, "docs").settings["is_container_label_readonly_enabled"] = False


def stopped(state: WorldState) -> None:
    """Let docs not run."""
    state.hosts["muscle-2"].containers = [c for c in state.hosts["muscle-2"].containers if DOCS not in c.name]


def taken(state: WorldState) -> None:
    """Let another app have the domain that docs would get."""
    app_named(state, "legacy").columns["fqdn"] = "https://docs.s1.example.com"


def left_over(state: WorldState) -> None:
    """Let an earlier move have left its old app."""
    app_named(state, "legacy").columns["name"] = "docs-was-on-muscle-2"


def older(state: WorldState) -> None:
    """Let Coolify be older than its copies."""
    state.coolify.version = "4.2.0"


def no_runtime(state: WorldState) -> None:
    """Let the other Muscle have no gVisor."""
    state.hosts["muscle-1"].runtimes = ["runc"]


def without_domain(state: WorldState) -> None:
    """Let docs be reached by no name."""
    app_named(state, "docs").columns["fqdn"] = None


REFUSED: dict[str, tuple[Change, dict[str, str], str]] = {
    "data": (with_pages, {"volumes": "refuse"}, f"docs has data: {PAGES} at /data, 1.0 MiB."),
    "folder": (mounts_folder, {}, "mount /etc of its server at /etc/host"),
    "shared": (shares, {}, f"its volume {PAGES} on muscle-2 is mounted by stranger, too"),
    "odd volume": (odd_volume, {}, "is no plain volume of Docker's"),
    "own labels": (own_labels, {}, "its container labels are not kept by Coolify"),
    "stopped": (stopped, {}, "docs does not run"),
    "taken": (taken, {}, "docs.s1.example.com belongs to the app legacy"),
    "left over": (left_over, {}, "is left from an earlier move"),
    "old Coolify": (older, {}, "versions before 4.3.0 have no such call"),
    "no gVisor": (no_runtime, {}, "muscle-1"),
    "no domain": (without_domain, {}, "it has no domain"),
    "no Muscle": (docs, {"to": "muscle-9"}, "There is no Muscle 'muscle-9'"),
}


async def test_what_cannot_be_moved_is_refused_with_its_reason_and_left_alone(tmp_path: Path) -> None:
    """Data unless it is to be copied, what belongs to the server, what nobody could prove: one sentence, no change."""
    person, said = says_yes(), dict[str, str]()
    with anyio.fail_after(150):
        async with ink(tmp_path) as it, it.client(person) as client:
            original = it.state.model_copy(deep=True)
            for name, (change, arguments, _) in REFUSED.items():
                with it.world.change() as state:
                    change(state)
                said[name] = (await call(client, "move_app", **{**MOVE, **arguments})).text
                with it.world.change() as state:
                    again = original.model_copy(deep=True)
                    state.coolify, state.hosts = again.coolify, again.hosts
            journal = it.journal

    for name, (_, _, words) in REFUSED.items():
        assert words in said[name], (name, said[name])
    assert (person.asked, journal) == ([], [])


async def test_a_compose_app_is_refused(tmp_path: Path) -> None:
    """Its values and volumes cannot be taken along: the refusal says what to do instead."""
    with anyio.fail_after(120):
        async with ink(tmp_path) as it, it.client(says_yes()) as client:
            await deploy(client, name="stack", compose="services:\n  web: {image: 'registry.example.com/web:1'}\n")
            said = await call(client, "move_app", app="stack", to="muscle-1")

    assert "stack is a compose app" in said.text


async def test_a_no_changes_nothing(tmp_path: Path) -> None:
    """A declined plan leaves the app where it is."""
    with anyio.fail_after(60):
        async with ink(tmp_path, change_world=with_pages) as it, it.client(says("decline")) as client:
            said = await call(client, "move_app", **MOVE)
            left = (places(it.state, "docs"), it.journal)

    assert (said.outcome, left) == ("not_approved", (BEFORE, []))


SSH, COOLIFY = "ssh", "coolify"
FAILING: dict[str, tuple[str, Change, str]] = {
    "the copy is refused": ("coolify.clone_application", broken(COOLIFY, "/clone", status=422, body="{}"), "clone"),
    "it cannot be stopped": ("hosts.stop_containers", broken(SSH, "ink-volume stop", status=4), "stop_old"),
    "no volume can be made": ("hosts.copy_volume", broken(SSH, "ink-volume make", status=4), "copy_0"),
    "the stream ends early": ("hosts.copy_volume", broken(SSH, "ink-receive", status=4), "copy_0"),
    "the target is away": ("hosts.copy_volume", broken(SSH, "ink-volume make", "drop", times=9), "copy_0"),
    "the image is gone": ("coolify.first_deploy", lambda state: docs_copy(state), "deploy"),
    "it does not answer": ("hosts.prove_answer", broken(SSH, "curl", status=7, times=900), "prove_answer"),
    "the switch is refused": ("coolify.switch_domains", broken(COOLIFY, "PATCH", status=422, body="{}"), "switch"),
    "half a switch": ("coolify.switch_domains", broken(COOLIFY, "PATCH", status=422, body="{}", skip=1), "switch"),
}


def docs_copy(state: WorldState) -> None:
    """Let the build of the copy fail."""
    copy = next(app for app in state.coolify.applications if "-moving-" in app.text("name"))
    copy.fails_because = "manifest unknown"


@pytest.mark.parametrize("name", FAILING)
async def test_whatever_fails_before_the_switch_leaves_the_old_app_running_and_no_new_one(
    tmp_path: Path, name: str
) -> None:
    """The very same container runs again, with its data; the copy and its volume are gone; the same call can follow."""
    kind, change, step = FAILING[name]
    with anyio.fail_after(165):
        async with ink(tmp_path, change_world=with_pages, wrap_handler=Before(tmp_path, kind, change)) as it:
            ids = {c.id for c in it.state.hosts["muscle-2"].containers}
            async with it.client(says_yes()) as client:
                said = await call(client, "move_app", **MOVE)
                left, volumes = places(it.state, "docs"), it.state.hosts["muscle-1"].volumes
                same = {c.id for c in it.state.hosts["muscle-2"].containers}
                with it.world.change() as state:
                    state.faults = []
                again = await call(client, "move_app", **MOVE)
                moved = places(it.state, "docs")

    ended = (f"Step {step} failed", f"It is not known whether step {step} happened")
    assert any(f"undone: {how}, and the undo of" in said.text for how in ended)
    assert (said.outcome, left, volumes, same) == ("undone", BEFORE, [], ids), said.text
    assert (again.outcome, moved) == ("applied", AFTER), again.text


LOST = (
    (COOLIFY, "/clone"),
    (COOLIFY, "PATCH"),
    (SSH, "ink-volume stop"),
    (SSH, "ink-volume make"),
    (SSH, "ink-receive"),
    (COOLIFY, "POST /api/v1/deploy"),
)


@pytest.mark.parametrize(("system", "match"), LOST, ids=[match for _, match in LOST])
async def test_a_lost_answer_is_settled_by_a_look(tmp_path: Path, system: str, match: str) -> None:
    """Every write whose answer gets lost was done once: one copy, one stop, one deployment, one whole volume."""
    lost = broken(system, match, "drop_after")

    def world(state: WorldState) -> None:
        with_pages(state)
        lost(state)

    with anyio.fail_after(165):
        async with ink(tmp_path, change_world=world) as it, it.client(says_yes()) as client:
            said = await call(client, "move_app", **MOVE)
            moved, times = places(it.state, "docs"), [fault.times for fault in it.state.faults]
            made = [line for line in it.journal if line.endswith(("/clone", "/deploy"))]

    assert (said.outcome, times, moved) == ("applied", [0], AFTER), said.text
    assert len(made) == 2


async def test_a_copy_that_differs_is_never_used(tmp_path: Path) -> None:
    """Data that something writes to while it is copied is told, whatever arrived: the app runs where it was."""

    def writes(state: WorldState) -> None:
        state.hosts["muscle-2"].volume_contents[PAGES].files["late.html"] = "digest"

    said: Said | None = None
    left: list[Place] = []
    with anyio.fail_after(165):
        trouble = broken(SSH, "ink-receive", "hang", seconds=0.3)

        def world(state: WorldState) -> None:
            with_pages(state)
            trouble(state)

        async with ink(tmp_path, change_world=world) as it, it.client(says_yes()) as client:
            async with anyio.create_task_group() as group:

                async def write_late() -> None:
                    while it.state.faults[0].times:  # noqa: ASYNC110 - the world tells nobody
                        await anyio.sleep(0.01)
                    with it.world.change() as state:
                        writes(state)

                group.start_soon(write_late)
                said = await call(client, "move_app", **MOVE)
            left = places(it.state, "docs")
    late = [replace(BEFORE[0], files={**FILES, "late.html": "digest"})]
    assert said is not None
    assert (said.outcome, left) == ("undone", late), said.text
    assert f"{PAGES} changed while it was copied" in said.text


async def test_a_deployment_by_somebody_else_stops_the_move(tmp_path: Path) -> None:
    """A container of the app that came up meanwhile may write to its data: nothing is copied."""

    def deployed(state: WorldState) -> None:
        old = next(c for c in state.hosts["muscle-2"].containers if PAGES in c.volumes)
        newer = old.model_copy(update={"id": "b" * 64, "name": f"{old.name}-newer", "state": "running"})
        state.hosts["muscle-2"].containers.append(newer)

    with anyio.fail_after(150):
        wrap = After(tmp_path, "hosts.stop_containers", deployed)
        async with ink(tmp_path, change_world=with_pages, wrap_handler=wrap) as it, it.client(says_yes()) as client:
            said = await call(client, "move_app", **MOVE)
            volumes = it.state.hosts["muscle-1"].volumes

    assert (said.outcome, volumes) == ("undone", []), said.text
    assert f"runs and mounts {PAGES}" in said.text
