"""Operations as their caller holds them: its own only, each once, and what is new about them."""

from pathlib import Path

from ink_infra_mcp.core.operation import Outcome
from ink_infra_mcp.core.receipt import Receipt
from ink_infra_mcp.state import audit, handles, operations
from ink_infra_mcp.state.records import Held, News, Place
from tests.state.stores import entry, operation, sqlite_store

ANNA = "local:anna"
DONE = Receipt(outcome=Outcome.APPLIED, message="Done.")


def test_an_operation_is_held_by_its_principal_only(tmp_path: Path) -> None:
    """It is found by its id, with the time of its last line in the audit; to anybody else there is none."""
    with sqlite_store(tmp_path) as store:
        store.run_sync(lambda c: operations.add(c, operation()))
        fresh = store.run_sync(lambda c: handles.held(c, "op-1", principal=ANNA))
        for at in (3.0, 7.5):
            store.run_sync(lambda c, at=at: audit.append(c, entry("step", at=at)))
        later = store.run_sync(lambda c: handles.held(c, "op-1", principal=ANNA))
        other = store.run_sync(lambda c: handles.held(c, "op-1", principal="local:bob"))
        none = store.run_sync(lambda c: handles.held(c, "op-2", principal=ANNA))
    assert fresh == Held(operation=operation(), updated_at=1.5)
    assert later == Held(operation=operation(), updated_at=7.5)
    assert (other, none) == (None, None)


def test_a_list_goes_on_where_it_ended_also_in_the_same_moment(tmp_path: Path) -> None:
    """Pages hold each operation once, those of one instant by their id, and none of another principal."""
    with sqlite_store(tmp_path) as store:
        for number in range(7):
            made = operation(f"op-{number}", created_at=float(number // 3))
            store.run_sync(lambda c, made=made: operations.add(c, made))
        theirs = operation("op-9").model_copy(update={"principal": "local:bob"})
        store.run_sync(lambda c: operations.add(c, theirs))
        seen, after = list[str](), None
        while page := store.run_sync(lambda c, after=after: handles.held_by(c, ANNA, after=after, limit=2)):
            seen += [held.operation.id for held in page]
            last = page[-1].operation
            after = Place(created_at=last.created_at, id=last.id)
    assert seen == ["op-6", "op-3", "op-4", "op-5", "op-0", "op-1", "op-2"]


def test_news_are_of_what_runs_and_of_what_has_just_ended(tmp_path: Path) -> None:
    """A mark changes with the words and the results; what ended says what it touched, until that is long ago."""
    with sqlite_store(tmp_path) as store:
        store.run_sync(lambda c: operations.add(c, operation()))
        marks = [store.run_sync(lambda c: handles.news(c, since=0.0))[0].mark]
        store.run_sync(lambda c: operations.note(c, "op-1", now_at="building"))
        marks += [store.run_sync(lambda c: handles.news(c, since=0.0))[0].mark]
        store.run_sync(lambda c: operations.keep_result(c, "op-1", "a", {"x": 1}))
        marks += [store.run_sync(lambda c: handles.news(c, since=0.0))[0].mark]
        store.run_sync(lambda c: operations.end(c, "op-1", receipt=DONE, now=9.0))
        (ended,) = store.run_sync(lambda c: handles.news(c, since=9.0))
        late = store.run_sync(lambda c: handles.news(c, since=9.5))
    assert len({*marks}) == len(marks)
    assert ended == News(id="op-1", mark=ended.mark, ended=True, apps=ended.apps, servers=ended.servers)
    assert ended.apps or ended.servers
    assert {lock.removeprefix("app:") for lock in operation().plan.locks if lock.startswith("app:")} <= {*ended.apps}
    assert late == ()
