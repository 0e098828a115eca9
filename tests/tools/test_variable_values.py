"""Values of variables on their way into containers: exact, or refused before anything is stored, and proved after."""

from pathlib import Path

import anyio
import pytest

from ink_infra_mcp.sandbox.seed import SHOP
from ink_infra_mcp.sandbox.state import WorldState
from tests.ink import ink, says_yes
from tests.tools.calls import After, app_named, call, deploy
from tests.tools.test_set_app_env import SECRET, STORED, in_container


@pytest.mark.anyio
async def test_every_value_arrives_exactly_whoever_made_its_row(tmp_path: Path) -> None:
    """Rows that Coolify made are not literal and would expand or cut a value: it is sent as literal, and what a row's
    flags would change is set again even where its value is right."""
    values = {"A": "p$ss}w{rd$", "B": "a #b", "C": 'say "x" \\ y', "D": "one\ntwo", "E": '{"a": "it\'s"}', "F": "$HOME"}

    def made_by_coolify(state: WorldState) -> None:
        for key, value in values.items():
            row = (
                app_named(state, "shop")
                .envs[0]
                .model_copy(
                    update={"uuid": f"env-{key}", "key": key, "value": value, "is_literal": False, "is_preview": False}
                )
            )
            app_named(state, "shop").envs.append(row)

    with anyio.fail_after(120):
        async with ink(tmp_path, change_world=made_by_coolify) as it, it.client(says_yes()) as client:
            said = await call(client, "set_app_env", app="shop", set=values, wait_s=60)
            env = in_container(it)
            again = await call(client, "set_app_env", app="shop", set=values, wait_s=60)

    assert (said.outcome, said.checks["variables"], again.outcome) == ("applied", "passed", "already_so")
    assert said.data["result"]["set"] == ["A", "B", "C", "D", "F"]
    assert {key: env[key] for key in values} == values


@pytest.mark.anyio
async def test_what_cannot_be_carried_is_refused_before_anything_is_stored(tmp_path: Path) -> None:
    """A quote, a backslash at the end, JSON with a dollar sign, a shared variable: the answer names the variable, never
    the value; a stored secret is judged as well, when the plan is made."""
    bad = {"Q": "it's", "B": "C:\\dir\\", "J": '{"price": "$5"}', "T": "{{team.TOKEN}}", "S": "x\u200b"}
    with anyio.fail_after(60):
        async with ink(tmp_path, app_secrets={"ODD": "pa'ss"}) as it, it.client(says_yes()) as client:
            said = {key: await call(client, "set_app_env", app="shop", set={key: v}) for key, v in bad.items()}
            deployed = await deploy(client, name="fresh", image="registry.example.com/web:1", env={"Q": "it's"})
            stored = await call(client, "set_app_env", app="shop", set={"DB": "secret:ODD"})
            taken = await call(client, "set_app_env", app="shop", set={"SERVICE_FQDN_WEB": "x"})
            journal = it.journal

    for key, answer in said.items():
        assert f"{key}: " in answer.text
        assert bad[key] not in answer.text
    assert "Q: a single quote makes Coolify's file of variables unreadable" in deployed.text
    assert "The value of secret:ODD for DB cannot reach the app as it is: a single quote" in stored.text
    assert "pa'ss" not in stored.text
    assert "SERVICE_FQDN_WEB: Coolify fills in this variable" in taken.text
    assert journal == []


@pytest.mark.anyio
async def test_a_container_that_was_given_something_else_is_not_proved(tmp_path: Path) -> None:
    """After a deployment the container's variables are compared with what was approved; a difference is named, without
    a value, and the outcome is applied_unverified: for what the plan set, and for what was there before."""

    def garbled(state: WorldState) -> None:
        (container,) = [c for c in state.hosts["muscle-1"].containers if c.name.startswith(SHOP)]
        container.env |= {"NEW": "g4rbled", "GREETING": "g4rbled"}

    with anyio.fail_after(90):
        after = After(tmp_path, "hosts.prove_isolation", garbled)
        async with ink(tmp_path, wrap_handler=after) as it, it.client(says_yes()) as client:
            said = await call(client, "set_app_env", app="shop", set={"NEW": "1"}, wait_s=60)

    (check,) = [c for c in said.data["checks"] if c["name"] == "variables"]
    assert (said.outcome, check["status"]) == ("applied_unverified", "failed")
    assert check["evidence"] == ("not as approved: GREETING in muscle-1's containers; NEW in muscle-1's containers")
    assert "g4rbled" not in said.text


@pytest.mark.anyio
async def test_the_copy_for_previews_follows_unless_somebody_gave_it_a_value_of_its_own(tmp_path: Path) -> None:
    """Coolify never touches the copy again that it makes with a variable: an old secret would stay in it."""

    def own_value(state: WorldState) -> None:
        app = app_named(state, "shop")
        app.envs.append(app.envs[0].model_copy(update={"uuid": "e1", "key": "OWN", "value": "a", "is_preview": False}))
        app.envs.append(app.envs[0].model_copy(update={"uuid": "e2", "key": "OWN", "value": "b", "is_preview": True}))

    with anyio.fail_after(90):
        async with ink(tmp_path, change_world=own_value) as it, it.client(says_yes()) as client:
            await call(client, "set_app_env", app="shop", set={"GREETING": "hi", "OWN": "c"}, wait_s=60)
            rows = {(e.key, e.is_preview): e.value for e in app_named(it.state, "shop").envs}

    assert (rows["GREETING", False], rows["GREETING", True]) == ("hi", "hi")
    assert (rows["OWN", False], rows["OWN", True]) == ("c", "b")


FILE = """services:
  web:
    image: registry.example.com/web:1
    environment:
      A: ${A}
      B: ${B:-none}
"""


@pytest.mark.anyio
async def test_variables_of_a_compose_app_are_set_replaced_and_removed(tmp_path: Path) -> None:
    """They reach its containers by a restart, exactly, and are proved; the same call again has nothing to do. What the
    file names is not removed, and what it would expand again is refused."""
    first = {"name": "stack", "compose": FILE, "env": {"A": "1", "DB": "secret:DB_URL", "OLD": "x"}}
    change = {"app": "stack", "set": {"A": "p$ss}w{rd$", "NEW": 'a "b" #c'}, "remove": ["OLD"]}
    with anyio.fail_after(180):
        async with ink(tmp_path, app_secrets=STORED) as it, it.client(says_yes()) as client:
            said = await deploy(client, **first)
            changed = await call(client, "set_app_env", **change, wait_s=60)
            again = await call(client, "set_app_env", **change, wait_s=60)
            named = await call(client, "set_app_env", app="stack", remove=["A"])
            doubled = await call(client, "set_app_env", app="stack", set={"B": "a$b"})
            envs = {env.key: env.value for env in it.state.coolify.services[0].envs}
            (container,) = [c for host in it.state.hosts.values() for c in host.containers if c.name.startswith("web-")]

    assert (said.outcome, said.checks["variables"]) == ("applied", "passed")
    assert (changed.outcome, changed.checks["variables"], again.outcome) == ("applied", "passed", "already_so")
    assert [step["id"] for step in changed.data["steps"]] == [
        "set_env",
        "delete_env",
        "settle",
        "judge",
        "note_containers",
        "deploy",
        "prove_isolation",
        "judge_started",
    ]
    assert {key: envs.get(key) for key in ("A", "NEW", "DB", "OLD")} == {
        "A": "p$ss}w{rd$",
        "NEW": 'a "b" #c',
        "DB": SECRET,
        "OLD": None,
    }
    assert (container.env["A"], container.env["NEW"], "OLD" in container.env) == ("p$ss}w{rd$", 'a "b" #c', False)
    assert "The compose file names A, and Coolify would make it again." in named.text
    assert "The value of B cannot reach the app as it is: the compose file does not name it" in doubled.text
