"""`approvals`: what waits for a person."""

import argparse

from ink_infra_mcp.cli.store import opened
from ink_infra_mcp.cli.terminal import columns
from ink_infra_mcp.state.records import Approval

HEAD = ("id", "tool", "target", "risk", "needs", "asked by", "expires in")


def run(arguments: argparse.Namespace) -> int:
    """Print the pending approvals, oldest first."""
    with opened(arguments) as desk:
        waiting = desk.pending()
        now = desk.clock.now().timestamp()
    if not waiting:
        print("Nothing waits for a person.")
        return 0
    print(columns([HEAD, *(_row(approval, now) for approval in waiting)]))
    print("\nShow a plan and decide: ink-infra-mcp approve ID, or ink-infra-mcp deny ID")
    return 0


def _row(approval: Approval, now: float) -> tuple[str, ...]:
    minutes = max(1, round((approval.expires_at - now) / 60))
    who = approval.principal
    return (approval.id, approval.tool, approval.plan.target, approval.risk.word, approval.need, who, f"{minutes} min")
