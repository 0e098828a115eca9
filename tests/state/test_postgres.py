"""What the store promises, it promises on Postgres too, where several machines share it."""

from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import anyio
import psycopg
import pytest
from sqlalchemy import Connection, text

from ink_infra_mcp.core.errors import ApprovalInvalid, StateCorrupt, StateUnavailable
from ink_infra_mcp.engine.ending import end_workflow
from ink_infra_mcp.guard.abandoning import Abandoning
from ink_infra_mcp.state import approvals, audit, locks, operations
from ink_infra_mcp.state.owners import PostgresOwners, owners_of
from ink_infra_mcp.state.records import ApprovalState, Lock
from ink_infra_mcp.state.store import Store
from tests.clock import FakeClock
from tests.ink import data, ink, says_yes
from tests.state.owner_process import owner_process
from tests.state.postgres import Cluster, cluster
from tests.state.stores import PLAN, approval, entry, lock, operation

pytestmark = [pytest.mark.anyio, pytest.mark.xdist_group("postgres")]

LIMIT_S = 120
RUNS = ("SUCCESS", "PENDING", "CANCELLED")
"""How the engine may leave the durable run of an operation."""


@pytest.fixture(scope="module")
def server() -> Generator[Cluster]:
    """Run one server for all tests of this file."""
    with cluster() as running:
        yield running


@pytest.fixture
def url(server: Cluster) -> str:
    """Return the address of a new database."""
    return server.new_database()


@contextmanager
def stores(url: str, count: int) -> Generator[list[Store]]:
    """Give several stores on one database, as several machines would have them."""
    with ExitStack() as closing:
        opened = [Store(url) for _ in range(count)]
        for store in opened:
            closing.callback(store.close)
        yield opened


async def at_once(works: list[Callable[[], Any]]) -> list[Any]:
    """Return what each work returned or raised, all run at the same time in threads."""
    results: list[Any] = [None] * len(works)

    async def one(number: int) -> None:
        try:
            results[number] = await anyio.to_thread.run_sync(works[number])
        except ApprovalInvalid as error:
            results[number] = error

    with anyio.fail_after(LIMIT_S):
        async with anyio.create_task_group() as group:
            for number in range(len(works)):
                group.start_soon(one, number)
    return results


async def test_machines_that_open_a_new_store_at_once_do_not_trip_over_each_other(url: str) -> None:
    """The tables are made once, whoever comes first."""
    with stores(url, 4) as opened:
        counts = await at_once([lambda s=s: s.run_sync(audit.verify) for s in opened])
    assert counts == [0, 0, 0, 0]


async def test_lines_written_at_once_make_one_chain(url: str) -> None:
    """Three machines that write at the same time all get their lines into one unbroken chain."""
    with stores(url, 3) as opened:
        works = [
            lambda s=opened[n % 3], n=n: s.run_sync(lambda c: audit.append(c, entry(operation_id=f"op-{n}")))
            for n in range(30)
        ]
        lines = await at_once(works)
        assert opened[0].run_sync(audit.verify) == 30
    assert sorted(line.seq for line in lines) == list(range(1, 31))


async def test_a_changed_line_is_found(url: str) -> None:
    """The chain protects the audit in this database as in a file."""
    with stores(url, 1) as (store,):
        for _ in range(3):
            store.run_sync(lambda c: audit.append(c, entry()))
        store.run_sync(lambda c: c.execute(text("update ink_audit set tool = 'other' where seq = 2")))
        with pytest.raises(StateCorrupt, match="broken at line 2"):
            store.run_sync(audit.verify)


async def test_of_many_who_use_one_approval_at_once_one_gets_it(url: str) -> None:
    """However many machines begin the approved plan at the same time, it begins once; its audit line is there once."""

    def use(store: Store, operation_id: str) -> str:
        def work(connection: Connection) -> str:
            approvals.consume(connection, "ap-1", digest=PLAN.digest, operation_id=operation_id, now=2.0)
            audit.append(connection, entry(operation_id=operation_id))
            return operation_id

        return store.run_sync(work)

    with stores(url, 4) as opened:
        opened[0].run_sync(lambda c: approvals.add(c, approval()))
        yes = ApprovalState.APPROVED
        opened[0].run_sync(
            lambda c: approvals.decide(c, "ap-1", state=yes, channel="ticket", decided_by="os:operator", now=1.0)
        )
        said = await at_once([lambda s=s, n=n: use(s, f"op-{n}") for n, s in enumerate(opened)])
        begun = [line.operation_id for line in opened[0].run_sync(audit.read)]
    assert [word for word in said if isinstance(word, str)] == begun
    assert [type(word) for word in said if not isinstance(word, str)] == [ApprovalInvalid] * 3
    assert len(begun) == 1


async def test_of_two_who_want_the_same_targets_at_once_one_gets_all(url: str) -> None:
    """Targets named in another order cannot leave each side with a half."""

    def take(store: Store, operation_id: str, targets: list[str]) -> Lock | None:
        return store.run_sync(lambda c: locks.take(c, [lock(target, operation_id) for target in targets]))

    with stores(url, 2) as (one, other):
        for number in range(5):
            names = [f"app:{number}-{part}" for part in "abc"]
            first, second = f"op-{number}-1", f"op-{number}-2"
            met = await at_once(
                [
                    lambda n=names, op=first: take(one, op, n),
                    lambda n=names, op=second: take(other, op, n[::-1]),
                ]
            )
            held = {row.operation_id for row in one.run_sync(lambda c, n=names: locks.holders(c, n))}
            assert [lock is None for lock in met].count(True) == 1
            assert held == {first if met[0] is None else second}


async def test_an_executor_lives_as_long_as_its_session(url: str) -> None:
    """A killed process is dead to the others, a living one never; asking changes nothing."""
    here = PostgresOwners(url, "ex-here")
    try:
        with owner_process(url, "ex-there") as there:
            assert [here.alive("ex-there") for _ in range(3)] == [True, True, True]
            there.kill()
            there.wait(timeout=10)
            with anyio.fail_after(LIMIT_S):
                while here.alive("ex-there"):  # noqa: ASYNC110 - the server notices a moment later, and has no event
                    await anyio.sleep(0.01)
        assert here.alive("ex-here")
        assert not here.alive("ex-never")
    finally:
        here.close()


async def test_a_session_that_broke_is_made_anew_with_its_sign_of_life(url: str) -> None:
    """A database that was restarted leaves nobody for dead who lives, and nobody unable to ask."""
    here, other = PostgresOwners(url, "ex-here"), PostgresOwners(url, "ex-other")
    try:
        with psycopg.connect(url, autocommit=True) as db:
            db.execute(
                "select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and database = "
                "(select oid from pg_database where datname = current_database())"
            )
        assert here.alive("ex-here")
        assert other.alive("ex-other")
        assert here.alive("ex-other")
        assert other.alive("ex-here")
        assert not here.alive("ex-never")
    finally:
        here.close()
        other.close()


async def test_many_may_ask_at_once_who_lives(url: str) -> None:
    """Threads that ask for the same executors at the same time all get the right answer."""
    here, other = PostgresOwners(url, "ex-here"), PostgresOwners(url, "ex-other")
    try:
        said = await at_once([lambda: (here.alive("ex-other"), here.alive("ex-never"))] * 20)
    finally:
        here.close()
        other.close()
    assert said == [(True, False)] * 20


async def test_a_database_that_does_not_answer_is_told() -> None:
    """An executor that cannot prove that it lives does not begin to work."""
    with pytest.raises(StateUnavailable, match=r"127\.0\.0\.1.*Nothing was changed"):
        PostgresOwners("postgresql://ink@127.0.0.1:9/ink?connect_timeout=2", "ex-here")


async def test_a_deployment_runs_on_postgres(tmp_path: Path, url: str) -> None:
    """Approval, durable steps, audit and locks of a whole deployment live in the database, and none in the folder."""
    hello = {"name": "hello", "repository": "https://github.com/example/hello", "wait_s": 30}
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, state_url=url) as it, it.client(says_yes()) as client:
            first = data(await client.call_tool("deploy_app", hello))
            again = data(await client.call_tool("deploy_app", hello))
            lines = await it.app.store.run(lambda c: audit.read(c, limit=100))
            assert await it.app.store.run(audit.verify) == len(lines)
            assert await it.app.store.run(lambda c: c.execute(text("select count(*) from ink_locks")).scalar()) == 0
            stands = [await _ended_run(it.app.store, url, first["operation_id"], left=left) for left in RUNS]

    assert stands == ["SUCCESS", "CANCELLED", "CANCELLED"]
    assert (first["outcome"], again["outcome"]) == ("applied", "already_so")
    steps = ["step"] * len(first["steps"])
    assert [line.event for line in lines] == ["proposed", "approved", "begin", *steps, "end", "stopped"]
    assert list((tmp_path / "state").iterdir()) == []


async def _ended_run(store: Store, url: str, operation_id: str, *, left: str) -> str:
    """Leave the durable run of an operation in that state, end it, and return how it stands then."""
    await store.run(lambda c: c.execute(text("update dbos.workflow_status set status = :left"), {"left": left}))
    end_workflow(url, operation_id)
    return await store.run(lambda c: str(c.execute(text("select status from dbos.workflow_status")).scalar()))


async def test_an_operation_is_abandoned_on_postgres(url: str) -> None:
    """The look whether its owner lives, the end, its audit line and the locks are all in the database; a durable run
    that was never begun needs no end.
    """
    store, owners = Store(url), owners_of(url, "ex-cli")
    abandoning = Abandoning(store=store, owners=owners, clock=FakeClock())
    try:
        await store.run(lambda c: operations.add(c, operation()))
        await store.run(lambda c: locks.take(c, [lock("app:shop")]))
        end_workflow(url, "op-1")
        left = await abandoning.abandon("op-1", by="terminal:op", reason="gone")
        again = await abandoning.abandon("op-1", by="terminal:op", reason="gone")
        (found,) = await store.run(lambda c: operations.on_target(c, "app:shop", limit=2))
        line = (await store.run(lambda c: audit.read(c)))[-1]
    finally:
        owners.close()
        store.close()
    assert (left.held, left.abandoned, again.abandoned) == (("app:shop",), *["abandoned by terminal:op: gone"] * 2)
    assert (found.state, line.event, line.outcome) == ("ended", "end", "failed")
