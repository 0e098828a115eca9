"""`demo`: the main jobs in the sandbox, over a real stdio session with a real MCP client, as a person sees them."""

import argparse
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import anyio
from mcp import Client
from mcp.client.stdio import StdioServerParameters

from ink_infra_mcp.cli import demo_growth
from ink_infra_mcp.cli.demo_stage import Person, call, line

SPEED = "40"
"""How much faster than ours the pretend world's time goes."""


def run(arguments: argparse.Namespace) -> int:
    """Run the demo; the exit status is 0 when everything came out as promised."""
    with tempfile.TemporaryDirectory(prefix="ink-demo-") as folder:
        return anyio.run(_demo, Path(folder), arguments.ask)


async def _demo(folder: Path, interactive: bool) -> int:
    person = Person(script=["accept", "decline", *demo_growth.SCRIPT], interactive=interactive)
    environment = {**os.environ, "INK_INFRA_STATE": str(folder)}
    words = ["-m", "ink_infra_mcp", "serve", "--sandbox", "--fresh", "--speed", SPEED]
    server = StdioServerParameters(command=sys.executable, args=words, env=environment)
    line("ink-infra-mcp demo: a pretend world on this machine; nothing real is touched.")
    async with Client(server, elicitation_callback=person.answer) as client:
        line(f"Connected over stdio, protocol {client.protocol_version}.")
        line("\nFirst act: an app is deployed, and nobody deletes it against a person's will.")
        good = await _an_app(client)
        line("\nSecond act: a server is bought, becomes a Muscle, gets an app, is emptied and goes.")
        good = await demo_growth.act(client, environment, interactive=interactive) and good
        await call(client, "Who did what", "get_audit", {"limit": 8})
    line("\nDemo: all as promised." if good or interactive else "\nDemo: NOT as promised, see above.")
    return 0 if good or interactive else 1


async def _an_app(client: Client) -> bool:
    await call(client, "The fleet", "get_fleet", {})
    deploy = {
        "name": "hello",
        "repository": "https://github.com/example/hello",
        "env": {"GREETING": "hi"},
        "wait_s": 120,
    }
    applied = await call(client, "Deploy an app", "deploy_app", deploy)
    again = await call(client, "The same call again", "deploy_app", deploy)
    await call(client, "The apps now", "list_apps", {})
    refused = await call(client, "Delete it: the person says no", "delete_app", {"app": "hello"})
    still = await call(client, "It is still there", "get_app", {"app": "hello"})
    return _outcomes(applied, again, refused) and still.get("name") == "hello"


def _outcomes(applied: dict[str, Any], again: dict[str, Any], refused: dict[str, Any]) -> bool:
    passed = all(check["status"] == "passed" for check in applied.get("checks", []))
    outcomes = (applied.get("outcome"), again.get("outcome"), refused.get("outcome"))
    return passed and outcomes == ("applied", "already_so", "not_approved")
