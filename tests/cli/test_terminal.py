"""What a person at the terminal is shown, and whether there is one."""

import pytest

from ink_infra_mcp.cli import terminal
from ink_infra_mcp.core.errors import ApprovalInvalid


def test_what_is_shown_cannot_steer_the_terminal() -> None:
    """Escape sequences, carriage returns and invisible characters of others never reach the terminal."""
    assert terminal.shown("a\x1b[2Kb\rc\u202ed\u200be\nf\tg") == "abc<U+202E>d<U+200B>e\nf\tg"


def test_long_texts_are_shown_in_full() -> None:
    """A plan of any length is shown to its end, or a person would approve what is cut off."""
    assert terminal.shown("x" * 50_000) == "x" * 50_000


def test_columns_line_up_and_hold_one_line_a_row() -> None:
    """Cells are padded to the widest of their column, and a line break in one does not make a row."""
    table = terminal.columns([("id", "tool"), ("ap-1", "deploy\napp"), ("a", "")])
    assert table == "id    tool\nap-1  deploy app\na"


def test_a_program_is_not_a_person(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    """Without a terminal on both sides no decision is taken, and the error says that nothing was."""
    with pytest.raises(ApprovalInvalid, match="Nothing was decided, and nothing was changed") as raised:
        terminal.decide_in_person()
    assert raised.value.next == "Run the same command in a terminal of your own."


def test_the_operator_is_who_the_system_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """The name that goes into the audit cannot be set through the environment."""
    before = terminal.operator()
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, "somebody-else")
    assert terminal.operator() == before != "somebody-else"
