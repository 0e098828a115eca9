"""The demo's stage: calls over the session, and what of them is on the screen, in rows of 80 columns."""

import textwrap
from dataclasses import dataclass
from typing import Any

import anyio
from mcp import Client
from mcp.client import ClientRequestContext
from mcp.types import ElicitRequestParams, ElicitResult, ErrorData, TextContent

COLUMNS = 80
HEAD, TAIL = 12, 20
"""Rows of a long text that are on the screen: the beginning, and the end with proofs, price and warnings."""


@dataclass(slots=True)
class Person:
    """The person at the client: shows each question, and answers it as the demo's script or the terminal says.

    An answer of the script is `accept`, `decline`, or the name that is typed.
    """

    script: list[str]
    interactive: bool

    async def answer(self, context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult | ErrorData:
        """Return the answer to one question of the server."""
        typed = "name" in getattr(params, "requested_schema", {}).get("properties", {})
        show("The server asks a person", params.message)
        if self.interactive:
            return await anyio.to_thread.run_sync(_ask, typed)
        wanted = self.script.pop(0) if self.script else "decline"
        line(f"  the person: {wanted}")
        return _answered(wanted)


def _answered(wanted: str) -> ElicitResult:
    if wanted == "decline":
        return ElicitResult(action="decline")
    return ElicitResult(action="accept", content={} if wanted == "accept" else {"name": wanted})


def _ask(typed: bool) -> ElicitResult:
    if typed:
        name = input("  type the target's name to approve, or nothing to decline: ")
        return _answered(name or "decline")
    return _answered("accept" if input("  approve? [y/N] ").strip().lower() in {"y", "yes"} else "decline")


async def call(client: Client, title: str, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Call a tool, show what it says meanwhile and in the end, and return its answer; a long text is shortened."""
    line(f"\n=== {title}: {tool} {_brief(arguments)}")
    told: list[str] = []

    async def report(progress: float, total: float | None, message: str | None) -> None:
        if message and told[-1:] != [message]:
            told.append(message)
            line(f"  ... {message}")

    result = await client.call_tool(tool, arguments, progress_callback=report)
    text = "\n".join(block.text for block in result.content if isinstance(block, TextContent))
    line(indented(picture(text)))
    return dict(result.structured_content or {})


def picture(text: str) -> str:
    """Return the beginning and the end of a long text; between them stands how much is left out."""
    rows = text.splitlines()
    if len(rows) <= HEAD + TAIL + 1:
        return text
    left_out = f"[... {len(rows) - HEAD - TAIL} of {len(rows)} lines are not in this picture ...]"
    return "\n".join((*rows[:HEAD], left_out, *rows[-TAIL:]))


def show(title: str, text: str) -> None:
    """Show a text that somebody else sees, whole."""
    line(f"\n--- {title} ---\n{indented(text)}\n---")


def indented(text: str) -> str:
    """Return the text, each line a bit to the right."""
    return "\n".join(f"  {row}" for row in text.splitlines())


def line(text: str) -> None:
    """Print lines; what is too long for a row goes on in the next one."""
    print("\n".join(map(_folded, text.splitlines() or [""])), flush=True)


def _folded(row: str) -> str:
    margin = " " * (len(row) - len(row.lstrip()) + 4)
    rows = textwrap.wrap(
        row.expandtabs(2), COLUMNS, subsequent_indent=margin, replace_whitespace=False, break_on_hyphens=False
    )
    return "\n".join(rows)


def _brief(arguments: dict[str, Any]) -> str:
    return " ".join(f"{key}={value}" for key, value in arguments.items() if key != "wait_s")
