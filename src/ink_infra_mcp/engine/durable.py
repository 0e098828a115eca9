"""Runs operations as DBOS workflows, one durable step for each step of a plan; the only importer of dbos."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from dbos import DBOS, DBOSConfig, DBOSPortableJSONSerializer, SetWorkflowID

from ink_infra_mcp.core.engine import STEP_FORMAT, Program
from ink_infra_mcp.core.errors import NotOurs, StateUnavailable
from ink_infra_mcp.engine.workflow import Course

log = logging.getLogger(__name__)
WORKFLOW = "ink_operation"
RETRY_S = 5.0
RETRY_CAP_S = 300.0
_POLL_S = 0.1
_OVER = frozenset({"ERROR", "SUCCESS"})
"""What DBOS resumes nothing from: such a workflow is rewound."""


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
    """The engine of this process, on the state store at `url`. `executor` names the process.

    DBOS runs workflows on the event loop that launched it, which is the one that clients and connections belong to. An
    operation that breaks, because the state store was away for instance, is tried again from the step that broke: after
    5 seconds of `sleep`, then after ever longer ones up to 5 minutes.
    """

    def __init__(
        self,
        *,
        url: str,
        executor: str,
        program: Program,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._url = url
        self._queue = f"ink-{executor}"
        self._executor = executor
        self._program = program
        self._sleep = sleep
        self._launched = False
        self._listening = False
        self._watches: dict[str, asyncio.Task[None]] = {}
        self._ends: dict[str, asyncio.Future[None]] = {}
        self._runs: set[asyncio.Task[Any]] = set()

    @property
    def busy(self) -> bool:
        """Return whether an operation runs here or is just about to; one that broke and waits does not count."""
        return bool(self._ends)

    async def start(self, operation_id: str) -> None:
        """Begin the operation, or go on with it after its last checkpoint; returns at once.

        Raises:
            RuntimeError: another engine is open in this process.
        """
        self._claim_process()
        if operation_id not in self._watches:
            self._ends[operation_id] = asyncio.get_running_loop().create_future()
            self._watches[operation_id] = asyncio.create_task(self._watch(operation_id))

    async def forget(self, operation_ids: Sequence[str]) -> None:
        """Drop what DBOS has recorded of operations that have ended.

        Raises:
            RuntimeError: another engine is open in this process.
            StateUnavailable: DBOS could not do it; nothing else was done.
        """
        self._claim_process()
        (broken,) = await asyncio.gather(self._delete(operation_ids), return_exceptions=True)
        if broken is not None:
            raise StateUnavailable(
                f"The engine could not let go of {len(operation_ids)} ended operations: {type(broken).__name__}.",
                next="It is tried again within the hour.",
            ) from broken

    async def _delete(self, operation_ids: Sequence[str]) -> None:
        self._launch()
        await DBOS.delete_workflows_async(list(operation_ids))

    def _claim_process(self) -> None:
        if _Process.engine not in (None, self):
            raise RuntimeError("this process has an open engine already")
        _Process.engine = self

    def has(self, operation_id: str) -> bool:
        """Return whether the operation was started here and has not ended; one that broke and waits counts."""
        return operation_id in self._watches

    async def run(self, operation_id: str) -> None:
        """Run one operation inside its workflow."""
        task = asyncio.current_task()
        if task is None or task.get_loop() is not self._ends[operation_id].get_loop():
            raise RuntimeError("a workflow ran outside the event loop of its engine")
        self._runs.add(task)
        task.add_done_callback(lambda done: self._over(operation_id, done))
        await Course(operation_id=operation_id, program=self._program, checkpoint=self._checkpoint).run()

    async def close(self) -> None:
        """Stop: running operations stay where their last checkpoint is, for another process to go on with."""
        if _Process.engine is not self:
            return
        tasks = [*self._watches.values(), *self._runs]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._listening:
            await DBOS.delete_queue_async(self._queue)
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, DBOS.destroy)
        # DBOS had put its own threads in the place of the loop's, and they are gone
        loop.set_default_executor(ThreadPoolExecutor())
        _Process.engine = None

    async def _watch(self, operation_id: str) -> None:
        """Hand the operation to DBOS until it has run to its end, here or in a process that took it over.

        Nothing else would ever look at it again.
        """
        pause_s = RETRY_S
        try:
            while True:
                (broken,) = await asyncio.gather(self._attempt(operation_id), return_exceptions=True)
                if broken is None or isinstance(broken, NotOurs):
                    return
                log.error("operation %s broke; it goes on in %.0f s", operation_id, pause_s, exc_info=broken)
                del self._ends[operation_id]
                await self._sleep(pause_s)
                pause_s = min(pause_s * 2, RETRY_CAP_S)
                self._ends[operation_id] = asyncio.get_running_loop().create_future()
        finally:
            self._ends.pop(operation_id, None)
            del self._watches[operation_id]

    async def _attempt(self, operation_id: str) -> None:
        self._launch()
        await self._submit(operation_id)
        await self._ends[operation_id]

    async def _submit(self, operation_id: str) -> None:
        found = await DBOS.get_workflow_status_async(operation_id)
        if found is None:
            with SetWorkflowID(operation_id):
                await DBOS.start_workflow_async(_operation, operation_id)
            return
        if not self._listening:
            await DBOS.register_queue_async(self._queue, polling_interval_sec=_POLL_S)
            self._listening = True
        if found.status in _OVER:
            step = await _first_broken_step(operation_id)
            await DBOS.rewind_workflow_async(operation_id, start_step=step, queue_name=self._queue)
        else:
            await DBOS.resume_workflow_async(operation_id, queue_name=self._queue)

    def _over(self, operation_id: str, run: asyncio.Task[Any]) -> None:
        self._runs.discard(run)
        end = self._ends.get(operation_id)
        if end is None or end.done():
            return
        if run.cancelled():
            end.cancel()
        elif (error := run.exception()) is not None:
            end.set_exception(error)
        else:
            end.set_result(None)

    def _launch(self) -> None:
        if self._launched:
            return
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
        try:
            DBOS.listen_queues([self._queue])
            DBOS.launch()
            self._launched = True
        finally:
            if not self._launched:
                DBOS.destroy()

    async def _checkpoint(self, name: str, work: Callable[[], Awaitable[str]]) -> str:
        async def once() -> str:
            return await work()

        return await DBOS.run_step_async({"name": name}, once)


async def _first_broken_step(operation_id: str) -> int:
    """Return the number of the first step that ended in an error, or of the last one: every step may run again."""
    steps = await DBOS.list_workflow_steps_async(operation_id)
    broken = [step["function_id"] for step in steps if step["error"] is not None]
    last = max((step["function_id"] for step in steps), default=1)
    return min(broken, default=last)
