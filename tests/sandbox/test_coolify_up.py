"""What the pretend server's `docker compose up` starts of a file, creates only, or refuses as a real one does."""

import json
from pathlib import Path
from typing import Any

import pytest

from ink_infra_mcp.sandbox.compose.project import Given, project
from ink_infra_mcp.sandbox.compose.reader import Refused
from ink_infra_mcp.sandbox.coolify.compose import Need, running_parts
from ink_infra_mcp.sandbox.coolify.containers import compose_container
from ink_infra_mcp.sandbox.coolify.up import Up, brought_up, unmet
from ink_infra_mcp.sandbox.state_coolify import Service
from ink_infra_mcp.sandbox.state_hosts import Container, HostState
from tests.sandbox.starting_files import HERE, STARTS
from tests.sandbox.test_coolify_compose import started, web
from tests.sandbox.worlds import pretend_coolify

APP, CPUS = "u", 8
DAEMON = "Error response from daemon: "
OF_ANOTHER = "was found but does not match the specified platform: wanted linux/arm64, actual: linux/amd64"


def up(text: str) -> Up:
    """Return what is left of a file on a server with eight processors and one image."""
    server = HostState(name="m", address="192.0.2.1", role="muscle", images=[HERE], cpus=CPUS)
    owner = Service(
        id=1, uuid=APP, name="x", environment_uuid="", server_uuid="", destination_uuid="", docker_compose_raw=""
    )
    parts = running_parts(project(Given(text, APP, "/x", "/x/docker-compose.yml", {}, {})))
    return brought_up(server, [(part, compose_container(part, owner, f"{APP}-{part.name}-1", 1.0)) for part in parts])


def seen(text: str) -> tuple[str, tuple[str, ...]]:
    """Return what a file is refused with, or what of it never starts, and the services that run."""
    try:
        left = up(text)
    except Refused as refused:
        return str(refused), ()
    running = sorted(c.name.split("-")[1] for c in left.containers if c.state == "running")
    return left.words, tuple(running)


NOT_PRETENDED = frozenset({"needs the health of one that lacks it", "needs the end of one that fails"})
"""Their containers run `false`, and pretend ones run nothing; their words are in the last table below."""
REGISTRY = ("/absent:", "/missing:")
"""The pretend registry has every image but those with this word."""


@pytest.mark.parametrize("name", [name for name in STARTS if name not in NOT_PRETENDED])
def test_what_a_real_one_starts_and_refuses_the_pretend_one_does_too(name: str) -> None:
    """The same files as on a real server, with the same words and the same services that run."""
    start = STARTS[name]
    words = start.words.format(project=APP, cpus=CPUS, last=CPUS - 1).replace(*REGISTRY)
    assert seen(json.dumps(start.file).replace(*REGISTRY)) == (words, start.runs)


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("image: a, platform: linux, cpus: 8, cpuset: 0-7", ""),
        ("image: a, platform: x86_64", ""),
        ("image: a, build: {dockerfile_inline: FROM x}, pull_policy: build", ""),
        (f"image: '{HERE}', platform: arm64, pull_policy: never", f"{DAEMON}image with reference {HERE} {OF_ANOTHER}"),
        ("image: x/a, pull_policy: build", f"{DAEMON}No such image: x/a:latest"),
        ("image: a, cpuset: 0-8", f"{DAEMON}Requested CPUs are not available - requested 0-8, available: 0-7"),
        ("image: a, runtime: kata", f"{DAEMON}unknown or invalid runtime name: kata"),
    ],
)
def test_what_docker_refuses_starts_nothing_of_the_app(lines: str, words: str) -> None:
    """In the daemon's own words (source, 26.1.3); a service beside it that is well does not start either. A platform
    may be named in several ways."""
    runs = () if words else ("b", "web")
    assert seen(f"services:\n  web: {{{lines}}}\n  b: {{image: 'b:1'}}") == (words, runs)


NEEDS = "depends_on: {db: {condition: service_healthy}}"


@pytest.mark.parametrize(
    ("db", "state"),
    [
        ("image: 'db:1'", "created"),
        ("image: 'db:1', healthcheck: {test: [NONE]}", "created"),
        ("image: 'one-shot:1', healthcheck: {test: [CMD, 'true']}", "created"),
        ("image: 'db:1', healthcheck: {test: [CMD, 'true']}", "running"),
        ("image: 'db:1', scale: 0", "running"),
    ],
    ids=["no check", "none", "ended", "checked", "no copies"],
)
def test_what_waits_in_vain_is_made_and_never_started(db: str, state: str) -> None:
    """And so is what needs it, in turn (source, Compose 2.26.1)."""
    text = f"services:\n  db: {{{db}}}\n  web: {{image: 'w:1', {NEEDS}}}\n  edge: {{image: 'e:1', depends_on: [web]}}"
    states = {container.name: container.state for container in up(text).containers}
    assert (states["u-web-1"], states["u-edge-1"]) == (state, state)


@pytest.mark.parametrize(
    ("image", "left"), [("one-shot:1", "running"), ("crash:1", "created"), ("steady:1", "created")]
)
def test_a_service_waits_for_the_good_end_of_another(image: str, left: str) -> None:
    """One that ends well lets it start; for one that runs on, or falls again and again, it waits for good."""
    needs = "depends_on: {job: {condition: service_completed_successfully}}"
    text = f"services:\n  job: {{image: '{image}'}}\n  web: {{image: 'w:1', {needs}}}"
    assert up(text).containers[-1].state == left


@pytest.mark.parametrize(
    ("condition", "change", "words"),
    [
        ("service_healthy", {}, "dependency failed to start: container db-u has no healthcheck configured"),
        ("service_healthy", {"health": "unhealthy"}, "dependency failed to start: container db-u is unhealthy"),
        (
            "service_healthy",
            {"state": "exited", "exit_code": 3},
            "dependency failed to start: container db-u exited (3)",
        ),
        (
            "service_completed_successfully",
            {"state": "exited", "exit_code": 3, "labels": {"com.docker.compose.service": "db"}},
            'service "db" didn\'t complete successfully: exit 3',
        ),
        ("service_started", {"state": "exited"}, ""),
    ],
)
def test_what_is_waited_for_in_vain_is_told_in_compose_s_words(
    condition: str, change: dict[str, Any], words: str
) -> None:
    """As isServiceHealthy and waitDependencies of Compose 2.26.1 put it."""
    container = Container(id="1", name="db-u", image="db:1").model_copy(update=change)
    assert unmet(Need(condition), container) == words


@pytest.mark.parametrize("latest", [True, False])
@pytest.mark.anyio
async def test_a_restart_that_docker_refuses_leaves_what_runs_or_nothing(tmp_path: Path, latest: bool) -> None:
    """The API says that it is queued. With newer images asked for what runs is replaced, which fails; without them it
    has been stopped before."""
    async with pretend_coolify(tmp_path) as coolify:
        uuid, before = await started(coolify, web("cpus: 1"))
        with coolify.world.change() as state:
            service = state.coolify.services[0]
            service.docker_compose_raw = service.docker_compose_raw.replace("cpus: 1", "cpus: 500")
        await coolify.ask("POST", f"/services/{uuid}/restart", {"latest": latest})
        coolify.clock.advance(61)
        left = [c.id for c in before] if latest else []
        assert [c.id for c in coolify.containers("muscle-1", uuid)] == left
