"""Whoever follows an operation hears of it until it ends; whoever stops following changes nothing about it."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import anyio
import pytest

from ink_infra_mcp.core.errors import UnknownName
from ink_infra_mcp.core.operation import Outcome
from ink_infra_mcp.core.receipt import Receipt
from ink_infra_mcp.guard.following import HEARTBEAT_S
from ink_infra_mcp.state import operations
from ink_infra_mcp.state.records import Operation
from tests.guard.bed import HELLO, STOP, THEIRS, Held, begun, told
from tests.guard.toy import Fill, Toy, toy
from tests.ink import ERAS, Era, data, ink, says_yes
from tests.state.owner_process import owner_process
from tests.state.stores import operation

pytestmark = pytest.mark.anyio

LIMIT_S = 120


@dataclass(slots=True)
class Ear:
    """Keeps what a follower is told: (done, total, words)."""

    heard: list[tuple[float, float, str]] = field(default_factory=list[tuple[float, float, str]])
    something: anyio.Event = field(default_factory=anyio.Event)

    async def __call__(self, progress: float, total: float | None, message: str | None) -> None:
        """Hear one message."""
        self.heard.append((progress, total or 0.0, message or ""))
        self.something.set()

    async def hear(self, done: float, total: float, words: str | None) -> None:
        """Hear one message, as the product says it."""
        await self(done, total, words)

    @property
    def words(self) -> list[str]:
        """Return what was said, without repetitions."""
        return list(dict.fromkeys(message for _, _, message in self.heard))

    def never_goes_back(self) -> bool:
        """Return whether each number is above the one before, and none above the total."""
        numbers = [done for done, _, _ in self.heard]
        rises = all(one < other for one, other in pairwise(numbers))
        return rises and all(done < total for done, total, _ in self.heard)


@asynccontextmanager
async def followed(it: Toy, ear: Ear, *, wait_s: float) -> AsyncGenerator[list[Receipt]]:
    """Begin an operation that waits, and follow it while the block runs; the receipt is in the list afterwards."""
    it.engine.holds = True
    await it.approved()
    operation_id = (await it.receipt()).operation_id or ""
    receipts: list[Receipt] = []

    async def follow() -> None:
        receipts.append(await it.operations.follow(operation_id, wait_s=wait_s, progress=ear.hear))

    with anyio.fail_after(LIMIT_S):
        async with anyio.create_task_group() as group:
            group.start_soon(follow)
            await ear.something.wait()
            yield receipts


async def pass_time(it: Toy, seconds: int) -> None:
    """Let the follower's time pass, and let it look once in each second."""
    for _ in range(seconds):
        it.clock.advance(1.0)
        looks = it.looks[0]
        while it.looks[0] == looks:
            it.operations.changes.ring()
            await anyio.sleep(0.001)


async def test_a_follower_hears_at_least_every_five_seconds(tmp_path: Path) -> None:
    """Where nothing happens, a sign of life still goes out, so that clients keep their request alive."""
    ear = Ear()
    async with toy(tmp_path) as it, followed(it, ear, wait_s=31) as receipts:
        await pass_time(it, 31)

    assert len(ear.heard) >= 30 / HEARTBEAT_S
    assert ear.never_goes_back()
    assert receipts[0].outcome is Outcome.RUNNING


async def test_what_was_said_is_not_said_again(tmp_path: Path) -> None:
    """Signs of life carry no words: a person reads each state once, however long it lasts."""
    ear = Ear()
    async with toy(tmp_path) as it, followed(it, ear, wait_s=31):
        await pass_time(it, 31)

    assert len(ear.heard) > 3
    assert [words for _, _, words in ear.heard if words] == ["starting"]


async def test_following_ends_when_its_time_is_over(tmp_path: Path) -> None:
    """After wait_s seconds the answer is `running`, neither before nor much later."""
    async with toy(tmp_path) as it, followed(it, Ear(), wait_s=10) as receipts:
        await pass_time(it, 9)
        assert receipts == []
        await pass_time(it, 1)
    assert [receipt.outcome for receipt in receipts] == [Outcome.RUNNING]


async def test_who_does_not_wait_is_answered_at_once(tmp_path: Path) -> None:
    """With wait_s 0 the present state comes back, and nobody is told of progress."""
    ear = Ear()
    async with toy(tmp_path) as it:
        it.engine.holds = True
        await it.approved()
        receipt = await it.receipt()
        with anyio.fail_after(LIMIT_S):
            assert await it.operations.follow(receipt.operation_id or "", wait_s=0, progress=ear.hear) == receipt
    assert ear.heard == []


async def test_the_end_is_told_without_waiting_for_the_next_look(tmp_path: Path) -> None:
    """A follower is woken by the end itself; the steps that ran were told by their summaries."""
    ear = Ear()
    async with toy(tmp_path) as it, followed(it, ear, wait_s=60) as receipts:
        await it.engine.finish(it.engine.started[0])

    assert receipts[0].outcome is Outcome.APPLIED
    assert ear.words[0] == "starting"
    assert ear.never_goes_back()


async def test_what_has_ended_is_told_to_whoever_comes_later(tmp_path: Path) -> None:
    """The receipt stays, word for word; an unknown operation is named."""
    async with toy(tmp_path) as it:
        await it.approved()
        operation_id = (await it.receipt()).operation_id or ""
        first = await it.operations.follow(operation_id, wait_s=0, progress=None)
        assert await it.operations.follow(operation_id, wait_s=9, progress=None) == first
        with pytest.raises(UnknownName, match="no operation 'op-unknown'"):
            await it.operations.follow("op-unknown", wait_s=9, progress=None)
    assert first.outcome is Outcome.APPLIED


async def test_taking_back_does_not_count_as_going_on(tmp_path: Path) -> None:
    """While steps are undone, the number neither falls nor passes the total."""
    ear = Ear()
    async with toy(tmp_path) as it, followed(it, ear, wait_s=60) as receipts:
        it.world.breaks = "count"
        await it.engine.finish(it.engine.started[0])
        ended = await it.operations.get(it.engine.started[0])

    assert receipts[0].outcome is Outcome.UNDONE
    assert sorted(ended.results) == ["fill", "undo_fill"]
    assert ear.never_goes_back()


@pytest.mark.parametrize("era", ERAS)
async def test_progress_reaches_the_client_with_the_names_of_the_steps(tmp_path: Path, era: Era) -> None:
    """Over the protocol the number only grows, towards the number of steps, and the words are the steps' own."""
    ear = Ear()
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path) as it, it.client(says_yes(), era=era) as client:
            result = await client.call_tool("deploy_app", HELLO, progress_callback=ear)

    assert data(result)["outcome"] == "applied"
    assert ear.never_goes_back()
    assert any(" hello" in words for words in ear.words)


@pytest.mark.parametrize("era", ERAS)
async def test_a_client_that_goes_away_cancels_nothing(tmp_path: Path, era: Era) -> None:
    """A call that is given up and a connection that is closed leave the operation running to its end."""
    held = Held("coolify.stop")
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, wrap_handler=held) as it:
            async with it.client(says_yes(), era=era) as client, anyio.create_task_group() as group:
                group.start_soon(client.call_tool, "control_app", STOP)
                await held.entered.wait()
                group.cancel_scope.cancel()
            (operation,) = await it.app.store.run(operations.running)
            held.go.set()
            receipt = await it.app.follow(operation.id, 30, None)
            assert (await told(it))[-1] == "end applied"
    assert receipt.outcome is Outcome.APPLIED


async def test_a_server_that_is_told_to_end_waits_for_what_it_runs(tmp_path: Path) -> None:
    """Draining returns when the last operation has ended, and at once when none runs."""
    held = Held("coolify.stop")
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, wrap_handler=held) as it:
            await it.app.drain()
            await begun(it, "control_app", STOP)
            await held.entered.wait()
            with anyio.move_on_after(0.3) as too_early:
                await it.app.drain()
            held.go.set()
            await it.app.drain()
            assert (await told(it))[-1] == "end applied"
    assert too_early.cancelled_caught


async def test_the_same_call_in_another_client_joins_the_operation(tmp_path: Path) -> None:
    """A client that comes back and calls again is not asked, follows the same operation, and gets its end."""
    held, person, ear = Held("coolify.stop"), says_yes(), Ear()
    joined: list[tuple[str, str]] = []
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, wrap_handler=held) as it, it.client(person) as client:
            first = await begun(it, "control_app", STOP)
            await held.entered.wait()

            async def again() -> None:
                result = data(await client.call_tool("control_app", STOP, progress_callback=ear))
                joined.append((result["outcome"], result["operation_id"]))

            async with anyio.create_task_group() as group:
                group.start_soon(again)
                await ear.something.wait()
                held.go.set()
    assert joined == [("applied", first.operation_id)]
    assert person.asked == []


async def orphan(it: Toy, kept: Operation) -> Operation:
    """Put a running operation into the store, as another process would have left it."""
    plan = it.tool.plan(Fill(), 0)
    kept = kept.model_copy(update={"tool": plan.tool, "plan": plan, "plan_digest": plan.digest})
    await it.store.run(lambda c: operations.add(c, kept))
    return kept


async def test_only_what_a_dead_process_left_is_taken_over(tmp_path: Path) -> None:
    """Operations of the living, those that run here and those of another step format stay with whom they are."""
    async with toy(tmp_path) as it:
        with owner_process(tmp_path / "owners", "ex-living"):
            await orphan(it, operation("op-living", executor="ex-living"))
            await orphan(it, operation("op-own", executor="ex-toy"))
            it.engine.started.append("op-own")
            await orphan(it, operation("op-dead", executor="ex-dead"))
            await orphan(it, operation("op-strange", executor="ex-dead").model_copy(update={"step_format": "0"}))
            taken = await it.operations.take_over_orphans()
            assert await it.operations.take_over_orphans() == ()
        left = {found.id: found.executor for found in await it.store.run(operations.running)}
        resumed = [line for line in await it.audit() if line.event == "resumed"]

    assert taken == ("op-dead",)
    assert it.engine.started == ["op-own", "op-dead"]
    assert left == {"op-living": "ex-living", "op-own": "ex-toy", "op-strange": "ex-dead"}
    assert [(line.operation_id, line.detail) for line in resumed] == [
        ("op-dead", {"executor": "ex-toy", "after": "ex-dead"})
    ]


async def test_a_process_takes_up_what_it_began_and_lost(tmp_path: Path) -> None:
    """An operation of this very process that could not be handed to its engine is gone on with, once."""
    async with toy(tmp_path) as it:
        await orphan(it, operation("op-lost", executor="ex-toy"))
        assert await it.operations.take_over_orphans() == ("op-lost",)
        assert await it.operations.take_over_orphans() == ()
    assert it.world.boxes == {"left": 3}


async def test_an_operation_whose_process_dies_is_taken_over(tmp_path: Path) -> None:
    """The moment its owner is killed, the operation can be gone on with, under the approval that it consumed."""
    async with toy(tmp_path) as it:
        with owner_process(tmp_path / "owners", "ex-dying") as dying:
            await orphan(it, operation("op-dying", executor="ex-dying"))
            assert await it.operations.take_over_orphans() == ()
            dying.kill()
            dying.wait(timeout=10)
            assert await it.operations.take_over_orphans() == ("op-dying",)
        ended = await it.operations.get("op-dying")

    assert ended.receipt is not None
    assert (ended.receipt.outcome, ended.receipt.approval_id) == (Outcome.APPLIED, "ap-1")
    assert it.world.boxes == {"left": 3}


async def test_another_principal_is_told_of_the_lock_and_joins_nothing(tmp_path: Path) -> None:
    """The same call of somebody else is not the same call."""
    held = Held("coolify.stop")
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, wrap_handler=held) as it:
            first = await begun(it, "control_app", STOP)
            await held.entered.wait()
            other = await begun(it, "control_app", STOP, THEIRS)
            held.go.set()
            await it.app.follow(first.operation_id or "", 30, None)
    assert (other.outcome, other.operation_id) == (Outcome.LOCKED, None)
