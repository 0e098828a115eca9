"""Two server processes on one state are one guard: they see each other's operations, locks and ends."""

from pathlib import Path

import anyio
import pytest

from tests.engine.killing import begin_forking
from tests.guard.bed import STOP, Held, begun, lines
from tests.guard.neighbour import Visit, hear, neighbour
from tests.ink import ink

pytestmark = pytest.mark.anyio

LIMIT_S = 150


@pytest.fixture(scope="module", autouse=True)
def forks() -> None:
    """Have processes forked from one that has imported everything already."""
    begin_forking()


async def test_another_process_joins_our_callers_operation_and_locks_out_others(tmp_path: Path) -> None:
    """There, the same call gets the same operation and follows it to its end; another principal meets its lock."""
    held = Held("coolify.stop")
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, wrap_handler=held) as it:
            running = await begun(it, "control_app", STOP)
            await held.entered.wait()
            with neighbour(Visit(tmp_path, it.ends, "control_app", STOP)) as line:
                same, other = await hear(line), await hear(line)
                held.go.set()
                end = await hear(line)
            story = await lines(it)

    operation = running.operation_id
    assert same[:2] == ("running", operation)
    assert other[:2] == ("locked", None)
    assert f"is held by operation {operation} of local:tester (Stop shop on muscle-1) since" in other[2]
    assert end[:2] == ("applied", operation)
    assert [line.event for line in story] == ["proposed", "approved", "begin", "stopped", "step", "end"]
    assert [line.principal for line in story if line.event == "stopped"] == ["local:other"]
