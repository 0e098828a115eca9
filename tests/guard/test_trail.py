"""Nothing acts before its line is on the disk, and what cannot be written down is not done, or waits."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import anyio
import pytest

from ink_infra_mcp.core.operation import Outcome
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.step import Handler, StepCall
from tests.guard.bed import CREATES, HELLO, STOP, Held, begun, lines, locked, nothing_is_written, told
from tests.guard.full_disk import STORE, accept_lines, refuse_lines
from tests.ink import data, ink, says_yes, text

pytestmark = pytest.mark.anyio

LIMIT_S = 120


async def test_begin_is_on_the_disk_before_the_first_write_reaches_a_vendor(tmp_path: Path) -> None:
    """At each step's start another connection finds the begin, and before the first step no emulator had a write."""
    seen: list[tuple[str, str, int]] = []

    def watch(kind: str, handler: Handler) -> Handler:
        async def run(call: StepCall) -> JsonObject:
            with closing(sqlite3.connect(tmp_path / "state" / STORE)) as db:
                query = "select event, principal from ink_audit where operation_id = ? and event = 'begin'"
                writes = len(it.journal) - len(before)
                seen.extend((*row, writes) for row in db.execute(query, (call.operation_id,)))
            return await handler(call)

        return run

    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, wrap_handler=watch) as it, it.client(says_yes()) as client:
            before = it.journal
            result = await client.call_tool("deploy_app", HELLO)
            writes = len(it.journal) - len(before)

    assert data(result)["outcome"] == "applied"
    assert writes > 1
    assert seen[0] == ("begin", "local:tester", 0)
    assert [row[:2] for row in seen] == [("begin", "local:tester")] * 5


async def test_the_line_of_each_step_follows_its_begin_and_precedes_the_end(tmp_path: Path) -> None:
    """Times never go back, every line of the operation names its approval and its plan, and the chain holds."""
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path) as it, it.client(says_yes()) as client:
            result = data(await client.call_tool("deploy_app", HELLO))
            story = await lines(it)

    own = [line for line in story if line.operation_id == result["operation_id"]]
    assert [line.event for line in own] == ["begin", *["step"] * 5, "end"]
    steps = ["create_app", "note_deployments", "note_containers", "deploy", "prove_isolation"]
    assert [line.detail.get("step") for line in own] == [None, *steps, None]
    assert {(line.approval_id, line.plan_digest) for line in story} == {(result["approval_id"], result["plan_digest"])}
    assert [line.at for line in story] == sorted(line.at for line in story)
    assert own[0].detail["channel"] == "elicitation"
    assert own[-1].detail["checks"] == dict.fromkeys(
        ("deployment", "isolation", "variables", "dns", "tls", "http"), "passed"
    )


@pytest.mark.parametrize("event", ["proposed", "approved", "begin"])
async def test_what_cannot_be_written_down_is_not_begun(tmp_path: Path, event: str) -> None:
    """Whichever line finds no room, the caller is told why and what to check, and no vendor gets a write."""
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path) as it, it.client(says_yes()) as client:
            await client.call_tool("control_app", {"app": "shop", "action": "start"})
            refuse_lines(tmp_path / "state", event)
            with nothing_is_written(it):
                result = await client.call_tool("control_app", STOP)
            assert await locked(it, f"app:{it.state.coolify.applications[0].uuid}") == []

    assert result.is_error
    assert "[state_unavailable] The state store" in text(result)
    assert "cannot be used: database or disk is full. Nothing was changed. Check free disk space" in text(result)


def overwritten(state: Path) -> None:
    """Leave something that is no database where the store should be."""
    (state / STORE).write_bytes(b"not a database at all" * 400)


def of_a_newer_version(state: Path) -> None:
    """Leave the store of a version that does not exist yet."""
    with closing(sqlite3.connect(state / STORE)) as db, db:
        db.execute("pragma journal_mode = wal")
        db.execute("create table ink_meta (key text primary key, value text not null)")
        db.execute("insert into ink_meta values ('schema', '999')")


def without_room_for_owners(state: Path) -> None:
    """Leave a file where the folder of the processes should be."""
    (state / "owners").write_text("a file", encoding="utf-8")


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (overwritten, "[state_corrupt] The state store"),
        (of_a_newer_version, "has schema 999; this version knows"),
        (without_room_for_owners, "[state_unavailable] The state folder"),
    ],
)
async def test_a_state_that_cannot_be_used_stops_every_change(
    tmp_path: Path, spoil: Callable[[Path], None], told: str
) -> None:
    """A damaged, a newer and an unusable state are each named; nothing is asked, changed or written into them."""
    (tmp_path / "state").mkdir(mode=0o700)
    spoil(tmp_path / "state")
    before = {file.name: file.read_bytes() for file in (tmp_path / "state").iterdir()}
    person = says_yes()
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path) as it, it.client(person) as client:
            with nothing_is_written(it):
                result = await client.call_tool("control_app", STOP)

    assert result.is_error
    assert told in text(result)
    assert "Nothing was changed." in text(result)
    assert person.asked == []
    assert {name: (tmp_path / "state" / name).read_bytes() for name in before if name != "owners"} == {
        name: content for name, content in before.items() if name != "owners"
    }


@pytest.mark.parametrize("event", ["step", "end"])
async def test_an_operation_whose_line_finds_no_room_waits_for_it(tmp_path: Path, event: str) -> None:
    """In the middle of an operation it neither goes on unwritten nor is lost: with room again it ends, done once."""
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, wrap_handler=Held("none")) as it:
            receipt = await begun(it, "control_app", {"app": "shop", "action": "start"})
            assert receipt.outcome is Outcome.ALREADY_SO
            refuse_lines(tmp_path / "state", event)
            running = await begun(it, "deploy_app", HELLO)
            operation = running.operation_id or ""
            waiting = await it.app.follow(operation, 1.0, None)
            assert waiting.outcome is Outcome.RUNNING
            assert "end applied" not in await told(it)
            accept_lines(tmp_path / "state")
            ended = await it.app.follow(operation, 30, None)
            story = await told(it)
            creations = [line for line in it.journal if CREATES in line]

    assert ended.outcome is Outcome.APPLIED
    assert story[-7:] == ["begin", *["step done"] * 5, "end applied"]
    assert creations == [CREATES]
