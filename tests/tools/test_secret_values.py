"""Values of variables that are secret: refused as plain text, or made at random, and then Coolify's alone."""

import re
from pathlib import Path

import anyio
import pytest

from ink_infra_mcp.sandbox.seed import SHOP
from ink_infra_mcp.sandbox.state import WorldState
from tests.ink import ERAS, Era, Ink, ink, says_yes
from tests.tools.calls import After, app_named, call, deploy
from tests.tools.test_set_app_env import in_container, value_of
from tests.tools.test_values_put_back import stack

pytestmark = pytest.mark.anyio

LIMIT_S = 150
MADE = re.compile(r"[A-Za-z0-9]{32}")
FILE = (
    "services: {web: {image: 'registry.example.com/web:1', environment: {DB: 'postgres://shop:${DB_PASSWORD}@db'}},"
    " db: {image: 'registry.example.com/db:1', environment: {DB_PASSWORD: '${DB_PASSWORD}'}}}"
)
SECRETS = {
    "DB_PASSWORD": "hunter2-and-more",
    "STRIPE_SECRET_KEY": f"sk_live_{'4eC39HqLyjWDarjtT1zdp7dc'}",
    "DATABASE_URL": "postgres://shop:pw-of-a-url@db/shop",
}


def stored(folder: Path) -> bytes:
    """Return all bytes of the state store."""
    return b"".join(file.read_bytes() for file in sorted((folder / "state").rglob("*")) if file.is_file())


def values_of(it: Ink, key: str) -> set[str | None]:
    """Return what the compose app's own rows of that name hold in Coolify."""
    return {row.value for row in stack(it.state).envs if row.key == key and not row.is_preview}


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("name", SECRETS)
async def test_a_plain_value_that_looks_like_a_secret_is_refused_and_kept_nowhere(
    tmp_path: Path, era: Era, name: str
) -> None:
    """Both tools name the variable and say how to store it; nobody is asked, nothing is written, not even a plan."""
    given, person = {name: SECRETS[name]}, says_yes()
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path) as it, it.client(person, era=era) as client:
            said = [
                await call(client, "set_app_env", app="shop", set=given),
                await deploy(client, name="fresh", image="registry.example.com/web:1", env=given),
                await deploy(client, name="stack", compose=FILE, compose_service="web", env=given),
            ]
            journal = it.journal
    for answer in said:
        assert answer.is_error
        assert f"Plain values that look like secrets are not taken, since plans are stored and shown: {name} (" in (
            answer.text
        )
        assert f"`ink-infra-mcp secret set app:{name}`; then give `secret:{name}`. Or give `generate:`" in answer.text
        assert SECRETS[name] not in answer.text
    assert (person.asked, journal) == ([], [])
    assert SECRETS[name].encode() not in stored(tmp_path)


async def test_text_that_runs_and_plainly_holds_a_secret_is_refused(tmp_path: Path) -> None:
    """A Dockerfile and a compose file say it as variables say it, and are kept nowhere."""
    secret = SECRETS["STRIPE_SECRET_KEY"]
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path) as it, it.client(says_yes()) as client:
            built = await deploy(client, name="fresh", dockerfile=f"FROM alpine\nENV KEY={secret}\n")
            file = FILE.replace("'${DB_PASSWORD}'", f"'{secret}'")
            composed = await deploy(client, name="stack", compose=file, compose_service="web")
            commands = {
                "The build command": await deploy(client, name="shop", build_command=f"KEY={secret} make"),
                "The start command": await deploy(client, name="shop", start_command=f"node app.js --key {secret}"),
                "run_options": await deploy(client, name="shop", run_options=f"--label KEY={secret}"),
            }
            journal = it.journal
    assert [what for what, said in commands.items() if f"{what} plainly holds a secret" not in said.text] == []
    assert "The Dockerfile plainly holds a secret" in built.text
    assert "The compose file plainly holds a secret" in composed.text
    assert "Write `${NAME}` there and give NAME as `env`: `secret:NAME`" in composed.text
    assert secret not in "".join(said.text for said in (built, composed, *commands.values()))
    assert (journal, secret.encode() in stored(tmp_path)) == ([], False)


async def test_an_operator_lets_a_name_be_plain_and_every_plan_says_so(tmp_path: Path) -> None:
    """What the policy allows by its exact name is set as any value, and the person reads the reason."""
    (tmp_path / "secrets.toml").write_text(
        '[plain]\nDEMO_PASSWORD = { allowed = true, why = "a demo", override = "printed on its first page" }\n',
        encoding="utf-8",
    )
    person = says_yes()
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, policies=tmp_path) as it, it.client(person) as client:
            said = await call(client, "set_app_env", app="shop", set={"DEMO_PASSWORD": "hunter2"}, wait_s=60)
            other = await call(client, "set_app_env", app="shop", set={"OTHER_PASSWORD": "hunter2"})
            value = value_of(it, "DEMO_PASSWORD")
    assert (said.outcome, value, other.is_error) == ("applied", "hunter2", True)
    flat = " ".join(person.asked[0].replace("...", " ").split())
    assert "plain.DEMO_PASSWORD: refused -> allowed (printed on its first page)" in flat


@pytest.mark.parametrize("era", ERAS)
async def test_a_random_value_reaches_the_app_and_nobody_else(tmp_path: Path, era: Era) -> None:
    """Coolify and the container have it; question, answer, operation, audit and store do not; the same call again, and
    a later one, leave it as it is."""
    person = says_yes()
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path) as it, it.client(person, era=era) as client:
            said = await call(client, "set_app_env", app="shop", set={"DB_PASSWORD": "generate:"}, wait_s=60)
            value, env = value_of(it, "DB_PASSWORD"), in_container(it)
            again = await call(client, "set_app_env", app="shop", set={"DB_PASSWORD": "generate:"}, wait_s=60)
            later = await call(
                client, "set_app_env", app="shop", set={"DB_PASSWORD": "generate:", "GREETING": "bye"}, wait_s=60
            )
            kept = value_of(it, "DB_PASSWORD")
            told = [
                await call(client, "get_operation", operation=said.data["operation_id"]),
                await call(client, "get_audit"),
                await call(client, "get_app", app="shop"),
            ]
    assert value is not None
    assert MADE.fullmatch(value)
    assert (env["DB_PASSWORD"], kept) == (value, value)
    assert (said.outcome, said.checks["variables"]) == ("applied", "passed")
    assert (again.outcome, later.outcome, later.data["result"]["set"]) == ("already_so", "applied", ["GREETING"])
    flat = " ".join(person.asked[0].replace("...", " ").split())
    assert "of DB_PASSWORD the value is random, and nobody but Coolify has it" in flat
    assert value not in "".join([*person.asked, *(answer.text + str(answer.data) for answer in (said, later, *told))])
    assert value.encode() not in stored(tmp_path)


async def test_a_random_value_of_a_new_compose_app_is_the_same_in_all_its_services(tmp_path: Path) -> None:
    """Coolify makes an empty row of each name in a file: that one is filled, once; every container gets it."""
    arguments = {"name": "stack", "compose": FILE, "compose_service": "web", "env": {"DB_PASSWORD": "generate:"}}
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path) as it, it.client(says_yes()) as client:
            said = await deploy(client, **arguments)
            values = values_of(it, "DB_PASSWORD")
            again = await deploy(client, **arguments)
            kept = values_of(it, "DB_PASSWORD")
            hosts, uuid = it.state.hosts.values(), stack(it.state).uuid
            envs = [container.env for host in hosts for container in host.containers if uuid in container.name]
    (value,) = values
    assert MADE.fullmatch(str(value))
    assert (said.outcome, said.checks["variables"], again.outcome, kept) == ("applied", "passed", "already_so", values)
    assert {env["DB_PASSWORD"] for env in envs if "DB_PASSWORD" in env} == values
    assert str(value).encode() not in stored(tmp_path)


async def test_a_default_that_everybody_can_read_is_not_called_random(tmp_path: Path) -> None:
    """Coolify fills in a compose file's default before we come: the random value takes its place, and later a person
    hears that the default is what there is."""
    file = FILE.replace("${DB_PASSWORD}", "${DB_PASSWORD:-changeme}")
    arguments = {"name": "stack", "compose": file, "compose_service": "web", "env": {"DB_PASSWORD": "generate:"}}
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path) as it, it.client(says_yes()) as client:
            said = await deploy(client, **arguments)
            (value,) = values_of(it, "DB_PASSWORD")
            with it.world.change() as state:
                next(row for row in stack(state).envs if row.key == "DB_PASSWORD").value = "changeme"
            kept = await call(client, "set_app_env", app="stack", set={"DB_PASSWORD": "generate:"}, wait_s=60)
    assert (said.outcome, bool(MADE.fullmatch(str(value)))) == ("applied", True)
    assert "DB_PASSWORD has the default of the compose file, which everybody can read" in kept.text


async def test_a_random_value_of_a_failed_operation_is_taken_away_again(tmp_path: Path) -> None:
    """What was added is removed, and the same call makes another one."""

    def no_build(state: WorldState) -> None:
        app_named(state, "shop").fails_because = "npm error"

    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=no_build) as it, it.client(says_yes()) as client:
            said = await call(client, "set_app_env", app="shop", set={"DB_PASSWORD": "generate:"}, wait_s=60)
            left = value_of(it, "DB_PASSWORD")
    assert (said.outcome, left) == ("undone", None)


async def test_a_container_with_another_random_value_is_not_proved(tmp_path: Path) -> None:
    """Nobody knows the value, but that of the container and that of Coolify must be one and the same."""

    def garbled(state: WorldState) -> None:
        (container,) = [c for c in state.hosts["muscle-1"].containers if c.name.startswith(SHOP)]
        container.env["DB_PASSWORD"] = "another"

    with anyio.fail_after(LIMIT_S):
        after = After(tmp_path, "hosts.prove_isolation", garbled)
        async with ink(tmp_path, wrap_handler=after) as it, it.client(says_yes()) as client:
            said = await call(client, "set_app_env", app="shop", set={"DB_PASSWORD": "generate:"}, wait_s=60)
    (check,) = [c for c in said.data["checks"] if c["name"] == "variables"]
    assert (said.outcome, check["status"]) == ("applied_unverified", "failed")
    assert "DB_PASSWORD in muscle-1's containers" in check["evidence"]


async def test_random_is_the_whole_value_or_none(tmp_path: Path) -> None:
    """`generate:` takes no further words, so that nobody believes a wish that is not granted."""
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path) as it, it.client(says_yes()) as client:
            said = await call(client, "set_app_env", app="shop", set={"DB_PASSWORD": "generate:64"})
    assert "DB_PASSWORD: `generate:` stands alone; it makes 32 random letters and digits" in said.text
