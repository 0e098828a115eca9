"""Making a thing once, and what a lost answer of Coolify's to a change means: only a look tells what became of it."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from ink_infra_mcp.clients.coolify.steps.context import CoolifyStep
from ink_infra_mcp.core.errors import (
    LOOKS_FIRST,
    BadAnswer,
    InkError,
    OutcomeUnknown,
    Unavailable,
    Unreachable,
    VendorError,
)

T = TypeVar("T")

LOST = (Unavailable, Unreachable, BadAnswer)
"""What comes in place of Coolify's own answer to a write: only a look tells what became of it."""


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
    except LOST as error:
        step.call.say(f"Coolify gave no good answer ({error.code}); looking whether {whether}")
        found = await look()
        if found is None:
            raise
        return found


async def unless_lost(step: CoolifyStep, change: Awaitable[None], *, whether: str) -> VendorError | None:
    """Send a change; when its answer gets lost, say that, and return it: the look afterwards settles `whether`.

    Raises:
        VendorError: Coolify refused.
    """
    try:
        await change
    except LOST as error:
        step.call.say(f"Coolify gave no good answer ({error.code}); looking whether {whether}")
        return error
    return None


def not_seen(whether: str, lost: VendorError) -> InkError:
    """Return the error for a change that no look shows after its answer was `lost`: itself, where nothing was sent."""
    if not lost.unsure:
        return lost
    return OutcomeUnknown(
        f"Whether {whether} is not known: the answer was lost, and it is not seen now. {lost.failed}", next=LOOKS_FIRST
    )
