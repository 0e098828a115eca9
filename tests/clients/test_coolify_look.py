"""What Coolify answers is read into whole values, in every shape that it has for one thing."""

from datetime import UTC, datetime

import httpx2
import pytest
from pydantic import JsonValue

from ink_infra_mcp.clients.coolify.apps import Application, Service, ServicePart
from ink_infra_mcp.clients.coolify.buildlog import Deployment, LogLine
from ink_infra_mcp.clients.coolify.models import (
    Abilities,
    Environment,
    EnvVar,
    GithubApp,
    PrivateKey,
    Project,
    Resource,
    RollbackImage,
    RollbackImages,
    Server,
    ServerDomains,
)
from ink_infra_mcp.clients.coolify.status import Status
from ink_infra_mcp.core.errors import BadAnswer, Forbidden, InputError, NotFound, Rejected, Unavailable
from ink_infra_mcp.core.secret import Secret
from tests.clients.coolify_wire import APP, DEPLOYMENT, PROJECT, SERVER, SERVICE, coolify
from tests.clients.ordered import Call

pytestmark = pytest.mark.anyio

MISSING = "Missing required permissions"
STUB: JsonValue = {"message": "This endpoint has changed to a POST request."}
LISTED_SERVER: dict[str, JsonValue] = {
    "uuid": SERVER,
    "description": None,
    "name": "muscle-1",
    "ip": "192.0.2.11",
    "is_coolify_host": False,
    "is_reachable": True,
    "is_usable": True,
    "port": 22,
    "proxy": {"redirect_enabled": True},
    "settings": {"is_build_server": False, "concurrent_builds": 3, "deployment_queue_limit": 7},
    "user": "root",
}
DETAILED_SERVER: dict[str, JsonValue] = {
    "uuid": SERVER,
    "name": "muscle-1",
    "ip": "192.0.2.11",
    "port": 22,
    "user": "root",
    "is_validating": True,
    "validation_logs": "<b>checking</b>\x1b[0m",
    "proxy": {"type": "TRAEFIK", "status": "running"},
    "server_metadata": {"cpus": 8, "memory_bytes": 33_000_000_000},
    "settings": {
        "is_reachable": True,
        "is_usable": False,
        "is_build_server": None,
        "concurrent_builds": 2,
        "wildcard_domain": "https://s1.example.com",
    },
}


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "text/html; charset=UTF-8",
    ],
)
async def test_the_version_and_the_health_are_plain_text(content_type: str) -> None:
    """`/version` and `/health` hold bare text, whatever type they claim."""
    with coolify(
        Call("GET", "/version", text="4.3.10", content_type=content_type),
        Call("GET", "/health", text="OK", content_type=content_type),
    ) as it:
        assert (await it.look.era()).words == "Coolify 4.3.10 is supported."
        assert await it.look.healthy() is True


async def test_a_coolify_that_is_away_is_not_healthy() -> None:
    """A refused connection, a 500 and a proxy without a backend all mean: not healthy."""
    refused = [Call("GET", "/health", breaks=httpx2.ConnectError)] * 4
    crashed = Call("GET", "/health", status=500, text="<html></html>", content_type="text/html")
    no_backend = Call("GET", "/health", status=404, text="404 page not found\n", content_type="text/plain")
    starting = Call("GET", "/health", text="starting", content_type="text/plain")
    with coolify(*refused, crashed, no_backend, starting) as it:
        assert [await it.look.healthy() for _ in range(4)] == [False] * 4


async def test_an_empty_version_is_a_bad_answer() -> None:
    """A version without text is named as what it is."""
    blank = Call("GET", "/version", text="  ", content_type="text/plain")
    with coolify(blank) as it, pytest.raises(BadAnswer) as caught:
        await it.look.version()
    assert caught.value.failed == (
        "Coolify answered GET /version in a shape that is not known: a version was expected."
    )


async def test_servers_are_read_from_the_list_and_from_the_detail() -> None:
    """The list has its flags on top, the detail in `settings`; both become the same kind of value."""
    with coolify(
        Call("GET", "/servers", answer=[LISTED_SERVER]),
        Call("GET", f"/servers/{SERVER}", answer=DETAILED_SERVER),
    ) as it:
        assert await it.look.servers() == (
            Server(
                uuid=SERVER,
                name="muscle-1",
                ip="192.0.2.11",
                reachable=True,
                usable=True,
                concurrent_builds=3,
                deployment_queue_limit=7,
            ),
        )
        assert await it.look.server(SERVER) == Server(
            uuid=SERVER,
            name="muscle-1",
            ip="192.0.2.11",
            reachable=True,
            usable=False,
            wildcard_domain="https://s1.example.com",
            proxy_type="TRAEFIK",
            proxy_status="running",
            is_validating=True,
            untrusted_validation_logs="<b>checking</b>",
            cpus=8,
            memory_bytes=33_000_000_000,
        )


async def test_an_empty_php_array_in_place_of_an_object_is_no_trouble() -> None:
    """PHP writes an empty object as `[]`: the fields inside have their defaults."""
    with coolify(Call("GET", f"/servers/{SERVER}", answer={"uuid": SERVER, "proxy": [], "settings": []})) as it:
        assert await it.look.server(SERVER) == Server(uuid=SERVER)


async def test_what_a_server_holds_is_read() -> None:
    """Resources and domains of a server are whole values, and no `uuid` query is ever sent."""
    with coolify(
        Call(
            "GET",
            f"/servers/{SERVER}/resources",
            answer=[{"id": 7, "uuid": APP, "name": "shop", "type": "application", "status": "running:healthy"}],
        ),
        Call("GET", f"/servers/{SERVER}/domains", answer=[{"ip": "192.0.2.11", "domains": ["shop.example.com"]}]),
        Call("GET", "/resources", answer={"3": {"uuid": APP, "type": "application", "status": "exited"}}),
    ) as it:
        running = Status(state="running", health="healthy")
        assert await it.look.server_resources(SERVER) == (
            Resource(id=7, uuid=APP, name="shop", type="application", status=running),
        )
        assert await it.look.server_domains(SERVER) == (ServerDomains(ip="192.0.2.11", domains=("shop.example.com",)),)
        assert await it.look.resources() == (Resource(uuid=APP, type="application", status=Status(state="exited")),)


async def test_projects_and_their_environments_are_read() -> None:
    """The list has no environments; one project has them, with or without uuids."""
    with coolify(
        Call("GET", "/projects", answer=[{"id": 1, "uuid": PROJECT, "name": "apps", "description": None}]),
        Call(
            "GET",
            f"/projects/{PROJECT}",
            answer={"uuid": PROJECT, "name": "apps", "environments": [{"id": 4, "name": "production"}]},
        ),
    ) as it:
        assert await it.look.projects() == (Project(uuid=PROJECT, name="apps"),)
        assert await it.look.project(PROJECT) == Project(
            uuid=PROJECT, name="apps", environments=(Environment(id=4, name="production"),)
        )


async def test_an_application_is_read_whole() -> None:
    """Domains, status, server and settings come out of the places where Coolify keeps them."""
    answer: JsonValue = {
        "uuid": APP,
        "name": "shop",
        "description": None,
        "fqdn": "https://shop.example.com, https://www.shop.example.com,",
        "docker_compose_domains": '{"web": {"domain": "https://web.example.com"}, "db": {"domain": ""}}',
        "status": "running:unknown",
        "server_status": True,
        "destination": {"uuid": "n0network", "server": {"uuid": SERVER, "name": "muscle-1"}},
        "environment_id": 4,
        "build_pack": "nixpacks",
        "git_repository": "example/shop",
        "git_branch": "main",
        "git_commit_sha": "HEAD",
        "ports_exposes": "3000",
        "health_check_port": 3000,
        "health_check_enabled": False,
        "limits_memory": "512m",
        "limits_cpus": 0.5,
        "custom_docker_run_options": "--runtime=runsc",
        "created_at": "2026-01-02T03:04:05.000000Z",
        "last_online_at": "2026-01-02 03:04:05",
        "updated_at": "soon",
        "settings": {"is_auto_deploy_enabled": True, "custom_internal_name": None},
        "something_new": {"a": 1},
    }
    moment = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    with coolify(Call("GET", f"/applications/{APP}", answer=answer)) as it:
        app = await it.look.application(APP)
    assert app == Application(
        uuid=APP,
        name="shop",
        domains=("https://shop.example.com", "https://www.shop.example.com"),
        compose_domains={"web": ("https://web.example.com",)},
        status=Status(state="running", health="unknown"),
        server_functional=True,
        server_uuid=SERVER,
        environment_id=4,
        build_pack="nixpacks",
        git_repository="example/shop",
        git_branch="main",
        ports_exposes="3000",
        health_check_port="3000",
        limits_memory="512m",
        limits_cpus="0.5",
        custom_docker_run_options="--runtime=runsc",
        created_at=moment,
        last_online_at=moment,
        is_auto_deploy_enabled=True,
    )
    assert (app.state, app.health, app.urls) == (
        "running",
        "unknown",
        ("https://shop.example.com", "https://www.shop.example.com", "https://web.example.com"),
    )


async def test_a_list_that_came_as_an_object_is_the_same_list() -> None:
    """PHP keeps the gaps of a list as keys: objects and lists of apps and deployments read alike."""
    row: JsonValue = {"uuid": APP, "name": "shop"}
    running: JsonValue = {"deployment_uuid": DEPLOYMENT, "status": "queued"}
    with coolify(
        Call("GET", "/applications", answer=[row]),
        Call("GET", "/applications", answer={"0": row}),
        Call("GET", "/deployments", answer=[running]),
        Call("GET", "/deployments", answer={"2": running}),
        Call("GET", "/deployments", answer={}),
        Call("GET", "/deployments", answer=[]),
    ) as it:
        assert [await it.look.applications() for _ in range(2)] == [(Application(uuid=APP, name="shop"),)] * 2
        waiting = (Deployment(uuid=DEPLOYMENT, status="queued"),)
        assert [await it.look.running_deployments() for _ in range(4)] == [waiting, waiting, (), ()]


async def test_services_are_read_with_their_containers() -> None:
    """A service has its status with the mark of exclusion, its server, and the URLs of its containers."""
    part: JsonValue = {"uuid": "web0web0", "name": "web", "image": "nginx:1", "fqdn": "https://a.example.com,"}
    with coolify(
        Call("GET", "/services", answer=[{"uuid": SERVICE, "name": "blog", "status": "running:healthy:excluded"}]),
        Call(
            "GET",
            f"/services/{SERVICE}",
            answer={"uuid": SERVICE, "server": {"uuid": SERVER}, "applications": [part], "databases": []},
        ),
    ) as it:
        assert await it.look.services() == (
            Service(uuid=SERVICE, name="blog", status=Status(state="running", health="healthy", excluded=True)),
        )
        service = await it.look.service(SERVICE)
    web = ServicePart(uuid="web0web0", name="web", image="nginx:1", domains=("https://a.example.com",))
    assert service == Service(uuid=SERVICE, server_uuid=SERVER, applications=(web,))
    assert service.urls == ("https://a.example.com",)


async def test_variables_hide_their_values() -> None:
    """Values are secrets where the token sees them, None where not; nothing of them is in any text."""
    with coolify(
        Call(
            "GET",
            f"/applications/{APP}/envs",
            answer=[
                {"uuid": "e1e1e1e1", "key": "KEY", "value": "s3cr3t", "real_value": "s3cr3t", "is_literal": True},
                {"uuid": "e2e2e2e2", "key": "KEY", "is_preview": True, "is_buildtime": None, "comment": None},
            ],
        ),
        Call("GET", f"/services/{SERVICE}/envs", answer=[]),
    ) as it:
        seen = await it.look.envs(APP)
        assert await it.look.service_envs(SERVICE) == ()
    assert seen == (
        EnvVar(uuid="e1e1e1e1", key="KEY", value=Secret("s3cr3t"), is_literal=True),
        EnvVar(uuid="e2e2e2e2", key="KEY", is_preview=True, is_buildtime=False),
    )
    assert "s3cr3t" not in f"{seen!r} {seen[0].model_dump_json()}"


async def test_a_deployment_is_read_with_and_without_its_log() -> None:
    """The log is parsed out of its text; without the right to it, there is None, not an empty log."""
    log = (
        '[{"command": null, "output": "Cloning.\\u001b[0m", "type": "stdout", "timestamp": "2026-01-02T03:04:05Z",'
        ' "hidden": false, "batch": 1, "order": 1}, {"output": "npm ci", "hidden": true, "type": "stderr", "order": 2}]'
    )
    base: dict[str, JsonValue] = {
        "deployment_uuid": DEPLOYMENT,
        "status": "finished",
        "commit": "abc123",
        "application": {"uuid": APP, "name": "shop"},
        "application_id": "7",
        "pull_request_id": 0,
        "force_rebuild": True,
        "finished_at": "2026-01-02T03:04:05.000000Z",
    }
    with coolify(
        Call("GET", f"/deployments/{DEPLOYMENT}", answer={**base, "logs": log}),
        Call("GET", f"/deployments/{DEPLOYMENT}", answer=base),
        Call(
            "GET",
            f"/deployments/applications/{APP}?skip=0&take=2",
            answer={"count": 9, "deployments": [{**base, "logs": None}]},
        ),
    ) as it:
        moment = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
        dark = Deployment(
            uuid=DEPLOYMENT,
            status="finished",
            commit="abc123",
            application_uuid=APP,
            pull_request_id=0,
            force_rebuild=True,
            finished_at=moment,
        )
        lines = (
            LogLine(untrusted_text="Cloning.", order=1, timestamp=moment),
            LogLine(untrusted_text="npm ci", stream="stderr", hidden=True, order=2),
        )
        assert await it.look.deployment(DEPLOYMENT) == dark.model_copy(update={"lines": lines})
        assert await it.look.deployment(DEPLOYMENT) == dark
        assert await it.look.deployments_of(APP, take=2) == (dark.model_copy(update={"lines": ()}),)


async def test_container_logs_are_cleaned_and_asked_for_within_bounds() -> None:
    """The number of lines stays between 1 and 10,000, and control characters are gone."""
    with coolify(
        Call("GET", f"/applications/{APP}/logs?lines=1", answer={"logs": "a\x1b[31m\nb\u202e"}),
        Call("GET", f"/applications/{APP}/logs?lines=10000", answer={"logs": None}),
        Call("GET", f"/applications/{APP}/logs?lines=5", answer={"logs": ["a"]}),
        Call("GET", f"/applications/{APP}/logs?lines=5", status=400, answer={"message": "Application is not running."}),
    ) as it:
        assert await it.look.app_logs(APP, lines=0) == "a\nb<U+202E>"
        assert await it.look.app_logs(APP, lines=99_999) == ""
        with pytest.raises(BadAnswer, match="field logs has another type"):
            await it.look.app_logs(APP, lines=5)
        with pytest.raises(Rejected) as caught:
            await it.look.app_logs(APP, lines=5)
    assert caught.value.vendor_code == "not_running"


async def test_rollback_images_keys_and_github_apps_are_read() -> None:
    """Images to go back to, keys without their private half, and GitHub Apps are whole values."""
    images: JsonValue = {"current": None, "images": [{"tag": "abc", "created_at": "2026-01-02", "is_current": False}]}
    key: JsonValue = {"uuid": "k0k0k0k0", "name": "muscles", "public_key": "ssh-ed25519 AAAA", "private_key": "PEM"}
    app: JsonValue = {"id": 0, "uuid": "g0g0g0g0", "name": "Public GitHub", "app_id": None, "is_public": True}
    with coolify(
        Call("GET", f"/applications/{APP}/rollback-images", answer=images),
        Call("GET", "/security/keys", answer=[key]),
        Call("GET", "/github-apps", answer=[app]),
    ) as it:
        assert await it.look.rollback_images(APP) == RollbackImages(
            images=(RollbackImage(tag="abc", created_at="2026-01-02"),)
        )
        keys = await it.look.private_keys()
        assert keys == (PrivateKey(uuid="k0k0k0k0", name="muscles", public_key="ssh-ed25519 AAAA"),)
        assert "PEM" not in repr(keys)
        assert await it.look.github_apps() == (GithubApp(uuid="g0g0g0g0", name="Public GitHub", is_public=True),)


WRONG_SHAPES: tuple[tuple[JsonValue, str], ...] = (
    ({"message": "odd"}, "item 0 is text, not an object"),
    ([[]], "item 0 is a list, not an object"),
    ("text", "a list was expected, text came"),
    (None, "a list was expected, nothing came"),
    ([{"name": "shop"}], "Application field uuid is missing"),
    ([{"uuid": 7}], "Application field uuid has another type"),
    ([{"uuid": APP, "fqdn": {"a": 1}}], "Application field fqdn has another type"),
    ([{"uuid": APP, "settings": {"is_auto_deploy_enabled": "hm"}}], "settings.is_auto_deploy_enabled has another"),
)


@pytest.mark.parametrize(("answer", "what"), WRONG_SHAPES)
async def test_a_wrong_shape_names_path_and_field_and_no_value(answer: JsonValue, what: str) -> None:
    """An answer of another shape is a BadAnswer in our words."""
    with coolify(Call("GET", "/applications", answer=answer)) as it, pytest.raises(BadAnswer) as caught:
        await it.look.applications()
    assert caught.value.failed.startswith("Coolify answered GET /applications in a shape that is not known: ")
    assert what in caught.value.failed
    assert "pydantic" not in str(caught.value)


@pytest.mark.parametrize("uuid", ["", "..", "a/b", "a?uuid=b", "a b", "x" * 65, "-x", "é"])
async def test_what_is_no_uuid_never_reaches_the_wire(uuid: str) -> None:
    """A text that could reach another endpoint is refused before any call."""
    with coolify() as it, pytest.raises(InputError):
        await it.look.application(uuid)


async def test_a_missing_app_is_not_found_but_a_missing_endpoint_or_coolify_is_not() -> None:
    """Only Coolify's own word proves that something is gone: no catch-all and no proxy can."""
    gone = Call("GET", f"/applications/{APP}", status=404, answer={"message": "Application not found."})
    endpoint = Call("GET", f"/applications/{APP}", status=404, answer={"message": "Not found.", "docs": "x"})
    proxy = Call("GET", f"/applications/{APP}", status=404, text="404 page not found\n", content_type="text/plain")
    with coolify(gone, endpoint, proxy) as it:
        for kind in (NotFound, Rejected, Unavailable):
            with pytest.raises(kind):
                await it.look.application(APP)


@pytest.mark.parametrize(
    ("calls", "abilities"),
    [
        (
            (Call("GET", "/servers", status=403, answer={"message": f"{MISSING}: read"}),),
            Abilities(read="no", read_sensitive="no", write="unknown", deploy="unknown"),
        ),
        (
            (
                Call("GET", "/servers", answer=[{"uuid": SERVER, "settings": {"is_usable": True}}]),
                Call("GET", "/version", text="4.0.0-beta.463", content_type="text/plain"),
            ),
            Abilities(read="yes", read_sensitive="no", write="unknown", deploy="unknown"),
        ),
        (
            (
                Call("GET", "/servers", answer=[{"uuid": SERVER, "settings": {"sentinel_token": None}}]),
                Call("GET", "/version", text="4.3.10", content_type="text/plain"),
                Call("GET", "/servers/none/validate", status=405, answer=STUB),
                Call(
                    "GET",
                    "/applications/none/start",
                    status=403,
                    answer={"message": "Missing required permissions: deploy"},
                ),
            ),
            Abilities(read="yes", read_sensitive="yes", write="yes", deploy="no"),
        ),
        (
            (
                Call("GET", "/servers", answer=[]),
                Call("GET", "/version", text="4.3.10", content_type="text/plain"),
                Call("GET", "/servers/none/validate", status=404, answer={"message": "Not found.", "docs": "x"}),
                Call("GET", "/applications/none/start", answer={}),
            ),
            Abilities(read="yes", read_sensitive="unknown", write="unknown", deploy="unknown"),
        ),
    ],
)
async def test_abilities_are_found_by_reading_alone(calls: tuple[Call, ...], abilities: Abilities) -> None:
    """The token's abilities come from GETs; old versions, where a GET could act, are asked nothing."""
    with coolify(*calls) as it:
        assert await it.look.abilities() == abilities


async def test_a_closed_api_is_no_missing_ability() -> None:
    """When Coolify answers nobody, the question of abilities has no answer."""
    closed = Call("GET", "/servers", status=403, answer={"success": True, "message": "API is disabled."})
    with coolify(closed) as it, pytest.raises(Forbidden) as caught:
        await it.look.abilities()
    assert caught.value.vendor_code == "api_disabled"
