"""The only place that makes permits."""

from collections.abc import Generator
from contextlib import contextmanager

from ink_infra_mcp.core.permit import Permit
from ink_infra_mcp.state.records import Operation


@contextmanager
def permit_for(operation: Operation) -> Generator[Permit]:
    """Give a permit for one step of a begun operation; it dies when the block ends, however it ends."""
    permit = Permit(
        operation_id=operation.id,
        digest=operation.plan_digest,
        kinds=frozenset(step.kind for step in operation.plan.steps),
    )
    try:
        yield permit
    finally:
        permit.revoke()
