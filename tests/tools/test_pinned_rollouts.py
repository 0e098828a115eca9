"""What was approved is what is deployed: what Coolify has of an app is pinned, and read again before the request."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp.client import ClientRequestContext
from mcp.types import ElicitRequestParams, ElicitResult
from pydantic import JsonValue

from ink_infra_mcp.sandbox.running import open_world
from ink_infra_mcp.sandbox.state import WorldState
from ink_infra_mcp.sandbox.state_coolify import EnvVar
from tests.ink import ERAS, SPEED, Era, Ink, Person, ink, says, says_yes
from tests.tools.calls import Before, Said, app_named, call, deploy, push

pytestmark = pytest.mark.anyio

LIMIT_S = 180
FILE = "services: {web: {image: 'registry.example.com/web:1', environment: {GREETING: '${GREETING}'}}}\n"
Change = Callable[[WorldState], None]


@dataclass(slots=True)
class Meddled(Person):
    """Accepts everything; while the question is open, somebody changes the world in `folder`."""

    folder: Path = Path()
    changes: list[Change] = field(default_factory=list[Change])

    async def __call__(self, context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:
        """Change the world, then say yes."""
        self.asked.append(params.message)
        while self.changes:
            with open_world(self.folder / "world.db", speed=SPEED).change() as state:
                self.changes.pop()(state)
        return ElicitResult(action="accept", content={})


def meddled(folder: Path) -> Meddled:
    """Return a person during whose thinking somebody changes things."""
    return Meddled([], folder=folder)


def column(app: str, name: str, value: JsonValue) -> Change:
    """Return the change of a field that somebody makes at Coolify's own pages."""

    def change(state: WorldState) -> None:
        app_named(state, app).columns[name] = value

    return change


def variable(app: str, name: str, value: str) -> Change:
    """Return the change of a variable's value at Coolify's own pages; one that is not there is added."""

    def change(state: WorldState) -> None:
        owner = next((s for s in state.coolify.services if s.name == app), None) or app_named(state, app)
        rows = [row for row in owner.envs if row.key == name and not row.is_preview]
        if not rows:
            rows = [EnvVar(id=9_000, uuid="meddled0meddled0meddled0", key=name)]
            owner.envs += rows
        rows[0].value = value

    return change


def asked_to_start(it: Ink) -> int:
    """Return how often Coolify was asked to start anything."""
    return sum(line.endswith(("/deploy", "/start", "/restart", "/rollback")) for line in it.journal)


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize(
    ("app", "change", "shown"),
    [
        (
            "docs",
            column("docs", "docker_registry_image_name", "registry.example.com/evil"),
            "registry.example.com/evil",
        ),
        ("shop", column("shop", "start_command", "sh -c evil"), "start_command = sh -c evil"),
        ("shop", column("shop", "build_command", "make evil"), "build_command = make evil"),
        ("shop", variable("shop", "GREETING", "evil"), "variable GREETING"),
    ],
    ids=["image", "start_command", "build_command", "variable"],
)
async def test_what_is_changed_while_the_question_is_open_is_drift(
    tmp_path: Path, era: Era, app: str, change: Change, shown: str
) -> None:
    """The image, a command or a value is another one when the yes comes: nothing is written; the new plan says it."""
    person = meddled(tmp_path)
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path) as it, it.client(person, era=era) as client:
            first = await deploy(client, name=app, memory="300m")
            before = it.journal
            person.changes.append(change)
            told = await deploy(client, name=app, memory="200m")
            assert it.journal == before
    assert (first.outcome, told.outcome) == ("applied", "plan_drifted")
    assert shown not in person.asked[-1]
    assert shown in told.text


@dataclass(frozen=True)
class Start:
    """A call that starts something: which, of what app, and by which kind of step."""

    tool: str
    kind: str
    app: str
    arguments: dict[str, Any]
    stopped: bool = False
    """Whether the app is stopped before."""


STARTS = {
    "deploy": Start("deploy_app", "coolify.deploy", "shop", {"name": "shop", "memory": "300m"}),
    "first": Start(
        "deploy_app", "coolify.first_deploy", "fresh", {"name": "fresh", "image": "registry.example.com/web:1"}
    ),
    "start": Start("control_app", "coolify.start", "shop", {"app": "shop", "action": "start"}, stopped=True),
    "restart": Start("control_app", "coolify.restart", "shop", {"app": "shop", "action": "restart"}),
    "variables": Start("set_app_env", "coolify.deploy", "shop", {"app": "shop", "set": {"NEW": "1"}}),
    "compose": Start("control_app", "coolify.restart", "stack", {"app": "stack", "action": "restart"}),
}


@pytest.mark.parametrize("how", STARTS)
async def test_what_is_changed_after_the_begin_starts_nothing(tmp_path: Path, how: str) -> None:
    """Just before the request somebody adds a variable and, to an application, a command: the step names them both
    and asks Coolify for nothing; the same call afterwards tells them in its plan."""
    start, person = STARTS[how], says_yes()
    meddling = Before(tmp_path, start.kind, lambda state: [change(state) for change in changes])
    changes = [variable(start.app, "NODE_OPTIONS", "--require /evil.js")]
    if how != "compose":
        changes.append(column(start.app, "start_command", "sh -c evil"))
    wrapped: list[bool] = []

    def wrap(kind: str, handler: Any) -> Any:
        changed = meddling(kind, handler)

        async def run(step: Any) -> Any:
            return await (changed if wrapped else handler)(step)

        return run

    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, wrap_handler=wrap) as it, it.client(person) as client:
            if how == "compose":
                await deploy(client, name="stack", compose=FILE, env={"GREETING": "hello"})
            if start.stopped:
                await call(client, "control_app", app=start.app, action="stop", wait_s=60)
            before = asked_to_start(it)
            wrapped.append(True)
            told = await call(client, start.tool, wait_s=60, **start.arguments)
            assert asked_to_start(it) == before
    assert told.outcome in ("failed", "undone")
    assert told.problem["stage"] == "drift"
    message = told.problem["message"]
    assert "variable NODE_OPTIONS was added" in message
    assert how == "compose" or "start_command 'sh -c evil' was added" in message
    assert "Nothing was started. Call the tool again: its new plan shows what there is now." in message


@pytest.mark.parametrize("era", ERAS)
async def test_a_variable_that_is_set_without_a_redeployment_needs_a_person(tmp_path: Path, era: Era) -> None:
    """The next start obeys it, whoever asks for that: the plan shows name and value, and a no writes nothing."""
    person = says("decline")
    wanted = {"app": "shop", "set": {"NODE_OPTIONS": "--require /app/evil.js"}, "redeploy": False}
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path) as it:
            async with it.client(person, era=era) as client:
                told = await call(client, "set_app_env", **wanted)
            async with it.client() as client:
                silent = await call(client, "set_app_env", **wanted)
            journal = it.journal
    assert (told.outcome, silent.outcome, journal) == ("not_approved", "approval_required", [])
    assert "      NODE_OPTIONS = --require /app/evil.js\n" in person.asked[0]
    assert "takes effect at the next start or deployment" in " ".join(person.asked[0].split())


def warning(text: str) -> str:
    """Return the part of a plan that warns, on one line."""
    return " ".join(text.replace("\n      ... ", " ").partition("Warning:")[2].split())


@pytest.mark.parametrize("era", ERAS)
async def test_a_start_names_what_was_changed_since_the_app_last_ran(tmp_path: Path, era: Era) -> None:
    """What we set without a redeployment and what people changed at Coolify's pages is named before it runs."""
    person = says_yes()
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path) as it, it.client(person, era=era) as client:
            first = await deploy(client, name="shop", memory="300m")
            unchanged = await call(client, "control_app", app="shop", action="restart", wait_s=60)
            await call(client, "control_app", app="shop", action="stop", wait_s=60)
            await call(client, "set_app_env", app="shop", set={"NODE_ENV": "x"}, redeploy=False)
            with it.world.change() as state:
                column("shop", "start_command", "sh -c evil")(state)
            started = await call(client, "control_app", app="shop", action="start", wait_s=60)
    assert [first.outcome, unchanged.outcome, started.outcome] == ["applied"] * 3
    assert "what ran before is not known: no start of it stands in this server's record" in warning(person.asked[0])
    assert "changed since" not in person.asked[1]
    asked = warning(person.asked[-1])
    last = unchanged.data["operation_id"]
    assert f"changed since it last ran ({last}): start_command, variable NODE_ENV" in asked
    assert "start_command = sh -c evil" in person.asked[-1]


async def test_a_deployment_that_somebody_else_asked_for_makes_what_ran_unknown(tmp_path: Path) -> None:
    """After ours, Coolify deployed the app for somebody else: the next plan does not call our record what ran."""
    person = says_yes()
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path) as it, it.client(person) as client:
            await deploy(client, name="docs", memory="300m")
            with it.world.change() as state:
                ours = state.coolify.deployments[-1]
                theirs = ours.model_copy(update={"id": 9_001, "deployment_uuid": "theirs00theirs00theirs00"})
                state.coolify.deployments.append(theirs)
            await call(client, "control_app", app="docs", action="restart", wait_s=60)
    assert "somebody else had it deployed since" in warning(person.asked[-1])


async def test_a_new_app_is_started_as_it_was_planned_and_nothing_counts_as_changed_afterwards(tmp_path: Path) -> None:
    """What Coolify itself gives a new app is no drift, and stands in the record of what ran."""
    person = says_yes()
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path) as it, it.client(person) as client:
            made = await deploy(client, name="fresh", repository="https://github.com/example/hello", env={"A": "1"})
            stack = await deploy(client, name="stack", compose=FILE, env={"GREETING": "hello"})
            said = [
                await call(client, "control_app", app=app, action="restart", wait_s=60) for app in ("fresh", "stack")
            ]
    assert [told.outcome for told in (made, stack, *said)] == ["applied"] * 4
    assert [warning(text) for text in person.asked[-2:]] == ["", ""]


async def test_a_compose_app_whose_variables_are_coolify_s_own_is_deployed(tmp_path: Path) -> None:
    """`KEY: ${SERVICE_PASSWORD_...}` makes a row that Coolify fills in when it reads the file: that is no drift."""
    file = FILE.replace("GREETING: '${GREETING}'", "KEY: '${SERVICE_PASSWORD_WEB}', USER: '${SERVICE_USER_WEB}'")
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path) as it, it.client(says_yes()) as client:
            said = [
                await deploy(client, name="stack", compose=file, port=80),
                await deploy(client, name="stack", compose=file.replace("web:1", "web:2"), port=80),
                await call(client, "control_app", app="stack", action="restart", wait_s=60),
            ]
    assert [told.outcome for told in said] == ["applied"] * 3, [told.text for told in said]


@pytest.mark.parametrize(
    "change",
    [
        column("shop", "dockerfile", "FROM evil"),
        column("shop", "dockerfile_location", "/evil"),
    ],
    ids=["dockerfile", "dockerfile_location"],
)
async def test_a_change_of_the_build_pack_lets_nothing_else_in(tmp_path: Path, change: Change) -> None:
    """What Coolify clears of another pack is no door for what somebody else sets meanwhile."""
    person = meddled(tmp_path)
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path) as it, it.client(person) as client:
            person.changes.append(change)
            told = await deploy(client, name="shop", build_pack="static", domain="other.example.com")
    assert told.outcome == "plan_drifted", told.text


@pytest.mark.parametrize("era", ERAS)
async def test_a_start_pins_the_commit_that_it_would_build(tmp_path: Path, era: Era) -> None:
    """The plan names the head of the branch; pushed to while the question is open, it is another plan."""
    person = meddled(tmp_path)

    def pushed(state: WorldState) -> None:
        push(state)

    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path) as it, it.client(person, era=era) as client:
            await call(client, "control_app", app="shop", action="stop", wait_s=60)
            head = it.state.github.repos["example/hello"].branches["main"]
            before = it.journal
            person.changes.append(pushed)
            told = await call(client, "control_app", app="shop", action="start", wait_s=60)
            assert it.journal == before
    assert told.outcome == "plan_drifted"
    assert f"Start shop at {head[:12]}" in person.asked[-1]


async def test_what_the_token_may_not_read_is_said_not_to_be_pinned(tmp_path: Path) -> None:
    """Without read:sensitive values have no digest: the plan says so, and a changed one is still a change."""
    person = meddled(tmp_path)

    def blind(state: WorldState) -> None:
        state.coolify.tokens[0].abilities = ["read", "write", "deploy"]

    def touched(state: WorldState) -> None:
        variable("shop", "GREETING", "evil")(state)
        next(row for row in app_named(state, "shop").envs if row.key == "GREETING").updated_at += 60.0

    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=blind) as it, it.client(person) as client:
            person.changes.append(touched)
            told = await call(client, "control_app", app="shop", action="restart", wait_s=60)
            well = await call(client, "control_app", app="shop", action="restart", wait_s=60)
    assert (told.outcome, well.outcome) == ("plan_drifted", "applied")
    assert "Coolify shows this token no value of" in warning(person.asked[0])
    assert "variable GREETING" in warning(person.asked[0])


async def test_no_digest_that_is_kept_tells_a_short_secret(tmp_path: Path) -> None:
    """A PIN that only Coolify has leaves no SHA-256 of itself in the state, which anybody could search through."""
    pin = "492817"

    def known(state: WorldState) -> None:
        variable("shop", "PIN", pin)(state)

    def bare(said: Said) -> list[str]:
        digest = hashlib.sha256(pin.encode()).hexdigest()
        kept = b"".join(file.read_bytes() for file in (tmp_path / "state").rglob("*") if file.is_file())
        return [text for text in (pin, digest[:16]) if text.encode() in kept or text in said.text]

    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=known) as it, it.client(says_yes()) as client:
            told = await deploy(client, name="shop", memory="300m")
            plan = (await it.app.look.archive.operation(told.data["operation_id"])).plan
    step = next(step for step in plan.steps if step.id == "deploy")
    pins = step.params["pins"]
    assert isinstance(pins, dict)
    assert (told.outcome, "variable PIN" in pins, bare(told)) == ("applied", True, [])
