"""A fault in a tool's own code in the last moments of an operation: it ends all the same, and frees its targets."""

import logging
from pathlib import Path
from typing import ClassVar

import pytest
from pydantic import BaseModel

from ink_infra_mcp.core.engine import Ending
from ink_infra_mcp.core.operation import Check, Mutation, Results, Toolset
from ink_infra_mcp.core.plan import JsonObject, Plan
from ink_infra_mcp.core.redact import Redactor
from ink_infra_mcp.guard.changes import Changes
from ink_infra_mcp.guard.program import GuardedProgram
from ink_infra_mcp.state import locks, operations
from ink_infra_mcp.state.store import Connection, Store
from tests.clock import FakeClock
from tests.state.stores import PLAN, lock, operation, sqlite_store

FAULT = "broke with KeyError, a fault of ink-infra-mcp; the server's log has the details"
(TARGET,) = PLAN.locks


class Forgetful(Mutation[BaseModel, object, None]):
    """A tool that looks for results that its steps never gave."""

    name: ClassVar[str] = PLAN.tool
    title: ClassVar[str] = "Forget"
    toolset: ClassVar[Toolset] = "apps"
    args = BaseModel
    kinds: ClassVar[tuple[str, ...]] = ()

    async def observe(self, args: BaseModel, look: object, approved: Plan | None) -> None:
        """Return nothing."""

    def plan(self, args: BaseModel, facts: None) -> Plan:
        """Return the plan."""
        return PLAN

    async def verify(self, plan: Plan, results: Results, look: object) -> list[Check]:
        """Look for what is not there."""
        return [Check(name=str(results["never"]), status="passed", evidence="")]

    def summary(self, plan: Plan, results: Results, checks: list[Check]) -> JsonObject:
        """Look for what is not there."""
        return results["never"]


def _program(store: Store, *tools: Forgetful) -> GuardedProgram:
    return GuardedProgram(
        store=store,
        handlers={},
        mutations={tool.name: tool for tool in tools},
        look=None,
        clock=FakeClock(),
        redact=Redactor(),
        changes=Changes(),
        sandbox=False,
    )


def _begun(connection: Connection) -> None:
    operations.add(connection, operation())
    assert locks.take(connection, [lock(TARGET)]) is None


@pytest.mark.anyio
@pytest.mark.parametrize("tools", [(Forgetful(),), ()], ids=["a tool with a fault", "a tool that is gone"])
async def test_an_operation_ends_whatever_its_tool_does(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, tools: tuple[Forgetful, ...]
) -> None:
    """Its verification counts as failed, its receipt tells of the fault, and its targets are free."""
    caplog.set_level(logging.CRITICAL)
    with sqlite_store(tmp_path) as store:
        await store.run(_begun)
        program = _program(store, *tools)
        checks = await program.verify("op-1", {})
        await program.finish("op-1", Ending(state="done", checks=checks))
        ended = await store.run(lambda c: operations.get(c, "op-1"))
        held = await store.run(lambda c: locks.holders(c, [TARGET]))

    assert checks == (Check(name="verification", status="failed", evidence=FAULT),)
    assert ended is not None
    assert ended.receipt is not None
    assert (ended.receipt.outcome, ended.receipt.result) == ("applied_unverified", {"fault": FAULT})
    assert held == ()
