"""What the pretend server's `docker compose up` starts of a file, creates only, or refuses as a real one does."""

from pathlib import Path
from typing import Any

import pytest

from ink_infra_mcp.sandbox.compose.project import Given, project
from ink_infra_mcp.sandbox.compose.reader import Refused
from ink_infra_mcp.sandbox.coolify.compose import Need, running_parts
from ink_infra_mcp.sandbox.coolify.containers import compose_container
from ink_infra_mcp.sandbox.coolify.up import brought_up, unmet
from ink_infra_mcp.sandbox.state_coolify import Service
from ink_infra_mcp.sandbox.state_hosts import Container, HostState
from tests.sandbox.test_coolify_compose import started, web
from tests.sandbox.worlds import pretend_coolify

APP = "u"
HERE = "registry.example.com/here:1"
CHECK = "healthcheck: {test: [CMD, 'true']}"
Pairs = list[tuple[str, str]]


def server() -> HostState:
    """Return a server with eight processors and one image."""
    return HostState(name="m", address="192.0.2.1", role="muscle", images=[HERE])


def up(services: str) -> Pairs:
    """Return the services of a file with the state in which `docker compose up` leaves their containers."""
    owner = Service(
        id=1, uuid=APP, name="x", environment_uuid="", server_uuid="", destination_uuid="", docker_compose_raw=""
    )
    given = Given(f"services:\n{services}", APP, "/x", "/x/docker-compose.yml", {}, {})
    made = [(part, compose_container(part, owner, part.name, 1.0)) for part in running_parts(project(given))]
    return [(container.name, container.state) for container in brought_up(server(), made)]


@pytest.mark.parametrize(
    ("services", "found"),
    [
        ("  a: {image: 'a:1', scale: 0}\n  b: {image: 'b:1'}", [("b", "running")]),
        ("  a: {image: 'a:1', deploy: {replicas: 0}}", []),
        ("  a: {image: 'a:1', scale: 1, cpus: 8}", [("a", "running")]),
        (f"  a: {{image: '{HERE}', pull_policy: never, platform: linux/amd64}}", [("a", "running")]),
        (
            "  a: {image: 'a:1', platform: linux}\n  b: {image: b, platform: x86_64}",
            [("a", "running"), ("b", "running")],
        ),
        ("  a: {image: a, build: {dockerfile_inline: FROM x}, pull_policy: build}", [("a", "running")]),
    ],
    ids=["scale", "replicas", "cpus", "never", "platform", "build"],
)
def test_what_a_server_can_start_runs(services: str, found: Pairs) -> None:
    """Of a service that is scaled to 0 no container is made; all processors are not too many; an image that is there
    needs no pull, and a platform may be named in several ways."""
    assert up(services) == found


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("image: 'a:1', cpus: 8.5", "Range of CPUs is from 0.01 to 8.00, as there are only 8 CPUs available"),
        (
            "image: 'a:1', deploy: {resources: {limits: {cpus: '500'}}}",
            "Range of CPUs is from 0.01 to 8.00, as there are only 8 CPUs available",
        ),
        ("image: 'a:1', pull_policy: never", "No such image: a:1"),
        ("image: x/a, pull_policy: build", "No such image: x/a:latest"),
        (
            "image: 'a:1', platform: linux/s390x",
            "no matching manifest for linux/s390x in the manifest list entries",
        ),
        (
            f"image: '{HERE}', platform: linux/arm64",
            "no matching manifest for linux/arm64 in the manifest list entries",
        ),
        (
            f"image: '{HERE}', platform: arm64, pull_policy: never",
            f"image with reference {HERE} was found but does not match the specified platform: "
            "wanted linux/arm64, actual: linux/amd64",
        ),
        ("image: 'missing:1'", "manifest for missing:1 not found: manifest unknown: manifest unknown"),
        ("image: 'a:1', runtime: kata", "unknown or invalid runtime name: kata"),
    ],
)
def test_what_docker_refuses_starts_nothing_of_the_app(lines: str, words: str) -> None:
    """In the daemon's own words (source, 26.1.3); a service beside it that is well does not start either."""
    with pytest.raises(Refused) as caught:
        up(f"  a: {{{lines}}}\n  b: {{image: 'b:1'}}")
    assert str(caught.value) == f"Error response from daemon: {words}"


NEEDS = "depends_on: {db: {condition: service_healthy"


@pytest.mark.parametrize(
    ("db", "needs", "left"),
    [
        ("image: 'db:1'", "}}", "created"),
        ("image: 'db:1', healthcheck: {disable: true}", "}}", "created"),
        ("image: 'db:1', healthcheck: {test: [NONE]}", "}}", "created"),
        (f"image: 'one-shot:1', {CHECK}", "}}", "created"),
        ("image: 'db:1'", ", required: false}}", "running"),
        (f"image: 'db:1', {CHECK}", "}}", "running"),
    ],
    ids=["no check", "disabled", "none", "ended", "not required", "checked"],
)
def test_a_service_waits_in_vain_for_one_that_never_becomes_healthy(db: str, needs: str, left: str) -> None:
    """What it waits for runs, it and what waits for it are created and never started (source, Compose 2.26.1)."""
    text = f"  db: {{{db}}}\n  web: {{image: 'w:1', {NEEDS}{needs}}}\n  edge: {{image: 'e:1', depends_on: [web]}}"
    ended = "exited" if "one-shot" in db else "running"
    assert dict(up(text)) == {"db": ended, "web": left, "edge": left}


def test_one_that_is_scaled_to_nothing_is_not_waited_for() -> None:
    """Compose leaves it out of the waiting (shouldWaitForDependency)."""
    text = f"  db: {{image: 'db:1', scale: 0}}\n  web: {{image: 'w:1', {NEEDS}}}}}}}"
    assert up(text) == [("web", "running")]


@pytest.mark.parametrize(
    ("image", "left"), [("one-shot:1", "running"), ("crash:1", "created"), ("steady:1", "created")]
)
def test_a_service_waits_for_the_good_end_of_another(image: str, left: str) -> None:
    """One that ends well lets it start; for one that runs on, or falls again and again, it waits for good."""
    needs = "depends_on: {job: {condition: service_completed_successfully}}"
    text = f"  job: {{image: '{image}'}}\n  web: {{image: 'w:1', {needs}}}"
    assert dict(up(text))["web"] == left


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
