"""Takes and frees the targets of an operation, and sees through locks that a dead process left."""

from collections.abc import Sequence
from dataclasses import dataclass

from ink_infra_mcp.core.ports import Clock
from ink_infra_mcp.state import locks, operations
from ink_infra_mcp.state.owners import Owners
from ink_infra_mcp.state.records import Lock
from ink_infra_mcp.state.store import Connection, Store


@dataclass(frozen=True, slots=True)
class Locks:
    """The locks of one state store, as this executor sees them."""

    store: Store
    owners: Owners
    clock: Clock

    @property
    def executor(self) -> str:
        """Return this process's executor id."""
        return self.owners.executor

    async def in_the_way(self, targets: Sequence[str]) -> Lock | None:
        """Return a lock that really holds one of `targets`, or None."""

        def work(connection: Connection) -> Lock | None:
            held = (lock for lock in locks.holders(connection, targets) if not self._stale(connection, lock))
            return next(held, None)

        return await self.store.run(work)

    async def take(self, targets: Sequence[str], operation_id: str, principal: str, purpose: str) -> Lock | None:
        """Take all of `targets` for the operation; return None, or the lock in the way with nothing taken."""
        since = self.clock.now().timestamp()
        wanted = [
            Lock(
                target=target,
                operation_id=operation_id,
                executor=self.executor,
                principal=principal,
                purpose=purpose[:300],
                since=since,
            )
            for target in sorted(set(targets))
        ]

        def work(connection: Connection) -> Lock | None:
            for lock in locks.holders(connection, targets):
                if self._stale(connection, lock):
                    locks.free(connection, lock.operation_id)
            return locks.take(connection, wanted)

        return await self.store.run(work)

    async def free(self, operation_id: str) -> None:
        """Free everything that the operation holds."""
        await self.store.run(lambda c: locks.free(c, operation_id))

    def _stale(self, connection: Connection, lock: Lock) -> bool:
        """A lock without an operation is stale when its process is dead; with one, when the operation has ended."""
        operation = operations.get(connection, lock.operation_id)
        if operation is None:
            return not self.owners.alive(lock.executor)
        return operation.state != "running"
