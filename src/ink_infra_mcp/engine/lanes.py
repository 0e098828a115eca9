"""Lanes: parts of one plan that run side by side, each with its own failure and its own undo."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from ink_infra_mcp.core.engine import LaneEnd, Program, StepEnd
from ink_infra_mcp.core.operation import Results
from ink_infra_mcp.core.plan import JsonObject, Step, Stretch
from ink_infra_mcp.core.receipt import Problem

AT_ONCE = 10
"""Lanes that run at the same time: ten servers are as much as one Factory validates, and one disk writes down, well."""


async def run_lanes(program: Program, operation_id: str, stretch: Stretch, results: Results) -> dict[str, LaneEnd]:
    """Run the lanes side by side, each to its end; return how each ended.

    Trouble of our own store in one lane is raised when all others have ended or met it too. Run again after a crash,
    finished steps give what they returned, and a lane that had failed only goes on with its undo.
    """
    places = asyncio.Semaphore(AT_ONCE)

    async def run(name: str, steps: tuple[Step, ...]) -> LaneEnd:
        async with places:
            return await Lane(program, operation_id, name, steps, dict(results)).run()

    lanes = stretch.lanes
    ended = await asyncio.gather(*(run(name, steps) for name, steps in lanes.items()), return_exceptions=True)
    return {name: _raised(end) for name, end in zip(lanes, ended, strict=True)}


def _raised(end: LaneEnd | BaseException) -> LaneEnd:
    if isinstance(end, BaseException):
        raise end
    return end


@dataclass(slots=True)
class Lane:
    """One run of one lane. `results` begins as what came before the lanes and grows by what its own steps return."""

    program: Program
    operation_id: str
    name: str
    steps: tuple[Step, ...]
    results: dict[str, JsonObject]
    own: dict[str, JsonObject] = field(default_factory=dict[str, JsonObject])

    async def run(self) -> LaneEnd:
        """Run it to its end, or take it up where its failure was kept."""
        end = await self.program.lane(self.operation_id, self.name)
        if end is None:
            end = await self._steps()
            if end.state == "failed":
                await self.program.keep_lane(self.operation_id, self.name, end)
        return await self._undone(end) if end.state == "failed" else end

    async def _steps(self) -> LaneEnd:
        for step in self.steps:
            end = await self.program.step(self.operation_id, step.id, {**self.results, **self.own})
            if end.state != "done":
                return LaneEnd(state=end.state, step_id=step.id, problem=end.problem, acted=end.acted, results=self.own)
            self.own[step.id] = end.result
        return LaneEnd(state="done", results=self.own)

    async def _undone(self, failed: LaneEnd) -> LaneEnd:
        results = {**self.results, **failed.results}
        ends: dict[str, StepEnd] = {}
        for step_id in to_undo(self.steps, failed.step_id, failed.results, acted=failed.acted):
            ends[step_id] = await self.program.undo(self.operation_id, step_id, results)
        undone = tuple(id_ for id_, end in ends.items() if end.state == "done")
        bad = tuple(id_ for id_ in ends if id_ not in undone)
        problem = failed.problem
        for end in ends.values():
            problem = with_undo(problem, end.problem)
        return failed.model_copy(update={"problem": problem, "undone": undone, "undo_failed": bad})


def to_undo(steps: tuple[Step, ...], failed: str, done: Mapping[str, object], *, acted: bool) -> tuple[str, ...]:
    """Return the steps to take back after `failed` failed, the last first: those of them that ran, or may have."""
    step = next(step for step in steps if step.id == failed)
    ran = [s.id for s in steps if s.id in done or (acted and s.id == failed)]
    have_undo = {s.id for s in steps if s.undo is not None}
    return tuple(reversed([id_ for id_ in ran if id_ in step.undoes and id_ in have_undo]))


def with_undo(problem: Problem | None, more: Problem | None) -> Problem | None:
    """What an undo could not take back stands beside why it was to: a person has to mend both."""
    if problem is None or more is None:
        return problem or more
    return problem.model_copy(update={"message": f"{problem.message} {more.message}"})
