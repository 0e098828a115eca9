"""Takes and frees the targets of an operation, and sees through locks that a dead process left."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import anyio

from ink_infra_mcp.core.effects import Clock
from ink_infra_mcp.state import locks, operations
from ink_infra_mcp.state.owners import Owners
from ink_infra_mcp.state.records import Lock
from ink_infra_mcp.state.store import Connection, Store


@dataclass(frozen=True, slots=True)
class Locks:
    """The locks of one state store, as this executor sees them. `beginning` are its operations on the way to begin."""

    store: Store
    owners: Owners
    clock: Clock
    beginning: set[str] = field(default_factory=set[str])

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
        """Take all of `targets` for the operation; return None, or the lock in the way with nothing taken.

        `keep` or `free_unless_kept` follows, whatever happens.
        """
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

        self.beginning.add(operation_id)
        return await self.store.run(work)

    def keep(self, operation_id: str) -> None:
        """Let the locks of an operation that has begun live until it ends."""
        self.beginning.discard(operation_id)

    async def free_unless_kept(self, operation_id: str) -> None:
        """Free everything that an operation holds which did not come to begin, even when the caller has gone away.

        A begin that was committed, although the answer of the store got lost, keeps what it holds.
        """
        if operation_id in self.beginning:
            self.beginning.discard(operation_id)
            with anyio.CancelScope(shield=True):
                await self.store.run(lambda c: self._free_unless_begun(c, operation_id))

    def _free_unless_begun(self, connection: Connection, operation_id: str) -> None:
        if operations.head(connection, operation_id) is None:
            locks.free(connection, operation_id)

    def _stale(self, connection: Connection, lock: Lock) -> bool:
        """A lock with an operation is stale when that has ended; one without, when nobody is on the way to begin it."""
        operation = operations.head(connection, lock.operation_id)
        if operation is not None:
            return operation.state != "running"
        if lock.executor == self.executor:
            return lock.operation_id not in self.beginning
        return not self.owners.alive(lock.executor)
