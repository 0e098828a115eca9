"""Waiting for the turn of a server: the pause ends when it would have, whoever was killed meanwhile."""

from datetime import datetime, timedelta

import anyio
import pytest

from ink_infra_mcp.core.errors import StepFailed
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.step import StepCall, result_of
from ink_infra_mcp.hosts.upkeep.turns import await_turn
from tests.clock import BEGIN, FakeClock
from tests.permits import permit_here

pytestmark = pytest.mark.anyio
LIMIT_S = 30
PAUSE_S = 600


async def turn(clock: FakeClock, back: datetime, **more: str) -> JsonObject:
    """Wait for the turn of the server after the one that was back at that moment."""
    with anyio.fail_after(LIMIT_S):
        return await await_turn(
            StepCall(
                operation_id="op-1",
                step_id="turn_2",
                kind="hosts.await_turn",
                target="muscle-2",
                params={"pause_s": PAUSE_S, "since": result_of("await_apps_1", "ended_at"), **more},
                results={"await_apps_1": {"ended_at": back.isoformat()}},
                permit=permit_here(),
                clock=clock,
                say=lambda _: None,
            )
        )


@pytest.mark.parametrize(
    ("passed_s", "left_s"),
    [(0, 600), (250, 350), (599.5, 0.5), (600, 0), (90_000, 0), (-50, 600)],
    ids=["at once", "run again", "nearly over", "over", "long over", "the clock was set back"],
)
async def test_only_what_is_left_of_the_pause_is_waited(passed_s: float, left_s: float) -> None:
    """A process that goes on with the step waits for the rest, and never longer than was asked for."""
    clock = FakeClock()
    done = await turn(clock, BEGIN - timedelta(seconds=passed_s))
    assert (sum(clock.slept), done) == (left_s, {"begun_at": (BEGIN + timedelta(seconds=left_s)).isoformat()})


async def test_a_window_that_is_over_after_the_pause_ends_the_operation() -> None:
    """The pause is waited first: what counts is when the server would be begun."""
    clock = FakeClock()
    with pytest.raises(StepFailed) as failed:
        await turn(clock, BEGIN, not_after=(BEGIN + timedelta(seconds=PAUSE_S - 1)).isoformat())
    assert (failed.value.stage, sum(clock.slept)) == ("updates", PAUSE_S)
