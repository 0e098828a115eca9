"""The only place that makes permits, and says which step runs."""

from collections.abc import Generator
from contextlib import contextmanager
from functools import cache

from ink_infra_mcp.core.permit import RUNNING, Permit, RunningStep
from ink_infra_mcp.core.plan import Risk
from ink_infra_mcp.settings.policy_files import load_policy
from ink_infra_mcp.state.records import Operation


@contextmanager
def permit_for(operation: Operation, *, kind: str) -> Generator[Permit]:
    """Give a permit for one step of a begun operation, which runs in the block; it dies when the block ends.

    While a step runs whose kind only reads, it opens nothing: what the plan says to be reading writes nowhere.
    """
    permit = Permit(operation_id=operation.id, digest=operation.plan_digest, kinds=_kinds(operation))
    before = RUNNING.set(RunningStep(operation_id=operation.id, kind=kind))
    try:
        yield permit
    finally:
        RUNNING.reset(before)
        permit.revoke()


def _kinds(operation: Operation) -> frozenset[str]:
    undos = (step.undo.kind for step in operation.plan.steps if step.undo is not None)
    return frozenset({*(step.kind for step in operation.plan.steps), *undos}) - _reading()


@cache
def _reading() -> frozenset[str]:
    """Return the kinds that only read, as we have packaged it: what an operator thinks of a risk makes no write."""
    return frozenset(kind for kind, risk in load_policy().kinds.items() if risk is Risk.READ)
