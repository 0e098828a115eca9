"""Lanes under the real guard and store: what a person reads, what is told while they run, and what a crash leaves."""

from pathlib import Path

import anyio
import pytest

from ink_infra_mcp.core.engine import LaneEnd
from ink_infra_mcp.core.errors import StepFailed
from ink_infra_mcp.core.plan import JsonObject, Risk
from ink_infra_mcp.core.rendering import render
from ink_infra_mcp.core.step import Handler, StepCall
from ink_infra_mcp.state import operations
from tests.guard.toy import Fill, FillBoth, toy

pytestmark = pytest.mark.anyio
LIMIT_S = 60


class Died(BaseException):
    """The process dies."""


async def test_when_all_lanes_fail_each_is_named(tmp_path: Path) -> None:
    """The outcome is that of a plan without lanes, and a person reads what became of every one."""

    def breaks(handler: Handler) -> Handler:
        async def counts(call: StepCall) -> JsonObject:
            if call.kind == "shelf.count":
                raise StepFailed(f"{call.target} is gone.", done="", next="Build it.")
            return await handler(call)

        return counts

    with anyio.fail_after(LIMIT_S):
        async with toy(tmp_path, tool=FillBoth(), wrap=breaks) as it:
            await it.approved()
            receipt = await it.operations.follow((await it.receipt()).operation_id or "", wait_s=5, progress=None)
    assert (receipt.outcome, receipt.checks) == ("undone", ())
    assert receipt.message == (
        "Fill both: 2 of 4 steps done. left: count_left failed, and the undo of fill_left ran. left is gone. Build it. "
        "right: count_right failed, and the undo of fill_right ran. right is gone. Build it."
    )


async def test_a_lane_that_had_failed_is_only_undone_by_the_next_process(tmp_path: Path) -> None:
    """The process dies in the undo: the step that failed is not tried anew, though it would work now."""
    tries: list[str] = []

    def dying(handler: Handler) -> Handler:
        async def run(call: StepCall) -> JsonObject:
            if call.step_id == "undo_fill_right" and "died" not in tries:
                tries.append("died")
                raise Died
            if call.kind == "shelf.count":
                tries.append(call.step_id)
            return await handler(call)

        return run

    with anyio.fail_after(LIMIT_S):
        async with toy(tmp_path, tool=FillBoth(), wrap=dying) as it:
            it.world.breaks = "count_right"
            await it.approved()
            it.engine.holds = True
            running = await it.receipt()
            assert running.operation_id is not None
            with pytest.raises(Died):
                await it.engine.finish(running.operation_id)
            it.world.breaks = ""
            await it.engine.finish(running.operation_id)
            ended = await it.store.run(lambda c: operations.get(c, running.operation_id or ""))
    assert sorted(tries) == ["count_left", "count_right", "died"]
    assert ended is not None
    assert ended.receipt is not None
    assert ended.receipt.outcome == "applied_in_part"
    assert it.world.boxes == {"left": 3, "right": 0}


def test_the_plan_shows_which_steps_run_beside_which() -> None:
    """Each lane stands under its name, and its steps are numbered through."""
    plan = FillBoth().plan(Fill(), 0)
    shown = render(plan, risk=Risk.DISRUPTIVE)
    assert [row for row in shown.split("\n") if "beside" in row or row[:4].strip().rstrip(".").isdigit()] == [
        "left, beside the others:",
        " 1. Put 3 boxes on left",
        " 2. Only reads: Count left",
        "right, beside the others:",
        " 3. Put 3 boxes on right",
        " 4. Only reads: Count right",
    ]


def test_a_kept_lane_is_read_back_as_it_was() -> None:
    """What is kept of a lane is JSON and loses nothing."""
    end = LaneEnd(state="failed", step_id="a", acted=True, results={"a": {"n": 1}}, undone=("a",))
    assert LaneEnd.model_validate_json(end.model_dump_json()) == end
