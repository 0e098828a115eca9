"""One run of a step for tests of step handlers: with a live permit, a clock in hand, and what was said."""

from dataclasses import dataclass, field

from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.step import Handler, StepCall
from tests.clock import FakeClock
from tests.permits import permit_here


@dataclass(slots=True)
class Steps:
    """Runs handlers as one operation would, keeping each result by the step's id."""

    handlers: dict[str, Handler]
    clock: FakeClock
    operation: str = "op-1"
    results: dict[str, JsonObject] = field(default_factory=dict[str, JsonObject])
    said: list[str] = field(default_factory=list[str])

    async def run(self, kind: str, params: JsonObject, step: str = "one") -> JsonObject:
        """Run one step; return its result."""
        call = StepCall(
            operation_id=self.operation,
            step_id=step,
            kind=kind,
            target="muscle-1",
            params=params,
            results=self.results,
            permit=permit_here(self.operation, kind),
            clock=self.clock,
            say=self.said.append,
        )
        self.results[step] = await self.handlers[kind](call)
        return self.results[step]
