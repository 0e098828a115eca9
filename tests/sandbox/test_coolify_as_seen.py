"""The pretend Coolify refuses, keeps and shows what a real one of 4.3.11 was seen to."""

import json
from pathlib import Path

import pytest
from pydantic import JsonValue

from ink_infra_mcp.core.redact import Redactor
from ink_infra_mcp.sandbox.coolify.git_rules import branch_errors
from ink_infra_mcp.sandbox.coolify.queue import Wish, enqueue
from ink_infra_mcp.sandbox.coolify.run_options import MAPPED, compose_options, refused_options
from ink_infra_mcp.sandbox.physics import settle
from ink_infra_mcp.sandbox.seed import DOCS, SERVERS, SHOP, seed
from ink_infra_mcp.sandbox.state import WorldState
from ink_infra_mcp.sandbox.state_coolify import AppImage, Application, Token
from tests.sandbox.test_coolify_create import GIT, IMAGE, errors
from tests.sandbox.worlds import BEGAN, fields, items, pretend_coolify

MUSCLE = f"/servers/{SERVERS['muscle-1']}"


def app_of(state: WorldState, uuid: str = SHOP) -> Application:
    """Return an application."""
    return next(app for app in state.coolify.applications if app.uuid == uuid)


@pytest.mark.parametrize(
    ("text", "runtime"),
    [
        ("--runtime=runc --runtime=runsc", "runc"),
        ("--runtime=runsc --runtime=runc", "runsc"),
        ("--runtime=runsc-kvm", "runsc-kvm"),
        ("--cap-drop=ALL --runtime runsc-kvm --init", "runsc-kvm"),
        ('--runtime="runsc"', '"runsc"'),
    ],
)
def test_the_fork_takes_the_first_runtime_whole(text: str, runtime: str) -> None:
    """Hyphens and quotes included; the official images take none at all."""
    assert compose_options(text, fork=True)["runtime"] == [runtime]
    assert "runtime" not in compose_options(text, fork=False)
    assert len(MAPPED) == 15


def test_the_fork_drops_what_its_base_did_not_know() -> None:
    """`--dns` and `--ip6` are lost without a word; the official images keep both."""
    text = "--dns=192.0.2.53 --ip6=2001:db8::5 --init"
    assert compose_options(text, fork=True) == {"init": True}
    assert compose_options(text, fork=False) == {"dns": ["192.0.2.53"], "ip6": ["2001:db8::5"], "init": True}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("--ulimit nofile=1024", "ulimits.nofile hard is required"),
        ("--ulimit nofile=1024:2048", ""),
        ('--shm-size="1g"', "invalid size: '\"1g\"'"),
        ("--shm-size=1g", ""),
    ],
)
def test_options_that_compose_refuses_fail_the_deployment(options: str, said: str) -> None:
    """A ulimit needs both of its halves, and quotes stay in values."""
    state = seed(BEGAN)
    app = app_of(state)
    app.columns["custom_docker_run_options"] = options
    enqueue(state, app, "d1", Wish(), now=BEGAN)
    settle(state, BEGAN + 60)
    row = state.coolify.deployments[-1]
    assert row.status == ("failed" if said else "finished")
    assert said in refused_options(compose_options(options, fork=True))
    assert said in " ".join(entry.output for entry in row.logs)


@pytest.mark.anyio
@pytest.mark.parametrize(
    "host",
    ["b\u00fccher.ch", "*.a.b", "-a.b", "a-.b", "a..b", ".a.b", f"{'a' * 64}.b", "a.b/\u00fc"],
)
async def test_a_domain_that_php_takes_for_none_is_refused(tmp_path: Path, host: str) -> None:
    """Other letters than ASCII, wildcards, hyphens at an end of a label, empty and long labels."""
    async with pretend_coolify(tmp_path) as coolify:
        url = f"https://{host}"
        said = errors(await coolify.ask("POST", "/applications/dockerimage", {**IMAGE, "domains": url}))
        assert said == {"domains": [f"Invalid URL: {url}"]}


@pytest.mark.anyio
async def test_an_underscore_in_a_host_name_passes(tmp_path: Path) -> None:
    """PHP would refuse it; Coolify shows it a hyphen instead."""
    async with pretend_coolify(tmp_path) as coolify:
        await coolify.made("/applications/dockerimage", {**IMAGE, "domains": "https://a_b.example.com"})


@pytest.mark.anyio
async def test_a_branch_may_be_empty_and_may_not_end_in_lock(tmp_path: Path) -> None:
    """Git keeps `.lock` for itself; Coolify's rule takes an empty one."""
    async with pretend_coolify(tmp_path) as coolify:
        said = errors(await coolify.ask("POST", "/applications/public", {**GIT, "git_branch": "a.lock"}))
        assert said == {"git_branch": ["The git branch cannot end with .lock."]}
        assert branch_errors("git_branch", "") == []


@pytest.mark.anyio
async def test_every_local_tag_of_the_image_is_listed(tmp_path: Path) -> None:
    """Also what another application ran, or a person pulled; one of another server is not."""

    def pulled(state: WorldState) -> None:
        shop, docs = app_of(state), app_of(state, DOCS)
        docs.images.append(AppImage(repository=SHOP, tag="nobodys", created_at=1.0))
        docs.server_uuid = shop.server_uuid

    async with pretend_coolify(tmp_path, pulled) as coolify:
        listed = await coolify.row(f"/applications/{SHOP}/rollback-images")
        assert "nobodys" in [image["tag"] for image in items(listed["images"])]
        assert listed["current"] is None


@pytest.mark.anyio
async def test_a_proxy_whose_image_cannot_be_pulled_is_starting_for_good(tmp_path: Path) -> None:
    """Its settings are applied, as Coolify says; that no container is there only Docker tells."""

    def without(state: WorldState) -> None:
        host = state.hosts["muscle-1"]
        host.containers = [each for each in host.containers if each.name != "coolify-proxy"]
        host.without = ["traefik:v3.6"]

    async with pretend_coolify(tmp_path, without) as coolify:
        for _ in range(3):
            coolify.clock.advance(61)
            proxy = fields((await coolify.row(MUSCLE))["proxy"])
            assert proxy["status"] == "starting"
            assert proxy["last_applied_settings"]
        assert [each for each in coolify.state().hosts["muscle-1"].containers if "proxy" in each.name] == []


@pytest.mark.anyio
async def test_a_crash_loop_is_counted_and_ends_with_the_container(tmp_path: Path) -> None:
    """Ten restarts, and it is gone; a deployment begins to count anew."""

    def crashing(state: WorldState) -> None:
        app_of(state, DOCS).columns["docker_registry_image_tag"] = "crash"

    async with pretend_coolify(tmp_path, crashing) as coolify:
        await coolify.ask("POST", "/deploy", query={"uuid": DOCS})
        seen: list[tuple[JsonValue, JsonValue, int]] = []
        for seconds in (15, 60, 120):
            coolify.clock.advance(seconds)
            row = await coolify.row(f"/applications/{DOCS}")
            containers = coolify.containers("muscle-2", DOCS) + coolify.containers("muscle-1", DOCS)
            seen.append((row["restart_count"], row["last_restart_type"], len(containers)))
        assert [left for _, _, left in seen] == [1, 1, 0]
        counts = [int(str(count)) for count, _, _ in seen]
        assert counts == sorted(counts)
        assert counts[-1] >= 10
        assert [kind for _, kind, _ in seen] == ["crash"] * 3
        assert row["last_restart_at"]
        with coolify.world.change() as state:
            app_of(state, DOCS).columns["docker_registry_image_tag"] = "1.4"
        await coolify.ask("POST", "/deploy", query={"uuid": DOCS})
        coolify.clock.advance(20)
        row = await coolify.row(f"/applications/{DOCS}")
        assert (row["restart_count"], row["last_restart_type"], row["last_restart_at"]) == (0, None, None)


@pytest.mark.anyio
async def test_the_detail_of_an_application_has_what_a_real_one_has(tmp_path: Path) -> None:
    """The host of health checks, no place of a Dockerfile that nobody gave, its environment, the source 0."""
    async with pretend_coolify(tmp_path) as coolify:
        uuid = await coolify.made("/applications/public", GIT)
        row = await coolify.row(f"/applications/{uuid}")
        assert (row["health_check_host"], row["dockerfile_location"], row["source_id"]) == ("localhost", None, 0)
        assert fields(row["environment"])["name"] == "production"
        _, listed = await coolify.ask("GET", "/applications")
        assert not [each for each in items(listed) if "environment" in each]


WEBHOOKS = [f"manual_webhook_secret_{forge}" for forge in ("github", "gitlab", "bitbucket", "gitea")]


@pytest.mark.anyio
async def test_webhook_secrets_are_there_from_the_beginning_and_for_few_eyes(tmp_path: Path) -> None:
    """Four of forty signs, each its own; a token without `read:sensitive` sees none, and text about them is masked."""

    def reader(state: WorldState) -> None:
        state.coolify.tokens.append(Token(id=9, secret="s", abilities=["read"]))

    async with pretend_coolify(tmp_path, reader) as coolify:
        uuid = await coolify.made("/applications/public", GIT)
        row = await coolify.row(f"/applications/{uuid}")
        secrets = {str(row[name]) for name in WEBHOOKS}
        assert [len(secret) for secret in secrets] == [40] * 4
        told = Redactor()(json.dumps({name: row[name] for name in WEBHOOKS}))
        assert not [secret for secret in secrets if secret in told]
    async with pretend_coolify(tmp_path, token="9|s") as plain:
        assert not set(WEBHOOKS) & (await plain.row(f"/applications/{uuid}")).keys()


@pytest.mark.anyio
async def test_a_variable_shows_its_place_whether_it_is_shared_and_how_it_is_written(tmp_path: Path) -> None:
    """`order` is null; double braces make it shared; JSON is bare even where it is literal, and quotes are escaped."""
    async with pretend_coolify(tmp_path) as coolify:
        envs = f"/applications/{SHOP}/envs"
        for key, value, literal in (("A", "{{team.A}}", False), ("B", '{"a": 1}', True), ("C", "it's", False)):
            await coolify.made(envs, {"key": key, "value": value, "is_literal": literal})
        _, rows = await coolify.ask("GET", envs)
        seen = {row["key"]: row for row in items(rows) if row["key"] in {"A", "B", "C"} and not row["is_preview"]}
        assert [row["is_shared"] for row in seen.values()] == [True, False, False]
        assert [row["real_value"] for row in seen.values()] == ["{{team.A}}", '{"a": 1}', "it\\'s"]
        assert [row["order"] for row in seen.values()] == [None] * 3


@pytest.mark.anyio
async def test_a_server_shows_all_of_its_settings_and_what_its_proxy_got_last(tmp_path: Path) -> None:
    """The proxy's own file is there as text, beside the fingerprints of what was saved and applied."""
    async with pretend_coolify(tmp_path) as coolify:
        row = await coolify.row(MUSCLE)
        settings, proxy = fields(row["settings"]), fields(row["proxy"])
        assert {"sentinel_push_interval_seconds", "generate_exact_labels", "compose_version"} <= settings.keys()
        assert "services:" in str(proxy["last_saved_proxy_configuration"])
        assert proxy["last_saved_settings"] == proxy["last_applied_settings"]
