"""Figures that need the product in this process: a query against the raw API call, a durable step, calls per second."""

import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from ink_infra_mcp.core.engine import StepEnd
from ink_infra_mcp.core.operation import Check, Results
from ink_infra_mcp.core.plan import Plan, Step
from ink_infra_mcp.engine.durable import DurableEngine
from tests.engine.programs import NoLanes
from tests.ink import ink

CALLS = 100
STEPS = 50


class Nothing(NoLanes):
    """A program whose steps do nothing: what is left is the price of durability."""

    def __init__(self) -> None:
        self.ended = asyncio.Event()

    async def plan(self, operation_id: str) -> Plan:
        """Return a plan of many empty steps."""
        steps = tuple(Step(id=f"s{n}", kind="bench.nothing", target="none", summary="nothing") for n in range(STEPS))
        return Plan(tool="bench", title="bench", target="none", locks=(), steps=steps)

    async def load(self, operation_id: str) -> Results:
        """Return nothing: no earlier attempt left anything."""
        return {}

    async def step(self, operation_id: str, step_id: str, results: Results) -> StepEnd:
        """Do nothing."""
        return StepEnd(state="done")

    async def undo(self, operation_id: str, step_id: str, results: Results) -> StepEnd:
        """Do nothing."""
        return StepEnd(state="done")

    async def verify(self, operation_id: str, results: Results) -> tuple[Check, ...]:
        """Check nothing."""
        return ()

    async def finish(self, operation_id: str, ending: object) -> None:
        """Say that it is over."""
        self.ended.set()


async def _median_ms(work: Callable[[], Awaitable[object]]) -> float:
    took: list[float] = []
    for _ in range(CALLS):
        began = time.perf_counter()
        await work()
        took.append((time.perf_counter() - began) * 1000)
    return statistics.median(took)


async def _durable_step_ms(folder: Path) -> float:
    program = Nothing()
    engine = DurableEngine(url=f"sqlite:///{folder / 'bench.sqlite3'}", executor="bench", program=program)
    try:
        await engine.start("op-warm")
        await program.ended.wait()
        program.ended.clear()
        began = time.perf_counter()
        await engine.start("op-bench")
        await program.ended.wait()
        return (time.perf_counter() - began) * 1000 / STEPS
    finally:
        await engine.close()


async def measure() -> dict[str, float]:
    """Return the figures by name."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        found = {"durable step, mean ms": await _durable_step_ms(folder)}
        async with ink(folder / "world") as bed, bed.client() as client:
            app = (await bed.app.look.coolify.applications())[0].uuid
            raw = await _median_ms(lambda: bed.app.look.coolify.application(app))
            args = {"app": app}
            await client.call_tool("get_app", args)
            through = await _median_ms(lambda: client.call_tool("get_app", args))
            began = time.perf_counter()
            for _ in range(CALLS):
                await client.call_tool("list_operations", {})
            found |= {
                "one raw Coolify call, median ms": raw,
                "get_app (6 calls and SSH), median ms": through,
                "list_operations, calls per second": CALLS / (time.perf_counter() - began),
            }
    return found
