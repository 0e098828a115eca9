"""Permits for tests of what stands behind the write gate."""

from ink_infra_mcp.core.permit import RUNNING, Permit, RunningStep


def permit_here(operation_id: str = "op-test", kind: str = "test.write") -> Permit:
    """Return a live permit, and let a step of its kind run in the present task, as when the guard calls a handler."""
    RUNNING.set(RunningStep(operation_id=operation_id, kind=kind))
    return Permit(operation_id=operation_id, digest="0" * 64, kinds=frozenset({kind}))
