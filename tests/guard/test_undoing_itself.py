"""A step that names itself among what it undoes is taken back when it fails after it may have acted, and only then."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import anyio
import pytest

from ink_infra_mcp.core.errors import StepFailed
from ink_infra_mcp.core.operation import Outcome
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.step import Handler, StepCall
from tests.guard.toy import Toy, toy

pytestmark = pytest.mark.anyio

LIMIT_S = 60


def _fails(*, afterwards: bool) -> Callable[[Handler], Handler]:
    """Wrap handlers so that filling fails, before anything is done or when all is."""

    def wrap(handler: Handler) -> Handler:
        async def run(call: StepCall) -> JsonObject:
            result = await handler(call) if afterwards or call.step_id != "fill" else {}
            if call.step_id == "fill":
                raise StepFailed("The boxes are not counted yet.", done="It is not known.", next="Call again.")
            return result

        return run

    return wrap


async def _ended(it: Toy, before_it_runs: Callable[[str], Awaitable[None]] | None = None) -> Outcome:
    """Approve the filling, run it to its end, and return the outcome."""
    await it.approved()
    it.engine.holds = True
    begun = await it.receipt()
    operation = begun.operation_id or ""
    if before_it_runs is not None:
        await before_it_runs(operation)
    await it.engine.finish(operation)
    ended = await it.operations.get(operation)
    assert ended.receipt is not None
    return ended.receipt.outcome


async def test_a_step_that_fails_after_it_acted_is_taken_back(tmp_path: Path) -> None:
    """The shelf is as it was before the step, and the receipt says `undone`."""
    with anyio.fail_after(LIMIT_S):
        async with toy(tmp_path, wrap=_fails(afterwards=True)) as it:
            it.world.boxes = {"left": 1}
            assert (await _ended(it), it.world.boxes) == (Outcome.UNDONE, {"left": 1})
            assert it.ran == ["fill", "undo_fill"]


async def test_a_step_that_fails_before_it_acted_takes_back_nothing(tmp_path: Path) -> None:
    """What somebody else has put there meanwhile stays: there is nothing of ours to take back."""

    async def somebody(_operation: str) -> None:
        it.world.boxes = {"left": 7}

    with anyio.fail_after(LIMIT_S):
        async with toy(tmp_path, wrap=_fails(afterwards=False)) as it:
            it.world.boxes = {"left": 1}
            assert (await _ended(it, somebody), it.world.boxes) == (Outcome.FAILED, {"left": 7})
            assert it.ran == []


async def test_what_a_dead_process_may_have_done_is_taken_back(tmp_path: Path) -> None:
    """Nobody knows whether the process that died had acted: a step that fails in the next one counts as if it had."""

    async def died(operation: str) -> None:
        it.world.boxes = {"left": 3}
        it.engine.started.clear()
        assert await it.operations.take_over_orphans() == (operation,)

    with anyio.fail_after(LIMIT_S):
        async with toy(tmp_path, wrap=_fails(afterwards=False)) as it:
            it.world.boxes = {"left": 1}
            outcome = await _ended(it, died)

    assert (outcome, it.world.boxes) == (Outcome.UNDONE, {"left": 1})
