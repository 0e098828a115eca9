"""Locks are rows: all that an operation wants, or none of it."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from ink_infra_mcp.state import locks
from tests.state.stores import lock, memory_store, sqlite_store

NAMES = ("app:a", "app:b", "app:c", "name:a")


def test_a_lock_says_who_holds_what_for_what_and_since_when(tmp_path: Path) -> None:
    """What is kept of a lock is what the next caller is told."""
    with sqlite_store(tmp_path) as store:
        assert store.run_sync(lambda c: locks.take(c, [lock("app:a")])) is None
    with sqlite_store(tmp_path) as store:
        assert store.run_sync(lambda c: locks.holders(c, ["app:a", "app:b"])) == (lock("app:a"),)


def test_one_held_target_keeps_all_from_being_taken(tmp_path: Path) -> None:
    """The first lock in the way, in the order of names, comes back, and nothing new is held."""
    with sqlite_store(tmp_path) as store:
        store.run_sync(lambda c: locks.take(c, [lock("app:b"), lock("app:c")]))
        wanted = [lock(name, "op-2") for name in ("app:d", "app:c", "app:b", "app:a")]
        assert store.run_sync(lambda c: locks.take(c, wanted)) == lock("app:b")
        held = store.run_sync(lambda c: locks.holders(c, ["app:a", "app:b", "app:c", "app:d"]))
    assert held == (lock("app:b"), lock("app:c"))


def test_an_operation_may_take_again_what_it_holds(tmp_path: Path) -> None:
    """A begin that is repeated is not in its own way."""
    with sqlite_store(tmp_path) as store:
        store.run_sync(lambda c: locks.take(c, [lock("app:a")]))
        assert store.run_sync(lambda c: locks.take(c, [lock("app:a"), lock("app:b")])) is None
        assert len(store.run_sync(lambda c: locks.holders(c, ["app:a", "app:b"]))) == 2


def test_freeing_frees_all_of_one_operation_and_nothing_else(tmp_path: Path) -> None:
    """The end of an operation opens its targets only."""
    with sqlite_store(tmp_path) as store:
        store.run_sync(lambda c: locks.take(c, [lock("app:a"), lock("app:b")]))
        store.run_sync(lambda c: locks.take(c, [lock("app:c", "op-2")]))
        store.run_sync(lambda c: locks.free(c, "op-1"))
        store.run_sync(lambda c: locks.free(c, "op-unknown"))
        assert store.run_sync(lambda c: locks.holders(c, NAMES)) == (lock("app:c", "op-2"),)


@given(
    st.lists(
        st.one_of(
            st.tuples(st.sampled_from(["op-1", "op-2", "op-3"]), st.sets(st.sampled_from(NAMES), min_size=1)),
            st.sampled_from(["op-1", "op-2", "op-3"]),
        ),
        max_size=12,
    )
)
def test_no_target_ever_has_two_holders(acts: list[tuple[str, set[str]] | str]) -> None:
    """However operations take and free, each target has one holder at most, and a take is all or nothing."""
    held: dict[str, str] = {}
    with memory_store() as store:
        for act in acts:
            if isinstance(act, str):
                store.run_sync(lambda c, op=act: locks.free(c, op))
                held = {target: op for target, op in held.items() if op != act}
                continue
            op, targets = act
            in_the_way = store.run_sync(lambda c, op=op, ts=targets: locks.take(c, [lock(t, op) for t in ts]))
            others = sorted(t for t in targets if held.get(t, op) != op)
            assert (in_the_way.target if in_the_way else None) == (others[0] if others else None)
            held |= {} if others else dict.fromkeys(targets, op)
            found = store.run_sync(lambda c: locks.holders(c, NAMES))
            assert {row.target: row.operation_id for row in found} == held
