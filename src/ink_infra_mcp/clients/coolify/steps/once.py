"""Making a thing once: looking for it first, and again when Coolify's answer to its making got lost."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from ink_infra_mcp.clients.coolify.steps.context import CoolifyStep
from ink_infra_mcp.core.errors import BadAnswer, Unavailable, Unreachable

T = TypeVar("T")


async def make_once(
    step: CoolifyStep, look: Callable[[], Awaitable[T | None]], make: Callable[[], Awaitable[T]], *, whether: str
) -> T:
    """Return what `look` finds, or else what `make` returns; `whether` ends the sentence said after a lost answer.

    Raises:
        VendorError: Coolify refused, or its answer got lost and the thing is not there.
    """
    found = await look()
    if found is not None:
        return found
    try:
        return await make()
    except (Unavailable, Unreachable, BadAnswer) as error:
        step.call.say(f"Coolify gave no good answer ({error.code}); looking whether {whether}")
        found = await look()
        if found is None:
            raise
        return found
