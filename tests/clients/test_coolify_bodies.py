"""Every body that we can send holds only fields that Coolify knows, written as Coolify reads them."""

import base64
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import cast, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from ink_infra_mcp.clients.coolify.bodies import (
    AppChanges,
    ComposeDomain,
    EnvSpec,
    NewApp,
    NewService,
    ServiceChanges,
    ServiceUrl,
    Source,
    create_body,
    create_service_body,
    env_flags,
    service_env_flags,
    update_body,
    update_service_body,
)
from ink_infra_mcp.clients.coolify.era import era_of
from ink_infra_mcp.core.errors import InputError
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.secret import Secret
from tests.clients.coolify_wire import PROJECT, SERVER

REPOSITORY = Path(__file__).resolve().parents[2]
RELIED_ON = REPOSITORY / "tests" / "clients" / "coolify_fields.json"
SPECS = Path(os.environ.get("INK_SPECS_DIR") or REPOSITORY.parent / "shared" / "specs")
CONTRACT = SPECS / "coolify" / "contract_subset.json"
SPELLED_IN_THE_CONTRACT = {
    "POST /applications/{source}": (
        "POST /applications/{public|private-github-app|private-deploy-key|dockerfile|dockerimage}"
    ),
}
SETTINGS = AppChanges(
    name="shop",
    description="ink-operation=op-1",
    domains=("https://shop.example.com", "https://www.shop.example.com:8443/a"),
    git_repository="https://git.example.com/shop.git",
    git_branch="main",
    git_commit_sha="HEAD",
    docker_registry_image_name="registry.example.com/shop",
    docker_registry_image_tag="v1",
    build_pack="nixpacks",
    install_command="npm ci",
    build_command="npm run build",
    start_command="npm start",
    pre_deployment_command="npm run migrate",
    post_deployment_command="",
    base_directory="/",
    publish_directory="/dist",
    dockerfile_location="/Dockerfile",
    docker_compose_location="/compose.yaml",
    ports_exposes=(3000, 3001),
    limits_memory="512m",
    limits_memory_swap="1g",
    limits_cpus="0.5",
    custom_docker_run_options="--runtime=runsc",
    health_check_enabled=True,
    health_check_type="http",
    health_check_command="curl -f http://localhost:3000/",
    health_check_path="/healthz",
    health_check_port=3000,
    health_check_method="GET",
    health_check_scheme="http",
    health_check_return_code=200,
    health_check_interval=5,
    health_check_timeout=5,
    health_check_retries=10,
    health_check_start_period=5,
    redirect="both",
    is_static=False,
    is_spa=False,
    is_auto_deploy_enabled=True,
    is_force_https_enabled=True,
    is_preview_deployments_enabled=False,
    use_build_server=False,
    connect_to_docker_network=False,
    force_domain_override=False,
    disable_build_cache=False,
    stop_grace_period=30,
    docker_images_to_keep=2,
    max_restart_count=10,
)
PLACE: JsonObject = {"project_uuid": PROJECT, "environment_uuid": "n0n0n0n0", "server_uuid": SERVER}
SERVICE_SETTINGS = ServiceChanges(
    name="blog",
    description="ink-operation=op-1",
    compose="services: {}\n",
    urls=(ServiceUrl(name="web", urls=("https://blog.example.com",)),),
    force_domain_override=True,
)
ENV = EnvSpec(key="KEY", value=Secret("v"), comment="why")


def new_app(**more: object) -> NewApp:
    """Return a new app with every setting, in its place."""
    return NewApp.model_validate({**SETTINGS.model_dump(exclude_none=True), **PLACE, "tags": ("ink",), **more})


def smallest(source: Source) -> NewApp:
    """Return the least that an app of that source needs."""
    git = {"git_repository": "https://git.example.com/a.git", "git_branch": "main", "build_pack": "nixpacks"}
    needs: Mapping[Source, Mapping[str, object]] = {
        "public": git,
        "private-github-app": {**git, "github_app_uuid": "g0g0g0g0"},
        "private-deploy-key": {**git, "private_key_uuid": "k0k0k0k0"},
        "dockerfile": {"dockerfile": "FROM scratch\n"},
        "dockerimage": {"docker_registry_image_name": "nginx", "ports_exposes": (80,)},
    }
    return NewApp.model_validate({**PLACE, **needs[source]})


def bodies() -> dict[str, list[JsonObject]]:
    """Return, by endpoint, bodies that together hold every field that we can send."""
    compose = SETTINGS.model_copy(
        update={
            "domains": None,
            "build_pack": "dockercompose",
            "docker_compose_domains": (ComposeDomain(name="web", urls=("https://a.example.com",)),),
        }
    )
    env: JsonObject = {**env_flags(ENV), "value": "v"}
    service_env: JsonObject = {**service_env_flags(ENV), "value": "v"}
    by_name: JsonObject = {**PLACE, "environment_uuid": None, "environment_name": "production"}
    settings = compose.model_dump(exclude_none=True)
    return {
        "POST /applications/{source}": [
            create_body("private-github-app", new_app(github_app_uuid="g0g0g0g0", destination_uuid="d0d0d0d0")),
            create_body("private-deploy-key", new_app(private_key_uuid="k0k0k0k0", **by_name)),
            create_body("dockerfile", new_app(dockerfile="FROM scratch")),
            create_body("public", NewApp.model_validate({**settings, **PLACE})),
        ],
        "PATCH /applications/{uuid}": [update_body(SETTINGS), update_body(compose)],
        "POST /applications/{uuid}/envs": [env],
        "PATCH /applications/{uuid}/envs": [env],
        "POST /applications/{uuid}/rollback": [{"commit": "abc"}],
        "POST /services": [
            create_service_body(
                NewService.model_validate(
                    {**SERVICE_SETTINGS.model_dump(), **place, "destination_uuid": "d0", "instant_deploy": True}
                )
            )
            for place in (PLACE, by_name)
        ],
        "PATCH /services/{uuid}": [update_service_body(SERVICE_SETTINGS)],
        "POST /services/{uuid}/envs": [service_env],
        "PATCH /services/{uuid}/envs": [service_env],
        "POST /deploy": [{"uuid": "a0", "force": True}],
        "POST /projects": [{"name": "apps", "description": "d"}],
        "POST /projects/{uuid}/environments": [{"name": "production"}],
        "POST /security/keys": [{"name": "k", "description": "d", "private_key": "PEM"}],
    }


def test_every_field_that_we_can_send_is_one_we_know_coolify_accepts() -> None:
    """The fields of all bodies together are exactly the checked-in lists, endpoint by endpoint."""
    relied_on = json.loads(RELIED_ON.read_text(encoding="utf-8"))["endpoints"]
    sent = {endpoint: sorted({field for body in found for field in body}) for endpoint, found in bodies().items()}
    assert sent == relied_on


def test_every_field_that_we_rely_on_is_in_the_contract() -> None:
    """The checked-in lists hold only fields that Coolify's own controllers allow."""
    if not CONTRACT.is_file():
        pytest.skip("the contract taken from Coolify's source is not here (set INK_SPECS_DIR)")
    contract = json.loads(CONTRACT.read_text(encoding="utf-8"))["endpoints"]
    unknown: dict[str, list[str]] = {}
    for endpoint, found in bodies().items():
        entry = contract.get(SPELLED_IN_THE_CONTRACT.get(endpoint, endpoint), {})
        allowed = set(entry.get("allowed_fields") or entry.get("rules") or ())
        if allowed:
            unknown[endpoint] = sorted({field for body in found for field in body} - allowed)
    assert unknown == {
        endpoint: []
        for endpoint in (
            "POST /applications/{source}",
            "PATCH /applications/{uuid}",
            "POST /applications/{uuid}/envs",
            "PATCH /applications/{uuid}/envs",
            "POST /applications/{uuid}/rollback",
            "POST /projects",
            "POST /projects/{uuid}/environments",
            "POST /security/keys",
        )
    }


def test_nothing_forbidden_in_an_update_can_be_said() -> None:
    """What Coolify refuses in a PATCH (place, source, inline Dockerfile) is no field of an update."""
    forbidden = {"project_uuid", "environment_name", "server_uuid", "destination_uuid", "dockerfile", "github_app_uuid"}
    assert forbidden & set(AppChanges.model_fields) == set()


@pytest.mark.parametrize("source", get_args(Source))
def test_only_what_is_set_is_sent(source: Source) -> None:
    """The smallest app of each source sends its place, its source, and that it wants no surprises."""
    app = smallest(source)
    body = create_body(source, app)
    assert sorted(body) == sorted([*app.model_fields_set, "autogenerate_domain", "instant_deploy"])
    assert (body["autogenerate_domain"], body["instant_deploy"]) == (False, False)


def test_values_are_written_as_coolify_reads_them() -> None:
    """Ports and domains are joined by commas, Dockerfile and compose are base64, limits are texts."""
    body = create_body("dockerfile", new_app(dockerfile="FROM scratch\n# é\n"))
    assert {
        "ports_exposes": body["ports_exposes"],
        "domains": body["domains"],
        "limits_cpus": body["limits_cpus"],
        "dockerfile": base64.b64decode(str(body["dockerfile"])).decode(),
        "tags": body["tags"],
    } == {
        "ports_exposes": "3000,3001",
        "domains": "https://shop.example.com,https://www.shop.example.com:8443/a",
        "limits_cpus": "0.5",
        "dockerfile": "FROM scratch\n# é\n",
        "tags": ["ink"],
    }
    service = update_service_body(SERVICE_SETTINGS)
    assert base64.b64decode(str(service["docker_compose_raw"])) == b"services: {}\n"
    assert service["urls"] == [{"name": "web", "url": "https://blog.example.com"}]


def test_compose_domains_are_rows_by_service() -> None:
    """The domains of a compose app go as rows with the service's name."""
    two = ComposeDomain(name="web", urls=("https://a.example.com", "https://b.example.com"))
    assert update_body(AppChanges(docker_compose_domains=(two,))) == {
        "docker_compose_domains": [{"name": "web", "domain": "https://a.example.com,https://b.example.com"}]
    }


def test_an_empty_text_clears_and_none_leaves() -> None:
    """Clearing the run options is said; leaving them is not sent."""
    assert update_body(AppChanges(custom_docker_run_options="")) == {"custom_docker_run_options": ""}
    with pytest.raises(InputError, match="nothing to change"):
        update_body(AppChanges(custom_docker_run_options=None))
    with pytest.raises(InputError, match="nothing to change"):
        update_service_body(ServiceChanges())


@pytest.mark.parametrize(
    ("source", "field"),
    [
        ("public", "git_repository"),
        ("public", "git_branch"),
        ("public", "build_pack"),
        ("private-github-app", "github_app_uuid"),
        ("private-deploy-key", "private_key_uuid"),
        ("dockerfile", "dockerfile"),
        ("dockerimage", "docker_registry_image_name"),
        ("dockerimage", "ports_exposes"),
    ],
)
def test_what_a_source_needs_must_be_given(source: Source, field: str) -> None:
    """A missing field is named before anything is sent."""
    with pytest.raises(InputError, match=field):
        create_body(source, smallest(source).model_copy(update={field: None}))


@pytest.mark.parametrize(
    ("source", "field", "value"),
    [
        ("public", "github_app_uuid", "g0g0g0g0"),
        ("public", "dockerfile", "FROM scratch"),
        ("dockerimage", "private_key_uuid", "k0k0k0k0"),
    ],
)
def test_what_belongs_to_another_source_is_refused(source: Source, field: str, value: str) -> None:
    """A key for a public app, or a Dockerfile for an image, is a mistake that is named."""
    with pytest.raises(InputError, match=field):
        create_body(source, smallest(source).model_copy(update={field: value}))


@pytest.mark.parametrize("both", [{"environment_name": "production"}, {"environment_uuid": None}])
def test_the_environment_is_named_exactly_once(both: dict[str, str | None]) -> None:
    """Neither and both are refused: Coolify would take the name and drop the uuid."""
    with pytest.raises(InputError, match="environment"):
        create_body("public", smallest("public").model_copy(update=both))
    service = NewService.model_validate({**PLACE, "compose": "services: {}"})
    with pytest.raises(InputError, match="environment"):
        create_service_body(service.model_copy(update=both))


def test_a_service_needs_a_compose_file() -> None:
    """A service without its file is refused before anything is sent."""
    with pytest.raises(InputError, match="docker_compose_raw"):
        create_service_body(NewService.model_validate(PLACE))


@pytest.mark.parametrize(
    "changes",
    [
        AppChanges(build_pack="dockercompose", domains=("https://a.example.com",)),
        AppChanges(
            domains=("https://a.example.com",),
            docker_compose_domains=(ComposeDomain(name="web", urls=("https://a.example.com",)),),
        ),
    ],
)
def test_a_compose_app_has_no_domains_of_its_own(changes: AppChanges) -> None:
    """Coolify refuses plain domains for compose apps; we say so first."""
    with pytest.raises(InputError, match="compose"):
        update_body(changes)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("domains", ["shop.example.com"]),
        ("domains", ["https://a.example.com,https://b.example.com"]),
        ("domains", ["https://a.example.com/$(id)"]),
        ("domains", []),
        ("build_command", "a\nb"),
        ("custom_docker_run_options", "x" * 2001),
        ("base_directory", "src"),
        ("limits_memory", "512"),
        ("limits_cpus", "0"),
        ("ports_exposes", [0]),
        ("git_commit_sha", "-x"),
        ("git_branch", "--upload-pack=x"),
        ("docker_registry_image_tag", "a b"),
        ("health_check_command", "curl $(id)"),
        ("health_check_path", "healthz"),
        ("stop_grace_period", 3601),
        ("custom_labels", "x"),
    ],
)
def test_what_coolify_would_refuse_is_refused_first(field: str, value: object) -> None:
    """Values outside Coolify's own rules, and fields that we do not use, never become a request."""
    with pytest.raises(ValidationError):
        AppChanges.model_validate({field: value})


def test_every_flag_of_a_variable_is_always_sent() -> None:
    """Coolify resets flags that are left out: all are there, and the value is not."""
    assert env_flags(EnvSpec(key="KEY", value=Secret("s3cr3t"))) == {
        "key": "KEY",
        "is_preview": False,
        "is_literal": True,
        "is_multiline": False,
        "is_shown_once": False,
        "is_runtime": True,
        "is_buildtime": True,
    }


def test_a_value_with_a_line_break_is_multi_line() -> None:
    """A certificate or key is sent as multi-line without being asked."""
    flags = env_flags(EnvSpec(key="CERT", value=Secret("a\nb"), comment="x"))
    assert (flags["is_multiline"], flags["comment"]) == (True, "x")


@given(st.text(max_size=40))
def test_a_variable_never_shows_its_value(value: str) -> None:
    """Neither its text, its JSON nor the body without the value holds the secret."""
    marked = f"s3cr3t{value}"
    spec = EnvSpec(key="KEY", value=Secret(marked))
    shown = f"{spec!r} {spec} {spec.model_dump_json()} {env_flags(spec)}"
    assert "s3cr3t" not in shown


def test_the_smallest_bodies_suit_the_oldest_version() -> None:
    """An app with nothing special can be made in the oldest supported version, and a variable set."""
    era = era_of("4.0.0-beta.463")
    sources = cast(tuple[Source, ...], get_args(Source))
    plain = EnvSpec(key="KEY", value=Secret("v"))
    assert [era.refuses(create_body(source, smallest(source))) for source in sources] == [()] * len(sources)
    assert (era.refuses(env_flags(plain)), era.refuses(update_body(SETTINGS))) == (
        (),
        (
            "disable_build_cache",
            "docker_images_to_keep",
            "health_check_command",
            "health_check_type",
            "is_preview_deployments_enabled",
            "max_restart_count",
            "stop_grace_period",
        ),
    )


def test_sources_are_a_closed_set() -> None:
    """A source that Coolify does not have, such as the removed dockercompose, cannot be named."""
    with pytest.raises(ValidationError):
        TypeAdapter(Source).validate_python("dockercompose")
