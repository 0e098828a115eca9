"""Lets go of values and texts that ran once nobody needs them: at a server's start, and again with later changes."""

import logging
from dataclasses import dataclass, field

from ink_infra_mcp.core.effects import Clock
from ink_infra_mcp.core.engine import Engine
from ink_infra_mcp.core.errors import StateError
from ink_infra_mcp.guard.approval import Approvals
from ink_infra_mcp.state import forgetting
from ink_infra_mcp.state.store import Connection, Store

log = logging.getLogger(__name__)
AT_ONCE = 100
"""Operations, and as many approvals, that one look takes: the store has one writer at a time."""
EVERY_S = 3600.0


@dataclass(slots=True)
class Forgetting:
    """The retention of one state store, by its policy in seconds."""

    store: Store
    engine: Engine
    approvals: Approvals
    clock: Clock
    retention_s: float
    _next: float = field(default=0.0, init=False)

    async def if_due(self) -> None:
        """Do it unless it was done within the last hour. Trouble of the store is logged: it ends no change."""
        now = self.clock.now().timestamp()
        if now < self._next:
            return
        self._next = now + EVERY_S
        try:
            if len(await self.now()) == AT_ONCE:
                self._next = now
        except StateError as error:
            log.warning("old plans were not thinned: %s", error)

    async def now(self) -> tuple[str, ...]:
        """Return the operations that ended longer than the retention ago and lost their values and texts just now.

        Approvals whose time is over lose them, too. The engine lets go of its record first: after a crash between the
        two, both are done again.

        Raises:
            StateError: the store cannot be used; what was not done is done the next time.
        """
        await self.approvals.expire()
        now = self.clock.now().timestamp()
        before = now - self.retention_s
        found = await self.store.run(lambda c: forgetting.overdue(c, before=before, limit=AT_ONCE))
        if found:
            await self.engine.forget(found)

        def work(connection: Connection) -> None:
            # looked at again: another process may have done it meanwhile
            left = set(forgetting.overdue(connection, before=before, limit=AT_ONCE))
            forgetting.thin(connection, [id_ for id_ in found if id_ in left], now=now)
            forgetting.forget_old_approvals(connection, now=now, limit=AT_ONCE)

        await self.store.run(work)
        return found
