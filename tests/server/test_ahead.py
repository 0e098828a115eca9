"""What is answered ahead: only lines that the SDK takes too, in their order, and by the versions that worded it."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp import types

from ink_infra_mcp.server import ahead
from ink_infra_mcp.server.ahead import (
    CAPABILITIES,
    DISCOVER,
    GREETED,
    GREETING,
    INFO,
    LISTS,
    VERSION,
    Ahead,
    Begun,
    Known,
)
from ink_infra_mcp.server.incoming import read_line

HANDSHAKE, MODERN = "2025-11-25", "2026-07-28"
KNOWN = Known(
    {f"{method} {HANDSHAKE}": "{}" for method in (GREETING, *LISTS)}
    | {f"{method} {MODERN}": "{}" for method in (DISCOVER, *LISTS)}
)
CLIENT = {"name": "client", "version": "1"}


def line(method: str, params: object = None, *, about: object = 1) -> bytes:
    """Return a request, or with None as its id a notification."""
    whole = {"jsonrpc": "2.0", "id": about, "method": method, "params": params}
    return json.dumps({name: value for name, value in whole.items() if value is not None}).encode()


def greeting(version: str = HANDSHAKE, *, about: object = 1, **more: Any) -> bytes:
    """Return what a client of the handshake begins with."""
    params = {"protocolVersion": version, "capabilities": {}, "clientInfo": CLIENT, **more}
    return line(GREETING, params, about=about)


def own(version: str = MODERN, **more: Any) -> dict[str, Any]:
    """Return the parameters of a request that names its version itself."""
    return {"_meta": {VERSION: version, INFO: CLIENT, CAPABILITIES: {}, **more}}


def answers(*lines: bytes) -> list[bytes | None]:
    """Return what one client is told."""
    one = Ahead(KNOWN)
    return [one.answer(each) for each in lines]


def said(about: object) -> bytes:
    """Return the line of an answer."""
    return b'{"jsonrpc":"2.0","id":' + json.dumps(about).encode() + b',"result":{}}\n'


def test_a_client_of_the_handshake_is_answered_and_what_has_state_is_handed_on() -> None:
    """The whole server hears the greeting and what follows it, and not what was only listed."""
    one, half = Ahead(KNOWN), b'{"jsonrpc"'
    lines = (greeting(about=0), line(GREETED, about=None), *(line(name, about=n) for n, name in enumerate(LISTS, 1)))
    assert [one.answer(each) for each in lines] == [said(0), b"", *(said(n) for n in range(1, 5))]
    assert one.begun(half) == Begun(b"".join(each + b"\n" for each in lines[:2]) + half, frozenset({0}))


def test_a_client_that_takes_tasks_is_answered_as_any_other() -> None:
    """Hosts that show tasks say so in their greeting, and would wait for the whole server otherwise."""
    takes: dict[str, object] = {
        "list": {},
        "cancel": {},
        "requests": {"sampling": {"createMessage": {}}, "elicitation": {"create": {}}},
    }
    assert answers(greeting(about=3, capabilities={"tasks": takes})) == [said(3)]


def test_a_client_that_names_its_version_each_time_is_answered_and_its_first_line_is_handed_on() -> None:
    """By its first request the whole server knows which kind of client it has."""
    one = Ahead(KNOWN)
    lines = (line(DISCOVER, own(), about="a-1"), line("tools/list", own(progressToken=7), about=2))
    assert [one.answer(each) for each in lines] == [said("a-1"), said(2)]
    assert one.begun(b"") == Begun(lines[0] + b"\n", frozenset({"a-1"}))


@pytest.mark.parametrize(
    "lines",
    [
        (line("tools/list"),),
        (greeting(), line("tools/list")),
        (greeting(), greeting(about=2)),
        (greeting(), line(GREETED, about=None), line(GREETED, about=None)),
        (greeting(), line(GREETED, about=None), greeting(about=2)),
        (greeting(), line(GREETED, about=None), line("tools/list", own(), about=2)),
        (greeting(), line(GREETED, about=None), line(DISCOVER, about=2)),
        (line(DISCOVER, own()), greeting(about=2)),
        (line(DISCOVER, own()), line(GREETED, about=None)),
        (line(GREETED, about=None),),
        (greeting("2099-01-01"),),
        (line("tools/list", own("2099-01-01")),),
        (line("tools/list", own(HANDSHAKE)),),
        (line(DISCOVER, own()), line("tools/list", own(HANDSHAKE), about=2)),
        (greeting(), line(GREETED, about=None), line("tools/list", {"cursor": "x"})),
        (greeting(), line(GREETED, about=None), line("tools/call", {"name": "list_apps"})),
    ],
)
def test_what_comes_out_of_turn_or_asks_for_more_is_left_to_the_whole_server(lines: tuple[bytes, ...]) -> None:
    """It has an answer to each of them, perhaps a refusal, in words that are its own."""
    assert answers(*lines)[-1] is None


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"[]",
        b'"x"',
        b"NaN",
        b"\xff",
        b"[" * 5_000,
        greeting() + b"x",
        greeting() + b" " * ahead.LONGEST,
        greeting(about=True),
        greeting(about=1.5),
        greeting(about=2**60),
        greeting(about="\u00e9"),
        greeting(about="x" * 65),
        greeting(about={}),
        greeting(protocolVersion=5),
        greeting(capabilities=[]),
        greeting(capabilities={"roots": {"listChanged": "yes"}}),
        greeting(capabilities={"roots": True}),
        greeting(capabilities={"unheard": {}}),
        greeting(capabilities={"tasks": {"requests": {"tools": {}}}}),
        greeting(capabilities={"experimental": {"x": 1}}),
        greeting(clientInfo={"name": "x"}),
        greeting(clientInfo={**CLIENT, "icons": []}),
        greeting(clientInfo={**CLIENT, "title": None}),
        greeting(clientInfo={**CLIENT, "title": "\ud800"}),
        greeting(_meta={}),
        greeting().replace(b'"2.0"', b'"1.0"'),
        greeting().replace(b'"2.0"', b"2.0"),
        greeting().replace(b'"id"', b'"ID"'),
        line("tools/list", {"_meta": {VERSION: MODERN}}),
        line("tools/list", own(more=1)),
        line("tools/list", own(progressToken={})),
        line("tools/list", {**own(), "cursor": None}),
    ],
)
def test_a_line_that_is_in_any_way_another_one_is_left_to_the_whole_server(text: bytes) -> None:
    """What is good is listed; nothing that was not thought of is answered."""
    assert answers(text) == [None]


TEXTS = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
PLAIN: st.SearchStrategy[object] = st.none() | st.booleans() | st.integers() | TEXTS
PARTS: st.SearchStrategy[object] = PLAIN | st.lists(PLAIN, max_size=2) | st.dictionaries(TEXTS, PLAIN, max_size=2)
VALUES: st.SearchStrategy[object] = PARTS | st.lists(PARTS, max_size=2) | st.dictionaries(TEXTS, PARTS, max_size=2)
BARE: dict[str, object] = {}
OBJECTS: st.SearchStrategy[object] = st.dictionaries(TEXTS, st.dictionaries(TEXTS, VALUES, max_size=2), max_size=2)
FORMS = st.fixed_dictionaries({}, optional={"applyDefaults": st.booleans()})
ASKED: dict[str, object] = {"elicitation": {"create": {}}}
TASKED: st.SearchStrategy[object] = st.fixed_dictionaries(
    {}, optional={"list": st.just(BARE), "cancel": st.just(BARE), "requests": st.just(ASKED)}
)
ABLE: st.SearchStrategy[dict[str, object]] = st.fixed_dictionaries(
    {},
    optional={
        "roots": st.fixed_dictionaries({}, optional={"listChanged": st.booleans()}),
        "sampling": st.fixed_dictionaries({}, optional={"context": st.just(BARE), "tools": st.just(BARE)}),
        "elicitation": st.fixed_dictionaries({}, optional={"form": FORMS, "url": st.just(BARE)}),
        "experimental": OBJECTS,
        "extensions": OBJECTS,
        "unheard": VALUES,
        "tasks": VALUES | TASKED,
    },
)
INFOS = st.fixed_dictionaries(
    {"name": TEXTS, "version": TEXTS}, optional={"title": TEXTS | st.none(), "websiteUrl": TEXTS, "description": TEXTS}
)


@given(able=ABLE, info=INFOS, version=st.sampled_from([HANDSHAKE, MODERN, ""]), about=st.integers() | TEXTS)
def test_no_greeting_is_answered_that_the_sdk_would_refuse(able: Any, info: Any, version: str, about: Any) -> None:
    """Whoever was welcomed here is welcome there, where the same line is read once more."""
    text = greeting(version, capabilities=able, clientInfo=info, about=about)
    if answers(text) != [None]:
        read = read_line(text)
        assert (read.refusal, isinstance(read.message, types.JSONRPCRequest)) == (None, True)
        assert isinstance(read.message, types.JSONRPCRequest)
        types.InitializeRequestParams.model_validate(read.message.params)
        assert answers(text) == [said(read.message.id)]


def test_answers_are_given_by_the_versions_that_worded_them_only(tmp_path: Path) -> None:
    """Another SDK may say it in other words: then the whole server is waited for, and so it is without the file."""
    made, other = json.loads(ahead.FILE.read_text(encoding="utf-8")), tmp_path / "other.json"
    other.write_text(json.dumps({**made, "with": {**made["with"], "mcp": "0.0.1"}}), encoding="utf-8")
    found = [
        ahead.known(read_only=False, configured=True, file=file) for file in (ahead.FILE, other, tmp_path / "none")
    ]
    assert [each is None for each in found] == [False, True, True]


@pytest.mark.parametrize(
    "change",
    [
        {"with": None},
        {"with": {}},
        {"answers": {}},
        {"answers": {"every tool, configured": {"initialize 2025-11-25": 99}}},
        {"answers": {"every tool, configured": {"initialize 2025-11-25": "0"}}},
        {"texts": []},
        {"texts": [1, 2]},
        None,
        [],
        "[" * 200_000,
    ],
)
def test_a_file_that_is_in_any_way_odd_is_none(change: Any, tmp_path: Path) -> None:
    """The whole server needs it for nothing, so that nobody hears of it."""
    file = tmp_path / "ahead.json"
    made = json.loads(ahead.FILE.read_text(encoding="utf-8"))
    text = json.dumps({**made, **change} if isinstance(change, dict) else change)
    file.write_text(change if isinstance(change, str) else text, encoding="utf-8")
    assert ahead.known(read_only=False, configured=True, file=file) is None
