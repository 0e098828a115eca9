"""Programs and checkpoints in memory: what the course of an operation is tried on."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import anyio

from ink_infra_mcp.core.engine import Ending, LaneEnd, StepEnd
from ink_infra_mcp.core.operation import Check, Results
from ink_infra_mcp.core.plan import JsonObject, Plan, Step, Undo
from ink_infra_mcp.core.receipt import Problem
from ink_infra_mcp.engine.workflow import Course

OPERATION = "op-1"


class Crash(Exception):
    """The process dies."""


def work(step_id: str, *, undoes: tuple[str, ...] = (), undo: bool = True, lane: str = "") -> Step:
    """Return a step; `undoes` are the steps that are taken back when it fails."""
    back = Undo(kind="shelf.empty", target=step_id, summary=f"take {step_id} back") if undo else None
    return Step(
        id=step_id, kind="shelf.fill", target="left", summary=f"Do {step_id}", undo=back, undoes=undoes, lane=lane
    )


def plan_of(*steps: Step) -> Plan:
    """Return a plan of these steps."""
    return Plan(tool="fill_shelf", title="Fill left", target="left", locks=("shelf:left",), steps=steps, reason="-")


@dataclass(slots=True)
class Memory:
    """What survives a crash: results of finished parts, by name. `crash_at` counts the parts until the process dies.

    It dies either before the body of that part runs, or after it, before the result is kept.
    """

    kept: dict[str, str] = field(default_factory=dict[str, str])
    crash_at: int | None = None
    after_body: bool = False

    async def __call__(self, name: str, body: Callable[[], Awaitable[str]]) -> str:
        """Run a part once in the life of the operation."""
        if name in self.kept:
            return self.kept[name]
        dies = self._counted_down()
        if dies and not self.after_body:
            raise Crash
        result = await body()
        if dies:
            raise Crash
        self.kept[name] = result
        return result

    def _counted_down(self) -> bool:
        if self.crash_at is None:
            return False
        self.crash_at -= 1
        return self.crash_at < 0


class NoLanes:
    """The part of a program that a plan without lanes never asks for."""

    async def lane(self, operation_id: str, lane: str) -> LaneEnd | None:
        """Return that no lane has ended."""
        return None

    async def keep_lane(self, operation_id: str, lane: str, end: LaneEnd) -> None:
        """Fail: there is no lane."""
        raise AssertionError(f"{operation_id} has no lane {lane}")


@dataclass(slots=True)
class InMemory:
    """A program that writes down what it is asked, and what of that ran (`calls`); lanes' results outlive a crash.

    `bad` steps and undos fail, having `acted` or not; before `cancel_at` it is cancelled.
    """

    approved: Plan
    bad: frozenset[str] = frozenset()
    cancel_at: str = ""
    acted: bool = False
    seeds: Results = field(default_factory=dict[str, JsonObject])
    asked: list[str] = field(default_factory=list[str])
    calls: list[str] = field(default_factory=list[str])
    seen: dict[str, Results] = field(default_factory=dict[str, Results])
    endings: list[Ending] = field(default_factory=list[Ending])
    kept: dict[str, StepEnd] = field(default_factory=dict[str, StepEnd])
    lanes: dict[str, LaneEnd] = field(default_factory=dict[str, LaneEnd])
    dies_at: tuple[str, bool] = ("", False)
    """The part of a lane at which the process dies, once, and whether that is after it ran."""
    meets: dict[str, anyio.Event] = field(default_factory=dict[str, anyio.Event])
    """Steps that wait until each of the others has begun."""

    async def plan(self, operation_id: str) -> Plan:
        """Return the plan."""
        assert operation_id == OPERATION
        return self.approved

    async def load(self, operation_id: str) -> Results:
        """Return what an earlier attempt left."""
        assert operation_id == OPERATION
        self._note("load")
        return self.seeds

    async def step(self, operation_id: str, step_id: str, results: Results) -> StepEnd:
        """Run a step."""
        if self.meets and step_id in self.meets:
            self.meets[step_id].set()
            for other in self.meets.values():
                await other.wait()
        return self._in_lane(step_id, results) if self._lane(step_id) else self._end(step_id, results)

    async def undo(self, operation_id: str, step_id: str, results: Results) -> StepEnd:
        """Take a step back."""
        name = f"undo_{step_id}"
        return self._in_lane(name, results) if self._lane(step_id) else self._end(name, results)

    async def lane(self, operation_id: str, lane: str) -> LaneEnd | None:
        """Return how a lane ended, if it was kept."""
        return self.lanes.get(lane)

    async def keep_lane(self, operation_id: str, lane: str, end: LaneEnd) -> None:
        """Keep how a lane ended."""
        self._die(f"keep_{lane}", after=False)
        self.lanes[lane] = end
        self._die(f"keep_{lane}", after=True)

    async def verify(self, operation_id: str, results: Results) -> tuple[Check, ...]:
        """Return one check."""
        self._note("verify")
        self.seen["verify"] = results
        return (Check(name="boxes", status="passed", evidence="counted"),)

    async def finish(self, operation_id: str, ending: Ending) -> None:
        """Keep the end."""
        self._note("finish")
        self.endings.append(ending)

    def _lane(self, step_id: str) -> str:
        return next(step.lane for step in self.approved.steps if step.id == step_id)

    def _in_lane(self, name: str, results: Results) -> StepEnd:
        if name in self.kept:
            return self.kept[name]
        self._die(name, after=False)
        end = self._end(name, results)
        self._die(name, after=True)
        if end.state == "done":
            self.kept[name] = end
        return end

    def _die(self, name: str, *, after: bool) -> None:
        if self.dies_at == (name, after):
            self.dies_at = ("", False)
            raise Crash

    def _note(self, name: str) -> None:
        self.asked.append(name)
        self.calls.append(name)

    def _end(self, name: str, results: Results) -> StepEnd:
        if name == self.cancel_at:
            self.asked.append(name)
            return StepEnd(state="cancelled")
        self._note(name)
        self.seen[name] = results
        if name in self.bad:
            problem = Problem(code="step_failed", message=f"{name} broke.")
            return StepEnd(state="failed", problem=problem, acted=self.acted)
        return StepEnd(state="done", result={"did": name})


async def run(program: InMemory, memory: Memory | None = None) -> Ending:
    """Run the operation to its end; return how it ended."""
    await Course(operation_id=OPERATION, program=program, checkpoint=memory or Memory()).run()
    return program.endings[-1]
