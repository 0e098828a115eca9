"""A state store with something in it, for the commands that read and decide."""

import argparse
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TypeVar

import anyio

from ink_infra_mcp.core.effects import Clock
from ink_infra_mcp.core.operation import Outcome
from ink_infra_mcp.core.plan import Plan, Risk, Step
from ink_infra_mcp.core.policy import Need
from ink_infra_mcp.core.receipt import Receipt
from ink_infra_mcp.guard.approval import Approvals
from ink_infra_mcp.guard.caller import Caller
from ink_infra_mcp.settings.system import SystemClock, new_id
from ink_infra_mcp.state import approvals, audit, operations
from ink_infra_mcp.state.records import Approval, AuditEvent, AuditLine, Operation
from ink_infra_mcp.state.store import Connection, Store

T = TypeVar("T")
CALLER = Caller(principal="local:anna", channel="elicitation", can_ask=False)
PLAN = Plan(
    tool="delete_app",
    title="Delete shop",
    target="shop",
    locks=("app:shop",),
    steps=(Step(id="delete_app", kind="coolify.delete_application", target="shop", summary="Delete shop"),),
    warnings=("its data is lost for ever",),
    phrase="shop",
)


class Shelf:
    """A store in a folder, written and read as a server would."""

    def __init__(self, folder: Path) -> None:
        self.url = f"sqlite:///{folder / 'state.sqlite3'}"
        self.folder = folder

    @property
    def arguments(self) -> argparse.Namespace:
        """Return what the command line would be for this store."""
        return argparse.Namespace(config=None, state=self.url, sandbox=True, log_level="warning")

    @property
    def flags(self) -> tuple[str, ...]:
        """Return the options that name this store and no other system."""
        return ("--sandbox", "--state", self.url)

    def propose(
        self, *, need: Need = Need.PERSON, risk: Risk = Risk.DISRUPTIVE, plan: Plan = PLAN, clock: Clock | None = None
    ) -> Approval:
        """Return a new pending approval."""
        with closing(Store(self.url)) as store:
            desk = Approvals(store=store, clock=clock or SystemClock(), new_id=new_id, ttl_s=600.0)

            async def work() -> Approval:
                return await desk.propose(CALLER, plan, args_digest="0" * 64, risk=risk, need=need)

            return anyio.run(work)

    def operation(self, operation_id: str, *, at: float, outcome: Outcome | None = None, now_at: str = "") -> None:
        """Store an operation that began at `at` (Unix seconds), ended a minute later unless `outcome` is None."""
        operation = Operation(
            id=operation_id,
            tool=PLAN.tool,
            principal=CALLER.principal,
            args_digest="0" * 64,
            plan=PLAN,
            plan_digest=PLAN.digest,
            approval_id="ap-1",
            channel="ticket",
            executor="ex-1",
            step_format="1",
            now_at=now_at,
            created_at=at,
        )

        def work(connection: Connection) -> None:
            operations.add(connection, operation)
            if outcome is not None:
                receipt = Receipt(outcome=outcome, message="It ended.", operation_id=operation_id)
                operations.end(connection, operation_id, receipt=receipt, now=at + 60)

        self._run(work)

    def approval(self, approval_id: str) -> Approval:
        """Return an approval as it is now."""

        def work(connection: Connection) -> Approval:
            found = approvals.get(connection, approval_id)
            assert found is not None
            return found

        return self._run(work)

    def audit(self) -> tuple[AuditLine, ...]:
        """Return the whole audit."""
        return self._run(lambda connection: audit.read(connection, limit=10_000))

    def last_line(self) -> AuditLine:
        """Return the newest line of the audit."""
        return self.audit()[-1]

    def write(self, *events: str) -> None:
        """Add audit lines."""

        def work(connection: Connection) -> None:
            for event in events:
                audit.append(connection, AuditEvent(at=1.0, event=event, principal="local:anna", tool="delete_app"))

        self._run(work)

    def _run(self, work: Callable[[Connection], T]) -> T:
        with closing(Store(self.url)) as store:
            return store.run_sync(work)
