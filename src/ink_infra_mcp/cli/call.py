"""`call`: calls one tool as any MCP client would, with the person at the terminal to answer its questions."""

import argparse
import json
import os
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import anyio
from mcp import Client, MCPError
from mcp.client import ClientRequestContext
from mcp.client.stdio import StdioServerParameters
from mcp.types import CallToolResult, ElicitRequestFormParams, ElicitRequestParams, ElicitResult, TextContent

from ink_infra_mcp.cli.terminal import shown

if TYPE_CHECKING:
    from mcp.server.lowlevel import Server

    Party = StdioServerParameters | Server[Any]

USAGE = 2
LOOK_EVERY_S = 1.0
FOLLOW = "get_operation"
_GOOD = {"applied", "already_so"}


async def read_line(prompt: str) -> str:
    """Return one line from the terminal; it is waited for in a way that Ctrl-C ends."""
    print(prompt, end="", file=sys.stderr, flush=True)
    await anyio.wait_readable(sys.stdin)
    return sys.stdin.readline().strip()


@dataclass(frozen=True, slots=True)
class Person:
    """Puts the server's questions to the person at the terminal. Whatever is not a yes, or is left empty, is a no."""

    line: Callable[[str], Awaitable[str]] = read_line

    async def answer(self, context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:
        """Return the answer to one question."""
        _tell(f"\n{params.message}\n")
        if not isinstance(params, ElicitRequestFormParams):
            _tell("This client opens no web pages: the question is declined.")
            return ElicitResult(action="decline")
        content: dict[str, str | int | float | bool | list[str] | None] = {}
        for name in params.requested_schema.get("properties", {}):
            content[name] = await self.line(f"{name}: ")
        said_yes = all(content.values()) if content else (await self.line("Approve? [y/N] ")).lower() in {"y", "yes"}
        return ElicitResult(action="accept", content=content) if said_yes else ElicitResult(action="decline")


def run(arguments: argparse.Namespace) -> int:
    """Print what the tool answers; 0: it did what was asked, 1: it did not, 2: the arguments are no JSON object."""
    try:
        values = json.loads(arguments.json)
    except ValueError as error:
        return _misused(f"--json is not JSON: {error}.")
    if not isinstance(values, dict):
        return _misused('--json must be an object, such as \'{"app": "shop"}\'.')
    person = Person() if sys.stdin.isatty() and sys.stderr.isatty() else None
    return anyio.run(converse, server_of(arguments), arguments.tool, cast(dict[str, Any], values), person)


def server_of(arguments: argparse.Namespace) -> StdioServerParameters:
    """Return how to start the server that has the same flags as this command, and the whole environment."""
    words = ["-m", "ink_infra_mcp", "serve", "--log-level", arguments.log_level]
    for name in ("config", "state", "toolsets"):
        if value := getattr(arguments, name):
            words += [f"--{name}", str(value)]
    words += [f"--{name.replace('_', '-')}" for name in ("sandbox", "fresh", "read_only") if getattr(arguments, name)]
    words += ["--speed", str(arguments.speed)]
    return StdioServerParameters(command=sys.executable, args=words, env=dict(os.environ))


async def converse(server: "Party", tool: str, values: dict[str, Any], person: "Person | None") -> int:
    """Return the exit status of one call, printed as it goes; without a person no question can be answered.

    No elicitation is declared then: the answer is an approval for `ink-infra-mcp approve`, and not a refusal that
    nobody gave.
    """
    status = 1
    try:
        async with Client(server, elicitation_callback=person.answer if person else None) as client:
            status = await _call(client, tool, values)
    except* MCPError as group:
        _tell(f"The server did not answer: {_cause(group)}")
    return status


async def _call(client: Client, tool: str, values: dict[str, Any]) -> int:
    result = await client.call_tool(tool, values, progress_callback=_progress)
    _print(result)
    seen = _structured(result)
    if seen.get("outcome") == "running":
        return await _follow(client, str(seen.get("operation_id")))
    return 1 if result.is_error else 0


async def _follow(client: Client, operation_id: str) -> int:
    """Stay until the operation has ended: the server that runs it lives no longer than this client."""
    _tell(f"Following {operation_id}; Ctrl-C leaves it, and the next server goes on with it.")
    now = ""
    while True:
        result = await client.call_tool(FOLLOW, {"operation": operation_id})
        seen = _structured(result)
        if result.is_error or seen.get("state") != "running":
            _print(result)
            return 0 if seen.get("state") in _GOOD else 1
        if seen.get("now") not in ("", now):
            now = str(seen.get("now"))
            _tell(f"... {now}")
        await anyio.sleep(LOOK_EVERY_S)


async def _progress(progress: float, total: float | None, message: str | None) -> None:
    if message:
        _tell(f"[{progress:.0f}/{total:.0f}] {message}" if total else f"... {message}")


def _cause(group: BaseExceptionGroup[MCPError]) -> MCPError:
    first = group.exceptions[0]
    return first if isinstance(first, MCPError) else _cause(first)


def _structured(result: CallToolResult) -> dict[str, Any]:
    return dict(result.structured_content or {})


def _print(result: CallToolResult) -> None:
    print("\n".join(shown(block.text) for block in result.content if isinstance(block, TextContent)), flush=True)


def _tell(text: str) -> None:
    print(shown(text), file=sys.stderr, flush=True)


def _misused(why: str) -> int:
    _tell(f"ink-infra-mcp call: {why}")
    return USAGE
