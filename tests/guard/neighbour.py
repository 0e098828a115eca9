"""A second server process on the same state, which makes two calls and follows what it joins."""

import multiprocessing
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import anyio

from ink_infra_mcp.app import App
from ink_infra_mcp.guard.caller import Asked, Caller
from ink_infra_mcp.sandbox.running import Endpoints, open_world
from tests.guard.bed import OURS, THEIRS
from tests.ink import wired

PATIENCE_S = 90.0
Heard = tuple[str, str | None, str]


@dataclass(frozen=True, slots=True)
class Visit:
    """Where the state and the world are, and what to call."""

    folder: Path
    ends: Endpoints
    tool: str
    arguments: dict[str, Any]


@contextmanager
def neighbour(visit: Visit) -> Generator[Connection]:
    """Give the line to a running second process.

    It says what our own principal's call came to, then what another principal's same call came to, and in the end how
    the operation ended that it joined: each time (outcome, operation id, message).
    """
    context = multiprocessing.get_context("forkserver")
    here, there = context.Pipe()
    process = context.Process(target=live, args=(visit, there), daemon=True)
    process.start()
    try:
        yield here
    finally:
        process.join(PATIENCE_S)
        process.kill()
        process.join(PATIENCE_S)


def live(visit: Visit, line: Connection) -> None:
    """Be the second process."""
    anyio.run(_visit, visit, line)


async def hear(line: Connection) -> Heard:
    """Return the next thing that the neighbour says."""
    return await anyio.to_thread.run_sync(line.recv)


async def _visit(visit: Visit, line: Connection) -> None:
    app = App(wired(visit.folder, open_world(visit.folder / "world.db"), visit.ends))
    try:
        operation = await _say(app, visit, OURS, line)
        await _say(app, visit, THEIRS, line)
        ended = await app.follow(operation or "", PATIENCE_S, None)
        line.send((ended.outcome.value, ended.operation_id, ended.message))
    finally:
        await app.aclose()


async def _say(app: App, visit: Visit, caller: Caller, line: Connection) -> str | None:
    tool = app.mutations[visit.tool]
    said = await app.change(tool, tool.args.model_validate(visit.arguments), caller)
    if isinstance(said, Asked):
        line.send(("asked", None, said.text))
        return None
    line.send((said.outcome.value, said.operation_id, said.message))
    return said.operation_id
