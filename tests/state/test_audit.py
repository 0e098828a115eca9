"""The audit is a chain: it only grows, and what was done to it afterwards shows."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, delete, insert, select, text, update

from ink_infra_mcp.core.errors import StateCorrupt
from ink_infra_mcp.core.plan import canonical
from ink_infra_mcp.state import audit
from ink_infra_mcp.state.records import AuditEvent, AuditLine
from ink_infra_mcp.state.store import Store
from ink_infra_mcp.state.tables import audit as table
from ink_infra_mcp.state.tables import meta
from tests.state.stores import entry, memory_store, rewrite, sqlite_store

LINES = 6
Tampering = Callable[[Connection], None]
TEXTS = [column.name for column in table.columns if column.name not in {"seq", "at", "detail"}]


def filled(store: Store, *, lines: int = LINES) -> tuple[AuditLine, ...]:
    """Return the lines of a store after some were written, each in a transaction of its own."""
    for number in range(lines):
        store.run_sync(lambda c, number=number: audit.append(c, entry(at=float(number), operation_id=f"op-{number}")))
    return store.run_sync(lambda c: audit.read(c))


def test_an_untouched_chain_verifies(tmp_path: Path) -> None:
    """Every line is linked to the one before, from a fixed beginning, and keeps what it was given."""
    with sqlite_store(tmp_path) as store:
        lines = filled(store)
        assert store.run_sync(audit.verify) == LINES
        assert store.run_sync(audit.last_seq) == LINES

    assert [line.seq for line in lines] == list(range(1, LINES + 1))
    assert [line.previous for line in lines] == [audit.GENESIS, *(line.hash for line in lines[:-1])]
    assert [event_of(line) for line in lines] == [entry(at=float(n), operation_id=f"op-{n}") for n in range(LINES)]


def test_an_empty_audit_verifies(tmp_path: Path) -> None:
    """A new store has no line, and nothing is wrong with that."""
    with sqlite_store(tmp_path) as store:
        assert store.run_sync(audit.verify) == 0
        assert store.run_sync(audit.last_seq) == 0
        assert store.run_sync(audit.read) == ()


def test_the_chain_goes_on_after_the_store_was_closed(tmp_path: Path) -> None:
    """Another process continues where the last one stopped."""
    with sqlite_store(tmp_path) as store:
        first = filled(store, lines=2)
    with sqlite_store(tmp_path) as store:
        line = store.run_sync(lambda c: audit.append(c, entry("end")))
        assert store.run_sync(audit.verify) == 3
    assert (line.seq, line.previous) == (3, first[-1].hash)


def test_a_line_of_a_transaction_that_failed_is_not_kept(tmp_path: Path) -> None:
    """A line stands or falls with the change that it is about, and leaves no gap."""

    def fail(connection: Connection) -> None:
        audit.append(connection, entry("begin"))
        raise ValueError("something else went wrong")

    with sqlite_store(tmp_path) as store:
        filled(store, lines=1)
        with pytest.raises(ValueError, match="something else"):
            store.run_sync(fail)
        assert store.run_sync(lambda c: audit.append(c, entry("end"))).seq == 2
        assert store.run_sync(audit.verify) == 2


def test_lines_are_read_in_pages_and_by_operation(tmp_path: Path) -> None:
    """Reading goes on after a number, is bounded, and can be narrowed to one operation."""
    with sqlite_store(tmp_path) as store:
        filled(store)
        page = store.run_sync(lambda c: audit.read(c, after=2, limit=2))
        one = store.run_sync(lambda c: audit.read(c, operation_id="op-4"))
    assert [line.seq for line in page] == [3, 4]
    assert [line.seq for line in one] == [5]


def test_the_error_names_the_first_bad_line(tmp_path: Path) -> None:
    """What was changed is found where it is, with what to do next."""
    with sqlite_store(tmp_path) as store:
        filled(store)
        assert rewrite(tmp_path, "update ink_audit set principal = 'local:nobody' where seq = 4") == 1
        with pytest.raises(StateCorrupt, match=r"broken at line 4.*audit --json"):
            store.run_sync(audit.verify)


def test_lines_missing_at_the_end_show_even_when_the_chain_has_grown_since(tmp_path: Path) -> None:
    """A chain that was cut is not healed by going on with it."""
    with sqlite_store(tmp_path) as store:
        filled(store)
        rewrite(tmp_path, "delete from ink_audit where seq > 4")
        with pytest.raises(StateCorrupt, match="after line 4"):
            store.run_sync(audit.verify)
        store.run_sync(lambda c: audit.append(c, entry("end")))
        with pytest.raises(StateCorrupt, match="at line 5"):
            store.run_sync(audit.verify)


def test_there_is_no_way_to_change_or_remove_a_line() -> None:
    """The module that owns the audit writes lines by appending, and has no statement that deletes or updates them."""
    source = Path(audit.__file__).read_text(encoding="utf-8")
    assert "delete(" not in source
    assert "update(audit)" not in source


def changed(seq: int, column: str, value: Any) -> Tampering:
    """Return a change of one field of one line."""
    return lambda c: _touched(c.execute(update(table).where(table.c.seq == seq).values({column: value})).rowcount)


def removed(seqs: set[int]) -> Tampering:
    """Return the removal of lines."""
    return lambda c: _touched(c.execute(delete(table).where(table.c.seq.in_(seqs))).rowcount)


def copied(seq: int, place: int) -> Tampering:
    """Return the insertion of a copy of a line at a free place (before the first, or after the last)."""

    def work(connection: Connection) -> None:
        row = connection.execute(select(table).where(table.c.seq == seq)).mappings().one()
        connection.execute(insert(table).values({**row, "seq": place}))

    return work


def swapped(one: int, other: int) -> Tampering:
    """Return the exchange of two lines' places."""

    def work(connection: Connection) -> None:
        for was, becomes in ((one, -1), (other, one), (-1, other)):
            connection.execute(text("update ink_audit set seq = :n where seq = :w"), {"n": becomes, "w": was})

    return work


def forged(at: float) -> Tampering:
    """Return a line put at the end, rightly linked, by somebody who does not know of the kept end."""

    def work(connection: Connection) -> None:
        end = connection.execute(select(meta.c.value).where(meta.c.key == "audit_end")).scalar_one()
        audit.append(connection, entry("approved", at=at))
        connection.execute(update(meta).where(meta.c.key == "audit_end").values(value=end))

    return work


def rehashed(seq: int, principal: str) -> Tampering:
    """Return a change of one line with its hash made right again, as far as that line alone goes."""

    def work(connection: Connection) -> None:
        line = next(line for line in audit.read(connection) if line.seq == seq)
        entry = event_of(line).model_copy(update={"principal": principal})
        words = canonical([seq, line.previous, entry.model_dump(mode="json")])
        values = {"principal": principal, "hash": hashlib.sha256(words).hexdigest()}
        connection.execute(update(table).where(table.c.seq == seq).values(**values))

    return work


def _touched(rows: int) -> None:
    assert rows > 0


seqs = st.integers(1, LINES)
other_texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
other_json = st.one_of(
    st.dictionaries(st.text(st.characters(codec="ascii", categories=["L"]), max_size=5), st.integers(), max_size=3).map(
        lambda value: str(value).replace("'", '"')
    ),
    st.sampled_from(["", "null", "[]", "{", '{"steps": NaN}', '{"steps": Infinity}']),
)
tamperings = st.one_of(
    st.builds(changed, seqs, st.sampled_from(TEXTS), other_texts),
    st.builds(changed, seqs, st.just("at"), st.floats(min_value=LINES + 1, allow_nan=False)),
    st.builds(changed, seqs, st.just("detail"), other_json),
    st.builds(changed, seqs, st.just("seq"), st.integers(LINES + 1, 2**31)),
    st.builds(removed, st.sets(seqs, min_size=1)),
    st.builds(copied, seqs, st.sampled_from([0, LINES + 1])),
    st.tuples(seqs, seqs).filter(lambda pair: pair[0] != pair[1]).map(lambda pair: swapped(*pair)),
    st.builds(rehashed, seqs, other_texts),
    st.builds(forged, st.floats(0, 1000)),
)


@given(tamperings)
def test_every_tampering_is_found(tamper: Tampering) -> None:
    """A line changed in any field, removed, put in or moved: the chain no longer verifies."""
    with memory_store() as store:
        lines = filled(store)
        store.run_sync(tamper)
        if _reads_the_same(store, lines):
            return
        with pytest.raises(StateCorrupt):
            store.run_sync(audit.verify)


def _reads_the_same(store: Store, lines: tuple[AuditLine, ...]) -> bool:
    """A random value may be the one that was there."""
    try:
        return store.run_sync(lambda c: audit.read(c, after=-1, limit=100)) == lines
    except StateCorrupt:
        return False


def event_of(line: AuditLine) -> AuditEvent:
    """Return what a line says, without its place."""
    return AuditEvent.model_validate(line.model_dump(exclude={"seq", "previous", "hash"}))
