"""`deny`: turns a plan down; no terminal is needed, because a no changes nothing."""

import argparse

from ink_infra_mcp.cli.store import opened
from ink_infra_mcp.cli.terminal import operator, shown
from ink_infra_mcp.guard.caller import Answer


def run(arguments: argparse.Namespace) -> int:
    """Turn the approval down.

    Raises:
        ApprovalInvalid: there is nothing to decide under that id.
    """
    with opened(arguments) as desk:
        approval = desk.question(arguments.id)
        desk.decide(approval.id, Answer("decline"), by=f"terminal:{operator()}")
    print(shown(f"Turned down: {approval.plan.title}. Nothing was changed."))
    return 0
