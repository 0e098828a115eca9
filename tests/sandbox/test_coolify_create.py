"""How applications come into the pretend Coolify, and what it says to a wrong request."""

import base64
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import JsonValue

from ink_infra_mcp.sandbox.seed import ENVIRONMENT, GITHUB_APP, PROJECT, SERVERS, SHOP
from ink_infra_mcp.sandbox.state import WorldState
from ink_infra_mcp.sandbox.state_coolify import Destination
from tests.sandbox.worlds import PretendCoolify, fields, items, pretend_coolify

pytestmark = pytest.mark.anyio

PLACE: dict[str, JsonValue] = {
    "project_uuid": PROJECT,
    "environment_name": "production",
    "server_uuid": SERVERS["muscle-1"],
}
GIT: dict[str, JsonValue] = {
    **PLACE,
    "git_repository": "https://github.com/example/hello",
    "git_branch": "main",
    "build_pack": "nixpacks",
    "ports_exposes": "3000",
}
IMAGE: dict[str, JsonValue] = {
    **PLACE,
    "docker_registry_image_name": "registry.example.com/docs",
    "ports_exposes": "80",
}
DOCKERFILE = base64.b64encode(b"FROM nginx\nEXPOSE 8080\n").decode()


def errors(reply: tuple[int, JsonValue]) -> JsonValue:
    """Return the errors of a 422."""
    status, answer = reply
    assert (status, fields(answer)["message"]) == (422, "Validation failed.")
    return fields(answer)["errors"]


async def test_a_public_repository_becomes_an_application(tmp_path: Path) -> None:
    """201 with uuid and domains; GitHub addresses are shortened; without domains one is made up under the wildcard."""
    async with pretend_coolify(tmp_path) as coolify:
        status, answer = await coolify.ask("POST", "/applications/public", GIT)
        uuid = str(fields(answer)["uuid"])
        url = f"https://{uuid}.s1.example.com"
        assert (status, answer) == (201, {"uuid": uuid, "domains": url})
        row = await coolify.row(f"/applications/{uuid}")
        assert (row["git_repository"], row["fqdn"], row["status"]) == ("example/hello", url, "exited:unhealthy")
        assert str(row["name"]).startswith("hello:main-")
        assert fields(fields(row["destination"])["server"])["uuid"] == SERVERS["muscle-1"]


async def test_without_a_wildcard_the_domain_is_the_address_at_sslip_io(tmp_path: Path) -> None:
    """And `autogenerate_domain: false` leaves it out."""

    def no_wildcard(state: WorldState) -> None:
        state.coolify.servers[1].settings.wildcard_domain = None

    async with pretend_coolify(tmp_path, no_wildcard) as coolify:
        _, made = await coolify.ask("POST", "/applications/public", GIT)
        assert fields(made)["domains"] == f"http://{fields(made)['uuid']}.192.0.2.11.sslip.io"
        _, bare = await coolify.ask("POST", "/applications/public", {**GIT, "autogenerate_domain": False})
        assert fields(bare)["domains"] is None


async def test_nixpacks_brings_a_variable_and_its_preview_copy(tmp_path: Path) -> None:
    """NIXPACKS_NODE_VERSION is there from the beginning, twice."""
    async with pretend_coolify(tmp_path) as coolify:
        uuid = await coolify.made("/applications/public", GIT)
        envs = coolify.app(uuid).envs
        assert [(var.key, var.value, var.is_preview) for var in envs] == [
            ("NIXPACKS_NODE_VERSION", "22", False),
            ("NIXPACKS_NODE_VERSION", "22", True),
        ]


async def test_every_unknown_field_is_refused(tmp_path: Path) -> None:
    """A query parameter counts as a field too."""
    async with pretend_coolify(tmp_path) as coolify:
        reply = await coolify.ask("POST", "/applications/public", {**GIT, "runtime": "runsc"}, query={"dry": 1})
        assert errors(reply) == {"dry": ["This field is not allowed."], "runtime": ["This field is not allowed."]}


async def test_missing_fields_are_worded_differently_by_way_of_creation(tmp_path: Path) -> None:
    """Git ways use Laravel's own words, the others Coolify's."""
    async with pretend_coolify(tmp_path) as coolify:
        git = await coolify.ask("POST", "/applications/public", {**PLACE, "git_branch": "main"})
        image = await coolify.ask("POST", "/applications/dockerimage", PLACE)
        assert errors(git) == {
            "git_repository": ["The git repository field is required."],
            "build_pack": ["The build pack field is required."],
        }
        assert errors(image) == {"docker_registry_image_name": ["This field is required."]}


@pytest.mark.parametrize(
    ("change", "errors_"),
    [
        ({"limits_memory": 512}, {"limits_memory": ["The limits memory field must be a string."]}),
        ({"ports_exposes": "http"}, {"ports_exposes": ["The ports exposes field format is invalid."]}),
        ({"build_pack": "make"}, {"build_pack": ["The selected build pack is invalid."]}),
        (
            {"health_check_enabled": "yes"},
            {"health_check_enabled": ["The health check enabled field must be true or false."]},
        ),
        (
            {"git_repository": "https://localhost/x"},
            {"git_repository": ["The git repository cannot point to internal hosts."]},
        ),
        (
            {"custom_docker_run_options": "--init; rm -rf /"},
            {"custom_docker_run_options": ["The custom docker run options field format is invalid."]},
        ),
        (
            {"docker_images_to_keep": 101},
            {"docker_images_to_keep": ["The docker images to keep field must not be greater than 100."]},
        ),
        (
            {"ports_mappings": "80:80,80:81"},
            {"ports_mappings": "The first number before : should be unique between mappings."},
        ),
        ({"custom_labels": "plain"}, {"custom_labels": "The custom_labels should be base64 encoded."}),
        ({"domains": "shop.example.com"}, {"domains": ["Invalid URL: shop.example.com"]}),
        (
            {"is_raw_compose_deployment_enabled": True},
            {
                "is_raw_compose_deployment_enabled": "Raw compose deployment can only be enabled for Docker Compose applications."
            },
        ),
    ],
)
async def test_errors_are_lists_or_texts(tmp_path: Path, change: dict[str, JsonValue], errors_: JsonValue) -> None:
    """The rules give lists of texts, hand-made checks a text alone."""
    async with pretend_coolify(tmp_path) as coolify:
        assert errors(await coolify.ask("POST", "/applications/public", {**GIT, **change})) == errors_


@pytest.mark.parametrize(
    ("change", "reply"),
    [
        (
            {"environment_name": None},
            (422, "You need to provide at least one of environment_name or environment_uuid."),
        ),
        ({"environment_name": "staging"}, (404, "Environment not found.")),
        ({"project_uuid": "nope"}, (404, "Project not found.")),
        ({"server_uuid": "nope"}, (404, "Server not found.")),
    ],
)
async def test_a_place_that_is_not_there(tmp_path: Path, change: dict[str, JsonValue], reply: tuple[int, str]) -> None:
    """The first thing that is missing is named."""
    async with pretend_coolify(tmp_path) as coolify:
        status, answer = await coolify.ask("POST", "/applications/public", {**GIT, **change})
        assert (status, fields(answer)["message"]) == reply


async def test_a_server_with_two_networks_asks_which(tmp_path: Path) -> None:
    """400 without one; with just one network the question is not even read."""

    def second(state: WorldState) -> None:
        state.coolify.servers[1].destinations.append(Destination(id=50, uuid="other", network="other"))

    async with pretend_coolify(tmp_path, second) as coolify:
        status, answer = await coolify.ask("POST", "/applications/public", GIT)
        assert (status, fields(answer)["message"]) == (
            400,
            "Server has multiple destinations and you do not set destination_uuid.",
        )
        await coolify.made("/applications/public", {**GIT, "destination_uuid": "other"})
        await coolify.made("/applications/public", {**GIT, "server_uuid": SERVERS["muscle-2"], "destination_uuid": "x"})


async def test_a_build_server_hosts_nothing(tmp_path: Path) -> None:
    """422, as a list for once."""

    def build_server(state: WorldState) -> None:
        state.coolify.servers[2].settings.is_build_server = True

    async with pretend_coolify(tmp_path, build_server) as coolify:
        reply = await coolify.ask("POST", "/applications/public", {**GIT, "server_uuid": SERVERS["muscle-2"]})
        assert errors(reply) == {
            "server_uuid": ["The specified server is configured as a build server and cannot host resources."]
        }


async def test_a_taken_domain_is_409_on_whatever_server_it_is(tmp_path: Path) -> None:
    """The conflict is listed; another scheme is no conflict; `force_domain_override` goes through."""
    wanted = {**GIT, "domains": "https://docs.s2.example.com/"}
    async with pretend_coolify(tmp_path) as coolify:
        status, answer = await coolify.ask("POST", "/applications/public", wanted)
        conflict = items(fields(answer)["conflicts"])[0]
        assert (status, conflict["domain"], conflict["resource_name"], conflict["resource_type"]) == (
            409,
            "https://docs.s2.example.com",
            "docs",
            "application",
        )
        await coolify.made("/applications/public", {**wanted, "force_domain_override": True})
        await coolify.made("/applications/public", {**GIT, "domains": "http://docs.s2.example.com"})


async def test_an_inline_dockerfile_always_gets_port_80(tmp_path: Path) -> None:
    """The port in the request is overwritten, and EXPOSE is looked for in the base64 text."""
    body = {**PLACE, "dockerfile": DOCKERFILE, "ports_exposes": "8080"}
    async with pretend_coolify(tmp_path) as coolify:
        uuid = await coolify.made("/applications/dockerfile", body)
        row = await coolify.row(f"/applications/{uuid}")
        assert (row["ports_exposes"], row["build_pack"], row["dockerfile"]) == (
            "80",
            "dockerfile",
            "FROM nginx\nEXPOSE 8080\n",
        )
        plain = await coolify.ask("POST", "/applications/dockerfile", {**PLACE, "dockerfile": "FROM nginx"})
        assert errors(plain) == {"dockerfile": "The dockerfile should be base64 encoded."}


@pytest.mark.parametrize(
    ("name", "tag", "stored"),
    [
        ("registry.example.com/docs", "1.5", ("registry.example.com/docs", "1.5")),
        ("registry.example.com/docs:1.6", None, ("registry.example.com/docs", "1.6")),
        ("nginx", None, ("nginx", "latest")),
        (f"nginx@sha256:{'a' * 64}", None, ("nginx@sha256", "a" * 64)),
    ],
)
async def test_an_image_reference_is_taken_apart(
    tmp_path: Path, name: str, tag: str | None, stored: tuple[str, str]
) -> None:
    """Tags may come with the name, digests too."""
    body: dict[str, JsonValue] = {**IMAGE, "docker_registry_image_name": name}
    async with pretend_coolify(tmp_path) as coolify:
        uuid = await coolify.made(
            "/applications/dockerimage", body | ({"docker_registry_image_tag": tag} if tag else {})
        )
        row = await coolify.row(f"/applications/{uuid}")
        assert (row["docker_registry_image_name"], row["docker_registry_image_tag"]) == stored


async def test_a_github_app_must_be_able_to_read_the_repository(tmp_path: Path) -> None:
    """Coolify asks GitHub while it creates."""
    wanted: dict[str, JsonValue] = {**GIT, "git_repository": "example/private-api", "github_app_uuid": GITHUB_APP}
    path = "/applications/private-github-app"
    async with pretend_coolify(tmp_path) as coolify:
        assert (await coolify.row(f"/applications/{await coolify.made(path, wanted)}"))["git_repository"] == (
            "example/private-api"
        )
        unreadable = await coolify.ask("POST", path, {**wanted, "git_repository": "example/none"})
        unknown = await coolify.ask("POST", path, {**wanted, "github_app_uuid": "nope"})
        assert unreadable == (404, {"message": "Repository not found or not accessible by the GitHub App."})
        assert unknown == (404, {"message": "Github App not found."})


async def test_instant_deploy_deploys_without_saying_so(tmp_path: Path) -> None:
    """The answer has no deployment; it is there all the same, whatever else runs."""
    async with pretend_coolify(tmp_path) as coolify:
        status, answer = await coolify.ask("POST", "/applications/public", {**GIT, "instant_deploy": True})
        uuid = str(fields(answer)["uuid"])
        assert (status, sorted(fields(answer))) == (201, ["domains", "uuid"])
        deployments = await coolify.row(f"/deployments/applications/{uuid}")
        assert [d["status"] for d in items(deployments["deployments"])] == ["in_progress"]


async def test_a_full_queue_is_not_noticed_when_an_application_is_made(tmp_path: Path) -> None:
    """201, and no deployment at all."""

    def full(state: WorldState) -> None:
        state.coolify.servers[1].settings.deployment_queue_limit = 0

    async with pretend_coolify(tmp_path, full) as coolify:
        uuid = await coolify.made("/applications/public", {**GIT, "instant_deploy": True})
        assert await coolify.row(f"/deployments/applications/{uuid}") == {"count": 0, "deployments": []}


def compose_repo(state: WorldState) -> None:
    """Put a compose file into the public repository."""
    text = "services:\n  web:\n    image: nginx\n    runtime: runsc\n    volumes: ['data:/data']\n  db:\n    image: redis\n"
    state.github.repos["example/hello"].files["docker-compose.yaml"] = text


async def compose_app(coolify: PretendCoolify) -> str:
    """Make a compose application from the public repository."""
    return await coolify.made("/applications/public", {**GIT, "build_pack": "dockercompose"})


async def test_a_compose_file_is_loaded_some_time_after_creation(tmp_path: Path) -> None:
    """Until then its domains cannot be set; unknown services are left out; `domains` is refused for ever."""
    domains = {"docker_compose_domains": [{"name": n, "domain": f"https://{n}.example.com"} for n in ("web", "none")]}
    async with pretend_coolify(tmp_path, compose_repo) as coolify:
        uuid = await compose_app(coolify)
        path = f"/applications/{uuid}"
        early = await coolify.ask("PATCH", path, domains)
        coolify.clock.advance(4)
        assert await coolify.ask("PATCH", path, domains) == (200, {"uuid": uuid})
        refused = await coolify.ask("PATCH", path, {"domains": "https://x.example.com"})
        assert "without docker_compose_raw" in str(errors(early))
        assert "cannot be used for dockercompose" in str(errors(refused))
        assert (await coolify.row(path))["docker_compose_domains"] == '{"web": {"domain": "https://web.example.com"}}'


def no_proxy(state: WorldState) -> None:
    """Take the proxy away from the first Muscle."""
    state.coolify.servers[1].proxy_type = "NONE"


@pytest.mark.parametrize(
    ("arrange", "fqdn"), [(None, "https://new.example.com"), (no_proxy, "https://shop.s1.example.com")]
)
async def test_a_change_of_domains_is_ignored_without_a_proxy(
    tmp_path: Path, arrange: Callable[[WorldState], None] | None, fqdn: str
) -> None:
    """200 both times."""
    async with pretend_coolify(tmp_path, arrange) as coolify:
        reply = await coolify.ask("PATCH", f"/applications/{SHOP}", {"domains": "https://new.example.com"})
        assert (reply, (await coolify.row(f"/applications/{SHOP}"))["fqdn"]) == ((200, {"uuid": SHOP}), fqdn)


async def test_wrong_domains_make_errors_a_bare_list_in_a_change(tmp_path: Path) -> None:
    """Its own domain is no conflict, another's is."""
    async with pretend_coolify(tmp_path) as coolify:
        path = f"/applications/{SHOP}"
        wrong = await coolify.ask("PATCH", path, {"domains": "ftp://x.example.com"})
        own = await coolify.ask("PATCH", path, {"domains": "https://shop.s1.example.com"})
        taken = await coolify.ask("PATCH", path, {"domains": "https://legacy.s1.example.com"})
        assert errors(wrong) == ["Invalid URL: ftp://x.example.com"]
        assert (own[0], taken[0]) == (200, 409)


@pytest.mark.parametrize(
    "field", ["project_uuid", "server_uuid", "environment_name", "destination_uuid", "dockerfile", "docker_compose_raw"]
)
async def test_some_fields_can_never_be_changed(tmp_path: Path, field: str) -> None:
    """Where an application lives, and its inline files."""
    async with pretend_coolify(tmp_path) as coolify:
        reply = await coolify.ask("PATCH", f"/applications/{SHOP}", {field: "x"})
        assert errors(reply) == {field: ["This field is not allowed."]}


async def test_a_change_takes_columns_and_settings_alike(tmp_path: Path) -> None:
    """And basic auth only with a name and a password."""
    async with pretend_coolify(tmp_path) as coolify:
        path = f"/applications/{SHOP}"
        body = {
            "limits_memory": "1g",
            "is_auto_deploy_enabled": False,
            "use_build_server": True,
            "health_check_port": 81,
        }
        assert await coolify.ask("PATCH", path, body) == (200, {"uuid": SHOP})
        row = await coolify.row(path)
        settings = fields(row["settings"])
        assert (row["limits_memory"], row["health_check_port"]) == ("1g", 81)
        assert (settings["is_auto_deploy_enabled"], settings["is_build_server_enabled"]) == (False, True)
        auth = await coolify.ask("PATCH", path, {"is_http_basic_auth_enabled": True, "http_basic_auth_username": "me"})
        assert errors(auth) == {"http_basic_auth_password": "The http_basic_auth_password is required."}


async def test_an_application_that_is_not_there_is_worded_in_two_ways(tmp_path: Path) -> None:
    """With a full stop or without one, by route."""
    async with pretend_coolify(tmp_path) as coolify:
        body = {"name": "x"}
        asked = [("GET", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/start"), ("GET", "/envs"), ("GET", "/storages")]
        replies = [await coolify.ask(m, f"/applications/none{p}", body if m == "PATCH" else None) for m, p in asked]
        stops = [str(fields(answer)["message"]) for _, answer in replies]
        assert {status for status, _ in replies} == {404}
        assert stops == [f"Application not found{end}" for end in (".", "", "", ".", "", "")]


@pytest.mark.parametrize(("query", "left"), [({}, []), ({"delete_volumes": "false"}, [f"{SHOP}_data"])])
async def test_a_deletion_takes_a_while_and_the_volumes_unless_told(
    tmp_path: Path, query: dict[str, str], left: list[str]
) -> None:
    """200 at once, the application is still there; then container, volume and row are gone, and GET says 404."""

    def volume(state: WorldState) -> None:
        host = state.hosts["muscle-1"]
        host.volumes.append(f"{SHOP}_data")
        next(c for c in host.containers if SHOP in c.name).volumes.append(f"{SHOP}_data")

    async with pretend_coolify(tmp_path, volume) as coolify:
        path = f"/applications/{SHOP}"
        deleted = await coolify.ask("DELETE", path, query=query)
        assert deleted == (200, {"message": "Application deletion request queued."})
        assert (await coolify.ask("GET", path))[0] == 200
        coolify.clock.advance(5)
        assert (await coolify.ask("GET", path))[0] == 404
        assert coolify.containers("muscle-1", SHOP) == []
        assert coolify.state().hosts["muscle-1"].volumes == left


async def test_secrets_of_an_application_need_the_right_to_see_them(tmp_path: Path) -> None:
    """Labels, files and webhook secrets are hidden from a plain reader."""

    def reader(state: WorldState) -> None:
        state.coolify.tokens[1].abilities = ["read"]

    async with (
        pretend_coolify(tmp_path, reader) as coolify,
        pretend_coolify(tmp_path, token="2|" + "sandboxCoolifyRead" + "0" * 22) as plain,
    ):
        secret = {"custom_labels", "dockerfile", "docker_compose_raw", "manual_webhook_secret_github"}
        assert secret <= (await coolify.row(f"/applications/{SHOP}")).keys()
        assert not secret & (await plain.row(f"/applications/{SHOP}")).keys()


async def test_the_environment_may_be_named_by_its_uuid(tmp_path: Path) -> None:
    """Either name or uuid will do."""
    body = {**GIT, "environment_name": None, "environment_uuid": ENVIRONMENT}
    async with pretend_coolify(tmp_path) as coolify:
        assert coolify.app(await coolify.made("/applications/public", body)).environment_uuid == ENVIRONMENT
