"""The rows of lost answers at Coolify."""

from pydantic import JsonValue

from ink_infra_mcp.core.key_pair import fingerprint_of
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.step import result_of
from ink_infra_mcp.sandbox.coolify.ids import uuid_of
from ink_infra_mcp.sandbox.seed import DOCS, PROJECT, SERVERS, SHOP
from ink_infra_mcp.sandbox.state import WorldState
from ink_infra_mcp.sandbox.state_github import commit_sha
from ink_infra_mcp.sandbox.state_hosts import HostState
from tests.clients.lost import Earlier, Row, key_pair

MUSCLE_1, MUSCLE_2 = SERVERS["muscle-1"], SERVERS["muscle-2"]
NAME, ADDRESS = "muscle-3", "192.0.2.13"
COMPOSE = "services:\n  web:\n    image: registry.example.com/wiki:{tag}\n    expose:\n      - '8080'\n"
SERVICE: JsonObject = {
    "name": "wiki",
    "project": PROJECT,
    "environment": "production",
    "server": MUSCLE_1,
    "compose": COMPOSE.format(tag="1"),
    "front": "web",
    "urls": ["https://wiki.s1.example.com:8080"],
}
WIKI_MADE = Earlier("coolify.create_service", SERVICE, "wiki")
WIKI = result_of("wiki", "uuid")
WIKI_UP = Earlier("coolify.first_deploy", {"app": WIKI, "service": True}, "up")
APP: JsonObject = {
    "source": "dockerfile",
    "name": "fresh",
    "project": PROJECT,
    "environment": "production",
    "server": MUSCLE_1,
    "settings": {"domains": ["https://fresh.s1.example.com"], "build_pack": "dockerfile", "ports_exposes": [8080]},
    "github_app": "",
    "private_key": "",
    "dockerfile": "FROM docker.io/library/nginx:1.27\n",
}


def _noted(app: JsonValue) -> Earlier:
    return Earlier("coolify.note_deployments", {"app": app, "seen": []}, "note")


def _rollout(app: JsonValue, **more: JsonValue) -> JsonObject:
    return {"app": app, "known": result_of("note", "known"), "commit": "", **more}


LAST_WEEK = commit_sha("example/hello main, a week ago")
APP_MADE = Earlier("coolify.create_application", APP, "app")
STOPPED = Earlier("coolify.stop", {"app": DOCS}, "stopped")
_STARTS = "POST /api/v1/services/"
"""A compose app has no deployments: a second start brings up what the file says, as the first one did."""
_STOPS = "POST /api/v1/applications/"
"""Coolify's word of a stopped app lags, so that each run asks; what is stopped stays so."""
_FIRST = frozenset({0})
ROLLOUTS = (
    Row("coolify.deploy", _rollout(SHOP), (_noted(SHOP),)),
    Row("coolify.deploy", {"app": WIKI, "service": True}, (WIKI_MADE,), variant="compose", often=_STARTS, open=_FIRST),
    Row("coolify.first_deploy", _rollout(result_of("app", "uuid")), (APP_MADE, _noted(result_of("app", "uuid")))),
    Row(
        "coolify.first_deploy",
        {"app": WIKI, "service": True},
        (WIKI_MADE,),
        variant="compose",
        often=_STARTS,
        open=_FIRST,
    ),
    Row("coolify.start", _rollout(DOCS), (STOPPED, _noted(DOCS))),
    Row("coolify.start", {"app": WIKI, "service": True}, (WIKI_MADE,), variant="compose", often=_STARTS, open=_FIRST),
    Row("coolify.restart", _rollout(SHOP), (_noted(SHOP),)),
    Row(
        "coolify.restart",
        {"app": WIKI, "service": True},
        (WIKI_MADE, WIKI_UP),
        variant="compose",
        often=_STARTS,
        open=_FIRST,
    ),
    Row("coolify.rollback", _rollout(SHOP) | {"commit": LAST_WEEK}, (_noted(SHOP),)),
    Row("coolify.stop", {"app": SHOP}, often=_STOPS),
    Row("coolify.stop", {"app": WIKI, "service": True}, (WIKI_MADE, WIKI_UP), variant="compose"),
    Row("coolify.stop", {"app": DOCS}, (STOPPED,), variant="called exited", often=_STOPS, open=_FIRST),
    Row("coolify.stop_application", {"app": SHOP}, often=_STOPS),
)
WANTED: JsonObject = {"name": "shop", "server": MUSCLE_2}
CLONE: JsonObject = {
    **WANTED,
    "app": SHOP,
    "destination": uuid_of("destination muscle-2"),
    "network": "coolify",
    "urls": ["https://shop.s2.example.com"],
    "mounts": [],
}
CLONED = Earlier("coolify.clone_application", CLONE, "clone")
SWITCH: JsonObject = {
    "first_app": SHOP,
    "first": {"name": "shop-was", "domains": ["http://was.moved.invalid"], "is_auto_deploy_enabled": False},
    "second_app": result_of("clone", "uuid"),
    "second": {"name": "shop", "domains": ["https://shop.s2.example.com"], "is_auto_deploy_enabled": True},
}
_SETS = "PATCH "
"""The same fields are set to the same values."""
APPS = (
    Row("coolify.create_project", {"name": "crowd"}),
    Row("coolify.create_environment", {"project": PROJECT, "name": "staging"}),
    Row("coolify.create_application", APP, often=_SETS, open=frozenset({1})),
    Row("coolify.create_service", SERVICE),
    Row("coolify.clone_application", CLONE),
    Row("coolify.discard_clone", WANTED, (CLONED,)),
    Row("coolify.switch_domains", SWITCH, (CLONED,)),
    Row("coolify.update_application", {"app": SHOP, "settings": {"limits_memory": "1g"}}, often=_SETS, open=_FIRST),
    Row(
        "coolify.update_service",
        {"app": WIKI, "compose": COMPOSE.format(tag="2"), "front": "web", "urls": SERVICE["urls"]},
        (WIKI_MADE,),
        often=_SETS,
        open=_FIRST,
    ),
    Row("coolify.settle_service", {"app": WIKI, "name": "wiki"}, (WIKI_MADE,), often=_SETS, open=_FIRST),
    Row("coolify.discard_service", {"app": WIKI}, (WIKI_MADE,)),
    Row("coolify.discard_application", {"app": result_of("app", "uuid")}, (APP_MADE,)),
    Row("coolify.discard_canary", {"app": WIKI, "name": "wiki"}, (WIKI_MADE,)),
    Row("coolify.delete_application", {"app": DOCS, "delete_volumes": False}),
    Row("coolify.delete_application", {"app": WIKI, "service": True}, (WIKI_MADE,), variant="compose"),
)
VARIABLES: JsonObject = {"GREETING": "welcome", "API_KEY": "secret:SHOP_API_KEY"}
SET = Earlier("coolify.set_env", {"app": SHOP, "variables": VARIABLES}, "set")
BACK: JsonObject = {
    "app": SHOP,
    "added": ["API_KEY"],
    "kept": [],
    "earlier": {
        "GREETING": {
            "value": "hello",
            "is_literal": False,
            "is_multiline": False,
            "is_runtime": True,
            "is_buildtime": True,
            "is_shown_once": False,
        }
    },
    "lost": [],
}
ENVS = (
    Row("coolify.set_env", SET.params, often=_SETS),
    Row(
        "coolify.set_env",
        {"app": WIKI, "variables": {"GREETING": "hi"}, "service": True},
        (WIKI_MADE,),
        variant="compose",
        often=_SETS,
    ),
    Row("coolify.set_env_new", {"app": result_of("app", "uuid"), "variables": VARIABLES}, (APP_MADE,), often=_SETS),
    Row("coolify.delete_env", {"app": SHOP, "names": ["GREETING"]}),
    Row("coolify.restore_env", BACK, (SET,), often=_SETS),
)


def _with_muscle(state: WorldState) -> None:
    """Let a machine be there that takes whichever key Coolify comes with."""
    keys = [key.public_key for key in state.coolify.keys]
    state.hosts[NAME] = HostState(name=NAME, address=ADDRESS, role="muscle", authorized_keys=keys)


def _with_old_coolify(state: WorldState) -> None:
    """In that version a GET begins a validation."""
    _with_muscle(state)
    state.coolify.version = "4.0.0-beta.463"


KEY_MADE = Earlier("coolify.create_private_key", {"name": "ink muscle-3"}, "key")
ENTERED = Earlier(
    "coolify.create_server",
    {"name": NAME, "address": ADDRESS, "port": 22, "user": "root", "key": uuid_of("key muscles")},
    "server",
)
MUSCLE_3 = result_of("server", "uuid")
VALIDATED = Earlier("coolify.validate_server", {"server": MUSCLE_3, "unproved": True}, "validated")
SETTINGS: JsonObject = {
    "server": MUSCLE_1,
    "concurrent_builds": 3,
    "cleanup_threshold": 70,
    "cleanup_always": False,
}


def _without_proxy(state: WorldState) -> None:
    host = state.hosts["muscle-1"]
    host.containers = [container for container in host.containers if container.name != "coolify-proxy"]


_ASKS = "POST /api/v1/servers/"
"""A validation only looks; Coolify looks each minute by itself, and starts a proxy that is missing."""
REGISTERING = (
    Row("coolify.create_private_key", KEY_MADE.params),
    Row("coolify.discard_private_key", KEY_MADE.params, (KEY_MADE,)),
    Row(
        "coolify.delete_private_key",
        {"key": result_of("key", "uuid"), "fingerprint": fingerprint_of(key_pair().public)},
        (KEY_MADE,),
    ),
    Row("coolify.create_server", ENTERED.params, arrange=_with_muscle),
    Row("coolify.discard_server", {"name": NAME}, (ENTERED,)),
    Row("coolify.delete_server", {"server": MUSCLE_3, "address": ADDRESS}, (ENTERED,)),
    Row("coolify.validate_server", VALIDATED.params, (ENTERED,), arrange=_with_muscle, often=_ASKS, by_itself=True),
    Row(
        "coolify.validate_server",
        VALIDATED.params,
        (ENTERED,),
        arrange=_with_old_coolify,
        variant="old",
        often="GET ",
        by_itself=True,
    ),
    Row("coolify.set_server_settings", SETTINGS),
    Row("coolify.set_server_address", {"server": MUSCLE_1, "address": "10.250.0.3", "before": "192.0.2.11"}),
    Row(
        "coolify.start_proxy",
        {"server": MUSCLE_1, "host": "muscle-1"},
        arrange=_without_proxy,
        often=_ASKS,
        by_itself=True,
    ),
)
COOLIFY = (*ROLLOUTS, *APPS, *ENVS, *REGISTERING)
