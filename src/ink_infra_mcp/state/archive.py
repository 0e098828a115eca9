"""The reading side of the state store; the database layer is imported at the first look."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ink_infra_mcp.core.errors import StateCorrupt, UnknownName
from ink_infra_mcp.core.untrusted import clean_name
from ink_infra_mcp.state.records import AuditLine, Held, News, Operation, Place

if TYPE_CHECKING:
    from ink_infra_mcp.state.store import Connection, Store

_PAGE = 20


@dataclass(frozen=True, slots=True)
class Archive:
    """What was and is done, read only. Every method raises StateError when the store cannot be used."""

    open: "Callable[[], Store]"

    async def operation(self, operation_id: str) -> Operation:
        """Return the operation.

        Raises:
            UnknownName: there is none with that id.
        """
        from ink_infra_mcp.state import operations

        found = await self.open().look(lambda c: operations.get(c, operation_id))
        if found is None:
            raise UnknownName(f"There is no operation {clean_name(operation_id)!r}.", next="See list_operations.")
        return found

    async def operations(self, *, before: float | None, limit: int, running: bool = False) -> tuple[Operation, ...]:
        """Return operations that began before `before` (Unix seconds), newest first."""
        from ink_infra_mcp.state import operations

        state = "running" if running else None
        return await self.open().look(lambda c: operations.newest(c, before=before, limit=limit, state=state))

    async def held(self, handle: str, *, principal: str) -> Held | None:
        """Return the principal's operation with that id, or begun with the approval of that id; None else."""
        from ink_infra_mcp.state import handles

        return await self.open().look(lambda c: handles.held(c, handle, principal=principal))

    async def held_by(self, principal: str, *, after: Place | None, limit: int) -> tuple[Held, ...]:
        """Return up to `limit` operations of the principal that come after that place, newest first."""
        from ink_infra_mcp.state import handles

        return await self.open().look(lambda c: handles.held_by(c, principal, after=after, limit=limit))

    async def news(self, *, since: float) -> tuple[News, ...]:
        """Return where each operation stands that runs, or that ended at or after that time (Unix seconds)."""
        from ink_infra_mcp.state import handles

        return await self.open().look(lambda c: handles.news(c, since=since))

    async def on_target(self, target: str, *, tool: str | None = None) -> AsyncIterator[Operation]:
        """Give every operation that locked `target`, newest first; with `tool`, only that tool's."""
        from ink_infra_mcp.state import operations

        before: float | None = None
        while True:
            page = await self.open().look(
                lambda c, before=before: operations.on_target(c, target, limit=_PAGE, before=before, tool=tool)
            )
            for operation in page:
                yield operation
            if len(page) < _PAGE:
                return
            before = page[-1].created_at

    async def lines_of(self, operation_id: str, *, limit: int) -> tuple[AuditLine, ...]:
        """Return the audit lines of an operation, oldest first."""
        from ink_infra_mcp.state import audit

        return await self.open().look(lambda c: audit.read(c, operation_id=operation_id, limit=limit))

    async def lines(self, *, before: int | None, limit: int) -> tuple[AuditLine, ...]:
        """Return the newest audit lines with a number below `before`, oldest first."""
        from ink_infra_mcp.state import audit

        def work(connection: "Connection") -> tuple[AuditLine, ...]:
            end = before or audit.last_seq(connection) + 1
            after = max(0, end - 1 - limit)
            return audit.read(connection, after=after, limit=end - 1 - after)

        return await self.open().look(work)

    async def chain(self) -> str:
        """Return in words whether every audit line is as it was written."""
        from ink_infra_mcp.state import audit

        store = self.open()
        try:
            remembered = store.remembered()
            return f"verified, {await store.look(lambda c: audit.verify(c, remembered))} lines"
        except StateCorrupt as error:
            return f"BROKEN: {error.failed}"
