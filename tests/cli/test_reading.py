"""What operators read from the store: operations and the audit, shown, exported and verified."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from ink_infra_mcp.core.operation import Outcome
from ink_infra_mcp.tools import ALL
from tests.cli.stores import Shelf
from tests.cli.terminals import command, inside

LEAVES_EARLY = """
import subprocess, sys
with subprocess.Popen([sys.executable, "-m", "ink_infra_mcp", *sys.argv[1:]], stdout=subprocess.PIPE) as export:
    export.stdout.readline()
    export.stdout.close()
sys.exit(export.returncode)
"""


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    """Return a store of its own."""
    return Shelf(tmp_path)


def tamper(shelf: Shelf, statement: str) -> None:
    """Change the database behind the product's back."""
    with closing(sqlite3.connect(shelf.folder / "state.sqlite3")) as db, db:
        db.execute(statement)


def test_operations_are_listed_newest_first(shelf: Shelf, capsys: pytest.CaptureFixture[str]) -> None:
    """Each line says what came of a plan, or where it is, for whom, and who approved it."""
    shelf.operation("op-old", at=1_700_000_000, outcome=Outcome.APPLIED)
    shelf.operation("op-new", at=1_700_000_600, now_at="Delete shop")
    shelf.operation("op-oldest", at=1_600_000_000, outcome=Outcome.FAILED)
    ended = inside(capsys, "operations", "--limit", "2", *shelf.flags)
    table = [line.split() for line in ended.out.splitlines()]
    head = "id outcome tool target began ended asked by approved by"
    new = "op-new running: Delete shop delete_app shop 2023-11-14T22:23:20Z - local:anna ticket"
    old = "op-old applied delete_app shop 2023-11-14T22:13:20Z 2023-11-14T22:14:20Z local:anna ticket"
    assert (ended.status, table) == (0, [head.split(), new.split(), old.split()])


def test_no_operations_are_said_to_be_none(shelf: Shelf, capsys: pytest.CaptureFixture[str]) -> None:
    """An empty list says so."""
    assert inside(capsys, "operations", *shelf.flags).out == "No operation has begun yet.\n"


def test_the_audit_shows_the_newest_lines_in_order(shelf: Shelf, capsys: pytest.CaptureFixture[str]) -> None:
    """--limit takes the newest lines, and the oldest of them stands first."""
    shelf.write("begin", "step", "end")
    ended = inside(capsys, "audit", "--limit", "2", *shelf.flags)
    assert ended.out.splitlines() == [
        "line  at                    event  tool        target  by          outcome  operation  approval",
        "2     1970-01-01T00:00:01Z  step   delete_app          local:anna",
        "3     1970-01-01T00:00:01Z  end    delete_app          local:anna",
    ]


def test_an_export_has_every_line_whole(shelf: Shelf, capsys: pytest.CaptureFixture[str]) -> None:
    """--json gives all lines, however many, with everything that the chain's hashes are made of."""
    shelf.write(*["begin", "end"] * 300)
    exported = json.loads(inside(capsys, "audit", "--json", *shelf.flags).out)
    assert exported == [line.model_dump(mode="json") for line in shelf.audit()]
    assert len(json.loads(inside(capsys, "audit", "--json", "--limit", "7", *shelf.flags).out)) == 7


def test_a_whole_audit_is_verified(shelf: Shelf, capsys: pytest.CaptureFixture[str]) -> None:
    """The answer has the count and the last hash, to compare with an export: a cut-off end shows only there."""
    shelf.write("begin", "end")
    last = shelf.last_line().hash
    ended = inside(capsys, "audit", "verify", *shelf.flags)
    assert (ended.status, ended.out) == (0, f"The audit is whole. Lines: 2; hash of the last one: {last}.\n")
    said = json.loads(inside(capsys, "audit", "verify", "--json", *shelf.flags).out)
    assert said == {"whole": True, "lines": 2, "last_hash": last}


@pytest.mark.parametrize(
    "statement",
    [
        "update ink_audit set principal = 'local:mallory' where seq = 2",
        "delete from ink_audit where seq = 2",
        "update ink_audit set seq = seq + 100 where seq = 2",
    ],
)
def test_the_first_bad_line_is_named(shelf: Shelf, statement: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A changed, removed or moved line breaks the chain at its place, and the exit status is 1."""
    shelf.write("begin", "step", "end")
    tamper(shelf, statement)
    ended = inside(capsys, "audit", "verify", *shelf.flags)
    assert (ended.status, ended.out.split(":")[0]) == (1, "BROKEN. The audit is broken at line 2")
    said = json.loads(inside(capsys, "audit", "verify", "--json", *shelf.flags).out)
    assert (said["whole"], "line 2" in said["why"]) == (False, True)


def test_a_reader_that_leaves_is_no_error(shelf: Shelf) -> None:
    """Piping an export into a program that stops reading ends quietly."""
    shelf.write(*["begin"] * 1_500)
    ended = command("audit", "--json", *shelf.flags, module=("-c", LEAVES_EARLY))
    assert (ended.status, ended.err) == (0, "")


@pytest.mark.parametrize(
    "words", [("audit", "--limit", "0"), ("operations", "--limit", "-3"), ("operations", "--limit", "x")]
)
def test_a_limit_that_is_no_count_is_refused(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    """A limit of nothing, or below, is bad usage."""
    ended = inside(capsys, *words)
    assert (ended.status, "must be a whole number above 0" in ended.err) == (2, True)


def test_a_store_that_cannot_be_named_is_told(shelf: Shelf, capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong --state is a sentence, not a trace, with and without the sandbox."""
    for flags in (("--sandbox",), ("--config", str(shelf.folder / "none.toml"))):
        ended = inside(capsys, "approvals", *flags, "--state", "mysql://anna:secret@db.example.com/ink")
        assert (ended.status, ended.err.startswith("[invalid_config] "), "secret" in ended.err) == (1, True, False)


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (("operations",), {"operations": []}),
        (("approvals",), {"approvals": []}),
        (("audit",), []),
        (("contracts",), {"contracts": len(ALL), "differ": {}, "mended": False}),
    ],
)
def test_json_is_one_document_also_when_there_is_nothing(
    words: tuple[str, ...], wanted: object, shelf: Shelf, capsys: pytest.CaptureFixture[str]
) -> None:
    """A program reads an empty list where a person reads that there is nothing."""
    flags = () if words == ("contracts",) else shelf.flags
    ended = inside(capsys, *words, "--json", *flags)
    assert (ended.status, ended.err, json.loads(ended.out)) == (0, "", wanted)


def test_operations_and_approvals_are_told_as_json(shelf: Shelf, capsys: pytest.CaptureFixture[str]) -> None:
    """Each has what the table has, by names that a program can rely on."""
    shelf.operation("op-new", at=1_700_000_600, now_at="Delete shop")
    [operation] = json.loads(inside(capsys, "operations", "--json", *shelf.flags).out)["operations"]
    assert operation == {
        "id": "op-new",
        "outcome": "running: Delete shop",
        "tool": "delete_app",
        "target": "shop",
        "began": "2023-11-14T22:23:20Z",
        "ended": "-",
        "asked_by": "local:anna",
        "approved_by": "ticket",
    }


@pytest.mark.parametrize(
    "words",
    [("operations", "abandon", "op-1", "--reason", "because"), ("audit", "accept-loss", "--reason", "because")],
)
def test_a_decision_prints_no_json(words: tuple[str, ...], shelf: Shelf, capsys: pytest.CaptureFixture[str]) -> None:
    """What a person decides is talked about in words: --json there is refused, as one document."""
    ended = inside(capsys, *words, "--json", *shelf.flags)
    assert (ended.status, json.loads(ended.out)["error"]["code"]) == (1, "invalid_input")
