"""What cannot end by itself is ended by an operator: nothing more of it runs, and its targets are free again."""

from contextlib import closing
from pathlib import Path

import pytest

from ink_infra_mcp.core.errors import InputError, TargetLocked, UnknownName
from ink_infra_mcp.core.operation import Outcome
from ink_infra_mcp.guard.abandoning import Abandoning, Left
from ink_infra_mcp.guard.caller import Asked
from ink_infra_mcp.state import locks, operations
from ink_infra_mcp.state.owners import FileOwners
from ink_infra_mcp.state.records import AuditLine
from tests.guard.toy import BERT, Fill, Toy, toy
from tests.state.owner_process import owner_process
from tests.state.stores import rewrite

pytestmark = pytest.mark.anyio

SPOILT = {
    "another format": "update ink_operations set step_format = '0'",
    "an unreadable plan": "update ink_operations set plan = '{\"tool\": 1}'",
}


async def left_behind(it: Toy, folder: Path, spoil: str) -> str:
    """Begin an operation, do its first step, let its process die and its row be one that nobody can go on with."""
    it.engine.holds = True
    await it.approved()
    operation_id = (await it.receipt()).operation_id or ""
    await it.engine.program.step(operation_id, "fill", {})
    rewrite(folder, "update ink_operations set executor = 'ex-dead'")
    rewrite(folder, "update ink_locks set executor = 'ex-dead'")
    rewrite(folder, SPOILT[spoil])
    return operation_id


def abandoning(it: Toy, owners: FileOwners) -> Abandoning:
    """Return what an operator's command would work with."""
    return Abandoning(store=it.store, owners=owners, clock=it.clock)


def told(line: AuditLine) -> tuple[str, str, str, object]:
    """Return what matters in an audit line."""
    return line.event, line.outcome, line.principal, line.detail


@pytest.mark.parametrize(("spoil", "by_plan"), [("another format", True), ("an unreadable plan", False)])
async def test_what_nobody_can_go_on_with_is_ended_and_its_targets_are_free(
    tmp_path: Path, spoil: str, by_plan: bool
) -> None:
    """No server takes it over; an operator is shown what it did, ends it as failed, and the next call is planned."""
    async with toy(tmp_path) as it:
        operation_id = await left_behind(it, tmp_path, spoil)
        assert await it.operations.take_over_orphans() == ()
        assert (await it.receipt(Fill(boxes=4), BERT)).outcome is Outcome.LOCKED
        with closing(FileOwners(tmp_path / "owners", "ex-cli")) as owners:
            left = await abandoning(it, owners).look(operation_id)
            ended = await abandoning(it, owners).abandon(operation_id, by="terminal:op", reason="left by 0.0.9")
            again = await abandoning(it, owners).abandon(operation_id, by="terminal:other", reason="once more")
        line = (await it.audit())[-1]
        assert isinstance(await it.call(Fill(boxes=4), BERT), Asked)
        (kept,) = await it.store.run(operations.newest)
        assert await it.operations.take_over_orphans() == ()

    words = "abandoned by terminal:op: left by 0.0.9"
    assert (left.target, left.held, left.goes_on, left.abandoned) == ("left", ("shelf:left",), False, "")
    assert left.steps == (
        ("[done] Put 3 boxes on left", "[not known how far] Count left")
        if by_plan
        else ("[planned] Put 3 boxes on left", "[planned] Count left", "[done] step fill")
    )
    assert (ended.abandoned, again.abandoned) == (words, words)
    assert told(line) == (
        "end",
        "failed",
        "terminal:op",
        {"abandoned": True, "reason": words, "freed": ["shelf:left"]},
    )
    assert kept.receipt is not None
    assert (kept.state, kept.receipt.outcome) == ("ended", Outcome.FAILED)
    assert [step.state for step in kept.receipt.steps] == (["done", "unknown"] if by_plan else [])
    assert it.ran == ["fill"]


async def test_what_a_living_process_runs_is_not_abandoned(tmp_path: Path) -> None:
    """As long as its owner lives, the operation and its locks stay as they are."""
    async with toy(tmp_path) as it:
        operation_id = await left_behind(it, tmp_path, "another format")
        with (
            owner_process(tmp_path / "owners", "ex-dead"),
            closing(FileOwners(tmp_path / "owners", "ex-cli")) as owners,
        ):
            for work in (
                lambda: abandoning(it, owners).look(operation_id),
                lambda: abandoning(it, owners).abandon(operation_id, by="terminal:op", reason="too soon"),
            ):
                with pytest.raises(TargetLocked, match=r"is run by ex-dead, which lives\. Nothing was changed\."):
                    await work()
        head = await it.store.run(lambda c: operations.head(c, operation_id))
        held = await it.store.run(lambda c: locks.held_by(c, operation_id))
    assert (head and head.state, len(held)) == ("running", 1)


async def test_what_has_ended_or_never_began_is_not_abandoned(tmp_path: Path) -> None:
    """An operation that came to its end keeps it, and one that nobody knows is named."""
    async with toy(tmp_path) as it:
        await it.approved()
        operation_id = (await it.receipt()).operation_id or ""
        before = await it.audit()
        with closing(FileOwners(tmp_path / "owners", "ex-cli")) as owners:
            with pytest.raises(InputError, match=r"has ended already\. Nothing was changed\."):
                await abandoning(it, owners).abandon(operation_id, by="terminal:op", reason="why not")
            with pytest.raises(UnknownName, match="no operation 'op-none'"):
                await abandoning(it, owners).look("op-none")
        assert await it.audit() == before


async def test_what_is_only_orphaned_is_said_to_go_on(tmp_path: Path) -> None:
    """An operator learns that a server would go on with it; it can be ended all the same."""
    async with toy(tmp_path) as it:
        operation_id = await left_behind(it, tmp_path, "another format")
        rewrite(tmp_path, "update ink_operations set step_format = '1'")
        with closing(FileOwners(tmp_path / "owners", "ex-cli")) as owners:
            left: Left = await abandoning(it, owners).look(operation_id)
    assert left.goes_on
