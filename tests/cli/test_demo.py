"""The demo: what is on the screen is readable and pretends nothing, and its second window is a real terminal."""

import os
from pathlib import Path

import pytest

from ink_infra_mcp.cli.demo_stage import COLUMNS, HEAD, TAIL, line, picture
from ink_infra_mcp.cli.demo_terminal import by_script
from ink_infra_mcp.core.policy import Need
from ink_infra_mcp.state.records import TICKET, ApprovalState
from tests.cli.stores import PLAN, Shelf


def test_a_long_text_is_shortened_and_says_by_how_much() -> None:
    """What is left out is counted, and the whole is named; a text that fits is shown to the last character."""
    rows = [f"row {number}" for number in range(100)]
    short = "\n".join(rows[: HEAD + TAIL + 1])
    left_out = f"[... {100 - HEAD - TAIL} of 100 lines are not in this picture ...]"
    assert picture("\n".join(rows)).splitlines() == [*rows[:HEAD], left_out, *rows[-TAIL:]]
    assert picture(short) == short


def test_every_row_fits_and_no_word_is_lost(capsys: pytest.CaptureFixture[str]) -> None:
    """A long line goes on below itself, further to the right."""
    words = " ".join(f"word-{number}" for number in range(60))
    line(f"  {words}\n\n1\t2\tend")
    seen = capsys.readouterr().out
    assert max(map(len, seen.splitlines())) <= COLUMNS
    assert (seen.split(), seen.splitlines()[1][:6]) == ([*words.split(), "1", "2", "end"], "      ")


def test_the_second_window_runs_the_real_approve_at_a_terminal(tmp_path: Path) -> None:
    """The plan is shown there to its end, the name is typed once it is asked for, and the yes is the terminal's."""
    folder = tmp_path / "sandbox"
    folder.mkdir(mode=0o700)
    shelf = Shelf(folder)
    approval = shelf.propose(need=Need.TICKET)

    window = by_script(approval.id, {**os.environ, "INK_INFRA_STATE": str(tmp_path)}, typed="shop")

    told = (PLAN.title, PLAN.digest[:12], "To approve, type shop: shop", "Approved until")
    assert (window.approved, [words for words in told if words not in window.seen]) == (True, []), window.seen
    decided = shelf.approval(approval.id)
    assert (decided.state, decided.channel) == (ApprovalState.APPROVED, TICKET)
