"""A Coolify that is away for a while: asked again a few times in a row, and then given up."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from ink_infra_mcp.core.errors import RateLimited, Unavailable, Unreachable, VendorError
from ink_infra_mcp.core.waiting import NotYet

T = TypeVar("T")

PATIENCE = 5
"""How many looks in a row may fail because Coolify is away, before we give up; each has its own retries inside."""
AWAY = (Unavailable, Unreachable, RateLimited)


@dataclass(slots=True)
class Patience:
    """Counts the looks in a row that failed."""

    missed: int = 0

    def seen(self) -> None:
        """Note a look that succeeded."""
        self.missed = 0

    def lose(self, error: VendorError) -> str:
        """Note a look that failed; return what is said of it.

        Raises:
            VendorError: it was one too many.
        """
        self.missed += 1
        if self.missed > PATIENCE:
            raise error
        return f"Coolify does not answer ({error.code}); asking again"


def patiently(look: Callable[[], Awaitable[T | NotYet]]) -> Callable[[], Awaitable[T | NotYet]]:
    """Return the look as `until` wants it, which says "not yet" of a Coolify that is away for a few looks in a row."""
    patience = Patience()

    async def tried() -> T | NotYet:
        try:
            found = await look()
        except AWAY as error:
            return NotYet(patience.lose(error), error)
        patience.seen()
        return found

    return tried
