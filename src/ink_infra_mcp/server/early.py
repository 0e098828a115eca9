"""Tasks of protocol 2025-11-25 before their operation: calls that a person is still asked about, or that ended at once.

A call that protocol names a task gets a handle whatever comes of it. What runs is the operation's; what is here lives
as long as this process, as the question does that it stands for, and nothing of it has changed anything.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

import anyio
from mcp import types

from ink_infra_mcp.guard.caller import Asked
from ink_infra_mcp.server import task_shapes
from ink_infra_mcp.server.binding import Call
from ink_infra_mcp.server.task_shapes import Standing, Status

MOST = 64
"""Tasks without an operation that are remembered: a person has fewer plans to decide at a time."""
ASKED = "A person is to approve the plan first; nothing was changed."
CANCELLED = "Cancelled before it began; nothing was changed."


@dataclass(slots=True)
class Early:
    """One such task. `call` and `asked` are what somebody may still say yes to; `result` is there once it has ended.

    `operation_id` is the operation that it has become. `asking` is there once somebody is asked, and ends that;
    `settled` is set when it is known what becomes of it.
    """

    id: str
    created_at: float
    updated_at: float
    call: Call | None = None
    asked: Asked | None = None
    operation_id: str = ""
    result: types.CallToolResult | None = None
    cancelled: bool = False
    asking: anyio.CancelScope | None = None
    settled: anyio.Event = field(default_factory=anyio.Event)

    @property
    def waits(self) -> bool:
        """Return whether a person is still to be asked."""
        return self.result is None and not self.operation_id

    def standing(self) -> Standing:
        """Return where it stands, for as long as it is no operation."""
        words = ASKED if self.result is None else CANCELLED if self.cancelled else _text(self.result)
        return Standing(self.id, self._status(), words[: task_shapes.MAX_STATUS], self.created_at, self.updated_at)

    def _status(self) -> Status:
        if self.result is None:
            return "input_required"
        return "cancelled" if self.cancelled else task_shapes.ended_as(self.result)


@dataclass(frozen=True, slots=True)
class Earlies:
    """Those of one process, of which it remembers the questions that are open, and the newest of the others."""

    now: Callable[[], float]
    new_id: Callable[[], str]
    kept: "OrderedDict[str, Early]" = field(default_factory=OrderedDict[str, Early])

    def get(self, task_id: str) -> Early | None:
        """Return the task with that id; None where it is none of these."""
        return self.kept.get(task_id)

    def asked(self, call: Call, asked: Asked) -> Early:
        """Keep a call that a person has to approve, under the id of that approval."""
        known = self.kept.get(asked.approval.id)
        if known is not None and known.waits:
            return known
        now = self.now()
        return self._keep(Early(id=asked.approval.id, created_at=now, updated_at=now, call=call, asked=asked))

    def ended(self, result: types.CallToolResult) -> Early:
        """Keep a call that has ended without an operation."""
        now = self.now()
        return self._keep(Early(id=self.new_id(), created_at=now, updated_at=now, result=result))

    def settle(self, early: Early, result: types.CallToolResult) -> None:
        """Write down how a call ended that a person was asked about."""
        early.result, early.updated_at = result, self.now()
        early.settled.set()

    def become(self, early: Early, operation_id: str) -> None:
        """Write down which operation a call has become."""
        early.operation_id, early.updated_at = operation_id, self.now()
        early.settled.set()

    def give_up(self, early: Early) -> None:
        """Write down that nobody is asked any more."""
        early.cancelled = True
        self.settle(early, types.CallToolResult(content=[types.TextContent(text=CANCELLED)]))

    def all(self) -> tuple[Early, ...]:
        """Return those that have not become an operation, newest first."""
        return tuple(early for early in reversed(self.kept.values()) if not early.operation_id)

    def _keep(self, early: Early) -> Early:
        self.kept[early.id] = early
        while len(self.kept) > MOST:
            self.kept.pop(self._least())
        return early

    def _least(self) -> str:
        """What has ended goes first, then the oldest: a question outlives any number of refused calls after it."""
        ids = [*self.kept][:-1]
        return next((id_ for id_ in ids if not self.kept[id_].waits), ids[0])


def _text(result: types.CallToolResult) -> str:
    return next((part.text for part in result.content if isinstance(part, types.TextContent)), "")
