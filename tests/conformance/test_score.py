"""The conformance run cannot pass by accident: how the suite's summary is read."""

from tests.conformance.run import Score, score

PASSING = """=== SUMMARY ===
✓ ping: 2 passed, 0 failed
✓ tools-list: 3 passed, 0 failed
✗ tasks-lifecycle: 1 passed, 8 failed

Total: 6 passed, 8 failed

Not scored for 2026-07-28: 1 scenario(s) run, 1 failing. These do not affect conformance.
  ✗ tasks-lifecycle (extension)
"""


def test_a_scenario_that_is_not_scored_counts_for_nothing() -> None:
    """An optional extension that the server does not have neither helps nor harms."""
    assert score("2026-07-28", PASSING, 0) == Score("2026-07-28", passed=5, failed={}, scenarios=2, status=0)
    assert score("2026-07-28", PASSING, 0).conforms


def test_a_failed_scored_scenario_fails_the_run() -> None:
    """One failed check of a scored scenario is named and fails, even when the suite ended well."""
    failing = PASSING.replace("✓ ping: 2 passed, 0 failed", "✗ ping: 1 passed, 1 failed")
    assert score("2026-07-28", failing, 0).failed == {"ping": 1}
    assert not score("2026-07-28", failing, 0).conforms


def test_a_suite_that_broke_off_fails_the_run() -> None:
    """A summary that shows nothing wrong does not count when the suite ended with an error."""
    assert not score("2026-07-28", PASSING, 1).conforms


def test_a_suite_that_ran_nothing_fails_the_run() -> None:
    """An empty summary is no pass."""
    assert not score("2026-07-28", "=== SUMMARY ===\n\nTotal: 0 passed, 0 failed\n", 0).conforms
