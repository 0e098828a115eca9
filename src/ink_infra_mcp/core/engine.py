"""What the engine runs, and what it promises: the words that guard and engine share without knowing each other."""

from collections.abc import Sequence
from typing import Literal, Protocol

from ink_infra_mcp.core.operation import Check, Results
from ink_infra_mcp.core.plan import Frozen, JsonObject, Plan
from ink_infra_mcp.core.receipt import Problem

STEP_FORMAT = "1"
"""Version of what is persisted about steps; an operation of another format is refused, never guessed at."""


class StepEnd(Frozen):
    """How one run of one step ended. `cancelled` means that it did not begin.

    `acted` tells whether the world may be another one because of it; it is said of a failed step only.
    """

    state: Literal["done", "failed", "cancelled"]
    result: JsonObject = {}
    problem: Problem | None = None
    acted: bool = False


class LaneEnd(Frozen):
    """How one lane of a plan ended, beside the others. A failed one is kept before anything of it is undone."""

    state: Literal["done", "failed", "cancelled"]
    step_id: str = ""
    problem: Problem | None = None
    acted: bool = False
    results: dict[str, JsonObject] = {}
    undone: tuple[str, ...] = ()
    undo_failed: tuple[str, ...] = ()


class Ending(Frozen):
    """How the whole operation ended, before it is told to anybody."""

    state: Literal["done", "failed", "cancelled"]
    step_id: str = ""
    problem: Problem | None = None
    undone: tuple[str, ...] = ()
    undo_failed: tuple[str, ...] = ()
    results: dict[str, JsonObject] = {}
    checks: tuple[Check, ...] = ()
    lanes: dict[str, LaneEnd] = {}
    """How each lane ended. One that failed or was cancelled beside one that is done: the state is `done`, in part."""

    @property
    def broken(self) -> dict[str, LaneEnd]:
        """Return the lanes that are not done."""
        return {name: end for name, end in self.lanes.items() if end.state != "done"}

    @property
    def in_part(self) -> bool:
        """Return whether some lanes are done and others are not."""
        return 0 < len(self.broken) < len(self.lanes)


class Program(Protocol):
    """What the engine calls for an operation; every method is safe to call again after a crash."""

    async def plan(self, operation_id: str) -> Plan:
        """Return the approved plan, which is the same in every run."""
        ...

    async def load(self, operation_id: str) -> Results:
        """Return the results that earlier attempts left."""
        ...

    async def step(self, operation_id: str, step_id: str, results: Results) -> StepEnd:
        """Run a step of the plan."""
        ...

    async def undo(self, operation_id: str, step_id: str, results: Results) -> StepEnd:
        """Run the undo of a step that finished, or that failed when it may have acted."""
        ...

    async def lane(self, operation_id: str, lane: str) -> LaneEnd | None:
        """Return how a lane ended before anything of it was undone, if it was kept."""
        ...

    async def keep_lane(self, operation_id: str, lane: str, end: LaneEnd) -> None:
        """Keep how a lane ended: a run after a crash then begins no step of it anew."""
        ...

    async def verify(self, operation_id: str, results: Results) -> tuple[Check, ...]:
        """Return what is true of the world now."""
        ...

    async def finish(self, operation_id: str, ending: Ending) -> None:
        """Write the end into the audit, keep the receipt, free the locks."""
        ...


class Engine(Protocol):
    """Runs operations durably."""

    async def start(self, operation_id: str) -> None:
        """Begin (or go on with) the operation; returns at once."""
        ...

    async def forget(self, operation_ids: Sequence[str]) -> None:
        """Drop what is recorded of operations that have ended; what is not recorded any more is no trouble."""
        ...

    def has(self, operation_id: str) -> bool:
        """Return whether the operation was started here and has not ended."""
        ...
