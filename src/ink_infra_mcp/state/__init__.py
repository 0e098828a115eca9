"""The state store: approvals, audit, locks and operations, on SQLite or Postgres, shared by all processes."""
