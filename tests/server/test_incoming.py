"""What a line of a client comes to: a message, or an answer that says what is wrong with it."""

import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp.types import INVALID_REQUEST, PARSE_ERROR, ElicitResult, JSONRPCNotification, JSONRPCRequest, JSONRPCResponse
from pydantic import ValidationError

from ink_infra_mcp.server.incoming import MAX_DEPTH, MAX_LINE, Lines, Read, read_line

HALF = "\ud800"
NO_JSON = "The line is not JSON in UTF-8. Nothing was done."
NO_LIST = "A line holds one message, an object; lists are not served. Nothing was done."
NO_REQUEST = "It is no request and no notification of JSON-RPC 2.0. Nothing was done."
NO_CHARACTER = "It holds half of a surrogate pair (U+D800 to U+DFFF), which is no character. Nothing was done."


def line(value: Any) -> bytes:
    """Return a value as a line; halves of pairs are escaped, as JSON allows."""
    return json.dumps(value).encode() + b"\n"


def nested(levels: int) -> Any:
    """Return lists in lists."""
    found: Any = []
    for _ in range(levels - 1):
        found = [found]
    return found


def call(**more: Any) -> dict[str, Any]:
    """Return a call of a tool."""
    return {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": "list_apps", **more}}


def refused(read: Read) -> tuple[Any, int, str]:
    """Return id, code and words of a refusal that comes with no message."""
    assert read.message is None
    assert read.refusal is not None
    return read.refusal.id, read.refusal.error.code, read.refusal.error.message


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (b"not json\n", (None, PARSE_ERROR, NO_JSON)),
        (b'{"jsonrpc": "2.0", "id": 7, "method": "tools/list"', (None, PARSE_ERROR, NO_JSON)),
        (b'{"jsonrpc": "2.0", "id": NaN, "method": "ping"}\n', (None, PARSE_ERROR, NO_JSON)),
        (b"\xff\xfe{}\n", (None, PARSE_ERROR, NO_JSON)),
        (b"[" * 100_000 + b"\n", (None, PARSE_ERROR, NO_JSON)),
        (b"[]\n", (None, INVALID_REQUEST, NO_LIST)),
        (line([call()]), (None, INVALID_REQUEST, NO_LIST)),
        (b"7\n", (None, INVALID_REQUEST, NO_LIST)),
        (b"null\n", (None, INVALID_REQUEST, NO_LIST)),
        (line({"id": 7, "method": "ping"}), (7, INVALID_REQUEST, NO_REQUEST)),
        (line({**call(), "method": 5}), (7, INVALID_REQUEST, NO_REQUEST)),
        (line({**call(), "params": [1]}), (7, INVALID_REQUEST, NO_REQUEST)),
        (line({**call(), "id": {"a": 1}}), (None, INVALID_REQUEST, NO_REQUEST)),
        (line({**call(), "id": None}), (None, INVALID_REQUEST, NO_REQUEST)),
        (line({**call(), "id": HALF}), (None, INVALID_REQUEST, NO_CHARACTER)),
        (line({**call(), "method": HALF}), (7, INVALID_REQUEST, NO_CHARACTER)),
        (line(call(name=HALF)), (7, INVALID_REQUEST, NO_CHARACTER)),
        (line(call(_meta={HALF: 1})), (7, INVALID_REQUEST, NO_CHARACTER)),
        (
            line(call(arguments={"app": nested(MAX_DEPTH)})),
            (7, INVALID_REQUEST, "A message has at most 64 levels. Nothing was done."),
        ),
        (
            b'"' + b"x" * MAX_LINE + b'"\n',
            (None, PARSE_ERROR, "A message has at most 4194304 bytes. Nothing was done."),
        ),
        (line({}), (None, INVALID_REQUEST, "It has no method, no result and no error. Nothing was done.")),
    ],
    ids=lambda value: str(value)[:40] if isinstance(value, bytes) else "",
)
def test_what_is_no_message_is_answered_with_what_is_wrong(bad: bytes, said: tuple[Any, int, str]) -> None:
    """A line that is none gets an error, under its own id where it has one that can be said."""
    assert refused(read_line(bad)) == said


@pytest.mark.parametrize("silent", [b"\n", b"   \n", line({"jsonrpc": "2.0", "method": HALF}), line({"method": "x"})])
def test_blank_lines_and_notifications_are_never_answered(silent: bytes) -> None:
    """JSON-RPC answers no notification, not even one that cannot be taken."""
    assert read_line(silent) == Read()


def test_what_tools_judge_themselves_reaches_them() -> None:
    """Half a pair in the arguments of a call is refused by the tool's own model, in the words of that."""
    message = read_line(line(call(arguments={"app": HALF}))).message
    assert isinstance(message, JSONRPCRequest)
    assert message.params == {"name": "list_apps", "arguments": {"app": HALF}}


@pytest.mark.parametrize(
    "bad",
    [
        {"jsonrpc": "2.0", "id": 3, "result": None},
        {"jsonrpc": "2.0", "id": 3, "result": [1]},
        {"jsonrpc": "2.0", "id": 3, "result": "accept"},
        {"jsonrpc": "2.0", "id": 3, "error": "no window"},
        {"jsonrpc": "2.0", "id": 3, "result": {"action": nested(MAX_DEPTH)}},
        {"id": 3, "result": {"action": "accept"}},
    ],
)
def test_an_answer_that_is_none_goes_on_as_an_empty_one(bad: Any) -> None:
    """Who waits for it hears that something came back, and cannot take it for a yes."""
    assert read_line(line(bad)) == Read(message=JSONRPCResponse(jsonrpc="2.0", id=3, result={}))


def test_what_has_neither_method_nor_result_is_answered_and_ends_the_waiting_too() -> None:
    """A line of nothing but an id may be meant as either."""
    read = read_line(line({"jsonrpc": "2.0", "id": 3}))
    assert read.message == JSONRPCResponse(jsonrpc="2.0", id=3, result={})
    assert read.refusal is not None
    assert (read.refusal.id, read.refusal.error.code) == (3, INVALID_REQUEST)


texts = st.text(st.characters(categories=["L", "N", "P", "Z", "Cc", "Cs"]), max_size=8)
numbers = st.one_of(st.integers(), st.floats(allow_nan=False, allow_infinity=False))
values = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, texts),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=8,
)
NAMES = ["jsonrpc", "id", "method", "params", "result", "error"]
members = st.dictionaries(
    st.sampled_from(NAMES), st.one_of(values, st.sampled_from(["2.0", "ping", 7, {"action": "accept"}])), max_size=6
)


@given(st.one_of(values.map(line), members.map(line), st.binary(max_size=60)))
def test_no_line_raises_and_what_is_said_about_it_can_be_said(bad: bytes) -> None:
    """Whatever comes in: what goes back to the client is text, and what goes on is one whole message."""
    read = read_line(bad)
    for message in (read.refusal, read.message if isinstance(read.message, JSONRPCNotification) else None):
        if message is not None:
            assert json.loads(message.model_dump_json(by_alias=True, exclude_unset=True))["jsonrpc"] == "2.0"


@given(members.filter(lambda found: "method" not in found))
def test_an_accept_comes_only_out_of_an_answer_that_is_whole(found: dict[str, Any]) -> None:
    """What a person's answer is read from is the client's own object, to the last member, or says nothing."""
    message = read_line(line(found)).message
    if isinstance(message, JSONRPCResponse):
        try:
            action = ElicitResult.model_validate(message.result, by_name=False).action
        except ValidationError:
            return
        assert found["result"]["action"] == action
        assert (found["jsonrpc"], found["id"]) == ("2.0", message.id)


def test_of_a_long_line_no_more_is_held_than_shows_that_it_is_long() -> None:
    """A line without end takes no memory without end, and the one after it is read as if nothing had been."""
    lines = Lines(io.BytesIO(b"x" * (3 * MAX_LINE) + b"\n" + line(call()) + b'{"tail": 1}'))
    long, good, tail = lines.next(), lines.next(), lines.next()
    assert (len(long or b""), good, tail) == (MAX_LINE + 1, line(call()), b'{"tail": 1}')
    assert lines.next() is None


def test_a_line_of_just_the_length_that_may_be_is_read() -> None:
    """The bound counts the bytes of the message, without the end of the line."""
    frame = line(call(arguments={"words": ""})).removesuffix(b"\n")
    whole = frame.replace(b'""', b'"' + b"x" * (MAX_LINE - len(frame)) + b'"')
    lines = Lines(io.BytesIO(whole + b"\n" + whole.replace(b'"x', b'"xx') + b"\n"))
    assert isinstance(read_line(lines.next() or b"").message, JSONRPCRequest)
    assert refused(read_line(lines.next() or b""))[1] == PARSE_ERROR
