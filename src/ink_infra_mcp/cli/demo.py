"""`demo`: the main job in the sandbox, over a real stdio session with a real MCP client, as a person would see it."""

import argparse
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
from mcp import Client
from mcp.client import ClientRequestContext
from mcp.client.stdio import StdioServerParameters
from mcp.types import ElicitRequestParams, ElicitResult, ErrorData, TextContent

SPEED = "10"


@dataclass(slots=True)
class Person:
    """The person at the client: shows each question, and answers it as the demo's script or the terminal says."""

    script: list[str]
    interactive: bool

    async def answer(self, context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult | ErrorData:
        """Return the answer to one question of the server."""
        typed = "name" in getattr(params, "requested_schema", {}).get("properties", {})
        _show("The server asks a person", params.message)
        wanted = self.script.pop(0) if self.script else "decline"
        if self.interactive:
            return await anyio.to_thread.run_sync(_ask, typed)
        _line(f"  the person: {wanted}")
        return ElicitResult(action="decline") if wanted == "decline" else ElicitResult(action="accept", content={})


def run(arguments: argparse.Namespace) -> int:
    """Run the demo; the exit status is 0 when everything came out as promised."""
    with tempfile.TemporaryDirectory(prefix="ink-demo-") as folder:
        return anyio.run(_demo, Path(folder), arguments.ask)


async def _demo(folder: Path, interactive: bool) -> int:
    person = Person(script=["accept", "decline"], interactive=interactive)
    environment = {**os.environ, "INK_INFRA_STATE": str(folder)}
    words = ["-m", "ink_infra_mcp", "serve", "--sandbox", "--fresh", "--speed", SPEED]
    server = StdioServerParameters(command=sys.executable, args=words, env=environment)
    _line("ink-infra-mcp demo: a pretend world on this machine; nothing real is touched.")
    async with Client(server, elicitation_callback=person.answer) as client:
        _line(f"Connected over stdio, protocol {client.protocol_version}.")
        await _call(client, "The fleet", "get_fleet", {})
        deploy = {
            "name": "hello",
            "repository": "https://github.com/example/hello",
            "env": {"GREETING": "hi"},
            "wait_s": 120,
        }
        applied = await _call(client, "Deploy an app", "deploy_app", deploy)
        again = await _call(client, "The same call again", "deploy_app", deploy)
        await _call(client, "The apps now", "list_apps", {})
        refused = await _call(client, "Delete it: the person says no", "delete_app", {"app": "hello"})
        still = await _call(client, "It is still there", "get_app", {"app": "hello"})
        await _call(client, "Who did what", "get_audit", {})
    good = _outcomes(applied, again, refused) and still.get("name") == "hello"
    _line("\nDemo: all as promised." if good or interactive else "\nDemo: NOT as promised, see above.")
    return 0 if good or interactive else 1


def _outcomes(applied: dict[str, Any], again: dict[str, Any], refused: dict[str, Any]) -> bool:
    passed = all(check["status"] == "passed" for check in applied.get("checks", []))
    outcomes = (applied.get("outcome"), again.get("outcome"), refused.get("outcome"))
    return passed and outcomes == ("applied", "already_so", "not_approved")


async def _call(client: Client, title: str, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
    _line(f"\n=== {title}: {tool} {_brief(arguments)}")
    told: list[str] = []

    async def report(progress: float, total: float | None, message: str | None) -> None:
        if message and told[-1:] != [message]:
            told.append(message)
            _line(f"  ... {message}")

    result = await client.call_tool(tool, arguments, progress_callback=report)
    text = "\n".join(block.text for block in result.content if isinstance(block, TextContent))
    _line(_indented(text))
    return dict(result.structured_content or {})


def _ask(typed: bool) -> ElicitResult:
    if typed:
        name = input("  type the target's name to approve, or nothing to decline: ")
        return ElicitResult(action="accept", content={"name": name}) if name else ElicitResult(action="decline")
    yes = input("  approve? [y/N] ").strip().lower() in {"y", "yes"}
    return ElicitResult(action="accept", content={}) if yes else ElicitResult(action="decline")


def _brief(arguments: dict[str, Any]) -> str:
    return " ".join(f"{key}={value}" for key, value in arguments.items() if key != "wait_s")


def _show(title: str, text: str) -> None:
    _line(f"\n--- {title} ---\n{_indented(text)}\n---")


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())


def _line(text: str) -> None:
    print(text, flush=True)
