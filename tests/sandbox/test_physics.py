"""What time does in the pretend world: builds, containers, statuses, and run options as Coolify really reads them."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from ink_infra_mcp.sandbox.coolify.queue import Wish, enqueue
from ink_infra_mcp.sandbox.coolify.run_options import FORK, MAPPED, compose_options
from ink_infra_mcp.sandbox.physics import restart_coolify, settle
from ink_infra_mcp.sandbox.seed import DOCS, LEGACY, SERVERS, SHOP, seed
from ink_infra_mcp.sandbox.state import WorldState
from ink_infra_mcp.sandbox.state_coolify import Application, Deployment
from ink_infra_mcp.sandbox.state_hosts import Container
from tests.sandbox.worlds import BEGAN, FakeTime, make_world, pretend_coolify


def fresh(**columns: JsonValue) -> WorldState:
    """Return a demo world whose shop has these columns."""
    state = seed(BEGAN)
    state.coolify.applications[0].columns |= columns
    return state


def app_of(state: WorldState, uuid: str = SHOP) -> Application:
    """Return an application."""
    return next(app for app in state.coolify.applications if app.uuid == uuid)


def container_of(state: WorldState, uuid: str = SHOP) -> Container:
    """Return the one container of an application."""
    found = [c for host in state.hosts.values() for c in host.containers if uuid in c.name]
    assert len(found) == 1
    return found[0]


def deploy(state: WorldState, uuid: str = SHOP, wish: Wish | None = None, *, at: float = BEGAN) -> Deployment:
    """Deploy an application; return its deployment, which has begun or waits."""
    enqueue(state, app_of(state, uuid), f"deployment{len(state.coolify.deployments)}", wish or Wish(), now=at)
    return state.coolify.deployments[-1]


def deployed(state: WorldState, uuid: str = SHOP, *, after: float = 30) -> Deployment:
    """Deploy an application and let that much time pass."""
    deployment = deploy(state, uuid)
    settle(state, BEGAN + after)
    return deployment


def test_the_demo_world_is_at_rest() -> None:
    """Three applications run, one of them without isolation, and nothing more will happen by itself."""
    state = seed(BEGAN)
    later = state.model_copy(deep=True)
    settle(later, BEGAN + 1)
    assert later == state
    assert {name: container_of(state, uuid).runtime for name, uuid in (("shop", SHOP), ("docs", DOCS))} == {
        "shop": "runsc",
        "docs": "runsc",
    }
    assert (container_of(state, LEGACY).runtime, container_of(state).memory_bytes) == ("runc", 512 * 2**20)
    assert {d.status for d in state.coolify.deployments} == {"finished"}


def test_the_same_seed_makes_the_same_world() -> None:
    """Nothing in it is random."""
    assert seed(BEGAN) == seed(BEGAN)


@given(st.lists(st.floats(0, 40), min_size=1, max_size=6))
def test_time_may_pass_in_any_steps(moments: list[float]) -> None:
    """Looking often or only at the end, the world has gone the same way."""
    often, once = seed(BEGAN), seed(BEGAN)
    for state in (often, once):
        state.coolify.applications[1].build_seconds = 11
        for uuid in (SHOP, DOCS, LEGACY, SHOP):
            deploy(state, uuid, Wish(force_rebuild=True))
    for moment in sorted(moments):
        settle(often, BEGAN + moment)
    settle(often, BEGAN + 45)
    settle(once, BEGAN + 45)
    assert often == once


def test_a_build_log_grows_and_stops() -> None:
    """Lines come in order while it runs, hidden ones among them, and none after its end."""
    state = seed(BEGAN)
    deployment = deploy(state, wish=Wish(force_rebuild=True))
    seen: list[int] = []
    for second in range(8):
        settle(state, BEGAN + second)
        seen.append(len(deployment.logs))
    assert seen == sorted(seen)
    assert (seen[0] >= 1, len(set(seen)) > 3, seen[6], seen[7]) == (True, True, seen[7], len(deployment.logs))
    assert [entry.order for entry in deployment.logs] == list(range(1, len(deployment.logs) + 1))
    assert {entry.hidden for entry in deployment.logs} == {True, False}


def test_one_build_at_a_time_for_an_application_and_two_for_a_server() -> None:
    """The rest waits, the oldest first; another server does not wait."""
    state = seed(BEGAN)
    third = app_of(state, LEGACY).model_copy(update={"uuid": "third", "id": 900}, deep=True)
    state.coolify.applications.append(third)
    waiting = [deploy(state, uuid, Wish(force_rebuild=True)) for uuid in (SHOP, SHOP, LEGACY, "third", DOCS)]
    assert [d.status for d in waiting] == ["in_progress", "queued", "in_progress", "queued", "in_progress"]
    settle(state, BEGAN + 7)
    assert [d.status for d in waiting] == ["finished", "in_progress", "finished", "in_progress", "finished"]


def test_a_finished_deployment_replaces_the_container() -> None:
    """The new one has a new name of the application's uuid and digits, its labels, limits and variables."""
    state = fresh(limits_cpus="1.5", limits_memory="1g")
    old = container_of(state)
    deployed(state)
    new = container_of(state)
    prefix, _, digits = new.name.partition("-")
    assert (prefix, digits.isdigit(), new.name != old.name, new.id != old.id) == (SHOP, True, True, True)
    assert (new.memory_bytes, new.nano_cpus) == (2**30, 1_500_000_000)
    assert (new.labels["coolify.applicationId"], new.labels["coolify.name"]) == (str(app_of(state).id), SHOP)
    assert (new.env["GREETING"], new.env["PORT"], "NIXPACKS_NODE_VERSION" in new.env) == ("hello", "3000", False)
    assert new.image == f"{SHOP}:{state.github.repos['example/hello'].branches['main']}"


def test_a_build_is_skipped_when_the_image_is_there_and_nothing_changed() -> None:
    """The second deployment of a commit is faster; a changed build command or `force` builds again."""
    lengths: list[float] = []
    for change, wish in (({}, Wish()), ({"build_command": "make"}, Wish()), ({}, Wish(force_rebuild=True))):
        deployment = deploy(fresh(**change), wish=wish)
        assert deployment.ends_at is not None
        lengths.append(deployment.ends_at - BEGAN)
    assert lengths == [2, 6, 6]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"git_repository": "example/broken"}, "Missing script: build"),
        ({"git_repository": "example/none"}, "Repository not found"),
        ({"git_repository": "example/private-api"}, "Repository not found"),
        ({"git_branch": "none"}, "Remote branch none not found"),
        ({"git_commit_sha": "v1"}, "reference is not a tree: v1"),
        ({"build_pack": "dockercompose"}, "Docker Compose file not found"),
        (
            {"build_pack": "dockerimage", "docker_registry_image_name": "registry.example.com/missing"},
            "manifest unknown",
        ),
        ({"custom_docker_run_options": "--runtime=kata"}, "invalid runtime name: kata"),
        ({"custom_docker_run_options": "--security-opt=no-new-privileges"}, 'invalid --security-opt 1: "no"'),
        ({"health_check_enabled": True, "ports_exposes": "9999"}, "New container is not healthy"),
    ],
)
def test_a_deployment_fails_for_a_reason_and_leaves_the_old_container(change: dict[str, JsonValue], words: str) -> None:
    """The log says why, and the application runs on."""
    state = fresh(**change)
    old = container_of(state)
    deployment = deployed(state)
    assert deployment.status == "failed"
    assert any(words in entry.output for entry in deployment.logs)
    assert container_of(state) == old


def test_a_scripted_failure_has_the_words_it_was_given() -> None:
    """`fails_because` of an application breaks every build."""
    state = seed(BEGAN)
    app_of(state).fails_because = "npm error code ELIFECYCLE"
    deployment = deploy(state, wish=Wish(force_rebuild=True))
    settle(state, BEGAN + 10)
    assert [e.type for e in deployment.logs if "ELIFECYCLE" in e.output] == ["stderr", "stderr"]


def test_without_a_rolling_update_a_failed_start_leaves_nothing() -> None:
    """With port mappings the old container stops first."""
    state = fresh(ports_mappings="8080:3000", custom_docker_run_options="--runtime=kata")
    assert deployed(state).status == "failed"
    assert [c for c in state.hosts["muscle-1"].containers if SHOP in c.name] == []


def test_a_server_that_is_down_fails_a_deployment_at_once() -> None:
    """Coolify does not even try when it holds the server unfit."""
    state = seed(BEGAN)
    state.coolify.servers[1].settings.is_usable = False
    deployment = deployed(state, after=0)
    assert (deployment.status, [e.output for e in deployment.logs]) == ("failed", ["Server is not functional."])


def test_a_server_that_dies_under_a_build_fails_it() -> None:
    """What was to be placed on it is not."""
    state = seed(BEGAN)
    deployment = deploy(state)
    state.hosts["muscle-1"].up = False
    settle(state, BEGAN + 30)
    assert deployment.status == "failed"


def test_a_healthy_new_container_is_called_unhealthy_first() -> None:
    """The status is written without its health, and put right some seconds later."""
    state = fresh(health_check_enabled=True)
    deployment = deploy(state)
    assert deployment.ends_at is not None
    settle(state, deployment.ends_at)
    first = app_of(state).status
    settle(state, deployment.ends_at + 6)
    assert (deployment.status, first, app_of(state).status) == ("finished", "running:unhealthy", "running:healthy")


def test_a_container_that_crashes_degrades_its_application() -> None:
    """The deployment finishes all the same."""
    state = seed(BEGAN)
    app_of(state, DOCS).columns["docker_registry_image_tag"] = "crash"
    assert deployed(state, DOCS).status == "finished"
    assert (app_of(state, DOCS).status, container_of(state, DOCS).state) == ("degraded:unhealthy", "restarting")


OPTIONS = "--runtime=runsc --pids-limit=256 --cap-drop=ALL --cap-add=NET_BIND_SERVICE"


@pytest.mark.parametrize(("fork", "runtime", "pids"), [(True, "runsc", 256), (False, "runc", 0)])
def test_the_official_image_drops_the_runtime_without_a_word(fork: bool, runtime: str, pids: int) -> None:
    """The deployment finishes, under runc; capabilities are applied either way."""
    state = fresh(custom_docker_run_options=OPTIONS)
    state.coolify.supports_runtime_option = fork
    assert deployed(state).status == "finished"
    made = container_of(state)
    assert (made.runtime, made.pids_limit, made.cap_drop, made.cap_add) == (
        runtime,
        pids,
        ["ALL"],
        ["NET_BIND_SERVICE"],
    )


@pytest.mark.parametrize(("internal", "runtime"), [(None, "runsc"), ("shop", "runc")])
def test_a_consistent_name_with_an_internal_name_loses_all_options(internal: str | None, runtime: str) -> None:
    """Either alone is harmless."""
    state = seed(BEGAN)
    app_of(state).settings |= {"is_consistent_container_name_enabled": True, "custom_internal_name": internal}
    deployed(state)
    assert (container_of(state).name, container_of(state).runtime) == (SHOP, runtime)


def test_a_compose_application_keeps_the_runtime_of_its_file() -> None:
    """Run options do nothing there; the file's own keys are kept."""
    state = fresh(build_pack="dockercompose", custom_docker_run_options="--privileged")
    text = "services:\n  web:\n    image: nginx\n    runtime: runsc\n  db:\n    image: redis\n"
    state.github.repos["example/hello"].files["docker-compose.yaml"] = text
    deployed(state)
    mine = [c for c in state.hosts["muscle-1"].containers if SHOP in c.name]
    assert [(c.name.split("-")[0], c.runtime, c.privileged) for c in mine] == [
        ("web", "runsc", False),
        ("db", "runc", False),
    ]
    assert app_of(state).text("docker_compose_raw") == text


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("--security-opt=no-new-privileges:true", {"security_opt": ["no"]}),
        ("--security-opt apparmor=docker-default", {"security_opt": ["apparmor=docker"]}),
        ("--privileged --device=/dev/kvm", {"privileged": True, "devices": ["/dev/kvm"]}),
        ("--init true", {"init": ["true"]}),
        ("--cap-drop=ALL --cap-drop=ALL", {"cap_drop": ["ALL"]}),
        ("--read-only --tmpfs /tmp --user 1000 --network host --memory 1g -v a:b", {}),
        ("--runtime=runsc --pids-limit 256", {"runtime": ["runsc"], "pids_limit": ["256"]}),
    ],
)
def test_run_options_are_read_with_a_list_and_a_bug(text: str, options: dict[str, list[str] | bool]) -> None:
    """What is not on the list is dropped, and a value ends at its first hyphen."""
    assert compose_options(text, fork=True) == options


@given(st.text(alphabet="-= abcdefghijklmnoprstuy:/1", max_size=60))
def test_no_option_text_yields_a_key_outside_the_list(text: str) -> None:
    """Whatever is written, only the allow-list comes through, and values have neither space nor hyphen."""
    made = compose_options(text, fork=False)
    assert made.keys() <= set(MAPPED.values())
    assert not made.keys() & set(FORK.values())
    assert not any({" ", "-"} & set(value) for values in made.values() if isinstance(values, list) for value in values)


def test_a_restart_of_coolify_fails_everything_under_way() -> None:
    """Also what waited; a new image may lose the runtime option."""
    state = seed(BEGAN)
    under_way = [deploy(state, wish=Wish(force_rebuild=True)) for _ in range(2)]
    restart_coolify(state, BEGAN + 1, version="4.3.11", supports_runtime_option=False)
    settle(state, BEGAN + 60)
    assert [d.status for d in under_way] == ["failed", "failed"]
    assert (state.coolify.version, state.coolify.supports_runtime_option) == ("4.3.11", False)


@pytest.mark.anyio
async def test_coolify_is_silent_while_it_restarts(tmp_path: Path) -> None:
    """And answers again after it, with the new version."""
    async with pretend_coolify(tmp_path) as coolify:
        with coolify.world.change() as state:
            restart_coolify(state, coolify.clock.at, version="4.3.11")
        with pytest.raises(AssertionError):
            await coolify.send("GET", "/version")
        coolify.clock.advance(21)
        assert (await coolify.send("GET", "/version")).text == "4.3.11"


def test_the_world_survives_its_process(tmp_path: Path) -> None:
    """A build that ran when the process died has ended when another opens the file."""
    clock = FakeTime()
    with make_world(tmp_path, clock=clock).change() as state:
        deploy(state)
    clock.advance(60)
    assert make_world(tmp_path, clock=clock).read().coolify.deployments[-1].status == "finished"
    assert SERVERS["muscle-1"] == make_world(tmp_path, clock=clock).read().coolify.deployments[-1].server_uuid
