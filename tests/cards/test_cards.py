"""The cards in a real Chromium, behind the official bridge of MCP Apps, over the product and its pretend world."""

import json
import re
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ink_infra_mcp.server import cards
from tests.cards.hosts import CALLS, Host, opened_host
from tests.cards.served import Served, served

pytestmark = [
    pytest.mark.timeout(360),
    pytest.mark.clients,
    pytest.mark.xdist_group("chromium"),
    pytest.mark.usefixtures("nothing_else"),
]

DEPLOY: dict[str, object] = {"name": "hello", "repository": "https://github.com/example/hello", "wait_s": 0}
NARROW = 320
URIS = (cards.FLEET, cards.PLAN, cards.OPERATION)
FAILED: dict[str, Any] = {
    "outcome": "failed",
    "message": "The build of hello failed. The old one goes on. Mend the Dockerfile, then call again.",
    "operation_id": "op-abcdef12",
    "steps": [
        {"id": "a", "summary": "Create hello", "state": "undone"},
        {"id": "b", "summary": "Build hello", "state": "failed"},
        {"id": "c", "summary": "Visit hello", "state": "not begun"},
    ],
    "checks": [{"name": "http", "status": "skipped", "evidence": "not visited"}],
    "problem": {"code": "x", "message": "Exit code 1.", "stage": "build", "untrusted_log": ["npm ERR!", "<b>no</b>"]},
}
FORGED = {
    "jsonrpc": "2.0",
    "method": "ui/notifications/tool-result",
    "params": {"content": [{"type": "text", "text": "forged"}]},
}
"""A message as only the host sends it."""
PIECES = (
    *(
        "<img src=x onerror=alert(1)>",
        "<script>alert(1)</script>",
        "</script><script>alert(1)</script>",
        "<svg/onload=alert(1)>",
    ),
    *('"><iframe srcdoc=x>', "javascript:alert(1)", "&lt;b&gt;", "{{script}}", "${alert(1)}", "`code`", "```", "<!--"),
    *("\u202e", "\u2066", "\u200b", "\u0301" * 5, "\u05d0\u05d1", "\r", "\t", "\x00", "__proto__", "constructor"),
    *("approval required", "Approve", "ink-infra-mcp approve ap-0000000000", "x" * 400, "1. Nothing else happens"),
)
HOSTILE = st.lists(st.sampled_from(PIECES) | st.text(max_size=20), min_size=1, max_size=4).map("".join)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(allow_nan=False, allow_infinity=False) | HOSTILE,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(HOSTILE, inner, max_size=4),
    max_leaves=12,
)
NAMES = {
    *("outcome", "message", "plan", "steps", "checks", "result", "problem", "operation_id", "approval_id", "sandbox"),
    *("id", "tool", "target", "state", "receipt", "log", "servers", "warnings", "coolify", "eur_month", "name"),
}
ODD = st.dictionaries(st.sampled_from(sorted(NAMES)), JSON, max_size=8)
TAGS = "[...new Set([...document.body.querySelectorAll('*')].map((each) => each.tagName))].sort()"
OURS = {
    *("MAIN", "HEADER", "H1", "H2", "H3", "P", "SPAN", "DIV", "SECTION", "UL", "OL", "LI", "DL", "DT", "DD", "PRE"),
    *("CODE", "FIGURE", "FIGCAPTION", "DETAILS", "SUMMARY", "BUTTON", "SCRIPT"),
}
WIDTH = "document.documentElement.scrollWidth"
TEXT = "document.body.innerText"
PLAN = "document.querySelector('pre.plan').textContent"


@pytest.fixture(scope="module")
def host() -> Generator[Host]:
    """Give a browser for all tests of this file."""
    with opened_host() as opened:
        yield opened


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[Served]:
    """Give a server for the tests that change nothing."""
    with served(tmp_path_factory.mktemp("cards")) as opened:
        yield opened


@pytest.fixture
def nothing_else(host: Host) -> Generator[None]:
    """Hold that no card breaks, opens anything, or asks a network for anything."""
    yield
    assert host.do("seen") == {"requests": [], "errors": [], "dialogs": [], "console": []}


def structured(data: dict[str, Any], *, error: bool = False) -> dict[str, Any]:
    """Return a tool's answer with that data."""
    return {"content": [{"type": "text", "text": "said"}], "structuredContent": data, "isError": error}


def examples(server: Served) -> list[tuple[str, dict[str, Any]]]:
    """Return each card with an answer as the product gives it."""
    plan = server.call("deploy_app", DEPLOY)
    operation = {"id": "op-abcdef12", "tool": "deploy_app", "target": "hello", "state": "failed", "receipt": FAILED}
    return [
        (cards.FLEET, server.call("get_fleet", {})),
        (cards.PLAN, plan),
        (cards.PLAN, structured(FAILED, error=True)),
        (
            cards.OPERATION,
            structured({**operation, "began": "2026-11-30T20:00:00Z", "log": ["begin"], "steps": FAILED["steps"]}),
        ),
    ]


def test_the_fleet_is_shown_with_its_planes_findings_and_servers(host: Host, server: Served) -> None:
    """Each server stands in its plane with its state, room and apps; what is wrong comes first."""
    answer = server.call("get_fleet", {})
    host.open(server.card_of("get_fleet"))
    host.result(answer)
    found = host.evaluate("[...document.querySelectorAll('h2, h3')].map((each) => each.textContent)")
    shown = host.evaluate(TEXT)
    report = answer["structuredContent"]
    assert found == ["Findings: 1", "Control plane", "factory", "Data plane", "muscle-1", "muscle-2"]
    assert all(warning in shown for warning in report["warnings"])
    assert all(line["address"] in shown and line["state"] in shown for line in report["servers"])
    assert [f"{line['headroom']} of {line['memory']} GiB" in shown for line in report["servers"][1:]] == [True, True]
    assert "sandbox: a pretend world" in shown


def test_a_fleet_is_looked_at_again(host: Host, server: Served) -> None:
    """Its button calls get_fleet and shows the new answer."""
    host.open(server.card_of("get_fleet"), can=CALLS, answer=server.call)
    host.result({"content": [], "structuredContent": {"coolify": "?", "servers": []}})
    host.do("press", name="Look again")
    host.until("document.querySelectorAll('.server').length === 3")
    assert host.calls == [("get_fleet", {})]


@pytest.mark.parametrize("width", [NARROW, 800])
def test_a_plan_is_shown_to_the_last_character(host: Host, server: Served, width: int) -> None:
    """The card has the very text of the answer, which is the one that a person approves."""
    answer = server.call("deploy_app", DEPLOY)
    plan = answer["structuredContent"]["plan"]
    host.open(server.card_of("deploy_app"), width=width)
    host.result(answer)
    assert host.evaluate(PLAN) == plan
    assert plan in answer["content"][0]["text"]
    assert host.evaluate("document.querySelectorAll('.row').length") == len(plan.split("\n"))


@given(st.lists(HOSTILE.map(lambda text: text.replace("\n", " ")), max_size=6).map("\n".join))
@settings(max_examples=25)
def test_no_text_of_a_plan_is_lost_or_makes_a_row(host: Host, text: str) -> None:
    """Whatever stands in a plan is read as it is; each row is numbered, and nothing else is."""
    host.still(cards.document(cards.PLAN), width=NARROW)
    host.result(structured({"outcome": "approval_required", "message": "x", "plan": f"a{text}"}))
    assert host.evaluate(PLAN) == f"a{text}"
    assert host.evaluate("document.querySelectorAll('.row').length") == len(text.split("\n"))
    assert set(host.evaluate(TAGS)) <= OURS
    assert host.evaluate(WIDTH) <= NARROW


def test_a_plan_is_begun_only_by_what_a_person_approved_elsewhere(host: Host, tmp_path: Path) -> None:
    """The button makes the same call again: without a ticket it gets the plan once more, with one it is followed."""
    with served(tmp_path) as server:
        answer = server.call("deploy_app", DEPLOY)
        host.open(server.card_of("deploy_app"), tool="deploy_app", can=CALLS, answer=server.call)
        host.told_input(DEPLOY)
        host.result(answer)
        host.do("press", name="It was approved: go on")
        host.until("!document.querySelector('button').disabled")
        still, untouched = host.evaluate(PLAN), server.it.journal
        server.approve(answer["structuredContent"]["approval_id"])
        host.do("press", name="It was approved: go on")
        host.until("document.getElementById('status').textContent === 'Ended: applied'")
    begun, followed = host.calls[:2], {name for name, _ in host.calls[2:]}
    assert (still, untouched) == (answer["structuredContent"]["plan"], [])
    assert (begun, followed) == ([("deploy_app", DEPLOY), ("deploy_app", DEPLOY)], {"get_operation"})
    told = [what[1][0]["text"] for what in host.do("heard") if what[0] == "model"]
    assert re.fullmatch(r"The person went on with deploy_app from its card as operation op-\w+: running\.", told[-1])


def test_a_host_that_lets_no_card_call_gets_no_button(host: Host, server: Served) -> None:
    """What cannot be done is not offered, and how to follow an operation is said."""
    host.open(server.card_of("deploy_app"), tool="deploy_app")
    host.told_input(DEPLOY)
    host.result(server.call("deploy_app", DEPLOY))
    buttons = host.evaluate("document.querySelectorAll('button').length")
    host.result(structured({"outcome": "running", "message": "x", "operation_id": "op-abcdef12"}))
    assert buttons == 0
    assert "ask for get_operation op-abcdef12" in host.evaluate(TEXT)


def test_an_operation_that_cannot_be_followed_says_so(host: Host) -> None:
    """A look that fails ends the following; the card keeps what it knows and offers another look."""

    def gone(name: str, arguments: dict[str, object]) -> dict[str, object]:
        return {"content": [{"type": "text", "text": "[unknown_name] gone"}], "isError": True}

    host.open(cards.document(cards.PLAN), can=CALLS, answer=gone)
    host.result(structured({**FAILED, "outcome": "running"}))
    host.until("document.querySelector('button')")
    assert host.evaluate("document.getElementById('status').textContent") == (
        "It could not be followed: [unknown_name] gone"
    )
    assert host.calls == [("get_operation", {"operation": "op-abcdef12"})]
    assert "Build hello" in host.evaluate(TEXT)


def fleet_of(texts: list[str]) -> dict[str, Any]:
    """Return a fleet in which these texts stand."""
    name, state, warning, coolify, address, _ = texts
    server = {"name": name, "role": "muscle", "state": state, "address": address}
    return {"coolify": coolify, "servers": [server], "warnings": [warning]}


def receipt_of(texts: list[str]) -> dict[str, Any]:
    """Return a failed change in which these texts stand."""
    summary, evidence, log, key, value, cause = texts
    return {
        "outcome": "failed",
        "message": "It failed.",
        "steps": [{"id": "a", "summary": summary, "state": "failed"}],
        "checks": [{"name": "http", "status": "passed", "evidence": evidence}],
        "result": {f"k{key}": value},
        "problem": {"code": "x", "message": "So.", "untrusted_log": [log], "probable_cause": cause},
    }


def operation_of(texts: list[str]) -> dict[str, Any]:
    """Return an operation that ended, in which these texts stand."""
    receipt = receipt_of(texts)
    log = [texts[0], texts[2]]
    known = {"id": "op-abcdef12", "tool": "t", "target": "hello", "state": "failed"}
    return {**known, "steps": receipt.pop("steps"), "receipt": receipt, "log": log}


HOLDERS: dict[str, Callable[[list[str]], dict[str, Any]]] = {
    cards.FLEET: fleet_of,
    cards.PLAN: receipt_of,
    cards.OPERATION: operation_of,
}


@pytest.mark.parametrize("uri", URIS)
@given(st.lists(HOSTILE, min_size=6, max_size=6))
@settings(max_examples=25)
def test_words_from_outside_are_shown_and_never_run(host: Host, uri: str, texts: list[str]) -> None:
    """Names, warnings, logs and errors are text in the card, whatever they look like, and widen nothing."""
    host.still(cards.document(uri), width=NARROW)
    host.result(structured(HOLDERS[uri](texts)))
    whole = host.evaluate("document.querySelector('main').textContent")
    expected = texts[:5] if uri == cards.FLEET else texts
    assert [text for text in expected if text not in whole] == []
    assert set(host.evaluate(TAGS)) <= OURS
    assert host.evaluate(WIDTH) <= NARROW


@pytest.mark.parametrize("uri", URIS)
@given(ODD, st.booleans())
@settings(max_examples=25)
def test_data_of_no_known_shape_breaks_no_card(host: Host, uri: str, data: dict[str, Any], error: bool) -> None:
    """A card says something, stays in its width and does not break, whatever the answer has."""
    host.still(cards.document(uri), width=NARROW)
    host.result(structured(data, error=error))
    assert host.evaluate("document.querySelector('h1').textContent") != ""
    assert set(host.evaluate(TAGS)) <= OURS
    assert host.evaluate(WIDTH) <= NARROW
    assert host.do("seen")["errors"] == []


@pytest.mark.parametrize("uri", URIS)
def test_messages_that_are_none_are_passed_over(host: Host, uri: str) -> None:
    """What is no message of the protocol, or comes from anybody but the host, does nothing."""
    host.open(cards.document(uri))
    before = host.evaluate(TEXT)
    odd: list[object] = [None, 1, "x", [], {}, {"jsonrpc": "2.0"}, {"jsonrpc": "2.0", "id": 99, "result": 1}]
    odd += [{"jsonrpc": "2.0", "method": "constructor", "params": 1}, {"method": "ui/notifications/tool-result"}]
    for message in odd:
        host.post(message)
    host.evaluate(f"postMessage({json.dumps(FORGED)}, '*')")
    host.evaluate("new Promise((done) => setTimeout(done, 20))")
    assert host.evaluate(TEXT) == before


@pytest.mark.parametrize("uri", URIS)
def test_another_frame_of_the_page_is_not_the_host(host: Host, uri: str) -> None:
    """Its message arrives, word for word as the host's would be, and changes nothing."""
    host.open(cards.document(uri))
    before = host.evaluate(TEXT)
    host.evaluate("addEventListener('message', ({ data }) => { document.title = data.method; })")
    host.do("neighbour", message=FORGED)
    host.until(f"document.title === {json.dumps(FORGED['method'])}")
    assert host.evaluate(TEXT) == before


@pytest.mark.parametrize("uri", [cards.PLAN, cards.OPERATION])
def test_what_the_host_passes_on_last_is_what_a_card_shows(host: Host, uri: str) -> None:
    """An operation that was followed before is looked at no more, and never drawn over the later one."""
    first, last = "op-aaaa1111", "op-bbbb2222"

    def running(operation: str) -> dict[str, Any]:
        told = {"outcome": "running", "message": "It runs.", "operation_id": operation}
        return structured({**told, "id": operation, "tool": "t", "target": operation, "state": "running"})

    def answer(_: str, arguments: dict[str, object]) -> dict[str, object]:
        operation = str(arguments["operation"])
        return structured({"id": operation, "tool": "t", "target": operation, "state": "applied"})

    host.open(cards.document(uri), can=CALLS, answer=answer)
    host.result(running(first))
    host.result(running(last))
    host.until("document.getElementById('status').textContent === 'Ended: applied'")
    assert host.calls == [("get_operation", {"operation": last})]
    assert first not in host.evaluate(TEXT)


@pytest.mark.parametrize("uri", URIS)
def test_a_host_that_says_nothing_gets_a_card_that_can_be_read(host: Host, uri: str) -> None:
    """It says where the answer is."""
    host.open(cards.document(uri), silent=True)
    assert "The answer of the tool stands in the conversation" in host.evaluate(TEXT)


@pytest.mark.parametrize(
    ("theme", "scheme", "dark"),
    [(None, "light", False), (None, "dark", True), ("dark", "light", True), ("light", "dark", False)],
)
def test_a_card_is_as_dark_as_its_host(host: Host, theme: str | None, scheme: str, dark: bool) -> None:
    """The host's theme counts; of a host that has none, what the system prefers."""
    host.open(cards.document(cards.FLEET), theme=theme, scheme=scheme)
    back = host.evaluate("getComputedStyle(document.body).backgroundColor")
    assert back == ("rgb(17, 24, 31)" if dark else "rgb(255, 255, 255)")


@pytest.mark.parametrize(
    ("theme", "rules"), [("light", ("wcag2a", "wcag2aa", "wcag21aa", "best-practice")), ("dark", ("color-contrast",))]
)
def test_everybody_can_read_a_card(host: Host, server: Served, theme: str, rules: tuple[str, ...]) -> None:
    """Nothing is wider than its place, and axe finds no fault in contrast, roles, names and order."""
    for uri, answer in examples(server):
        for width in (800, NARROW):
            host.open(cards.document(uri), theme=theme, width=width, tool="deploy_app", can=CALLS)
            host.told_input(DEPLOY)
            host.result(answer)
            assert host.evaluate(WIDTH) == width
        assert host.faults(*rules) == []


def test_a_card_is_used_with_the_keyboard_alone(host: Host, server: Served) -> None:
    """Tab reaches the button and then the plan, which can be scrolled; Enter presses."""
    host.open(server.card_of("deploy_app"), tool="deploy_app", can=CALLS, answer=server.call)
    host.told_input(DEPLOY)
    host.result(server.call("deploy_app", DEPLOY))
    host.do("keys", keys="Tab")
    first = host.evaluate("document.activeElement.textContent")
    host.do("keys", keys="Tab")
    second = host.evaluate("document.activeElement.className")
    host.do("keys", keys="Shift+Tab")
    host.do("keys", keys="Enter")
    host.until("document.querySelector('button') && !document.querySelector('button').disabled")
    assert (first, second) == ("It was approved: go on", "plan")
    assert host.calls == [("deploy_app", DEPLOY)]


@pytest.mark.parametrize(
    "harm",
    [
        "document.body.innerHTML = '<img src=https://evil.example/>'",
        "document.head.append(Object.assign(document.createElement('script'), {text: 'window.ran = 1'}))",
        "document.body.append(Object.assign(new Image(), {src: 'https://evil.example/'}))",
        "fetch('https://evil.example/').catch(() => {})",
        "new WebSocket('wss://evil.example/')",
        "document.body.append(Object.assign(document.createElement('iframe'), {src: 'https://evil.example/'}))",
        "setTimeout('window.ran = 1')",
        "open('https://evil.example/')",
    ],
)
def test_a_fault_in_a_card_would_load_and_run_nothing(host: Host, harm: str) -> None:
    """Whatever a card did, its own policy lets it build no markup, run no other script and reach no network."""
    host.open(cards.document(cards.PLAN))
    host.evaluate(f"(() => {{ try {{ {harm} }} catch {{}} }})()")
    host.evaluate("new Promise((done) => setTimeout(done, 50))")
    seen, ran = host.do("seen"), host.evaluate("[window.ran, document.querySelectorAll('main').length]")
    host.open(cards.document(cards.PLAN))
    assert (seen["requests"], seen["dialogs"], ran) == ([], [], [None, 1])
