"""Stores to test with, and small records to put into them."""

import sqlite3
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path

from ink_infra_mcp.core.plan import Plan, Risk
from ink_infra_mcp.state.records import Approval, AuditEvent, Lock, Operation
from ink_infra_mcp.state.store import Store
from tests.core.plans import plan, step

PLAN = plan(step())
ENDS = 100.0


@contextmanager
def sqlite_store(folder: Path) -> Generator[Store]:
    """Give the store in `folder`."""
    store = Store(f"sqlite:///{file_of(folder)}")
    try:
        yield store
    finally:
        store.close()


@contextmanager
def memory_store() -> Generator[Store]:
    """Give a store that is gone when it is closed; for one thread only."""
    store = Store("sqlite://")
    try:
        yield store
    finally:
        store.close()


def file_of(folder: Path) -> Path:
    """Return the file of the store in `folder`."""
    return folder / "state.sqlite3"


def rewrite(folder: Path, sql: str, *values: object) -> int:
    """Change the store behind its back; return how many rows were touched."""
    with closing(sqlite3.connect(file_of(folder))) as db, db:
        return db.execute(sql, values).rowcount


def entry(event: str = "begin", *, at: float = 1.5, operation_id: str = "op-1") -> AuditEvent:
    """Return something to be written into the audit."""
    return AuditEvent(
        at=at,
        event=event,
        principal="local:anna",
        tool="control_app",
        target="shop",
        operation_id=operation_id,
        detail={"steps": ["Stop shop"]},
    )


def approval(approval_id: str = "ap-1", *, about: Plan = PLAN, args_digest: str = "a" * 64) -> Approval:
    """Return a pending approval that ends at `ENDS`."""
    return Approval(
        id=approval_id,
        principal="local:anna",
        tool=about.tool,
        args_digest=args_digest,
        plan_digest=about.digest,
        plan=about,
        risk=Risk.DISRUPTIVE,
        need="person",
        phrase="",
        created_at=0.0,
        expires_at=ENDS,
    )


def lock(target: str, operation_id: str = "op-1", *, executor: str = "ex-1") -> Lock:
    """Return a lock on a target."""
    return Lock(
        target=target,
        operation_id=operation_id,
        executor=executor,
        principal="local:anna",
        purpose="Stop shop",
        since=1.5,
    )


def operation(operation_id: str = "op-1", *, executor: str = "ex-1", created_at: float = 1.5) -> Operation:
    """Return an operation that has begun."""
    return Operation(
        id=operation_id,
        tool=PLAN.tool,
        principal="local:anna",
        args_digest="a" * 64,
        plan=PLAN,
        plan_digest=PLAN.digest,
        approval_id="ap-1",
        channel="elicitation",
        executor=executor,
        step_format="1",
        created_at=created_at,
    )
