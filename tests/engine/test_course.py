"""The course of an operation: what runs in which order, and that a second run takes the same way."""

from collections import Counter

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ink_infra_mcp.core.engine import Ending
from ink_infra_mcp.core.operation import Check
from ink_infra_mcp.core.plan import Plan
from ink_infra_mcp.core.receipt import Problem
from tests.engine.programs import Crash, InMemory, Memory, plan_of, run, work

pytestmark = pytest.mark.anyio

THREE = plan_of(work("one"), work("two"), work("three", undoes=("one", "two")))
GOOD = Check(name="boxes", status="passed", evidence="counted")


async def test_steps_run_in_order_and_then_the_world_is_looked_at() -> None:
    """Each step runs once, in the plan's order; verification comes after the last, the end after that."""
    program = InMemory(THREE)
    ending = await run(program)
    assert program.calls == ["load", "one", "two", "three", "verify", "finish"]
    assert ending == Ending(
        state="done",
        results={"one": {"did": "one"}, "two": {"did": "two"}, "three": {"did": "three"}},
        checks=(GOOD,),
    )


async def test_each_step_gets_what_the_earlier_ones_returned() -> None:
    """Results flow forward, to verification too; what an earlier operation left is there from the beginning."""
    program = InMemory(THREE, seeds={"zero": {"did": "zero"}})
    await run(program)
    assert {name: list(results) for name, results in program.seen.items()} == {
        "one": ["zero"],
        "two": ["zero", "one"],
        "three": ["zero", "one", "two"],
        "verify": ["zero", "one", "two", "three"],
    }


async def test_a_failed_step_stops_the_rest() -> None:
    """What comes after a failure does not begin, nothing is verified, and the reason is kept."""
    program = InMemory(THREE, bad=frozenset({"two"}))
    ending = await run(program)
    assert program.calls == ["load", "one", "two", "finish"]
    assert ending == Ending(
        state="failed",
        step_id="two",
        problem=Problem(code="step_failed", message="two broke."),
        results={"one": {"did": "one"}},
    )


async def test_the_declared_steps_are_undone_backwards() -> None:
    """When a step fails that says what it takes back, that is taken back, the last first."""
    program = InMemory(THREE, bad=frozenset({"three"}))
    ending = await run(program)
    assert program.calls == ["load", "one", "two", "three", "undo_two", "undo_one", "finish"]
    assert (ending.state, ending.step_id, ending.undone, ending.undo_failed) == ("failed", "three", ("two", "one"), ())


async def test_an_undo_that_fails_does_not_keep_the_others_from_running() -> None:
    """Each undo is tried; those that failed are told apart, and why they did stands beside why they were to run."""
    program = InMemory(THREE, bad=frozenset({"three", "undo_two"}))
    ending = await run(program)
    assert program.calls[4:] == ["undo_two", "undo_one", "finish"]
    assert (ending.undone, ending.undo_failed) == (("one",), ("two",))
    assert ending.problem is not None
    assert ending.problem.message == "three broke. undo_two broke."


async def test_only_what_was_declared_is_undone() -> None:
    """A step that the failed one does not name stays, whether it could be taken back or not."""
    plan = plan_of(work("one"), work("two", undo=False), work("three"), work("four", undoes=("three",)))
    program = InMemory(plan, bad=frozenset({"four"}))
    ending = await run(program)
    assert program.calls == ["load", "one", "two", "three", "four", "undo_three", "finish"]
    assert ending.undone == ("three",)


@pytest.mark.parametrize(("acted", "ran"), [(True, ["undo_two", "undo_one"]), (False, ["undo_one"])])
async def test_a_step_that_undoes_itself_is_taken_back_first_if_it_acted(acted: bool, ran: list[str]) -> None:
    """What failed in the middle comes off before what it was built on; what never began to act has no undo to run."""
    plan = plan_of(work("one"), work("two", undoes=("one", "two")))
    program = InMemory(plan, bad=frozenset({"two"}), acted=acted)
    ending = await run(program)
    assert program.calls == ["load", "one", "two", *ran, "finish"]
    assert [f"undo_{step_id}" for step_id in ending.undone] == ran


@pytest.mark.parametrize(("at", "ran"), [("one", []), ("two", ["one"]), ("three", ["one", "two"])])
async def test_a_cancelled_operation_stops_before_the_step_and_undoes_nothing(at: str, ran: list[str]) -> None:
    """What is done stays done, what is cancelled has not begun, and nothing is called proved."""
    program = InMemory(THREE, cancel_at=at)
    ending = await run(program)
    assert program.calls == ["load", *ran, "finish"]
    assert (ending.state, ending.step_id, list(ending.results), ending.checks) == ("cancelled", at, ran, ())


async def test_what_was_kept_is_not_run_again() -> None:
    """A run over a full memory repeats no part, not even the end."""
    memory = Memory()
    program = InMemory(THREE)
    ending = await run(program, memory)
    again = InMemory(THREE, endings=[ending])
    await run(again, memory)
    assert again.calls == []


@st.composite
def stories(draw: st.DrawFn) -> tuple[Plan, frozenset[str], str]:
    """A plan of one to five steps, which of its parts fail, and where it is cancelled, if anywhere."""
    ids = [f"s{number}" for number in range(draw(st.integers(1, 5)))]
    steps = [
        work(step_id, undoes=tuple(draw(st.lists(st.sampled_from(ids[: n + 1]), unique=True))))
        for n, step_id in enumerate(ids)
    ]
    parts = [*ids, *(f"undo_{step_id}" for step_id in ids)]
    return plan_of(*steps), draw(st.frozensets(st.sampled_from(parts), max_size=3)), draw(st.sampled_from(["", *ids]))


@given(story=stories(), crashes=st.lists(st.tuples(st.integers(0, 12), st.booleans()), max_size=3))
def test_crashes_change_neither_the_way_nor_the_end(
    story: tuple[Plan, frozenset[str], str], crashes: list[tuple[int, bool]]
) -> None:
    """Wherever the process dies, the next one ends the same, and no part runs more often than once for each crash.

    A part whose result was kept never runs again; one whose body ran when the process died runs exactly once more.
    """
    plan, bad, cancel_at = story
    acted = len(bad) % 2 == 1

    async def one_life(program: InMemory, memory: Memory) -> bool:
        try:
            await run(program, memory)
        except Crash:
            return False
        return True

    async def lives() -> tuple[InMemory, InMemory, int]:
        quiet, tried = InMemory(plan, bad, cancel_at, acted), InMemory(plan, bad, cancel_at, acted)
        await run(quiet)
        kept: dict[str, str] = {}
        cut_short = 0
        for crash_at, after_body in crashes:
            over = await one_life(tried, Memory(kept, crash_at=crash_at, after_body=after_body))
            cut_short += after_body and not over
        assert await one_life(tried, Memory(kept))
        return quiet, tried, cut_short

    quiet, tried, cut_short = anyio.run(lives)
    assert tried.endings[-1] == quiet.endings[-1]
    assert list(dict.fromkeys(tried.asked)) == quiet.asked
    assert {name: tried.seen[name] for name in quiet.seen} == quiet.seen
    again = Counter(tried.asked) - Counter(quiet.asked)
    assert sum(again.values()) == cut_short
