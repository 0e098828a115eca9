"""The only place that makes permits, and says which step runs."""

from collections.abc import Generator
from contextlib import contextmanager

from ink_infra_mcp.core.permit import RUNNING, Permit, RunningStep
from ink_infra_mcp.state.records import Operation


@contextmanager
def permit_for(operation: Operation, *, kind: str) -> Generator[Permit]:
    """Give a permit for one step of a begun operation, which runs in the block; it dies when the block ends."""
    permit = Permit(operation_id=operation.id, digest=operation.plan_digest, kinds=_kinds(operation))
    before = RUNNING.set(RunningStep(operation_id=operation.id, kind=kind))
    try:
        yield permit
    finally:
        RUNNING.reset(before)
        permit.revoke()


def _kinds(operation: Operation) -> frozenset[str]:
    undos = (step.undo.kind for step in operation.plan.steps if step.undo is not None)
    return frozenset({*(step.kind for step in operation.plan.steps), *undos})
