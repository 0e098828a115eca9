"""The tools against each odd behaviour of Coolify: what it drops, resets, doubles, forgets or says too early."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

from ink_infra_mcp.sandbox.seed import SERVERS, SHOP
from ink_infra_mcp.sandbox.state import WorldState
from ink_infra_mcp.sandbox.state_coolify import Deployment, Volume
from tests.ink import ink, says_yes
from tests.tools.calls import Before, app_named, call, creations, deploy

NEW: dict[str, Any] = {"name": "fresh", "repository": "https://github.com/example/hello", "muscle": "muscle-1"}
GONE = {"gone from Coolify": "passed", "no container left": "passed", "records": "passed"}
OLD, YOUNG = "4.0.0-beta.463", "4.3.10"


def waiting(state: WorldState, app_uuid: str, name: str) -> None:
    """Put a deployment into the queue that stays there."""
    deployment = Deployment(
        id=9_000 + len(state.coolify.deployments),
        deployment_uuid=f"foreign{len(state.coolify.deployments)}deployment",
        application_uuid=app_uuid,
        application_name=name,
        server_uuid=SERVERS["muscle-1"],
        server_name="muscle-1",
        created_at=state.began,
    )
    state.coolify.deployments.append(deployment)


def full_queue(state: WorldState) -> None:
    """Let the Muscle's queue be full."""
    server = next(s for s in state.coolify.servers if s.name == "muscle-1")
    server.settings.deployment_queue_limit = server.settings.concurrent_builds = 0
    waiting(state, "another", "another")


def empty_queue(state: WorldState) -> None:
    """Let the queue move again."""
    server = next(s for s in state.coolify.servers if s.name == "muscle-1")
    server.settings.deployment_queue_limit, server.settings.concurrent_builds = 25, 2
    state.coolify.deployments = [d for d in state.coolify.deployments if d.application_uuid != "another"]


@pytest.mark.anyio
async def test_a_full_queue_is_told_whether_coolify_says_so_or_not(tmp_path: Path) -> None:
    """POST /deploy says 429; restart answers 200 with a deployment that never exists. Neither is taken for a success,
    and once the queue moves the same calls do what is left."""
    with anyio.fail_after(120):
        async with ink(tmp_path, change_world=full_queue) as it, it.client(says_yes()) as client:
            loud = await deploy(client, **NEW)
            silent = await call(client, "control_app", app="shop", action="restart", wait_s=60)
            with it.world.change() as state:
                empty_queue(state)
            again = [
                await deploy(client, **NEW),
                await call(client, "control_app", app="shop", action="restart", wait_s=60),
            ]
            made = creations(it)

    assert (loud.outcome, silent.outcome) == ("failed", "failed")
    assert "queue" in loud.problem["message"].lower()
    assert "Wait until running deployments end" in loud.problem["message"]
    assert silent.problem["stage"] == "queue"
    assert "Coolify named one that does not exist, as it does when the queue is full." in silent.problem["message"]
    assert "Nothing was deployed." in silent.problem["message"]
    assert [said.outcome for said in again] == ["applied", "applied"]
    assert len(made) == 1


@pytest.mark.anyio
@pytest.mark.parametrize("release", [OLD, YOUNG])
async def test_an_option_that_is_lost_on_the_way_stops_the_app(tmp_path: Path, release: str) -> None:
    """The Factory loses the fork between plan and run: Coolify says that all went well, the host shows runc, and the
    app is stopped before anybody uses it."""

    def upgraded(state: WorldState) -> None:
        state.coolify.supports_runtime_option = False

    def old(state: WorldState) -> None:
        state.coolify.version = release

    lost = Before(tmp_path, "coolify.first_deploy", upgraded)
    with anyio.fail_after(90):
        async with ink(tmp_path, change_world=old, wrap_handler=lost) as it, it.client(says_yes()) as client:
            said = await deploy(client, **NEW)
            app = app_named(it.state, "fresh")
            running = [c.name for c in it.state.hosts["muscle-1"].containers if app.uuid in c.name]
            again = await deploy(client, **NEW)

    assert (said.outcome, said.is_error, running) == ("undone", True, [])
    assert [step["state"] for step in said.data["steps"]] == ["done", "done", "done", "undone", "failed"]
    assert "it runs under runc, not runsc" in said.problem["message"]
    assert said.problem["probable_cause"].startswith("Coolify dropped --runtime")
    assert again.text.startswith("[refused_by_policy] The Coolify image in service does not know --runtime")


@pytest.mark.anyio
async def test_run_options_are_not_given_to_an_app_that_would_not_get_them(tmp_path: Path) -> None:
    """With a consistent and a custom container name Coolify applies no run option at all: such an app is refused."""

    def named(state: WorldState) -> None:
        app_named(state, "shop").settings |= {
            "is_consistent_container_name_enabled": True,
            "custom_internal_name": "shop",
        }

    with anyio.fail_after(90):
        async with ink(tmp_path, change_world=named) as it, it.client(says_yes()) as client:
            said = [
                await deploy(client, name="shop", memory="1g"),
                await call(client, "control_app", app="shop", action="restart"),
            ]
            assert it.journal == []

    words = "[refused_by_policy] shop would run without gVisor: Coolify applies no run options to an app with a "
    assert [answer.text.startswith(words) for answer in said] == [True, True]


def of_a_repository(state: WorldState) -> None:
    """Have it run the compose file of its repository."""
    app_named(state, "shop").columns["build_pack"] = "dockercompose"


def publishing(state: WorldState) -> None:
    """Have it publish a port."""
    app_named(state, "shop").columns["ports_mappings"] = "2375:80"


def with_a_folder(state: WorldState) -> None:
    """Mount a folder of its server."""
    app_named(state, "shop").volumes.append(Volume(id=90, uuid="u90", name="x", mount_path="/x", host_path="/root"))


def with_a_file(state: WorldState) -> None:
    """Mount a file of its server."""
    app_named(state, "shop").volumes.append(
        Volume(id=90, uuid="u90", name="x", mount_path="/x", host_path="/data/coolify/x", is_file=True)
    )


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("change", "why"),
    [
        (of_a_repository, "applies no run options to an app whose compose file is in its repository"),
        (publishing, "shop would publish 2375:80 on its Muscle, past the proxy"),
        (with_a_folder, "shop would mount /root of its server at /x"),
        (with_a_file, "shop would mount /data/coolify/x of its server at /x"),
    ],
)
async def test_what_somebody_set_in_coolify_and_no_plan_changes_is_refused_while_the_app_still_runs(
    tmp_path: Path, change: Callable[[WorldState], None], why: str
) -> None:
    """The proof after a rollout would fail and stop an app that serves users now: nothing is done, and why is said."""
    with anyio.fail_after(90):
        async with ink(tmp_path, change_world=change) as it, it.client(says_yes()) as client:
            said = [
                await deploy(client, name="shop", memory="1g"),
                await call(client, "control_app", app="shop", action="restart"),
                await call(client, "set_app_env", app="shop", set={"A": "1"}),
            ]
            assert it.journal == []
    assert [why in answer.text for answer in said] == [True, True, True]


@pytest.mark.anyio
async def test_a_domain_that_is_taken_in_the_last_moment_makes_nothing(tmp_path: Path) -> None:
    """Coolify's own 409 names the owner; the app is not made, and the call says so."""

    def taken(state: WorldState) -> None:
        app_named(state, "legacy").columns["fqdn"] = "https://fresh.s1.example.com"

    meanwhile = Before(tmp_path, "coolify.create_application", taken)
    with anyio.fail_after(90):
        async with ink(tmp_path, wrap_handler=meanwhile) as it, it.client(says_yes()) as client:
            said = await deploy(client, **NEW)
            own = await deploy(client, name="other", image="registry.example.com/a:1", domain="coolify.example.com")
            made = creations(it)

    assert (said.outcome, made) == ("failed", [])
    assert "https://fresh.s1.example.com belongs to application 'legacy'" in said.problem["message"]
    assert "No app was created. Choose another domain" in said.problem["message"]
    assert "https://coolify.example.com belongs to instance 'Coolify Instance'" in own.problem["message"]


@pytest.mark.anyio
async def test_variables_have_no_doubles_and_keep_their_flags(tmp_path: Path) -> None:
    """Coolify keeps a copy of each variable for previews and resets every flag that is left out: plans name a variable
    once, and its flags stay."""

    def flagged(state: WorldState) -> None:
        for env in app_named(state, "shop").envs:
            env.is_literal = env.is_multiline = True
            env.is_buildtime, env.comment = False, "kept"

    person = says_yes()
    with anyio.fail_after(90):
        async with ink(tmp_path, change_world=flagged) as it, it.client(person) as client:
            said = await call(client, "set_app_env", app="shop", set={"GREETING": "hi", "NEW": "a$b"}, wait_s=60)
            shown = await call(client, "get_app", app="shop")
            envs = {(env.key, env.is_preview): env for env in app_named(it.state, "shop").envs}
            removed = await call(client, "set_app_env", app="shop", remove=["NEW", "NIXPACKS_NODE_VERSION"], wait_s=60)
            left = sorted((env.key, env.is_preview) for env in app_named(it.state, "shop").envs)

    greeting, new = envs["GREETING", False], envs["NEW", False]
    assert (said.outcome, removed.outcome) == ("applied", "applied")
    assert "Variables of shop: add NEW and replace GREETING" in person.asked[0]
    assert shown.data["variables"] == ["GREETING", "NEW", "NIXPACKS_NODE_VERSION"]
    assert (greeting.value, greeting.is_literal, greeting.is_multiline, greeting.is_buildtime, greeting.comment) == (
        "hi",
        True,
        True,
        False,
        "kept",
    )
    assert (new.value, new.is_literal, new.is_multiline, new.is_runtime, new.is_buildtime) == (
        "a$b",
        True,
        False,
        True,
        True,
    )
    assert left == [("GREETING", False), ("GREETING", True)]


@pytest.mark.anyio
async def test_a_status_that_lags_misleads_nobody(tmp_path: Path) -> None:
    """Coolify calls apps exited when it lost their server for a moment: what the host shows counts."""

    def lagging(state: WorldState) -> None:
        app_named(state, "shop").status = "exited:unhealthy"
        for server in state.coolify.servers:
            server.next_check_at += 1e9

    with anyio.fail_after(90):
        async with ink(tmp_path, change_world=lagging) as it, it.client(says_yes()) as client:
            listed = await call(client, "list_apps", search="shop")
            shown = await call(client, "get_app", app="shop")
            same = await deploy(client, name="shop")
            start = await call(client, "control_app", app="shop", action="start", wait_s=60)
            stop = await call(client, "control_app", app="shop", action="stop", wait_s=60)
            running = [c.name for c in it.state.hosts["muscle-1"].containers if c.name.startswith(SHOP)]

    assert listed.data["rows"][0][3].startswith("running (Coolify: exited:unhealthy, ")
    assert shown.data["status"] == listed.data["rows"][0][3]
    assert [said.outcome for said in (same, start, stop)] == ["already_so", "already_so", "applied"]
    assert (start.text.count("shop runs"), running) == (1, [])


@pytest.mark.anyio
@pytest.mark.parametrize("release", [OLD, YOUNG])
async def test_a_deletion_is_waited_for_and_keeps_volumes(tmp_path: Path, release: str) -> None:
    """Coolify deletes later, and volumes too unless told otherwise: ours ends when the app is gone, volumes stay."""

    def with_volume(state: WorldState) -> None:
        state.coolify.version = release
        state.hosts["muscle-1"].volumes.append("shop-data")
        container = next(c for c in state.hosts["muscle-1"].containers if c.name.startswith(SHOP))
        container.volumes.append("shop-data")

    with anyio.fail_after(90):
        async with ink(tmp_path, change_world=with_volume) as it, it.client(says_yes("shop")) as client:
            said = await call(client, "delete_app", app="shop", wait_s=60)
            state = it.state
            jobs = [job for job in state.coolify.jobs if job.target == SHOP]
            again = await call(client, "delete_app", app="shop", wait_s=60)

    assert (said.outcome, said.checks) == ("applied", GONE)
    assert jobs == []
    assert "shop-data" in state.hosts["muscle-1"].volumes
    assert again.outcome == "already_so"
