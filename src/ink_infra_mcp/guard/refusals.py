"""Writes down what was refused before the guard saw it: one audit line each, of a bounded number."""

import logging
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum

import anyio
from pydantic import JsonValue

from ink_infra_mcp.core.effects import Clock
from ink_infra_mcp.core.errors import StateError
from ink_infra_mcp.guard.caller import Refusal
from ink_infra_mcp.state import audit
from ink_infra_mcp.state.records import AuditEvent
from ink_infra_mcp.state.store import Store

log = logging.getLogger(__name__)
MOST = 20
"""Lines of each kind in an hour: more than a model that misremembers makes, and a loop fills no disk. Kinds are counted
apart, so that nobody hides the one behind the other."""
WINDOW_S = 3600.0


class Room(Enum):
    """What becomes of one more: a line, the line that says that more are left out, or none."""

    LINE = "line"
    LAST = "last"
    NONE = "none"


class Bound:
    """Counts what happens by kind, in windows that begin with the first of them."""

    def __init__(self, *, most: int = MOST, window_s: float = WINDOW_S) -> None:
        self._most = most
        self._window_s = window_s
        self._seen: dict[str, tuple[float, int]] = {}

    def take(self, kind: str, now: float) -> Room:
        """Return what becomes of one more of that kind at `now` (seconds)."""
        began, count = self._seen.get(kind, (now, 0))
        if now - began >= self._window_s:
            began, count = now, 0
        self._seen[kind] = (began, count + 1)
        if count < self._most:
            return Room.LINE
        return Room.LAST if count == self._most else Room.NONE

    def ends(self, kind: str) -> float:
        """Return when the window of that kind is over, in the seconds of `take`."""
        return self._seen[kind][0] + self._window_s


@dataclass(frozen=True, slots=True)
class Refusals:
    """The refused calls of one process."""

    store: Store
    clock: Clock
    bound: Bound = field(default_factory=Bound)

    async def note(self, refusal: Refusal) -> None:
        """Write the line, as far as there is room; trouble of the store is logged, and the refusal stands all the same.

        Whoever cancels the call does not keep the line from being written.
        """
        now = self.clock.now().timestamp()
        room = self.bound.take(refusal.kind, now)
        if room is Room.NONE:
            return
        event = _event(refusal, now, self.bound.ends(refusal.kind) if room is Room.LAST else None)
        try:
            with anyio.CancelScope(shield=True):
                await self.store.run(lambda c: audit.append(c, event))
        except StateError as error:
            log.warning("a refused call could not be written down: %s", error)


def _event(refusal: Refusal, now: float, left_out_until: float | None) -> AuditEvent:
    detail: dict[str, JsonValue] = {}
    if left_out_until is not None:
        until = datetime.fromtimestamp(left_out_until, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        detail = {"more": f"more of these are left out until {until}; the server's log has them"}
    elif refusal.arguments:
        detail = {"arguments": [*refusal.arguments]}
    return AuditEvent(
        at=now,
        event="refused",
        principal=refusal.principal,
        tool="" if left_out_until is not None else refusal.tool,
        outcome=refusal.kind,
        detail=detail,
    )
