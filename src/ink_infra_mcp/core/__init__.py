"""Pure values and decisions: no I/O, no SDK, nothing of ours imported from outside this package."""
