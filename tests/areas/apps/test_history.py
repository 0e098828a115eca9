"""Our own record of an app is found however many operations on other apps came afterwards."""

from pathlib import Path

import pytest

from ink_infra_mcp.areas.apps.history import deletion_of, resumed_by, waits_for_rollout
from ink_infra_mcp.core.operation import Outcome
from ink_infra_mcp.core.plan import JsonObject, Plan, Step
from ink_infra_mcp.core.receipt import Receipt
from ink_infra_mcp.state import operations
from ink_infra_mcp.state.records import Operation
from ink_infra_mcp.state.store import Connection
from tests.ink import Ink, ink
from tests.state.stores import operation

pytestmark = pytest.mark.anyio

MANY = 130


def done(
    name: str, kind: str, *, at: float, outcome: Outcome, tool: str = "x", pinned: JsonObject | None = None
) -> Operation:
    """Return an operation of one step on an app, which did that step and ended."""
    plan = Plan(
        tool=tool,
        title=name,
        target=name,
        locks=(f"app:uuid-{name}", f"name:{name}"),
        steps=(Step(id="one", kind=kind, target=name, summary=name, params={"app": f"uuid-{name}"}),),
        pinned=pinned or {},
    )
    receipt = Receipt(outcome=outcome, message="It ended.")
    known = operation(f"op-{name}{at:.0f}", created_at=at)
    return known.model_copy(
        update={"plan": plan, "tool": tool, "results": {"one": {}}, "receipt": receipt, "state": "ended"}
    )


async def kept(it: Ink, *those: Operation) -> None:
    """Write operations into the store, as their processes left them."""

    def work(connection: Connection) -> None:
        for one in those:
            assert one.receipt is not None
            operations.add(connection, one.model_copy(update={"state": "running"}))
            operations.keep_result(connection, one.id, "one", {})
            assert operations.end(connection, one.id, receipt=one.receipt, now=one.created_at + 1)

    await it.app.store.run(work)


async def test_what_was_done_to_an_app_is_found_behind_a_hundred_others(tmp_path: Path) -> None:
    """A change that waits for its rollout, a deletion and a resumption do not fall out of sight."""
    failed = done("shop", "coolify.update_application", at=1, outcome=Outcome.FAILED)
    deleted = done("till", "coolify.delete_application", at=2, outcome=Outcome.APPLIED)
    late = done("till", "coolify.create_application", at=MANY + 20, outcome=Outcome.FAILED)
    tries = [done("till", "coolify.create_application", at=3 + n, outcome=Outcome.FAILED) for n in range(30)]
    pinned: JsonObject = {"resumes": failed.id}
    resumption = done("shop", "coolify.deploy", at=40, outcome=Outcome.APPLIED, tool="resume_operation", pinned=pinned)
    others = [done("docs", "coolify.deploy", at=50 + n, outcome=Outcome.APPLIED) for n in range(MANY)]
    async with ink(tmp_path) as it:
        await kept(it, failed, deleted, *tries, *others, late)
        look = it.app.look
        assert await waits_for_rollout(look, "uuid-shop")
        assert not await waits_for_rollout(look, "uuid-docs")
        assert [await deletion_of(look, name) for name in ("till", "uuid-till", "docs")] == [
            *deleted.plan.steps * 2,
            None,
        ]
        assert await resumed_by(look, failed) is None
        await kept(it, resumption)
        assert await resumed_by(look, failed) == (resumption.id, Outcome.APPLIED)
        assert not await waits_for_rollout(look, "uuid-shop")
