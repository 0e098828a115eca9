"""control_app: start, stop and restart, each proved on the host, for apps of both kinds and both Coolify eras."""

import re
from pathlib import Path

import anyio
import pytest

from ink_infra_mcp.sandbox.seed import SHOP
from ink_infra_mcp.sandbox.state import WorldState
from tests.ink import Ink, ink, says, says_yes
from tests.tools.calls import call, deploy

OLD, NEW = "4.0.0-beta.463", "4.3.10"
FILE = "services:\n  web: {image: 'registry.example.com/web:1'}\n"


def running(it: Ink, part: str) -> int:
    """Return how many containers run whose name has that part."""
    containers = [c for host in it.state.hosts.values() for c in host.containers]
    return sum(part in c.name and c.state == "running" for c in containers)


@pytest.mark.anyio
@pytest.mark.parametrize("release", [OLD, NEW])
async def test_an_app_stops_starts_and_restarts_as_the_host_shows(tmp_path: Path, release: str) -> None:
    """What is so already is left alone; a restart always restarts; each act is proved."""

    def version(state: WorldState) -> None:
        state.coolify.version = release

    with anyio.fail_after(150):
        async with ink(tmp_path, change_world=version) as it, it.client(says_yes()) as client:
            await deploy(client, name="stack", compose=FILE)
            uuid = it.state.coolify.services[0].uuid
            for name, part in (("shop", SHOP), ("stack", uuid)):
                before = await call(client, "control_app", app=name, action="start")
                stop = await call(client, "control_app", app=name, action="stop", wait_s=60)
                stopped = running(it, part)
                again = await call(client, "control_app", app=name, action="stop")
                start = await call(client, "control_app", app=name, action="start", wait_s=60)
                started = running(it, part)
                restart = await call(client, "control_app", app=name, action="restart", wait_s=60)

                outcomes = [said.outcome for said in (before, stop, again, start, restart)]
                assert outcomes == ["already_so", "applied", "already_so", "applied", "applied"], name
                assert (stop.checks, stopped, started) == ({"stopped": "passed"}, 0, 1), name
                assert start.checks["isolation"] == restart.checks["http"] == "passed", name


@pytest.mark.anyio
async def test_the_plan_names_who_is_affected_and_a_no_leaves_it_alone(tmp_path: Path) -> None:
    """A stop says that users get errors; declined, the app runs on."""
    person = says("decline")
    with anyio.fail_after(60):
        async with ink(tmp_path) as it, it.client(person) as client:
            said = await call(client, "control_app", app="shop", action="stop")
            wrong = await call(client, "control_app", app="shop", action="explode")
            left = running(it, SHOP)

    assert (said.outcome, left, it.journal) == ("not_approved", 1, [])
    assert "users of shop.s1.example.com get an error until it is started again" in person.asked[0]
    assert wrong.text.startswith("[invalid_input] Nothing was done. action: must be `start`, `stop` or")


@pytest.mark.anyio
async def test_an_app_that_crashes_right_after_its_start_is_told(tmp_path: Path) -> None:
    """A container that ends again and again is not running: the step says so, and a stop still works."""

    def crashing(state: WorldState) -> None:
        for app in state.coolify.applications:
            if app.uuid == SHOP:
                app.columns |= {
                    "build_pack": "dockerimage",
                    "docker_registry_image_name": "registry.example.com/crash",
                    "docker_registry_image_tag": "1",
                }

    with anyio.fail_after(90):
        async with ink(tmp_path, change_world=crashing) as it, it.client(says_yes()) as client:
            said = await call(client, "control_app", app="shop", action="restart", wait_s=60)
            stopped = await call(client, "control_app", app="shop", action="stop", wait_s=60)
            left = [c for c in it.state.hosts["muscle-1"].containers if SHOP in c.name]

    assert (said.outcome, said.problem["stage"]) == ("undone", "isolation")
    assert re.search(r"crash-loops: restarted \d+ times, last exit code 1", said.problem["message"])
    assert (stopped.outcome, left) == ("already_so", [])


@pytest.mark.anyio
async def test_an_app_on_a_server_outside_the_fleet_can_only_be_stopped(tmp_path: Path) -> None:
    """Nothing can be proved there: starts and restarts are refused, and say what to add."""

    def elsewhere(state: WorldState) -> None:
        server = next(s for s in state.coolify.servers if s.name == "muscle-1")
        server.name, server.ip = "elsewhere", "198.51.100.9"

    with anyio.fail_after(90):
        async with ink(tmp_path, change_world=elsewhere) as it, it.client(says_yes()) as client:
            restart = await call(client, "control_app", app="shop", action="restart")
            update = await deploy(client, name="shop")
            stop = await call(client, "control_app", app="shop", action="stop", wait_s=60)
            shown = await call(client, "get_app", app="shop")

    assert "shop runs on a server that fleet.toml does not name, where nothing can be proved." in restart.text
    assert "shop runs on a server that fleet.toml does not name." in update.text
    assert (stop.outcome, stop.checks) == ("applied_unverified", {"stopped": "skipped"})
    assert (shown.data["muscle"], shown.data["unknown"]) == ("?", {"containers": "its server is not in fleet.toml"})
