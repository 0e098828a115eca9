"""Approvals as rows: whatever is done in whatever order, each counts at most once, for its plan, in its time."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from ink_infra_mcp.core.errors import ApprovalInvalid
from ink_infra_mcp.state import approvals
from ink_infra_mcp.state.records import Approval, ApprovalState
from ink_infra_mcp.state.store import Store
from tests.core.plans import plan, step
from tests.state.stores import ENDS, PLAN, approval, memory_store, sqlite_store

OTHER = plan(step(), step("start", "coolify.start"))


def decide(store: Store, approval_id: str = "ap-1", *, yes: bool = True, now: float = 1.0) -> Approval:
    """Decide an approval as Anna in her client."""
    state = ApprovalState.APPROVED if yes else ApprovalState.DENIED
    return store.run_sync(
        lambda c: approvals.decide(c, approval_id, state=state, channel="elicitation", decided_by="local:anna", now=now)
    )


def consume(store: Store, approval_id: str = "ap-1", *, digest: str = PLAN.digest, now: float = 2.0) -> Approval:
    """Use an approval up for operation op-1."""
    return store.run_sync(lambda c: approvals.consume(c, approval_id, digest=digest, operation_id="op-1", now=now))


def test_an_approval_is_kept_whole(tmp_path: Path) -> None:
    """What was proposed comes back as it was, plan and all; an unknown id is None."""
    with sqlite_store(tmp_path) as store:
        store.run_sync(lambda c: approvals.add(c, approval()))
        assert store.run_sync(lambda c: approvals.get(c, "ap-1")) == approval()
        assert store.run_sync(lambda c: approvals.get(c, "ap-2")) is None


def test_a_decision_is_kept_with_who_when_and_how(tmp_path: Path) -> None:
    """The row says which channel decided, for whom and at what time."""
    with sqlite_store(tmp_path) as store:
        store.run_sync(lambda c: approvals.add(c, approval()))
        decided = decide(store)
        assert store.run_sync(lambda c: approvals.get(c, "ap-1")) == decided
    assert decided == approval().model_copy(
        update={
            "state": ApprovalState.APPROVED,
            "channel": "elicitation",
            "decided_by": "local:anna",
            "decided_at": 1.0,
        }
    )


def test_an_approved_plan_is_consumed_once_and_by_name(tmp_path: Path) -> None:
    """The first use is kept with its operation; the second is refused and names the first."""
    with sqlite_store(tmp_path) as store:
        store.run_sync(lambda c: approvals.add(c, approval()))
        decide(store)
        used = consume(store)
        with pytest.raises(ApprovalInvalid, match=r"already used by operation op-1\. Nothing was changed"):
            consume(store)
    assert (used.state, used.operation_id) == (ApprovalState.CONSUMED, "op-1")


@pytest.mark.parametrize("yes", [None, False])
def test_what_was_not_approved_cannot_be_consumed(tmp_path: Path, yes: bool | None) -> None:
    """Neither an open question nor a no begins anything."""
    with sqlite_store(tmp_path) as store:
        store.run_sync(lambda c: approvals.add(c, approval()))
        if yes is not None:
            decide(store, yes=yes)
        with pytest.raises(ApprovalInvalid, match="is pending" if yes is None else "is denied"):
            consume(store)


def test_another_plan_cannot_consume_it(tmp_path: Path) -> None:
    """The digest of what would run must be the one that was approved."""
    with sqlite_store(tmp_path) as store:
        store.run_sync(lambda c: approvals.add(c, approval()))
        decide(store)
        with pytest.raises(ApprovalInvalid):
            consume(store, digest=OTHER.digest)
        assert consume(store).state is ApprovalState.CONSUMED


def test_it_ends_at_its_time_to_the_moment(tmp_path: Path) -> None:
    """An approval counts before its end, and at its end no more."""
    with sqlite_store(tmp_path) as store:
        for number in range(2):
            store.run_sync(lambda c, n=number: approvals.add(c, approval(f"ap-{n}", args_digest=str(n))))
            decide(store, f"ap-{number}", now=ENDS - 0.001)
        store.run_sync(lambda c: approvals.add(c, approval("ap-2", args_digest="2")))
        with pytest.raises(ApprovalInvalid, match="has expired"):
            decide(store, "ap-2", now=ENDS)
        with pytest.raises(ApprovalInvalid, match="has expired"):
            consume(store, "ap-0", now=ENDS)
        assert consume(store, "ap-1", now=ENDS - 0.001).state is ApprovalState.CONSUMED


def test_those_whose_time_is_over_are_told_once(tmp_path: Path) -> None:
    """Expiring returns what has just ended, decided or not, and never the same one again."""
    with sqlite_store(tmp_path) as store:
        for number in range(3):
            store.run_sync(lambda c, n=number: approvals.add(c, approval(f"ap-{n}", args_digest=str(n))))
        decide(store, "ap-1")
        decide(store, "ap-2", yes=False)
        assert store.run_sync(lambda c: approvals.expire(c, now=ENDS - 1)) == ()
        over = store.run_sync(lambda c: approvals.expire(c, now=ENDS))
        assert store.run_sync(lambda c: approvals.expire(c, now=ENDS)) == ()
    assert [found.id for found in over] == ["ap-0", "ap-1"]


def test_what_waits_for_a_person_is_listed_oldest_first(tmp_path: Path) -> None:
    """Decided and expired approvals wait for nobody."""
    with sqlite_store(tmp_path) as store:
        for number in (2, 0, 1):
            new = approval(f"ap-{number}", args_digest=str(number)).model_copy(update={"created_at": float(number)})
            store.run_sync(lambda c, new=new: approvals.add(c, new))
        decide(store, "ap-1")
        waiting = store.run_sync(lambda c: approvals.pending(c, now=3.0))
        assert store.run_sync(lambda c: approvals.pending(c, now=ENDS)) == ()
    assert [found.id for found in waiting] == ["ap-0", "ap-2"]


class AnyOrder(RuleBasedStateMachine):
    """Proposes, decides, uses, drifts and lets time pass, in any order, beside a plain model of what may be used."""

    def __init__(self) -> None:
        super().__init__()
        self._opened = memory_store()
        self.store = self._opened.__enter__()
        self.now = 0.0
        self.asked: list[Approval] = []
        self.good: set[str] = set()
        self.uses: list[str] = []

    def teardown(self) -> None:
        """Close the store."""
        self._opened.__exit__(None, None, None)

    @initialize()
    def first(self) -> None:
        """Begin with one question."""
        self.propose(PLAN)

    @rule(about=st.sampled_from([PLAN, OTHER]))
    def propose(self, about: Any) -> None:
        """Ask for the same call again, about this or that plan: all earlier questions of it end."""
        new = approval(f"ap-{len(self.asked)}", about=about)
        new = new.model_copy(update={"created_at": self.now, "expires_at": self.now + ENDS})
        self.store.run_sync(lambda c: approvals.add(c, new))
        self.asked.append(new)
        self.good.clear()

    @rule(data=st.data(), yes=st.booleans())
    def answer(self, data: st.DataObject, yes: bool) -> None:
        """Answer any question; only the newest can still be open."""
        about = data.draw(st.sampled_from(self.asked))
        try:
            decide(self.store, about.id, yes=yes, now=self.now)
        except ApprovalInvalid:
            return
        assert about is self.asked[-1]
        assert self.now < about.expires_at
        if yes:
            self.good.add(about.id)

    @rule(data=st.data(), digest=st.sampled_from([PLAN.digest, OTHER.digest]))
    def use(self, data: st.DataObject, digest: str) -> None:
        """Begin a plan with any approval; it succeeds exactly when that was a yes to this plan, unused and in time."""
        about = data.draw(st.sampled_from(self.asked))
        may = about.id in self.good and digest == about.plan_digest and self.now < about.expires_at
        try:
            consume(self.store, about.id, digest=digest, now=self.now)
        except ApprovalInvalid:
            assert not may
            return
        assert may
        self.uses.append(about.id)
        self.good.discard(about.id)

    @rule(data=st.data())
    def drift(self, data: st.DataObject) -> None:
        """Void an approval."""
        about = data.draw(st.sampled_from(self.asked))
        self.store.run_sync(lambda c: approvals.mark_drifted(c, about.id))
        self.good.discard(about.id)

    @rule(seconds=st.sampled_from([1.0, ENDS / 2, ENDS]), noticed=st.booleans())
    def wait(self, seconds: float, noticed: bool) -> None:
        """Let time pass; sometimes somebody writes down what has ended."""
        self.now += seconds
        if noticed:
            self.store.run_sync(lambda c: approvals.expire(c, now=self.now))

    @invariant()
    def none_is_used_twice(self) -> None:
        """Each approval begins at most one operation."""
        assert len(self.uses) == len(set(self.uses))


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(max_examples=25, stateful_step_count=20)
