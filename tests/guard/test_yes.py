"""A yes belongs to its call: it is used by it or withdrawn with it, whatever ends the call, and by nobody else."""

from collections.abc import Callable, Coroutine
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from ink_infra_mcp.core.errors import ApprovalInvalid, StateUnavailable, TooManyWaiting
from ink_infra_mcp.core.operation import Outcome
from ink_infra_mcp.core.policy import Need
from ink_infra_mcp.core.receipt import Receipt
from ink_infra_mcp.guard.approval import MAX_WAITING
from ink_infra_mcp.guard.caller import Answer, Asked, Caller, Reply
from ink_infra_mcp.state import approvals, locks
from ink_infra_mcp.state.records import Approval, ApprovalState
from tests.guard.toy import ANNA, BERT, YES, Fill, Toy, toy
from tests.state.stores import lock

pytestmark = pytest.mark.anyio

LIMIT_S = 90
HERE, THERE = replace(ANNA, connection="cn-here"), replace(ANNA, connection="cn-there")
NO = Answer(action="decline")
Moment = Callable[[anyio.CancelScope], Coroutine[Any, Any, None]]


async def replied(it: Toy, asked: Asked, answer: Answer = YES, caller: Caller = HERE) -> Receipt | Asked:
    """Bring an answer to the question of the call back, as the client's connection does."""
    return await it.guard.reply(it.tool, Fill(), Reply(asked.approval.id, answer), caller)


async def state_of(it: Toy, asked: Asked) -> ApprovalState:
    """Return where the approval stands."""
    found = await it.store.run(lambda c: approvals.get(c, asked.approval.id))
    assert found is not None
    return found.state


async def cancelled_when(it: Toy, asked: Asked, moment: Moment) -> None:
    """Say yes, and cancel the call at that moment of it."""
    with anyio.fail_after(LIMIT_S), anyio.CancelScope() as scope:
        async with anyio.create_task_group() as group:
            group.start_soon(moment, scope)
            await replied(it, asked)
            group.cancel_scope.cancel()


async def test_a_yes_begins_the_operation_of_its_own_call(tmp_path: Path) -> None:
    """The call that brought the yes gets the operation, and nothing is withdrawn."""
    async with toy(tmp_path) as it:
        asked = await it.asked(caller=HERE)
        begun = await replied(it, asked)
        story = await it.told()
    assert isinstance(begun, Receipt)
    assert (begun.outcome, begun.approval_id) == (Outcome.RUNNING, asked.approval.id)
    assert story == ["proposed", "approved accept", "begin", "step done", "step done", "end applied"]


async def test_a_yes_of_one_connection_begins_nothing_for_another(tmp_path: Path) -> None:
    """Another client of the same user is asked itself, and told why; the yes that nothing used is void."""
    async with toy(tmp_path) as it:
        given = await it.approved(caller=HERE)
        asked = await it.asked(caller=THERE)
        story = await it.told()
        with pytest.raises(ApprovalInvalid, match="is withdrawn"):
            await it.guard.reply(it.tool, Fill(), Reply(given, YES), HERE)
    assert asked.approval.id != given
    assert asked.note == (
        "Somebody said yes to this call at 2026-01-02 03:04:05 UTC, over a connection that did not use it, and that "
        "yes counts for no other one. It is void: this is asked anew."
    )
    assert (it.ran, story) == ([], ["proposed", "approved accept", "withdrawn unused", "proposed"])


async def test_a_client_that_cannot_ask_is_told_of_a_void_yes_too(tmp_path: Path) -> None:
    """Where the new question goes to a terminal, the receipt says that the earlier yes does not count."""
    async with toy(tmp_path) as it:
        await it.approved(caller=HERE)
        receipt = await it.receipt(caller=replace(THERE, can_ask=False))
    assert receipt.outcome is Outcome.APPROVAL_REQUIRED
    assert receipt.message.endswith("It is void: this is asked anew.")
    assert it.ran == []


async def test_the_store_itself_gives_a_yes_to_no_other_connection(tmp_path: Path) -> None:
    """Even a begin that comes by past the guard's own look finds the approval closed to it."""
    async with toy(tmp_path) as it:
        asked = await it.asked(caller=HERE)
        assert await it.guard.answer(asked.approval.id, YES, HERE) is None

        async def used_by(connection: str) -> Approval:
            use = partial(
                approvals.consume,
                approval_id=asked.approval.id,
                digest=asked.approval.plan_digest,
                operation_id="op-1",
                now=0.0,
                came_by=connection,
            )
            return await it.store.run(use)

        with pytest.raises(ApprovalInvalid):
            await used_by("cn-there")
        used = await used_by("cn-here")
    assert used.state is ApprovalState.CONSUMED


async def test_a_yes_at_a_terminal_counts_for_every_connection_of_its_principal(tmp_path: Path) -> None:
    """A ticket is spent by the principal: another connection may use it, another principal may not."""
    async with toy(tmp_path) as it:
        asked = await it.asked(caller=HERE)
        await it.guard.approvals.decide(asked.approval.id, YES, by="terminal:op", channel="ticket")
        assert isinstance(await it.call(caller=BERT), Asked)
        assert (await it.receipt(caller=THERE)).approval_id == asked.approval.id


async def test_cancelling_while_the_world_is_looked_at_again_withdraws_the_yes(tmp_path: Path) -> None:
    """A call that is cancelled before its begin leaves no yes and no lock; the audit says why, and it is asked anew."""
    async with toy(tmp_path) as it:
        asked, looking = await it.asked(caller=HERE), anyio.Event()

        async def look() -> None:
            looking.set()
            await anyio.sleep_forever()

        async def moment(scope: anyio.CancelScope) -> None:
            await looking.wait()
            scope.cancel()

        it.world.on_look = look
        await cancelled_when(it, asked, moment)
        it.world.on_look = None
        held = await it.store.run(lambda c: locks.holders(c, ["shelf:left"]))
        again = await it.call(caller=HERE)
        story = await it.told()
    assert isinstance(again, Asked)
    assert (held, it.ran, again.note) == ((), [], "")
    assert story == ["proposed", "approved accept", "withdrawn cancelled", "proposed"]


@pytest.mark.parametrize("turns", range(0, 40, 3))
async def test_a_cancel_at_any_moment_leaves_no_yes_behind(tmp_path: Path, turns: int) -> None:
    """However the cancel falls: the operation has begun, or the yes is withdrawn, or the question was not decided."""
    async with toy(tmp_path) as it:
        it.engine.holds = True
        asked = await it.asked(caller=HERE)

        async def moment(scope: anyio.CancelScope) -> None:
            for _ in range(turns):
                await anyio.lowlevel.checkpoint()
            scope.cancel()

        await cancelled_when(it, asked, moment)
        left, story = await state_of(it, asked), await it.told()
        unused = await it.guard.approvals.unused()
    assert left in {ApprovalState.CONSUMED, ApprovalState.WITHDRAWN, ApprovalState.PENDING}
    assert unused == ()
    assert ("begin" in story) == (left is ApprovalState.CONSUMED)
    assert ("withdrawn cancelled" in story) == (left is ApprovalState.WITHDRAWN)


async def test_an_error_on_the_way_to_the_begin_withdraws_the_yes(tmp_path: Path) -> None:
    """When the world cannot be looked at again, the person is asked again the next time."""
    async with toy(tmp_path) as it:
        asked = await it.asked(caller=HERE)

        async def broken() -> None:
            raise StateUnavailable("The world is away.")

        it.world.on_look = broken
        with pytest.raises(StateUnavailable, match="The world is away"):
            await replied(it, asked)
        assert (await state_of(it, asked), (await it.told())[-1]) == (ApprovalState.WITHDRAWN, "withdrawn failed")


async def test_a_lock_in_the_way_withdraws_a_client_s_yes_and_says_so(tmp_path: Path) -> None:
    """The receipt of a locked target says what became of the yes; once the target is free it is asked again."""
    async with toy(tmp_path) as it:
        asked = await it.asked(caller=HERE)
        await it.store.run(lambda c: locks.take(c, [lock("shelf:left", executor="ex-toy")]))
        it.guard.locks.beginning.add("op-1")
        with anyio.fail_after(LIMIT_S):
            receipt = await replied(it, asked)
        await it.store.run(lambda c: locks.free(c, "op-1"))
        again = await it.call(caller=HERE)
        story = await it.told()
    assert isinstance(receipt, Receipt)
    assert isinstance(again, Asked)
    assert (receipt.outcome, receipt.approval_id) == (Outcome.LOCKED, asked.approval.id)
    assert receipt.message.endswith("The yes to this plan is withdrawn with this call: the next one asks again.")
    assert story == ["proposed", "approved accept", "stopped locked", "withdrawn locked", "proposed"]


async def test_a_lock_in_the_way_leaves_a_ticket_and_says_until_when(tmp_path: Path) -> None:
    """What an operator approved at a terminal stands until its time, and is used by the next call."""
    async with toy(tmp_path, need=Need.TICKET) as it:
        waiting = (await it.receipt(caller=HERE)).approval_id or ""
        typed = Answer(action="accept", typed="left")
        await it.guard.approvals.decide(waiting, typed, by="terminal:op", channel="ticket")
        await it.store.run(lambda c: locks.take(c, [lock("shelf:left", executor="ex-toy")]))
        it.guard.locks.beginning.add("op-1")
        receipt = await it.receipt(caller=HERE)
        await it.store.run(lambda c: locks.free(c, "op-1"))
        begun = await it.receipt(caller=THERE)
    assert receipt.outcome is Outcome.LOCKED
    assert receipt.message.endswith(
        f"The approval {waiting} stands until 2026-01-02 03:14:05 UTC: call again before that."
    )
    assert (begun.outcome, begun.approval_id) == (Outcome.RUNNING, waiting)


@pytest.mark.parametrize("at_once", [True, False])
async def test_of_two_who_say_yes_the_second_gets_the_running_operation(tmp_path: Path, at_once: bool) -> None:
    """Two clients of one user ask the same, both persons say yes: one operation, and both follow it."""
    said: list[Receipt | Asked] = []
    async with toy(tmp_path) as it:
        it.engine.holds = True
        asked = [await it.asked(caller=caller) for caller in (HERE, THERE)]

        async def reply(number: int) -> None:
            said.append(await replied(it, asked[number], caller=(HERE, THERE)[number]))

        with anyio.fail_after(LIMIT_S):
            if at_once:
                async with anyio.create_task_group() as group:
                    group.start_soon(reply, 0)
                    group.start_soon(reply, 1)
            else:
                await reply(0)
                await reply(1)
        story = await it.told()
    (operation,) = it.engine.started
    assert [(one.outcome, one.operation_id) for one in said if isinstance(one, Receipt)] == [
        (Outcome.RUNNING, operation)
    ] * 2
    assert story == ["proposed", "approved accept", "begin"]


@pytest.mark.parametrize("answer", [NO, Answer(action="unreadable"), Answer(action="accept", typed="right")])
async def test_what_is_no_yes_gets_no_operation_of_another(tmp_path: Path, answer: Answer) -> None:
    """Of two persons only one said yes: the other one's client is told that it comes too late."""
    async with toy(tmp_path) as it:
        it.engine.holds = True
        asked = await it.asked(caller=HERE)
        await replied(it, asked)
        with pytest.raises(ApprovalInvalid, match=f"already used by operation {it.engine.started[0]}"):
            await replied(it, asked, answer, THERE)


async def test_a_yes_to_what_has_ended_is_no_second_end(tmp_path: Path) -> None:
    """An operation that is over is not told as the outcome of a later yes: the world may be another one by then."""
    async with toy(tmp_path) as it:
        asked = await it.asked(caller=HERE)
        await replied(it, asked)
        with pytest.raises(ApprovalInvalid, match="already used by operation"):
            await replied(it, asked, caller=THERE)


async def test_a_yes_in_the_client_after_one_at_the_terminal_begins_the_plan(tmp_path: Path) -> None:
    """An operator approved while the question was open in the client: the second yes adds nothing."""
    async with toy(tmp_path) as it:
        asked = await it.asked(caller=HERE)
        await it.guard.approvals.decide(asked.approval.id, YES, by="terminal:op", channel="ticket")
        begun = await replied(it, asked)
    assert isinstance(begun, Receipt)
    assert (begun.outcome, begun.approval_id) == (Outcome.RUNNING, asked.approval.id)


async def test_an_answer_to_another_call_begins_nothing(tmp_path: Path) -> None:
    """A yes is brought to the call that it is about, or it counts for nothing and is withdrawn."""
    async with toy(tmp_path) as it:
        asked = await it.asked(caller=HERE)
        with pytest.raises(ApprovalInvalid, match="is for another call"):
            await it.guard.reply(it.tool, Fill(boxes=4), Reply(asked.approval.id, YES), HERE)
        assert (await state_of(it, asked), it.ran) == (ApprovalState.WITHDRAWN, [])


async def test_what_is_no_answer_counts_as_a_no(tmp_path: Path) -> None:
    """An answer that cannot be read is kept as a no, in words that do not blame the person."""
    async with toy(tmp_path) as it:
        asked = await it.asked(caller=HERE)
        refusal = await replied(it, asked, Answer(action="unreadable"))
        story = await it.told()
    assert isinstance(refusal, Receipt)
    assert refusal.outcome is Outcome.NOT_APPROVED
    assert refusal.message == "What the client brought back is no answer, which counts as a no. Nothing was changed."
    assert story == ["proposed", "denied unreadable"]


async def test_a_question_that_nobody_waits_for_is_taken_back(tmp_path: Path) -> None:
    """A call that is cancelled while its question is open leaves no question; what was decided meanwhile stays."""
    async with toy(tmp_path) as it:
        left, decided = await it.asked(caller=HERE), await it.asked(Fill(shelf="right"), caller=HERE)
        await it.guard.approvals.decide(decided.approval.id, YES, by="terminal:op", channel="ticket")
        for one in (left, decided):
            await it.guard.leave(one.approval.id, HERE)
        found = [await state_of(it, one) for one in (left, decided)]
        story = await it.told()
    assert found == [ApprovalState.WITHDRAWN, ApprovalState.APPROVED]
    assert story == ["proposed", "proposed", "approved accept", "withdrawn cancelled"]


async def test_plans_that_wait_are_bounded_and_a_further_call_names_the_oldest(tmp_path: Path) -> None:
    """The call beyond the bound says which plan waits longest and how it is turned down; that makes room again."""
    async with toy(tmp_path) as it:
        oldest = await it.asked(Fill(shelf="shelf-0"))
        for number in range(1, MAX_WAITING):
            it.clock.advance(1)
            await it.asked(Fill(shelf=f"shelf-{number}"))
        with pytest.raises(TooManyWaiting) as refused:
            await it.call(Fill(shelf="one-more"))
        assert (await it.asked(Fill(shelf="shelf-0"))).approval.id == oldest.approval.id
        assert isinstance(await it.call(Fill(shelf="one-more"), BERT), Asked)
        await it.guard.approvals.decide(oldest.approval.id, NO, by="terminal:op", channel="ticket")
        assert isinstance(await it.call(Fill(shelf="one-more")), Asked)
    assert str(refused.value) == (
        f"20 plans of local:anna wait for a person already. The oldest is {oldest.approval.id}: fill_shelf of shelf-0, "
        "which waits since 2026-01-02 03:04:05 UTC. Nothing was changed. Have a person decide it first: `ink-infra-mcp "
        f"deny {oldest.approval.id}` turns it down, and `ink-infra-mcp approvals` lists them all."
    )


async def test_questions_whose_time_is_over_take_no_room(tmp_path: Path) -> None:
    """The bound counts what a person can still decide, and no more."""
    async with toy(tmp_path) as it:
        for number in range(MAX_WAITING):
            await it.asked(Fill(shelf=f"shelf-{number}"))
        it.clock.advance(it.guard.approvals.ttl_s)
        assert isinstance(await it.call(Fill(shelf="one-more")), Asked)
