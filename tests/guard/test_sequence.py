"""The guard's sequence stands by itself: no step's handler is reached without it, and it never stops half-way."""

import sqlite3
from contextlib import closing
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from ink_infra_mcp.core.errors import StateError, StepFailed
from ink_infra_mcp.core.operation import Outcome
from ink_infra_mcp.core.plan import Risk
from ink_infra_mcp.core.policy import Need
from ink_infra_mcp.state import locks, operations
from ink_infra_mcp.state.records import Lock, OperationHead
from tests.guard.full_disk import accept_lines, refuse_lines, refuse_unlocking
from tests.guard.toy import ANNA, BERT, Fill, Toy, policy, toy

pytestmark = pytest.mark.anyio

LIMIT_S = 60


async def held(it: Toy) -> tuple[Lock, ...]:
    """Return the locks on the shelves."""
    return await it.store.run(lambda c: locks.holders(c, ["shelf:left", "shelf:right"]))


async def running(it: Toy) -> tuple[OperationHead, ...]:
    """Return the operations that have begun and not ended."""
    return await it.store.run(operations.running)


async def test_what_needs_nobody_begins_at_once(tmp_path: Path) -> None:
    """Where policy asks for nothing, the call runs, and the audit says that policy let it."""
    async with toy(tmp_path, rules=policy().model_copy(update={"kinds": _safe_kinds()})) as it:
        receipt = await it.receipt()
        lines = await it.audit()

    assert receipt.outcome is Outcome.RUNNING
    assert [line.event for line in lines] == ["begin", "step", "step", "end"]
    assert (lines[0].approval_id, lines[0].detail["channel"]) == ("", "policy")


async def test_what_is_so_already_is_not_asked_and_not_locked(tmp_path: Path) -> None:
    """A plan without steps ends with its reason, whatever policy would ask for it."""
    async with toy(tmp_path, need=Need.TICKET) as it:
        it.world.boxes = {"left": 3}
        receipt = await it.receipt()
        assert await it.told() == ["stopped already_so"]
        assert await held(it) == ()

    assert receipt.outcome is Outcome.ALREADY_SO
    assert receipt.message == "left holds 3 boxes. Nothing was changed."


async def test_policy_refuses_before_anybody_is_asked(tmp_path: Path) -> None:
    """A protected target ends the call with the reason and the plan; no approval is opened for it."""
    rules = policy().model_copy(update={"protected": ("left",)})
    async with toy(tmp_path, rules=rules) as it:
        receipt = await it.receipt()
        assert await it.guard.approvals.pending() == ()
        assert await it.told() == ["stopped refused_by_policy"]

    assert receipt.outcome is Outcome.REFUSED_BY_POLICY
    assert receipt.message == "left is protected by policy; no tool may change it. Nothing was changed."
    assert "Put 3 boxes on left" in receipt.plan


async def test_policy_refuses_what_was_approved_before_it_changed(tmp_path: Path) -> None:
    """A freeze that comes between the yes and the call stops the approved plan."""
    async with toy(tmp_path) as it:
        await it.approved()
    async with toy(tmp_path, rules=policy().model_copy(update={"freeze": "Holidays"})) as it:
        receipt = await it.receipt()
        assert (await held(it), await running(it), it.ran) == ((), (), [])

    assert receipt.outcome is Outcome.REFUSED_BY_POLICY
    assert receipt.message == "Changes are frozen: Holidays. Nothing was changed."


async def test_a_held_target_is_told_before_anybody_is_asked(tmp_path: Path) -> None:
    """The receipt says who holds it, for what and since when; no question is opened."""
    async with toy(tmp_path) as it:
        it.engine.holds = True
        await it.approved()
        operation = (await it.receipt()).operation_id
        receipt = await it.receipt(Fill(boxes=9), BERT)
        told = await it.told()

    assert receipt.outcome is Outcome.LOCKED
    assert receipt.message == (
        f"shelf:left is held by operation {operation} of local:anna (Fill left) since 2026-01-02 03:04:05 UTC. "
        "Nothing was changed. Wait for it, or look at it with get_operation."
    )
    assert told[-1] == "stopped locked"


async def test_a_target_that_is_taken_while_the_person_thinks_is_told_at_the_begin(tmp_path: Path) -> None:
    """An approved call that meets a lock changes nothing, leaves its line, and keeps its approval for later."""
    async with toy(tmp_path) as it:
        approval = await it.approved()
        await it.approved(Fill(boxes=9), BERT)
        it.engine.holds = True
        other = (await it.receipt(Fill(boxes=9), BERT)).operation_id
        receipt = await it.receipt()
        told = await it.told()
        it.engine.holds = False
        it.world.boxes = {"left": 3}
        await it.engine.finish(other or "")
        it.world.boxes = {}
        later = await it.receipt()

    assert receipt.outcome is Outcome.LOCKED
    assert told[-1] == "stopped locked"
    assert (later.outcome, later.approval_id) == (Outcome.RUNNING, approval)


async def test_the_same_call_meets_its_own_operation(tmp_path: Path) -> None:
    """A caller who calls again while it runs gets that operation and is not asked again."""
    async with toy(tmp_path) as it:
        it.engine.holds = True
        await it.approved()
        first, second = await it.receipt(), await it.receipt()
    assert second == first
    assert second.outcome is Outcome.RUNNING


async def test_begin_is_kept_before_the_first_step_runs(tmp_path: Path) -> None:
    """When the engine is told to start, another process already finds the begin, the operation and the lock."""
    seen: list[tuple[str, str]] = []

    async def look_from_outside() -> None:
        with closing(sqlite3.connect(tmp_path / "state.sqlite3")) as db:
            seen.extend(db.execute("select a.event, l.target from ink_audit a join ink_locks l using (operation_id)"))

    async with toy(tmp_path) as it:
        await it.approved()
        it.engine.on_start = look_from_outside
        await it.receipt()
    assert seen == [("begin", "shelf:left")]


async def test_a_caller_who_leaves_before_the_begin_leaves_no_lock(tmp_path: Path) -> None:
    """A call that is cancelled while the plan is made anew frees its targets and begins nothing."""
    async with toy(tmp_path) as it:
        await it.approved()
        with anyio.fail_after(LIMIT_S), anyio.CancelScope() as scope:

            async def leave() -> None:
                assert len(await held(it)) == 1
                scope.cancel()
                await anyio.lowlevel.checkpoint()

            it.world.on_look = leave
            await it.receipt()
        it.world.on_look = None
        assert (await held(it), await running(it), it.ran) == ((), (), [])
        assert (await it.receipt()).outcome is Outcome.RUNNING


async def test_a_caller_who_leaves_after_the_begin_cancels_nothing(tmp_path: Path) -> None:
    """Once the begin is kept, the operation runs even when its caller goes away in that very moment."""
    async with toy(tmp_path) as it:
        await it.approved()
        with anyio.fail_after(LIMIT_S), anyio.CancelScope() as scope:

            async def leave() -> None:
                scope.cancel()
                await anyio.lowlevel.checkpoint()

            it.engine.on_start = leave
            await it.receipt()
        assert it.world.boxes == {"left": 3}
        assert (await it.told())[-1] == "end applied"
        assert await held(it) == ()


async def test_an_observation_that_fails_at_the_begin_frees_the_targets(tmp_path: Path) -> None:
    """When the world cannot be seen, the call fails with nothing changed and nothing held."""
    async with toy(tmp_path) as it:
        await it.approved()

        async def blind() -> None:
            raise StepFailed("The shelves cannot be seen.", done="Nothing was changed.")

        it.world.on_look = blind
        with pytest.raises(StepFailed, match="cannot be seen"):
            await it.receipt()
        assert (await held(it), await running(it), it.ran) == ((), (), [])


async def test_nothing_runs_when_the_begin_cannot_be_written(tmp_path: Path) -> None:
    """An audit that takes no line stops the call with a clear error: no step, no lock, no approval lost."""
    async with toy(tmp_path) as it:
        approval = await it.approved()
        refuse_lines(tmp_path, "begin")
        with pytest.raises(StateError, match=r"cannot be used: database or disk is full\. Nothing was changed"):
            await it.receipt()
        assert (await held(it), await running(it), it.ran, it.engine.started) == ((), (), [], [])
        accept_lines(tmp_path)
        assert (await it.receipt()).approval_id == approval


async def test_a_lock_that_could_not_be_freed_does_not_outlive_its_call(tmp_path: Path) -> None:
    """When a full disk keeps the begin out and the lock in, the next call of the same process sees through it."""
    async with toy(tmp_path) as it:
        await it.approved()
        refuse_lines(tmp_path, "begin")
        refuse_unlocking(tmp_path)
        with pytest.raises(StateError, match="disk is full"):
            await it.receipt()
        assert len(await held(it)) == 1
        accept_lines(tmp_path)
        assert (await it.receipt()).outcome is Outcome.RUNNING
        assert it.world.boxes == {"left": 3}


async def test_nothing_is_proposed_when_the_proposal_cannot_be_written(tmp_path: Path) -> None:
    """A question that the audit does not know is not asked."""
    async with toy(tmp_path) as it:
        await it.call(Fill(shelf="right"), ANNA)
        refuse_lines(tmp_path, "proposed")
        with pytest.raises(StateError, match="disk is full"):
            await it.call()
        assert [approval.plan.target for approval in await it.guard.approvals.pending()] == ["right"]


def _safe_kinds() -> dict[str, Risk]:
    return {"shelf.fill": Risk.SAFE, "shelf.count": Risk.READ}
