"""Calls that are refused before a tool sees them leave a line in the audit: one each, of a bounded number, no value."""

import sys
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp import MCPError
from mcp.types import ElicitResult

from ink_infra_mcp.core.errors import StateUnavailable
from ink_infra_mcp.guard.caller import Refusal, RefusalKind
from ink_infra_mcp.guard.refusals import MOST, WINDOW_S, Bound, Refusals, Room
from ink_infra_mcp.state import audit
from ink_infra_mcp.state.records import AuditEvent, AuditLine
from ink_infra_mcp.state.store import Store
from tests.clock import FakeClock
from tests.guard.bed import lines, nothing_is_written
from tests.ink import ERAS, PRINCIPAL, Era, Ink, data, ink, says_yes
from tests.server.test_bad_lines import SERVE, greeted
from tests.state.stores import sqlite_store
from tests.wire import connect

LIMIT_S = 120
VALUE = "hunter2-hunter2"


def event(kind: str, tool: str, *, arguments: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return what a line of a refused call says, without its place and time."""
    about = {"event": "refused", "principal": PRINCIPAL, "tool": tool, "outcome": kind}
    return AuditEvent(at=0.0, **about, detail={"arguments": [*arguments]} if arguments else {}).model_dump()


def said(found: tuple[AuditLine, ...]) -> list[dict[str, Any]]:
    """Return what lines say, without their place and time."""
    return [{**line.model_dump(exclude={"seq", "previous", "hash"}), "at": 0.0} for line in found]


async def refused(it: Ink) -> list[dict[str, Any]]:
    """Return what the lines of refused calls say, and see to it that no value of a call is in any line."""
    found = await lines(it)
    assert VALUE not in str(found)
    return [line for line in said(found) if line["event"] == "refused"]


@pytest.mark.anyio
@pytest.mark.parametrize("era", ERAS)
async def test_unknown_tools_and_bad_arguments_leave_one_line_each(tmp_path: Path, era: Era) -> None:
    """The line says who, which tool and which of its arguments, and nothing of what was in them."""
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path) as it, it.client(says_yes(), era=era) as client:
            with nothing_is_written(it):
                for tool, arguments in (
                    ("destroy_app", {"app": VALUE}),
                    (f"Destroy {VALUE}", {}),
                    ("get_app", {"app": [VALUE], "detail": VALUE, VALUE: VALUE}),
                    ("delete_app", {"app": "shop", "confirm": VALUE}),
                    ("delete_app", {"app": VALUE}),
                    ("get_app", {"app": VALUE}),
                ):
                    assert (await client.call_tool(tool, arguments)).is_error
            found = await refused(it)
    assert found == [
        event("unknown_tool", "destroy_app"),
        event("unknown_tool", "(no name)"),
        event("bad_arguments", "get_app", arguments=("app",)),
        event("bad_arguments", "delete_app"),
        event("bad_arguments", "delete_app"),
    ]


@pytest.mark.anyio
async def test_a_forged_state_leaves_one_line(tmp_path: Path) -> None:
    """A state that this server did not seal is refused, and who tried it stands in the audit."""
    yes: Any = {"approval": ElicitResult(action="accept", content={"name": "shop"})}
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path) as it, it.client(says_yes()) as client:
            with nothing_is_written(it), pytest.raises(MCPError, match="Invalid or expired requestState"):
                await client.session.call_tool(
                    "delete_app",
                    {"app": "shop"},
                    input_responses=yes,
                    request_state=f"v1.{VALUE}",
                    allow_input_required=True,
                )
            assert await refused(it) == [event("forged_state", "delete_app")]


@pytest.mark.anyio
@pytest.mark.parametrize("era", ERAS)
async def test_what_an_app_can_go_back_to_is_asked_without_a_line(tmp_path: Path, era: Era) -> None:
    """`rollback_app` without `to` is a question; with the image that runs it is a change that was not needed."""
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path) as it, it.client(says_yes(), era=era) as client:
            listed = await client.call_tool("rollback_app", {"app": "shop"})
            before = await lines(it)
            current = data(listed)["message"].split(" runs ")[1].split(".")[0]
            await client.call_tool("rollback_app", {"app": "shop", "to": current})
            after = await lines(it)
    assert data(listed)["outcome"] == "already_so"
    assert "Earlier images: " in data(listed)["message"]
    assert before == ()
    assert [(line.event, line.outcome) for line in after] == [("stopped", "already_so")]


@pytest.mark.parametrize("era", ERAS)
def test_a_loop_of_refused_calls_leaves_a_bounded_number_of_lines(tmp_path: Path, era: Era) -> None:
    """A server as clients start it: the lines stop with one that says so, and other kinds still have theirs."""
    state = f"sqlite:///{tmp_path}/state.sqlite3"
    with connect((*SERVE, "--state", state)) as wire:
        more = greeted(wire, era)
        for _ in range(MOST + 10):
            answer = wire.request("tools/call", {"name": "destroy_app", "arguments": {}, **more})
            assert answer["isError"]
        wire.request("tools/call", {"name": "get_app", "arguments": {"app": [7]}, **more})
    store = Store(state)
    found = store.run_sync(lambda c: audit.read(c, limit=1000))
    assert store.run_sync(audit.verify) == len(found)
    store.close()
    assert [(line.outcome, line.tool) for line in found] == [
        *[("unknown_tool", "destroy_app")] * MOST,
        ("unknown_tool", ""),
        ("bad_arguments", "get_app"),
    ]
    assert str(found[MOST].detail["more"]).startswith("more of these are left out until 20")


def test_a_refused_call_opens_the_store_and_nothing_else(tmp_path: Path) -> None:
    """No pretend world, no vendor's client, no engine is opened for writing a line."""
    state, out = f"sqlite:///{tmp_path}/state.sqlite3", tmp_path / "modules"
    program = (
        "import sys, atexit, pathlib; out = pathlib.Path(sys.argv.pop(1))\n"
        "atexit.register(lambda: out.write_text(' '.join(sorted(sys.modules)), encoding='utf-8'))\n"
        "sys.argv = ['ink-infra-mcp', *sys.argv[1:]]\n"
        "from ink_infra_mcp.__main__ import main; main()"
    )
    with connect((sys.executable, "-c", program, str(out), "serve", "--sandbox", "--state", state)) as wire:
        wire.initialize()
        assert wire.request("tools/call", {"name": "destroy_app", "arguments": {}})["isError"]
    loaded = set(out.read_text(encoding="utf-8").split())
    assert "ink_infra_mcp.guard.refusals" in loaded
    heavy = ("ink_infra_mcp.app", "ink_infra_mcp.sandbox.world", "ink_infra_mcp.tools", "dbos", "asyncssh", "hcloud")
    assert [name for name in heavy if name in loaded] == []


def refusal(kind: RefusalKind = "unknown_tool") -> Refusal:
    """Return a refused call."""
    return Refusal(kind=kind, principal=PRINCIPAL, tool="destroy_app")


@pytest.mark.anyio
async def test_after_the_hour_there_are_lines_again(tmp_path: Path) -> None:
    """What was left out is over with its window: the next refused call has its line."""
    clock = FakeClock()
    with sqlite_store(tmp_path) as store:
        refusals = Refusals(store, clock)
        for _ in range(MOST + 3):
            await refusals.note(refusal())
        clock.advance(WINDOW_S)
        await refusals.note(refusal())
        found = store.run_sync(lambda c: audit.read(c, limit=100))
    assert len(found) == MOST + 2
    assert said(found)[-1] == event("unknown_tool", "destroy_app")
    assert found[MOST].detail["more"] == (
        "more of these are left out until 2026-01-02T04:04:05Z; the log at --log-level info has them"
    )


@pytest.mark.anyio
async def test_a_store_that_is_away_changes_no_refusal(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The line is missed in the log, and the caller is refused as ever."""

    class Away(Store):
        """A store that cannot be used."""

        def run_sync(self, work: Any) -> Any:
            """Fail."""
            raise StateUnavailable("The state store is away.")

    with anyio.fail_after(LIMIT_S):
        await Refusals(Away(f"sqlite:///{tmp_path}/state.sqlite3"), FakeClock()).note(refusal())
    assert [record.getMessage() for record in caplog.records] == [
        "a refused call could not be written down: The state store is away. Nothing was changed."
    ]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 2 * WINDOW_S)), max_size=60))
def test_no_hour_has_more_lines_of_a_kind_than_two_windows_let_through(steps: list[tuple[str, float]]) -> None:
    """Whatever comes in whatever order: an hour touches two windows at most."""
    bound, now = Bound(most=2), 0.0
    taken: dict[str, list[tuple[float, Room]]] = {}
    for kind, later in steps:
        now += later / 20
        taken.setdefault(kind, []).append((now, bound.take(kind, now)))
    for rooms in taken.values():
        assert rooms[0][1] is Room.LINE
        for at, _ in rooms:
            within = [room for when, room in rooms if at <= when < at + WINDOW_S]
            assert within.count(Room.LAST) <= 2
            assert within.count(Room.LINE) <= 2 * 2
