"""What somebody else sees meanwhile of what a step waits for, such as the server of what a vendor starts."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from ink_infra_mcp.core.step import StepCall


@dataclass(frozen=True, slots=True)
class Seen:
    """One look: `words` say what is going on, empty for nothing new. `over`: waiting longer changes nothing."""

    words: str = ""
    over: bool = False


Watcher = Callable[[], Awaitable[Seen | None]]
"""Looks once; None: nothing can be seen now. It never raises, since it only helps."""
Watch = Callable[[StepCall], Watcher]
"""Begins to watch what a step is about."""


def blind(call: StepCall) -> Watcher:
    """Return a watcher that sees nothing: for steps whose server nobody named."""

    async def look() -> Seen | None:
        return None

    return look
