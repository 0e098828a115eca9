"""`operations`: which plans began, and what came of them."""

import argparse

from ink_infra_mcp.cli.store import opened
from ink_infra_mcp.cli.terminal import columns, readable, when
from ink_infra_mcp.state import operations
from ink_infra_mcp.state.records import Operation

HEAD = ("id", "outcome", "tool", "target", "began", "ended", "asked by", "approved by")


def run(arguments: argparse.Namespace) -> int:
    """Print the newest operations."""
    with opened(arguments) as desk:
        found = desk.read(lambda connection: operations.newest(connection, limit=arguments.limit))
    if not found:
        print("No operation has begun yet.")
        return 0
    with readable():
        print(columns([HEAD, *(_row(operation) for operation in found)]))
    return 0


def _row(operation: Operation) -> tuple[str, ...]:
    return (
        operation.id,
        operation.receipt.outcome if operation.receipt else f"running: {operation.now_at or 'starting'}",
        operation.tool,
        operation.plan.target,
        when(operation.created_at),
        when(operation.ended_at),
        operation.principal,
        operation.channel,
    )
