"""`approve`: shows a plan to the person at the terminal, and takes the answer."""

import argparse

from ink_infra_mcp.cli.store import opened
from ink_infra_mcp.cli.terminal import Ask, Terminal, decide_in_person, operator, when, wide_enough
from ink_infra_mcp.core.policy import Need
from ink_infra_mcp.guard.caller import Answer
from ink_infra_mcp.guard.receipts import question
from ink_infra_mcp.state.records import Approval, ApprovalState


def run(arguments: argparse.Namespace) -> int:
    """Ask for the approval; the exit status is 0 only when it was given.

    Raises:
        ApprovalInvalid: there is no terminal, or nothing to decide under that id.
    """
    decide_in_person()
    wide_enough()
    terminal = Terminal()
    with opened(arguments) as desk:
        approval = desk.question(arguments.id)
        answer = answered(approval, terminal, sandbox=arguments.sandbox)
        decided = desk.decide(approval.id, answer, by=f"terminal:{operator()}")
    approved = decided.state is ApprovalState.APPROVED
    terminal.tell(_granted(decided) if approved else "Turned down. Nothing was changed.")
    return 0 if approved else 1


def answered(approval: Approval, person: Ask, *, sandbox: bool = False) -> Answer:
    """Return the person's answer to the plan, shown in full; a plan that needs a typed name gets no yes without it."""
    person.tell(f"{question(approval, sandbox=sandbox)}\n\nAsked for by {approval.principal}.")
    if approval.need == Need.PERSON:
        return Answer("accept" if person.yes("Approve this plan?", default=False) else "decline")
    wanted = approval.phrase or approval.plan.target
    typed = person.text(f"To approve, type {wanted}").strip()
    if typed != wanted:
        person.tell(f"That is not {wanted}.")
        return Answer("decline")
    return Answer("accept", typed=approval.phrase)


def _granted(approval: Approval) -> str:
    until = when(approval.expires_at)
    return f"Approved until {until}. It runs when {approval.tool} is called again with the same arguments, once."
