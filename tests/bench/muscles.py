"""How long one Muscle takes in the pretend world, and ten in one call: what is ours, since no machine is waited for.

The CPU is that of this process, which serves the pretend world too: an upper bound of our own part.
"""

import tempfile
import time
from pathlib import Path

from tests.clock import FakeClock
from tests.ink import ink
from tests.tools.arrivals import all_of, approved, bare, existing

MANY = 10


async def _added(folder: Path, count: int) -> tuple[float, float]:
    """Return the seconds, on the wall and of the CPU, from the call of so many to their proofs."""
    names = [f"s{number}" for number in range(3, 3 + count)]
    world = all_of(*(bare(name, f"198.51.100.{40 + number}") for number, name in enumerate(names)))
    async with ink(folder, change_world=world, clock=FakeClock()) as it, it.client() as client:
        began, spent = time.perf_counter(), time.process_time()
        said = await approved(it, client, "add_muscle", **existing(it, *names))
        took = time.perf_counter() - began, time.process_time() - spent
    if said.outcome != "applied":
        raise RuntimeError(f"add_muscle of {count} ended as {said.outcome}, so there is no figure: {said.text}")
    return took


async def measure(many: int = MANY) -> dict[str, float]:
    """Return the figures by name."""
    with tempfile.TemporaryDirectory() as name:
        one, one_cpu = await _added(Path(name) / "one", 1)
        all_, all_cpu = await _added(Path(name) / "many", many)
    return {
        "add_muscle of one, s": one,
        "the same, CPU s": one_cpu,
        f"add_muscle of {many} at once, s": all_,
        "the same, CPU s a server": all_cpu / many,
    }
