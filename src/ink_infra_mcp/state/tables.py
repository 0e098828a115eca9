"""The tables of the state store. Times are Unix seconds; JSON is text that we wrote."""

from sqlalchemy import Boolean, Column, Float, Index, Integer, MetaData, String, Table, Text

SCHEMA_VERSION = 3

metadata = MetaData()

meta = Table("ink_meta", metadata, Column("key", String(40), primary_key=True), Column("value", Text, nullable=False))

approvals = Table(
    "ink_approvals",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("principal", String(200), nullable=False),
    Column("tool", String(80), nullable=False),
    Column("args_digest", String(64), nullable=False),
    Column("plan_digest", String(64), nullable=False),
    Column("plan", Text, nullable=False),
    Column("risk", String(20), nullable=False),
    Column("need", String(20), nullable=False),
    Column("phrase", String(300), nullable=False),
    Column("state", String(20), nullable=False),
    Column("channel", String(40), nullable=False),
    Column("connection", String(40), nullable=False, server_default=""),
    Column("decided_by", String(200), nullable=False),
    Column("created_at", Float, nullable=False),
    Column("expires_at", Float, nullable=False),
    Column("decided_at", Float, nullable=True),
    Column("operation_id", String(40), nullable=False),
    Index("ink_approvals_by_call", "principal", "tool", "args_digest"),
)

operations = Table(
    "ink_operations",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("tool", String(80), nullable=False),
    Column("principal", String(200), nullable=False),
    Column("args_digest", String(64), nullable=False),
    Column("plan", Text, nullable=False),
    Column("plan_digest", String(64), nullable=False),
    Column("approval_id", String(40), nullable=False),
    Column("channel", String(40), nullable=False),
    Column("executor", String(40), nullable=False),
    Column("step_format", String(20), nullable=False),
    Column("state", String(20), nullable=False),
    Column("now_at", Text, nullable=False),
    Column("cancel_requested", Boolean, nullable=False),
    Column("results", Text, nullable=False),
    Column("receipt", Text, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("ended_at", Float, nullable=True),
    Index("ink_operations_by_time", "created_at"),
)

targets = Table(
    "ink_operation_targets",
    metadata,
    Column("target", String(300), primary_key=True),
    Column("operation_id", String(40), primary_key=True),
    Column("created_at", Float, nullable=False),
    Index("ink_targets_by_time", "target", "created_at"),
)
"""What each operation locked, which its locks themselves no longer tell once it has ended."""

locks = Table(
    "ink_locks",
    metadata,
    Column("target", String(300), primary_key=True),
    Column("operation_id", String(40), nullable=False),
    Column("executor", String(40), nullable=False),
    Column("principal", String(200), nullable=False),
    Column("purpose", String(300), nullable=False),
    Column("since", Float, nullable=False),
)

audit = Table(
    "ink_audit",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("at", Float, nullable=False),
    Column("event", String(40), nullable=False),
    Column("principal", String(200), nullable=False),
    Column("tool", String(80), nullable=False),
    Column("target", String(300), nullable=False),
    Column("operation_id", String(40), nullable=False),
    Column("approval_id", String(40), nullable=False),
    Column("plan_digest", String(64), nullable=False),
    Column("outcome", String(40), nullable=False),
    Column("detail", Text, nullable=False),
    Column("previous", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
)

forgotten = Table(
    "ink_forgotten",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("at", Float, nullable=False),
)
"""Operations and approvals of which only names and digests are left, and since when."""
