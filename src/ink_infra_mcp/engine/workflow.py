"""The course of one operation: steps in order, lanes side by side, undo where the plan says so, the end."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

from pydantic import BaseModel

from ink_infra_mcp.core.engine import Ending, LaneEnd, Program, StepEnd
from ink_infra_mcp.core.operation import Check
from ink_infra_mcp.core.plan import Frozen, JsonObject, Plan, Step, Stretch, side_by_side
from ink_infra_mcp.engine.lanes import run_lanes, to_undo, with_undo

M = TypeVar("M", bound=BaseModel)
Checkpoint = Callable[[str, Callable[[], Awaitable[str]]], Awaitable[str]]
"""Runs a function once in the life of the operation, by name; later runs get what it returned then."""


class _Loaded(Frozen):
    """The results that an operation begins from. Its plan is kept by the guard alone, which lets go of it one day."""

    results: dict[str, JsonObject]
    plan: Plan | None = None
    """Checkpoints of older versions hold the plan, too."""


class _Checks(Frozen):
    checks: tuple[Check, ...]


class _Lanes(Frozen):
    lanes: dict[str, LaneEnd]


@dataclass(slots=True)
class Course:
    """One run of an operation.

    Its decisions depend on its plan, which never changes while it runs, and on checkpointed values only, so a second
    run takes the same way.
    """

    operation_id: str
    program: Program
    checkpoint: Checkpoint
    results: dict[str, JsonObject] = field(default_factory=dict[str, JsonObject])

    async def run(self) -> None:
        """Run to the end; returns when the end is written."""
        loaded = await self._keep(_Loaded, "load", self._load)
        self.results.update(loaded.results)
        ending = await self._steps(loaded.plan or await self.program.plan(self.operation_id))
        if ending.state == "done":
            seen = await self._keep(_Checks, "verify", self._verify)
            ending = ending.model_copy(update={"checks": seen.checks})
        final = ending.model_copy(update={"results": self.results})
        await self.checkpoint("finish", lambda: self._finish(final))

    async def _steps(self, plan: Plan) -> Ending:
        lanes: dict[str, LaneEnd] = {}
        for number, stretch in enumerate(side_by_side(plan.steps)):
            if stretch.lanes:
                ended = await self._keep(_Lanes, f"lanes_{number}", lambda stretch=stretch: self._beside(stretch))
                for end in ended.lanes.values():
                    self.results.update(end.results)
                lanes.update(ended.lanes)
                if broken := Ending(state="done", lanes=lanes).broken:
                    return _in_part(lanes, broken)
                continue
            step = stretch.steps[0]
            end = await self._keep(StepEnd, step.id, lambda step=step: self._step(step.id))
            if end.state == "failed":
                return (await self._undo(plan, step, end)).model_copy(update={"lanes": lanes})
            if end.state == "cancelled":
                return Ending(state="cancelled", step_id=step.id, lanes=lanes)
            self.results[step.id] = end.result
        return Ending(state="done", lanes=lanes)

    async def _undo(self, plan: Plan, failed: Step, end: StepEnd) -> Ending:
        undone: list[str] = []
        bad: list[str] = []
        problem = end.problem
        for step_id in to_undo(plan.steps, failed.id, self.results, acted=end.acted):
            back = await self._keep(StepEnd, f"undo_{step_id}", lambda step_id=step_id: self._undo_step(step_id))
            (undone if back.state == "done" else bad).append(step_id)
            problem = with_undo(problem, back.problem)
        return Ending(state="failed", step_id=failed.id, problem=problem, undone=tuple(undone), undo_failed=tuple(bad))

    async def _beside(self, stretch: Stretch) -> "_Lanes":
        return _Lanes(lanes=await run_lanes(self.program, self.operation_id, stretch, dict(self.results)))

    async def _keep(self, model: type[M], name: str, work: Callable[[], Awaitable[M]]) -> M:
        async def text() -> str:
            return (await work()).model_dump_json()

        return model.model_validate_json(await self.checkpoint(name, text))

    async def _load(self) -> _Loaded:
        return _Loaded(results=dict(await self.program.load(self.operation_id)))

    async def _step(self, step_id: str) -> StepEnd:
        return await self.program.step(self.operation_id, step_id, dict(self.results))

    async def _undo_step(self, step_id: str) -> StepEnd:
        return await self.program.undo(self.operation_id, step_id, dict(self.results))

    async def _verify(self) -> _Checks:
        return _Checks(checks=await self.program.verify(self.operation_id, dict(self.results)))

    async def _finish(self, ending: Ending) -> str:
        await self.program.finish(self.operation_id, ending)
        return "{}"


def _in_part(lanes: dict[str, LaneEnd], broken: dict[str, LaneEnd]) -> Ending:
    """Where a lane is done the rest is looked at; where none is, the first that failed tells for the whole."""
    if len(broken) < len(lanes):
        return Ending(state="done", lanes=lanes)
    first = next((end for end in broken.values() if end.state == "failed"), next(iter(broken.values())))
    return Ending(
        state=first.state,
        step_id=first.step_id,
        problem=first.problem,
        undone=tuple(id_ for end in broken.values() for id_ in end.undone),
        undo_failed=tuple(id_ for end in broken.values() for id_ in end.undo_failed),
        lanes=lanes,
    )
