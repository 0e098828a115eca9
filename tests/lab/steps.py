"""One step of a plan, run on the lab by the product's own handler, as the engine would run it."""

from collections.abc import Mapping

from pydantic import JsonValue

from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.step import Handler, StepCall
from ink_infra_mcp.settings.system import SystemClock
from tests.permits import permit_here


async def run_on_factory(
    handlers: Mapping[str, Handler], operation: str, kind: str, params: Mapping[str, JsonValue]
) -> JsonObject:
    """Run a step of an operation on the Factory, and return its result; raises what the handler does."""
    call = StepCall(
        operation,
        "step",
        kind,
        "factory",
        {"host": "factory", **params},
        {},
        permit_here(operation, kind),
        SystemClock(),
        lambda words: None,
    )
    return await handlers[kind](call)
