"""The step handlers that concern operations themselves, by kind."""

from dataclasses import dataclass

from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.step import Handler, StepCall
from ink_infra_mcp.state import operations
from ink_infra_mcp.state.store import Store


@dataclass(frozen=True, slots=True)
class OperationSteps:
    """Binds the handlers to the state store."""

    store: Store

    def handlers(self) -> dict[str, Handler]:
        """Return step kind -> handler."""
        return {"operations.request_cancel": self.request_cancel}

    async def request_cancel(self, call: StepCall) -> JsonObject:
        """Mark the operation so that it stops before its next step; one that has ended needs no mark."""
        asked = await self.store.run(lambda c: operations.request_cancel(c, call.text("operation")))
        return {"asked": asked}
