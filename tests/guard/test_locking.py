"""Locks hold for as long as somebody is there to hold them, and not a moment longer."""

from pathlib import Path

import anyio
import pytest

from ink_infra_mcp.core.operation import Outcome
from ink_infra_mcp.core.receipt import Receipt
from ink_infra_mcp.guard.locking import Locks
from ink_infra_mcp.state import locks, operations
from tests.guard.toy import BERT, Toy, toy
from tests.state.owner_process import owner_process
from tests.state.stores import lock, operation

pytestmark = pytest.mark.anyio

LEFT = "shelf:left"
LIMIT_S = 60
ENDED = Receipt(outcome=Outcome.APPLIED, message="Done.")


def locks_of(it: Toy) -> Locks:
    """Return the locks as the guard of this process sees them."""
    return it.guard.locks


async def put(it: Toy, target: str, operation_id: str, executor: str) -> None:
    """Leave a lock as another process would have."""
    await it.store.run(lambda c: locks.take(c, [lock(target, operation_id, executor=executor)]))


async def test_a_lock_of_a_killed_process_is_seen_through(tmp_path: Path) -> None:
    """A process that died between lock and begin holds nothing; while it lives, it does."""
    async with toy(tmp_path) as it:
        await it.approved()
        with owner_process(tmp_path / "owners", "ex-there") as there:
            await put(it, LEFT, "op-there", "ex-there")
            held = await locks_of(it).in_the_way([LEFT])
            assert (await it.receipt()).outcome is Outcome.LOCKED
            there.kill()
            there.wait(timeout=10)
            assert await locks_of(it).in_the_way([LEFT]) is None
            receipt = await it.receipt()

    assert held == lock(LEFT, "op-there", executor="ex-there")
    assert receipt.outcome is Outcome.RUNNING
    assert it.world.boxes == {"left": 3}


async def test_a_lock_of_an_operation_that_has_ended_is_seen_through(tmp_path: Path) -> None:
    """What an ended operation left behind is in nobody's way, even if its process still lives."""
    async with toy(tmp_path) as it:
        await put(it, LEFT, "op-1", "ex-toy")
        await it.store.run(lambda c: operations.add(c, operation(executor="ex-toy")))
        assert await locks_of(it).in_the_way([LEFT]) is not None
        await it.store.run(lambda c: operations.end(c, "op-1", receipt=ENDED, now=9.0))
        assert await locks_of(it).in_the_way([LEFT]) is None
        assert await locks_of(it).take([LEFT], "op-2", "local:anna", "Fill left") is None


async def test_a_running_operation_holds_its_locks_when_its_process_died(tmp_path: Path) -> None:
    """It will be gone on with, so that nothing else may begin on its targets meanwhile."""
    async with toy(tmp_path) as it:
        await put(it, LEFT, "op-1", "ex-dead")
        await it.store.run(lambda c: operations.add(c, operation(executor="ex-dead")))
        assert await locks_of(it).in_the_way([LEFT]) == lock(LEFT, "op-1", executor="ex-dead")


async def test_a_dead_process_lock_goes_with_all_its_targets(tmp_path: Path) -> None:
    """Who sees through one lock of a dead process frees the others too."""
    async with toy(tmp_path) as it:
        await it.store.run(
            lambda c: locks.take(c, [lock(t, "op-1", executor="ex-dead") for t in (LEFT, "shelf:right")])
        )
        assert await locks_of(it).take([LEFT], "op-2", "local:anna", "Fill left") is None
        assert await it.store.run(lambda c: locks.holders(c, ["shelf:right"])) == ()


async def test_a_call_whose_twin_is_about_to_begin_gets_that_operation(tmp_path: Path) -> None:
    """Between the lock of a call and its begin, the same call waits for the begin; somebody else's is told at once."""
    receipts: list[Receipt] = []
    others: list[Receipt] = []
    async with toy(tmp_path) as it:
        it.engine.holds = True
        await it.approved()
        locked, go = anyio.Event(), anyio.Event()

        async def look_slowly() -> None:
            if await locks_of(it).in_the_way([LEFT]) is not None and not locked.is_set():
                locked.set()
                await go.wait()

        async def call() -> None:
            receipts.append(await it.receipt())

        it.world.on_look = look_slowly
        with anyio.fail_after(LIMIT_S):
            async with anyio.create_task_group() as group:
                group.start_soon(call)
                await locked.wait()
                others.append(await it.receipt(caller=BERT))
                group.start_soon(call)
                while not it.clock.slept:
                    await anyio.lowlevel.checkpoint()
                go.set()

    (operation_id,) = it.engine.started
    assert [receipt.outcome for receipt in others] == [Outcome.LOCKED]
    assert [(receipt.outcome, receipt.operation_id) for receipt in receipts] == [(Outcome.RUNNING, operation_id)] * 2


async def test_all_targets_are_taken_or_none(tmp_path: Path) -> None:
    """A lock in the way of one target leaves the others free, and the sorted first one is told."""
    async with toy(tmp_path) as it:
        assert await locks_of(it).take(["b", "c"], "op-1", "local:anna", "first") is None
        met = await locks_of(it).take(["c", "b", "a"], "op-2", "local:bert", "second")
        held = await it.store.run(lambda c: locks.holders(c, ["a", "b", "c"]))

    assert met is not None
    assert (met.target, met.purpose, met.principal) == ("b", "first", "local:anna")
    assert [(row.target, row.operation_id) for row in held] == [("b", "op-1"), ("c", "op-1")]


async def test_an_operation_that_never_began_leaves_nothing(tmp_path: Path) -> None:
    """What was taken for a begin that did not come is free again; what was kept stays until the end."""
    async with toy(tmp_path) as it:
        for operation_id in ("op-1", "op-2"):
            await locks_of(it).take([operation_id], operation_id, "local:anna", "Fill left")
        locks_of(it).keep("op-2")
        for operation_id in ("op-1", "op-2"):
            await locks_of(it).free_unless_kept(operation_id)
        held = await it.store.run(lambda c: locks.holders(c, ["op-1", "op-2"]))
    assert [row.operation_id for row in held] == ["op-2"]
