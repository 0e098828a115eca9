"""An operation that an operator abandoned is over for every server: in the store, and in the engine below it."""

import argparse
import sqlite3
from contextlib import closing
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from ink_infra_mcp.cli.operations import abandon
from tests.cli.people import Scripted
from tests.engine.aftermath import DEPLOY, ONCE, made, workflows
from tests.engine.killing import Moment, begin_forking, called, scene


@pytest.fixture(scope="module", autouse=True)
def forks() -> None:
    """Have processes forked from one that has imported everything already."""
    begin_forking()


def left_in(folder: Path) -> str:
    """Return the id of the one operation in the state."""
    with closing(sqlite3.connect(folder / "state" / "state.sqlite3")) as db:
        return str(db.execute("select id from ink_operations").fetchone()[0])


@pytest.mark.anyio
async def test_an_abandoned_operation_is_never_resumed_and_the_same_call_goes_on(tmp_path: Path) -> None:
    """Killed before its deployment and abandoned, nobody takes it over; the same call plans what is left."""
    url = f"sqlite:///{tmp_path}/state/state.sqlite3"
    arguments = argparse.Namespace(config=None, state=url, sandbox=True, log_level="warning", id="")
    with scene(tmp_path) as it, anyio.fail_after(150):
        await it.kill("deploy_app", DEPLOY, dies=Moment("before", "coolify.first_deploy"))
        arguments.id = left_in(tmp_path)
        person = Scripted([("To abandon it, type op-", arguments.id)])
        status = await anyio.to_thread.run_sync(abandon, arguments, "its server is gone for good", person)
        broken_off = workflows(tmp_path)
        async with it.server() as app:
            taken = await app.take_over_orphans()
            before = made(it.world.read())
            again = await called(app, "deploy_app", DEPLOY)
            ended = await app.follow(again.operation_id or "", 30, None)

    assert (status, broken_off, taken) == (0, ["CANCELLED"], ())
    assert ended.outcome == "applied", ended
    assert (before.apps, made(it.world.read()).apps) == (ONCE.apps, ONCE.apps)
