"""What the state store keeps, as values; importing them does not import the database layer."""

from enum import StrEnum

from pydantic import FiniteFloat, JsonValue

from ink_infra_mcp.core.plan import Frozen, JsonObject, Plan, Risk
from ink_infra_mcp.core.receipt import Receipt, StepReport

TICKET = "ticket"
"""The channel of decisions at a terminal: a yes from there counts for every connection of its principal."""


class AuditEvent(Frozen):
    """What one line says. `event` is proposed, approved, denied, begin, step, end ...; `at` is in Unix seconds."""

    at: FiniteFloat
    event: str
    principal: str
    tool: str
    target: str = ""
    operation_id: str = ""
    approval_id: str = ""
    plan_digest: str = ""
    outcome: str = ""
    detail: dict[str, JsonValue] = {}


class AuditLine(AuditEvent):
    """An event with its place in the chain."""

    seq: int
    previous: str
    hash: str


class ApprovalState(StrEnum):
    """Where an approval stands; only `pending` can be decided and only `approved` can be consumed."""

    PENDING = "pending"
    APPROVED = "approved"
    DENIED = "denied"
    CONSUMED = "consumed"
    DRIFTED = "drifted"
    SUPERSEDED = "superseded"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"


class Approval(Frozen):
    """A plan that was shown, and what a person said. `need` is person, typed or ticket.

    `connection` is where a yes came from that a client brought; only that connection can use it. A yes from a terminal
    has none.
    """

    id: str
    principal: str
    tool: str
    args_digest: str
    plan_digest: str
    plan: Plan
    risk: Risk
    need: str
    phrase: str
    state: ApprovalState = ApprovalState.PENDING
    channel: str = ""
    connection: str = ""
    decided_by: str = ""
    created_at: float
    expires_at: float
    decided_at: float | None = None
    operation_id: str = ""


class Lock(Frozen):
    """Who holds a target, for what, and since when (Unix seconds). `executor` is the process that took it."""

    target: str
    operation_id: str
    executor: str
    principal: str
    purpose: str
    since: float


class OperationHead(Frozen):
    """What can be told of an operation even when this version cannot read its plan.

    `state` is running or ended; `executor` is the process that owns it; times are Unix seconds.
    """

    id: str
    tool: str
    principal: str
    args_digest: str
    plan_digest: str
    approval_id: str
    channel: str
    executor: str
    step_format: str
    state: str = "running"
    now_at: str = ""
    cancel_requested: bool = False
    created_at: float
    ended_at: float | None = None


class Operation(OperationHead):
    """One run of one plan; `receipt` is there once it has ended, and `results` is what finished steps returned."""

    plan: Plan
    results: dict[str, JsonObject] = {}
    receipt: Receipt | None = None


class Held(Frozen):
    """An operation, and when something was last written about it (Unix seconds)."""

    operation: Operation
    updated_at: float


class Place(Frozen):
    """Where a list of operations, newest first, goes on."""

    created_at: FiniteFloat
    id: str


class News(Frozen):
    """Where an operation stands: `mark` differs whenever something about it does.

    What it touched is known once it has ended: apps by name and by uuid, servers by name.
    """

    id: str
    mark: str
    ended: bool = False
    apps: tuple[str, ...] = ()
    servers: tuple[str, ...] = ()


def steps_so_far(operation: Operation) -> tuple[StepReport, ...]:
    """Return where each step of a running operation stands."""
    reports: list[StepReport] = []
    open_in: set[str] = set()
    for step in operation.plan.steps:
        done = step.id in operation.results
        state = "done" if done else "not begun" if {step.lane, ""} & open_in else "running"
        open_in |= set() if done else {step.lane}
        reports.append(StepReport(id=step.id, summary=step.summary, state=state))
    return tuple(reports)
