"""Operations as rows: begun once, owned by one process, ended once."""

from pathlib import Path

import pytest

from ink_infra_mcp.core.errors import StateCorrupt
from ink_infra_mcp.core.operation import Outcome
from ink_infra_mcp.core.receipt import Receipt, StepReport
from ink_infra_mcp.state import operations
from ink_infra_mcp.state.records import OperationHead, steps_so_far
from tests.core.plans import plan, step
from tests.state.stores import operation, rewrite, sqlite_store

DONE = Receipt(outcome=Outcome.APPLIED, message="Stop shop: done, and proved.", operation_id="op-1")


def test_an_operation_is_kept_whole(tmp_path: Path) -> None:
    """What has begun comes back as it was; an unknown id is None."""
    with sqlite_store(tmp_path) as store:
        store.run_sync(lambda c: operations.add(c, operation()))
        assert store.run_sync(lambda c: operations.get(c, "op-1")) == operation()
        assert store.run_sync(lambda c: operations.get(c, "op-2")) is None


def test_results_and_words_are_kept_as_it_runs(tmp_path: Path) -> None:
    """Each step's result stays beside those before it; a step that ran again replaces its own."""
    with sqlite_store(tmp_path) as store:
        store.run_sync(lambda c: operations.add(c, operation()))
        store.run_sync(lambda c: operations.note(c, "op-1", now_at="x" * 600))
        for step_id, uuid in (("create", "a"), ("deploy", "b"), ("create", "c")):
            store.run_sync(lambda c, s=step_id, u=uuid: operations.keep_result(c, "op-1", s, {"uuid": u}))
        found = store.run_sync(lambda c: operations.get(c, "op-1"))
    assert found == operation().model_copy(
        update={"now_at": "x" * 500, "results": {"create": {"uuid": "c"}, "deploy": {"uuid": "b"}}}
    )


def test_the_first_end_stays(tmp_path: Path) -> None:
    """An operation ends once; a second end changes nothing and says so."""
    with sqlite_store(tmp_path) as store:
        store.run_sync(lambda c: operations.add(c, operation()))
        assert store.run_sync(lambda c: operations.end(c, "op-1", receipt=DONE, now=9.0))
        other = DONE.model_copy(update={"outcome": Outcome.FAILED})
        assert not store.run_sync(lambda c: operations.end(c, "op-1", receipt=other, now=10.0))
        found = store.run_sync(lambda c: operations.get(c, "op-1"))
        assert store.run_sync(operations.running) == ()
    assert found == operation().model_copy(update={"state": "ended", "receipt": DONE, "ended_at": 9.0})


def test_only_one_of_two_heirs_gets_a_dead_process_operation(tmp_path: Path) -> None:
    """A claim names the dead owner, so that the second heir finds the operation gone."""
    with sqlite_store(tmp_path) as store:
        store.run_sync(lambda c: operations.add(c, operation()))
        assert store.run_sync(lambda c: operations.claim(c, "op-1", of="ex-1", by="ex-2"))
        assert not store.run_sync(lambda c: operations.claim(c, "op-1", of="ex-1", by="ex-3"))
        found = store.run_sync(lambda c: operations.get(c, "op-1"))
    assert found == operation(executor="ex-2")


def test_what_has_ended_cannot_be_claimed_or_cancelled(tmp_path: Path) -> None:
    """The end is the end: nobody inherits it and a wish to cancel comes too late."""
    with sqlite_store(tmp_path) as store:
        store.run_sync(lambda c: operations.add(c, operation()))
        store.run_sync(lambda c: operations.end(c, "op-1", receipt=DONE, now=9.0))
        assert not store.run_sync(lambda c: operations.claim(c, "op-1", of="ex-1", by="ex-2"))
        assert not store.run_sync(lambda c: operations.request_cancel(c, "op-1"))


def test_a_wish_to_cancel_is_kept(tmp_path: Path) -> None:
    """The process that runs it, whichever that is, finds the wish in the store."""
    with sqlite_store(tmp_path) as store:
        store.run_sync(lambda c: operations.add(c, operation()))
        assert store.run_sync(lambda c: operations.request_cancel(c, "op-1"))
        assert not store.run_sync(lambda c: operations.request_cancel(c, "op-2"))
        found = store.run_sync(lambda c: operations.get(c, "op-1"))
    assert found == operation().model_copy(update={"cancel_requested": True})


def test_lists_are_newest_first_and_running_ones_oldest_first(tmp_path: Path) -> None:
    """A list can be paged by time and narrowed to what runs."""
    with sqlite_store(tmp_path) as store:
        for number in range(4):
            store.run_sync(lambda c, n=number: operations.add(c, operation(f"op-{n}", created_at=float(n))))
        store.run_sync(lambda c: operations.end(c, "op-2", receipt=DONE, now=9.0))
        newest = store.run_sync(lambda c: operations.newest(c, before=3.0, limit=2))
        still = store.run_sync(lambda c: operations.newest(c, state="running"))
        running = store.run_sync(operations.running)
    assert [found.id for found in newest] == ["op-2", "op-1"]
    assert [found.id for found in still] == ["op-3", "op-1", "op-0"]
    assert [found.id for found in running] == ["op-0", "op-1", "op-3"]


def test_what_locked_a_target_is_found_however_old_it_is(tmp_path: Path) -> None:
    """The newest operations on an app are found by the lock that they took, whatever began since, or by their tool."""
    other = operation("op-9", created_at=9.0).model_copy(update={"plan": plan(step(), target="docs")})
    with sqlite_store(tmp_path) as store:
        for number in range(3):
            store.run_sync(lambda c, n=number: operations.add(c, operation(f"op-{n}", created_at=float(n))))
        store.run_sync(lambda c: operations.add(c, other))
        last = store.run_sync(lambda c: operations.on_target(c, "app:shop", limit=2))
        none = store.run_sync(lambda c: operations.on_target(c, "app:shop", limit=2, tool="deploy_app"))
    assert ([found.id for found in last], none) == (["op-2", "op-1"], ())


def test_a_plan_that_cannot_be_read_keeps_nobody_from_reading_the_rest(tmp_path: Path) -> None:
    """Lists show such an operation as what it is, and who asks for its head gets all that is known without the plan."""
    with sqlite_store(tmp_path) as store:
        store.run_sync(lambda c: operations.add(c, operation("op-good", created_at=2.0)))
        store.run_sync(lambda c: operations.add(c, operation("op-bad")))
        rewrite(tmp_path, "update ink_operations set plan = '{\"tool\": 1}' where id = 'op-bad'")
        found = store.run_sync(operations.newest)
        running = store.run_sync(operations.running)
        head = store.run_sync(lambda c: operations.head(c, "op-bad"))
    assert [(one.id, one.plan.title) for one in found] == [
        ("op-good", "Stop shop"),
        ("op-bad", operations.UNREADABLE),
    ]
    assert [one.id for one in running] == ["op-bad", "op-good"]
    assert head == OperationHead(**operation("op-bad").model_dump(include=set(OperationHead.model_fields)))


def test_steps_stand_in_their_order() -> None:
    """What has a result is done, the first without one runs, the rest has not begun."""
    steps = [step(name) for name in ("one", "two", "three")]
    begun = operation().model_copy(update={"plan": plan(*steps), "results": {"one": {}}})
    assert steps_so_far(begun) == (
        StepReport(id="one", summary="Stop shop", state="done"),
        StepReport(id="two", summary="Stop shop", state="running"),
        StepReport(id="three", summary="Stop shop", state="not begun"),
    )


@pytest.mark.parametrize(
    ("column", "value"), [("plan", "{"), ("plan", '{"tool": 1}'), ("plan", ""), ("results", "[]"), ("receipt", "{}")]
)
def test_a_row_that_is_not_ours_is_named_and_not_used(tmp_path: Path, column: str, value: str) -> None:
    """An operation that somebody else wrote into the store is an error, never a guess."""
    with sqlite_store(tmp_path) as store:
        store.run_sync(lambda c: operations.add(c, operation()))
        rewrite(tmp_path, f"update ink_operations set {column} = ?", value)  # noqa: S608 - our own column names
        with pytest.raises(StateCorrupt, match=r"did not write.*Nothing was changed\."):
            store.run_sync(lambda c: operations.get(c, "op-1"))
