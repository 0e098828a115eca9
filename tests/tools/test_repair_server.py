"""repair_server over the pretend world: what it plans, does, refuses and takes back."""

import json
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from ink_infra_mcp.sandbox.state import Fault, WorldState
from ink_infra_mcp.sandbox.state_hosts import HostState
from tests.ink import Person, data, ink, says_yes, text

pytestmark = pytest.mark.anyio

LIMIT_S = 180
CALL = {"server": "muscle-2", "wait_s": 60}


def muscle(state: WorldState) -> HostState:
    """Return the server that is repaired."""
    return state.hosts["muscle-2"]


def asked_of(person: Person) -> str:
    """Return the first question, without the breaks of its lines."""
    return " ".join(person.asked[0].replace("... ", "").split())


async def test_a_server_gets_its_baseline_after_a_yes_and_the_same_call_plans_nothing(tmp_path: Path) -> None:
    """A person reads each setting as it is and as it shall be; afterwards the server, read anew, lacks nothing."""
    person = says_yes()
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path) as it, it.client(person) as client:
            done = data(await client.call_tool("repair_server", CALL))
            again = data(await client.call_tool("repair_server", CALL))
            made, engine = muscle(it.state).made, muscle(it.state).docker_version
            unknown = [line for line in it.journal if "UNKNOWN" in line]
    assert (done["outcome"], again["outcome"], len(person.asked)) == ("applied", "already_so", 1)
    assert {check["name"]: check["status"] for check in done["checks"]} == {
        "baseline": "passed",
        "gVisor": "passed",
        "coolify": "passed",
    }
    assert (engine, made.live_restore, made.swap_mib, unknown) == ("29.8.2", True, 2048, [])
    assert json.loads(made.daemon)["runtimes"] == {"runsc": {"path": "/usr/bin/runsc"}}
    asked = asked_of(person)
    assert "kernel.dmesg_restrict" in asked
    assert "9DC858229FC7DD38854AE2D88D81803C0EBFCD88" in asked
    assert "gVisor 20261012 on muscle-2 is newer than 20260928.0 of the baseline, and stays" in asked


async def test_only_the_parts_that_are_asked_for_are_touched_and_verified(tmp_path: Path) -> None:
    """What else differs stays, and is no failure of this call."""
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path) as it, it.client(says_yes()) as client:
            done = data(await client.call_tool("repair_server", {**CALL, "parts": ["swap"]}))
            made = muscle(it.state).made
    assert done["outcome"] == "applied"
    assert (made.swap_mib, made.sysctls, [*made.kept]) == (2048, {}, [f"{done['operation_id']}-swap"])


def in_coolify(state: WorldState) -> tuple[int, int, bool]:
    """Return what Coolify has of the server: builds, the threshold, and whether it cleans up each night."""
    (settings,) = [server.settings for server in state.coolify.servers if server.name == "muscle-2"]
    return settings.concurrent_builds, settings.docker_cleanup_threshold, settings.force_docker_cleanup


def otherwise(state: WorldState) -> None:
    """Let somebody have set more builds and another threshold in Coolify."""
    (settings,) = [server.settings for server in state.coolify.servers if server.name == "muscle-2"]
    settings.concurrent_builds, settings.docker_cleanup_threshold = 8, 95


async def test_what_coolify_has_of_a_muscle_is_set_by_policy_and_read_back(tmp_path: Path) -> None:
    """The person reads what was and what shall be; the server itself is not touched where only that is asked for."""
    person, asked = says_yes(), {**CALL, "parts": ["coolify"]}
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=otherwise) as it, it.client(person) as client:
            done = data(await client.call_tool("repair_server", asked))
            again = data(await client.call_tool("repair_server", asked))
            state = it.state
    assert (done["outcome"], again["outcome"], in_coolify(state)) == ("applied", "already_so", (2, 80, False))
    assert {check["name"]: check["status"] for check in done["checks"]} == {
        "baseline": "skipped",
        "gVisor": "skipped",
        "coolify": "passed",
    }
    assert "before builds at the same time = 8 after builds at the same time = 2" in asked_of(person)
    assert muscle(state).made.kept == {}


async def test_an_operator_may_leave_coolifys_settings_as_they_are(tmp_path: Path) -> None:
    """An entry that is not wanted is neither set nor told."""
    folder = tmp_path / "policies"
    folder.mkdir()
    words = 'wanted = false, value = 2, why = "x", override = "we build on Muscles"'
    (folder / "baseline.toml").write_text(f"[coolify]\nconcurrent_builds = {{ {words} }}\n", encoding="utf-8")
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=otherwise, policies=folder) as it, it.client(says_yes()) as client:
            done = data(await client.call_tool("repair_server", {**CALL, "parts": ["coolify"]}))
            state = it.state
    assert (done["outcome"], in_coolify(state)) == ("applied", (8, 80, False))


async def test_what_coolifys_api_does_not_take_is_left_to_a_person_and_said(tmp_path: Path) -> None:
    """A version without a call for the cleanup is not called right: the answer names the page and the value."""

    def older(state: WorldState) -> None:
        state.coolify.version = "4.2.0"

    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=older) as it, it.client(says_yes()) as client:
            said = text(await client.call_tool("repair_server", {**CALL, "parts": ["coolify"]}))
            told = text(await client.call_tool("check_fleet", {}))
    page = "> Docker Cleanup: switch Force Docker Cleanup off, and set the threshold to 80 %."
    assert f"in Coolify a person has to act: In Coolify, Servers > muscle-2 {page}" in " ".join(said.split())
    assert f"In Coolify, Servers > NAME {page}" in told


def old_system(state: WorldState) -> None:
    """Give the server a system that nobody supports."""
    muscle(state).os_version = "11"


def too_small(state: WorldState) -> None:
    """Give the server less memory than apps need."""
    muscle(state).memory_bytes = 2 * 2**30


def snap(state: WorldState) -> None:
    """Give the server Docker as a snap."""
    muscle(state).made.snap = True


def conflict(state: WorldState) -> None:
    """Have somebody send logs elsewhere."""
    muscle(state).made.daemon = '{"log-driver": "journald"}'


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (old_system, "muscle-2 runs debian 11; supported are debian 12, debian 13, ubuntu 22.04, ubuntu 24.04"),
        (too_small, "muscle-2 has 2 GiB of memory; a muscle needs at least 4 GiB"),
        (snap, "muscle-2 has Docker as a snap"),
        (conflict, 'log-driver is "journald" there, and "json-file" by the baseline'),
    ],
)
async def test_what_cannot_be_kept_safe_is_refused_before_anybody_is_asked(
    tmp_path: Path, change: Callable[[WorldState], None], words: str
) -> None:
    """The answer names what is there and what the baseline says; nothing is changed."""
    person = says_yes()
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=change) as it, it.client(person) as client:
            answer = text(await client.call_tool("repair_server", CALL))
            assert words in answer
            assert (person.asked, it.journal) == ([], [])


def distribution(state: WorldState) -> None:
    """Give the server the distribution's Docker."""
    host = muscle(state)
    for name in ("docker-ce", "docker-ce-cli", "containerd.io", "docker-buildx-plugin", "docker-compose-plugin"):
        del host.made.packages[name]
    host.made.packages["docker.io"] = "20.10.24+dfsg1-1+deb12u1"
    host.docker_version = "20.10.24"


async def test_the_distributions_docker_is_replaced_by_plan(tmp_path: Path) -> None:
    """A person is told that every container stops meanwhile; afterwards Docker's own packages are there, held."""
    person = says_yes()
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=distribution) as it, it.client(person) as client:
            done = data(await client.call_tool("repair_server", CALL))
            made = muscle(it.state).made
    assert done["outcome"] == "applied"
    assert "every container on muscle-2 stops while its Docker is replaced" in " ".join(
        person.asked[0].replace("... ", "").split()
    )
    assert ("docker.io" in made.packages, "docker-ce" in made.held) == (False, True)


def breaks_at(words: str) -> Fault:
    """Return a fault of the server at one call of the script."""
    return Fault(system="ssh", match=words, kind="status", status=5, body="ink-change: no\n")


async def test_a_docker_that_is_not_installed_gives_the_distributions_back(tmp_path: Path) -> None:
    """Between the two there is none at all: so both steps are taken back when the second fails."""

    def change(state: WorldState) -> None:
        distribution(state)
        state.faults.append(breaks_at("docker-ce=5:29"))

    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=change) as it, it.client(says_yes()) as client:
            done = data(await client.call_tool("repair_server", CALL))
            made = muscle(it.state).made
    assert done["outcome"] == "undone"
    assert ("docker.io" in made.packages, "docker-ce" in made.packages) == (True, False)
