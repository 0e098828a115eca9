"""A store whose audit is gone, or shorter than it was, is refused; what remembers the end is never ahead of it."""

import shutil
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ink_infra_mcp.core.errors import StateCorrupt
from ink_infra_mcp.state import audit
from ink_infra_mcp.state.store import Connection, Store
from ink_infra_mcp.state.witness import End, Witness
from tests.state.stores import entry, file_of, rewrite, sqlite_store

LINES = 5
NEXT = (
    "Nothing was changed. Restore a backup of the state, with the file beside it that remembers the end. If what is "
    "missing is lost for good, a person accepts that at a terminal: `ink-infra-mcp audit accept-loss --reason TEXT`."
)


def written(folder: Path, *, lines: int = LINES) -> list[End]:
    """Write lines, each in a transaction of its own; return the ends that there were."""
    with sqlite_store(folder) as store:
        found = [store.run_sync(lambda c: audit.append(c, entry())) for _ in range(lines)]
    return [End(line.seq, line.hash) for line in found]


def remembered(folder: Path) -> End | None:
    """Return the end that is remembered beside the store."""
    return Witness(file_of(folder)).read()


def refused(folder: Path) -> str:
    """Return why the store cannot be opened, by whoever tries."""
    with sqlite_store(folder) as store, pytest.raises(StateCorrupt) as first:
        store.run_sync(audit.last_seq)
    with sqlite_store(folder) as store, pytest.raises(StateCorrupt) as again:
        store.run_sync(lambda c: audit.append(c, entry("begin")))
    assert str(first.value) == str(again.value)
    return str(first.value)


def test_a_new_store_opens_and_is_remembered_from_its_first_line(tmp_path: Path) -> None:
    """A brand new installation needs nothing; each line is remembered, in a file of its owner alone."""
    with sqlite_store(tmp_path) as store:
        assert store.run_sync(audit.verify) == 0
        assert remembered(tmp_path) is None
    ends = written(tmp_path)
    mode = stat.S_IMODE(Witness(file_of(tmp_path)).path.stat().st_mode)
    assert (remembered(tmp_path), mode) == (ends[-1], 0o600)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["state.sqlite3", "state.sqlite3.audit-end"]


def test_a_store_of_before_is_remembered_from_its_next_opening(tmp_path: Path) -> None:
    """A store that an older version wrote has no such file: it opens as ever, and has one then."""
    ends = written(tmp_path)
    Witness(file_of(tmp_path)).path.unlink()
    with sqlite_store(tmp_path) as store:
        assert store.run_sync(audit.last_seq) == LINES
    assert remembered(tmp_path) == ends[-1]


def test_a_store_that_is_gone_is_not_made_anew(tmp_path: Path) -> None:
    """Where there was an audit, a missing file is no new installation: nothing is made in its place."""
    written(tmp_path)
    for file in tmp_path.glob("state.sqlite3*"):
        if file != Witness(file_of(tmp_path)).path:
            file.unlink()
    assert refused(tmp_path) == (
        f"The state store sqlite:///{file_of(tmp_path)} is gone: its audit had 5 lines at least. {NEXT}"
    )
    assert not file_of(tmp_path).exists()


CUTS: list[tuple[Callable[[Path], object], str]] = [
    (
        lambda folder: rewrite(folder, "delete from ink_audit where seq > 3"),
        "The audit is cut: its last line is 3, and the store knows of 5.",
    ),
    (
        lambda folder: rewrite(folder, "delete from ink_audit"),
        "The audit is cut: its last line is 0, and the store knows of 5.",
    ),
    (
        lambda folder: rewrite(folder, "delete from ink_meta where key = 'audit_end'"),
        "The audit is cut: its last line is 5, and the store knows of 0.",
    ),
    (
        lambda folder: [
            rewrite(folder, "delete from ink_audit"),
            rewrite(folder, "delete from ink_meta where key = 'audit_end'"),
        ],
        "The audit is gone or cut: it has 0 lines, and had 5 at least.",
    ),
    (
        lambda folder: [
            rewrite(folder, "delete from ink_audit where seq > 3"),
            rewrite(
                folder,
                "update ink_meta set value = (select '3 ' || hash from ink_audit where seq = 3) "
                "where key = 'audit_end'",
            ),
        ],
        "The audit is gone or cut: it has 3 lines, and had 5 at least.",
    ),
    (lambda folder: file_of(folder).write_bytes(b""), "The audit is gone or cut: it has 0 lines, and had 5 at least."),
]


@pytest.mark.parametrize(("cut", "why"), CUTS, ids=[why[:60] for _, why in CUTS])
def test_an_audit_that_is_shorter_than_it_was_is_refused_with_what_to_do(
    tmp_path: Path, cut: Callable[[Path], object], why: str
) -> None:
    """Whatever was taken from the store: it says so, and is opened for nobody who relies on it."""
    written(tmp_path)
    cut(tmp_path)
    for name in ("state.sqlite3-wal", "state.sqlite3-shm"):
        (tmp_path / name).unlink(missing_ok=True)
    assert refused(tmp_path) == f"{why} {NEXT}"


def test_another_audit_of_the_same_length_is_refused(tmp_path: Path) -> None:
    """A store that somebody put in the place of ours does not become ours by having enough lines."""
    written(tmp_path)
    other = tmp_path / "other"
    with sqlite_store(other) as store:
        for _ in range(LINES + 2):
            store.run_sync(lambda c: audit.append(c, entry("forged")))
    for file in tmp_path.glob("state.sqlite3*"):
        if file != Witness(file_of(tmp_path)).path:
            file.unlink()
    shutil.copy(file_of(other), file_of(tmp_path))
    assert refused(tmp_path) == f"The audit is another one: its line 5 is not the one that was written here. {NEXT}"


def test_what_remembers_nothing_readable_is_no_reason_to_go_on(tmp_path: Path) -> None:
    """A file that says something else is not taken for one that says nothing."""
    written(tmp_path)
    for words in ("", "five", f"5 {'x' * 63}", "-1 " + "0" * 64, "9" * 5000 + " " + "0" * 64, "\xff"):
        Witness(file_of(tmp_path)).path.write_bytes(words.encode("latin-1"))
        assert "does not say where the audit ended." in refused(tmp_path)


@pytest.mark.parametrize("behind", range(LINES))
def test_a_process_that_died_before_it_could_remember_does_no_harm(tmp_path: Path, behind: int) -> None:
    """What is remembered may be behind by some lines; the next opening catches up."""
    ends = written(tmp_path)
    Witness(file_of(tmp_path)).put(ends[behind])
    with sqlite_store(tmp_path) as store:
        assert store.run_sync(lambda c: audit.verify(c, store.remembered())) == LINES
    assert remembered(tmp_path) == ends[-1]


def test_nothing_is_remembered_of_a_transaction_that_failed(tmp_path: Path) -> None:
    """A line that is not kept is not remembered either, nor by the transaction after it."""
    ends = written(tmp_path)

    def fail(connection: Connection) -> None:
        audit.append(connection, entry())
        raise ValueError("no")

    with sqlite_store(tmp_path) as store:
        with pytest.raises(ValueError, match="no"):
            store.run_sync(fail)
        store.run_sync(audit.last_seq)
    assert remembered(tmp_path) == ends[-1]


def test_a_file_that_cannot_be_written_is_told_and_stops_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The line is on the disk whether or not it can be remembered: the log says which file is behind."""
    with sqlite_store(tmp_path) as store:
        store.run_sync(audit.last_seq)
        Witness(file_of(tmp_path)).path.mkdir()
        line = store.run_sync(lambda c: audit.append(c, entry()))
    assert line.seq == 1
    assert "could not be remembered in" in caplog.text


def test_a_store_that_is_only_looked_at_shows_what_is_left(tmp_path: Path) -> None:
    """Reading what is left of a cut audit is possible, and calls it broken."""
    written(tmp_path)
    rewrite(tmp_path, "delete from ink_audit where seq > 3")
    store = Store(f"sqlite:///{file_of(tmp_path)}", checked=False)
    assert len(store.run_sync(audit.read)) == 3
    with pytest.raises(StateCorrupt, match="broken after line 3"):
        store.run_sync(lambda c: audit.verify(c, store.remembered()))
    store.close()


@given(st.lists(st.integers(1, 50), min_size=1, max_size=12))
def test_the_latest_end_stays_remembered_in_whatever_order_processes_come(order: list[int]) -> None:
    """Of two processes the slower one does not take back what the faster one remembered."""
    with tempfile.TemporaryDirectory() as folder:
        witness = Witness(Path(folder) / "state.sqlite3")
        for seq in order:
            witness.keep(End(seq, f"{seq:064}"))
        assert witness.read() == End(max(order), f"{max(order):064}")
