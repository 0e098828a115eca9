"""The image that is approved is the one that runs: its tag is pinned by digest, asked for again, and proved."""

from pathlib import Path

import anyio
import pytest

from ink_infra_mcp.sandbox.state import Fault, WorldState
from tests.ink import ERAS, Era, ink, says_yes
from tests.tools.calls import Before, app_named, call, deploy, fault
from tests.tools.test_pinned_rollouts import asked_to_start, meddled

pytestmark = pytest.mark.anyio

LIMIT_S = 180
NAME = "registry.example.com/docs"
OTHER = f"sha256:{'6' * 64}"
STARTS = {
    "deploy": ("deploy_app", {"name": "docs", "memory": "200m"}),
    "restart": ("control_app", {"app": "docs", "action": "restart"}),
    "variables": ("set_app_env", {"app": "docs", "set": {"NEW": "1"}}),
    "rollback": ("rollback_app", {"app": "docs", "to": "1.3"}),
    "first": ("deploy_app", {"name": "fresh", "image": f"{NAME}:1.4"}),
}


def moved(state: WorldState) -> None:
    """Let every tag of the image name another one from now on."""
    state.registry.moved |= {f"{NAME}:{tag}": OTHER for tag in ("1.3", "1.4")}


def digests(state: WorldState, name: str) -> list[str]:
    """Return under which digests the images of an app's containers that run were pulled."""
    uuid = app_named(state, name).uuid
    containers = (c for host in state.hosts.values() for c in host.containers if c.name.startswith(uuid))
    return [digest for c in containers if c.state == "running" for digest in c.image_digests]


def flat(text: str) -> str:
    """Return a plan as one line."""
    return " ".join(text.replace("\n      ... ", " ").split())


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("how", STARTS)
async def test_a_tag_that_is_moved_while_the_question_is_open_is_drift(tmp_path: Path, era: Era, how: str) -> None:
    """The yes was for another image: nothing is written, and the new plan names the one that the tag has now."""
    tool, arguments = STARTS[how]
    person = meddled(tmp_path)
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path) as it, it.client(person, era=era) as client:
            person.changes.append(moved)
            told = await call(client, tool, **arguments, wait_s=60)
            assert (told.outcome, it.journal) == ("plan_drifted", [])
            again = await call(client, tool, **arguments, wait_s=60)
            running = digests(it.state, "fresh" if how == "first" else "docs")
    tag = "1.3" if how == "rollback" else "1.4"
    assert f"Look once more whether {NAME}:{tag} is sha256:666666666666" in flat(person.asked[1])
    assert f"{NAME}:{tag} is sha256:666666666666" not in flat(person.asked[0])
    assert (again.outcome, running) == ("applied", [f"{NAME}@{OTHER}"])


@pytest.mark.parametrize("how", STARTS)
async def test_a_tag_that_is_moved_after_the_begin_starts_nothing(tmp_path: Path, how: str) -> None:
    """The registry is asked once more right before the pull."""
    tool, arguments = STARTS[how]
    before = Before(tmp_path, "registry.same_image", moved)
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, wrap_handler=before) as it, it.client(says_yes()) as client:
            told = await call(client, tool, **arguments, wait_s=60)
            assert asked_to_start(it) == 0
    assert told.outcome in {"failed", "undone"}
    assert "is not known to be the image that was approved: it is sha256:666666666666 now, and not sha256:" in told.text


@pytest.mark.parametrize("how", ["deploy", "first"])
async def test_a_tag_that_is_moved_in_the_last_moment_does_not_stay_up(tmp_path: Path, how: str) -> None:
    """Coolify pulled another image than the registry named a moment ago: the proof reads that on the host, and the app
    is stopped."""
    tool, arguments = STARTS[how]
    before = Before(tmp_path, f"coolify.{'first_' if how == 'first' else ''}deploy", moved)
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, wrap_handler=before) as it, it.client(says_yes()) as client:
            told = await call(client, tool, **arguments, wait_s=60)
            running = digests(it.state, "fresh" if how == "first" else "docs")
    assert told.outcome == "undone"
    assert "does not run the image that was approved, sha256:" in told.text
    assert running == []


async def test_an_image_that_its_registry_shows_nobody_is_said_to_be_known_by_its_tag(tmp_path: Path) -> None:
    """A person reads that another image may come under the same tag; the app is deployed as it is asked for."""

    def private(state: WorldState) -> None:
        state.registry.private.append(NAME)

    person = says_yes()
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=private) as it, it.client(person) as client:
            told = await deploy(client, name="docs", memory="200m")
    assert told.outcome == "applied"
    known = f"{NAME}:1.4 is known by its tag only, which may be moved: registry.example.com: it shows that image"
    assert known in flat(person.asked[0])


async def test_a_digest_needs_no_registry(tmp_path: Path) -> None:
    """What is named by its digest is the same for ever: no warning, and no step that asks for it."""
    person = says_yes()
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path) as it, it.client(person) as client:
            told = await deploy(client, name="fresh", image=f"{NAME}@{OTHER}")
            again = await call(client, "control_app", app="fresh", action="restart", wait_s=60)
            running = digests(it.state, "fresh")
    assert [told.outcome, again.outcome, running] == ["applied", "applied", [f"{NAME}@{OTHER}"]]
    assert [text for text in person.asked if "Look once more" in text or "by its tag only" in text] == []


async def test_a_registry_that_is_away_right_before_the_start_starts_nothing(tmp_path: Path) -> None:
    """What cannot be compared is not what was approved."""

    def away(state: WorldState) -> None:
        state.faults.append(Fault(system="registry", match="/manifests/", kind="status", status=503, times=1000))

    before = Before(tmp_path, "registry.same_image", away)
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, wrap_handler=before) as it, it.client(says_yes()) as client:
            told = await call(client, "control_app", app="docs", action="restart", wait_s=60)
            assert asked_to_start(it) == 0
    assert (told.outcome, "registry.example.com: it answered 503" in told.text) == ("failed", True)


async def test_a_registry_that_is_away_for_a_moment_is_asked_again(tmp_path: Path) -> None:
    """One answer that is none ends no deployment."""
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path) as it, it.client(says_yes()) as client:
            fault(it, "/manifests/", status=503, system="registry", skip=2, times=2)
            told = await call(client, "control_app", app="docs", action="restart", wait_s=60)
            app = app_named(it.state, "docs")
    assert (told.outcome, app.columns["docker_registry_image_tag"]) == ("applied", "1.4")
