"""What a mutation returns to its caller, whatever the tool."""

from typing import Literal

from ink_infra_mcp.core.operation import Check, Outcome
from ink_infra_mcp.core.plan import Frozen, JsonObject


class StepReport(Frozen):
    """Where one step stands. `unknown`: its answer was lost, and whether it happened only a look can tell."""

    id: str
    summary: str
    state: Literal["done", "failed", "undone", "not begun", "running", "unknown"]


class Problem(Frozen):
    """Why something failed, and what to do; log lines are somebody else's text."""

    code: str
    message: str
    stage: str = ""
    probable_cause: str = ""
    untrusted_log: tuple[str, ...] = ()


class Receipt(Frozen):
    """The result of every mutation: the outcome, the plan it is about, and the proofs."""

    outcome: Outcome
    message: str
    operation_id: str | None = None
    approval_id: str | None = None
    plan: str = ""
    plan_digest: str = ""
    steps: tuple[StepReport, ...] = ()
    checks: tuple[Check, ...] = ()
    result: JsonObject = {}
    problem: Problem | None = None
    sandbox: bool = False
