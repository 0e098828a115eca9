"""Follows operations: waits, reports progress, picks up what a dead process left, cancels."""

import logging
import time
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

import anyio.to_thread

from ink_infra_mcp.core.effects import Clock
from ink_infra_mcp.core.engine import STEP_FORMAT, Engine
from ink_infra_mcp.core.errors import StateCorrupt, UnknownName
from ink_infra_mcp.core.receipt import Receipt
from ink_infra_mcp.core.untrusted import clean_name
from ink_infra_mcp.guard import receipts
from ink_infra_mcp.guard.caller import Progress
from ink_infra_mcp.guard.changes import Changes
from ink_infra_mcp.guard.sharing import Sharing
from ink_infra_mcp.state import audit, operations
from ink_infra_mcp.state.owners import Owners
from ink_infra_mcp.state.records import AuditEvent, Operation, OperationHead
from ink_infra_mcp.state.store import Connection, Store

log = logging.getLogger(__name__)
LOOK_EVERY_S = 1.0
HEARTBEAT_S = 5.0


@dataclass(frozen=True, slots=True)
class Operations:
    """The operations of one state store."""

    store: Store
    engine: Engine
    owners: Owners
    clock: Clock
    changes: Changes
    beginning: AbstractSet[str] = frozenset()
    """Operations that this process is just handing to its engine."""
    elapsed: Callable[[], float] = time.monotonic
    unreadable: set[str] = field(default_factory=set[str])
    """Operations of which the log has said already that nobody can go on with them."""
    sights: Sharing[Operation] = field(default_factory=Sharing[Operation])
    """What those see who follow: a crowd that follows one operation reads the store as often as one does."""

    async def get(self, operation_id: str) -> Operation:
        """Return the operation.

        Raises:
            UnknownName: there is none with that id.
        """
        found = await self.store.run(lambda c: operations.get(c, operation_id))
        if found is None:
            raise UnknownName(f"There is no operation {clean_name(operation_id)!r}.", next="See list_operations.")
        return found

    async def follow(self, operation_id: str, *, wait_s: float, progress: Progress | None) -> Receipt:
        """Return the receipt when the operation has ended, or `running` after `wait_s` seconds.

        One whose owner has died meanwhile is taken over. `progress` is called at every change and at least every 5
        seconds, so that a client keeps its request alive; what was said already is not said again.
        """
        began = self.elapsed()
        told: tuple[str | None, int] = (None, -1)
        last = began - HEARTBEAT_S
        while True:
            operation = await self.sights.get(operation_id, lambda: self.get(operation_id))
            if operation.receipt is not None:
                return operation.receipt
            if await self._is_orphan(operation):
                await self.take_over_orphans()
            spent = self.elapsed() - began
            if spent >= wait_s:
                return receipts.running(operation)
            news = (operation.now_at, len(operation.results))
            if progress is not None and (news != told or self.elapsed() - last >= HEARTBEAT_S):
                words = (operation.now_at or "starting") if operation.now_at != told[0] else None
                await progress(_done(operation, spent), len(operation.plan.steps) + 1.0, words)
                told, last = news, self.elapsed()
            await self.changes.wait(min(LOOK_EVERY_S, wait_s - spent))

    async def newest(self, *, before: float | None, limit: int) -> tuple[Operation, ...]:
        """Return operations that began before `before` (Unix seconds), newest first."""
        return await self.store.run(lambda c: operations.newest(c, before=before, limit=limit))

    async def take_over_orphans(self) -> tuple[str, ...]:
        """Go on with every running operation whose owner is dead, or is us and does not run it; return their ids.

        The latter is one whose begin was committed although it seemed to fail, or whose engine could not be started.
        Operations whose steps were written by another version's format, and those that cannot be read, are left alone
        and stay visible as running until an operator abandons them.
        """
        orphans = await self.store.run(self._claim)
        for operation in orphans:
            await self.engine.start(operation.id)
        return tuple(operation.id for operation in orphans)

    def _claim(self, connection: Connection) -> list[Operation]:
        # others may have what is ours, too, once our own sign of life is lost
        self.owners.alive(self.owners.executor)
        claimed: list[Operation] = []
        for head in operations.running(connection):
            if head.step_format != STEP_FORMAT or not self._is_left(head):
                continue
            operation = self._readable(connection, head)
            if operation and operations.claim(connection, head.id, of=head.executor, by=self.owners.executor):
                audit.append(connection, self._resumed(operation))
                claimed.append(operation)
        return claimed

    def _readable(self, connection: Connection, head: OperationHead) -> Operation | None:
        """One operation that cannot be read must not keep the others from being gone on with."""
        try:
            return operations.get(connection, head.id)
        except StateCorrupt as error:
            if head.id not in self.unreadable:
                self.unreadable.add(head.id)
                log.warning("%s %s", error.failed, error.next)
            return None

    async def _is_orphan(self, operation: OperationHead) -> bool:
        """Whether another process lives is asked of the disk or of a database: never on the event loop."""
        if operation.executor == self.owners.executor:
            return self._is_left(operation)
        return await anyio.to_thread.run_sync(self._is_left, operation)

    def _is_left(self, operation: OperationHead) -> bool:
        if operation.executor == self.owners.executor:
            return not self.engine.has(operation.id) and operation.id not in self.beginning
        return not self.owners.alive(operation.executor)

    def _resumed(self, operation: Operation) -> AuditEvent:
        return AuditEvent(
            at=self.clock.now().timestamp(),
            event="resumed",
            principal=operation.principal,
            tool=operation.tool,
            target=operation.plan.target[:300],
            operation_id=operation.id,
            approval_id=operation.approval_id,
            plan_digest=operation.plan_digest,
            detail={"executor": self.owners.executor, "after": operation.executor},
        )


def _done(operation: Operation, spent_s: float) -> float:
    """Progress that only grows: whole steps, and a part of one that nears 0.9 as time passes."""
    done = sum(step.id in operation.results for step in operation.plan.steps)
    return done + 0.9 * (1 - 1 / (1 + spent_s / 60))
