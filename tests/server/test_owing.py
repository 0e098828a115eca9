"""A client that says all it has to say and closes its side at once still gets every answer."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import types
from mcp.shared.message import SessionMessage

from ink_infra_mcp.server.owing import Owing, watched
from tests.server.raw import MODERN, envelope
from tests.server.test_stdio import CLIENT, SERVE

LIMIT_S = 60
LONG_S, AT_ONCE_S = 30.0, 0.0
ASKS: dict[str, Any] = {"elicitation": {}}
GREETING = [
    {
        "id": 1,
        "method": "initialize",
        "params": {"protocolVersion": "2025-11-25", "capabilities": ASKS, "clientInfo": CLIENT},
    },
    {"method": "notifications/initialized"},
    {"id": 2, "method": "tools/list"},
    {"id": 3, "method": "prompts/list"},
]
CALLS: list[dict[str, Any]] = [
    {"id": 4, "method": "tools/call", "params": {"name": "list_apps", "arguments": {}}},
    {"id": 5, "method": "tools/call", "params": {"name": "get_fleet", "arguments": {}}},
]


def told(folder: Path, *options: str, said: list[dict[str, Any]], status: int = 0) -> dict[object, dict[str, Any]]:
    """Return the answers by id that a server gave whose client wrote all of it at once and closed its side."""
    lines = "".join(json.dumps({"jsonrpc": "2.0", **message}) + "\n" for message in said)
    words = (*SERVE, "--state", f"sqlite:///{folder}/state.sqlite3", *options)
    done = subprocess.run(words, input=lines.encode(), capture_output=True, check=False, timeout=LIMIT_S)
    assert done.returncode == status, done.stderr.decode()
    heard = [json.loads(line) for line in done.stdout.splitlines()]
    answers = [message for message in heard if "method" not in message]
    found = {message["id"]: message for message in answers}
    assert len(found) == len(answers)
    return found


def test_what_is_answered_ahead_is_answered_to_who_has_gone_on(tmp_path: Path) -> None:
    """First questions alone need no whole server."""
    found = told(tmp_path, said=GREETING)
    assert {about: "result" in answer for about, answer in found.items()} == dict.fromkeys((1, 2, 3), True)


@pytest.mark.parametrize("options", [(), ("--toolsets", "apps,fleet")])
def test_calls_are_answered_although_the_client_has_closed_its_side(tmp_path: Path, options: tuple[str, ...]) -> None:
    """Whether or not the beginning was answered ahead, each request has its one answer, and the server ends well."""
    found = told(tmp_path, *options, said=[*GREETING, *CALLS])
    assert sorted(map(str, found)) == ["1", "2", "3", "4", "5"]
    texts = {about: found[about]["result"]["content"][0]["text"] for about in (4, 5)}
    assert all(text.startswith("[sandbox: ") for text in texts.values())
    assert "shop" in texts[4]


def test_a_client_of_the_newest_protocol_is_answered_and_its_subscription_keeps_nobody(tmp_path: Path) -> None:
    """The one request that has no answer until the client goes is not waited for."""
    more = {"_meta": envelope({})}
    listen = {"notifications": {"resourceSubscriptions": ["fleet://overview"]}}
    said = [
        {"id": "a", "method": "server/discover", "params": more},
        {"id": "b", "method": "subscriptions/listen", "params": {**listen, **more}},
        {"id": "c", "method": "tools/call", "params": {"name": "list_apps", "arguments": {}, **more}},
    ]
    found = told(tmp_path, said=said)
    assert found["a"]["result"]["supportedVersions"] == [MODERN]
    assert "shop" in found["c"]["result"]["content"][0]["text"]


def test_a_question_that_nobody_can_answer_any_more_is_no_yes_and_the_call_is_answered(tmp_path: Path) -> None:
    """Whoever writes a call that needs a yes and goes is told that nothing was changed."""
    change = {"name": "control_app", "arguments": {"app": "shop", "action": "restart"}}
    found = told(tmp_path, said=[*GREETING, {"id": 6, "method": "tools/call", "params": change}])
    result = found[6]["result"]["structuredContent"]
    assert (result["outcome"], result["message"].partition(".")[2]) == ("not_approved", " Nothing was changed.")


def request(about: int | str, method: str = "tools/call") -> types.JSONRPCRequest:
    """Return a request."""
    return types.JSONRPCRequest(jsonrpc="2.0", id=about, method=method)


def answer(about: int | str) -> types.JSONRPCResponse:
    """Return the answer to a request."""
    return types.JSONRPCResponse(jsonrpc="2.0", id=about, result={})


def cancelled(about: int | str) -> types.JSONRPCNotification:
    """Return that a request is not waited for any more."""
    return types.JSONRPCNotification(jsonrpc="2.0", method="notifications/cancelled", params={"requestId": about})


def never() -> bool:
    """Say that somebody reads."""
    return False


async def waits(
    *came: types.JSONRPCMessage,
    went: tuple[types.JSONRPCMessage, ...] = (),
    is_gone: Callable[[], bool] = never,
    most_s: float = LONG_S,
    within_s: float = 0.2,
) -> bool:
    """Return whether the end of the lines is kept back longer than a moment."""
    owing, (to, reads) = Owing(is_gone), anyio.create_memory_object_stream[SessionMessage | Exception](9)
    async with to, reads:
        for message in came:
            owing.came(message)
        for message in went:
            owing.went(message)
        with anyio.move_on_after(within_s) as moment:
            await owing.settled(to, most_s=most_s)
    return moment.cancelled_caught


@pytest.mark.anyio
async def test_only_what_will_be_answered_is_waited_for() -> None:
    """Not what was answered, taken back, stays open for ever, or nobody reads; and nothing longer than the limit."""
    assert await waits(request(1))
    assert await waits(request(1), request(1), went=(answer(1),))
    assert await waits(request(1), cancelled(2))
    seen = [
        await waits(),
        await waits(request(1), went=(answer(1),)),
        await waits(request("1"), went=(answer(1),)),
        await waits(request(1), cancelled(1)),
        await waits(request(1, "subscriptions/listen")),
        await waits(request(1), is_gone=lambda: True, within_s=LONG_S),
        await waits(request(1), most_s=AT_ONCE_S),
    ]
    assert seen == [False] * len(seen)


@pytest.mark.anyio
async def test_who_asks_a_client_that_has_gone_is_told_so() -> None:
    """Each open question gets the SDK's own word for that, those too that are asked afterwards."""
    heard: list[SessionMessage | Exception] = []
    owing, (to, reads) = Owing(never), anyio.create_memory_object_stream[SessionMessage | Exception](9)
    async with to, reads, anyio.create_task_group() as group:
        owing.came(request(1))
        owing.went(request("asked before"))
        with anyio.fail_after(LONG_S):
            group.start_soon(owing.settled, to)
            heard.append(await reads.receive())
            owing.went(request("asked after"))
            heard.append(await reads.receive())
            owing.went(answer(1))
    told_them = [each.message for each in heard if isinstance(each, SessionMessage)]
    assert [(each.id, each.error.code) for each in told_them if isinstance(each, types.JSONRPCError)] == [
        ("asked before", types.CONNECTION_CLOSED),
        ("asked after", types.CONNECTION_CLOSED),
    ]


def test_a_pipe_tells_when_nobody_reads_it_any_more() -> None:
    """It is asked by a handle of its own, whatever becomes of the one that was given."""
    reads, writes = os.pipe()
    with watched(writes) as is_gone:
        os.close(writes)
        before = is_gone()
        os.close(reads)
        assert (before, is_gone()) == (False, True)
