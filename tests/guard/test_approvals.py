"""An approval is one person's yes to one plan of one caller, for one use and a limited time."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import anyio
import pytest

from ink_infra_mcp.core.errors import ApprovalInvalid
from ink_infra_mcp.core.operation import Outcome
from ink_infra_mcp.core.policy import Need
from ink_infra_mcp.core.receipt import Receipt
from ink_infra_mcp.guard.approval import Approvals
from ink_infra_mcp.guard.caller import Answer, Asked, Caller
from ink_infra_mcp.state.records import Approval
from tests.guard.toy import ANNA, BERT, TTL_S, YES, Fill, Toy, toy

pytestmark = pytest.mark.anyio

LIMIT_S = 60


async def decided_by_ticket(it: Toy, approval_id: str, answer: Answer = YES) -> None:
    """Decide as an operator at a terminal."""
    await it.guard.approvals.decide(approval_id, answer, by="os:operator", channel="ticket")


async def test_a_yes_begins_the_plan_that_was_shown(tmp_path: Path) -> None:
    """After the yes, the same call runs the plan of the question, and the audit names the approval it used."""
    async with toy(tmp_path) as it:
        asked = await it.asked()
        assert it.ran == []
        assert await it.guard.answer(asked.approval.id, YES, ANNA) is None
        receipt = await it.receipt()
        lines = await it.audit()

    assert (receipt.outcome, receipt.approval_id) == (Outcome.RUNNING, asked.approval.id)
    assert receipt.plan_digest == asked.approval.plan_digest
    assert it.world.boxes == {"left": 3}
    assert [(line.event, line.approval_id) for line in lines] == [
        (event, asked.approval.id) for event in ("proposed", "approved", "begin", "step", "step", "end")
    ]


async def test_an_approval_begins_one_operation_only(tmp_path: Path) -> None:
    """When the world is as it was before, the used approval does not count: the call asks again."""
    async with toy(tmp_path) as it:
        used = await it.approved()
        await it.receipt()
        it.world.boxes = {}
        again = await it.asked()
        with pytest.raises(ApprovalInvalid, match=r"already used by operation op-\w+\. Nothing was changed"):
            await it.guard.answer(used, YES, ANNA)
        with pytest.raises(ApprovalInvalid, match="already used by operation"):
            await decided_by_ticket(it, used)

    assert again.approval.id != used
    assert (it.ran, it.world.boxes) == (["fill", "count"], {})


async def test_two_calls_at_once_share_one_approval_and_one_operation(tmp_path: Path) -> None:
    """Of two equal calls that race, one begins, and the other gets that operation."""
    receipts: list[Receipt] = []
    async with toy(tmp_path) as it:
        it.engine.holds = True
        await it.approved()

        async def call() -> None:
            receipts.append(await it.receipt())

        with anyio.fail_after(LIMIT_S):
            async with anyio.create_task_group() as group:
                group.start_soon(call)
                group.start_soon(call)

    (operation,) = it.engine.started
    assert [(receipt.outcome, receipt.operation_id) for receipt in receipts] == [(Outcome.RUNNING, operation)] * 2


@dataclass(frozen=True)
class Overtaken(Approvals):
    """Between the look for a yes and its use, something else happens, once."""

    meanwhile: list[Callable[[], Awaitable[object]]] = field(default_factory=list[Callable[[], Awaitable[object]]])

    async def open_for(self, caller: Caller, *, tool: str, args_digest: str) -> Approval | None:
        """Return what there was before it happened."""
        found = await Approvals.open_for(self, caller, tool=tool, args_digest=args_digest)
        if self.meanwhile:
            await self.meanwhile.pop()()
        return found


@pytest.mark.parametrize("runs", [True, False])
async def test_a_yes_that_was_used_in_the_very_moment_gives_the_operation_that_runs(tmp_path: Path, runs: bool) -> None:
    """The twin of a call begins between its look for the yes and its use: it gets that operation, or hears that the
    yes is used where that has ended; nothing begins a second time."""
    async with toy(tmp_path) as it:
        it.engine.holds = runs
        await it.approved()
        now = it.guard.approvals
        overtaken = Overtaken(now.store, now.clock, now.new_id, now.ttl_s, meanwhile=[it.receipt])
        late = replace(it.guard, approvals=overtaken)
        if runs:
            said = await late.call(it.tool, Fill(), ANNA)
            assert isinstance(said, Receipt)
            assert (said.outcome, [said.operation_id]) == (Outcome.RUNNING, it.engine.started)
        else:
            with pytest.raises(ApprovalInvalid, match=r"is consumed by now\. Nothing was changed"):
                await late.call(it.tool, Fill(), ANNA)
        assert (len(it.engine.started), [word for word in await it.told() if word.startswith("begin")]) == (
            1,
            ["begin"],
        )


@pytest.mark.parametrize("answered_before_the_end", [True, False])
async def test_an_approval_ends_with_its_time(tmp_path: Path, answered_before_the_end: bool) -> None:
    """Neither a late answer nor a late call can use it; the audit says that it expired and the call asks again."""
    async with toy(tmp_path) as it:
        asked = await it.asked()
        if answered_before_the_end:
            assert await it.guard.answer(asked.approval.id, YES, ANNA) is None
        it.clock.advance(TTL_S)
        with pytest.raises(ApprovalInvalid, match=r"has expired\. Nothing was changed\. Call the tool again"):
            await it.guard.answer(asked.approval.id, YES, ANNA)
        again = await it.asked()
        told = await it.told()

    assert again.approval.id != asked.approval.id
    assert it.ran == []
    assert told == ["proposed", *(["approved accept"] if answered_before_the_end else []), "expired", "proposed"]


async def test_an_approval_holds_until_its_last_moment(tmp_path: Path) -> None:
    """A second before its end it still counts."""
    async with toy(tmp_path) as it:
        await it.approved()
        it.clock.advance(TTL_S - 1)
        assert (await it.receipt()).outcome is Outcome.RUNNING


async def test_an_approval_of_other_arguments_does_not_count(tmp_path: Path) -> None:
    """A yes to three boxes is no yes to four; how long the caller waits is no part of it."""
    async with toy(tmp_path) as it:
        await it.approved(Fill(boxes=3))
        assert isinstance(await it.call(Fill(boxes=4)), Asked)
        assert it.ran == []
        assert (await it.receipt(Fill(boxes=3, wait_s=9))).outcome is Outcome.RUNNING


async def test_an_approval_of_another_principal_does_not_count(tmp_path: Path) -> None:
    """A yes to Anna is no yes to Bert, and Bert can neither use nor decide Anna's."""
    async with toy(tmp_path) as it:
        pending = await it.asked()
        with pytest.raises(ApprovalInvalid, match="is unknown"):
            await it.guard.answer(pending.approval.id, YES, BERT)
        assert await it.guard.answer(pending.approval.id, YES, ANNA) is None
        asked = await it.asked(caller=BERT)

    assert asked.approval.id != pending.approval.id
    assert it.ran == []


async def test_a_plan_that_drifted_voids_the_approval_for_good(tmp_path: Path) -> None:
    """The drifted plan does not run, and the yes is gone even when the world turns back."""
    async with toy(tmp_path) as it:
        approval = await it.approved()
        it.world.boxes = {"left": 1}
        drifted = await it.receipt()
        it.world.boxes = {}
        asked = await it.asked()
        told = await it.told()

    assert drifted.outcome is Outcome.PLAN_DRIFTED
    assert "Nothing was changed." in drifted.message
    assert "      before: 1\n      after: 3\n" in drifted.plan
    assert asked.approval.id != approval
    assert it.ran == []
    assert told == ["proposed", "approved accept", "stopped plan_drifted", "proposed"]


async def test_a_newer_plan_takes_the_place_of_the_older_question(tmp_path: Path) -> None:
    """A question that was asked about another state of the world can no longer be answered."""
    async with toy(tmp_path) as it:
        older = await it.asked()
        it.world.boxes = {"left": 1}
        newer = await it.asked()
        with pytest.raises(ApprovalInvalid, match="is superseded"):
            await it.guard.answer(older.approval.id, YES, ANNA)
        assert await it.guard.answer(newer.approval.id, YES, ANNA) is None

    assert older.approval.id != newer.approval.id


async def test_the_same_question_is_asked_under_the_same_id(tmp_path: Path) -> None:
    """A call that is repeated while the question is open does not pile up questions."""
    async with toy(tmp_path) as it:
        first, second = await it.asked(), await it.asked()
        assert await it.told() == ["proposed"]
    assert first == second


async def test_a_policy_that_now_needs_more_does_not_take_an_older_yes(tmp_path: Path) -> None:
    """An approval that a person gave in the client ends when the operator demands a ticket instead."""
    async with toy(tmp_path) as it:
        await it.approved()
    async with toy(tmp_path, need=Need.TICKET) as it:
        receipt = await it.receipt()

    assert receipt.outcome is Outcome.APPROVAL_REQUIRED
    assert it.ran == []


@pytest.mark.parametrize("typed", ["", "right", "LEFT", "left shelf"])
async def test_a_wrong_name_typed_is_a_refusal(tmp_path: Path, typed: str) -> None:
    """Only the target's name itself approves; anything else says no, for good."""
    async with toy(tmp_path, need=Need.TYPED) as it:
        asked = await it.asked()
        refused = await it.guard.answer(asked.approval.id, Answer(action="accept", typed=typed), ANNA)
        with pytest.raises(ApprovalInvalid, match="is denied"):
            await it.guard.answer(asked.approval.id, Answer(action="accept", typed="left"), ANNA)
        told = await it.told()

    assert asked.approval.phrase == "left"
    assert refused is not None
    assert refused.outcome is Outcome.NOT_APPROVED
    assert refused.message == "The name typed was not the target's. Nothing was changed."
    assert told == ["proposed", "denied accept"]


async def test_the_name_typed_approves(tmp_path: Path) -> None:
    """The target's name, with or without blanks around it, is a yes."""
    async with toy(tmp_path, need=Need.TYPED) as it:
        asked = await it.asked()
        assert await it.guard.answer(asked.approval.id, Answer(action="accept", typed=" left "), ANNA) is None
        assert (await it.receipt()).outcome is Outcome.RUNNING


@pytest.mark.parametrize("action", ["decline", "cancel"])
async def test_a_refusal_is_final_and_the_next_call_asks_anew(tmp_path: Path, action: str) -> None:
    """No is kept as no: it cannot be turned into a yes, and says that nothing was changed."""
    async with toy(tmp_path) as it:
        asked = await it.asked()
        refused = await it.guard.answer(asked.approval.id, Answer("decline" if action == "decline" else "cancel"), ANNA)
        with pytest.raises(ApprovalInvalid, match="is denied"):
            await it.guard.answer(asked.approval.id, YES, ANNA)
        again = await it.asked()
        told = await it.told()

    assert refused is not None
    assert refused.message == f"The person chose {action}. Nothing was changed."
    assert again.approval.id != asked.approval.id
    assert it.ran == []
    assert told == ["proposed", f"denied {action}", "proposed"]


async def test_a_no_after_the_begin_takes_nothing_back(tmp_path: Path) -> None:
    """What has begun is not stopped by an answer that comes too late: that is what cancelling is for."""
    async with toy(tmp_path) as it:
        approval = await it.approved()
        it.engine.holds = True
        begun = await it.receipt()
        with pytest.raises(ApprovalInvalid, match=f"already used by operation {begun.operation_id}"):
            await it.guard.answer(approval, Answer(action="decline"), ANNA)


async def test_the_class_that_needs_a_ticket_is_never_asked_in_the_client(tmp_path: Path) -> None:
    """A client that can show a question gets a ticket's id instead, and its answer to that is refused."""
    async with toy(tmp_path, need=Need.TICKET) as it:
        receipt = await it.receipt()
        assert receipt.approval_id is not None
        with pytest.raises(ApprovalInvalid, match=f"ink-infra-mcp approve {receipt.approval_id}"):
            await it.guard.answer(receipt.approval_id, Answer(action="accept", typed="left"), ANNA)
        assert (await it.receipt()).outcome is Outcome.APPROVAL_REQUIRED
        await decided_by_ticket(it, receipt.approval_id, Answer(action="accept", typed="left"))
        begun = await it.receipt()
        lines = await it.audit()

    assert receipt.outcome is Outcome.APPROVAL_REQUIRED
    assert begun.outcome is Outcome.RUNNING
    approved = next(line for line in lines if line.event == "approved")
    assert (approved.principal, approved.detail["channel"]) == ("os:operator", "ticket")
    assert next(line for line in lines if line.event == "begin").detail["channel"] == "ticket"


async def test_a_ticket_can_be_refused_at_the_terminal_too(tmp_path: Path) -> None:
    """An operator's no leaves its line, and the call asks anew."""
    async with toy(tmp_path, need=Need.TICKET) as it:
        receipt = await it.receipt()
        await decided_by_ticket(it, receipt.approval_id or "", Answer(action="decline"))
        again = await it.receipt()
        told = await it.told()

    assert again.outcome is Outcome.APPROVAL_REQUIRED
    assert again.approval_id != receipt.approval_id
    assert told == ["proposed", "denied decline", "proposed"]


async def test_an_approval_that_does_not_exist_cannot_be_decided(tmp_path: Path) -> None:
    """An invented id is refused by name."""
    async with toy(tmp_path) as it:
        with pytest.raises(ApprovalInvalid, match="ap-invented is unknown"):
            await it.guard.answer("ap-invented", YES, ANNA)


async def test_of_two_people_who_decide_at_once_one_wins(tmp_path: Path) -> None:
    """A yes and a no that race: one of them counts, the other is told, and the audit holds one decision."""
    outcomes: list[str] = []
    async with toy(tmp_path) as it:
        asked = await it.asked()

        async def decide(answer: Answer) -> None:
            try:
                await decided_by_ticket(it, asked.approval.id, answer)
                outcomes.append("counted")
            except ApprovalInvalid as error:
                outcomes.append(error.failed.removeprefix(f"The approval {asked.approval.id} "))

        with anyio.fail_after(LIMIT_S):
            async with anyio.create_task_group() as group:
                group.start_soon(decide, YES)
                group.start_soon(decide, Answer(action="decline"))
        told = await it.told()

    assert sorted(outcomes) in (["counted", "is approved."], ["counted", "is denied."])
    assert len(told) == 2


async def test_a_client_that_cannot_ask_is_told_how_a_person_approves(tmp_path: Path) -> None:
    """Without a way to ask, nothing is assumed: the receipt names the command and the time limit."""
    headless = type(ANNA)(principal=ANNA.principal, channel="elicitation", can_ask=False)
    async with toy(tmp_path) as it:
        receipt = await it.receipt(caller=headless)
        pending = await it.guard.approvals.pending()
        await decided_by_ticket(it, receipt.approval_id or "")
        begun = await it.receipt(caller=headless)

    assert [approval.id for approval in pending] == [receipt.approval_id]
    assert receipt.message == (
        "A person must approve this plan by 2026-01-02 03:14:05 UTC. Nothing was changed. On a terminal of this "
        f"machine: `ink-infra-mcp approve {receipt.approval_id}`; then call the tool again with the same arguments."
    )
    assert begun.outcome is Outcome.RUNNING
