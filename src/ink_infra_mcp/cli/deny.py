"""`deny`: a person turns a plan down, or takes back a yes that nothing has used yet."""

import argparse

from ink_infra_mcp.cli.store import opened
from ink_infra_mcp.cli.terminal import decide_in_person, operator, shown


def run(arguments: argparse.Namespace) -> int:
    """Turn the approval down, or take it back.

    Raises:
        ApprovalInvalid: there is no terminal, or nothing to decide under that id.
    """
    decide_in_person()
    with opened(arguments) as desk:
        approval = desk.deny(arguments.id, by=f"terminal:{operator()}")
    print(shown(f"Turned down: {approval.plan.title}. Nothing was changed."))
    return 0
