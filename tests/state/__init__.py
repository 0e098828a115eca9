"""The state store: audit, approvals, locks, operations and owners, on SQLite and on Postgres."""
