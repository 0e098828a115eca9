"""deploy_app while vendors or servers misbehave: the error is clear, nothing is lost, and the same call can follow."""

from pathlib import Path
from typing import Any

import anyio
import pytest

from ink_infra_mcp.core.fleet import Fleet
from ink_infra_mcp.sandbox.physics import restart_coolify
from ink_infra_mcp.sandbox.state import Fault, WorldState
from tests.ink import data, ink, says_yes
from tests.tools.calls import Before, app_named, call, creations, deploy, fault

NEW: dict[str, Any] = {"name": "fresh", "repository": "https://github.com/example/hello"}
ANY_GET = "GET /api/v1/"
AWAY = Fault(system="ssh", match="muscle-1", kind="drop", times=2)


def other_token(state: WorldState) -> None:
    """Let the token be another one."""
    state.coolify.tokens[0].secret = "another" + "0" * 33


def expired(state: WorldState) -> None:
    """Let the token be out of date."""
    state.coolify.tokens[0].expires_at = 1.0


def reading(state: WorldState) -> None:
    """Let the token read only."""
    state.coolify.tokens[0].abilities = ["read", "read:sensitive"]


def switched_off(state: WorldState) -> None:
    """Switch the API off."""
    state.coolify.is_api_enabled = False


def other_addresses(state: WorldState) -> None:
    """Let only other machines in."""
    state.coolify.allowed_ips = "192.0.2.200"


def powered_off(state: WorldState) -> None:
    """Switch the Factory off."""
    state.hosts["factory"].up = False


REFUSING: dict[str, tuple[Any, str, str]] = {
    "wrong token": (other_token, "[unauthorized] Coolify does not accept the token", "doctor"),
    "expired token": (expired, "[unauthorized] Coolify does not accept the token", "after 30 days"),
    "API off": (switched_off, "[forbidden] Coolify's API is switched off.", "Settings > Advanced > API Access"),
    "not on the list": (other_addresses, "does not let this machine's address use its API.", "Allowed IPs"),
    "factory off": (powered_off, "[unreachable] Coolify did not answer at http", "reachable from this machine"),
}


@pytest.mark.anyio
async def test_a_coolify_that_refuses_or_is_away_is_named_and_nothing_is_begun(tmp_path: Path) -> None:
    """A wrong or expired token, a closed API, a foreign address, no answer: one sentence each, nobody is asked."""
    person, said = says_yes(), dict[str, str]()
    with anyio.fail_after(120):
        async with ink(tmp_path) as it, it.client(person) as client:
            original = it.state.model_copy(deep=True)
            for name, (break_it, _, _) in REFUSING.items():
                with it.world.change() as state:
                    break_it(state)
                said[name] = (await deploy(client, **NEW)).text
                with it.world.change() as state:
                    again = original.model_copy(deep=True)
                    state.coolify, state.hosts = again.coolify, again.hosts
            well = await deploy(client, **NEW)

    for name, (_, failed, advice) in REFUSING.items():
        assert failed in said[name], name
        assert "Nothing was changed." in said[name], name
        assert advice in said[name], name
    assert (well.outcome, len(person.asked)) == ("applied", 1)


@pytest.mark.anyio
async def test_a_refused_token_is_asked_once(tmp_path: Path) -> None:
    """What a token may not do is not tried again: repeated failures lock accounts."""
    with anyio.fail_after(60):
        async with ink(tmp_path) as it, it.client(says_yes()) as client:
            fault(it, ANY_GET, status=401, body='{"message":"Unauthenticated."}', times=9)
            said = await call(client, "get_app", app="shop")
            left = it.state.faults[0].times

    assert (said.text.startswith("[unauthorized]"), left) == (True, 8)


@pytest.mark.anyio
async def test_passing_trouble_is_waited_out(tmp_path: Path) -> None:
    """429 with its Retry-After, 502, a cut connection and a slow answer cost time and nothing else."""
    trouble = [
        Fault(system="coolify", match="GET /api/v1/servers", kind="status", status=429, headers={"Retry-After": "7"}),
        Fault(system="coolify", match="POST /api/v1/deploy", kind="status", status=429, headers={"Retry-After": "7"}),
        Fault(system="coolify", match="GET /api/v1/projects", kind="status", status=502, body="{}"),
        Fault(system="coolify", match="GET /api/v1/deployments/", kind="drop", times=2, skip=1),
        Fault(system="coolify", match="GET /api/v1/applications", kind="hang", seconds=0.2),
        Fault(system="github", match="GET /repos/example/hello", kind="status", status=503, body="{}"),
    ]
    with anyio.fail_after(90):
        async with ink(tmp_path, change_world=lambda state: state.faults.extend(trouble)) as it:
            async with it.client(says_yes()) as client:
                said = await deploy(client, **NEW)
            left, made = [fault.times for fault in it.state.faults], creations(it)

    assert said.outcome == "applied", said.text
    assert (left, len(made)) == ([0] * len(trouble), 1)


@pytest.mark.anyio
async def test_trouble_that_stays_is_told_with_its_kind(tmp_path: Path) -> None:
    """Errors of Coolify and GitHub, a login page, and JSON of another shape each say what they are."""
    cases = {
        "[unavailable] Coolify answered 500 to GET /servers": Fault(
            system="coolify", match="GET /api/v1/servers", kind="status", body="<h1>Server Error</h1>", times=9
        ),
        "[bad_answer] What answers for Coolify at /servers is not its API: status 200, text/html": Fault(
            system="coolify", match="GET /api/v1/servers", kind="html"
        ),
        "[bad_answer] Coolify answered GET /servers in a shape that is not known: a list was expected": Fault(
            system="coolify", match="GET /api/v1/servers", kind="status", status=200, body='"hello"'
        ),
        "[bad_answer] Coolify answered GET /servers in a shape that is not known: Server field uuid is missing": Fault(
            system="coolify", match="GET /api/v1/servers", kind="status", status=200, body='[{"name":"x"}]'
        ),
        "[rate_limited]": Fault(
            system="coolify", match="GET /api/v1/servers", kind="status", status=429, headers={"Retry-After": "3600"}
        ),
        "[unavailable] GitHub answered 500": Fault(system="github", match="GET /repos", kind="status", times=9),
    }
    person = says_yes()
    with anyio.fail_after(120):
        async with ink(tmp_path) as it, it.client(person) as client:
            said: dict[str, str] = {}
            for words, trouble in cases.items():
                with it.world.change() as state:
                    state.faults = [trouble]
                said[words] = (await deploy(client, **NEW)).text
            journal = it.journal

    assert {words: text for words, text in said.items() if words not in text} == {}
    assert {words: text for words, text in said.items() if "Nothing was changed." not in text} == {}
    assert (journal, person.asked) == ([], [])


@pytest.mark.anyio
async def test_a_token_that_may_only_read_fails_at_the_first_write_and_says_which_ability(tmp_path: Path) -> None:
    """Nothing is made; with a better token the same call does all of it."""
    with anyio.fail_after(90):
        async with ink(tmp_path, change_world=reading) as it, it.client(says_yes()) as client:
            said = await deploy(client, **NEW)
            made = creations(it)
            with it.world.change() as state:
                state.coolify.tokens[0].abilities = ["root"]
            again = await deploy(client, **NEW)

    assert (said.outcome, made) == ("failed", [])
    assert "The Coolify token lacks the ability write. Nothing was changed." in said.problem["message"]
    assert {step["state"] for step in said.data["steps"][1:]} == {"not begun"}
    assert again.outcome == "applied"


@pytest.mark.anyio
async def test_an_answer_that_is_lost_after_the_act_makes_nothing_twice(tmp_path: Path) -> None:
    """A creation and a deployment whose answers never arrived are looked for, found, and gone on with."""
    sources: dict[str, dict[str, Any]] = {
        "applications/public": NEW,
        "services": {"name": "stack", "compose": "services:\n  web: {image: 'registry.example.com/web:1'}\n"},
    }
    with anyio.fail_after(120):
        async with ink(tmp_path) as it, it.client(says_yes()) as client:
            for path in (*sources, "deploy"):
                fault(it, f"POST /api/v1/{path}", "drop_after")
            said = [await deploy(client, **arguments) for arguments in sources.values()]
            made, deployments = creations(it), it.state.coolify.deployments
            fresh = [d for d in deployments if d.application_name == "fresh"]

    assert [answer.outcome for answer in said] == ["applied", "applied"]
    assert (len(made), len(fresh)) == (2, 1)


@pytest.mark.anyio
async def test_a_write_that_fails_says_that_it_may_have_happened(tmp_path: Path) -> None:
    """A 500 to a creation made nothing here: that is looked at, told, and the same call makes the app."""
    with anyio.fail_after(90):
        async with ink(tmp_path) as it, it.client(says_yes()) as client:
            fault(it, "POST /api/v1/applications/public", status=500, body='{"message":"Server Error"}')
            said = await deploy(client, **NEW)
            made = creations(it)
            again = await deploy(client, **NEW)

    assert (said.outcome, made, again.outcome) == ("failed", [], "applied")
    assert "It is not known whether the change happened." in said.problem["message"]


@pytest.mark.anyio
async def test_a_muscle_that_is_away_is_left_alone(tmp_path: Path) -> None:
    """A new app goes elsewhere; an app that runs there is not touched, because nothing could be proved of it."""

    def off(state: WorldState) -> None:
        state.hosts["muscle-1"].up = False

    with anyio.fail_after(120):
        async with ink(tmp_path, change_world=off) as it, it.client(says_yes()) as client:
            moved = await deploy(client, **NEW)
            before = it.journal
            answers = {
                "named": await deploy(client, name="other", image="registry.example.com/web:1", muscle="muscle-1"),
                "update": await deploy(client, name="shop", memory="1g"),
                "variables": await call(client, "set_app_env", app="shop", set={"A": "1"}),
                "restart": await call(client, "control_app", app="shop", action="restart"),
                "rollback": await call(client, "rollback_app", app="shop", to="1"),
            }
            assert it.journal == before

    assert (moved.outcome, moved.data["result"]["muscle"]) == ("applied", "muscle-2")
    assert "No Muscle can take the app: muscle-1: " in answers["named"].text
    for name in ("update", "variables", "restart", "rollback"):
        assert answers[name].text.startswith("[host_unreachable] muscle-1 does not answer over SSH"), answers[name].text
        assert "Nothing was sent to it." in answers[name].text


@pytest.mark.anyio
async def test_a_changed_host_key_is_never_connected_to(tmp_path: Path) -> None:
    """Both keys are named by fingerprint; apps go elsewhere, and what runs there is not touched."""

    def repinned(fleet: Fleet) -> Fleet:
        one, two = fleet.muscles
        return fleet.model_copy(update={"muscles": (one.model_copy(update={"host_key": two.host_key}), two)})

    with anyio.fail_after(90):
        async with ink(tmp_path, change_fleet=repinned) as it, it.client(says_yes()) as client:
            moved = await deploy(client, **NEW)
            before = it.journal
            update = await deploy(client, name="shop", memory="1g")
            listed = await call(client, "list_apps", muscle="muscle-1")
            assert it.journal == before

    assert (moved.outcome, moved.data["result"]["muscle"]) == ("applied", "muscle-2")
    assert update.text.startswith("[host_key_changed] muscle-1 at 192.0.2.11 port 22 shows host key SHA256:")
    assert "Nothing was sent to it." in update.text
    assert "muscle-1 could not be read: muscle-1 at 192.0.2.11 port 22 shows host key" in listed.text


@pytest.mark.anyio
async def test_a_muscle_that_goes_away_before_the_proof_is_waited_for(tmp_path: Path) -> None:
    """Isolation that cannot be seen for a moment is no reason to stop an app."""
    away = Before(tmp_path, "hosts.prove_isolation", lambda state: state.faults.append(AWAY))
    with anyio.fail_after(90):
        async with ink(tmp_path, wrap_handler=away) as it, it.client(says_yes()) as client:
            said = await call(client, "control_app", app="shop", action="restart", wait_s=60)
            left = it.state.faults[0].times

    assert (said.outcome, left) == ("applied", 0), said.text


@pytest.mark.anyio
async def test_isolation_that_nobody_can_see_stops_the_app(tmp_path: Path) -> None:
    """An app that cannot be proved isolated does not go on running, and the answer says what stands in the way."""
    forever = AWAY.model_copy(update={"times": 10_000})
    away = Before(tmp_path, "hosts.prove_isolation", lambda state: state.faults.append(forever))
    with anyio.fail_after(90):
        async with ink(tmp_path, wrap_handler=away) as it, it.client(says_yes()) as client:
            said = await deploy(client, **NEW, muscle="muscle-1")
            app = app_named(it.state, "fresh")
            running = [c for c in it.state.hosts["muscle-1"].containers if app.uuid in c.name]

    assert (said.outcome, app.status, running) == ("undone", "exited:unhealthy", [])
    assert "The SSH connection to muscle-1 broke" in said.problem["message"]
    assert [step["state"] for step in said.data["steps"]] == ["done", "done", "done", "undone", "failed"]


@pytest.mark.anyio
async def test_a_coolify_that_restarts_during_the_build_fails_it_and_the_call_can_follow(tmp_path: Path) -> None:
    """A restart of Coolify marks every build failed; that is told, and the same call builds again."""

    def slow(state: WorldState) -> None:
        app_named(state, "shop").build_seconds = 120

    with anyio.fail_after(120):
        async with ink(tmp_path, change_world=slow) as it, it.client(says_yes()) as client:

            async def restart(progress: float, total: float | None, message: str | None) -> None:
                with it.world.change() as state:
                    if state.coolify.deployments[-1].status == "in_progress" and state.coolify.down_until == 0.0:
                        restart_coolify(state, it.world.now(state))
                        app_named(state, "shop").build_seconds = 6

            arguments = {"name": "shop", "memory": "1g", "wait_s": 60}
            said = data(await client.call_tool("deploy_app", arguments, progress_callback=restart))
            again = await deploy(client, name="shop", memory="1g")

    assert (said["outcome"], said["problem"]["stage"]) == ("failed", "deployment")
    assert "ended as failed" in said["problem"]["message"]
    assert again.outcome == "applied"
