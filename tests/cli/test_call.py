"""`call`: a real client with a person or without one; of a small server, and of ours over the sandbox."""

import json
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp.client.stdio import StdioServerParameters
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.types import (
    CallToolRequestParams,
    CallToolResult,
    ElicitRequest,
    ElicitRequestFormParams,
    ElicitRequestURLParams,
    ElicitResult,
    InputRequiredResult,
    ListToolsResult,
    PaginatedRequestParams,
    TextContent,
)

from ink_infra_mcp.cli import call, status
from ink_infra_mcp.cli.parser import parser, run
from ink_infra_mcp.core import errors
from ink_infra_mcp.core.operation import Outcome
from ink_infra_mcp.sandbox.running import open_world
from tests.cli.terminals import at_terminal, command, inside

SANDBOX = ("--sandbox", "--speed", "100")
Context = ServerRequestContext[Any, Any]
Answer = CallToolResult | InputRequiredResult
Handle = Callable[[Context, CallToolRequestParams], Awaitable[Answer]]


def said(text: str, *, is_error: bool = False, **structured: str) -> CallToolResult:
    """Return a tool's answer."""
    return CallToolResult(content=[TextContent(text=text)], structured_content=structured, is_error=is_error)


def server_that(handle: Handle) -> Server[Any]:
    """Return a server whose every tool is `handle`."""

    async def list_tools(_: Context, __: PaginatedRequestParams | None) -> ListToolsResult:
        return ListToolsResult(tools=[])

    return Server("small", version="1", on_list_tools=list_tools, on_call_tool=handle)


def asks(params: ElicitRequestFormParams | ElicitRequestURLParams) -> Handle:
    """Return a tool that asks, and then says what it was answered."""

    async def handle(context: Context, call: CallToolRequestParams) -> Answer:
        reply = (call.input_responses or {}).get("question")
        if reply is None:
            return InputRequiredResult(input_requests={"question": ElicitRequest(params=params)})
        assert isinstance(reply, ElicitResult)
        return said(f"{reply.action} {json.dumps(reply.content)}")

    return handle


def form(*fields: str) -> ElicitRequestFormParams:
    """Return a question with these text fields."""
    schema = {"type": "object", "properties": {name: {"type": "string"} for name in fields}}
    return ElicitRequestFormParams(message="Delete shop?\x1b[2K", requested_schema=schema)


def types(*lines: str) -> call.Person:
    """Return a person who types these lines."""
    left = list(lines)

    async def line(prompt: str) -> str:
        return left.pop(0)

    return call.Person(line)


async def use(handle: Handle, person: call.Person | None = None) -> int:
    """Return the exit status of a call of that tool."""
    with anyio.fail_after(30):
        return await call.converse(server_that(handle), "tool", {"app": "shop"}, person)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("fields", "lines", "answer"),
    [
        ((), ["y"], "accept {}"),
        ((), ["YES"], "accept {}"),
        ((), [""], "decline null"),
        ((), ["no"], "decline null"),
        (("name",), ["shop"], 'accept {"name": "shop"}'),
        (("name",), [""], "decline null"),
        (("name", "reason"), ["shop", ""], "decline null"),
    ],
)
async def test_the_person_answers(
    fields: tuple[str, ...], lines: list[str], answer: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A plain question takes y or yes; a form takes its fields typed; anything else declines, enter too."""
    assert await use(asks(form(*fields)), types(*lines)) == 0
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == (f"{answer}\n", "\nDelete shop?\n\n")


@pytest.mark.anyio
async def test_a_web_page_is_not_opened(capsys: pytest.CaptureFixture[str]) -> None:
    """A question that wants a browser is declined, and the person is told."""
    page = ElicitRequestURLParams(message="Sign in", url="https://example.com/", elicitation_id="e-1")
    assert await use(asks(page), types()) == 0
    captured = capsys.readouterr()
    assert (captured.out, "opens no web pages" in captured.err) == ("decline null\n", True)


@pytest.mark.anyio
async def test_progress_goes_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    """Progress is shown beside the answer, never in it, without anything that steers the terminal or says nothing."""

    async def handle(context: Context, params: CallToolRequestParams) -> Answer:
        await context.session.report_progress(1, 3, "Build\x1b[31m and deploy")
        await context.session.report_progress(1.5, 3)
        return said("done")

    assert await use(handle) == 0
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("done\n", "[1/3] Build and deploy\n")


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("states", "ended"),
    [(["running", "applied"], 0), (["already_so"], 0), (["failed"], 5), (["cancelled"], 5), (["ended_oddly"], 5)],
)
async def test_a_running_operation_is_followed(
    states: list[str], ended: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """The client stays until the operation has ended, as the server lives no longer than it, and tells how."""
    end, left = states[-1], list(states)

    async def handle(context: Context, params: CallToolRequestParams) -> Answer:
        if params.name != call.FOLLOW:
            return said("running: it goes on", outcome="running", operation_id="op-1")
        assert params.arguments == {"operation": "op-1"}
        state = left.pop(0)
        return said(f"op-1: {state}", state=state, now="Build" if state == "running" else "")

    assert await use(handle) == ended
    captured = capsys.readouterr()
    assert (captured.out, left) == (f"running: it goes on\nop-1: {end}\n", [])
    assert captured.err.splitlines()[1:] == ["... Build"] * (len(states) - 1)


@pytest.mark.anyio
async def test_an_operation_that_is_lost_sight_of_still_runs(capsys: pytest.CaptureFixture[str]) -> None:
    """Where its end cannot be asked for, the status says that it runs: neither done nor failed."""

    async def handle(context: Context, params: CallToolRequestParams) -> Answer:
        if params.name == call.FOLLOW:
            return said("[unknown_name] There is no tool get_operation here.", is_error=True)
        return said("running: it goes on", outcome="running", operation_id="op-1")

    assert await use(handle) == 6


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("code", "ended"),
    [
        ("invalid_input", 2),
        ("unknown_name", 2),
        ("secret_missing", 2),
        ("locked", 4),
        ("approval_invalid", 4),
        ("unreachable", 5),
        ("bug", 5),
        ("never heard of", 5),
    ],
)
async def test_an_error_of_the_tool_is_told_by_the_status(
    code: str, ended: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """A tool that cannot do what was asked says why, and the status tells scripts what kind it is."""

    async def handle(context: Context, params: CallToolRequestParams) -> Answer:
        return said(f"[{code}] It went wrong.", is_error=True)

    assert await use(handle) == ended
    assert capsys.readouterr().out == f"[{code}] It went wrong.\n"


OUTCOMES = {
    Outcome.APPLIED: 0,
    Outcome.ALREADY_SO: 0,
    Outcome.APPROVAL_REQUIRED: 3,
    Outcome.NOT_APPROVED: 3,
    Outcome.REFUSED_BY_POLICY: 4,
    Outcome.PLAN_DRIFTED: 4,
    Outcome.LOCKED: 4,
    Outcome.FAILED: 5,
    Outcome.UNDONE: 5,
    Outcome.APPLIED_UNVERIFIED: 5,
    Outcome.APPLIED_IN_PART: 5,
    Outcome.CANCELLED: 5,
    Outcome.RUNNING: 6,
}


def test_every_outcome_has_its_status() -> None:
    """Only what is done or was so already is 0, and an outcome that nobody knows is a failure; so is every error."""
    assert {outcome: status.of_outcome(outcome) for outcome in Outcome} == OUTCOMES
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.InkError)]
    assert {status.of_code(kind.code) for kind in kinds} == {2, 4, 5}
    assert (status.of_outcome("new"), status.of_answer("new", "", is_error=False)) == (5, 5)
    assert status.of_answer(None, "no code at all", is_error=True) == 5


@pytest.mark.anyio
async def test_the_outcome_counts_though_no_error_is_marked(capsys: pytest.CaptureFixture[str]) -> None:
    """A plan that waits for a person is no error of the tool, and no success either."""

    async def handle(context: Context, params: CallToolRequestParams) -> Answer:
        return said("approval required", outcome="approval_required")

    assert await use(handle) == 3


@pytest.mark.anyio
async def test_an_error_of_the_protocol_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """A server that answers with no result at all ends in a sentence and status 5: what it did is not known."""

    async def handle(context: Context, params: CallToolRequestParams) -> Answer:
        raise RuntimeError("broken")

    assert await use(handle) == 5
    assert capsys.readouterr().err.startswith("The server did not answer: ")


@pytest.mark.anyio
async def test_a_server_that_cannot_start_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """A server that ends before it answers is a sentence and status 5, and no trace."""
    server = StdioServerParameters(command=sys.executable, args=["-c", "raise SystemExit(3)"])
    with anyio.fail_after(30):
        assert await call.converse(server, "tool", {}, None) == 5
    told = capsys.readouterr().err
    assert (told.startswith("The server did not answer: "), "Nothing was changed." in told) == (True, True)


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (("get_app", "shop"), '{"app": "shop"}'),
        (("get_app", "app=shop"), '{"app": "shop"}'),
        (("get_app", "{app:shop}"), '{"app": "..."}'),
        (("get_app", "{"), '{"app": "..."}'),
        (("get_app", "--json", '{"app": '), '{"app": "..."}'),
        (("get_app", "[1]"), '{"app": "..."}'),
        (("set_app_env", "set=PASSWORD"), '{"set": "..."}'),
        (("set_app_env", "pass word"), '{"app": "..."}'),
    ],
)
def test_arguments_that_are_no_object_are_bad_usage(
    words: tuple[str, ...], meant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is started for arguments that cannot be any tool's; what was meant stands there as it is to be written,
    with nothing in it that may be a secret.
    """
    ended = inside(capsys, "call", *words)
    assert (ended.status, ended.out) == (2, "")
    assert ended.err.rstrip().endswith(f"Between single quotes, such as: call {words[0]} '{meant}'")
    assert "PASSWORD" not in ended.err


@pytest.mark.parametrize("words", [("--json", "get_app", '{"app": "x"}'), ("--json", "get_app"), ("get_app", "--json")])
def test_the_tool_may_stand_behind_json(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    """An option that may have a value takes the next word, whatever that was meant for."""
    ended = inside(capsys, "call", *words, "--config", "/nowhere/fleet.toml")
    assert (ended.status, json.loads(ended.out)["error"]["code"]) == (2, "not_configured")


def test_a_call_of_nothing_is_told_which_tools_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    """And `help` is what people type first."""
    ended = inside(capsys, "call", "--sandbox")
    assert (ended.status, "needs the name of a tool. The tools are add_muscle, " in ended.err) == (2, True)
    for words in (("help",), ("help", "call")):
        with pytest.raises(SystemExit) as left:
            run(words)
        assert (left.value.code, capsys.readouterr().out.startswith("usage: ink-infra-mcp")) == (0, True)


def test_the_server_gets_the_flags_of_the_call() -> None:
    """What the command line says of configuration and tools holds for the server that it starts."""
    words = "call get_fleet --config /etc/ink/fleet.toml --state sqlite:////s.db --read-only --toolsets apps,fleet"
    server = call.server_of(parser().parse_args([*words.split(), "--log-level", "error"]))
    assert server.args == [
        *("-m", "ink_infra_mcp", "serve", "--log-level", "error", "--config", "/etc/ink/fleet.toml"),
        *("--state", "sqlite:////s.db", "--toolsets", "apps,fleet", "--read-only", "--speed", "1.0"),
    ]


def test_flags_of_the_sandbox_are_passed_on() -> None:
    """A fresh sandbox of another speed is the server's."""
    server = call.server_of(parser().parse_args(["call", "get_fleet", "--sandbox", "--fresh", "--speed", "9"]))
    assert server.args[-4:] == ["--sandbox", "--fresh", "--speed", "9.0"]


@pytest.fixture
def world_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give commands a state folder of their own; return where the pretend world will be in it."""
    monkeypatch.setenv("INK_INFRA_STATE", str(tmp_path / "state"))
    return tmp_path / "state" / "sandbox" / "world.db"


def test_without_a_person_the_answer_names_the_ticket(world_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A script cannot approve, not even by piping: it gets the command by which a person can, and nothing changes."""
    stop = json.dumps({"app": "docs", "action": "stop"})
    ended = command("call", "control_app", "--json", stop, *SANDBOX, stdin="y\n")
    lines = ended.out.splitlines()
    assert (ended.status, ended.err, lines[0]) == (3, "", "[sandbox: a pretend world, nothing real was touched]")
    assert (lines[1].split(":")[0], "ink-infra-mcp approve ap-" in lines[1]) == ("approval required", True)
    assert [line for line in open_world(world_file).read().journal if "stop" in line] == []
    assert "control_app" in inside(capsys, "approvals", *SANDBOX).out


def test_at_a_terminal_the_person_is_asked(world_file: Path) -> None:
    """The server's own question reaches the person; a wrong name leaves everything as it is."""
    with at_terminal("call", "delete_app", "--json", '{"app": "docs"}', *SANDBOX) as person:
        person.expect("Delete docs")
        person.expect("To approve, type: docs")
        person.expect("name: ")
        person.type("dogs")
        person.expect("not approved: ")
        assert person.end() == 3
    assert [line for line in open_world(world_file).read().journal if "DELETE" in line] == []


def test_a_yes_at_the_terminal_deploys(world_file: Path) -> None:
    """The person approves, the operation is followed to its end, and the exit status says that it went well."""
    deploy = {"name": "web", "image": "registry.example.com/web:1", "port": 80, "wait_s": 0}
    with at_terminal("call", "deploy_app", "--json", json.dumps(deploy), *SANDBOX) as person:
        person.expect("Approve? [y/N] ")
        person.type("y")
        person.expect("running: ")
        person.expect("Following op-")
        person.expect(": applied")
        assert person.end() == 0
    assert "web" in [app.columns["name"] for app in open_world(world_file).read().coolify.applications]


def test_the_sandbox_obeys_the_operators_policies(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What a policy refuses can be tried where nothing is at stake: the folder beside the file of --config counts."""
    policies = tmp_path / "ours" / "policies"
    policies.mkdir(parents=True)
    (policies / "risk.toml").write_text('[freeze]\nactive = true\nreason = "moving house"\n', encoding="utf-8")
    stop = json.dumps({"app": "docs", "action": "stop"})
    config = ("--config", str(policies.parent / "fleet.toml"))
    ended = inside(capsys, "call", "control_app", "--json", stop, *SANDBOX, *config)
    assert (ended.status, "moving house" in ended.out + ended.err) == (4, True)
