"""Waiting in a step until something has come about: how often to look, what to say meanwhile, when to give up."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from ink_infra_mcp.core.errors import InkError
from ink_infra_mcp.core.step import StepCall

T = TypeVar("T")

EVERY_S = 2.0


@dataclass(frozen=True, slots=True)
class NotYet:
    """What a look found wanting: `words` are said while there is time, `failure` is raised when there is none left."""

    words: str
    failure: InkError


async def until(
    call: StepCall,
    look: Callable[[], Awaitable[T | NotYet]],
    *,
    within_s: float,
    first_s: float = 0.0,
    every_s: float = EVERY_S,
) -> T:
    """Return what `look` finds, asked every `every_s` seconds, the first time after `first_s`; that time counts too.

    Raises:
        InkError: `within_s` seconds have passed; it is the failure of the last look.
    """
    end = call.clock.monotonic() + within_s
    if first_s:
        await call.clock.sleep(first_s)
    while isinstance(found := await look(), NotYet):
        if call.clock.monotonic() > end:
            raise found.failure
        call.say(found.words)
        await call.clock.sleep(every_s)
    return found
