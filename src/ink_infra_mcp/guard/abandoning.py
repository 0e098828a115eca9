"""Ends an operation that cannot end by itself: its owner is dead, and nobody can go on with it."""

from collections.abc import Iterator
from dataclasses import dataclass

from ink_infra_mcp.core.effects import Clock
from ink_infra_mcp.core.engine import STEP_FORMAT
from ink_infra_mcp.core.errors import InputError, StateCorrupt, TargetLocked, UnknownName
from ink_infra_mcp.core.operation import Outcome
from ink_infra_mcp.core.plan import Frozen, JsonObject
from ink_infra_mcp.core.receipt import Problem, Receipt, StepReport
from ink_infra_mcp.core.shapes import items
from ink_infra_mcp.core.untrusted import clean_name
from ink_infra_mcp.state import audit, locks, operations
from ink_infra_mcp.state.owners import Owners
from ink_infra_mcp.state.records import AuditEvent, AuditLine, Operation, OperationHead, steps_so_far
from ink_infra_mcp.state.store import Connection, Store

CODE = "abandoned"
_LINES = 1000


class Left(Frozen):
    """What an operation has left behind: what it did, by its plan or else by the audit, and what it holds."""

    head: OperationHead
    target: str
    steps: tuple[str, ...]
    held: tuple[str, ...]
    goes_on: bool
    """Whether a server of this version would go on with it: its owner is dead, and its plan can be read."""
    abandoned: str = ""
    """How it was abandoned already; empty: it was not."""


@dataclass(frozen=True, slots=True)
class Abandoning:
    """The operations of one state store, for an operator at a terminal. No tool reaches this."""

    store: Store
    owners: Owners
    clock: Clock

    async def look(self, operation_id: str) -> Left:
        """Return what the operation has left behind.

        Raises:
            UnknownName: there is none with that id.
            InputError: it has ended in another way.
            TargetLocked: the process that owns it lives.
        """
        return await self.store.run(lambda c: self._left(c, operation_id))

    async def abandon(self, operation_id: str, *, by: str, reason: str) -> Left:
        """Return the operation after it was ended as failed, with an audit line, and its targets are free.

        One that was abandoned already stays as it is. Raises as `look` does.
        """
        now = self.clock.now().timestamp()
        words = f"abandoned by {by}: {reason}"

        def work(connection: Connection) -> Left:
            # looked at again inside the transaction that ends it: nobody can take it over in between
            left = self._left(connection, operation_id)
            if left.abandoned:
                return left
            operations.end(connection, operation_id, receipt=_receipt(connection, left, words), now=now)
            audit.append(connection, _end(left, by=by, words=words, now=now))
            locks.free(connection, operation_id)
            return left.model_copy(update={"abandoned": words})

        return await self.store.run(work)

    def _left(self, connection: Connection, operation_id: str) -> Left:
        head = operations.head(connection, operation_id)
        if head is None:
            raise UnknownName(
                f"There is no operation {clean_name(operation_id)!r}.", next="See `ink-infra-mcp operations`."
            )
        lines = audit.read(connection, operation_id=operation_id, limit=_LINES)
        if head.state == "running" and self.owners.alive(head.executor):
            raise TargetLocked(
                f"{head.id} is run by {head.executor}, which lives.",
                next="Follow it, or cancel it with cancel_operation; else end that server process first.",
            )
        found = _readable(connection, head.id)
        return Left(
            head=head,
            target=found.plan.target if found else next((line.target for line in lines), ""),
            steps=tuple(_by_plan(found) if found else _by_audit(lines)),
            held=tuple(lock.target for lock in locks.held_by(connection, head.id)),
            goes_on=found is not None and head.step_format == STEP_FORMAT,
            abandoned=_abandoned(head, lines),
        )


def _readable(connection: Connection, operation_id: str) -> Operation | None:
    """An operation that this version cannot read is what this is for."""
    try:
        return operations.get(connection, operation_id)
    except StateCorrupt:
        return None


def _abandoned(head: OperationHead, lines: tuple[AuditLine, ...]) -> str:
    """Return how it was abandoned; empty while it runs.

    Raises:
        InputError: it has ended in another way.
    """
    if head.state == "running":
        return ""
    end = next((line for line in lines if line.event == "end"), None)
    if end is None or end.detail.get(CODE) is not True:
        raise InputError(f"{head.id} has ended already.", next="There is nothing to abandon; its locks are free.")
    return str(end.detail["reason"])


def _by_plan(operation: Operation) -> Iterator[str]:
    for step in steps_so_far(operation):
        state = "not known how far" if step.state == "running" else step.state
        yield f"[{state}] {step.summary}"


def _by_audit(lines: tuple[AuditLine, ...]) -> Iterator[str]:
    """The audit keeps what was to be done in words, and each step that ended by its id."""
    begin = next((line for line in lines if line.event == "begin"), None)
    yield from (f"[planned] {summary}" for summary in items(begin.detail.get("steps") if begin else None))
    for line in lines:
        if line.event in {"step", "undo"}:
            yield f"[{line.outcome}] {line.event} {line.detail.get('step')}"


def _receipt(connection: Connection, left: Left, words: str) -> Receipt:
    found = _readable(connection, left.head.id)
    return Receipt(
        outcome=Outcome.FAILED,
        message=f"It was {words}. What it had done stays done; nothing was undone or proved.",
        operation_id=left.head.id,
        approval_id=left.head.approval_id or None,
        plan_digest=left.head.plan_digest,
        steps=tuple(map(_stopped, steps_so_far(found))) if found else (),
        problem=Problem(code=CODE, message=f"{words}. Look at {left.target or 'the target'} before changing it."),
    )


def _stopped(step: StepReport) -> StepReport:
    """Of the step that ran when its process died nobody knows how far it came."""
    return step.model_copy(update={"state": "unknown"}) if step.state == "running" else step


def _end(left: Left, *, by: str, words: str, now: float) -> AuditEvent:
    detail: JsonObject = {CODE: True, "reason": words, "freed": [*left.held]}
    return AuditEvent(
        at=now,
        event="end",
        principal=by,
        tool=left.head.tool,
        target=left.target[:300],
        operation_id=left.head.id,
        approval_id=left.head.approval_id,
        plan_digest=left.head.plan_digest,
        outcome=Outcome.FAILED,
        detail=detail,
    )
