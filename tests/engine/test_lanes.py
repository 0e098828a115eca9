"""Lanes of a plan: they run side by side, one that fails stops no other, and a crash changes neither way nor end."""

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ink_infra_mcp.core.engine import Ending, LaneEnd
from ink_infra_mcp.core.operation import Check
from ink_infra_mcp.core.plan import JsonObject, Plan, Step, Stretch, side_by_side
from ink_infra_mcp.core.receipt import Problem
from ink_infra_mcp.engine.lanes import AT_ONCE
from tests.engine.programs import Crash, InMemory, Memory, plan_of, run, work

pytestmark = pytest.mark.anyio

FIRST = work("first")
A1, A2 = work("a1", lane="a"), work("a2", lane="a", undoes=("a1",))
B1, B2 = work("b1", lane="b"), work("b2", lane="b", undoes=("b1", "b2"))
LAST = work("last")
TWO = plan_of(FIRST, A1, A2, B1, B2, LAST)
GOOD = Check(name="boxes", status="passed", evidence="counted")


def did(*names: str) -> dict[str, JsonObject]:
    """Return what these steps return."""
    return {name: {"did": name} for name in names}


def test_a_plan_falls_into_stretches() -> None:
    """A step without a lane is a stretch alone; lanes that stand together are one, each with its steps in order."""
    assert side_by_side(TWO.steps) == (Stretch((FIRST,)), Stretch((A1, A2, B1, B2)), Stretch((LAST,)))
    assert [stretch.lanes for stretch in side_by_side(TWO.steps)] == [{}, {"a": (A1, A2), "b": (B1, B2)}, {}]


@pytest.mark.parametrize(
    ("steps", "why"),
    [
        ((A1, work("b1", lane="b", undoes=("a1",))), "builds on"),
        ((FIRST, work("a1", lane="a", undoes=("first",))), "builds on"),
        ((A1, work("b1", lane="b").model_copy(update={"uses": ("a1",)})), "builds on"),
        ((A1, LAST, A2.model_copy(update={"undoes": ()})), "begin twice"),
    ],
)
def test_lanes_do_not_build_on_each_other(steps: tuple[Step, ...], why: str) -> None:
    """A plan whose lane needs or takes back what is not its own, or begins a second time, is no plan."""
    with pytest.raises(ValueError, match=why):
        plan_of(*steps)


async def test_lanes_run_side_by_side() -> None:
    """Both have begun before either goes on; what comes before them is over, and what comes after has not begun."""
    program = InMemory(TWO, meets={"a1": anyio.Event(), "b1": anyio.Event()})
    with anyio.fail_after(5):
        ending = await run(program)
    assert (program.calls[:2], program.calls[-3:]) == (["load", "first"], ["last", "verify", "finish"])
    assert set(program.calls[2:-3]) == {"a1", "a2", "b1", "b2"}
    assert ending == Ending(
        state="done",
        results=did("first", "a1", "a2", "b1", "b2", "last"),
        checks=(GOOD,),
        lanes={
            "a": LaneEnd(state="done", results=did("a1", "a2")),
            "b": LaneEnd(state="done", results=did("b1", "b2")),
        },
    )


async def test_no_more_run_at_once_than_are_good_for_a_factory() -> None:
    """Of eleven lanes the last begins when another has ended; none is left out."""
    lanes = [work(f"s{n}", lane=f"l{n}") for n in range(AT_ONCE + 1)]
    meets = {f"s{n}": anyio.Event() for n in range(AT_ONCE)}
    program = InMemory(plan_of(*lanes), meets=meets)
    with anyio.fail_after(5):
        ending = await run(program)
    assert {end.state for end in ending.lanes.values()} == {"done"}
    stuck = InMemory(plan_of(*lanes), meets={f"s{n}": anyio.Event() for n in range(AT_ONCE + 1)})
    with anyio.move_on_after(0.05) as scope:
        await run(stuck)
    assert (scope.cancelled_caught, sum(event.is_set() for event in stuck.meets.values())) == (True, AT_ONCE)


async def test_a_lane_that_fails_stops_no_other_lane() -> None:
    """It takes back what it says, the other comes to its end and is looked at; what needs all of them does not run."""
    program = InMemory(TWO, bad=frozenset({"b2"}), acted=True)
    ending = await run(program)
    problem = Problem(code="step_failed", message="b2 broke.")
    failed = LaneEnd(state="failed", step_id="b2", problem=problem, acted=True, results=did("b1"), undone=("b2", "b1"))
    assert ending == Ending(
        state="done",
        results=did("first", "a1", "a2", "b1"),
        checks=(GOOD,),
        lanes={"a": LaneEnd(state="done", results=did("a1", "a2")), "b": failed},
    )
    assert ending.in_part
    assert "last" not in program.calls


async def test_when_every_lane_fails_so_does_the_whole() -> None:
    """Nothing is looked at then; what was taken back, and what could not be, is told for all of them."""
    program = InMemory(TWO, bad=frozenset({"a2", "b2", "undo_b1"}))
    ending = await run(program)
    assert (ending.state, ending.step_id, ending.undone, ending.undo_failed, ending.checks) == (
        "failed",
        "a2",
        ("a1",),
        ("b1",),
        (),
    )


async def test_a_cancelled_lane_has_begun_no_further_step() -> None:
    """The other one that was done is still proved: what there is, is told."""
    ending = await run(InMemory(TWO, cancel_at="b2"))
    assert (ending.state, ending.lanes["b"], ending.checks) == (
        "done",
        LaneEnd(state="cancelled", step_id="b2", results=did("b1")),
        (GOOD,),
    )


PARTS = ["a1", "a2", "b1", "b2", "undo_a1", "undo_b1", "undo_b2", "keep_a", "keep_b"]


@st.composite
def stories(draw: st.DrawFn) -> tuple[frozenset[str], bool, list[tuple[str, bool]]]:
    """Which parts fail, whether they acted, and at which parts the process dies."""
    bad = draw(st.frozensets(st.sampled_from(PARTS[:7]), max_size=3))
    deaths = draw(st.lists(st.tuples(st.sampled_from(PARTS), st.booleans()), max_size=4, unique=True))
    return bad, draw(st.booleans()), deaths


@given(story=stories())
def test_crashes_inside_lanes_change_neither_the_way_nor_the_end(
    story: tuple[frozenset[str], bool, list[tuple[str, bool]]],
) -> None:
    """Wherever the process dies, the next one ends the same: no finished step runs twice, no failed one anew.

    A step that had failed when the process died before that was kept may run once more; one whose failure was kept,
    and whose undo may have begun, never does.
    """
    bad, acted, deaths = story
    expected = anyio.run(run, InMemory(TWO, bad=bad, acted=acted))
    program, memory = InMemory(TWO, bad=bad, acted=acted), Memory()
    for death in [*deaths, ("", False)]:
        program.dies_at = death
        ended = anyio.run(_attempt, program, memory)
        kept_failed = {end.step_id for end in program.lanes.values()}
        seen = {name: program.calls.count(name) for name in kept_failed}
        if ended is not None:
            assert ended == expected
            break
        program.dies_at = ("", False)
        anyio.run(_attempt, program, memory)
        assert {name: program.calls.count(name) for name in kept_failed} == seen
    assert program.endings[-1] == expected
    assert all(program.calls.count(name) <= 1 + len(deaths) for name in PARTS)


async def _attempt(program: InMemory, memory: Memory) -> Ending | None:
    try:
        return await run(program, memory)
    except Crash:
        return None


def test_the_plan_is_frozen() -> None:
    """A lane is part of what is approved: the same steps in other lanes are another plan."""
    other: Plan = plan_of(FIRST, A1, A2, B1.model_copy(update={"lane": "c"}), LAST)
    assert other.digest != plan_of(FIRST, A1, A2, B1, LAST).digest
