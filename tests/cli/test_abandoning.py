"""Abandoning an operation at the terminal: what a person sees, types and leaves behind; no program can do it."""

from pathlib import Path

import pytest

from ink_infra_mcp.cli.terminal import operator
from ink_infra_mcp.core.operation import Outcome
from tests.cli.stores import Shelf
from tests.cli.terminals import at_terminal, command, inside

WHY = ("--reason", "its server is gone")


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    """Return a store of its own, with one operation that a dead process left."""
    shelf = Shelf(tmp_path)
    shelf.operation("op-left", at=1_700_000_000, now_at="Delete shop")
    return shelf


def test_a_person_who_types_the_id_abandons_it(shelf: Shelf, capsys: pytest.CaptureFixture[str]) -> None:
    """The person reads what it did and holds, types its id, and finds it ended as failed in list and audit; the same
    command again says so and asks nothing.
    """
    with at_terminal("operations", "abandon", "op-left", *WHY, *shelf.flags) as person:
        person.expect("op-left: delete_app on shop, begun 2023-11-14T22:13:20Z for local:anna.")
        person.expect("Its process ex-1 is dead. It was at: Delete shop")
        person.expect("  [not known how far] Delete shop")
        person.expect("To abandon it, type op-left: ")
        person.type("op-left")
        person.expect(f"op-left was abandoned by terminal:{operator()}: its server is gone. Its targets are free")
        status = person.end()
    with at_terminal("operations", "abandon", "op-left", "--reason", "again", *shelf.flags) as person:
        person.expect(f"op-left was abandoned by terminal:{operator()}: its server is gone.")
        again = person.end()
    line = shelf.last_line()
    assert (status, again, line.event, line.outcome, line.principal) == (
        0,
        0,
        "end",
        "failed",
        f"terminal:{operator()}",
    )
    assert line.detail["reason"] == f"abandoned by terminal:{operator()}: its server is gone"
    assert "op-left  failed" in inside(capsys, "operations", *shelf.flags).out


def test_another_word_than_the_id_abandons_nothing(shelf: Shelf) -> None:
    """A reflex or another id changes nothing."""
    with at_terminal("operations", "abandon", "op-left", *WHY, *shelf.flags) as person:
        person.expect("To abandon it, type op-left: ")
        person.type("yes")
        person.expect("That is not op-left. Nothing was changed.")
        assert person.end() == 1
    assert shelf.audit() == ()


def test_no_program_can_abandon(shelf: Shelf) -> None:
    """What is piped in decides nothing: a model may have a shell."""
    ended = command("operations", "abandon", "op-left", *WHY, *shelf.flags, stdin="op-left\n")
    assert (ended.status, ended.out) == (1, "")
    assert ended.err.startswith("[approval_invalid] This decision is a person's.")
    assert shelf.audit() == ()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("abandon",), "its id and a reason must be given"),
        (("abandon", "op-left"), "its id and a reason must be given"),
        (("abandon", "op-left", "--reason", "\u200b "), "its id and a reason must be given"),
        (("list", "op-left"), "A list takes no id and no reason"),
    ],
)
def test_a_command_that_says_too_little_is_told_what_is_missing(
    shelf: Shelf, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], told: str
) -> None:
    """Nothing is abandoned without saying which and why."""
    ended = inside(capsys, "operations", *words, *shelf.flags)
    assert (ended.status, told in ended.err) == (1, True)
    shelf.operation("op-ended", at=1_700_000_001, outcome=Outcome.APPLIED)
