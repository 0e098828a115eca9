"""Findings of a whole fleet: in order, gathered in lines, and never more than one answer can hold."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ink_infra_mcp.areas.machines.drift import (
    HERE,
    RANKS,
    Drift,
    Line,
    Severity,
    counted,
    fitting,
    in_order,
    lines_of,
    verdict,
)

WORDS = st.text("abcdef ", min_size=1, max_size=300)
DRIFTS = st.builds(
    Drift,
    server=st.sampled_from([f"muscle-{number}" for number in range(30)]),
    severity=st.sampled_from(RANKS),
    code=st.sampled_from(["a", "b", "c"]),
    what=WORDS,
    evidence=WORDS,
    mend=WORDS,
    subject=st.sampled_from(["", "x", "y"]),
)


def drift(server: str, severity: Severity = "high", **more: object) -> Drift:
    """Return a finding."""
    known = {
        "code": "reboot",
        "what": "it waits",
        "evidence": f"{server} says so",
        "mend": f"reboot_server server={HERE}",
    }
    return Drift(server, severity, **{**known, **more})  # pyright: ignore[reportArgumentType] - texts and a flag


def test_the_same_at_many_servers_is_one_line() -> None:
    """It names the first servers and counts the others; with one server its mend is the call itself."""
    many = in_order(drift(f"muscle-{number:02}") for number in range(20))
    alone = lines_of([drift("muscle-1")])
    assert lines_of(many) == (
        Line(
            severity="high",
            code="reboot",
            servers=tuple(f"muscle-{number:02}" for number in range(8)),
            more_servers=12,
            what="it waits",
            evidence="muscle-00 says so",
            mend="reboot_server server=NAME",
        ),
    )
    assert alone[0].mend == "reboot_server server=muscle-1"


@given(st.lists(DRIFTS, max_size=60))
def test_the_worst_comes_first_and_nothing_is_lost_from_page_to_page(found: list[Drift]) -> None:
    """Going on from what was shown, each line comes once; each answer is bounded."""
    lines = lines_of(in_order(found))
    ranks = [RANKS.index(line.severity) for line in lines]
    assert ranks == sorted(ranks)
    seen: list[Line] = []
    while page := fitting(lines, skip=len(seen)):
        assert sum(len(line.model_dump_json()) for line in page) <= 9_000
        seen += page
    assert tuple(seen) == lines


@pytest.mark.parametrize(
    ("found", "word"),
    [
        ([], "clean"),
        ([drift("a", "info")], "clean"),
        ([drift("a", "warning")], "clean, with warnings"),
        ([drift("a", "warning", unknown=True)], "unknown"),
        ([drift("a", "high", unknown=True)], "unknown"),
        ([drift("a", "high"), drift("b", "warning", unknown=True)], "problems"),
    ],
)
def test_what_is_not_known_is_never_clean(found: list[Drift], word: str) -> None:
    """One server that could not be asked takes the word clean away from the whole fleet."""
    assert verdict(found) == word


def test_counts_are_of_all_that_stands() -> None:
    """The worst is counted first, and a severity that nothing has is left out."""
    found = [drift("a", "warning"), drift("b", "critical"), drift("c", "warning")]
    assert list(counted(in_order(found)).items()) == [("critical", 1), ("warning", 2)]
