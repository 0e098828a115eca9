"""`call`: calls one tool as any MCP client would, with the person at the terminal to answer its questions."""

import argparse
import json
import os
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import anyio
from mcp import Client, MCPError
from mcp.client import ClientRequestContext
from mcp.client.stdio import StdioServerParameters
from mcp.types import CallToolResult, ElicitRequestFormParams, ElicitRequestParams, ElicitResult, TextContent

from ink_infra_mcp.cli import status
from ink_infra_mcp.cli.meant import arguments_meant, no_tool, tool_hint
from ink_infra_mcp.cli.terminal import print_json, readable, shown, wrapped
from ink_infra_mcp.core.errors import InputError, UnknownName
from ink_infra_mcp.server.contracts import load
from ink_infra_mcp.settings.paths import not_configured

if TYPE_CHECKING:
    from mcp.server.lowlevel import Server

    Party = StdioServerParameters | Server[Any]

LOOK_EVERY_S = 1.0
FOLLOW = "get_operation"
NOT_DONE = "Nothing was done."


async def read_line(prompt: str) -> str:
    """Return one line from the terminal; it is waited for in a way that Ctrl-C ends."""
    print(prompt, end="", file=sys.stderr, flush=True)
    await anyio.wait_readable(sys.stdin)
    return sys.stdin.readline().strip()


@dataclass(slots=True)
class Course:
    """How far a call came: what Ctrl-C then means, and all that was answered."""

    reads: bool = False
    sent: bool = False
    asking: bool = False
    begun: bool = False
    answers: list[CallToolResult] = field(default_factory=list[CallToolResult])

    def stopped(self) -> str:
        """Return what was and what was not changed when somebody stops the call here."""
        if self.reads or not self.sent:
            return "Stopped. Nothing was changed."
        if self.asking:
            return "Stopped before the plan was approved. Nothing was changed."
        goes_on = "goes on where it is when the next server starts: see `ink-infra-mcp operations`."
        if self.begun:
            return f"Stopped watching. What was approved is not taken back; it {goes_on}"
        return f"Stopped before an answer came. Whether a change began is not known; one that did {goes_on}"


@dataclass(frozen=True, slots=True)
class Person:
    """Puts the server's questions to the person at the terminal. Whatever is not a yes, or is left empty, is a no."""

    line: Callable[[str], Awaitable[str]] = read_line
    course: Course = field(default_factory=Course)

    async def answer(self, context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:
        """Return the answer to one question."""
        _tell(f"\n{params.message}\n")
        if not isinstance(params, ElicitRequestFormParams):
            _tell("This client opens no web pages: the question is declined.")
            return ElicitResult(action="decline")
        self.course.asking = True
        content: dict[str, str | int | float | bool | list[str] | None] = {}
        for name in params.requested_schema.get("properties", {}):
            content[name] = await self.line(f"{name}: ")
        said_yes = all(content.values()) if content else (await self.line("Approve? [y/N] ")).lower() in {"y", "yes"}
        self.course.asking = False
        self.course.begun |= said_yes
        return ElicitResult(action="accept", content=content) if said_yes else ElicitResult(action="decline")


def run(arguments: argparse.Namespace) -> int:
    """Print what the tool answers; the exit status says what came of it, as `cli/status.py` lists.

    Raises:
        UnknownName, InputError, NotConfigured: no such tool, no JSON object, no fleet.toml; no server is started then.
    """
    reads, values = _judged(arguments)
    course = Course(reads=reads)
    person = Person(course=course) if sys.stdin.isatty() and sys.stderr.isatty() else None
    quiet = arguments.json is True
    try:
        ended = anyio.run(converse, server_of(arguments), arguments.tool, values, person, course, quiet)
    except KeyboardInterrupt:
        _tell(wrapped(f"\n{course.stopped()}"))
        ended = status.INTERRUPTED
    if quiet:
        _print_document(arguments.tool, ended, course)
    return ended


def _judged(arguments: argparse.Namespace) -> tuple[bool, dict[str, Any]]:
    """Return whether the tool only reads, and its arguments, when it can be called at all; raises as `run` does."""
    contracts = {contract["name"]: contract for contract in load()}
    _sort(arguments)
    if arguments.tool not in contracts:
        why = tool_hint(arguments.tool, [*contracts]) if arguments.tool else no_tool([*contracts])
        raise UnknownName(why, done=NOT_DONE, next="`ink-infra-mcp call --help` shows how to call one.")
    values = _arguments(arguments, contracts[arguments.tool]["inputSchema"])
    if (missing := not_configured(arguments.config, sandbox=arguments.sandbox)) is not None:
        raise missing
    return contracts[arguments.tool]["annotations"]["readOnlyHint"], values


def _sort(arguments: argparse.Namespace) -> None:
    """Behind `--json` may stand the tool: what begins as an object is no tool, and whatever does not, no arguments."""
    taken = arguments.json
    if isinstance(taken, str) and not taken.lstrip().startswith("{") and not _is_tool(arguments.tool):
        arguments.tool, arguments.arguments, arguments.json = taken, arguments.tool, True


def _is_tool(word: str | None) -> bool:
    return word is not None and not word.lstrip().startswith("{")


def _arguments(arguments: argparse.Namespace, schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the tool's arguments; raises InputError."""
    text = _given_once(arguments)
    try:
        values: object = json.loads(text)
    except ValueError:
        values = None
    if not isinstance(values, dict):
        why = f"What is given to {arguments.tool} is no JSON object, which a tool's arguments are."
        meant = arguments_meant(text, schema)
        raise InputError(why, done=NOT_DONE, next=f"Between single quotes, such as: call {arguments.tool} '{meant}'")
    return cast(dict[str, Any], values)


def _given_once(arguments: argparse.Namespace) -> str:
    given = [text for text in (arguments.arguments, arguments.json) if isinstance(text, str)]
    if len(given) > 1:
        example = 'Write them once, such as: call get_app \'{"app": "shop"}\''
        raise InputError("The tool's arguments are given twice.", done=NOT_DONE, next=example)
    return given[0] if given else "{}"


def server_of(arguments: argparse.Namespace) -> StdioServerParameters:
    """Return how to start the server that has the same flags as this command, and the whole environment."""
    words = ["-m", "ink_infra_mcp", "serve", "--log-level", arguments.log_level]
    for name in ("config", "state", "toolsets"):
        if value := getattr(arguments, name):
            words += [f"--{name}", str(value)]
    words += [f"--{name.replace('_', '-')}" for name in ("sandbox", "fresh", "read_only") if getattr(arguments, name)]
    words += ["--speed", str(arguments.speed)]
    return StdioServerParameters(command=sys.executable, args=words, env=dict(os.environ))


async def converse(
    server: "Party",
    tool: str,
    values: dict[str, Any],
    person: "Person | None",
    course: Course | None = None,
    quiet: bool = False,
) -> int:
    """Return the exit status of one call, printed as it goes unless `quiet`, and kept in `course`.

    Without a person no question can be answered, and no elicitation is declared: the answer is an approval for
    `ink-infra-mcp approve`, and not a refusal that nobody gave.
    """
    ended, course = status.FAILED, course or Course()
    try:
        async with Client(server, elicitation_callback=person.answer if person else None) as client:
            ended = await _call(client, tool, values, course, quiet=quiet)
    except* MCPError as group:
        _tell(f"The server did not answer: {_cause(group)} {course.stopped()}")
    return ended


async def _call(client: Client, tool: str, values: dict[str, Any], course: Course, *, quiet: bool) -> int:
    async def tell(progress: float, total: float | None, message: str | None) -> None:
        course.begun = True
        if message:
            _tell(f"[{progress:.0f}/{total:.0f}] {message}" if total else f"... {message}")

    course.sent = True
    result = await client.call_tool(tool, values, progress_callback=tell)
    _heard(result, course, quiet=quiet)
    seen = _structured(result)
    if seen.get("outcome") == "running":
        course.begun = True
        return await _follow(client, str(seen.get("operation_id")), course, quiet=quiet)
    return status.of_answer(seen.get("outcome"), _text(result), is_error=result.is_error)


async def _follow(client: Client, operation_id: str, course: Course, *, quiet: bool) -> int:
    """Stay until the operation has ended: the server that runs it lives no longer than this client."""
    _tell(f"Following {operation_id}; Ctrl-C leaves it, and the next server goes on with it.")
    now = ""
    while True:
        result = await client.call_tool(FOLLOW, {"operation": operation_id})
        seen = _structured(result)
        if result.is_error or seen.get("state") != "running":
            _heard(result, course, quiet=quiet)
            return status.RUNNING if result.is_error else status.of_outcome(str(seen.get("state")))
        if seen.get("now") not in ("", now):
            now = str(seen.get("now"))
            _tell(f"... {now}")
        await anyio.sleep(LOOK_EVERY_S)


def _cause(group: BaseExceptionGroup[MCPError]) -> MCPError:
    first = group.exceptions[0]
    return first if isinstance(first, MCPError) else _cause(first)


def _structured(result: CallToolResult) -> dict[str, Any]:
    return dict(result.structured_content or {})


def _text(result: CallToolResult) -> str:
    return "\n".join(shown(block.text) for block in result.content if isinstance(block, TextContent))


def _heard(result: CallToolResult, course: Course, *, quiet: bool) -> None:
    course.answers.append(result)
    if not quiet:
        with readable():
            print(_text(result), flush=True)


def _print_document(tool: str, ended: int, course: Course) -> None:
    """Print the first answer, and where an operation was followed to its end, that too."""
    told = [{"text": _text(result), "data": _structured(result)} for result in course.answers]
    document = {"tool": tool, "exit_status": ended, "meaning": status.MEANINGS[ended], "answers": told}
    print_json(document)


def _tell(text: str) -> None:
    print(shown(text), file=sys.stderr, flush=True)
