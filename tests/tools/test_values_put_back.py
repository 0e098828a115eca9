"""When a rollout fails, the values that its operation set are put back: by whatever tool, for whatever kind of app."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import anyio
import pytest
from mcp import Client

from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.step import Handler, StepCall
from ink_infra_mcp.sandbox.state import WorldState
from ink_infra_mcp.sandbox.state_coolify import EnvVar, Service
from tests.ink import Ink, ink, says_yes
from tests.tools.calls import Said, app_named, call, deploy
from tests.tools.test_set_app_env import SECRET, STORED

THEIRS = "somebody-elses-value"
COMPOSE = "services: {web: {image: 'registry.example.com/web:%d', environment: {GREETING: '${GREETING}'}}}"
EARLIER = {"PLAIN": "p$1", "DB": "secret:DB_URL", "EMPTY": ""}
NEW = {"PLAIN": "x", "DB": "y", "EMPTY": "z", "ADDED": "1"}
Change = Callable[[WorldState], None]


def stack(state: WorldState) -> Service:
    """Return the compose app as Coolify has it."""
    return next(service for service in state.coolify.services if service.name == "stack")


def of_somebody_else(rows: list[EnvVar]) -> None:
    """Give GREETING a value that only Coolify knows."""
    next(row for row in rows if row.key == "GREETING" and not row.is_preview).value = THEIRS


def no_build(state: WorldState) -> None:
    """Let every build of the shop fail."""
    app_named(state, "shop").fails_because = "npm error"


def no_start(state: WorldState) -> None:
    """Let Docker Compose refuse every start of the compose app."""
    stack(state).compose_says = "services.web.ulimits.nofile hard is required"


def another_file(state: WorldState) -> None:
    """Let Coolify have made another file of the compose app than the one that was approved."""
    stack(state).docker_compose = (stack(state).docker_compose or "").replace("runtime: runsc", "runtime: runc")


@dataclass(frozen=True, slots=True)
class Case:
    """A way to set variables, a kind of app, and where and why its rollouts fail."""

    tool: str
    app: str
    rows: Callable[[WorldState], list[EnvVar]]
    fails: Change
    at: str
    """The kind of step before which the trouble begins."""
    stage: str
    previews: tuple[bool, ...] = (False, True)
    """Which copies of a variable the app has."""

    def now(self, it: Ink) -> dict[tuple[str, bool], tuple[str, bool]]:
        """Return its variables as Coolify has them: name and copy to value and whether it is literal."""
        rows = self.rows(it.state)
        return {(row.key, row.is_preview): (row.value or "", bool(row.is_literal)) for row in rows}

    async def give(self, client: Client, values: dict[str, str], *, image: int = 1) -> Said:
        """Give variables to the app that exists, and with deploy_app the compose file that goes with them."""
        if self.tool == "set_app_env":
            return await call(client, self.tool, app=self.app, set=values, wait_s=60)
        file = {"compose": COMPOSE % image} if self.app == "stack" else {}
        return await deploy(client, name=self.app, env=values, **file)


def built(tool: str) -> Case:
    """Return a case of an app that Coolify builds."""
    return Case(tool, "shop", lambda state: app_named(state, "shop").envs, no_build, "coolify.deploy", "deployment")


def composed(tool: str, fails: Change, at: str, stage: str) -> Case:
    """Return a case of a compose app."""
    return Case(tool, "stack", lambda state: stack(state).envs, fails, at, stage, previews=(False,))


JUDGED, STARTED = (another_file, "hosts.judge_compose", "judge"), (no_start, "coolify.restart", "isolation")
CASES = (
    *map(built, ("set_app_env", "deploy_app")),
    composed("set_app_env", *STARTED),
    *(composed("deploy_app", *where) for where in (JUDGED, STARTED)),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.tool}-{case.app}-{case.stage}")
@pytest.mark.anyio
async def test_earlier_values_of_ours_are_put_back_when_their_rollout_fails(tmp_path: Path, case: Case) -> None:
    """A plain value and a stored secret that we had set, and an empty one, are there again after the failure, in the
    copies for previews, too; a value of somebody else is named as lost, and is in no byte of our state."""
    fails: list[Change] = []

    def failing(kind: str, handler: Handler) -> Handler:
        async def run(step: StepCall) -> JsonObject:
            with it.world.change() as state:
                for change in fails:
                    change(state)
            return await handler(step)

        return run if kind == case.at else handler

    with anyio.fail_after(180):
        async with ink(tmp_path, app_secrets=STORED, wrap_handler=failing) as it, it.client(says_yes()) as client:
            if case.app == "stack":
                await deploy(client, name="stack", compose=COMPOSE % 1)
            with it.world.change() as state:
                of_somebody_else(case.rows(state))
            first = await case.give(client, EARLIER)
            before = case.now(it)
            fails.append(case.fails)
            said = await case.give(client, NEW, image=2)
            after = case.now(it)
            lost = await case.give(client, {"GREETING": "hi"})
        kept = b"".join(file.read_bytes() for file in (tmp_path / "state").rglob("*") if file.is_file())

    assert (first.outcome, said.outcome, lost.outcome) == ("applied", "undone", "failed"), said.text
    assert (said.problem["stage"], lost.problem["stage"]) == (case.stage, case.stage)
    values = {"PLAIN": "p$1", "DB": SECRET, "EMPTY": ""}
    assert {key: before[key] for key in before if key[0] in values} == {
        (key, preview): (value, True) for key, value in values.items() for preview in case.previews
    }
    assert after == before
    assert "The earlier values of GREETING could not be put back" in lost.text
    assert (SECRET.encode() in kept, THEIRS.encode() in kept) == (False, False)
