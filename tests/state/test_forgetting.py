"""Rows that nobody needs lose their values: in the very transaction that closes them, or once their time is over."""

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Connection

from ink_infra_mcp.core.operation import Outcome
from ink_infra_mcp.core.receipt import Receipt
from ink_infra_mcp.core.thinning import remembered, thinned, thinned_receipt
from ink_infra_mcp.state import approvals, forgetting, operations
from ink_infra_mcp.state.records import ApprovalState
from ink_infra_mcp.state.store import Store
from tests.core.plans import plan, step
from tests.state.stores import ENDS, approval, file_of, operation, rewrite, sqlite_store

VALUE = "v4lue-that-was-plain"
WHOLE = plan(step().model_copy(update={"params": {"app": "u1", "variables": {"A": VALUE}}}))
RECEIPT = Receipt(outcome=Outcome.APPLIED, message="Done.", operation_id="op-1")
Close = Callable[[Connection], object]


def decided(connection: Connection, state: ApprovalState) -> None:
    """Decide the approval as Anna on a terminal."""
    approvals.decide(connection, "ap-1", state=state, channel="ticket", decided_by="local:anna", now=1.0)


def taken_back(connection: Connection) -> None:
    """Take a yes back."""
    decided(connection, ApprovalState.APPROVED)
    approvals.withdraw(connection, "ap-1", channel="ticket", decided_by="local:anna", now=2.0)


def used(connection: Connection) -> None:
    """Use a yes up."""
    decided(connection, ApprovalState.APPROVED)
    approvals.consume(connection, "ap-1", digest=WHOLE.digest, operation_id="op-1", now=2.0)


CLOSING: dict[str, Close] = {
    "denied": lambda c: decided(c, ApprovalState.DENIED),
    "withdrawn": taken_back,
    "left": lambda c: approvals.let_go(c, "ap-1", was=ApprovalState.PENDING),
    "consumed": used,
    "drifted": lambda c: approvals.mark_drifted(c, "ap-1"),
    "superseded": lambda c: approvals.add(c, approval("ap-2", about=plan(step()))),
    "expired": lambda c: approvals.expire(c, now=ENDS),
}


@pytest.mark.parametrize("name", CLOSING)
def test_an_approval_that_will_never_run_keeps_digest_and_title_only(tmp_path: Path, name: str) -> None:
    """However it is closed, its plan is gone with the same transaction, from the file itself as well."""
    with sqlite_store(tmp_path) as store:
        store.run_sync(lambda c: approvals.add(c, approval(about=WHOLE)))
        store.run_sync(CLOSING[name])
        found = store.run_sync(lambda c: approvals.get(c, "ap-1"))
    assert found is not None
    assert (found.plan, found.plan_digest) == (remembered(WHOLE), WHOLE.digest)
    assert VALUE.encode() not in file_of(tmp_path).read_bytes()


@pytest.mark.parametrize("state", [ApprovalState.PENDING, ApprovalState.APPROVED])
def test_an_approval_that_may_yet_run_keeps_its_plan(tmp_path: Path, state: ApprovalState) -> None:
    """A question that is open, and a yes that is not used, are whole; those of others are not touched either."""
    with sqlite_store(tmp_path) as store:
        store.run_sync(lambda c: approvals.add(c, approval(about=WHOLE)))
        store.run_sync(lambda c: approvals.add(c, approval("ap-2", about=WHOLE, args_digest="b" * 64)))
        if state is ApprovalState.APPROVED:
            store.run_sync(lambda c: decided(c, state))
        store.run_sync(lambda c: approvals.mark_drifted(c, "ap-2"))
        found = store.run_sync(lambda c: approvals.get(c, "ap-1"))
    assert found is not None
    assert (found.plan, found.state) == (WHOLE, state)


def ended(store: Store, operation_id: str, *, at: float) -> None:
    """Let an operation begin and end."""
    begun = operation(operation_id, created_at=at - 1).model_copy(update={"plan": WHOLE, "plan_digest": WHOLE.digest})
    store.run_sync(lambda c: operations.add(c, begun))
    store.run_sync(lambda c: operations.keep_result(c, operation_id, "stop", {"uuid": "u1", "said": VALUE}))
    store.run_sync(lambda c: operations.end(c, operation_id, receipt=RECEIPT, now=at))


def test_operations_that_ended_before_a_time_are_thinned_once(tmp_path: Path) -> None:
    """The oldest go first, no more than the limit; younger and running ones are whole; the trail stays to be found."""
    with sqlite_store(tmp_path) as store:
        for number, at in enumerate((30.0, 10.0, 20.0, 90.0)):
            ended(store, f"op-{number}", at=at)
        store.run_sync(lambda c: operations.add(c, operation("op-9", created_at=1.0)))
        found = store.run_sync(lambda c: forgetting.overdue(c, before=50.0, limit=2))
        store.run_sync(lambda c: forgetting.thin(c, found, now=100.0))
        left = store.run_sync(lambda c: forgetting.overdue(c, before=50.0, limit=2))
        thin, whole = (store.run_sync(lambda c, id_=id_: operations.get(c, id_)) for id_ in ("op-1", "op-3"))
        on_target = store.run_sync(lambda c: operations.on_target(c, WHOLE.locks[0], limit=9))
    assert (found, left) == (("op-1", "op-2"), ("op-0",))
    assert thin is not None
    assert (thin.plan, thin.plan_digest, thin.receipt) == (thinned(WHOLE), WHOLE.digest, thinned_receipt(RECEIPT))
    assert thin.results == {"stop": {"uuid": "u1"}}
    assert whole is not None
    assert whole.plan == WHOLE
    assert {each.id for each in on_target} >= {"op-0", "op-1", "op-2", "op-3"}


def test_a_plan_that_cannot_be_read_is_thinned_as_well(tmp_path: Path) -> None:
    """Of what another version wrote nobody knows where its values are: nothing of the plan stays."""
    with sqlite_store(tmp_path) as store:
        ended(store, "op-1", at=1.0)
        rewrite(tmp_path, "update ink_operations set plan = ?", '{"new": "' + VALUE + '"}')
        store.run_sync(lambda c: forgetting.thin(c, ["op-1"], now=100.0))
        found = store.run_sync(lambda c: operations.get(c, "op-1"))
    assert found is not None
    assert (found.plan.title, found.receipt, found.results) == ("(a plan that could not be read)", RECEIPT, {})
    assert VALUE.encode() not in file_of(tmp_path).read_bytes()


def test_closed_approvals_of_an_older_version_are_thinned_in_turns(tmp_path: Path) -> None:
    """An older version left them whole: each look takes some of them, until none is left."""
    with sqlite_store(tmp_path) as store:
        for number in range(3):
            new = approval(f"ap-{number}", about=WHOLE, args_digest=str(number) * 64)
            store.run_sync(lambda c, new=new: approvals.add(c, new))
        rewrite(tmp_path, "update ink_approvals set state = 'denied' where id <> 'ap-2'")
        counts = [store.run_sync(lambda c: forgetting.forget_old_approvals(c, now=9.0, limit=1)) for _ in range(3)]
        found = [store.run_sync(lambda c, n=n: approvals.get(c, f"ap-{n}")) for n in range(3)]
    assert counts == [1, 1, 0]
    assert [each.plan for each in found if each] == [remembered(WHOLE), remembered(WHOLE), WHOLE]
