"""What stands between a call and a change: outcomes, approvals, barriers, audit, locks, following."""
