"""Whose a yes is: which call an approval is about, which connection may use it, and what counts as a yes."""

from ink_infra_mcp.guard.caller import Answer, Caller
from ink_infra_mcp.state.records import TICKET, Approval, ApprovalState


def is_yes_for(approval: Approval, caller: Caller) -> bool:
    """Return whether it is approved for this caller.

    A yes at a terminal counts for its principal, one that a client brought for that client's connection alone.
    """
    given = approval.state is ApprovalState.APPROVED and approval.principal == caller.principal
    return given and (approval.channel == TICKET or approval.connection == caller.connection)


def is_of(approval: Approval, caller: Caller, *, tool: str, args_digest: str) -> bool:
    """Return whether it is about this very call of the caller's principal."""
    return (approval.principal, approval.tool, approval.args_digest) == (caller.principal, tool, args_digest)


def says_yes(answer: Answer, approval: Approval) -> bool:
    """Return whether the answer approves: an accept, with the phrase typed where one is asked for."""
    return answer.action == "accept" and answer.typed.strip() == approval.phrase


def why_not(answer: Answer) -> str:
    """Return in words why an answer was a no."""
    match answer.action:
        case "accept":
            return "The name typed was not the target's"
        case "unreadable":
            return "What the client brought back is no answer, which counts as a no"
        case _:
            return f"The person chose {answer.action}"
