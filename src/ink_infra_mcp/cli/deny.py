"""`deny`: a person turns a plan down."""

import argparse

from ink_infra_mcp.cli.store import opened
from ink_infra_mcp.cli.terminal import decide_in_person, operator, shown
from ink_infra_mcp.guard.caller import Answer


def run(arguments: argparse.Namespace) -> int:
    """Turn the approval down.

    Raises:
        ApprovalInvalid: there is no terminal, or nothing to decide under that id.
    """
    decide_in_person()
    with opened(arguments) as desk:
        approval = desk.question(arguments.id)
        desk.decide(approval.id, Answer("decline"), by=f"terminal:{operator()}")
    print(shown(f"Turned down: {approval.plan.title}. Nothing was changed."))
    return 0
