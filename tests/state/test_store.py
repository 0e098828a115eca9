"""The store keeps all of a transaction or nothing, and says clearly when it cannot be used."""

import os
import resource
import sqlite3
import stat
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path

import anyio
import pytest
from sqlalchemy import Connection, insert, select

from ink_infra_mcp.core.errors import ApprovalInvalid, StateCorrupt, StateUnavailable
from ink_infra_mcp.state import approvals, operations
from ink_infra_mcp.state.archive import Archive
from ink_infra_mcp.state.hint import may_have_work
from ink_infra_mcp.state.records import ApprovalState
from ink_infra_mcp.state.store import Store
from ink_infra_mcp.state.tables import meta
from tests.state.stores import approval, file_of, operation, rewrite, sqlite_store

NOTHING = r"Nothing was changed\."


def put(store: Store, key: str, value: str = "x") -> None:
    """Write one row."""
    store.run_sync(lambda c: c.execute(insert(meta).values(key=key, value=value)))


def keys(store: Store) -> list[str]:
    """Return the keys of all rows."""
    return store.run_sync(lambda c: [row.key for row in c.execute(select(meta.c.key).order_by(meta.c.key))])


def test_what_was_committed_is_there_for_the_next_process(tmp_path: Path) -> None:
    """A transaction that ended well is on the disk."""
    with sqlite_store(tmp_path) as store:
        put(store, "a")
    with sqlite_store(tmp_path) as store:
        assert keys(store) == ["a", "schema"]


def test_a_transaction_that_fails_keeps_nothing(tmp_path: Path) -> None:
    """When the work raises, what it wrote before is gone too, and its error comes out as it is."""

    def work(connection: Connection) -> None:
        connection.execute(insert(meta).values(key="half", value="x"))
        raise KeyError("the other half")

    with sqlite_store(tmp_path) as store:
        with pytest.raises(KeyError, match="the other half"):
            store.run_sync(work)
        assert keys(store) == ["schema"]


@pytest.mark.anyio
async def test_many_writers_wait_for_each_other(tmp_path: Path) -> None:
    """Transactions that read and then write never see each other half-way: twenty counts make twenty."""

    def count(connection: Connection) -> None:
        now = connection.execute(select(meta.c.value).where(meta.c.key == "count")).scalar_one()
        connection.execute(meta.update().where(meta.c.key == "count").values(value=str(int(now) + 1)))

    with sqlite_store(tmp_path) as one, sqlite_store(tmp_path) as other:
        put(one, "count", "0")
        with anyio.fail_after(90):
            async with anyio.create_task_group() as group:
                for number in range(20):
                    group.start_soon((one, other)[number % 2].run, count)
        assert one.run_sync(lambda c: c.execute(select(meta.c.value).where(meta.c.key == "count")).scalar()) == "20"


@pytest.mark.anyio
async def test_a_locked_store_keeps_nobody_who_stops_waiting_for_a_read(tmp_path: Path) -> None:
    """Whoever set a limit to it is free at that limit, and the store is well afterwards."""
    with sqlite_store(tmp_path) as store, closing(sqlite3.connect(file_of(tmp_path), isolation_level=None)) as other:
        archive = Archive(lambda: store)
        await archive.operations(before=None, limit=1)
        other.execute("begin immediate")
        with anyio.fail_after(10), anyio.move_on_after(0.1) as waiting:
            await archive.operations(before=None, limit=1)
        other.execute("rollback")
        after = await archive.operations(before=None, limit=1)
    assert (waiting.cancelled_caught, after) == (True, ())


def test_the_files_are_ours_alone(tmp_path: Path) -> None:
    """Neither the folder nor any file of the store can be read by other users."""
    old = os.umask(0)
    try:
        with sqlite_store(tmp_path / "new") as store:
            put(store, "a")
            found = {file: stat.S_IMODE(file.stat().st_mode) for file in (tmp_path / "new").iterdir()}
            folder = stat.S_IMODE((tmp_path / "new").stat().st_mode)
    finally:
        os.umask(old)
    assert folder == 0o700
    assert len(found) > 1
    assert set(found.values()) == {0o600}


def test_a_file_that_is_no_database_is_named_and_left_as_it_is(tmp_path: Path) -> None:
    """A store that somebody overwrote is damaged, says where it is, and is not touched."""
    file_of(tmp_path).write_bytes(b"not a database at all\n" * 400)
    before = file_of(tmp_path).read_bytes()
    with sqlite_store(tmp_path) as store, pytest.raises(StateCorrupt, match=f"state.sqlite3 is damaged.*{NOTHING}"):
        keys(store)
    assert file_of(tmp_path).read_bytes() == before


def test_a_damaged_page_is_named(tmp_path: Path) -> None:
    """Damage inside a good file is told when it is met, and never read around."""
    with sqlite_store(tmp_path) as store:
        for number in range(200):
            put(store, f"key{number}", "x" * 200)
    size = file_of(tmp_path).stat().st_size
    with file_of(tmp_path).open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (size - 4096))
    with sqlite_store(tmp_path) as store, pytest.raises(StateCorrupt, match=f"is damaged.*{NOTHING}"):
        keys(store)


def test_the_store_of_a_newer_version_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    """What a newer version wrote is not guessed at: nothing is added, nothing is changed."""
    with sqlite_store(tmp_path) as store:
        keys(store)
    rewrite(tmp_path, "update ink_meta set value = '4'")
    rewrite(tmp_path, "drop table ink_locks")
    with sqlite_store(tmp_path) as store:
        for _ in range(2):
            with pytest.raises(StateCorrupt, match=rf"has schema 4; this version knows 3\. {NOTHING}"):
                keys(store)
    assert tables(tmp_path) == [
        *("ink_approvals", "ink_audit", "ink_forgotten", "ink_meta", "ink_operation_targets", "ink_operations"),
    ]


def test_the_store_of_an_older_version_is_brought_up_to_date(tmp_path: Path) -> None:
    """What operations locked can be asked of those too that the first schema knew, as far as they can be read."""
    with sqlite_store(tmp_path) as store:
        store.run_sync(lambda c: operations.add(c, operation("op-old")))
        store.run_sync(lambda c: operations.add(c, operation("op-unreadable")))
    rewrite(tmp_path, "drop table ink_operation_targets")
    rewrite(tmp_path, "update ink_operations set plan = '{' where id = 'op-unreadable'")
    rewrite(tmp_path, "update ink_meta set value = '1' where key = 'schema'")
    for _ in range(2):
        with sqlite_store(tmp_path) as store:
            found = store.run_sync(lambda c: operations.on_target(c, "app:shop", limit=5))
        assert [one.id for one in found] == ["op-old"]


def test_an_older_store_learns_where_a_yes_came_from(tmp_path: Path) -> None:
    """Schema 2 did not know of connections: its approvals stay, and a yes that a client brought counts for none."""
    with sqlite_store(tmp_path) as store:
        store.run_sync(lambda c: approvals.add(c, approval()))
    rewrite(tmp_path, "update ink_approvals set state = 'approved', channel = 'elicitation'")
    rewrite(tmp_path, "alter table ink_approvals drop column connection")
    rewrite(tmp_path, "update ink_meta set value = '2' where key = 'schema'")
    old = approval().model_copy(update={"state": ApprovalState.APPROVED, "channel": "elicitation"})
    for _ in range(2):
        with sqlite_store(tmp_path) as store:
            assert store.run_sync(lambda c: approvals.get(c, "ap-1")) == old
            with pytest.raises(ApprovalInvalid):
                store.run_sync(
                    lambda c: approvals.consume(
                        c, "ap-1", digest=old.plan_digest, operation_id="op-1", now=1.0, came_by="cn-1"
                    )
                )


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    """Where a file stands in place of the folder, the store says so, in words of the system."""
    (tmp_path / "state").write_text("a file", encoding="utf-8")
    with sqlite_store(tmp_path / "state") as store, pytest.raises(StateUnavailable, match=f"cannot be used.*{NOTHING}"):
        keys(store)


def test_a_full_disk_is_told_and_the_store_goes_on_when_there_is_room(tmp_path: Path) -> None:
    """A write that finds no room fails clearly; what was there before stays, and later writes work again."""
    with sqlite_store(tmp_path) as store:
        put(store, "before")
        with (
            room_for(file_of(tmp_path).with_name("state.sqlite3-wal").stat().st_size),
            pytest.raises(StateUnavailable, match=rf"cannot be used.*{NOTHING} Check free disk space"),
        ):
            put(store, "too much", "x" * 500_000)
        assert keys(store) == ["before", "schema"]
        put(store, "after")
        assert keys(store) == ["after", "before", "schema"]


def test_trouble_never_shows_a_password(tmp_path: Path) -> None:
    """The address of a database is told without its password."""
    store = Store("postgresql://ink:hunter2@127.0.0.1:9/ink?connect_timeout=2")
    with pytest.raises(StateUnavailable) as caught:
        keys(store)
    store.close()
    assert "127.0.0.1" in str(caught.value)
    assert "hunter2" not in f"{caught.value} {caught.value.__cause__}"


def may_have(url: str) -> bool:
    """Return the hint, a thousand seconds after the epoch, with a retention of a hundred."""
    return may_have_work(url, now=1000.0, retention_s=100.0)


def test_the_hint_says_no_only_where_nothing_can_be_to_do(tmp_path: Path) -> None:
    """Without a file, without a running operation and without plans that are past their time there is nothing to take
    over and nothing to thin; all else may hold some."""
    url = f"sqlite:///{file_of(tmp_path)}"
    assert not may_have(url)
    with sqlite_store(tmp_path) as store:
        keys(store)
        assert not may_have(url)
    rewrite(tmp_path, OPERATION)
    assert may_have(url)
    rewrite(tmp_path, "update ink_operations set state = 'ended', ended_at = 950")
    assert not may_have(url)
    rewrite(tmp_path, "update ink_operations set ended_at = 850")
    assert may_have(url)
    rewrite(tmp_path, "insert into ink_forgotten select id, 900 from ink_operations")
    assert not may_have(url)
    rewrite(tmp_path, APPROVAL)
    assert may_have(url)
    rewrite(tmp_path, "update ink_approvals set expires_at = 1001")
    assert not may_have(url)
    rewrite(tmp_path, "drop table ink_forgotten")
    assert may_have(url)
    file_of(tmp_path).write_bytes(b"damaged" * 1000)
    assert may_have(url)
    assert may_have("postgresql://ink@db.example.com/ink")


OPERATION = (
    "insert into ink_operations values "
    "('op-1', 't', 'p', 'a', '{}', 'd', 'ap-1', 'c', 'ex-1', '1', 'running', '', 0, '{}', '', 1.0, null)"
)
APPROVAL = (
    "insert into ink_approvals (id, principal, tool, args_digest, plan_digest, plan, risk, need, phrase, state, "
    "channel, decided_by, created_at, expires_at, operation_id) "
    "values ('ap-1', 'p', 't', 'a', 'd', '{}', 'safe', 'person', '', 'pending', '', '', 1.0, 999.0, '')"
)


@contextmanager
def room_for(size: int) -> Generator[None]:
    """Let no file of this process grow beyond `size` bytes, as a disk that is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def tables(folder: Path) -> list[str]:
    """Return the names of the tables in the store."""
    with closing(sqlite3.connect(file_of(folder))) as db:
        return [name for (name,) in db.execute("select name from sqlite_master where type = 'table' order by name")]
