"""What Coolify made of a compose file is judged once more before anything of it starts."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

from ink_infra_mcp.core.errors import HostError
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.step import Handler, StepCall
from ink_infra_mcp.sandbox.state import WorldState
from ink_infra_mcp.sandbox.state_coolify import Service
from tests.ink import Ink, ink, says_yes
from tests.tools.calls import call

pytestmark = pytest.mark.anyio

LIMIT_S = 150
FILE = "services: {web: {image: 'registry.example.com/web:1', volumes: [data:/data]}}\nvolumes: {data: }\n"


async def test_a_compose_app_is_judged_by_the_muscle_s_own_docker_and_a_second_call_changes_nothing(
    tmp_path: Path,
) -> None:
    """Created, settled, judged, started, proved; the same call again finds the same document."""
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path) as it, it.client(says_yes()) as client:
            first = await call(client, "deploy_app", name="stack", compose=FILE, wait_s=300)
            journal = it.journal
            again = await call(client, "deploy_app", name="stack", compose=FILE, wait_s=300)
            assert it.journal == journal
    assert (first.data["outcome"], again.data["outcome"]) == ("applied", "already_so")
    assert [step["id"] for step in first.data["steps"]] == [
        "create_app",
        "settle",
        "judge",
        "note_containers",
        "deploy",
        "prove_isolation",
        "judge_started",
    ]


async def test_what_coolify_stored_otherwise_starts_nothing_and_is_taken_back(tmp_path: Path) -> None:
    """Somebody changes the stored file before it starts: it is named, nothing runs, and the new app is gone."""

    def meddling(kind: str, handler: Handler) -> Handler:
        async def run(call: StepCall) -> JsonObject:
            with it.world.change() as state:
                service = next(s for s in state.coolify.services if s.name == "stack")
                service.docker_compose = (service.docker_compose or "").replace("runtime: runsc", "runtime: runc")
            return await handler(call)

        return run if kind == "hosts.judge_compose" else handler

    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, wrap_handler=meddling) as it, it.client(says_yes()) as client:
            told = await call(client, "deploy_app", name="stack", compose=FILE, wait_s=300)
            state = it.state
    assert told.data["outcome"] == "undone"
    assert "web: runtime is runc and not runsc" in told.data["problem"]["message"]
    assert [service.name for service in state.coolify.services if service.name == "stack"] == []
    assert [c.name for host in state.hosts.values() for c in host.containers if c.name.startswith("web-")] == [
        c.name for host in state.hosts.values() for c in host.containers if c.name == "web-none"
    ]


async def test_what_was_changed_between_the_judgement_and_the_start_does_not_stay_up(tmp_path: Path) -> None:
    """Somebody changes the file in Coolify after it was judged: what was started from it is named and stopped."""

    def meddling(kind: str, handler: Handler) -> Handler:
        async def run(call: StepCall) -> JsonObject:
            with it.world.change() as state:
                service = app_in(state)
                service.docker_compose_raw = service.docker_compose_raw.replace("web:1", "other:1")
            return await handler(call)

        return run if kind == "hosts.note_containers" else handler

    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, wrap_handler=meddling) as it, it.client(says_yes()) as client:
            told = await call(client, "deploy_app", name="stack", compose=FILE, wait_s=300)
            images = [c.image for host in it.state.hosts.values() for c in host.containers if c.state == "running"]
    assert (told.outcome, told.problem["stage"]) == ("undone", "judge")
    assert "registry.example.com/other:1" not in images
    assert "web: image is registry.example.com/other:1 and not registry.example.com/web:1" in told.problem["message"]
    assert "It was started." in told.problem["message"]


@pytest.mark.parametrize("tool", ["new", "existing"])
async def test_a_token_that_may_not_read_files_deploys_none(tmp_path: Path, tool: str) -> None:
    """Nobody could judge what Coolify makes of the file: it is refused before anybody is asked, and nothing is sent."""
    person = says_yes()
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path) as it, it.client(person) as client:
            if tool == "existing":
                await call(client, "deploy_app", name="stack", compose=FILE, wait_s=300)
            asked, journal = len(person.asked), it.journal
            with it.world.change() as state:
                without_the_right(state)
            told = await call(client, "deploy_app", name="stack", compose=FILE.replace("web:1", "web:2"), wait_s=300)
            assert (len(person.asked), it.journal) == (asked, journal)
    assert "a compose file that this Coolify token may not read, so that nobody could judge it" in told.text
    assert "Give the token the ability read:sensitive, then call again." in told.text


def starts(it: Ink) -> int:
    """Return how often Coolify was asked to start or restart a compose app."""
    return sum(line.endswith(("/start", "/restart")) and "/services/" in line for line in it.journal)


def app_in(state: WorldState) -> Service:
    """Return the compose app of these tests."""
    return next(service for service in state.coolify.services if service.name == "stack")


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [("control_app", {"action": "restart"}), ("set_app_env", {"set": {"GREETING": "hello"}})],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_whatever_starts_a_compose_app_judges_it_first(
    tmp_path: Path, tool: str, arguments: dict[str, Any]
) -> None:
    """The file that was judged when the plan was made is another one when it starts: nothing starts, it runs on."""
    meddles: list[bool] = []

    def meddling(kind: str, handler: Handler) -> Handler:
        async def run(step: StepCall) -> JsonObject:
            if meddles:
                with it.world.change() as state:
                    service = app_in(state)
                    service.docker_compose = (service.docker_compose or "").replace("- data:/data", "- /root:/data")
                    service.docker_compose = service.docker_compose.replace("_data:/data", "_data:/data:ro")
            return await handler(step)

        return run if kind == "hosts.judge_compose" else handler

    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, wrap_handler=meddling) as it, it.client(says_yes()) as client:
            await call(client, "deploy_app", name="stack", compose=FILE, wait_s=300)
            before = starts(it)
            meddles.append(True)
            told = await call(client, tool, app="stack", wait_s=300, **arguments)
            left = starts(it) - before
            meddles.clear()
            well = await call(client, tool, app="stack", wait_s=300, **arguments)
    assert (told.outcome, left, told.problem["stage"]) == ("undone" if tool == "set_app_env" else "failed", 0, "judge")
    assert "web: volumes are not those that were approved" in told.problem["message"]
    assert (well.outcome, starts(it)) == ("applied", before + 1)
    assert [step["id"] for step in well.data["steps"]][-6:] == [
        "settle",
        "judge",
        "note_containers",
        "deploy",
        "prove_isolation",
        "judge_started",
    ]


async def test_a_variable_of_the_server_stands_for_none_of_the_app(tmp_path: Path) -> None:
    """What the server's shell sets comes before the app's `.env`: an app that reads such a name is not started."""
    reads = "services: {web: {image: 'registry.example.com/web:1', environment: {A: '${TITLE}', REGION: }}}"
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path) as it, it.client(says_yes()) as client:
            with it.world.change() as state:
                for host in state.hosts.values():
                    host.variables = {"REGION": "eu", "OTHER": "x"}
            env = {"TITLE": "t", "REGION": "us"}
            told = await call(client, "deploy_app", name="stack", compose=reads, env=env, wait_s=300)
            with it.world.change() as state:
                for host in state.hosts.values():
                    host.variables = {"OTHER": "x"}
            well = await call(client, "deploy_app", name="stack", compose=reads, env=env, wait_s=300)
    assert (told.outcome, told.problem["stage"], well.outcome) == ("undone", "judge", "applied")
    assert "itself sets REGION, and its values come before those of the app" in told.problem["message"]


def with_a_duplicate(state: WorldState) -> None:
    """Make a file that our reader does not take."""
    app_in(state).docker_compose_raw += "volumes: {}\n"


def with_a_folder(state: WorldState) -> None:
    """Mount a folder of the server."""
    service = app_in(state)
    service.docker_compose_raw = service.docker_compose_raw.replace("data:/data", "/root:/data")


def without_the_right(state: WorldState) -> None:
    """Take the right to read files away from the token."""
    state.coolify.tokens[0].abilities = ["read", "write", "deploy"]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (with_a_duplicate, "not run as policy wants"),
        (with_a_folder, "mounts a path of the Muscle"),
        (without_the_right, "this Coolify token may not read"),
    ],
    ids=["unreadable", "weak", "hidden"],
)
async def test_a_file_that_nobody_could_judge_is_not_started(
    tmp_path: Path, change: Callable[[WorldState], None], why: str
) -> None:
    """Changed by hand in Coolify, or hidden from the token: a restart is refused before anybody is asked."""
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path) as it, it.client(says_yes()) as client:
            await call(client, "deploy_app", name="stack", compose=FILE, wait_s=300)
            with it.world.change() as state:
                change(state)
            before = it.journal
            told = await call(client, "control_app", app="stack", action="restart", wait_s=300)
            assert it.journal == before
    assert told.is_error
    assert why in told.text


async def test_a_resumption_judges_again(tmp_path: Path) -> None:
    """An operation stops after the judgement; by the time it goes on somebody has changed the file: nothing starts."""

    def failing(kind: str, handler: Handler) -> Handler:
        async def run(step: StepCall) -> JsonObject:
            if breaks:
                raise HostError("The Muscle was away.", host="muscle-1", next="Try again.")
            return await handler(step)

        return run if kind == "hosts.note_containers" else handler

    breaks: list[bool] = []
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, wrap_handler=failing) as it, it.client(says_yes()) as client:
            await call(client, "deploy_app", name="stack", compose=FILE, wait_s=300)
            breaks.append(True)
            stopped = await call(client, "control_app", app="stack", action="restart", wait_s=300)
            breaks.clear()
            with it.world.change() as state:
                service = app_in(state)
                service.docker_compose_raw = service.docker_compose_raw.replace("web:1", "web:2")
            before = starts(it)
            told = await call(client, "resume_operation", operation=stopped.data["operation_id"], wait_s=300)
            assert starts(it) == before
    assert (stopped.outcome, told.outcome) == ("failed", "failed")
    assert "image is registry.example.com/web:2" in told.problem["message"]


async def test_a_variable_without_a_value_is_told_and_one_that_is_needed_is_asked_for(tmp_path: Path) -> None:
    """Docker Compose puts an empty text where nothing is given, and starts nothing where the file says `:?`."""
    reads = "services: {web: {image: 'registry.example.com/web:1', command: ['${A}', '${B:?}', '${C:-x}']}}"
    person = says_yes()
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path) as it, it.client(person) as client:
            refused = await call(client, "deploy_app", name="stack", compose=reads, env={"A": "1"}, wait_s=300)
            assert it.journal == []
            made = await call(client, "deploy_app", name="stack", compose=reads, env={"B": "2"}, wait_s=300)
            later = await call(client, "deploy_app", name="stack", compose=reads, wait_s=300)
    assert "The compose file needs a value for B." in refused.text
    assert "A has no value: it is empty where the file reads it" in " ".join(person.asked[0].split())
    assert (made.outcome, later.outcome) == ("applied", "already_so")
