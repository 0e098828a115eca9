"""A health check can be dropped again, and an app that starts again and again is shown to do so."""

from pathlib import Path
from typing import Any

import anyio
import pytest

from ink_infra_mcp.sandbox.coolify.statuses import refresh
from ink_infra_mcp.sandbox.state import Fault, WorldState
from ink_infra_mcp.sandbox.state_hosts import Container
from tests.ink import ink, says_yes
from tests.tools.calls import After, app_named, call, deploy

IMAGE: dict[str, Any] = {"image": "registry.example.com/web:1", "port": 80, "muscle": "muscle-1"}


def container_of_shop(state: WorldState) -> Container:
    """Return the container that runs the app `shop`."""
    uuid = app_named(state, "shop").uuid
    return next(c for host in state.hosts.values() for c in host.containers if uuid in c.name)


@pytest.mark.anyio
async def test_a_health_check_that_was_set_is_switched_off_by_the_word_none(tmp_path: Path) -> None:
    """The plan says what is switched off, the new container has no check, and a second call finds nothing to do."""
    person = says_yes()
    with anyio.fail_after(120):
        async with ink(tmp_path) as it, it.client(person) as client:
            checked = await deploy(client, name="shop", health_path="/ready")
            health = container_of_shop(it.state).health
            dropped = await deploy(client, name="shop", health_path="none")
            again = await deploy(client, name="shop", health_path="none")
            kept = await deploy(client, name="shop")
            after = container_of_shop(it.state).health
            columns = app_named(it.state, "shop").columns

    assert (checked.outcome, health) == ("applied", "healthy"), checked.text
    assert (dropped.outcome, after) == ("applied", ""), dropped.text
    assert "      before health_check_enabled = true\n      after health_check_enabled = false\n" in person.asked[-1]
    assert (again.outcome, kept.outcome) == ("already_so", "already_so")
    assert (columns["health_check_enabled"], columns["health_check_path"]) == (False, "/ready")


@pytest.mark.anyio
async def test_an_image_has_no_commit_to_show(tmp_path: Path) -> None:
    """Coolify writes HEAD where the source has none: neither the result nor get_app repeats it."""
    with anyio.fail_after(90):
        async with ink(tmp_path) as it, it.client(says_yes()) as client:
            said = await deploy(client, name="web", **IMAGE)
            shown = await call(client, "get_app", app="web")

    assert (said.outcome, "commit" in said.data["result"]) == ("applied", False)
    assert [deployment.get("commit", "") for deployment in shown.data["deployments"]] == [""]
    assert "HEAD" not in shown.text


@pytest.mark.anyio
async def test_get_app_says_how_often_an_app_started_again(tmp_path: Path) -> None:
    """Coolify's own count and its kind are shown; an app that stays up has none."""

    with anyio.fail_after(90):
        async with ink(tmp_path) as it, it.client(says_yes()) as client:
            before = await call(client, "get_app", app="shop")
            with it.world.change() as state:
                for server in state.coolify.servers:
                    container_of_shop(state).restart_count = 7
                    refresh(state, server, at=0.0)
            after = await call(client, "get_app", app="shop")

    assert (before.data.get("restarts", ""), "restarts:" in before.text) == ("", False)
    assert after.data["restarts"] == "Coolify saw it start again 7 times, last after a crash"
    assert "restarts: Coolify saw it start again 7 times, last after a crash" in after.text


@pytest.mark.anyio
async def test_a_proof_tells_coolifys_count_of_crashes(tmp_path: Path) -> None:
    """Whatever the proxy answers: what answers 503 because it crashes is not blamed on the proxy alone."""

    def crashes(state: WorldState) -> None:
        app_named(state, "shop").columns |= {"restart_count": 4, "last_restart_type": "crash"}
        state.faults = [Fault(system="edge", match="GET shop", kind="status", status=503, times=10_000)]

    late = After(tmp_path, "hosts.prove_isolation", crashes)
    with anyio.fail_after(120):
        async with ink(tmp_path, wrap_handler=late) as it, it.client(says_yes()) as client:
            said = await call(client, "control_app", app="shop", action="restart", wait_s=60)

    checks = {check["name"]: check for check in said.data["checks"]}
    assert (said.outcome, checks["http"]["status"]) == ("applied_unverified", "failed")
    assert checks["http"]["evidence"].endswith("answers 503")
    assert checks["isolation"]["evidence"].endswith("; Coolify saw it start again 4 times, last after a crash")
