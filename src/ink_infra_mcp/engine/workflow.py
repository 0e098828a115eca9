"""The course of one operation: steps in order, undo where the plan says so, verification, the end."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

from pydantic import BaseModel

from ink_infra_mcp.core.engine import Ending, Program, StepEnd
from ink_infra_mcp.core.operation import Check
from ink_infra_mcp.core.plan import Frozen, JsonObject, Plan, Step
from ink_infra_mcp.core.receipt import Problem

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
    done: list[str] = field(default_factory=list[str])

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
        for step in plan.steps:
            end = await self._keep(StepEnd, step.id, lambda step=step: self._step(step.id))
            if end.state == "failed":
                return await self._undo(plan, step, end)
            if end.state == "cancelled":
                return Ending(state="cancelled", step_id=step.id)
            self.results[step.id] = end.result
            self.done.append(step.id)
        return Ending(state="done")

    async def _undo(self, plan: Plan, failed: Step, end: StepEnd) -> Ending:
        undone: list[str] = []
        bad: list[str] = []
        problem = end.problem
        have_undo = {step.id for step in plan.steps if step.undo is not None}
        may_have_acted = [*self.done, failed.id] if end.acted else self.done
        for step_id in reversed([s for s in may_have_acted if s in failed.undoes and s in have_undo]):
            back = await self._keep(StepEnd, f"undo_{step_id}", lambda step_id=step_id: self._undo_step(step_id))
            (undone if back.state == "done" else bad).append(step_id)
            problem = _with(problem, back.problem)
        return Ending(state="failed", step_id=failed.id, problem=problem, undone=tuple(undone), undo_failed=tuple(bad))

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


def _with(problem: Problem | None, more: Problem | None) -> Problem | None:
    """What an undo could not take back stands beside why it was to: a person has to mend both."""
    if problem is None or more is None:
        return problem or more
    return problem.model_copy(update={"message": f"{problem.message} {more.message}"})
