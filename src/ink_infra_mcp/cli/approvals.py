"""`approvals`: what waits for a person, and what was approved and not used yet."""

import argparse
from collections.abc import Sequence

from ink_infra_mcp.cli.store import opened
from ink_infra_mcp.cli.terminal import columns, print_json, readable
from ink_infra_mcp.state.records import Approval, ApprovalState

HEAD = ("id", "state", "tool", "target", "risk", "needs", "asked by", "expires in")
KEYS = ("id", "state", "tool", "target", "risk", "needs", "asked_by", "expires_in")
_STATES = {ApprovalState.PENDING: "waits", ApprovalState.APPROVED: "approved, unused"}


def run(arguments: argparse.Namespace) -> int:
    """Print the pending approvals and each yes that nothing has used, oldest first."""
    with opened(arguments) as desk:
        found = desk.open_approvals()
        now = desk.clock.now().timestamp()
    if arguments.json:
        print_json({"approvals": [dict(zip(KEYS, _row(one, now), strict=True)) for one in found]})
        return 0
    if not found:
        print("Nothing waits for a person, and no yes is left unused.")
        return 0
    _print_table(found, now, " --sandbox" if arguments.sandbox else "")
    return 0


def _print_table(found: Sequence[Approval], now: float, sandbox: str) -> None:
    with readable():
        print(columns([HEAD, *(_row(approval, now) for approval in found)]))
        print(f"\nShow a plan and decide: ink-infra-mcp approve ID{sandbox}, or ink-infra-mcp deny ID{sandbox}")
        if any(approval.state is ApprovalState.APPROVED for approval in found):
            print(f"A yes that nothing has used is taken back by: ink-infra-mcp deny ID{sandbox}")


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
