"""What an operation leaves behind: all of its trail, and none of its values once nobody needs them."""

import sqlite3
from contextlib import closing
from pathlib import Path

import anyio
import pytest

from ink_infra_mcp.sandbox.state import WorldState
from tests.clock import FakeClock
from tests.guard.bed import lines
from tests.ink import ERAS, STORE, Era, ink, says, says_yes
from tests.tools.calls import app_named, call, deploy
from tests.tools.test_secret_values import stored

pytestmark = pytest.mark.anyio

LIMIT_S = 180
MONTH_S = 30 * 86_400
VALUE = "a-plain-value-to-be-let-go-of"
FILE = (
    f"services: {{web: {{image: 'registry.example.com/web:1', command: ['serve', '{VALUE}'],"
    " environment: {GREETING: '${GREETING}'}}}"
)
RUNS = {"name": "stack", "compose": FILE, "compose_service": "web", "env": {"GREETING": VALUE}}


def size_by_table(folder: Path) -> dict[str, int]:
    """Return how many characters each table of the store holds, the engine's and ours, save those that are empty."""
    with closing(sqlite3.connect(folder / "state" / STORE)) as db:
        names = [name for (name,) in db.execute("select name from sqlite_master where type = 'table'")]
        found: dict[str, int] = {}
        for name in names:
            columns = [row[1] for row in db.execute(f"pragma table_info({name})")]
            lengths = " + ".join(f"coalesce(length({column}), 0)" for column in columns)
            (found[name],) = db.execute(f"select coalesce(sum({lengths}), 0) from {name}").fetchone()  # noqa: S608
        return {name: size for name, size in found.items() if size}


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("action", ["decline", "cancel"])
async def test_a_plan_that_was_turned_down_leaves_no_value_in_the_store(tmp_path: Path, era: Era, action: str) -> None:
    """The person saw it, said no, and it is gone from the file; digest and title stay, and the audit's line."""
    person = says("decline" if action == "decline" else "cancel")
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path) as it, it.client(person, era=era) as client:
            said = await call(client, "set_app_env", app="shop", set={"GREETING": VALUE})
            told = [line.event for line in await lines(it)]
    assert said.outcome == "not_approved"
    assert VALUE in person.asked[0]
    assert "proposed" in told
    assert VALUE.encode() not in stored(tmp_path)


async def test_a_plan_that_nobody_answered_leaves_no_value_in_the_store(tmp_path: Path) -> None:
    """Its time is over: the server lets go of it without another call."""
    clock = FakeClock()
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, clock=clock) as it, it.client() as client:
            asked = await call(client, "set_app_env", app="shop", set={"GREETING": VALUE})
            clock.advance(3600)
            await it.app.take_over_orphans()
    assert asked.outcome == "approval_required"
    assert VALUE.encode() not in stored(tmp_path)


async def test_after_the_retention_an_operation_keeps_its_trail_and_no_value(tmp_path: Path) -> None:
    """The file, the values and the engine's record are gone with the next change after thirty days; who did what, when
    and with which outcome is told as before, and the audit is whole."""
    clock, person = FakeClock(), says_yes()
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, clock=clock) as it, it.client(person) as client:
            said = await deploy(client, **RUNS)
            clock.advance(MONTH_S - 3600)
            await it.app.take_over_orphans()
            whole = await call(client, "get_operation", operation=said.data["operation_id"])
            clock.advance(2 * 3600)
            other = await call(client, "control_app", app="shop", action="restart", wait_s=60)
            told = await call(client, "get_operation", operation=said.data["operation_id"])
            listed = await call(client, "list_operations")
            audit = [line.event for line in await lines(it) if line.operation_id == said.data["operation_id"]]
            again = await deploy(client, **RUNS)
    assert (said.outcome, other.outcome, again.outcome) == ("applied", "applied", "already_so")
    assert (told.data["state"], told.data["steps"]) == ("applied", whole.data["steps"])
    assert told.data["log"] == whole.data["log"]
    assert said.data["operation_id"] in listed.text
    assert (audit[0], audit[-1]) == ("begin", "end")
    assert VALUE.encode() not in stored(tmp_path)


async def test_what_was_thinned_is_not_resumed(tmp_path: Path) -> None:
    """Of a failed operation that is too old nobody knows the steps any more: the answer says what to call instead."""
    clock = FakeClock()

    def no_build(state: WorldState) -> None:
        app_named(state, "shop").fails_because = "npm error"

    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, clock=clock, change_world=no_build) as it, it.client(says_yes()) as client:
            said = await call(client, "control_app", app="shop", action="restart", wait_s=60)
            clock.advance(MONTH_S + 3600)
            await it.app.take_over_orphans()
            resumed = await call(client, "resume_operation", operation=said.data["operation_id"])
    assert said.outcome in {"failed", "undone"}
    if said.outcome == "failed":
        assert "is no longer kept. Nothing was changed. Call control_app again." in resumed.text


async def test_an_operation_leaves_at_most_ten_kilobytes(tmp_path: Path) -> None:
    """A large compose file, many variables: after the retention all tables together grew by less than 10 KB."""
    big = FILE.replace("'serve'", "'serve', " + ", ".join(f"'{'x' * 60}{n}'" for n in range(60)))
    env = {"GREETING": VALUE, **{f"NAME_{n}": f"{VALUE}{n}" for n in range(20)}}
    clock = FakeClock()
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, clock=clock) as it, it.client(says_yes()) as client:
            said = await deploy(client, **{**RUNS, "compose": big, "env": env})
            before = size_by_table(tmp_path)
            clock.advance(MONTH_S + 3600)
            await it.app.take_over_orphans()
            after = size_by_table(tmp_path)
    assert said.outcome == "applied"
    assert sum(before.values()) > 2 * sum(after.values())
    assert sum(after.values()) < 10_000
    assert "operation_outputs" not in after
