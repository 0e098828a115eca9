"""An audit whose end is lost: every command says so, and only a person at a terminal can accept it."""

import json
import os
from contextlib import closing
from pathlib import Path

import anyio
import pytest

from ink_infra_mcp.cli.doctor_checks import check_state
from ink_infra_mcp.cli.doctor_ground import Ground
from ink_infra_mcp.cli.doctor_report import Section
from ink_infra_mcp.cli.terminal import operator
from ink_infra_mcp.core.errors import StateCorrupt
from ink_infra_mcp.core.redact import Redactor
from ink_infra_mcp.state import audit
from ink_infra_mcp.state.store import Store
from ink_infra_mcp.state.witness import Witness
from tests.cli.stores import Shelf
from tests.cli.terminals import at_terminal, command, inside
from tests.ink import ERAS, Era
from tests.server.test_bad_lines import DELETE, SERVE, greeted
from tests.state.stores import file_of, rewrite
from tests.wire import connect

WHY = ("--reason", "the disk of the old machine died")
GONE = "is gone: its audit had 3 lines at least."


@pytest.fixture
def gone(tmp_path: Path) -> Shelf:
    """Return where a store was that had three lines."""
    shelf = Shelf(tmp_path)
    shelf.write("begin", "step", "end")
    file_of(tmp_path).unlink()
    return shelf


@pytest.mark.parametrize("words", [("approvals",), ("operations",), ("audit",), ("audit", "--json"), ("deny", "ap-1")])
def test_no_command_takes_a_lost_store_for_a_new_one(gone: Shelf, words: tuple[str, ...]) -> None:
    """Each ends with what is lost and what to do, and makes no new store in its place."""
    if words[0] == "deny":
        with at_terminal(*words, *gone.flags) as person:
            person.expect(GONE)
            status = person.end()
    else:
        ended = command(*words, *gone.flags)
        told = json.loads(ended.out)["error"]["code"] if "--json" in words else ended.out
        assert (ended.status, told) == (1, "state_corrupt" if "--json" in words else "")
        assert ended.err.startswith("[state_corrupt] The state store ")
        assert f"{GONE} Nothing was changed. Restore a backup of the state" in ended.err
        status = ended.status
    assert (status, file_of(gone.folder).exists()) == (1, False)


def test_verifying_a_lost_audit_is_not_whole_with_no_lines(gone: Shelf, capsys: pytest.CaptureFixture[str]) -> None:
    """`audit verify` says that it is broken, with status 1, for people and for programs."""
    ended = inside(capsys, "audit", "verify", *gone.flags)
    said = json.loads(inside(capsys, "audit", "verify", "--json", *gone.flags).out)
    assert ended.status == 1
    assert ended.out.startswith("BROKEN. The state store ")
    assert GONE in ended.out
    assert (said["whole"], GONE in said["why"]) == (False, True)


@pytest.mark.anyio
async def test_the_doctor_fails_on_a_lost_audit(gone: Shelf) -> None:
    """The check of the state store is no green line then."""
    ground = Ground(
        state_url=gone.url, secrets={}, redact=Redactor(), section=Section(name="configuration", findings=())
    )
    with anyio.fail_after(30), pytest.raises(StateCorrupt, match="is gone: its audit had 3 lines at least"):
        await check_state(ground)


def test_a_person_accepts_a_loss_and_the_audit_keeps_that(gone: Shelf, capsys: pytest.CaptureFixture[str]) -> None:
    """Who typed the word, why, and what was lost is the first line of the new chain; then everything opens again."""
    with at_terminal("audit", "accept-loss", *WHY, *gone.flags) as person:
        person.expect(GONE)
        person.expect("Accepting brings nothing back.")
        person.expect("To accept it, type lost: ")
        person.type("lost")
        person.expect("Accepted, in line 1 of the audit.")
        status = person.end()
    line = gone.last_line()
    assert (status, line.event, line.principal) == (0, "loss accepted", f"terminal:{operator()}")
    assert line.detail == {
        "lost": f"The state store sqlite:///{file_of(gone.folder)} {GONE}",
        "reason": "the disk of the old machine died",
    }
    assert inside(capsys, "audit", "verify", *gone.flags).out.startswith("The audit is whole. Lines: 1;")
    gone.write("begin")
    assert Witness(file_of(gone.folder)).read() == audit_end(gone)


def test_a_cut_end_is_accepted_and_the_chain_goes_on_from_what_is_left(tmp_path: Path) -> None:
    """What is left stays a whole chain, with the acceptance behind it."""
    shelf = Shelf(tmp_path)
    shelf.write("begin", "step", "end")
    rewrite(tmp_path, "delete from ink_audit where seq > 1")
    with at_terminal("audit", "accept-loss", *WHY, *shelf.flags) as person:
        person.expect("The audit is cut: its last line is 1, and the store knows of 3.")
        person.type("lost")
        person.expect("Accepted, in line 2 of the audit.")
        assert person.end() == 0
    assert [line.event for line in shelf.audit()] == ["begin", "loss accepted"]
    with closing(Store(shelf.url)) as store:
        assert store.run_sync(lambda c: audit.verify(c, store.remembered())) == 2


def test_another_word_accepts_nothing(gone: Shelf) -> None:
    """A reflex leaves everything refused as it was, and makes no store."""
    with at_terminal("audit", "accept-loss", *WHY, *gone.flags) as person:
        person.expect("type lost: ")
        person.type("yes")
        person.expect("That is not lost. Nothing was changed.")
        assert person.end() == 1
    assert not file_of(gone.folder).exists()


def test_no_program_accepts_a_loss(gone: Shelf) -> None:
    """The word cannot be piped in: a model may have a shell."""
    ended = command("audit", "accept-loss", *WHY, *gone.flags, stdin="lost\n")
    assert (ended.status, ended.err.split(".")[0]) == (1, "[approval_invalid] This decision is a person's")
    assert not file_of(gone.folder).exists()


def test_a_loss_is_accepted_for_a_reason_only(gone: Shelf) -> None:
    """Without --reason it is not even asked."""
    ended = command("audit", "accept-loss", *gone.flags)
    assert (ended.status, ended.err.split(".")[0]) == (1, "[invalid_input] To accept a loss, a reason must be given")


def test_where_nothing_is_lost_there_is_nothing_to_accept(tmp_path: Path) -> None:
    """A whole audit gets no line of a loss."""
    shelf = Shelf(tmp_path)
    shelf.write("begin", "end")
    with at_terminal("audit", "accept-loss", *WHY, *shelf.flags) as person:
        person.expect("There is nothing to accept, and nothing was changed.")
        assert person.end() == 1
    assert [line.event for line in shelf.audit()] == ["begin", "end"]


@pytest.mark.parametrize("era", ERAS)
def test_a_server_on_a_lost_store_changes_nothing_and_shows_no_empty_audit(gone: Shelf, era: Era) -> None:
    """A client is told what is lost by every tool that needs the store; reading the fleet goes on."""
    with connect((*SERVE, "--state", gone.url)) as wire:
        more = greeted(wire, era)
        said = [wire.request("tools/call", {**DELETE, **more})]
        for name in ("get_audit", "list_operations"):
            said.append(wire.request("tools/call", {"name": name, "arguments": {}, **more}))
        fleet = wire.request("tools/call", {"name": "get_fleet", "arguments": {}, **more})
        unknown = wire.request("tools/call", {"name": "destroy_app", "arguments": {}, **more})
    for result in said:
        assert result["isError"]
        assert result["content"][0]["text"].startswith("[state_corrupt] The state store ")
        assert f"{GONE} Nothing was changed." in result["content"][0]["text"]
    assert not fleet.get("isError", False)
    assert unknown["content"][0]["text"].startswith("[unknown_name]")
    assert not file_of(gone.folder).exists()


def test_a_fresh_sandbox_begins_a_fresh_audit(tmp_path: Path) -> None:
    """--fresh forgets what is remembered with what it remembers."""
    environment = {**os.environ, "XDG_STATE_HOME": str(tmp_path)}
    rows: list[int] = []
    for flag in ((), ("--fresh",)):
        with connect((*SERVE, *flag), environment=environment) as wire:
            wire.initialize()
            wire.request("tools/call", {"name": "destroy_app", "arguments": {}})
            seen = wire.request("tools/call", {"name": "get_audit", "arguments": {}})["structuredContent"]
            rows.append(len(seen["rows"]))
            assert seen["chain"].startswith("verified, 1 ")
    assert rows == [1, 1]
    assert [*tmp_path.rglob("*.audit-end")] != []


def audit_end(shelf: Shelf) -> object:
    """Return the end of the audit, as the store knows it."""
    with closing(Store(shelf.url)) as store:
        return store.run_sync(audit.end_of)
