"""How applications come into the pretend Coolify, and what it says to a wrong request."""

import base64
from pathlib import Path

import pytest
from pydantic import JsonValue

from ink_infra_mcp.sandbox.seed import ENVIRONMENT, GITHUB_APP, PROJECT, SERVERS
from ink_infra_mcp.sandbox.state import WorldState
from ink_infra_mcp.sandbox.state_coolify import Destination
from tests.sandbox.worlds import fields, items, pretend_coolify

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
NOT_BASE64 = "The custom_nginx_configuration should be base64 encoded."
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
            {"git_repository": "https://192.0.2.1/x"},
            {"git_repository": ["The git repository cannot use IP addresses."]},
        ),
        ({"custom_nginx_configuration": "plain"}, {"custom_nginx_configuration": NOT_BASE64}),
        ({"tags": ["ok", "x"]}, {"tags.1": ["The tags.1 field must be at least 2 characters."]}),
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
                "is_raw_compose_deployment_enabled": (
                    "Raw compose deployment can only be enabled for Docker Compose applications."
                )
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
    ("path", "body", "applied"),
    [
        ("dockerfile", {**PLACE, "dockerfile": DOCKERFILE}, False),
        ("dockerimage", IMAGE, False),
        ("public", GIT, True),
    ],
)
async def test_settings_that_are_for_git_are_lost_elsewhere(
    tmp_path: Path, path: str, body: dict[str, JsonValue], applied: bool
) -> None:
    """They are taken without a word; those that every way applies are kept."""
    async with pretend_coolify(tmp_path) as coolify:
        wanted = {"is_spa": True, "is_auto_deploy_enabled": False, "is_force_https_enabled": False}
        uuid = await coolify.made(f"/applications/{path}", {**body, **wanted})
        settings = fields((await coolify.row(f"/applications/{uuid}"))["settings"])
        assert (settings["is_spa"], settings["is_auto_deploy_enabled"]) == (applied, not applied)
        assert settings["is_force_https_enabled"] is False


async def test_an_address_that_is_not_for_git_is_refused_with_a_deploy_key_too(tmp_path: Path) -> None:
    """Only https, http, git and git@ addresses pass: ssh:// does not."""
    key: dict[str, JsonValue] = {"private_key_uuid": "nokey"}
    async with pretend_coolify(tmp_path) as coolify:
        body = {**GIT, **key, "git_repository": "ssh://git@git.example.com:2222/x.git"}
        said = errors(await coolify.ask("POST", "/applications/private-deploy-key", body))
        assert said == {"git_repository": ["The git repository must start with https://, http://, git://, or git@."]}


async def test_only_what_is_at_github_has_a_source(tmp_path: Path) -> None:
    """The public source has the number 0; the address of another host is kept whole."""
    async with pretend_coolify(tmp_path) as coolify:
        other = "https://git.example.com/group/x.git"
        rows = [
            await coolify.row(f"/applications/{await coolify.made('/applications/public', body)}")
            for body in (GIT, {**GIT, "git_repository": other})
        ]
        assert [(row["source_id"], row["git_repository"]) for row in rows] == [(0, "example/hello"), (None, other)]


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (
            f"nginx:sha256:{'a' * 64}",
            "must use @ before sha256 digest (e.g., image@sha256:hash, not image:sha256:hash).",
        ),
        ("Nginx", "format is invalid. Use image:tag or image@sha256:hash format."),
    ],
)
async def test_a_misshapen_image_is_refused_in_words_of_its_own(tmp_path: Path, image: str, words: str) -> None:
    """A digest stands behind an @, names are lower case."""
    async with pretend_coolify(tmp_path) as coolify:
        reply = await coolify.ask("POST", "/applications/dockerimage", {**IMAGE, "docker_registry_image_name": image})
        assert errors(reply) == {
            "docker_registry_image_name": [f"The docker registry image name {words}"],
        }


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


async def test_the_environment_may_be_named_by_its_uuid(tmp_path: Path) -> None:
    """Either name or uuid will do."""
    body = {**GIT, "environment_name": None, "environment_uuid": ENVIRONMENT}
    async with pretend_coolify(tmp_path) as coolify:
        assert coolify.app(await coolify.made("/applications/public", body)).environment_uuid == ENVIRONMENT
