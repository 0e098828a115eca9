"""An app's own variables are known while its words are shown: in its logs, and in what a failed step tells."""

from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ink_infra_mcp.areas.apps.own_values import is_worth_hiding
from ink_infra_mcp.core.redact import mask
from ink_infra_mcp.sandbox.seed import SHOP
from ink_infra_mcp.sandbox.state import WorldState
from ink_infra_mcp.sandbox.state_coolify import EnvVar, Service
from tests.ink import ERAS, Era, ink, says_yes
from tests.tools.calls import Before, app_named, call, deploy, fault
from tests.tools.test_values_put_back import stack

pytestmark = pytest.mark.anyio

LIMIT_S = 150
VALUE = "only-Coolify/knows;this 1"
KEY = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\nBKcwggSjAgEA\n-----END PRIVATE KEY-----"


def with_values(state: WorldState) -> None:
    """Give the shop variables that Coolify alone has, and let it write them into its log."""
    shop = app_named(state, "shop")
    for name, value in (("DB_LOGIN", VALUE), ("CERT", KEY), ("MODE", "production"), ("PIN", "4711")):
        row = {"uuid": f"env-{name}", "key": name, "value": value, "is_preview": False, "is_multiline": True}
        shop.envs.append(shop.envs[0].model_copy(update=row))
    shop.log_lines = [
        f"password={VALUE} in production",
        f'{{"login":"{VALUE.replace("/", chr(92) + "/")}","pin":4711}}',
        "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC",
        "ready",
    ]


MASKED = [
    f"password={mask(25)} in production",
    f'{{"login":"{mask(26)}","pin":4711}}',
    mask(32),
    "ready",
]


@pytest.mark.parametrize("era", ERAS)
async def test_an_app_s_log_shows_no_value_that_coolify_has(tmp_path: Path, era: Era) -> None:
    """Values are masked in their forms and line by line; words, numbers and other apps' logs stay as they are."""
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=with_values) as it, it.client(era=era) as client:
            said = await call(client, "get_app_logs", app="shop")
            with it.world.change() as state:
                app_named(state, "docs").log_lines = [f"docs says {VALUE}"]
            other = await call(client, "get_app_logs", app="docs")
    assert said.data["untrusted_lines"] == MASKED
    assert "note" not in said.data
    assert VALUE not in said.text
    assert other.data["untrusted_lines"] == [f"docs says {VALUE}"]


async def test_a_token_that_sees_no_values_says_so_with_the_log(tmp_path: Path) -> None:
    """What cannot be masked is named, and why; the log is shown all the same."""

    def blind(state: WorldState) -> None:
        with_values(state)
        state.coolify.tokens[0].abilities = ["read", "write", "deploy"]

    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=blind) as it, it.client() as client:
            said = await call(client, "get_app_logs", app="shop")
    assert said.data["untrusted_lines"][3] == "ready"
    assert "values of CERT, DB_LOGIN, GREETING, MODE, NIXPACKS_NODE_VERSION and 1 more are not masked" in said.text
    assert said.data["note"].endswith("the Coolify token lacks read:sensitive, or they are locked in Coolify")


async def test_a_log_is_shown_where_the_variables_cannot_be_read(tmp_path: Path) -> None:
    """Trouble on the way to the variables hides no log, and is said."""
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=with_values) as it, it.client() as client:
            fault(it, f"GET /api/v1/applications/{SHOP}/envs", status=500, times=20)
            said = await call(client, "get_app_logs", app="shop")
    assert said.data["untrusted_lines"][3] == "ready"
    assert said.data["note"].startswith("values of the app's own variables are not masked: ")


@pytest.mark.parametrize("era", ERAS)
async def test_a_failed_build_shows_no_value_that_coolify_has(tmp_path: Path, era: Era) -> None:
    """Neither in the log that comes with the failure, nor in the operation, nor in the build's log asked for later."""

    def failing(state: WorldState) -> None:
        with_values(state)
        app_named(state, "shop").fails_because = f"npm error: cannot log in with {VALUE}"

    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=failing) as it, it.client(says_yes(), era=era) as client:
            said = await deploy(client, name="shop", redeploy=True)
            told = [
                await call(client, "get_operation", operation=said.data["operation_id"]),
                await call(client, "get_app_logs", app="shop", kind="build"),
            ]
    assert said.outcome in {"failed", "undone"}
    assert f"npm error: cannot log in with {mask(25)}" in "\n".join(said.problem["untrusted_log"])
    assert VALUE not in "".join(answer.text + str(answer.data) for answer in (said, *told))


async def test_a_crash_loop_shows_no_value_that_coolify_has(tmp_path: Path) -> None:
    """The last words of a compose app's container, read on its server, are masked as those that Coolify shows."""
    text = (
        "services:\n  web:\n    image: registry.example.com/crash:1\n    restart: 'unless-stopped'\n"
        "    environment:\n      DB_LOGIN: ${DB_LOGIN}\n"
    )
    arguments: dict[str, Any] = {"name": "stack", "compose": text, "port": 80, "env": {"DB_LOGIN": "generate:"}}
    generated: list[str] = []

    def talks(state: WorldState) -> None:
        service: Service = stack(state)
        row: EnvVar = next(row for row in service.envs if row.key == "DB_LOGIN" and not row.is_preview)
        generated.append(str(row.value))
        service.log_lines = [f"cannot log in with {row.value}"]

    before = Before(tmp_path, "coolify.first_deploy", talks)
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, wrap_handler=before) as it, it.client(says_yes()) as client:
            said = await deploy(client, **arguments)
    (value,) = generated
    assert (said.outcome, len(value)) == ("undone", 32)
    assert said.problem["untrusted_log"][-1].endswith(f"cannot log in with {mask(32)}")
    assert value not in said.text + str(said.data)


@pytest.mark.parametrize(
    ("name", "value", "hidden"),
    [
        ("DB_PASSWORD", "hunter2", True),
        ("LOGIN", "S3cr3tPassw0rd!", True),
        ("DATABASE_URL", "postgres://u:pw@db/x", True),
        ("BUILD", "a1b2c3d4e5f6a7b8", True),
        ("TEXT", "one\ntwo three", True),
        ("MODE", "production", False),
        ("MOTTO", "All is well, and calm.", False),
        ("PORT", "3000", False),
        ("BIND", "0.0.0.0:8080", False),
        ("REGION", "eu-central-1", False),
        ("DATA", "/var/lib/data", False),
        ("SITE", "https://shop.example.com:8443/a?b=c", False),
        ("SHORT", "a;b", False),
    ],
)
def test_what_tells_nobody_anything_is_not_masked(name: str, value: str, hidden: bool) -> None:
    """Words, numbers, paths and addresses without a login stay readable, whatever an app has in its variables."""
    assert is_worth_hiding(name, value) is hidden


@given(st.text(max_size=300))
def test_any_value_is_judged(value: str) -> None:
    """No value of an app breaks or holds up the answer."""
    assert is_worth_hiding("X", value) in {True, False}
