"""set_app_env: names in plans, values on the wire only, and what is set is in the container or still owed to it."""

from pathlib import Path

import anyio
import pytest
from pydantic import TypeAdapter, ValidationError

from ink_infra_mcp.areas.apps.envs import EnvArgs, EnvNow, env_steps
from ink_infra_mcp.sandbox.seed import SHOP
from ink_infra_mcp.sandbox.state import WorldState
from tests.ink import Ink, data, ink, says_yes
from tests.tools.calls import ROLLOUT, Before, app_named, call, deploy, fault

SECRET = "sEcr3t-Value-0123456789"
STORED = {"DB_URL": SECRET}


def in_container(it: Ink) -> dict[str, str]:
    """Return the environment of the shop's container, as far as a person set it."""
    containers = [c for c in it.state.hosts["muscle-1"].containers if c.name.startswith(SHOP)]
    env = containers[0].env
    own = {"HOST", "PORT"}
    return {key: value for key, value in env.items() if not key.startswith("COOLIFY_") and key not in own}


def value_of(it: Ink, key: str) -> str | None:
    """Return a variable of the shop as Coolify has it."""
    return next((e.value for e in app_named(it.state, "shop").envs if e.key == key and not e.is_preview), None)


@pytest.mark.anyio
async def test_variables_are_added_replaced_and_removed_and_reach_the_container(tmp_path: Path) -> None:
    """One call does all three and deploys once; the same call again has nothing to do; a gone name is no trouble."""
    arguments = {"app": "shop", "set": {"GREETING": "hi", "EMPTY": "", "NEW": "1"}, "remove": ["NIXPACKS_NODE_VERSION"]}
    person = says_yes()
    with anyio.fail_after(90):
        async with ink(tmp_path) as it, it.client(person) as client:
            said = await call(client, "set_app_env", **arguments, wait_s=60)
            env, writes = in_container(it), it.journal
            again = await call(client, "set_app_env", **arguments, wait_s=60)
            gone = await call(client, "set_app_env", app="shop", remove=["NEVER_THERE"])
            both = await call(client, "set_app_env", app="shop", set={"A": "1"}, remove=["A"])
            nothing = await call(client, "set_app_env", app="shop")

    assert (said.outcome, said.data["result"]) == (
        "applied",
        {"set": ["EMPTY", "GREETING", "NEW"], "removed": ["NIXPACKS_NODE_VERSION"]},
    )
    assert said.checks["variables"] == "passed"
    assert env == {"GREETING": "hi", "EMPTY": "", "NEW": "1"}
    assert [entry for entry in writes if entry.endswith("/deploy")] == ["coolify POST /api/v1/deploy"]
    assert "add EMPTY, NEW and replace GREETING" in person.asked[0]
    assert "      EMPTY is empty\n      GREETING = hi\n      NEW = 1\n" in person.asked[0]
    assert (again.outcome, gone.outcome, len(person.asked)) == ("already_so", "already_so", 1)
    assert "A cannot be set and removed at once" in both.text
    assert "give set or remove" in nothing.text


STEERING = (
    *("COMPOSE_FILE", "COMPOSE_PROFILES", "compose_x", "DOCKER_BUILDKIT", "GIT_CONFIG_COUNT", "LD_PRELOAD", "PATH"),
    *("BASH_ENV", "IFS", "https_proxy", "DOCKER_DEFAULT_PLATFORM", "HOME"),
)
"""What the programs that build and start an app obey (seen: two of them ran a program of the app's as root)."""


@pytest.mark.parametrize("name", [*STEERING, "SERVICE_FQDN_WEB", "1A", "A B"])
def test_a_name_that_coolify_or_docker_compose_obeys_is_no_variable_of_an_app(name: str) -> None:
    """COMPOSE_* in an app's `.env` chooses files and services (seen with Compose 2.26.1), SERVICE_* a domain."""
    with pytest.raises(ValidationError, match="name"):
        TypeAdapter[dict[str, str]](EnvArgs).validate_python({name: "x"})


def test_every_variable_that_changes_is_named_in_the_summary() -> None:
    """However many there are, a person reads each name: none hides behind a number. Values stand below it."""
    names = tuple(f"VARIABLE_{number:03}" for number in range(300))
    now = EnvNow(digests={names[0]: None}, wanted=dict.fromkeys(names, "vALue"), changed=names, uuids={})
    (step,) = env_steps(now, target="shop", app="uuid", new=False)
    assert step.summary == f"Variables of shop: add {', '.join(names[1:])} and replace {names[0]}"


@pytest.mark.anyio
async def test_a_secret_goes_to_the_wire_and_nowhere_else(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The value is in Coolify and in the container, and in no plan, question, answer, progress, log, or byte of state;
    set once it is not set again, and a new value is noticed."""
    caplog.set_level("DEBUG")
    person, told = says_yes(), list[str]()
    wanted = {"set": {"DB": "secret:DB_URL"}, "app": "shop"}

    async def tell(progress: float, total: float | None, message: str | None) -> None:
        told.append(message or "")

    with anyio.fail_after(120):
        async with ink(tmp_path, app_secrets=STORED) as it, it.client(person) as client:
            raw = await client.call_tool("set_app_env", {**wanted, "wait_s": 60}, progress_callback=tell)
            env = in_container(it)
            said = [
                await call(client, "set_app_env", **wanted, wait_s=60),
                await call(client, "get_app", app="shop"),
                await call(client, "get_app_logs", app="shop", kind="build"),
                await call(client, "list_operations"),
                await call(client, "get_audit"),
                await call(client, "get_operation", operation=data(raw)["operation_id"]),
            ]
            with it.world.change() as state:
                next(e for e in app_named(state, "shop").envs if e.key == "DB" and not e.is_preview).value = "other"
            rotated = await call(client, "set_app_env", **wanted, wait_s=60)
            value = value_of(it, "DB")
        kept = b"".join(file.read_bytes() for file in (tmp_path / "state").rglob("*") if file.is_file())

    assert (env["DB"], value) == (SECRET, SECRET)
    assert (data(raw)["outcome"], said[0].outcome, rotated.outcome) == (
        "applied",
        "already_so",
        "applied",
    )
    shown = [raw.model_dump_json(), *(f"{s.text}{s.data}" for s in said), *person.asked, *told, caplog.text]
    assert [text for text in shown if SECRET in text] == []
    assert (SECRET.encode() in kept, b"secret:DB_URL" in kept) == (False, True)


@pytest.mark.anyio
async def test_a_secret_that_is_missing_is_refused_before_or_fails_before_the_write(tmp_path: Path) -> None:
    """What is not stored is said with the command that stores it; nothing is asked of anybody, nothing written."""
    with anyio.fail_after(60):
        async with ink(tmp_path, app_secrets=STORED) as it, it.client(says_yes()) as client:
            said = [
                await call(client, "set_app_env", app="shop", set={"A": "secret:OTHER", "B": "secret:DB_URL"}),
                await deploy(client, name="fresh", image="registry.example.com/web:1", env={"A": "secret:OTHER"}),
            ]
            odd = await call(client, "set_app_env", app="shop", set={"A": "secret:../etc"})
            journal = it.journal

    for answer in said:
        assert answer.text.startswith("[invalid_input] No stored secret is called OTHER. Nothing was changed.")
        assert "ink-infra-mcp secret set app:OTHER" in answer.text
    assert "A: a stored secret is named secret:NAME with capitals, digits and _" in odd.text
    assert journal == []


@pytest.mark.anyio
async def test_without_a_redeployment_the_change_is_owed_and_said_to_be(tmp_path: Path) -> None:
    """The plan warns that nothing takes effect yet; the next call that deploys finds the app wanting, and deploys."""
    person = says_yes()
    with anyio.fail_after(90):
        async with ink(tmp_path) as it, it.client(person) as client:
            said = await call(client, "set_app_env", app="shop", set={"GREETING": "hi"}, redeploy=False, wait_s=60)
            before = in_container(it)["GREETING"]
            later = await call(client, "set_app_env", app="shop", set={"GREETING": "hi"}, wait_s=60)
            after = in_container(it)["GREETING"]
            again = await call(client, "set_app_env", app="shop", set={"GREETING": "hi"}, wait_s=60)
            await call(client, "set_app_env", app="shop", remove=["GREETING"], redeploy=False, wait_s=60)
            deployed = await deploy(client, name="shop")
            finally_ = in_container(it)

    assert (said.outcome, before, later.outcome, after, again.outcome) == (
        "applied",
        "hello",
        "applied",
        "hi",
        "already_so",
    )
    assert "Warning: the change takes effect at the next start or deployment" in person.asked[0].replace(
        "\n      ... ", " "
    )
    assert [step["id"] for step in later.data["steps"]] == ROLLOUT
    assert (deployed.outcome, "GREETING" in finally_) == ("applied", False)


@pytest.mark.anyio
async def test_what_a_failed_operation_did_is_taken_back_and_the_same_call_does_it_again(tmp_path: Path) -> None:
    """Coolify breaks off between two variables; then the build fails: no value of a failed operation stays behind.

    What only Coolify knew cannot be put back: the answer names it, and says how to mend it.
    """
    arguments = {"app": "shop", "set": {"A": "1", "B": "2"}, "remove": ["GREETING"]}

    def broken(state: WorldState) -> None:
        app_named(state, "shop").fails_because = "npm error"

    failing = Before(tmp_path, "coolify.deploy", broken)
    with anyio.fail_after(120):
        async with ink(tmp_path, wrap_handler=failing) as it, it.client(says_yes()) as client:
            fault(
                it, f"POST /api/v1/applications/{SHOP}/envs", status=422, skip=1, body='{"message":"No.","errors":{}}'
            )
            first = await call(client, "set_app_env", **arguments, wait_s=60)
            half = (value_of(it, "A"), value_of(it, "B"), value_of(it, "GREETING"))
            second = await call(client, "set_app_env", **arguments, wait_s=60)
            taken_back = [e.key for e in app_named(it.state, "shop").envs]
            with it.world.change() as state:
                app_named(state, "shop").fails_because = ""
            third = await call(client, "set_app_env", **arguments, wait_s=60)
            env = in_container(it)

    assert (first.outcome, half) == ("undone", (None, None, "hello"))
    assert (second.outcome, [(s["id"], s["state"]) for s in second.data["steps"]]) == (
        "failed",
        [("set_env", "undone"), *zip(("delete_env", *ROLLOUT), (*["done"] * 3, "failed", "not begun"), strict=True)],
    )
    assert "The earlier values of GREETING could not be put back" in second.text
    assert taken_back == ["NIXPACKS_NODE_VERSION", "NIXPACKS_NODE_VERSION"]
    assert (third.outcome, [s["id"] for s in third.data["steps"]]) == ("applied", ["set_env", *ROLLOUT])
    assert {key: env.get(key) for key in ("A", "B", "GREETING")} == {"A": "1", "B": "2", "GREETING": None}


def blind(state: WorldState) -> None:
    """Take the right to read values from the token."""
    state.coolify.tokens[0].abilities = ["read", "write", "deploy"]


@pytest.mark.anyio
async def test_without_the_right_to_read_values_the_containers_tell_what_is_so(tmp_path: Path) -> None:
    """A token without read:sensitive plans nothing twice: the running container shows by digest what it has. What none
    shows (it was changed and not deployed since) is set again, and the plan says why."""
    person = says_yes()
    with anyio.fail_after(120):
        async with ink(tmp_path, change_world=blind) as it, it.client(person) as client:
            same = await call(client, "set_app_env", app="shop", set={"GREETING": "hello"}, wait_s=60)
            other = await call(client, "set_app_env", app="shop", set={"GREETING": "hi"}, wait_s=60)
            again = await call(client, "set_app_env", app="shop", set={"GREETING": "hi"}, wait_s=60)
            await call(client, "set_app_env", app="shop", set={"GREETING": "later"}, redeploy=False, wait_s=60)
            unsure = await call(client, "set_app_env", app="shop", set={"GREETING": "hi"}, wait_s=60)
            value = value_of(it, "GREETING")

    assert (same.outcome, other.outcome, again.outcome) == ("already_so", "applied", "already_so")
    assert "nothing shows" not in "".join(person.asked[:2])
    assert (unsure.outcome, value) == ("applied", "hi")
    assert "Warning: nothing shows whether GREETING differs" in person.asked[-1]
    assert "Warning: for previews GREETING stays as it is: the Coolify token" in person.asked[0]
