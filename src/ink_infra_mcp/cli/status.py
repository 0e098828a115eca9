"""Exit statuses of `call`: what a script may rely on, from what the tool answered."""

import re
from collections.abc import Mapping

DONE = 0
BAD_CALL = 2
PERSON = 3
REFUSED = 4
FAILED = 5
RUNNING = 6
INTERRUPTED = 130

MEANINGS: Mapping[int, str] = {
    DONE: "done and proved, or so already; of a tool that only reads: it answered",
    BAD_CALL: "a bad call: usage, no such tool, wrong arguments, or nothing is configured",
    PERSON: "a person must approve, or said no",
    REFUSED: "refused by policy, locked by another operation, or the world is no longer as approved",
    FAILED: "failed, undone, cancelled, in part, not proved, or not known",
    RUNNING: "it still runs",
    INTERRUPTED: "you stopped it with Ctrl-C",
}
HELP = "\n".join(["exit status:", *(f"  {status:<4} {words}" for status, words in MEANINGS.items())])

_OF_OUTCOME: Mapping[str, int] = {
    "applied": DONE,
    "already_so": DONE,
    "approval_required": PERSON,
    "not_approved": PERSON,
    "refused_by_policy": REFUSED,
    "plan_drifted": REFUSED,
    "locked": REFUSED,
    "running": RUNNING,
}
"""What is not here has failed: an outcome that nobody knows is never a success."""
_BAD = frozenset(
    {
        "invalid_input",
        "unknown_name",
        "ambiguous_name",
        "too_large",
        "invalid_config",
        "not_configured",
        "secret_missing",
    }
)
_REFUSED = frozenset(
    {"guard", "refused_by_policy", "plan_drifted", "locked", "too_many_waiting", "write_refused", "approval_invalid"}
)
_CODE = re.compile(r"^\[([a-z_]+)\]")


def of_outcome(outcome: str) -> int:
    """Return the status for the outcome of a change."""
    return _OF_OUTCOME.get(outcome, FAILED)


def of_code(code: str) -> int:
    """Return the status for the code of an error."""
    if code in _BAD:
        return BAD_CALL
    return REFUSED if code in _REFUSED else FAILED


def of_answer(outcome: object, text: str, *, is_error: bool) -> int:
    """Return the status for what a tool answered: by its outcome, else by the code that its error begins with."""
    if outcome is not None:
        return of_outcome(str(outcome))
    if not is_error:
        return DONE
    found = _CODE.match(text)
    return of_code(found[1]) if found else FAILED
