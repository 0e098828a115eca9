"""What a container asks a proxy for is its app's own: labels of images and people are judged as those of files."""

import base64
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from ink_infra_mcp.sandbox.state import WorldState
from tests.ink import ink, says_yes
from tests.tools.calls import app_named, call, deploy

CLAIM = "traefik.http.routers.x.rule"
RULE = "Host(`other.example.com`)"
WORDS = f"its label {CLAIM} is {RULE}, which the app may not have: Traefik reads it"
DOCKERFILE = f'FROM registry.example.com/web:1\nEXPOSE 8080\nLABEL org.example.note=fine "{CLAIM}"="{RULE}"\n'


def running(state: WorldState, app: str) -> list[str]:
    """Return the containers of an app that run."""
    uuid = app_named(state, app).uuid
    found = (container for host in state.hosts.values() for container in host.containers)
    return [container.name for container in found if uuid in container.name and container.state == "running"]


@pytest.mark.anyio
async def test_an_image_that_claims_another_domain_does_not_stay_up(tmp_path: Path) -> None:
    """The proxy takes a LABEL of a Dockerfile for a line of the app's settings: the app is stopped, and why is said."""
    with anyio.fail_after(120):
        async with ink(tmp_path) as it, it.client(says_yes()) as client:
            said = await deploy(client, name="fresh", dockerfile=DOCKERFILE, port=8080)
            left = running(it.world.read(), "fresh")
    assert (said.outcome, said.problem["stage"], left) == ("undone", "isolation", [])
    assert WORDS in said.problem["message"]


@pytest.mark.anyio
async def test_an_image_with_labels_that_nobody_reads_is_proved(tmp_path: Path) -> None:
    """Images have labels of all kinds."""
    with anyio.fail_after(120):
        async with ink(tmp_path) as it, it.client(says_yes()) as client:
            said = await deploy(client, name="fresh", dockerfile="FROM a:1\nLABEL org.example.note=fine\n", port=8080)
    assert said.outcome == "applied"


def claiming(state: WorldState) -> None:
    """Let the container of shop that runs have a label more, as its image may give it one."""
    uuid = app_named(state, "shop").uuid
    for host in state.hosts.values():
        for container in host.containers:
            if container.name.startswith(uuid):
                container.labels[CLAIM] = RULE


def stored(state: WorldState) -> None:
    """Let somebody have written a label of their own into those that Coolify has stored of shop."""
    shop = app_named(state, "shop")
    shop.columns["custom_labels"] = base64.b64encode(f"traefik.enable=true\n{CLAIM}={RULE}".encode()).decode()


def previewed(state: WorldState) -> None:
    """Let a preview of shop run, with the name that Coolify gives it."""
    uuid = app_named(state, "shop").uuid
    host, running = next((host, c) for host in state.hosts.values() for c in host.containers if c.name.startswith(uuid))
    name, router = f"{uuid}-pr-7", f"traefik.http.routers.https-0-{uuid}-pr-7.rule"
    own = {"coolify.pullRequestId": "7", router: "Host(`7.shop.s1.example.com`) && PathPrefix(`/`)"}
    labels = {key: value for key, value in running.labels.items() if not key.startswith("traefik.http.routers")}
    host.containers.append(running.model_copy(update={"id": "7" * 64, "name": name, "labels": labels | own}))


def claiming_in_a_preview(state: WorldState) -> None:
    """Let a preview of shop have the label, which its author may have given it."""
    previewed(state)
    for host in state.hosts.values():
        for container in host.containers:
            if container.name.endswith("-pr-7"):
                container.labels[CLAIM] = RULE


@pytest.mark.anyio
@pytest.mark.parametrize("change", [claiming, stored, claiming_in_a_preview])
async def test_an_app_that_claims_another_domain_is_not_rolled_out(
    tmp_path: Path, change: Callable[[WorldState], None]
) -> None:
    """The proof would stop it: it is refused with the label, and nothing is written."""
    with anyio.fail_after(120):
        async with ink(tmp_path, change_world=change) as it, it.client(says_yes()) as client:
            said = [
                await call(client, "control_app", app="shop", action="restart"),
                await call(client, "set_app_env", app="shop", set={"A": "1"}),
            ]
            assert it.journal == []
    assert [WORDS in answer.text for answer in said] == [True, True]


@pytest.mark.anyio
async def test_a_container_that_claims_another_domain_is_shown_as_not_isolated(tmp_path: Path) -> None:
    """get_app names the label, and the lists mark the app."""
    with anyio.fail_after(120):
        async with ink(tmp_path, change_world=claiming) as it, it.client(says_yes()) as client:
            app = await call(client, "get_app", app="shop")
            apps = await call(client, "list_apps")
            fleet = await call(client, "get_fleet")
    assert app.data["isolated"] is False
    assert WORDS in app.text
    assert "runsc!" in next(line for line in apps.text.splitlines() if line.startswith("shop"))
    assert "not isolated" in fleet.text


@pytest.mark.anyio
async def test_a_preview_with_a_name_below_the_app_s_own_stops_no_rollout(tmp_path: Path) -> None:
    """Coolify calls it `7.shop...`: the app is restarted and proved."""
    with anyio.fail_after(120):
        async with ink(tmp_path, change_world=previewed) as it, it.client(says_yes()) as client:
            said = await call(client, "control_app", app="shop", action="restart", wait_s=60)
    assert said.outcome == "applied", said.text
