"""What repair_server would mend on a server, or could not: its baseline as check_fleet tells of it."""

from collections.abc import Iterator

from ink_infra_mcp.areas.machines.drift import HERE, Drift, distinct
from ink_infra_mcp.core.baseline.judging import Judgement
from ink_infra_mcp.core.baseline.policy import PARTS
from ink_infra_mcp.core.baseline.steps import told
from ink_infra_mcp.core.errors import InkError

_MEND = f"repair_server server={HERE}"
_BY_HAND = "mend it there, or say otherwise in policies/baseline.toml with the reason"


def baseline_drifts(it: Judgement) -> Iterator[Drift]:
    """Yield in which parts a server differs from its role's baseline, and what keeps it from being mended.

    All parts are one finding, so that a fleet that lacks the same is one line.
    """
    if it.findings:
        differing = {finding.part for finding in it.findings}
        parts = ", ".join(part for part in PARTS if part in differing)
        what = f"not as its role's baseline says in {parts}"
        yield Drift(it.host, "warning", "baseline", what, told(it.findings), _MEND, parts.replace(", ", "+"))
    for words in it.refusals:
        yield _refused(it, words)
    if said := [words for words in it.warnings if it.host in words]:
        what = "its role's baseline warns of it"
        yield Drift(it.host, "info", "baseline_warning", what, "; ".join(said), _BY_HAND)


def _refused(it: Judgement, words: str) -> Drift:
    if not it.known:
        what = "whether it is as its role's baseline says is not known"
        mend = "look at it there, then again"
        return Drift(it.host, "warning", "baseline_unknown", what, words, mend, distinct(words), unknown=True)
    what = "repair_server cannot bring it to its role's baseline"
    return Drift(it.host, "high", "baseline_refused", what, words, _BY_HAND, distinct(words))


def not_judged(server: str, error: InkError | TimeoutError) -> Drift:
    """Return that a server could not be read, or held against its baseline."""
    why = error.failed if isinstance(error, InkError) else "no answer in time"
    what = "whether it is as its role's baseline says is not known"
    return Drift(server, "warning", "baseline_unknown", what, why, "call again", unknown=True)
