"""The run servers' proxy in the sandbox: which host name leads where, and when it does not."""

from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from ink_infra_mcp.sandbox.edge import build_edge
from ink_infra_mcp.sandbox.state import Fault, WorldState
from ink_infra_mcp.sandbox.state_coolify import Application, Server, ServerSettings, Service, ServicePart
from ink_infra_mcp.sandbox.state_hosts import Container
from ink_infra_mcp.sandbox.world import World
from tests.sandbox.pretend import SteppingTime, caller, pretend_world

pytestmark = pytest.mark.anyio
UUID = "hello0000000000000000000"
SERVICE = "service00000000000000000"
RULE = f"traefik.http.routers.https-0-{UUID}.rule"
Answer = tuple[int, str]


def edge_state(state: WorldState) -> None:
    """Put a proxy, an application and a service with two parts on muscle-1."""
    settings = ServerSettings()
    state.coolify.servers = [
        Server(id=1, uuid="one", name="muscle-1", ip="192.0.2.11", settings=settings),
        Server(id=2, uuid="two", name="muscle-2", ip="10.0.0.2", host="muscle-2", settings=settings),
    ]
    state.coolify.applications = [
        Application(
            id=1,
            uuid=UUID,
            environment_uuid="e",
            server_uuid="one",
            destination_uuid="d",
            columns={"name": "hello", "fqdn": "https://hello.s1.example.com,https://hi.s1.example.com"},
            settings={"is_force_https_enabled": False},
        )
    ]
    state.coolify.services = [
        Service(
            id=1,
            uuid=SERVICE,
            name="stack",
            environment_uuid="e",
            server_uuid="one",
            destination_uuid="d",
            docker_compose_raw="",
            parts=[
                ServicePart(id=1, uuid="p1", name="web", image="web", fqdn="http://web.s1.example.com:8080"),
                ServicePart(id=2, uuid="p2", name="api", image="api", fqdn="http://api.s1.example.com"),
            ],
        )
    ]
    state.hosts["muscle-1"].containers = [
        Container(id="p", name="coolify-proxy", image="traefik:v3.6"),
        Container(id="a", name=f"{UUID}-100", image="hello", labels={RULE: "Host(`hello.s1.example.com`)"}),
        Container(
            id="w", name=f"web-{SERVICE}", image="web", labels={"com.docker.compose.service": "web"}, health="healthy"
        ),
        Container(
            id="i", name=f"api-{SERVICE}", image="api", labels={"com.docker.compose.service": "api"}, health="starting"
        ),
    ]


@dataclass(frozen=True)
class Edge:
    """The edge of muscle-1 and the world behind it."""

    world: World
    api: httpx2.AsyncClient

    async def visit(self, host: str, *, scheme: str = "https") -> httpx2.Response:
        """Ask for the front page of a host name."""
        return await self.api.get(f"{scheme}://{host}/")


@pytest.fixture
async def edge(tmp_path: Path) -> AsyncGenerator[Edge]:
    """Serve the edge of muscle-1."""
    world = pretend_world(tmp_path, SteppingTime())
    with world.change() as state:
        edge_state(state)
    async with caller(build_edge(world, "muscle-1")) as api:
        yield Edge(world=world, api=api)


async def test_a_host_name_leads_to_the_app_that_runs_there(edge: Edge) -> None:
    """The answer names the app and its container; the part of a service answers for its own name, port or not."""
    answer = await edge.visit("hello.s1.example.com")
    assert (answer.status_code, answer.headers["x-sandbox-app"]) == (200, "hello")
    assert answer.json() == {"app": "hello", "host": "hello.s1.example.com", "container": f"{UUID}-100"}
    assert (await edge.visit("web.s1.example.com", scheme="http")).json()["container"] == f"web-{SERVICE}"


async def test_an_unknown_host_name_is_traefik_s_404(edge: Edge) -> None:
    """Neither another name nor an app of another server is routed here."""
    answer = await edge.visit("nobody.s1.example.com")
    assert (answer.status_code, answer.text) == (404, "404 page not found\n")
    with edge.world.change() as state:
        state.coolify.applications[0].server_uuid = "two"
    assert (await edge.visit("hello.s1.example.com")).status_code == 404


async def test_a_domain_set_after_the_deployment_is_not_routed_yet(edge: Edge) -> None:
    """Coolify knows hi.s1.example.com, but the container was started without that rule."""
    assert (await edge.visit("hi.s1.example.com")).status_code == 404


def _state(value: str) -> Callable[[Container], None]:
    def change(container: Container) -> None:
        container.state = value

    return change


def _unhealthy(container: Container) -> None:
    container.health = "unhealthy"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (_state("exited"), (503, "no available server\n")),
        (_unhealthy, (503, "no available server\n")),
        (_state("restarting"), (502, "Bad Gateway")),
    ],
)
async def test_a_container_that_cannot_serve_is_told_apart(
    edge: Edge, change: Callable[[Container], None], expected: Answer
) -> None:
    """Stopped and unhealthy ones leave no server, a crash loop is a bad gateway."""
    with edge.world.change() as state:
        change(state.hosts["muscle-1"].containers[1])
    answer = await edge.visit("hello.s1.example.com")
    assert (answer.status_code, answer.text) == expected


async def test_an_app_without_a_container_and_a_part_that_starts_have_no_server(edge: Edge) -> None:
    """Known to Coolify but not there, or there but not healthy yet: 503."""
    assert (await edge.visit("api.s1.example.com", scheme="http")).status_code == 503
    with edge.world.change() as state:
        del state.hosts["muscle-1"].containers[1]
    assert (await edge.visit("hello.s1.example.com")).status_code == 503


async def test_the_newest_running_container_answers_and_previews_do_not(edge: Edge) -> None:
    """During a rolling update the new container takes over; the container of a pull request never does."""
    with edge.world.change() as state:
        containers = state.hosts["muscle-1"].containers
        containers[1].created_at = 100.0
        containers.append(containers[1].model_copy(update={"name": f"{UUID}-200", "created_at": 200.0}))
        preview = {**containers[1].labels, "coolify.pullRequestId": "7"}
        containers.append(
            containers[1].model_copy(update={"name": f"{UUID}-pr-7", "labels": preview, "created_at": 300.0})
        )
    assert (await edge.visit("hello.s1.example.com")).json()["container"] == f"{UUID}-200"


async def test_plain_http_is_sent_to_https_when_the_app_forces_it(edge: Edge) -> None:
    """With is_force_https_enabled a plain request is redirected to the same place; HTTPS is served."""
    with edge.world.change() as state:
        state.coolify.applications[0].settings["is_force_https_enabled"] = True
    answer = await edge.api.get("http://hello.s1.example.com/path?x=1")
    assert (answer.status_code, answer.headers["location"]) == (302, "https://hello.s1.example.com/path?x=1")
    assert (await edge.api.post("http://hello.s1.example.com/")).status_code == 307
    assert (await edge.visit("hello.s1.example.com")).status_code == 200


async def test_compose_domains_are_read_from_json(edge: Edge) -> None:
    """An application of the compose kind has its domains by service, in JSON."""
    with edge.world.change() as state:
        app = state.coolify.applications[0]
        app.columns = {"name": "hello", "docker_compose_domains": '{"web": {"domain": "https://c.s1.example.com"}}'}
        state.hosts["muscle-1"].containers[1].labels = {}
    assert (await edge.visit("c.s1.example.com")).status_code == 200


async def test_scripted_trouble_hits_the_edge(edge: Edge) -> None:
    """A fault of the system edge answers for the app, by method, host name and path."""
    with edge.world.change() as state:
        state.faults.append(Fault(system="edge", match="GET hello.s1.example.com/", kind="status", status=500))
    assert (await edge.visit("hello.s1.example.com")).status_code == 500
