"""Servers, keys and projects of the pretend Coolify."""

import base64
import hashlib
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from pydantic import JsonValue

from ink_infra_mcp.sandbox.seed import DOCS, PROJECT, READ_TOKEN, SERVERS, SHOP
from ink_infra_mcp.sandbox.state import WorldState
from ink_infra_mcp.sandbox.state_hosts import HostState
from tests.sandbox.worlds import PretendCoolify, coolify_api, fields, items, pretend_coolify

pytestmark = pytest.mark.anyio

MUSCLE = f"/servers/{SERVERS['muscle-1']}"
ENTRY = {"private_key_uuid": "nokey", "ip": "192.0.2.14"}
NEW_HOST = HostState(name="muscle-3", address="192.0.2.13", role="muscle")


def with_new_host(**changes: object) -> "NewHost":
    """Return what puts a third machine, not yet known to Coolify, into a world."""
    return NewHost(NEW_HOST.model_copy(update=changes))


class NewHost:
    """Adds one machine to a world."""

    def __init__(self, host: HostState) -> None:
        self.host = host

    def __call__(self, state: WorldState) -> None:
        """Add it."""
        state.hosts[self.host.name] = self.host.model_copy(deep=True)


async def new_server(coolify: PretendCoolify, **more: object) -> str:
    """Enter the third machine as a server and return its uuid."""
    key = coolify.state().coolify.keys[1].uuid
    return await coolify.made("/servers", {"ip": "192.0.2.13", "private_key_uuid": key, **more})


async def test_the_list_shows_less_than_one_server_does(tmp_path: Path) -> None:
    """Reachability is at the top of the list's entries, and in `settings` of the one; validation logs only there."""
    async with pretend_coolify(tmp_path) as coolify:
        _, listed = await coolify.ask("GET", "/servers")
        short = {str(server["name"]): server for server in items(listed)}["muscle-1"]
        full = await coolify.row(MUSCLE)
        assert (short["is_reachable"], short["is_usable"]) == (True, True)
        assert not {"validation_logs", "is_validating", "id"} & short.keys()
        assert "is_reachable" not in full
        assert fields(full["settings"])["is_reachable"] is True
        assert fields(full["settings"])["wildcard_domain"] == "https://s1.example.com"
        assert fields(full["proxy"])["type"] == "TRAEFIK"


async def test_secret_settings_of_a_server_need_the_right_to_see_them(tmp_path: Path) -> None:
    """The token by which it pushes its state is one."""

    def reader(state: WorldState) -> None:
        state.coolify.tokens[1].abilities = ["read"]

    async with pretend_coolify(tmp_path, reader) as coolify, coolify_api(coolify.world, token=READ_TOKEN) as plain:
        assert "sentinel_token" in fields((await coolify.row(MUSCLE))["settings"])
        assert "sentinel_token" not in (await plain.get(MUSCLE.lstrip("/"))).json()["settings"]


async def test_the_factory_is_localhost_to_coolify(tmp_path: Path) -> None:
    """Server 0 is called localhost and has no address of its own."""
    async with pretend_coolify(tmp_path) as coolify:
        own = await coolify.row(f"/servers/{SERVERS['factory']}")
        assert (own["name"], own["ip"], own["is_coolify_host"]) == ("localhost", "host.docker.internal", True)


async def test_resources_and_domains_of_a_server(tmp_path: Path) -> None:
    """Resources carry type and status, domains are bare host names; `?uuid=` is taken for the server and not found."""
    async with pretend_coolify(tmp_path) as coolify:
        _, resources = await coolify.ask("GET", f"{MUSCLE}/resources")
        named = {str(r["name"]): (r["uuid"], r["type"], r["status"]) for r in items(resources)}
        assert named["shop"] == (SHOP, "application", "running:unknown")
        domains = {"ip": "192.0.2.11", "domains": ["shop.s1.example.com", "legacy.s1.example.com"]}
        assert await coolify.ask("GET", f"{MUSCLE}/domains") == (200, [domains])
        by_app = await coolify.ask("GET", f"{MUSCLE}/domains", query={"uuid": SHOP})
        assert by_app == (404, {"message": "Server not found."})


async def test_a_new_server_is_201_with_nothing_but_its_uuid(tmp_path: Path) -> None:
    """It starts unreachable; the uuid is 24 lower-case letters and digits; name, user and port have defaults."""
    async with pretend_coolify(tmp_path, with_new_host()) as coolify:
        uuid = await new_server(coolify)
        row = await coolify.row(f"/servers/{uuid}")
        assert (len(uuid), uuid.isalnum(), uuid.islower()) == (24, True, True)
        assert (row["user"], row["port"], fields(row["settings"])["is_usable"]) == ("root", 22, False)


async def test_a_second_server_with_the_same_address_is_refused(tmp_path: Path) -> None:
    """400, not 409; adding is not idempotent."""
    async with pretend_coolify(tmp_path) as coolify:
        key = coolify.state().coolify.keys[1].uuid
        again = await coolify.ask("POST", "/servers", {"ip": "192.0.2.11", "private_key_uuid": key})
        assert again == (400, {"message": "A server with this IP/Domain is already in use."})


async def test_wrong_fields_of_a_server_are_all_named(tmp_path: Path) -> None:
    """Unknown fields too; `required` is worded the short way here."""
    async with pretend_coolify(tmp_path) as coolify:
        status, answer = await coolify.ask("POST", "/servers", {"ip": "no host", "port": 70000, "wildcard_domain": "x"})
        assert (status, fields(answer)["errors"]) == (
            422,
            {
                "ip": ["The ip must be a valid IPv4 address, IPv6 address, or hostname."],
                "port": ["The port field must not be greater than 65535."],
                "private_key_uuid": ["This field is required."],
                "wildcard_domain": ["This field is not allowed."],
            },
        )


@pytest.mark.parametrize(
    ("body", "reply"),
    [
        (ENTRY, (404, {"message": "Private key not found."})),
        (
            {"private_key_uuid": "x", "ip": "192.0.2.14", "proxy_type": "apache"},
            (422, {"message": "Invalid proxy type."}),
        ),
        ({}, (400, {"message": "Invalid request.", "error": "Empty JSON."})),
    ],
)
async def test_other_refusals_of_a_server_have_no_errors_key(
    tmp_path: Path, body: dict[str, str], reply: tuple[int, object]
) -> None:
    """Each refusal has its own shape."""
    async with pretend_coolify(tmp_path) as coolify:
        assert await coolify.ask("POST", "/servers", body) == reply


async def test_a_changed_server_is_201(tmp_path: Path) -> None:
    """Not 200; what was sent is changed, the rest is not."""
    async with pretend_coolify(tmp_path) as coolify:
        reply = await coolify.ask("PATCH", MUSCLE, {"concurrent_builds": 5, "description": "first"})
        assert reply == (201, {"uuid": SERVERS["muscle-1"]})
        row = await coolify.row(MUSCLE)
        assert (fields(row["settings"])["concurrent_builds"], row["description"], row["name"]) == (
            5,
            "first",
            "muscle-1",
        )


@pytest.mark.parametrize("name", ["name", "ip", "port", "user"])
async def test_a_null_where_the_database_takes_none_is_a_server_error(tmp_path: Path, name: str) -> None:
    """The rules let it pass, the column does not; nothing is changed."""
    async with pretend_coolify(tmp_path) as coolify:
        assert (await coolify.ask("PATCH", MUSCLE, {name: None, "description": "x"}))[0] == 500
        assert (await coolify.row(MUSCLE))["description"] is None


async def test_the_rhythm_of_the_disk_check_is_a_cron_line_or_a_word(tmp_path: Path) -> None:
    """What is neither is 422 with a list; null switches a switch off."""
    name = "server_disk_usage_check_frequency"
    async with pretend_coolify(tmp_path) as coolify:
        refused = await coolify.ask("PATCH", MUSCLE, {name: "sometimes"})
        words = "Invalid Cron / Human expression for Disk Usage Check Frequency."
        assert refused == (422, {"message": "Validation failed.", "errors": {name: [words]}})
        for good in ("daily", "*/5 * * * *"):
            assert (await coolify.ask("PATCH", MUSCLE, {name: good, "is_terminal_enabled": None}))[0] == 201
            settings = fields((await coolify.row(MUSCLE))["settings"])
            assert (settings[name], settings["is_terminal_enabled"]) == (good, False)


async def test_validation_is_answered_before_it_begins(tmp_path: Path) -> None:
    """Old values stand for some seconds; success is both flags and a newer look at Docker."""
    async with pretend_coolify(tmp_path, with_new_host()) as coolify:
        uuid = await new_server(coolify)
        assert await coolify.ask("POST", f"/servers/{uuid}/validate") == (201, {"message": "Validation started."})
        before = fields((await coolify.row(f"/servers/{uuid}"))["settings"])
        coolify.clock.advance(4)
        after = fields((await coolify.row(f"/servers/{uuid}"))["settings"])
        assert (before["is_usable"], before["docker_version_checked_at"]) == (False, None)
        assert (after["is_reachable"], after["is_usable"], after["docker_version"]) == (True, True, "28.5.1")
        assert str(after["docker_version_checked_at"]) > "2026"


@pytest.mark.parametrize(
    ("changes", "reachable", "words"),
    [
        ({"up": False}, False, "No route to host"),
        ({"without": ["jq", "git"]}, True, "Prerequisites (git, jq) are not installed."),
        ({"authorized_keys": []}, False, "Permission denied (publickey,password)"),
        ({"docker_version": ""}, True, "Docker Engine is not installed."),
        ({"docker_version": "20.10.5"}, True, "Docker Engine is not installed."),
        ({"os_id": "freebsd"}, True, "Server OS type is not supported."),
    ],
)
async def test_a_failed_validation_says_why_in_html(
    tmp_path: Path, changes: dict[str, object], reachable: bool, words: str
) -> None:
    """The reason is in `validation_logs`, with tags in it."""
    async with pretend_coolify(tmp_path, with_new_host(**changes)) as coolify:
        uuid = await new_server(coolify)
        await coolify.ask("POST", f"/servers/{uuid}/validate")
        coolify.clock.advance(15 if changes.get("up") is False else 4)
        row = await coolify.row(f"/servers/{uuid}")
        settings = fields(row["settings"])
        assert (settings["is_reachable"], settings["is_usable"]) == (reachable, False)
        assert words in str(row["validation_logs"])
        assert "<a " in str(row["validation_logs"])


async def test_a_missing_prerequisite_leaves_a_usable_server_usable(tmp_path: Path) -> None:
    """Only the log says it; the flag is about Docker alone."""

    def without_git(state: WorldState) -> None:
        state.hosts["muscle-1"].without = ["git"]

    async with pretend_coolify(tmp_path, without_git) as coolify:
        await coolify.ask("POST", f"{MUSCLE}/validate")
        coolify.clock.advance(5)
        row = await coolify.row(MUSCLE)
        assert fields(row["settings"])["is_usable"] is True
        assert "Prerequisites (git)" in str(row["validation_logs"])


async def test_a_key_that_the_server_does_not_know_is_noticed_only_later(tmp_path: Path) -> None:
    """PATCH takes it and both flags stay; the next deployment fails at once, validation turns them, both ways."""

    async def flags(coolify: PretendCoolify) -> tuple[JsonValue, JsonValue]:
        settings = fields((await coolify.row(MUSCLE))["settings"])
        return settings["is_reachable"], settings["is_usable"]

    async with pretend_coolify(tmp_path) as coolify:
        wrong = await coolify.made("/security/keys", {"private_key": new_key()})
        right = coolify.state().coolify.keys[1].uuid
        assert (await coolify.ask("PATCH", MUSCLE, {"private_key_uuid": wrong}))[0] == 201
        assert await flags(coolify) == (True, True)
        _, queued = await coolify.ask("POST", "/deploy", {"uuid": SHOP})
        deployment = await coolify.row(f"/deployments/{items(fields(queued)['deployments'])[0]['deployment_uuid']}")
        assert deployment["status"] == "failed"
        assert "Permission denied (publickey" in str(deployment["logs"])
        await coolify.ask("POST", f"{MUSCLE}/validate")
        coolify.clock.advance(12)
        assert await flags(coolify) == (False, False)
        await coolify.ask("PATCH", MUSCLE, {"private_key_uuid": right})
        await coolify.ask("POST", f"{MUSCLE}/validate")
        coolify.clock.advance(5)
        assert await flags(coolify) == (True, True)


async def test_validation_with_install_brings_docker_and_the_proxy(tmp_path: Path) -> None:
    """While it runs, `is_validating` says so; then Docker and what else was missing is there, and the proxy runs."""
    async with pretend_coolify(tmp_path, with_new_host(docker_version="", without=["git"])) as coolify:
        uuid = await new_server(coolify)
        started = await coolify.ask("POST", f"/servers/{uuid}/validate", {"install": True})
        coolify.clock.advance(2)
        during = await coolify.row(f"/servers/{uuid}")
        coolify.clock.advance(45)
        after = await coolify.row(f"/servers/{uuid}")
        assert started == (201, {"message": "Validation and installation started."})
        assert (during["is_validating"], after["is_validating"]) == (True, False)
        assert fields(after["settings"])["is_usable"] is True
        assert [c.name for c in coolify.state().hosts["muscle-3"].containers] == ["coolify-proxy", "coolify-sentinel"]


async def test_after_plain_validation_the_proxy_comes_with_the_next_check(tmp_path: Path) -> None:
    """The minute-by-minute check starts it."""
    async with pretend_coolify(tmp_path, with_new_host()) as coolify:
        uuid = await new_server(coolify, instant_validate=True)
        assert uuid
        coolify.clock.advance(5)
        assert coolify.state().hosts["muscle-3"].containers == []
        coolify.clock.advance(60)
        assert len(coolify.state().hosts["muscle-3"].containers) == 2


async def test_a_server_that_cannot_be_reached_turns_its_running_apps_into_exited(tmp_path: Path) -> None:
    """The check fails, and Coolify calls the applications exited although their containers run."""
    async with pretend_coolify(tmp_path) as coolify:
        with coolify.world.change() as state:
            state.hosts["muscle-1"].up = False
        coolify.clock.advance(61)
        row = await coolify.row(MUSCLE)
        assert (fields(row["settings"])["is_reachable"], row["unreachable_count"]) == (False, 1)
        assert (await coolify.row(f"/applications/{SHOP}"))["status"] == "exited:unhealthy"
        assert coolify.containers("muscle-1", SHOP)[0].state == "running"
        with coolify.world.change() as state:
            state.hosts["muscle-1"].up = True
        coolify.clock.advance(61)
        assert (await coolify.row(f"/applications/{SHOP}"))["status"] == "running:unknown"


async def test_a_server_with_resources_is_kept_unless_forced(tmp_path: Path) -> None:
    """`force` takes the rows and leaves the containers; the local server is never deleted."""
    async with pretend_coolify(tmp_path) as coolify:
        path = f"/servers/{SERVERS['muscle-2']}"
        refused = await coolify.ask("DELETE", path)
        local = await coolify.ask("DELETE", f"/servers/{SERVERS['factory']}")
        assert (refused[0], local) == (400, (400, {"message": "Local server cannot be deleted."}))
        assert await coolify.ask("DELETE", path, query={"force": "true"}) == (200, {"message": "Server deleted."})
        assert (await coolify.ask("GET", f"/applications/{DOCS}"))[0] == 404
        assert len(coolify.containers("muscle-2", DOCS)) == 1


async def test_a_private_key_is_read_and_kept_once(tmp_path: Path) -> None:
    """Base64 works too, extra fields are ignored; the same again, nonsense or a passphrase is 422 without errors."""
    key = Ed25519PrivateKey.generate()
    plain = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    locked = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    async with pretend_coolify(tmp_path) as coolify:
        given = base64.b64encode(plain).decode()
        uuid = await coolify.made("/security/keys", {"private_key": given, "name": "new", "extra": 1})
        row = await coolify.row(f"/security/keys/{uuid}")
        digest = hashlib.sha256(base64.b64decode(public.split()[1])).digest()
        assert row["public_key"] == public.decode()
        assert row["fingerprint"] == base64.b64encode(digest).decode().rstrip("=")
        again = await coolify.ask("POST", "/security/keys", {"private_key": plain.decode()})
        assert again == (422, {"message": "Private key already exists."})
        for wrong in (locked.decode(), "nonsense"):
            refused = await coolify.ask("POST", "/security/keys", {"private_key": wrong})
            assert refused == (422, {"message": "Invalid private key."})
        assert await coolify.ask("DELETE", f"/security/keys/{uuid}") == (200, {"message": "Private Key deleted."})


def new_key() -> str:
    """Return a private key that nobody has yet."""
    return Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()


async def test_a_changed_key_is_whole_and_the_teams_only_one(tmp_path: Path) -> None:
    """PATCH wants the key again as it is; base64 and another row's key are 422 with `errors`, its own key is fine."""
    async with pretend_coolify(tmp_path) as coolify:
        first, second = new_key(), new_key()
        uuid = await coolify.made("/security/keys", {"private_key": first})
        await coolify.made("/security/keys", {"private_key": second})
        path = f"/security/keys/{uuid}"
        assert (await coolify.ask("PATCH", path, {"name": "x"}))[0] == 422
        for wrong, words in (
            (base64.b64encode(first.encode()).decode(), "The private key is invalid."),
            (second, "This private key already exists."),
        ):
            refused = await coolify.ask("PATCH", path, {"private_key": wrong})
            assert refused == (422, {"message": words, "errors": {"private_key": [words]}})
        assert await coolify.ask("PATCH", path, {"private_key": first, "name": "x"}) == (201, {"uuid": uuid})
        assert (await coolify.row(path))["name"] == "x"


async def test_a_key_in_use_is_not_deleted(tmp_path: Path) -> None:
    """422 with details."""
    async with pretend_coolify(tmp_path) as coolify:
        uuid = coolify.state().coolify.keys[1].uuid
        status, answer = await coolify.ask("DELETE", f"/security/keys/{uuid}")
        assert (status, sorted(fields(answer))) == (422, ["details", "message"])


async def test_a_project_comes_with_an_environment(tmp_path: Path) -> None:
    """`production`; a second of the same name is 409; a project is deleted only when it is empty."""
    async with pretend_coolify(tmp_path) as coolify:
        uuid = await coolify.made("/projects", {"name": "more"})
        project = await coolify.row(f"/projects/{uuid}")
        assert [environment["name"] for environment in items(project["environments"])] == ["production"]
        again = await coolify.ask("POST", f"/projects/{uuid}/environments", {"name": "production"})
        assert again == (409, {"message": "Environment with this name already exists."})
        full = await coolify.ask("DELETE", f"/projects/{PROJECT}")
        assert full == (400, {"message": "Project has resources, so it cannot be deleted."})
        assert await coolify.ask("DELETE", f"/projects/{uuid}") == (200, {"message": "Project deleted."})


async def test_an_environment_lists_what_is_in_it(tmp_path: Path) -> None:
    """By name or by uuid."""
    async with pretend_coolify(tmp_path) as coolify:
        environment = await coolify.row(f"/projects/{PROJECT}/production")
        apps = sorted(str(app["name"]) for app in items(environment["applications"]))
        assert (apps, environment["services"], environment["postgresqls"]) == (["docs", "legacy", "shop"], [], [])
        assert await coolify.row(f"/projects/{PROJECT}/{environment['uuid']}") == environment


async def test_a_project_name_has_rules(tmp_path: Path) -> None:
    """Too short is 422, worded the long way; a changed project is 201."""
    async with pretend_coolify(tmp_path) as coolify:
        status, answer = await coolify.ask("POST", "/projects", {"name": "x"})
        assert (status, fields(answer)["errors"]) == (422, {"name": ["The name field must be at least 3 characters."]})
        changed = await coolify.ask("PATCH", f"/projects/{PROJECT}", {"name": "renamed"})
        assert changed == (201, {"uuid": PROJECT, "name": "renamed", "description": None})


async def test_lists_over_everything(tmp_path: Path) -> None:
    """Resources carry type and number; teams are the token's team; GitHub sources show no secrets."""
    async with pretend_coolify(tmp_path) as coolify:
        _, resources = await coolify.ask("GET", "/resources")
        assert {str(row["name"]): row["type"] for row in items(resources)} == dict.fromkeys(
            ("shop", "docs", "legacy"), "application"
        )
        numbers = {app.uuid: app.id for app in coolify.state().coolify.applications}
        assert {row["uuid"]: row["id"] for row in items(resources)} == numbers
        assert (await coolify.row("/teams/current"))["id"] == 0
        _, sources = await coolify.ask("GET", "/github-apps")
        assert [source["name"] for source in items(sources)] == ["Public GitHub", "example"]
        assert not {"client_secret", "webhook_secret", "repositories"} & items(sources)[1].keys()


async def test_a_cleanup_is_set_since_4_3(tmp_path: Path) -> None:
    """The six fields are shown and changed; others, and values out of bounds, are refused; before 4.3.0 it is 404."""
    path = f"{MUSCLE}/docker-cleanup"
    async with pretend_coolify(tmp_path) as coolify:
        before = await coolify.row(path)
        assert (before["docker_cleanup_threshold"], before["force_docker_cleanup"]) == (80, True)
        sent = {"docker_cleanup_threshold": 70, "force_docker_cleanup": False}
        assert await coolify.ask("PATCH", path, sent) == (200, {**before, **sent})
        settings = fields((await coolify.row(MUSCLE))["settings"])
        assert (settings["docker_cleanup_threshold"], settings["force_docker_cleanup"]) == (70, False)
        for wrong in ({"docker_cleanup_threshold": 100}, {"docker_cleanup_threshold": 0}, {"concurrent_builds": 2}):
            status, _ = await coolify.ask("PATCH", path, wrong)
            assert status == 422
        _use(coolify, "4.2.0")
        assert (await coolify.ask("PATCH", path, sent))[0] == 404


async def test_a_proxy_is_started_anew_since_4_3(tmp_path: Path) -> None:
    """The answer comes at once, the container later, as a new one; before 4.3.0 it is 404."""
    path = f"{MUSCLE}/proxy/restart"
    async with pretend_coolify(tmp_path) as coolify:
        (old,) = coolify.containers("muscle-1", "coolify-proxy")
        assert await coolify.ask("POST", path) == (200, {"message": "Proxy restart queued."})
        assert coolify.containers("muscle-1", "coolify-proxy") == [old]
        coolify.clock.advance(10)
        (new,) = coolify.containers("muscle-1", "coolify-proxy")
        assert (new.state, new.started_at > old.started_at) == ("running", True)
        _use(coolify, "4.2.0")
        assert (await coolify.ask("POST", path))[0] == 404


@pytest.mark.parametrize(("version", "shown"), [("4.3.1", False), ("4.3.2", True)])
async def test_the_version_of_docker_is_a_column_since_4_3_2(tmp_path: Path, version: str, *, shown: bool) -> None:
    """With it the only stamp that tells a new validation from an old one."""
    async with pretend_coolify(tmp_path, lambda state: setattr(state.coolify, "version", version)) as coolify:
        settings = fields((await coolify.row(MUSCLE))["settings"])
        assert ("docker_version_checked_at" in settings, "docker_version" in settings) == (shown, shown)


@pytest.mark.parametrize(
    ("version", "words"),
    [
        ("4.0.0-beta.463", "Server with this IP already exists."),
        ("4.2.0", "A server with this IP/Domain is already in use by another team."),
        ("4.3.10", "A server with this IP/Domain is already in use."),
    ],
)
async def test_a_taken_address_has_a_wording_in_each_time(tmp_path: Path, version: str, words: str) -> None:
    """Three versions say it in three ways, with the same status."""
    async with pretend_coolify(tmp_path, lambda state: setattr(state.coolify, "version", version)) as coolify:
        key = coolify.state().coolify.keys[1].uuid
        body = {"ip": "192.0.2.11", "private_key_uuid": key}
        assert await coolify.ask("POST", "/servers", body) == (400, {"message": words})


async def test_workers_that_hang_bring_nothing_to_an_end(tmp_path: Path) -> None:
    """A knob of the sandbox: neither a validation nor the check of each minute says anything of such a server."""
    async with pretend_coolify(tmp_path, with_new_host()) as coolify:
        uuid = await new_server(coolify)
        with coolify.world.change() as state:
            state.coolify.servers[-1].workers_hang = True
        await coolify.ask("POST", f"/servers/{uuid}/validate")
        coolify.clock.advance(600)
        row = await coolify.row(f"/servers/{uuid}")
        settings = fields(row["settings"])
        assert (settings["is_reachable"], settings["is_usable"], row["validation_logs"]) == (False, False, None)


def _use(coolify: PretendCoolify, version: str) -> None:
    with coolify.world.change() as state:
        state.coolify.version = version
