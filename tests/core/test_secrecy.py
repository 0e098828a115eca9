"""Policy of what is stored of secrets: an overlay tightens it, or says why it does not."""

import pytest

from ink_infra_mcp.core.policy import Loosens
from ink_infra_mcp.core.secrecy import DaysRule, PlainRule, Secrecy, SecrecyRules, baseline, tighten

BASE = baseline(SecrecyRules(retention_days=DaysRule(value=30, why="x")))


def test_the_baseline_allows_no_name() -> None:
    """Nothing that looks like a secret is plain unless an operator says so; the retention is told in seconds too."""
    assert Secrecy(retention_days=30) == BASE
    assert BASE.retention_s == 2_592_000


def test_a_baseline_without_a_retention_is_none() -> None:
    """A policy with a hole is refused."""
    with pytest.raises(ValueError, match="retention_days is needed"):
        baseline(SecrecyRules())


def test_a_shorter_retention_needs_no_reason() -> None:
    """To keep less is to be stricter, and so is to forbid a name."""
    overlay = SecrecyRules(
        retention_days=DaysRule(value=7, why="x"), plain={"DEMO_PASSWORD": PlainRule(allowed=False, why="x")}
    )
    assert tighten(BASE, overlay) == Secrecy(retention_days=7)


def test_what_is_looser_needs_a_reason_and_is_told() -> None:
    """A longer retention and a name that may be plain are let in with `override`, and stand in `overrides`."""
    days = DaysRule(value=90, why="x", override="the auditors ask")
    plain = {"DEMO_PASSWORD": PlainRule(allowed=True, why="x", override="printed on the page")}
    assert tighten(BASE, SecrecyRules(retention_days=days, plain=plain)) == Secrecy(
        retention_days=90,
        plain=frozenset({"DEMO_PASSWORD"}),
        overrides=(
            "retention_days: 30 days -> 90 days (the auditors ask)",
            "plain.DEMO_PASSWORD: refused -> allowed (printed on the page)",
        ),
    )
    with pytest.raises(Loosens, match=r"plain\.DEMO_PASSWORD: refused -> allowed"):
        tighten(BASE, SecrecyRules(plain={"DEMO_PASSWORD": PlainRule(allowed=True, why="x")}))
