"""Runs operations as DBOS workflows, one durable step for each step of a plan; the only importer of dbos."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from dbos import DBOS, DBOSConfig, DBOSPortableJSONSerializer, SetWorkflowID

from ink_infra_mcp.core.engine import STEP_FORMAT, Program
from ink_infra_mcp.engine.workflow import Course

T = TypeVar("T")
log = logging.getLogger(__name__)
WORKFLOW = "ink_operation"
_POLL_S = 0.1


class _Process:
    """DBOS is one for each process; so is this: which engine its workflow function belongs to."""

    engine: "DurableEngine | None" = None


@DBOS.workflow(name=WORKFLOW)
async def _operation(operation_id: str) -> None:
    engine = _Process.engine
    if engine is None:
        raise RuntimeError("a workflow ran before the engine was opened")
    await engine.run(operation_id)


class DurableEngine:
    """The engine of this process, on the state store at `url`.

    `executor` names the process. What DBOS's own threads run is brought back to the event loop that opened the engine,
    so that clients and connections are used on one loop only.
    """

    def __init__(self, *, url: str, executor: str, program: Program) -> None:
        self._url = url
        self._queue = f"ink-{executor}"
        self._executor = executor
        self._program = program
        self._loop: asyncio.AbstractEventLoop | None = None
        self._listening = False

    async def start(self, operation_id: str) -> None:
        """Begin the operation, or go on with it after its last checkpoint; returns at once."""
        self._open()
        if await DBOS.get_workflow_status_async(operation_id) is None:
            with SetWorkflowID(operation_id):
                await DBOS.start_workflow_async(_operation, operation_id)
            return
        if not self._listening:
            await DBOS.register_queue_async(self._queue, polling_interval_sec=_POLL_S)
            self._listening = True
        await DBOS.resume_workflow_async(operation_id, queue_name=self._queue)

    async def run(self, operation_id: str) -> None:
        """Run one operation inside its workflow."""
        await Course(operation_id=operation_id, program=self._program, checkpoint=self._checkpoint).run()

    async def close(self) -> None:
        """Stop: running operations stay where their last checkpoint is, for another process to go on with."""
        if _Process.engine is not self:
            return
        if self._listening:
            await DBOS.delete_queue_async(self._queue)
        await asyncio.get_running_loop().run_in_executor(None, DBOS.destroy)
        _Process.engine = None

    def _open(self) -> None:
        if _Process.engine is self:
            return
        if _Process.engine is not None:
            raise RuntimeError("this process has an open engine already")
        self._loop = asyncio.get_running_loop()
        config: DBOSConfig = {
            "name": "ink-infra-mcp",
            "system_database_url": self._url,
            "application_version": f"steps-{STEP_FORMAT}",
            "executor_id": self._executor,
            "serializer": DBOSPortableJSONSerializer(),
            "log_level": "WARNING",
            "console_log_level": "CRITICAL",
        }
        DBOS(config=config)
        DBOS.listen_queues([self._queue])
        DBOS.launch()
        _Process.engine = self

    async def _checkpoint(self, name: str, work: Callable[[], Awaitable[str]]) -> str:
        async def once() -> str:
            return await self._on_own_loop(work)

        return await DBOS.run_step_async({"name": name}, once)

    async def _on_own_loop(self, work: Callable[[], Awaitable[T]]) -> T:
        async def go() -> T:
            return await work()

        loop = self._loop
        if loop is None or loop is asyncio.get_running_loop():
            return await go()
        coroutine: Coroutine[Any, Any, T] = go()
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(coroutine, loop))
