"""What a review of the guard found: each test here failed once, and shows a way in which a change could go astray."""

from collections.abc import Callable
from pathlib import Path
from typing import Literal, TypeVar

import anyio
import pytest

from ink_infra_mcp.core.engine import Ending
from ink_infra_mcp.core.errors import NotOurs, StateUnavailable
from ink_infra_mcp.core.fleet import Approvals, Fleet
from ink_infra_mcp.core.operation import Check, Outcome
from ink_infra_mcp.core.plan import JsonObject, Plan, Risk
from ink_infra_mcp.core.policy import MAX_PLAN_TEXT, Need
from ink_infra_mcp.guard.caller import Answer
from ink_infra_mcp.guard.ended import outcome_of
from ink_infra_mcp.state import locks, operations
from ink_infra_mcp.state.records import ApprovalState
from ink_infra_mcp.state.store import Connection, Store
from tests.guard.bed import RESTART, STOP, Held, begun, nothing_is_written
from tests.guard.toy import ANNA, YES, Fill, Toy, policy, toy
from tests.ink import data, ink, says_yes

pytestmark = pytest.mark.anyio

T = TypeVar("T")
LIMIT_S = 120
NO = Answer(action="decline")


class LosesAnswers(Store):
    """A store whose answer to a begin gets lost after it was committed; `away` transactions after that fail, too."""

    away = 0
    lost = False

    def run_sync(self, work: Callable[[Connection], T]) -> T:
        """Run the work, and lose the answer once when it began an operation."""
        if self.lost and self.away > 0:
            self.away -= 1
            raise StateUnavailable("The state store cannot be used: it is away.")
        had, result, has = super().run_sync(lambda c: (_begun(c), work(c), _begun(c)))
        if has > had and not self.lost:
            self.lost = True
            raise StateUnavailable("The state store cannot be used: the connection broke.")
        return result


def _begun(connection: Connection) -> int:
    return len(operations.newest(connection, limit=100))


def losing(it: Toy, *, away: int = 0) -> Toy:
    """Let the guard's store lose the answer to the next begin."""
    store = LosesAnswers(it.store.url.render_as_string(hide_password=False))
    store.away = away
    object.__setattr__(it.guard, "store", store)
    object.__setattr__(it.guard.locks, "store", store)
    return it


async def test_a_begin_whose_answer_got_lost_is_a_begin(tmp_path: Path) -> None:
    """The store is asked again before anybody is told that nothing was changed."""
    async with toy(tmp_path) as it:
        await it.approved()
        receipt = await losing(it).receipt()
        story = await it.told()

    assert (receipt.outcome, it.ran, it.world.boxes) == (Outcome.RUNNING, ["fill", "count"], {"left": 3})
    assert story == ["proposed", "approved accept", "begin", "step done", "step done", "end applied"]


async def test_a_begin_that_nobody_can_ask_about_is_not_called_undone_and_runs_under_its_locks(tmp_path: Path) -> None:
    """While the store stays away the caller hears that it is not known; then this process goes on with it itself."""
    async with toy(tmp_path) as it:
        await it.approved()
        with pytest.raises(StateUnavailable, match=r"It is not known whether op-.* has begun"):
            await losing(it, away=1).call()
        held = await it.store.run(lambda c: locks.holders(c, ["shelf:left"]))
        assert (it.ran, len(held)) == ([], 1)
        taken = await it.operations.take_over_orphans()

    assert taken == (held[0].operation_id,)
    assert it.world.boxes == {"left": 3}


async def test_an_operation_that_its_own_process_does_not_run_is_gone_on_with_by_whoever_follows(
    tmp_path: Path,
) -> None:
    """An engine that could not be started leaves nothing that is `running` for ever."""
    async with toy(tmp_path) as it:
        await it.approved()

        async def break_once() -> None:
            it.engine.on_start = None
            raise RuntimeError("no engine today")

        it.engine.on_start = break_once
        with pytest.raises(RuntimeError, match="no engine today"):
            await it.call()
        (left,) = await it.store.run(operations.running)
        with anyio.fail_after(LIMIT_S):
            receipt = await it.operations.follow(left.id, wait_s=5, progress=None)

    assert (receipt.outcome, it.world.boxes) == (Outcome.APPLIED, {"left": 3})


@pytest.mark.parametrize("gone", ["ended", "taken"])
async def test_a_step_of_an_operation_that_is_no_longer_ours_does_not_run(tmp_path: Path, gone: str) -> None:
    """A process that was taken for dead and wakes up again acts neither beside its heir nor after the end."""
    async with toy(tmp_path) as it:
        it.engine.holds = True
        await it.approved()
        operation_id = (await it.receipt()).operation_id or ""
        if gone == "taken":
            object.__setattr__(it.engine.program, "executor", "ex-toy")
            await it.store.run(lambda c: operations.claim(c, operation_id, of="ex-toy", by="ex-heir"))
        else:
            await it.engine.finish(operation_id)
        ran = [*it.ran]
        with pytest.raises(NotOurs, match="no longer ours to run"):
            await it.engine.program.step(operation_id, "fill", {})
    assert it.ran == ran


async def test_a_step_whose_result_is_kept_is_not_run_again(tmp_path: Path) -> None:
    """However far back the engine goes: a note of what there was before an act is never taken again after it."""
    async with toy(tmp_path) as it:
        it.engine.holds = True
        await it.approved()
        operation_id = (await it.receipt()).operation_id or ""
        first = await it.engine.program.step(operation_id, "fill", {})
        await it.store.run(lambda c: operations.request_cancel(c, operation_id))
        again = await it.engine.program.step(operation_id, "fill", {})
    assert (first.state, again, it.ran) == ("done", first, ["fill"])


async def test_cancelling_does_not_skip_the_proof_of_what_has_run(tmp_path: Path) -> None:
    """A step that would take back what ran is run although a cancel was asked for: here it fails, and the undo runs."""
    async with toy(tmp_path) as it:
        it.engine.holds, it.world.breaks = True, "count"
        await it.approved()
        operation_id = (await it.receipt()).operation_id or ""
        program = it.engine.program
        filled = await program.step(operation_id, "fill", {})
        await it.store.run(lambda c: operations.request_cancel(c, operation_id))
        proof = await program.step(operation_id, "count", {"fill": filled.result})
    assert (proof.state, it.ran) == ("failed", ["fill", "count"])


async def test_an_app_whose_deployment_is_cancelled_is_still_proved_to_be_isolated(tmp_path: Path) -> None:
    """A cancel that arrives while an app is rolled out leaves no container that nobody looked at."""
    held = Held("coolify.restart")
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, wrap_handler=held) as it:
            running = await begun(it, "control_app", RESTART)
            await held.entered.wait()
            await it.app.store.run(lambda c: operations.request_cancel(c, running.operation_id or ""))
            held.go.set()
            receipt = await it.app.follow(running.operation_id or "", 30, None)
    assert [(step.id, step.state) for step in receipt.steps][-2:] == [("deploy", "done"), ("prove_isolation", "done")]


@pytest.mark.parametrize(
    ("statuses", "outcome"),
    [
        ((), Outcome.APPLIED_UNVERIFIED),
        (("skipped",), Outcome.APPLIED_UNVERIFIED),
        (("passed", "skipped"), Outcome.APPLIED),
        (("passed", "failed"), Outcome.APPLIED_UNVERIFIED),
    ],
)
def test_what_nobody_looked_at_is_not_proved(
    statuses: tuple[Literal["passed", "failed", "skipped"], ...], outcome: Outcome
) -> None:
    """`applied` needs a check that passed; checks that were skipped, or none at all, prove nothing."""
    checks = tuple(Check(name=f"c{n}", status=status, evidence="-") for n, status in enumerate(statuses))
    assert outcome_of(Ending(state="done", checks=checks)) is outcome


@pytest.mark.parametrize(
    ("results", "outcome"),
    [
        (("app2__clone",), Outcome.UNDONE),
        (("app1__switch", "app2__clone"), Outcome.FAILED),
        (("shared", "app2__clone"), Outcome.UNDONE),
    ],
)
def test_what_another_part_of_the_plan_has_done_is_not_called_undone(
    results: tuple[str, ...], outcome: Outcome
) -> None:
    """An app that moved stays moved when the move of the next one is taken back: the whole is not undone."""
    done: dict[str, JsonObject] = {step_id: {} for step_id in results}
    ending = Ending(state="failed", step_id="app2__deploy", undone=("app2__clone",), results=done)
    assert outcome_of(ending) is outcome


async def test_a_no_counts_after_a_yes_that_came_another_way(tmp_path: Path) -> None:
    """An operator approves the ticket while the question is open in the client, and the person there says no."""
    async with toy(tmp_path) as it:
        asked = await it.asked()
        await it.guard.approvals.decide(asked.approval.id, YES, by="terminal:op", channel="ticket")
        refusal = await it.guard.answer(asked.approval.id, NO, ANNA)
        again = await it.asked()
        story = await it.told()

    assert refusal is not None
    assert refusal.outcome is Outcome.NOT_APPROVED
    assert again.approval.id != asked.approval.id
    assert story == ["proposed", "approved accept", "withdrawn", "proposed"]
    assert it.ran == []


async def test_a_name_that_cannot_be_typed_does_not_make_typing_optional(tmp_path: Path) -> None:
    """An app that is called by invisible characters still asks for something to be typed."""
    async with toy(tmp_path, need=Need.TYPED) as it:
        plan = it.tool.plan(Fill(), 0).model_copy(update={"phrase": "", "target": " "})
        approval = await it.guard.approvals.propose(ANNA, plan, args_digest="0", risk=Risk.DESTRUCTIVE, need=Need.TYPED)
        decided = await it.guard.approvals.decide(approval.id, YES, by="local:anna", channel="elicitation")
    assert (approval.phrase, decided.state) == (plan.digest[:12], ApprovalState.DENIED)


async def test_a_plan_that_nobody_could_read_is_refused(tmp_path: Path) -> None:
    """A plan so long that a channel would cut its end off is not put to a person at all."""
    async with toy(tmp_path) as it:
        receipt = await it.receipt(Fill(shelf="x" * MAX_PLAN_TEXT))
    assert receipt.outcome is Outcome.REFUSED_BY_POLICY
    assert "nobody could read" in receipt.message


def test_a_protected_muscle_protects_the_apps_on_it() -> None:
    """What happens to an app happens to its Muscle, whatever the plan calls its target."""
    rules = policy().model_copy(update={"protected": ("muscle-1",)})
    plan = Plan.model_validate(
        {
            "tool": "control_app",
            "title": "Stop shop on muscle-1",
            "target": "shop",
            "locks": ["app:u"],
            "steps": [
                {"id": "stop", "kind": "shelf.fill", "target": "shop", "summary": "-", "params": {"muscle": "muscle-1"}}
            ],
        }
    )
    assert rules.refusal(plan, Risk.DISRUPTIVE) == "muscle-1 is protected by policy; no tool may change it."


async def test_a_fleet_that_decides_by_ticket_never_asks_the_client(tmp_path: Path) -> None:
    """With approvals.channel = "ticket" the client's yes counts for nothing: it is not even asked."""

    def by_ticket(fleet: Fleet) -> Fleet:
        return fleet.model_copy(update={"approvals": Approvals(channel="ticket")})

    person = says_yes("shop")
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_fleet=by_ticket) as it, it.client(person) as client:
            with nothing_is_written(it):
                result = await client.call_tool("control_app", STOP)
    assert (data(result)["outcome"], person.asked) == ("approval_required", [])
