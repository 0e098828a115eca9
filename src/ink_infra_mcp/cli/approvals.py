"""`approvals`: what waits for a person, and what was approved and not used yet."""

import argparse

from ink_infra_mcp.cli.store import opened
from ink_infra_mcp.cli.terminal import columns
from ink_infra_mcp.state.records import Approval, ApprovalState

HEAD = ("id", "state", "tool", "target", "risk", "needs", "asked by", "expires in")
_STATES = {ApprovalState.PENDING: "waits", ApprovalState.APPROVED: "approved, unused"}


def run(arguments: argparse.Namespace) -> int:
    """Print the pending approvals and each yes that nothing has used, oldest first."""
    with opened(arguments) as desk:
        found = desk.open_approvals()
        now = desk.clock.now().timestamp()
    if not found:
        print("Nothing waits for a person, and no yes is left unused.")
        return 0
    print(columns([HEAD, *(_row(approval, now) for approval in found)]))
    print("\nShow a plan and decide: ink-infra-mcp approve ID, or ink-infra-mcp deny ID")
    if any(approval.state is ApprovalState.APPROVED for approval in found):
        print("A yes that nothing has used is taken back by: ink-infra-mcp deny ID")
    return 0


def _row(approval: Approval, now: float) -> tuple[str, ...]:
    minutes = max(1, round((approval.expires_at - now) / 60))
    who = approval.principal
    return (
        approval.id,
        _STATES[approval.state],
        approval.tool,
        approval.plan.target,
        approval.risk.word,
        approval.need,
        who,
        f"{minutes} min",
    )
