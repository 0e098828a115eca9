"""Lines that are no messages and answers that are none, to the server as a client starts it, in both eras."""

import json
import sys
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp.types import INVALID_REQUEST, PARSE_ERROR

from ink_infra_mcp.server.incoming import MAX_LINE, read_line
from tests.guard.bed import nothing_is_written, told
from tests.ink import ERAS, Era, ink
from tests.server.raw import Raw, envelope, raw
from tests.server.test_operations import server_of
from tests.server.test_stdio import LEGACY
from tests.wire import Wire, connect

SERVE = (sys.executable, "-m", "ink_infra_mcp", "serve", "--sandbox", "--speed", "100")
FORMS: dict[str, Any] = {"elicitation": {}}
DELETE: dict[str, Any] = {"name": "delete_app", "arguments": {"app": "shop", "wait_s": 5}}
RIGHT: dict[str, Any] = {"action": "accept", "content": {"name": "shop"}}
HALF = "\ud800"
BAD_LINES = [
    (b"not json", PARSE_ERROR),
    (b"[]", INVALID_REQUEST),
    (b'[{"jsonrpc": "2.0", "id": 50, "method": "ping"}]', INVALID_REQUEST),
    (b"{}", INVALID_REQUEST),
    (b"[" * 50_000, PARSE_ERROR),
    (b"\xff\xfe", PARSE_ERROR),
    (b'{"jsonrpc": "2.0", "method": "tools/list", "id": [7]}', INVALID_REQUEST),
    (b'"' + b"x" * MAX_LINE + b'"', PARSE_ERROR),
]
NO_ANSWERS: list[Any] = [
    {**RIGHT, "action": "approve"},
    {**RIGHT, "action": None},
    {"content": {"name": "shop"}},
    {"action": "accept", "content": ["shop"]},
    {"action": "accept", "content": "shop"},
    {"action": "accept", "content": {"name": ["shop"]}},
    {"action": "accept", "content": {"name": {"name": "shop"}}},
    {"action": "accept", "content": {"name": 7}},
    {"action": "accept", "content": {"name": None}},
    {"action": "accept", "content": {"name": HALF}},
    {"action": "accept", "content": {"name": "shop", "confirm": True}},
    {"action": "accept", "content": {HALF: "shop"}},
    {"action": "accept", "content": None},
    {"action": "accept"},
    {},
    [],
    None,
    True,
    "accept",
]
"""None of these is the answer that was asked for; only the last word of most is wrong."""


def greeted(wire: Wire, era: Era) -> dict[str, Any]:
    """Greet the server as a client that can ask; return what belongs into every request."""
    if era == "auto":
        return {"_meta": envelope(FORMS)}
    about = {"protocolVersion": LEGACY[-1], "capabilities": FORMS, "clientInfo": {"name": "wire", "version": "1"}}
    wire.request("initialize", about)
    wire.notify("notifications/initialized")
    return {}


@pytest.mark.parametrize(("written", "id_"), [(b"71.0", 71), (b"7.5", None), (b"true", None), (b"1e2", 100)])
def test_a_number_that_is_whole_is_an_id_however_it_is_written(written: bytes, id_: int | None) -> None:
    """JSON has one kind of number: 71.0 is 71, and whoever sent it hears of it under that."""
    read = read_line(b'{"jsonrpc": "2.0", "method": "ping", "params": 7, "id": ' + written + b"}")
    assert read.refusal is not None
    assert read.refusal.id == id_


@pytest.mark.parametrize("era", ERAS)
def test_every_bad_line_has_an_answer_and_the_server_goes_on(era: Era) -> None:
    """What is no message is told so at once, before the first request as after it, and harms none that follows."""
    with connect(SERVE) as wire:
        heard: list[tuple[Any, int]] = []
        more: dict[str, Any] = {}
        for _ in range(2):
            for bad, _code in BAD_LINES:
                wire.say(bad)
                answer = wire.hear()
                heard.append((answer["id"], answer["error"]["code"]))
            more = greeted(wire, era) if len(heard) == len(BAD_LINES) else more
            wire.say(b"")
            assert wire.request("tools/list", more)["tools"]
    assert heard == [(None, code) for _, code in BAD_LINES] * 2


@pytest.mark.parametrize("era", ERAS)
def test_half_a_pair_anywhere_in_a_call_has_an_answer(era: Era) -> None:
    """In an argument it is refused like any bad argument; elsewhere it is no request. The server says it nowhere."""
    with connect(SERVE) as wire:
        more = greeted(wire, era)
        refused = wire.request("tools/call", {"name": "get_app", "arguments": {"app": HALF}, **more})
        wire.say(json.dumps({"jsonrpc": "2.0", "id": 90, "method": "tools/call", "params": {"name": HALF}}).encode())
        unknown = wire.hear()
        key = {**DELETE, "arguments": {HALF: 1}, **more}
        wire.say(json.dumps({"jsonrpc": "2.0", "id": 91, "method": "tools/call", "params": key}).encode())
        named = wire.hear()
        assert wire.request("tools/list", more)["tools"]
    assert refused["isError"]
    assert refused["content"][0]["text"].startswith("[invalid_input] Nothing was done. app: ")
    assert (unknown["id"], unknown["error"]["code"]) == (90, INVALID_REQUEST)
    assert (named["id"], named["result"]["isError"]) == (91, True)
    assert "unable to parse raw data as a unicode string" in named["result"]["content"][0]["text"]


@pytest.mark.timeout(165)
def test_an_answer_in_mid_call_that_is_none_is_a_no() -> None:
    """Whatever comes back in the place of an answer, the plan is turned down and nothing is deleted."""
    outcomes: list[str] = []
    with connect(SERVE) as wire:
        greeted(wire, "legacy")
        for number, bad in enumerate(NO_ANSWERS):
            call = {"jsonrpc": "2.0", "id": 100 + number, "method": "tools/call", "params": DELETE}
            wire.say(json.dumps(call).encode())
            question = wire.hear()
            assert question["method"] == "elicitation/create"
            wire.say(json.dumps({"jsonrpc": "2.0", "id": question["id"], "result": bad}).encode())
            said = wire.hear()
            assert said["id"] == 100 + number
            outcomes.append(said["result"]["structuredContent"]["outcome"])
        apps = wire.request("tools/call", {"name": "list_apps", "arguments": {}})
        rows = wire.request("tools/call", {"name": "get_audit", "arguments": {}})["structuredContent"]["rows"]
    assert outcomes == ["not_approved"] * len(NO_ANSWERS)
    assert "shop" in apps["content"][0]["text"]
    assert {row[2] for row in rows} == {"proposed", "denied"}


async def asked(client: Raw) -> str:
    """Return the sealed state of a question to delete the shop."""
    answer = await client.request("tools/call", {**DELETE, "_meta": envelope(FORMS)})
    return answer["result"]["requestState"]


@pytest.mark.anyio
async def test_an_answer_in_a_retried_call_that_is_none_is_a_no(tmp_path: Path) -> None:
    """In the modern era, too, each has its answer and turns the plan down for good; the right one is too late."""
    with anyio.fail_after(150):
        async with ink(tmp_path) as it, raw(server_of(it)) as client:
            with nothing_is_written(it):
                for bad in [{"approval": answer} for answer in NO_ANSWERS] + [["approval"], "accept", 7]:
                    retry = {**DELETE, "_meta": envelope(FORMS), "requestState": await asked(client)}
                    said = await client.request("tools/call", {**retry, "inputResponses": bad})
                    assert said["result"]["structuredContent"]["outcome"] == "not_approved", (bad, said)
                    late = await client.request("tools/call", {**retry, "inputResponses": {"approval": RIGHT}})
                    assert late["result"]["isError"], (bad, late)
            story = await told(it)
    assert set(story) == {"proposed", "denied unreadable", "denied accept"}


@pytest.mark.anyio
@pytest.mark.parametrize("bad", [{}, None, {"other": RIGHT}, "left out"])
async def test_a_retry_that_brings_no_answer_is_asked_again(tmp_path: Path, bad: object) -> None:
    """A state alone decides nothing, and an answer to a question that was not asked neither."""
    with anyio.fail_after(90):
        async with ink(tmp_path) as it, raw(server_of(it)) as client:
            retry: dict[str, Any] = {**DELETE, "_meta": envelope(FORMS), "requestState": await asked(client)}
            brought = {} if bad == "left out" else {"inputResponses": bad}
            with nothing_is_written(it):
                said = await client.request("tools/call", {**retry, **brought})
            assert said["result"]["resultType"] == "input_required"
            assert await told(it) == ["proposed"]
