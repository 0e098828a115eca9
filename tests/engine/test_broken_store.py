"""Trouble of our own store in mid-operation: it never decides how the operation ends, and passing, it passes."""

import logging
import sqlite3
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path

import anyio
import pytest

from ink_infra_mcp.engine.durable import DurableEngine
from tests.engine.aftermath import DEPLOY, ONCE, kept, made, once
from tests.engine.killing import Moment, Scene, begin_forking, called, scene

REWIND = Moment("statement", "DELETE FROM main.operation_outputs")
"""When the engine begins to rewind a workflow that ended in an error."""
END_OF_A_STEP = "insert on ink_audit when new.event = 'step' and new.detail like '%set_env%'"
A_NOTE = "update on ink_operations when new.now_at like 'Deployment%'"
A_CHECKPOINT = "insert on operation_outputs when new.function_name = 'deploy'"
THE_END = "insert on ink_audit when new.event = 'end'"


@pytest.fixture(scope="module", autouse=True)
def forks() -> None:
    """Have processes forked from one that has imported everything already."""
    begin_forking()


def _break(folder: Path, write: str) -> None:
    """Let the database refuse such writes, as a full disk would."""
    _execute(folder, f"create trigger trouble before {write} begin select raise(abort, 'disk I/O error'); end")


def _mend(folder: Path) -> None:
    _execute(folder, "drop trigger trouble")


def _execute(folder: Path, statement: str) -> None:
    with closing(sqlite3.connect(folder / "state" / "state.sqlite3", timeout=20)) as db, db:
        db.execute(statement)


async def _tables(it: Scene, *, engine: bool = False) -> None:
    """Make the tables of the state store; those of the engine come with a first operation, which deploys nothing."""
    async with it.server() as app:
        await app.store.run(lambda c: None)
        if engine:
            first = await called(app, "set_app_env", {"app": "docs", "set": {"COLOUR": "green"}, "redeploy": False})
            await app.follow(first.operation_id or "", 30, None)
            await app.drain()


class _Broke(logging.Handler):
    """Sets `event` when the engine says that an operation broke; by then it has let go of it."""

    def __init__(self) -> None:
        super().__init__()
        self.event = anyio.Event()

    def emit(self, record: logging.LogRecord) -> None:
        """Hear a line of the log."""
        if "broke; it goes on" in record.getMessage():
            self.event.set()


@contextmanager
def _listening() -> Generator[anyio.Event]:
    ear, log = _Broke(), logging.getLogger(DurableEngine.__module__)
    log.addHandler(ear)
    try:
        yield ear.event
    finally:
        log.removeHandler(ear)


@pytest.mark.anyio
@pytest.mark.parametrize("write", [END_OF_A_STEP, A_NOTE, A_CHECKPOINT, THE_END])
async def test_an_operation_waits_for_its_store_and_goes_on(tmp_path: Path, write: str) -> None:
    """The same process brings it to its end when the store is back; what was done is not done again."""
    with scene(tmp_path) as it, anyio.fail_after(150):
        await _tables(it, engine=write == A_CHECKPOINT)
        async with it.server() as app:
            _break(tmp_path, write)
            with _listening() as broke:
                operation = (await called(app, "deploy_app", DEPLOY)).operation_id or ""
                await broke.wait()
            still = await app.follow(operation, 0, None)
            _mend(tmp_path)
            receipt = await app.follow(operation, 30, None)

        assert (still.outcome, receipt.outcome) == ("running", "applied")
        assert made(it.world.read()) == ONCE
        assert kept(tmp_path)[0] == once(resumed=0)


@pytest.mark.anyio
async def test_an_operation_that_broke_in_a_dead_process_is_taken_over(tmp_path: Path) -> None:
    """The engine calls its workflow an error, which it resumes nothing from: it is rewound to the broken step."""
    with scene(tmp_path) as it, anyio.fail_after(150):
        await _tables(it)
        _break(tmp_path, END_OF_A_STEP)
        await it.kill("deploy_app", DEPLOY, dies=REWIND)
        _mend(tmp_path)
        await it.succeed()

        assert made(it.world.read()) == ONCE
        assert kept(tmp_path)[0] == once()


@pytest.mark.anyio
async def test_a_server_can_be_closed_while_an_operation_waits_for_its_store(tmp_path: Path) -> None:
    """It is not waited for: the next server goes on with it."""
    with scene(tmp_path) as it, anyio.fail_after(150):
        await _tables(it)
        async with it.server() as app:
            _break(tmp_path, THE_END)
            with _listening() as broke:
                await called(app, "deploy_app", DEPLOY)
                await broke.wait()
            await app.drain()
        _mend(tmp_path)
        await it.succeed()

        assert made(it.world.read()) == ONCE
        assert kept(tmp_path)[0] == once()
