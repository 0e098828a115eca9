"""The doctor's look at a server's clock: how far it surely is from this machine's."""

from ink_infra_mcp.cli.doctor_report import Finding
from ink_infra_mcp.hosts.facts.gathering import HostFacts

WARN_S = 5.0
FAIL_S = 60.0
_WHOLE_S = 0.5
"""The server tells whole seconds: what it means is up to half a second on either side of their middle."""
_NEXT = "Set both by NTP: approvals, tokens and certificates expire by the clock, and logs are read by it."


def clock_of(facts: HostFacts, *, asked_at: float, heard_at: float) -> Finding:
    """Return how the server's clock stands to ours, from when it was asked and heard (our Unix seconds).

    The server read its clock somewhere in between, so that half of the round trip is no skew yet.
    """
    if facts.epoch_s is None:
        why = facts.unknown.get("epoch_s", "no reason given")
        return Finding(level="warning", text=f"its clock could not be read: {why}.", next=_NEXT)
    ahead_s = facts.epoch_s + _WHOLE_S - (asked_at + heard_at) / 2
    unsure_s = (heard_at - asked_at) / 2 + _WHOLE_S
    sure_s = abs(ahead_s) - unsure_s
    if sure_s <= WARN_S:
        return Finding(level="ok", text=f"its clock is within {abs(ahead_s) + unsure_s:.0f} s of this machine's.")
    way = "ahead of" if ahead_s > 0 else "behind"
    text = f"its clock is {abs(ahead_s):.0f} s {way} this machine's, give or take {unsure_s:.0f} s."
    return Finding(level="failed" if sure_s > FAIL_S else "warning", text=text, next=_NEXT)
