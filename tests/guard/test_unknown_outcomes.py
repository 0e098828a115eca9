"""A step whose answer was lost is told as unknown: in the receipt, in its words and in the audit, never as failed."""

from pathlib import Path

import anyio
import pytest

from ink_infra_mcp.core.errors import InkError, OutcomeUnknown, StepFailed, Unreachable, unsettled
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.receipt import Receipt
from ink_infra_mcp.core.step import Handler, StepCall
from ink_infra_mcp.state import audit
from tests.guard.toy import Toy, toy

pytestmark = pytest.mark.anyio
LIMIT_S = 60
LOST = (
    OutcomeUnknown("Whether the shelf is full is not known."),
    Unreachable("Shelves did not answer.", service="Shelves", done="It is not known.", unsure=True),
)


def _raises(error: InkError) -> Handler:
    async def run(_: StepCall) -> JsonObject:
        raise error

    return run


async def _ended(it: Toy) -> Receipt:
    await it.approved()
    it.engine.holds = True
    operation = (await it.receipt()).operation_id or ""
    await it.engine.finish(operation)
    ended = await it.operations.get(operation)
    assert ended.receipt is not None
    lines = await it.store.run(lambda c: audit.read(c, operation_id=operation, limit=20))
    assert {line.event: line.outcome for line in lines if line.event == "step"} == {
        "step": ended.receipt.steps[0].state
    }
    return ended.receipt


@pytest.mark.parametrize("error", LOST, ids=["said so", "answer lost"])
async def test_a_step_whose_answer_was_lost_is_unknown(tmp_path: Path, error: InkError) -> None:
    """Nobody is told that it failed: it may have happened, and the next call looks."""
    with anyio.fail_after(LIMIT_S):
        async with toy(tmp_path, wrap=lambda _: _raises(error)) as it:
            receipt = await _ended(it)
    assert receipt.steps[0].state == "unknown"
    assert receipt.message.startswith("It is not known whether step fill happened; 0 of ")
    assert receipt.problem is not None
    assert (receipt.problem.code, "failed" in receipt.message) == ("outcome_unknown", False)


async def test_a_step_that_failed_is_not_unknown(tmp_path: Path) -> None:
    """What surely did not happen is called failed, as ever."""
    error = Unreachable("Shelves did not answer.", service="Shelves")
    with anyio.fail_after(LIMIT_S):
        async with toy(tmp_path, wrap=lambda _: _raises(error)) as it:
            receipt = await _ended(it)
    assert (receipt.steps[0].state, receipt.message[:16]) == ("failed", "Step fill failed")


def test_only_what_leaves_it_open_is_unsettled() -> None:
    """A failure of a step and a vendor that surely did nothing are settled; so is a look that fails before any change.

    After a change has been sent, a look that fails leaves open what came of it.
    """
    assert [unsettled(error, acted=False) is not None for error in LOST] == [True, True]
    assert unsettled(StepFailed("x", done="y"), acted=True) is None
    look = Unreachable("Shelves did not answer.", service="Shelves", of_read=True)
    assert unsettled(look, acted=False) is None
    after = unsettled(look, acted=True)
    assert after is not None
    assert str(after).startswith("Shelves did not answer. It is not known whether the change happened.")
